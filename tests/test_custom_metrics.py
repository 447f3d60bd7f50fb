"""Metrics of the customer: a function of truth, predictions, rows and options, usable wherever a metric is."""

import pickle

import numpy as np
import pandas as pd
import pytest

from lib import automl, metrics, pipelines
from lib.automl import EngineResult, SearchRequest, Trial
from lib.automl.trials.encoding import encode_target
from lib.automl.trials.selection import SelectionTask
from lib.backends.local.search import make_leaderboard
from lib.chain import used_code
from lib.errors import CodeError, NameNotFound, ParameterError
from lib.evaluation import comparison
from lib.evaluation.no_skill import predict_no_skill
from lib.metrics import Predictions
from lib.parameters import Parameters, load
from lib.pipelines.base import BasePipeline
from lib.stages._leaderboard import make_no_skill_row
from lib.stages._model_rows import ModelRows
from tests import workspaces
from tests.workspaces import NAME, log_candidate, pipeline_in, publish, versions_of

copy_after, quick = workspaces.copy_after, workspaces.quick

PROFIT = """
    import numpy as np

    GREATER_IS_BETTER = True
    TASKS = ("binary",)

    def score(truth, predictions, rows, *, gain: float = 10.0, cost_per_call: float = 2.0):
        is_called = predictions.labels == "yes"
        worth = np.where(rows["colour"] == "red", 2 * gain, gain)
        return (worth * (is_called & (truth == "yes"))).sum() - cost_per_call * is_called.sum()
"""
OVERSHOOT = """
    GREATER_IS_BETTER = False

    def score(truth, predictions, rows):
        return (predictions.labels - truth).clip(min=0).mean()
"""
SMALL = ["name=shop", "data=data/penguins_raw.csv", "target_column=Species", "task=binary"]


def faults_of(*assignments):
    try:
        pipelines.check_use_case(load([], [*SMALL, *assignments]))
    except ParameterError as error:
        return error.faults
    return []


@pytest.fixture
def profit(custom):
    return custom.write("metrics/profit.py", PROFIT)


def predictions_for(rows, labels):
    labels = np.array(labels)
    probabilities = np.column_stack([labels == "no", labels == "yes"]).astype(float)
    return Predictions(labels, probabilities, np.array(["no", "yes"]), "yes", rows=rows)


ROWS = pd.DataFrame({"colour": ["red", "green", "red", "green"]})
TRUTH = np.array(["yes", "yes", "no", "no"])


class TestDefinition:
    def test_function_gets_rows_and_options(self, profit):
        metric = metrics.get("profit", "binary", {"gain": 100.0})
        assert metric.score(TRUTH, predictions_for(ROWS, ["yes", "no", "yes", "no"])) == 200 - 4
        assert metric.beats(2, 1) and metric.direction == "higher is better"

    def test_direction_is_respected(self, custom):
        custom.write("metrics/overshoot.py", OVERSHOOT)
        metric = metrics.get("overshoot", "regression")
        score = metric.score(np.array([1.0, 5.0]), Predictions(np.array([2.0, 1.0])))
        assert score == 0.5 and metric.rank({"a": 3.0, "b": 1.0}) == ["b", "a"]

    def test_metric_can_be_pickled_with_its_options(self, profit):
        metric = metrics.get("profit", "binary", {"gain": 100.0})
        restored = pickle.loads(pickle.dumps(metric))
        assert restored.options == {"gain": 100.0} and restored.is_custom and restored.greater_is_better

    def test_unknown_metric_suggests_the_customers_own(self, profit):
        with pytest.raises(NameNotFound, match="Did you mean 'profit'"):
            metrics.get("profits", "binary")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("GREATER_IS_BETTER = True", "", "profit.py does not say which values are better"),
            ("def score", "def scores", r"profit.py defines no function score\(truth, predictions, rows\)"),
            ('rows["colour"]', 'rows["color"]', "custom/metrics/profit.py, line 8: KeyError: 'color', in the metric"),
            ("return (worth", "return [worth]; (worth", "profit returned list .*expected a number"),
        ],
    )
    def test_faulty_module_is_reported(self, custom, old, new, message):
        custom.write("metrics/profit.py", PROFIT.replace(old, new))
        with pytest.raises(CodeError, match=message):
            metrics.get("profit", "binary").score(TRUTH, predictions_for(ROWS, ["yes", "no", "yes", "no"]))

    def test_bundled_metrics_do_not_change(self, profit):
        assert "profit" not in metrics.names("binary")
        assert metrics.get("accuracy", "binary").is_custom is False


class TestParameters:
    def test_metric_is_accepted_by_name(self, profit):
        assert faults_of("primary_metric=profit") == []
        assert faults_of("primary_metric=roc_auc", "metrics.profit.gain=3.5") == []

    @pytest.mark.parametrize(
        ("assignments", "message"),
        [
            (
                ["primary_metric=profits"],
                "primary_metric: 'profits' is not a metric of a binary task. Did you mean 'profit'",
            ),
            (["primary_metric=profit", "task=regression"], "metrics: profit scores binary tasks"),
            (
                ["primary_metric=roc_auc", "metrics.proft.gain=1"],
                "metrics: there is no proft in custom/metrics/. Did you",
            ),
            (["primary_metric=roc_auc", "metrics.f1.gain=1"], "metrics: f1 is always computed and has no options"),
            (["primary_metric=profit", "metrics.profit.gian=1"], "has no option gian. Did you mean 'gain'?"),
            (["primary_metric=profit", "metrics.profit.gain=much"], "metrics: profit.gain is 'much'; expected float."),
        ],
    )
    def test_fault_is_found_before_a_kernel_starts(self, profit, assignments, message):
        assert any(message in fault for fault in faults_of(*assignments)), faults_of(*assignments)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (PROFIT.replace("GREATER_IS_BETTER = True", ""), "defines no GREATER_IS_BETTER"),
            (PROFIT.replace("def score", "def scores"), "defines no function score(truth, predictions, rows)"),
            (PROFIT.replace("import numpy as np", "import no_such_package"), "line 1: imports no_such_package"),
        ],
    )
    def test_faulty_module_is_found_before_a_kernel_starts_and_only_if_used(self, custom, text, message):
        custom.write("metrics/profit.py", text)
        assert any(message in fault for fault in faults_of("primary_metric=profit"))
        assert faults_of("primary_metric=roc_auc") == []

    def test_name_of_a_bundled_metric_is_refused(self, custom):
        custom.write("metrics/f1.py", PROFIT)
        assert any("Metric 'f1' is defined 2 times" in fault for fault in faults_of("primary_metric=f1"))
        assert faults_of("primary_metric=roc_auc") == []

    def test_use_case_computes_the_metrics_that_it_names(self, profit, custom):
        custom.write("metrics/other.py", OVERSHOOT)
        values = {"primary_metric": "accuracy", "task": "binary", "metrics": {"profit": {"gain": 3.0}}}
        parameters = Parameters(values)
        assert [(metric.name, metric.options) for metric in parameters.own_metrics] == [("profit", {"gain": 3.0})]
        assert Parameters({**values, "metrics": {}}).own_metrics == []

    def test_edit_reruns_the_use_cases_that_name_it(self, profit):
        files = used_code.find_used_code("evaluate", {"primary_metric": "profit"}).files
        assert [file.name for file in files] == ["profit.py"]
        assert used_code.find_used_code("evaluate", {"primary_metric": "f1"}).files == ()

    def test_engines_without_rows_are_refused(self, profit):
        values = load([], [*SMALL, "primary_metric=profit", "automl_engine=flaml", "automl=true"]).values
        assert any("Set automl_engine to portfolio" in fault for fault in automl.faults(Parameters(values)))


class TestDecisions:
    def test_interval_is_a_bootstrap_of_the_function(self, profit):
        random = np.random.default_rng(0)
        rows = pd.DataFrame({"colour": random.choice(["red", "green"], 200)})
        truth = random.choice(["no", "yes"], 200)
        good, bad = predictions_for(rows, truth), predictions_for(rows, np.full(200, "no"))
        metric = metrics.get("profit", "binary")
        (difference,) = comparison.compare(metric, truth, [good], bad, seed=0)
        assert difference.estimate == metric.score(truth, good) and difference.method == "paired bootstrap"
        assert 0 < difference.low < difference.estimate < difference.high

    def test_search_compares_models_by_the_rows_of_the_fold(self, profit):
        rows = pd.DataFrame({"colour": ["red", "green"] * 20})
        y = pd.Series(["no", "yes", "yes", "no"] * 10)
        request = request_for(metrics.get("profit", "binary"), rows)
        task = SelectionTask(encode_target(y, request), request.metric)
        outputs = np.column_stack([y == "no", y == "yes"]).astype(float)
        positions = np.array([2, 1, 2])
        expected = request.metric.score(y[positions], predictions_for(rows.iloc[positions], y[positions]))
        assert task.score_by_metric(outputs[positions], positions)[0] == expected == 20 + 10 + 20 - 6

    def test_leaderboard_has_the_metric(self, profit):
        rows = pd.DataFrame({"colour": ["red", "green"] * 4})
        y = pd.Series(["yes", "no"] * 4)
        predictions = predictions_for(None, y)
        trial = Trial("a", "linear", validation=(np.array([0, 1, 2]), predictions.select(np.array([0, 1, 2]))))
        trial.test = predictions
        metric = metrics.get("profit", "binary")
        result = EngineResult([trial], None, "a")
        board = make_leaderboard(result, y, y, request_for(metric, rows), [metric], (rows, rows))
        assert board.loc["a", "validation profit"] == 2 * 20 - 4 and board.loc["a", "test profit"] == 4 * 20 - 8


def request_for(metric, rows):
    limits = {"budget_seconds": 1, "max_trials": 1, "families": (), "folds": 2, "validation_fraction": 0.0}
    return SearchRequest(
        "binary", metric, "", 0, 1, **limits, ensemble=True, max_latency_ms=0, memory_bytes=0, rows=rows
    )


class TestStages:
    def test_metric_decides_and_gates(self, profit, copy_after, quick):
        options = {"primary_metric": "profit", "metrics": {"profit": {"cost_per_call": 8.0}}, "threshold": 0.5}
        pipeline = pipeline_in(copy_after("preprocess"), **options, min_score=10.0)
        candidate = pipeline.train(training_function="linear")
        assert (
            candidate.scores.index[0] == "profit" and candidate.scores.loc["profit", "direction"] == "higher is better"
        )
        publish(pipeline, candidates=[candidate.run_id])
        evaluation = pipeline.evaluate()
        assert evaluation.promoted and list(evaluation.table.columns)[0] == "profit"
        assert evaluation.gates.loc["min_score", "verdict"] == "passed"
        version = pipeline.backend.models(NAME).production()
        assert float(version.tags["profit"]) > 10

    @pytest.mark.slow
    def test_min_score_of_a_metric_blocks(self, profit, copy_after, quick):
        pipeline = pipeline_in(copy_after("preprocess"), primary_metric="profit", min_score=1e6)
        publish(pipeline, candidates=[log_candidate(pipeline, "by_size", "size")])
        assert not pipeline.evaluate().promoted and versions_of(pipeline) == ([], None)


class TestAccept:
    @pytest.mark.parametrize(
        "arguments",
        [
            "best, champion, truth",
            pytest.param("best, champion", marks=pytest.mark.slow),
            pytest.param("best, champion, truth=None", marks=pytest.mark.slow),
            pytest.param("*all", marks=pytest.mark.slow),
        ],
    )
    def test_hook_gets_the_truth_if_it_takes_it(self, copy_after, quick, arguments):
        calls = []
        namespace = {"calls": calls}
        exec(f"def accept(self, {arguments}):\n    calls.append(locals())\n    return 'no'", namespace)
        shop = type("Shop", (BasePipeline,), {"accept": namespace["accept"]})
        pipeline = pipeline_in(copy_after("preprocess"), shop)
        publish(pipeline, candidates=[log_candidate(pipeline, "by_size", "size")])
        assert not pipeline.evaluate().promoted
        given = calls[0]
        truth = given["all"][2] if "all" in given else given.get("truth")
        if "truth" in arguments or "all" in arguments:
            best = given["all"][0] if "all" in given else given["best"]
            assert len(truth) == len(best.predictions.labels) == len(best.predictions.rows)
            assert set(truth) == {"no", "yes"}

    def test_super_call_of_an_earlier_release_works(self, workspace):
        class Shop(BasePipeline):
            def accept(self, best, champion):
                return super().accept(best, champion)

        assert pipeline_in(workspace, Shop).accept(None, None) == ""


class TestNoSkillModel:
    COST = """
        GREATER_IS_BETTER = False

        def score(truth, predictions, rows):
            calls = predictions.labels == "yes"
            return float(calls.mean() + 10 * ((truth == "yes") & ~calls).mean())
    """

    def test_best_constant_class_by_an_own_metric(self, custom):
        custom.write("metrics/cost.py", self.COST)
        truth = np.array(["no"] * 7 + ["yes"] * 3)
        answers = predictions_for(pd.DataFrame({"x": range(10)}), ["no"] * 10)
        guess = predict_no_skill(truth, truth, answers, metrics.get("cost", "binary"))
        assert set(guess.labels) == {"yes"}  # calling everybody costs 1, nobody 3
        assert set(predict_no_skill(truth, truth, answers, metrics.get("accuracy", "binary")).labels) == {"no"}

    def test_best_constant_number_by_an_own_metric(self, custom):
        custom.write("metrics/overshoot.py", OVERSHOOT)
        truth = np.arange(100.0)
        guess = predict_no_skill(truth, truth, Predictions(truth), metrics.get("overshoot", "regression"))
        assert len(set(guess.labels)) == 1 and guess.labels[0] < 10

    def test_leaderboard_of_a_search_scores_it_by_an_own_metric(self, custom):
        custom.write("metrics/cost.py", self.COST)
        y = pd.Series(["no"] * 7 + ["yes"] * 3)
        X = pd.DataFrame({"x": range(10)})
        parameters = Parameters({"primary_metric": "cost", "task": "binary", "metrics": {}})
        row = make_no_skill_row(ModelRows(X, y, X, y), predictions_for(X, list(y)), parameters)
        assert row["validation cost"] == row["test cost"] == row["score"] == 1.0
