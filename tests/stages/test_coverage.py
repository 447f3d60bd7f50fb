"""Intervals and sets from the parameters to the model, the evaluation, the endpoint's scorer and scored tables."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.errors import DataError
from lib.pipelines.base import BasePipeline
from lib.scoring import batch
from lib.scoring.scorer import Scorer
from lib.stages import _coverage
from lib.stages._model_rows import ModelRows
from tests import workspaces
from tests.workspaces import NAME, model_of, pipeline_in, preprocess, publish

copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")
seen_rows = []


class Quick(BasePipeline):
    """A pipeline that trains on the column `size`, and remembers the number of rows."""

    def training_function(self, name):
        def train(X, y, request):
            seen_rows.append(len(X))
            return model_of("size", task=request.task).fit(X, y)

        return train


def train(workspace, **changes):
    pipeline = pipeline_in(workspace, Quick, **changes)
    candidate = pipeline.train()
    publish(pipeline, candidate=candidate.run_id)
    tracking = pipeline.backend.tracking
    folder = tracking.model_folder(*tracking.model_source(tracking.candidate_run(candidate.run_id)))
    test = pipeline.backend.read_table(tracking.newest_output(NAME, "preprocess", "test_data"))
    return candidate, Scorer.from_folder(folder), test


def ask(scorer, rows):
    rows = rows.astype(object)
    return scorer.score(json.dumps({"data": rows.where(rows.notna(), None).to_dict("records")}))


def test_sets_of_a_classification_reach_every_answer(prepared):
    seen_rows.clear()
    candidate, scorer, test = train(prepared, coverage=0.8, groups=["colour"])
    assert any("Sets of classes for 80 % of the rows are calibrated on" in note for note in candidate.notes)
    features = test.drop(columns="bought")
    answer = ask(scorer, features)
    probabilities = np.array(answer["probabilities"])
    thresholds = np.array([scorer.model.coverage.thresholds[(colour,)] for colour in features["colour"]])
    expected = [
        [label for label, probability in zip(["no", "yes"], row, strict=True) if probability >= threshold]
        for row, threshold in zip(probabilities, thresholds, strict=True)
    ]
    assert answer["sets"] == expected and answer["coverage"] == 0.8
    table = batch.to_arrow(batch.score_rows(scorer, features), scorer)
    assert [json.loads(text) for text in table.column("set").to_pylist()] == expected

    evaluation = pipeline_in(prepared, groups=["colour"]).evaluate([candidate.run_id])
    shown = evaluation.explanations[0]
    is_covered = np.array([truth in labels for truth, labels in zip(test["bought"], expected, strict=True)])
    assert shown.name == "coverage" and shown.content.loc["all rows", "coverage"] == pytest.approx(is_covered.mean())
    is_red = (test["colour"] == "red").to_numpy()
    assert shown.content.loc["colour = red", "coverage"] == pytest.approx(is_covered[is_red].mean())
    assert shown.content.loc["all rows", "mean classes"] == pytest.approx(np.mean([len(each) for each in expected]))


def test_calibration_rows_are_not_trained_on(prepared):
    seen_rows.clear()
    train(prepared)
    train(prepared, coverage=0.9)
    everything, part = max(seen_rows), [count for count in seen_rows if count != max(seen_rows)]
    assert max(part) == pytest.approx(0.8 * everything, abs=2)


def test_model_without_coverage_answers_as_before(prepared):
    candidate, scorer, test = train(prepared)
    assert not {"sets", "intervals", "coverage"} & ask(scorer, test.drop(columns="bought").head(2)).keys()
    assert all(each.name != "coverage" for each in pipeline_in(prepared).evaluate([candidate.run_id]).explanations)


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regression")
    preprocess(pipeline_in(folder, **REGRESSION))
    return folder


REGRESSION = {"task": "regression", "target_column": "price", "drop_columns": ["bought"], "primary_metric": "rmse"}


def test_intervals_of_a_regression_reach_every_answer(regression):
    candidate, scorer, test = train(regression, coverage=0.9, **REGRESSION)
    features = test.drop(columns="price")
    answer = ask(scorer, features)
    low, high = np.array(answer["intervals"]).T
    assert ((low + high) / 2).tolist() == pytest.approx(answer["predictions"]) and np.ptp(high - low) < 1e-9
    is_covered = (low <= test["price"]) & (test["price"] <= high)
    assert is_covered.mean() > 0.75
    table = batch.to_arrow(batch.score_rows(scorer, features), scorer)
    assert table.column("interval_low").to_pylist() == low.tolist()
    assert table.column("interval_high").to_pylist() == high.tolist()
    evaluation = pipeline_in(regression, **REGRESSION).evaluate([candidate.run_id])
    row = evaluation.explanations[0].content.loc["all rows"]
    assert row["coverage"] == pytest.approx(is_covered.mean()) and row["mean width"] == pytest.approx(
        (high - low).mean()
    )


def test_group_that_training_lacks_has_a_warning_instead_of_an_interval(regression):
    _, scorer, test = train(regression, coverage=0.8, groups=["colour"], **REGRESSION)
    rows = test.drop(columns="price").head(2).assign(colour=["red", "blue"])
    answer = ask(scorer, rows)
    assert answer["intervals"][0] and answer["intervals"][1] is None
    assert {(each["row"], each["code"]) for each in answer["warnings"]} >= {(1, "unknown_group")}
    table = batch.to_arrow(batch.score_rows(scorer, rows), scorer)
    assert table.column("interval_low").to_pylist()[1] is None
    assert "a group of the training rows" in table.column("warnings").to_pylist()[1]


def test_too_few_rows_are_refused(prepared):
    with pytest.raises(DataError, match=r"coverage: 0.99 needs at least 99 calibration rows.*Provide more rows"):
        train(prepared, coverage=0.99)
    with pytest.raises(DataError, match=r"coverage: 0.9 needs at least 9 .*the group luck = .* has \d\."):
        train(prepared, coverage=0.9, groups=["luck"])


def test_column_that_the_model_does_not_get_is_told(prepared):
    candidate, scorer, _ = train(prepared, coverage=0.8, groups=["price"])
    assert scorer.model.coverage.columns == ()
    assert any("not calibrated by price: the model does not get this column" in note for note in candidate.notes)


def rows_of(X, y):
    return ModelRows(X, y, X.head(0), y.head(0))


def parameters(tmp_path, **changes):
    return pipeline_in(tmp_path, Quick, coverage=0.9, **changes).parameters


def test_latest_rows_calibrate_after_a_split_by_time(tmp_path):
    days = pd.date_range("2026-01-01", periods=120)
    X = pd.DataFrame({"day": days}).sample(frac=1, random_state=0).reset_index(drop=True)
    y = pd.Series(np.arange(120) % 2).astype(str)
    split = {"columns": ["day"], "cut": "2026-06-01"}
    training, calibration = _coverage.hold_out(rows_of(X, y), split, parameters(tmp_path))
    assert training.X["day"].max() < calibration.X["day"].min() and len(calibration.X) == 20


def test_rows_of_a_key_stay_together(tmp_path):
    X = pd.DataFrame({"key": np.arange(200) // 4, "x": np.arange(200.0)})
    y = pd.Series(np.arange(200.0), name="y")
    split = {"columns": ["key"], "normalized": True}
    training, calibration = _coverage.hold_out(rows_of(X, y), split, parameters(tmp_path, **REGRESSION))
    assert not set(training.X["key"]) & set(calibration.X["key"]) and len(calibration.X) == 40
    assert training.y.tolist() == training.X["x"].tolist() and training.X.index.tolist() == list(range(160))


def test_rare_class_is_learned_not_held_out(tmp_path):
    y = pd.Series(["a", "b"] * 60 + ["rare"] * 3)
    X = pd.DataFrame({"x": np.arange(123.0)})
    changes = {"task": "multiclass", "primary_metric": "accuracy"}
    training, calibration = _coverage.hold_out(rows_of(X, y), None, parameters(tmp_path, **changes))
    assert (training.y == "rare").sum() == 3 and len(calibration.y) == 24
