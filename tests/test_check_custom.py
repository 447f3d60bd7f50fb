"""`make check-custom` tells the authors of ``custom/`` what is wrong with their code, and accepts what is right."""

import pytest

from tests.check_custom import hooks, modules, training_functions

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
