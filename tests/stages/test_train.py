"""The train stage: scores, charts, importance and the logged candidate."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from lib import metrics
from lib.errors import InputError
from lib.parameters import Parameters
from lib.pipelines._inputs import fill_inputs
from lib.pipelines.base import BasePipeline
from lib.stages._model_charts import permutation_importance
from tests import workspaces
from tests.workspaces import NAME, log_candidate, model_of, pipeline_in, preprocess, publish

copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
trained = workspaces.trained
pytestmark = pytest.mark.usefixtures("quick")

REGRESSION = {"target_column": "price", "drop_columns": ["bought"], "task": "regression", "primary_metric": "rmse"}


class Quick(BasePipeline):
    """A pipeline that trains on the column `size`, for every name of a training function."""

    def training_function(self, name):
        return lambda X, y, request: model_of("size", task=request.task).fit(X, y)


def test_regression_logs_its_metrics_and_charts(workspace):
    preprocess(pipeline_in(workspace, **REGRESSION))
    pipeline = pipeline_in(workspace, Quick, **REGRESSION)
    candidate = pipeline.train()
    assert list(candidate.scores.index) == metrics.names("regression")
    assert candidate.scores.loc["rmse", "direction"] == "lower is better"
    assert candidate.scores.loc["r2", "test rows"] > 0.3
    tracking = pipeline.backend.tracking
    charts = {artifact.path for artifact in tracking.client.list_artifacts(candidate.run_id, "charts")}
    assert charts == {"charts/residuals.png", "charts/importance.png"}
    logged = tracking.candidate_run(candidate.run_id).data.metrics
    for name in metrics.names("regression"):
        assert logged[name] == pytest.approx(candidate.scores.loc[name, "test rows"])
        assert logged[f"train_{name}"] == pytest.approx(candidate.scores.loc[name, "training rows"])


@pytest.mark.parametrize("side", ["train", "test"])
def test_undefined_primary_metric_is_refused(workspace, side):
    rows = workspaces.table()
    changes = {**REGRESSION, "data": str(workspace / "zeros.csv"), "split": "time", "time_column": "day"}
    rows["day"] = pd.date_range("2024-01-01", periods=len(rows)).astype(str)
    rows.loc[0 if side == "train" else len(rows) - 1, "price"] = 0
    rows.to_csv(changes["data"], index=False)
    preprocess(pipeline_in(workspace, **changes))
    message = "primary_metric: mape is undefined, because price is 0 in 1 of 240 rows. Choose .* r2, rmse or mae."
    with pytest.raises(InputError, match=message):
        pipeline_in(workspace, Quick, **{**changes, "primary_metric": "mape"}).train()
    candidate = pipeline_in(workspace, Quick, **changes).train()
    assert np.isnan(candidate.scores.loc["mape", "test rows" if side == "test" else "training rows"])
    assert "undefined" in candidate.scores._repr_html_()
    notes = [note for note in candidate.notes if note.startswith("mape is undefined, because price is 0 in 1 of ")]
    assert len(notes) == (side == "test")


@pytest.mark.parametrize(("positive_class", "expected"), [("", "yes"), ("no", "no")])
def test_result_names_the_positive_class(prepared, positive_class, expected):
    candidate = pipeline_in(prepared, Quick, positive_class=positive_class).train()
    assert candidate.notes == (
        f"Precision, recall, F1 and average precision refer to the class '{expected}' (positive_class).",
    )


def test_logged_scores_match_the_model_on_the_test_rows(trained):
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


def test_newest_candidate_of_a_function_is_evaluated(trained):
    pipeline = pipeline_in(trained)
    newer = log_candidate(pipeline, "linear", "size")
    assert fill_inputs({"candidates": ""}, pipeline.parameters, pipeline.backend) == {"candidates": [newer]}


def test_unknown_training_function_suggests_the_nearest_name(prepared):
    pipeline = pipeline_in(prepared, training_function="linaer")
    with pytest.raises(InputError, match="Did you mean 'linear'"):
        pipeline.train()
    (failed,) = pipeline.backend.tracking.client.search_runs(
        [pipeline.backend.tracking.experiment_id(NAME)], "tags.stage = 'train'"
    )
    assert failed.info.status == "FAILED"


def test_unknown_positive_class_logs_no_model(prepared):
    pipeline = pipeline_in(prepared, Quick, positive_class="oui")
    with pytest.raises(InputError, match="positive_class: 'oui' is not a class of the target"):
        pipeline.train()
    with pytest.raises(InputError, match="candidates is empty"):
        pipeline_in(prepared).evaluate()


@pytest.mark.parametrize(("metric", "direction"), [("roc_auc", 1), ("log_loss", -1)])
def test_importance_is_the_loss_for_either_metric_direction(prepared, metric, direction):
    pipeline = pipeline_in(prepared, primary_metric=metric)
    rows = pipeline.backend.read_table(
        fill_inputs({"train_data": ""}, pipeline.parameters, pipeline.backend)["train_data"]
    )
    X, y = rows.drop(columns="bought"), rows["bought"]
    primary_metric = metrics.get(metric, "binary")
    assert primary_metric.greater_is_better == (direction > 0)
    importance = permutation_importance(model_of("size").fit(X, y), X, y, primary_metric, pipeline.parameters)
    assert list(importance.index)[0] == "size"
    assert importance.loc["size", "mean"] > 0.1
    assert (importance.loc[["luck", "colour"], "mean"] == 0).all()
    again = permutation_importance(model_of("size").fit(X, y), X, y, primary_metric, pipeline.parameters)
    pd.testing.assert_frame_equal(importance, again)


def test_candidates_of_two_functions_are_both_evaluated(trained):
    pipeline = pipeline_in(trained)
    log_candidate(pipeline, "by_size", "size")
    publish(pipeline)
    assert set(pipeline_in(trained).evaluate().table.index) == {"linear", "by_size", "no-skill"}


def test_signature_allows_missing_values_seen_in_any_row(trained):
    """The endpoint must accept every row that the model was tested on."""
    import mlflow

    pipeline = pipeline_in(trained)
    rows = pd.DataFrame({"sure": [True, None, False, True] * 10, "late": [1.0] * 39 + [None], "whole": [1.0] * 40})
    model = DummyClassifier().fit(rows, rows["whole"])
    with pipeline.backend.tracking.run(NAME, "train", "odd", {}) as run_id:
        pipeline.backend.tracking.log_model(model, rows.head(2), rows, {})
    source, _ = pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(run_id))
    inputs = mlflow.models.get_model_info(source.removeprefix("file://")).signature.inputs.to_dict()
    assert {column["name"]: (column["type"], column["required"]) for column in inputs} == {
        "sure": ("boolean", False),
        "late": ("double", False),
        "whole": ("double", True),
    }


class Overconfident(BasePipeline):
    """Trains a tree without a limit, whose probabilities are 0 and 1."""

    def training_function(self, name):
        size_only = make_column_transformer(("passthrough", ["size"]))
        return lambda X, y, request: make_pipeline(size_only, DecisionTreeClassifier(random_state=0)).fit(X, y)


def write_noisy_table(workspace, **columns):
    """Write a table whose target is hard to predict, and return its feature."""
    random = np.random.default_rng(0)
    size = random.normal(size=900)
    labels = np.where(random.random(900) < 1 / (1 + np.exp(-size)), "yes", "no")
    frame = pd.DataFrame({"size": size, "luck": 0.0, "bought": labels, "price": 1.0, **columns})
    frame.to_csv(workspace / "shop.csv", index=False)
    return size


@pytest.mark.parametrize("calibration", ["auto", "none"])
def test_overconfident_model_is_calibrated_on_its_folds(workspace, calibration):
    size = write_noisy_table(workspace)
    preprocess(pipeline_in(workspace))
    pipeline = pipeline_in(workspace, Overconfident, calibration=calibration)
    candidate = pipeline.train()
    tracking = pipeline.backend.tracking
    run = tracking.candidate_run(candidate.run_id)
    if calibration == "none":
        assert "calibration_error_before" not in run.data.metrics
        assert candidate.scores.loc["log_loss", "test rows"] > 5
        return
    assert run.data.metrics["calibration_error_before"] > 0.2 > 2 * run.data.metrics["calibration_error_after"]
    assert any(note.startswith("The probabilities are calibrated by ") for note in candidate.notes)
    assert candidate.scores.loc["log_loss", "folds"] < 0.75 and candidate.scores.loc["log_loss", "test rows"] < 0.75
    model = tracking.load_model(tracking.model_folder(*tracking.model_source(run)))
    rows = pd.DataFrame({"size": size, "luck": 0.0, "price": 1.0})
    probabilities = model.predict_proba(rows)
    assert 0.05 < probabilities.min() and probabilities.max() < 0.95
    assert np.array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(rows))


@pytest.mark.parametrize(
    "options",
    [
        {"key_columns": ["customer"]},
        {"split": "group", "key_columns": ["customer"], "drop_columns": ["customer"]},
        {"split": "time", "time_column": "day"},
    ],
    ids=["key", "hidden group", "time"],
)
def test_calibration_and_fold_scores_respect_the_split(workspace, options):
    write_noisy_table(workspace, customer=np.arange(900) // 3, day=pd.date_range("2024-01-01", periods=900))
    preprocess(pipeline_in(workspace, **options))
    pipeline = pipeline_in(workspace, Overconfident, calibration="auto", **options)
    candidate = pipeline.train()
    measured = pipeline.backend.tracking.candidate_run(candidate.run_id).data.metrics
    assert measured["calibration_error_before"] > 0.2 > 2 * measured["calibration_error_after"]
    assert candidate.scores.loc["log_loss", "folds"] < 0.8 and candidate.scores.loc["log_loss", "test rows"] < 0.8


def test_importance_of_a_rare_class_is_defined():
    """A random sample of the test rows contains no row of the class."""
    y = pd.Series([True] * 3 + [False] * 4000)
    X = pd.DataFrame({"x": y.astype(float) + np.random.default_rng(0).normal(size=len(y))})
    model = LogisticRegression().fit(X, y)
    parameters = Parameters({"seed": 1, "task": "binary", "positive_class": ""})
    importance = permutation_importance(model, X, y, metrics.get("roc_auc", "binary"), parameters)
    assert np.isfinite(importance["mean"]).all()


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_folds_keep_rows_with_equal_features_together(workspace, task):
    random = np.random.default_rng(0)
    labels = np.where(random.random(150) < 0.5, "yes", "no")
    frame = pd.DataFrame(
        {"size": random.normal(size=150), "luck": 0.0, "bought": labels, "price": random.normal(size=150)}
    )
    pd.concat([frame] * 3).to_csv(workspace / "shop.csv", index=False)
    changes = REGRESSION if task == "regression" else {}

    class Memorizing(BasePipeline):
        def training_function(self, name):
            nearest = KNeighborsRegressor(1) if task == "regression" else KNeighborsClassifier(1)
            return lambda X, y, request: make_pipeline(nearest).fit(X[["size", "luck"]], y)

    preprocess(pipeline_in(workspace, **changes))
    scores = pipeline_in(workspace, Memorizing, **changes).train().scores
    if task == "regression":
        assert scores.loc["r2", "folds"] < 0 and scores.loc["r2", "training rows"] == 1
    else:
        assert 0.3 < scores.loc["accuracy", "folds"] < 0.7 and scores.loc["accuracy", "training rows"] == 1
