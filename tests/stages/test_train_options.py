"""The train stage with a search over hyperparameters, weights of rows, and a calibration that is shown."""

import numpy as np
import pytest

from lib import charts
from lib.errors import DataError, ParameterError
from lib.stages import _trained_model
from tests import workspaces
from tests.workspaces import pipeline_in, preprocess

# Fixtures.
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")


def weighted_pipeline(workspace, weights, **changes):
    """Return a pipeline on the small table with a column of weights, after preprocess."""
    frame = workspaces.table().assign(weight=weights)
    frame.to_csv(workspace / "weighted.csv", index=False)
    options = {"weight_column": "weight", "cross_validation_folds": 0, **changes}
    pipeline = pipeline_in(workspace, data=str(workspace / "weighted.csv"), **options)
    preprocess(pipeline)
    return pipeline


class TestSearch:
    def test_best_combination_is_trained_and_each_trial_is_a_child_run(self, prepared):
        space = {"linear": {"regularisation": [0.01, 1000.0]}}
        pipeline = pipeline_in(prepared, hyperparameters=space, cross_validation_folds=0)
        candidate = pipeline.train()
        client = pipeline.backend.tracking.client
        run = client.get_run(candidate.run_id)
        children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{candidate.run_id}'")
        scores = {child.data.params["regularisation"]: child.data.metrics["folds_roc_auc"] for child in children}
        assert {*scores} == {"0.01", "1000.0"}
        assert run.data.params["hyperparameters.regularisation"] == max(scores, key=scores.get)
        assert [display.name for display in candidate.displays] == ["search", "search_trials"]
        assert isinstance(candidate.displays[0].content, charts.Chart)
        assert "2 combinations of hyperparameters" in " ".join(candidate.notes)

    def test_folds_keep_the_groups_of_hidden_keys_together(self, workspace, monkeypatch):
        frame = workspaces.table()
        frame["customer"] = np.arange(len(frame)) // 8
        frame.to_csv(workspace / "groups.csv", index=False)
        options = {"split": "group", "key_columns": ["customer"], "drop_columns": ["price", "customer"]}
        space = {"hyperparameters": {"linear": {"regularisation": [0.1, 1.0]}}, "cross_validation_folds": 0}
        pipeline = pipeline_in(workspace, data=str(workspace / "groups.csv"), **options, **space)
        preprocess(pipeline)
        seen = []
        original = _trained_model.search_hyperparameters

        def spy(function, fit, rows, split, parameters):
            customers = rows.find_keys(split).set_index(rows.X["size"])["customer"]

            def record(chosen, X, y, *weights):
                seen.append({*customers[X["size"]]})
                return fit(chosen, X, y, *weights)

            assert "customer" not in rows.X.columns
            return original(function, record, rows, split, parameters)

        monkeypatch.setattr(_trained_model, "search_hyperparameters", spy)
        pipeline.train()
        everyone = set().union(*seen)
        assert all(len(customers) < len(everyone) for customers in seen)  # each fold leaves whole customers out


class TestWeights:
    def test_a_weight_of_two_equals_the_row_twice(self, workspace):
        random = np.random.default_rng(0)
        weights = random.integers(1, 3, workspaces.ROWS)
        pipeline = weighted_pipeline(workspace, weights)
        candidate = pipeline.train()
        tracking = pipeline.backend.tracking
        model = tracking.load_model(
            tracking.model_folder(*tracking.model_source(tracking.candidate_run(candidate.run_id)))
        )
        rows = workspaces.table().assign(weight=weights)
        test = pipeline.backend.read_table(tracking.newest_output(workspaces.NAME, "preprocess", "test_data"))
        assert "weight" not in test.columns
        merged = test.merge(rows[["size", "weight"]], on="size")
        right = model.predict(test) == test["bought"]
        assert candidate.scores.loc["accuracy", "test rows"] == pytest.approx(
            np.average(right, weights=merged["weight"])
        )
        evaluation = pipeline.evaluate()
        assert evaluation.table.loc["linear", "accuracy"] == pytest.approx(
            candidate.scores.loc["accuracy", "test rows"]
        )
        assert "paired bootstrap" in evaluation.gates.loc["no_skill", "measured"]  # DeLong has no weights

    def test_weights_change_the_model(self, workspace):
        frame = workspaces.table()
        candidates = [
            weighted_pipeline(workspace, weights).train().scores.loc["recall", "training rows"]
            for weights in (np.ones(len(frame)), np.where(frame["bought"] == "yes", 50, 1))
        ]
        assert candidates[1] > candidates[0]

    @pytest.mark.parametrize(
        ("weight", "message"), [(-1, "1 values that are no weights, the first one -1"), ("a", "are no weights")]
    )
    def test_a_value_that_is_no_weight_is_refused(self, workspace, weight, message):
        weights = [1] * (workspaces.ROWS - 1) + [weight]
        with pytest.raises(DataError, match=message):
            weighted_pipeline(workspace, weights)

    def test_a_missing_column_is_named(self, workspace):
        pipeline = pipeline_in(workspace, weight_column="wait")
        with pytest.raises(Exception, match="wait"):
            preprocess(pipeline)

    def test_rows_preprocessed_without_weights_are_refused(self, prepared):
        with pytest.raises(DataError, match="preprocessed without the column 'size'. Run preprocess again"):
            pipeline_in(prepared, weight_column="size").train()


def test_reliability_is_shown_where_probabilities_are_calibrated(prepared):
    candidate = pipeline_in(prepared, calibration="temperature").train()
    (display,) = candidate.displays
    assert display.name == "reliability" and "before" not in display.caption[:20]
    assert "calibrated" in display.caption


def test_mape_is_refused_before_training_if_a_test_target_is_zero(workspace):
    frame = workspaces.table()
    options = {"target_column": "price", "drop_columns": ["bought"], "task": "regression", "primary_metric": "mape"}
    frame.to_csv(workspace / "zeros.csv", index=False)
    pipeline = pipeline_in(workspace, data=str(workspace / "zeros.csv"), **{**options, "primary_metric": "r2"})
    result = preprocess(pipeline)
    test = pipeline.backend.read_table(result.test_data)
    position = frame.index[frame["size"].isin(test["size"])][0]
    frame.loc[position, "price"] = 0
    frame.to_csv(workspace / "zeros.csv", index=False)
    pipeline = pipeline_in(workspace, data=str(workspace / "zeros.csv"), **options)
    preprocess(pipeline)
    with pytest.raises(ParameterError, match="primary_metric: mape is undefined, because price is 0 in 1 of 240 rows"):
        pipeline.train()
