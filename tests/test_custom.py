"""The customer's folder ``custom/``: found by name, kept apart, and reported with file and line where it is faulty."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import automl, catalogue, extensions, metrics, pipelines, training
from lib.backends import model_code, model_files
from lib.backends.azureml import snapshot
from lib.chain import fingerprint, notebooks, used_code
from lib.errors import CodeError, NameNotFound, ParameterError
from lib.evidence import manifest
from lib.parameters import load
from lib.paths import ROOT
from lib.training import TrainingRequest
from tests.workspaces import parameters_for

RIDGE = """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from custom.scaling import scaler

    def train(X, y, request, *, alpha: float = 1.0):
        return make_pipeline(scaler(), RidgeClassifier(alpha=alpha)).fit(X, y)
"""
SCALING = """
    import numpy as np
    from sklearn.preprocessing import FunctionTransformer

    def halve(X):
        return np.asarray(X) / 2

    def scaler():
        return FunctionTransformer(halve)
"""
SHOP = """
    from lib.pipelines.base import BasePipeline

    class ShopPipeline(BasePipeline):
        OPTIONS = {"minimum": int}

        def prepare_data(self, frame):
            return frame[frame["size"] > self.parameters.options["minimum"]]
"""
X = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "luck": [0.0, 1.0, 0.0, 1.0]})
Y = pd.Series(["no", "no", "yes", "yes"])
REQUEST = TrainingRequest("binary", metrics.get("accuracy", "binary"), seed=0, threads=1)
SMALL = ["name=shop", "data=data/penguins_raw.csv", "target_column=Species", "task=binary", "primary_metric=accuracy"]


def faults_of(*assignments):
    """Return the faults of a use case given by assignments, as on the command line; empty if there are none."""
    try:
        pipelines.check_use_case(load([], [*SMALL, *assignments]))
    except ParameterError as error:
        return error.faults
    return []


@pytest.fixture
def ridge(custom):
    custom.write("scaling.py", SCALING)
    return custom.write("training/ridge.py", RIDGE)


class TestNames:
    def test_new_file_is_found_by_name(self, ridge):
        assert "ridge" in training.available() and "ridge" not in training.available(is_bundled=True)
        assert set(training.get("ridge")(X, Y, REQUEST).predict(X)) == {"no", "yes"}

    def test_new_pipeline_can_be_opened(self, custom, workspace):
        custom.write("pipelines/shop.py", SHOP)
        pipeline = pipelines.get_pipeline(**parameters_for(workspace, pipeline="shop", options={"minimum": 1}))
        assert type(pipeline).__name__ == "ShopPipeline" and len(pipeline.prepare_data(X)) == 3

    def test_folder_with_several_files_is_an_entry(self, custom):
        custom.write("training/forest/__init__.py", "from .grow import train")
        custom.write("training/forest/grow.py", "def train(X, y, request, *, trees: int = 3):\n    return trees")
        assert training.get("forest")(X, Y, REQUEST) == 3

    def test_private_modules_and_missing_folders_are_no_entries(self, custom):
        custom.write("training/_helper.py", "")
        assert extensions.find_extensions("lib.training") == extensions.find_extensions("lib.pipelines") == []

    def test_misspelt_name_suggests_the_customers_own(self, ridge):
        with pytest.raises(NameNotFound, match="in lib/training/ or custom/training/. Did you mean 'ridge'"):
            training.get("ridg")

    def test_options_and_hyperparameters_are_checked_from_the_source(self, ridge, custom):
        custom.write("pipelines/shop.py", SHOP)
        faults = faults_of(
            "pipeline=shop", "options.minimun=1", "training_functions=[ridge]", "hyperparameters.ridge.alpha=much"
        )
        assert any("options: minimun is not an option of" in fault and "'minimum'" in fault for fault in faults)
        assert "hyperparameters: ridge.alpha is 'much'; expected float." in faults
        assert "custom.pipelines.shop" not in sys.modules and "custom.training.ridge" not in sys.modules

    def test_name_of_a_bundled_entry_is_refused_only_where_it_is_used(self, custom):
        custom.write("training/linear.py", "def train(X, y, request): ...")
        (fault,) = faults_of("training_functions=[linear]")
        assert fault.startswith("Training function 'linear' is defined 2 times: by lib/training/linear.py and by ")
        assert "custom/training/linear.py" in fault and "Rename" in fault
        assert faults_of("training_functions=[xgboost]") == []


class TestFaultyModules:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("def train(X, y, request):\nreturn 1", "broken.py, line 2: IndentationError: expected an indented block"),
            (
                "import json\nimport no_such_package",
                "broken.py, line 2: imports no_such_package, which is not installed",
            ),
            (
                "from no_such_package.part import x",
                "broken.py, line 1: imports no_such_package, which is not installed",
            ),
            ("def trian(X, y, request): ...", "broken.py defines no function train(X, y, request). Defined: trian."),
            ("x = '\0'", "broken.py"),
        ],
    )
    def test_fault_is_found_before_a_kernel_starts_and_only_if_used(self, custom, text, message):
        custom.write("training/broken.py", text)
        (fault,) = faults_of("training_functions=[broken]")
        assert message in fault
        assert faults_of("training_functions=[linear]") == []
        assert training.get("linear") is not None

    def test_optional_imports_are_no_fault(self, custom):
        custom.write(
            "training/careful.py",
            "try:\n    import no_such_package\nexcept ImportError:\n    pass\ndef train(X, y, request): ...",
        )
        assert faults_of("training_functions=[careful]") == []

    def test_error_during_the_import_names_the_innermost_line_of_the_customer(self, custom):
        custom.write("tables.py", "import json\n\nLEVELS = {}['gold']\n")
        custom.write("training/broken.py", "from custom.tables import LEVELS\ndef train(X, y, request): ...")
        with pytest.raises(CodeError, match=r"custom/tables.py, line 3: KeyError: 'gold'"):
            training.get("broken")

    def test_module_without_the_function_is_named(self, custom):
        custom.write("training/empty.py", "train_model = 1")
        with pytest.raises(CodeError, match="custom/training/empty.py defines no train"):
            training.get("empty")

    @pytest.mark.parametrize(("classes", "count"), [("", 0), ("class A(BasePipeline): ...\nclass B(A): ...", 2)])
    def test_pipeline_file_must_define_one_class(self, custom, workspace, classes, count):
        custom.write("pipelines/shop.py", f"from lib.pipelines.base import BasePipeline\n{classes}")
        with pytest.raises(CodeError, match=f"shop.py defines {count} child classes of BasePipeline"):
            pipelines.get_pipeline(**parameters_for(workspace, pipeline="shop"))

    def test_other_package_named_custom_is_reported(self, ridge, tmp_path, monkeypatch):
        other = tmp_path / "elsewhere" / "custom" / "training"
        other.mkdir(parents=True)
        (other.parent / "__init__.py").touch()
        (other / "__init__.py").touch()
        (other / "ridge.py").write_text("def train(X, y, request): ...")
        monkeypatch.syspath_prepend(tmp_path / "elsewhere")
        with pytest.raises(CodeError, match="cannot be imported as custom.training.ridge, because Python finds"):
            training.get("ridge")


class TestInstalledPackages:
    @pytest.fixture
    def installed(self, tmp_path, monkeypatch):
        """Install a package with entry points in a folder on the search path."""
        site = tmp_path / "site"
        (site / "acme").mkdir(parents=True)
        (site / "acme" / "__init__.py").write_text("")
        (site / "acme" / "models.py").write_text("def fit(X, y, request, *, depth: int = 2):\n    return depth\n")
        (site / "acme" / "shops.py").write_text(
            "from lib.pipelines.base import BasePipeline\nclass Shop(BasePipeline): ...\nclass Mall(Shop): ...\n"
        )
        info = site / "acme_models-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-models\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(
            "[millrace.training]\nacme = acme.models:fit\nlinear2 = acme.gone\n\n"
            "[millrace.pipelines]\nmall = acme.shops:Mall\n\n"
            "[millrace.automl]\ntwins = acme.models:fit\n\n[millrace.features]\nsums = acme.models\n"
        )
        monkeypatch.syspath_prepend(site)
        extensions._read_entry_points.cache_clear()
        yield
        extensions._read_entry_points.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
            del sys.modules[name]

    def test_entry_points_are_entries(self, installed, workspace):
        assert training.get("acme")(X, Y, REQUEST) == 2
        pipeline = pipelines.get_pipeline(**parameters_for(workspace, pipeline="mall"))
        assert type(pipeline).__name__ == "Mall" and pipeline._pipeline_name() == "mall"
        assert automl.get("twins")(X, Y, REQUEST) == 2
        assert catalogue.names("lib.features") == ["sums"]

    def test_fault_names_the_package(self, installed):
        with pytest.raises(CodeError, match="acme.gone of the installed package acme-models 1.2"):
            training.get("linear2")

    def test_name_in_custom_and_in_a_package_is_refused(self, installed, custom):
        custom.write("training/acme.py", "def train(X, y, request): ...")
        with pytest.raises(CodeError, match="custom/training/acme.py and by acme.models:fit of the installed package"):
            training.get("acme")

    def test_version_is_part_of_the_fingerprint(self, installed):
        packages = used_code.find_used_code("train", {"pipeline": "base", "training_function": "acme"}).packages
        assert packages == {"the installed package of acme": "acme-models 1.2"}


class TestSearchEngine:
    ENGINE = """
        def search(X, y, X_test, request, report):
            report("searching")
            return len(X)
    """

    @pytest.fixture
    def use_case(self, custom):
        custom.write("automl/lucky.py", self.ENGINE)
        return ["automl=true", "automl_engine=lucky"]

    def test_engine_is_found_by_name(self, use_case):
        assert automl.get("lucky")(X, Y, X, None, print) == len(X)

    def test_engine_without_its_function_is_reported_before_a_kernel_starts(self, use_case, custom):
        custom.write("automl/lucky.py", self.ENGINE.replace("search(", "find("))
        assert any("lucky.py defines no function search(X, y" in fault for fault in faults_of(*use_case))
        with pytest.raises(CodeError, match="lucky.py defines no search"):
            automl.get("lucky")

    @pytest.mark.parametrize(("stage", "files"), [("automl", ["lucky.py"]), ("train", []), ("evaluate", [])])
    def test_edit_reruns_the_search_alone(self, use_case, stage, files):
        used = used_code.find_used_code(stage, {"pipeline": "base", "automl_engine": "lucky"})
        assert [file.name for file in used.files] == files


class TestTravel:
    def test_edit_changes_the_fingerprints_of_what_uses_it(self, ridge, custom):
        train = next(notebook for notebook in notebooks.read_all() if notebook.stage == "train")

        def differences(edit, function):
            before = fingerprint.compute(train, {"pipeline": "base", "training_function": function})
            edit()
            after = fingerprint.compute(train, {"pipeline": "base", "training_function": function})
            return fingerprint.describe_differences(before, after)

        (difference,) = differences(lambda: custom.write("training/ridge.py", RIDGE + "\n"), "ridge")
        assert difference.endswith("custom/training/ridge.py has changed")
        (difference,) = differences(lambda: custom.write("scaling.py", SCALING + "\n"), "ridge")
        assert difference.endswith("custom/scaling.py has changed")
        (difference,) = differences(lambda: custom.write("training/levels.csv", "a"), "ridge")
        assert difference.endswith("custom/training/levels.csv is new")
        assert differences(lambda: custom.write("scaling.py", SCALING), "linear") == []
        assert differences(lambda: custom.write("training/other.py", ""), "ridge") == []

    def test_edit_during_a_run_is_noticed(self, ridge, custom):
        before = fingerprint.read_code_state()
        custom.write("scaling.py", "\n" + SCALING)
        assert fingerprint.read_code_state() != before

    @pytest.mark.slow
    def test_snapshot_of_a_cluster_job_contains_it(self, ridge, tmp_path):
        job = tmp_path / "job"
        job.mkdir()
        snapshot.pack(job, ROOT / "notebooks" / "03_train.ipynb", "03_train.ipynb", {})
        command = "from lib import training; print(training.get('ridge').__module__)"
        result = subprocess.run([sys.executable, "-c", command], cwd=job, capture_output=True, text=True)
        assert result.stdout.strip() == "custom.training.ridge", result.stderr

    def test_manifest_lists_it(self, tmp_path):
        run = tmp_path / "run"
        run.mkdir()
        manifest.seal(run, tmp_path / "workspace", [], [])
        files = json.loads((run / "manifest.json").read_text())["files"]["project"]
        assert "custom/pipelines/flights.py" in files

    def test_model_works_without_the_folder_and_after_an_edit(self, ridge, custom, tmp_path):
        model = training.get("ridge")(X, Y, REQUEST)
        expected = model.decision_function(X)
        folder = tmp_path / "model"
        model_files.save(model, folder, X.head(1), X)
        assert (folder / "code" / "custom" / "training" / "ridge.py").is_file() is False  # the model does not need it
        assert (folder / "code" / "custom" / "scaling.py").read_text() == (custom.path / "scaling.py").read_text()
        custom.write("scaling.py", SCALING.replace("/ 2", "* 100"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "custom"]:
            del sys.modules[name]
        np.testing.assert_allclose(model_files.load(folder).decision_function(X), expected)
        shutil.rmtree(custom.path)
        code = (
            "import pickle, pandas as pd, sys\n"
            f"model = pickle.load(open({str(folder / 'model.pkl')!r}, 'rb'))\n"
            f"print(model.decision_function(pd.DataFrame({X.to_dict('list')!r})).tolist())"
        )
        result = subprocess.run([sys.executable, "-c", code], cwd=folder / "code", capture_output=True, text=True)
        np.testing.assert_allclose(json.loads(result.stdout), expected)

    def test_relative_imports_travel(self, custom):
        custom.write("training/forest/__init__.py", "from .grow import train")
        custom.write("training/forest/grow.py", "from ...scaling import scaler\nfrom . import seeds")
        custom.write("training/forest/seeds.py", "")
        custom.write("scaling.py", SCALING)
        found = model_code.add_imported_modules({"custom.training.forest"})
        names = {"custom.training.forest.grow", "custom.training.forest.seeds", "custom.scaling"}
        assert names <= found


def test_bundled_names_are_no_entries_of_the_customer():
    assert catalogue.find_extension("lib.training", "linear", "training function") is None
    extension = catalogue.find_extension("lib.pipelines", "flights", "pipeline")
    assert extension.origin == "custom/pipelines/flights.py"


def test_packages_of_custom_code_are_installed_on_clusters_and_endpoints(custom):
    from lib.backends import python_packages
    from lib.backends.azureml import environment

    before = environment.conda_specification()
    assert python_packages.own_requirements() == []
    custom.write("requirements.txt", "# models\nacme-models==1.2  # ours\n\n--no-index\nholidays>=0.50\n")
    after = yaml.safe_load(environment.conda_specification())
    pip_section = next(entry["pip"] for entry in after["dependencies"] if isinstance(entry, dict))
    assert pip_section[-2:] == ["acme-models==1.2", "holidays>=0.50"]
    assert pip_section[:-2] == next(
        entry["pip"] for entry in yaml.safe_load(before)["dependencies"] if isinstance(entry, dict)
    )
