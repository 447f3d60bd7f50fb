"""`make check-custom` tells the authors of ``custom/`` what is wrong with their code, and accepts what is right."""

import pytest

from tests.check_custom import features, hooks, metrics, modules, stages, training_functions
from tests.custom_stages import write_stage

SHARE = "def score(truth, predictions, rows):\n    return (truth == predictions.labels).mean()"
SHOP = """
    from lib.pipelines.base import BasePipeline

    class ShopPipeline(BasePipeline):
        OPTIONS = {"costs": float}

        {method}
            return None
"""


RIGHT = "return fit_pipeline(LogisticRegression(), X, y, request, 'linear')"


def test_bundled_example_passes():
    assert "flights" in modules.list_names("lib.pipelines")
    assert hooks.find_faults("flights") == modules.find_folder_faults() == []


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("def prepare_date(self, frame):", "no stage calls prepare_date. Did you mean 'prepare_data'?"),
        ("def prepare_data(self):", "the stages call prepare_data(frame), but this method has too many positional"),
        ("def split_data(self, frame):", "the stages call split_data(frame, rule)"),
        ("def train(self):", "train is a stage, not a hook."),
    ],
)
def test_hook_that_is_not_called_is_reported(custom, method, message):
    custom.write("pipelines/shop.py", SHOP.replace("{method}", method))
    (fault,) = hooks.find_faults("shop")
    assert "custom/pipelines/shop.py: " in fault and message in fault


@pytest.mark.parametrize("method", ["def accept(self, best, champion):", "def _prepare(self):", "def report(self):"])
def test_right_hooks_and_helpers_are_accepted(custom, method):
    custom.write("pipelines/shop.py", SHOP.replace("{method}", method))
    assert hooks.find_faults("shop") == []


def test_folder_with_a_misspelt_name_is_reported(custom):
    custom.write("pipeline/shop.py", "")
    custom.write("lookups/levels.py", "")
    (fault,) = modules.find_folder_faults()
    assert "custom/pipeline/" in fault and "Did you mean 'pipelines'?" in fault


def test_module_that_cannot_be_imported_is_reported(custom):
    custom.write("training/ridge.py", "import json\nx = json.nothing\n")
    (extension,) = modules.list_extensions()
    (fault,) = modules.find_faults(extension)
    assert "custom/training/ridge.py, line 2: AttributeError" in fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"GREATER_IS_BETTER = False\n{SHARE}", "wrong predictions get 0 and right ones 1"),
        ("GREATER_IS_BETTER = True\nTASKS = ('binry',)\ndef score(truth, predictions, rows):\n    return 1", "'binry'"),
        (
            "GREATER_IS_BETTER = True\ndef score(truth, predictions, rows):\n    return 1 / 0",
            "line 3: ZeroDivisionError",
        ),
    ],
)
def test_broken_metric_is_reported(custom, text, message):
    custom.write("metrics/share.py", text)
    assert message in metrics.find_faults("share")[0]


def test_right_metric_is_accepted(custom):
    custom.write(
        "metrics/share.py",
        "GREATER_IS_BETTER = True\nTASKS = ('binary', 'multiclass')\n"
        "def score(truth, predictions, rows):\n    return (truth == predictions.labels).mean()",
    )
    custom.write(
        "metrics/basket.py",
        "GREATER_IS_BETTER = True\ndef score(truth, predictions, rows):\n    return rows['basket'].sum()",
    )
    assert metrics.find_faults("share") == metrics.find_faults("basket") == []


def test_features_that_import_what_does_not_travel_are_reported(custom):
    custom.write("features/mine.py", "from lib.schema.datetimes import ISO_FORMAT\ndef features(X):\n    return X")
    assert features.find_faults("mine") == []
    custom.write("features/other.py", "from lib.tables import sources\ndef features(X):\n    return X")
    (fault,) = features.find_faults("other")
    assert "custom/features/other.py, line 1: imports lib.tables, which does not travel with a model" in fault


def test_right_stage_is_accepted(custom):
    module = "PARAMETERS = ()\ndef run(pipeline, parameters):\n    return 1\n"
    write_stage(custom, "prices", module, outputs="price=1")
    write_stage(custom, "announce", module, 'price: int = 0  # any\nendpoint_url = ""  # any')
    assert stages.find_faults("announce") == stages.find_faults("prices") == []


@pytest.mark.parametrize(
    ("module", "parameters", "message"),
    [
        ("def run(pipeline, parameters): ...", "", "lacks PARAMETERS"),
        ("PARAMETERS = ()", "", "defines no function run(pipeline, parameters)"),
        ("PARAMETERS = ()\ndef run(p, q): ...", "endpoint_ur = ''  # any", "nothing sets the parameter endpoint_ur"),
    ],
)
def test_broken_stage_is_reported(custom, module, parameters, message):
    write_stage(custom, "announce", module, parameters)
    assert any(message in fault for fault in stages.find_faults("announce"))


def test_module_of_a_stage_without_a_notebook_is_reported(custom):
    custom.write("stages/announce.py", "")
    assert "has no notebook" in stages.find_faults("announce")[0]


class TestTrainingFunctions:
    def write(self, custom, body, arguments="X, y, request, *, seed: int = 1"):
        custom.write(
            "training/mine.py",
            "import numpy as np\n"
            "from sklearn.linear_model import LogisticRegression, LinearRegression\n"
            "from sklearn.pipeline import make_pipeline\n"
            "from sklearn.preprocessing import FunctionTransformer\n"
            "from lib.errors import ParameterError\n"
            "from lib.training import fit_pipeline\n"
            f"def train({arguments}):\n"
            "    if request.task != 'binary':\n        raise ParameterError('binary only')\n"
            f"    {body}\n",
        )

    @pytest.mark.slow
    def test_right_function_for_one_task_is_accepted(self, custom):
        self.write(custom, RIGHT)
        assert training_functions.find_faults("mine") == []

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("return make_pipeline(LogisticRegression()).fit(X, y)", "train raised "),
            ("return LogisticRegression().fit(np.zeros((len(X), 1)), y)", "train returned LogisticRegression"),
            (
                "X['one'] = 1\n    return fit_pipeline(LogisticRegression(), X, y, request, 'linear')",
                "changed the table",
            ),
            (
                f"scale = lambda A: A - A.mean(axis=0)\n    {RIGHT.replace('return', 'p =')}\n"
                "    p.steps.insert(1, ('scale', FunctionTransformer(scale)))\n    return p",
                "the prediction of a row depends on the other rows",
            ),
            (
                "from sklearn.ensemble import ExtraTreesClassifier\n"
                "    return fit_pipeline(ExtraTreesClassifier(5), X, y, request)",
                "Pass request.seed as random_state",
            ),
            ("raise ParameterError('no')", "train refuses every task"),
        ],
    )
    def test_broken_promise_is_reported(self, custom, body, message):
        self.write(custom, body)
        faults = training_functions.find_faults("mine")
        assert any(message in fault and "custom/training/mine.py" in fault for fault in faults), faults

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("X, y, request, depth=3", "depth must come after a *"),
            ("X, y", "must start with the arguments X, y, request"),
            ("X, y, request, *, depth", "depth needs a default"),
        ],
    )
    def test_wrong_arguments_are_reported(self, custom, arguments, message):
        self.write(custom, "return None", arguments)
        assert any(message in fault for fault in training_functions.find_faults("mine"))
