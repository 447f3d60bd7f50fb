"""One candidate of each task: what is scored, drawn and logged."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from lib import metrics
from lib.errors import InputError
from lib.parameters import Parameters
from lib.pipelines.base import BasePipeline
from lib.stages import train
from tests import workspaces
from tests.workspaces import NAME, log_candidate, model_of, pipeline_in, preprocess, publish

# Fixtures.
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
trained = workspaces.trained
pytestmark = pytest.mark.usefixtures("quick")

REGRESSION = {"target_column": "price", "drop_columns": ["bought"], "task": "regression", "primary_metric": "rmse"}


class Quick(BasePipeline):
    """Trains on one number, whatever the function's name."""

    def training_function(self, name):
        return lambda X, y, request: model_of("size", task=request.task).fit(X, y)


def test_a_regression_has_its_metrics_and_its_charts(workspace):
    preprocess(pipeline_in(workspace, **REGRESSION))
    pipeline = pipeline_in(workspace, Quick, **REGRESSION)
    candidate = pipeline.train()
    assert list(candidate.scores.index) == metrics.names("regression")
    assert candidate.scores.loc["rmse", "direction"] == "lower is better"
    assert candidate.scores.loc["r2", "test rows"] > 0.3
    tracking = pipeline.backend.tracking
    charts = {one.path for one in tracking.client.list_artifacts(candidate.run_id, "charts")}
    assert charts == {"charts/residuals.png", "charts/importance.png"}
    logged = tracking.candidate_run(candidate.run_id).data.metrics
    for name in metrics.names("regression"):
        assert logged[name] == pytest.approx(candidate.scores.loc[name, "test rows"])
        assert logged[f"train_{name}"] == pytest.approx(candidate.scores.loc[name, "training rows"])


def test_scores_are_those_of_the_model_on_the_test_rows(trained):
    pipeline = pipeline_in(trained)
    tracking = pipeline.backend.tracking
    (run_id,) = tracking.newest_candidates(
        NAME, tracking.newest_output(NAME, "preprocess", "train_data"), "bought", "binary"
    )
    run = tracking.candidate_run(run_id)
    test = pipeline.backend.read_table(run.data.params["test_data"])
    model = tracking.load_model(tracking.model_folder(*tracking.model_source(run)))
    assert run.data.metrics["accuracy"] == pytest.approx((model.predict(test) == test["bought"]).mean())
    assert run.data.metrics["test_rows"] == len(test)


def test_the_newest_candidate_of_a_function_is_the_one_evaluated(trained):
    pipeline = pipeline_in(trained)
    newer = log_candidate(pipeline, "linear", "size")
    assert pipeline._with_inputs("candidates").candidates == [newer]


def test_a_training_function_that_is_none_is_named_with_the_nearest_one(prepared):
    pipeline = pipeline_in(prepared, training_function="linaer")
    with pytest.raises(InputError, match="Did you mean 'linear'"):
        pipeline.train()
    (failed,) = pipeline.backend.tracking.client.search_runs(
        [pipeline.backend.tracking.experiment_id(NAME)], "tags.stage = 'train'"
    )
    assert failed.info.status == "FAILED"


def test_a_positive_class_that_is_none_logs_no_model(prepared):
    pipeline = pipeline_in(prepared, Quick, positive_class="oui")
    with pytest.raises(InputError, match="positive_class: 'oui' is not a class of the target"):
        pipeline.train()
    with pytest.raises(InputError, match="candidates is empty"):
        pipeline_in(prepared).evaluate()


@pytest.mark.parametrize(("metric", "direction"), [("roc_auc", 1), ("log_loss", -1)])
def test_importance_is_what_is_lost_whatever_the_direction(prepared, metric, direction):
    pipeline = pipeline_in(prepared, primary_metric=metric)
    parameters = pipeline._with_inputs("train_data", "test_data")
    rows = pipeline.backend.read_table(parameters.train_data)
    X, y = rows.drop(columns="bought"), rows["bought"]
    judge = metrics.get(metric, "binary")
    assert judge.greater_is_better == (direction > 0)
    importance = train.permutation_importance(model_of("size").fit(X, y), X, y, judge, parameters)
    assert list(importance.index)[0] == "size"
    assert importance.loc["size", "mean"] > 0.1
    assert (importance.loc[["luck", "colour"], "mean"] == 0).all()
    again = train.permutation_importance(model_of("size").fit(X, y), X, y, judge, parameters)
    pd.testing.assert_frame_equal(importance, again)


def test_by_hand_the_candidates_of_two_functions_are_both_evaluated(trained):
    pipeline = pipeline_in(trained)
    log_candidate(pipeline, "by_size", "size")
    publish(pipeline)
    assert set(pipeline_in(trained).evaluate().table.index) == {"linear", "by_size"}


def test_a_value_missing_on_the_test_side_only_and_booleans_with_missing_ones_are_fields_of_the_endpoint(trained):
    """What is deployed must take every row that it was tested on."""
    import mlflow

    pipeline = pipeline_in(trained)
    rows = pd.DataFrame({"sure": [True, None, False, True] * 10, "late": [1.0] * 39 + [None], "whole": [1.0] * 40})
    model = DummyClassifier().fit(rows, rows["whole"])
    with pipeline.backend.tracking.run(NAME, "train", "odd", {}) as run_id:
        pipeline.backend.tracking.log_model(model, rows.head(2), rows, {})
    source, _ = pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(run_id))
    inputs = mlflow.models.get_model_info(source.removeprefix("file://")).signature.inputs.to_dict()
    assert {one["name"]: (one["type"], one["required"]) for one in inputs} == {
        "sure": ("boolean", False),
        "late": ("double", False),
        "whole": ("double", True),
    }


def test_importance_of_a_rare_class_is_defined():
    """A plain sample of the test rows would hold none of it."""
    y = pd.Series([True] * 3 + [False] * 4000)
    X = pd.DataFrame({"x": y.astype(float) + np.random.default_rng(0).normal(size=len(y))})
    model = LogisticRegression().fit(X, y)
    parameters = Parameters({"seed": 1, "task": "binary", "positive_class": ""})
    found = train.permutation_importance(model, X, y, metrics.get("roc_auc", "binary"), parameters)
    assert np.isfinite(found["mean"]).all()
