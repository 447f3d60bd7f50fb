"""Translation of parameters into Azure's terms: AutoML settings, names, environments and permissions."""

from types import SimpleNamespace

import pytest
import yaml

from lib import metrics
from lib.automl import FAMILIES
from lib.backends import azureml
from lib.backends.azureml import automl, doctor, endpoint_names, environment, registry
from lib.errors import ParameterError
from lib.parameters import Parameters, load
from lib.paths import ROOT


def parameters(**changes):
    values = {"target_column": "late", "task": "binary", "primary_metric": "roc_auc", **changes}
    return Parameters({**load([]).values, **values})


class TestAutoML:
    def test_parameters_become_automl_settings(self):
        assert automl.automl_settings(
            parameters(n_cross_validations=5, allowed_models=["lightgbm", "linear"], max_nodes=3)
        ) == {
            "task": "classification",
            "primary_metric": "AUC_weighted",
            "label_column_name": "late",
            "iterations": 20,
            "experiment_timeout_hours": 0.5,
            "max_concurrent_iterations": 3,
            "n_cross_validations": 5,
            "enable_voting_ensemble": True,
            "allowed_models": ["LightGBM", "LogisticRegression", "LinearSVM", "SGD"],
        }

    @pytest.mark.parametrize("task", ["binary", "regression"])
    def test_automl_supports_every_family_except_catboost(self, task):
        pytest.importorskip("azureml.train.automl", reason='needs make install GROUPS="azure azure-v1"')
        from azureml.train.automl.constants import SupportedModels

        known = vars(SupportedModels.Classification if task == "binary" else SupportedModels.Regression).values()
        metric = "accuracy" if task == "binary" else "r2"
        for family in FAMILIES:
            settings = automl.automl_settings(parameters(task=task, primary_metric=metric, allowed_models=[family]))
            assert set(settings.get("allowed_models", [])) <= set(known) and ("allowed_models" in settings) != (
                family == "catboost"
            )

    def test_version_2_has_no_neural_networks(self):
        changes = {"allowed_models": ["lightgbm", "neural_network"], "automl": True}
        settings = {sdk: automl.automl_settings(parameters(azure_sdk=sdk, **changes)) for sdk in ("v1", "v2")}
        assert settings["v1"]["allowed_models"] == ["LightGBM", "TabnetClassifier"]
        assert settings["v2"]["allowed_models"] == ["LightGBM"]
        only = parameters(azure_sdk="v2", automl=True, allowed_models=["neural_network"])
        assert any("does not support neural_network" in fault for fault in azureml.faults(only))

    @pytest.mark.parametrize(
        ("changes", "is_refused"),
        [
            ({"azure_sdk": "v1"}, True),
            ({"azure_sdk": "v1", "datastore_has_key": True}, False),
            ({"azure_sdk": "v1", "automl": False}, False),
            ({"azure_sdk": "v2"}, False),
        ],
    )
    def test_automl_of_version_1_needs_a_key(self, changes, is_refused):
        faults = azureml.faults(parameters(**{"automl": True, **changes}))
        refusals = [fault for fault in faults if fault.startswith("automl: Microsoft does not support")]
        assert bool(refusals) is is_refused
        assert not refusals or "Set azure_sdk: v2" in refusals[0]

    def test_empty_parameters_are_omitted(self):
        optional = {"n_cross_validations", "validation_size", "allowed_models", "blocked_models"}
        assert not optional & automl.automl_settings(parameters()).keys()

    @pytest.mark.parametrize("task", metrics.TASKS)
    def test_metrics_are_translated_or_rejected(self, task):
        for metric in metrics.for_task(task):
            chosen = parameters(task=task, primary_metric=metric.name)
            if metric.automl_name is None:
                with pytest.raises(ParameterError, match=f"cannot optimize {metric.name}"):
                    automl.automl_settings(chosen)
            else:
                assert automl.automl_settings(chosen)["primary_metric"] == metric.automl_name


@pytest.mark.parametrize(("sdk", "is_refused"), [("v1", True), ("v2", False)])
def test_serverless_compute_needs_version_2(sdk, is_refused):
    faults = azureml.faults(parameters(azure_sdk=sdk, gpu_cluster="serverless", cpu_cluster="serverless"))
    refusals = [fault.partition(":")[0] for fault in faults if "serverless compute needs azure_sdk: v2" in fault]
    assert refusals == (["gpu_cluster", "cpu_cluster"] if is_refused else [])


class TestEnvironment:
    def test_gpu_machines_get_xgboost_with_cuda(self, custom):
        cpu, gpu = (
            environment.conda_specification("Standard_DS3_v2"),
            environment.conda_specification("Standard_NC4as_T4_v3"),
        )
        assert cpu == (ROOT / "environment.yml").read_text()
        on_cpu, on_gpu = (set(yaml.safe_load(text)["dependencies"][2]["pip"]) for text in (cpu, gpu))
        (cpu_only,), (gpu_only,) = on_cpu - on_gpu, on_gpu - on_cpu
        assert cpu_only.replace("xgboost-cpu", "xgboost") == gpu_only

    def test_the_version_depends_on_the_content(self):
        text = environment.conda_specification()
        assert environment.content_version(text) == environment.content_version(text)
        assert environment.content_version(text) != environment.content_version(text + "\n")

    def test_the_python_version_comes_from_the_file(self):
        assert (
            f"python={environment.python_version(environment.conda_specification())}"
            in environment.conda_specification()
        )


class TestEndpointName:
    workspace = {"subscription_id": "s", "resource_group": "r", "workspace_name": "w"}

    def test_it_is_unique_per_use_case_and_workspace(self):
        name = endpoint_names.endpoint_name("flights", self.workspace)
        assert name.startswith("flights-") and name == endpoint_names.endpoint_name("flights", self.workspace)
        assert name != endpoint_names.endpoint_name("flights", {**self.workspace, "workspace_name": "other"})

    def test_it_ignores_upper_and_lower_case(self):
        upper_case = {name: value.upper() for name, value in self.workspace.items()}
        assert endpoint_names.endpoint_name("flights", upper_case) == endpoint_names.endpoint_name(
            "flights", self.workspace
        )

    @pytest.mark.parametrize("name", ["a" * 32, "abc", f"{'a' * 24}-b"])
    def test_it_is_valid_on_azure(self, name):
        assert doctor._ENDPOINT_NAME.fullmatch(endpoint_names.endpoint_name(name, self.workspace))


class TestPermissions:
    @pytest.mark.parametrize(
        ("granted", "excluded", "expected"),
        [
            (["*"], [], True),
            (["Microsoft.Storage/*/read"], [], True),
            (["microsoft.storage/storageAccounts/READ"], [], True),
            (["*"], ["Microsoft.Storage/*"], False),
            (["Microsoft.Storage/storageAccounts/write"], [], False),
            (None, None, False),
        ],
    )
    def test_role_patterns_match_like_on_azure(self, granted, excluded, expected):
        assert doctor._allows(granted, excluded, "Microsoft.Storage/storageAccounts/read") is expected


@pytest.mark.parametrize(
    ("quota", "low_priority", "expected"),
    [
        ("standardNCASv3_T4Family", False, True),
        ("Standard NCASv3_T4 Family Cluster Dedicated vCPUs", False, True),
        ("Standard NCADSA100v4 Family Cluster Dedicated vCPUs", False, False),
        ("Total Cluster LowPriority Regional vCPUs", True, True),
        ("Standard NCASv3_T4 Family Cluster Dedicated vCPUs", True, False),
    ],
)
def test_the_quota_of_a_machine_family(quota, low_priority, expected):
    usage = SimpleNamespace(name={"value": quota})
    assert doctor._is_quota_of(usage, "standardNCASv3_T4Family", low_priority) is expected


def test_a_model_address_contains_run_and_path():
    match = registry._RUN_ARTIFACT.search(
        "azureml://eastus.api.azureml.ms/mlflow/v2.0/x/experiments/e/runs/r_1/artifacts/model"
    )
    assert match.group("run", "path") == ("r_1", "model")
