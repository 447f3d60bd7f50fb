"""What Azure is told in its own words: parameters, names, environments, permissions."""

import json
from types import SimpleNamespace

import pytest
import yaml

from lib import metrics
from lib.automl import FAMILIES
from lib.backends.azureml import automl, doctor, endpoint, environment, registry, snapshot
from lib.errors import ParameterError
from lib.parameters import Parameters, load
from lib.paths import ROOT


def parameters(**changes):
    given = {"target_column": "late", "task": "binary", "primary_metric": "roc_auc", **changes}
    return Parameters({**load([]).values, **given})


class TestAutoML:
    def test_every_name_is_translated_once(self):
        assert automl.settings(
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
    def test_every_family_but_catboost_has_its_names_there(self, task):
        pytest.importorskip("azureml.train.automl", reason='needs make install GROUPS="azure"')
        from azureml.train.automl.constants import SupportedModels

        known = vars(SupportedModels.Classification if task == "binary" else SupportedModels.Regression).values()
        metric = "accuracy" if task == "binary" else "r2"
        for family in FAMILIES:
            given = automl.settings(parameters(task=task, primary_metric=metric, allowed_models=[family]))
            assert set(given.get("allowed_models", [])) <= set(known) and ("allowed_models" in given) != (
                family == "catboost"
            )

    def test_what_is_empty_is_left_to_it(self):
        left = {"n_cross_validations", "validation_size", "allowed_models", "blocked_models"}
        assert not left & automl.settings(parameters()).keys()

    @pytest.mark.parametrize("task", metrics.TASKS)
    def test_every_metric_with_a_name_there_can_be_asked_for(self, task):
        for metric in metrics.for_task(task):
            asked = parameters(task=task, primary_metric=metric.name)
            if metric.automl_name is None:
                with pytest.raises(ParameterError, match=f"does not optimise {metric.name}"):
                    automl.settings(asked)
            else:
                assert automl.settings(asked)["primary_metric"] == metric.automl_name


class TestEnvironment:
    def test_a_machine_with_a_gpu_gets_the_wheel_with_cuda(self):
        plain, gpu = (
            environment.conda_specification("Standard_DS3_v2"),
            environment.conda_specification("Standard_NC4as_T4_v3"),
        )
        assert plain == (ROOT / "environment.yml").read_text()
        on_cpu, on_gpu = (set(yaml.safe_load(text)["dependencies"][2]["pip"]) for text in (plain, gpu))
        (cpu_only,), (gpu_only,) = on_cpu - on_gpu, on_gpu - on_cpu
        assert cpu_only.replace("xgboost-cpu", "xgboost") == gpu_only

    def test_the_version_is_its_content(self):
        text = environment.conda_specification()
        assert environment.content_version(text) == environment.content_version(text)
        assert environment.content_version(text) != environment.content_version(text + "\n")

    def test_the_python_is_that_of_the_file(self):
        assert (
            f"python={environment.python_version(environment.conda_specification())}"
            in environment.conda_specification()
        )


class TestEndpointName:
    workspace = {"subscription_id": "s", "resource_group": "r", "workspace_name": "w"}

    def test_it_is_the_use_cases_own_in_each_workspace(self):
        name = endpoint.name_of("flights", self.workspace)
        assert name.startswith("flights-") and name == endpoint.name_of("flights", self.workspace)
        assert name != endpoint.name_of("flights", {**self.workspace, "workspace_name": "other"})

    def test_it_does_not_depend_on_how_the_ids_are_spelt(self):
        shouted = {name: value.upper() for name, value in self.workspace.items()}
        assert endpoint.name_of("flights", shouted) == endpoint.name_of("flights", self.workspace)

    @pytest.mark.parametrize("name", ["a" * 32, "abc", f"{'a' * 24}-b"])
    def test_it_keeps_azures_rules(self, name):
        assert doctor._ENDPOINT_NAME.fullmatch(endpoint.name_of(name, self.workspace))


class TestPermissions:
    @pytest.mark.parametrize(
        ("granted", "withheld", "allowed"),
        [
            (["*"], [], True),
            (["Microsoft.Storage/*/read"], [], True),
            (["microsoft.storage/storageAccounts/READ"], [], True),
            (["*"], ["Microsoft.Storage/*"], False),
            (["Microsoft.Storage/storageAccounts/write"], [], False),
            (None, None, False),
        ],
    )
    def test_patterns_are_read_as_azure_reads_them(self, granted, withheld, allowed):
        assert doctor._allows(granted, withheld, "Microsoft.Storage/storageAccounts/read") is allowed


@pytest.mark.parametrize(
    ("line", "low_priority", "counts"),
    [
        ("standardNCASv3_T4Family", False, True),
        ("Standard NCASv3_T4 Family Cluster Dedicated vCPUs", False, True),
        ("Standard NCADSA100v4 Family Cluster Dedicated vCPUs", False, False),
        ("Total Cluster LowPriority Regional vCPUs", True, True),
        ("Standard NCASv3_T4 Family Cluster Dedicated vCPUs", True, False),
    ],
)
def test_the_line_of_the_quota_that_counts(line, low_priority, counts):
    usage = SimpleNamespace(name={"value": line})
    assert doctor._counts(usage, "standardNCASv3_T4Family", low_priority) is counts


def test_the_run_and_the_path_are_read_from_a_models_address():
    found = registry._ARTIFACTS.search(
        "azureml://eastus.api.azureml.ms/mlflow/v2.0/x/experiments/e/runs/r_1/artifacts/model"
    )
    assert found.group("run", "path") == ("r_1", "model")


def test_what_travels_with_a_job_runs_without_this_folder(tmp_path):
    notebook = ROOT / "notebooks" / "03_train.ipynb"
    snapshot.pack(tmp_path, notebook, "03_train-linear.ipynb", {"seed": 1, "options": {"a": [1]}})
    assert json.loads((tmp_path / "job.json").read_text()) == {
        "notebook": "notebooks/03_train.ipynb",
        "executed": "03_train-linear.ipynb",
        "parameters": {"seed": 1, "options": {"a": [1]}},
    }
    assert (tmp_path / "notebooks" / "03_train.ipynb").read_bytes() == notebook.read_bytes()
    for name in (
        "lib/backends/azureml/notebook_job.py",
        "lib/training/linear.py",
        "parameters/base.yaml",
        "environment.yml",
    ):
        assert (tmp_path / name).is_file()
    assert not list(tmp_path.rglob("__pycache__"))
