"""The AutoML stage: what it logs to MLflow, and how evaluate treats its best model."""

import numpy as np
import pandas as pd
import pytest

from lib import automl, metrics
from lib.automl import LEADERBOARD, SearchResult
from lib.backends.local.backend import LocalBackend
from tests import workspaces
from tests.workspaces import NAME, model_of, pipeline_in, publish

# Fixtures
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")


KINDS = {"size": "number", "luck": "number", "colour": "category"}


class InstantSearch:
    """A search that returns two models and a failed one at once."""

    def __init__(self, backend, warning):
        self._backend, self._warning = backend, warning

    def run(self, train_data, test_data, report, schema, step, division):
        assert division.groups is None and division.in_time_order is None  # the split hashes all features
        train = self._backend.read_table(train_data)
        assert {name: column.kind for name, column in schema.columns.items()} == KINDS
        X, y = train.drop(columns="bought"), train["bought"]
        rows = [
            ["linear", 0.9, 1.0, 2.0, 0.5, 0.1, 1.0, "done", 0.9, 0.88],
            ["prior", 0.5, 0.1, 1.0, 0.1, 0.1, 0.0, "done", 0.5, 0.5],
            ["lightgbm", *[np.nan] * 5, 0.0, "ValueError: no leaves", np.nan, np.nan],
        ]
        names = pd.Index(["linear_1", "prior_1", "lightgbm_1"], name="model")
        board = pd.DataFrame(rows, index=names, columns=[*LEADERBOARD, "validation roc_auc", "test roc_auc"])
        hyperparameters = {"linear_1": {"C": 1.0}}
        return SearchResult(
            board, "linear_1", 3.0, model_of("size").fit(X, y), hyperparameters=hyperparameters, warning=self._warning
        )


@pytest.fixture
def search(prepared, monkeypatch):
    """Function that runs AutoML, with a warning or without, and returns the pipeline and the winner."""

    def run_search(warning=""):
        def find_engine(backend):
            faults = automl.faults(pipeline.parameters)  # raises if the stage does not declare a parameter it reads
            assert all("make install" in fault for fault in faults), faults
            return InstantSearch(backend, warning)

        monkeypatch.setattr(LocalBackend, "search", find_engine)
        pipeline = pipeline_in(prepared)
        winner = pipeline.automl()
        publish(pipeline, candidates=[winner.run_id])
        return pipeline, winner

    return run_search


def child_runs(pipeline, run_id):
    """Return the child runs of a run, by name."""
    tracking = pipeline.backend.tracking
    runs = tracking.client.search_runs([tracking.experiment_id(NAME)], f"tags.mlflow.parentRunId = '{run_id}'")
    return {run.info.run_name: run for run in runs}


def test_every_model_has_a_child_run_with_its_outcome(search):
    pipeline, winner = search()
    runs = child_runs(pipeline, winner.run_id)
    assert set(runs) == {"linear_1", "prior_1", "lightgbm_1"}
    assert runs["linear_1"].data.params["C"] == "1.0"
    assert runs["linear_1"].data.metrics["validation_roc_auc"] == 0.9
    assert runs["linear_1"].data.metrics["roc_auc"] == 0.88
    assert runs["lightgbm_1"].info.status == "FAILED"
    assert runs["lightgbm_1"].data.tags["outcome"] == "ValueError: no leaves"


def test_best_model_is_logged_and_evaluated_as_a_candidate(search, prepared):
    pipeline, winner = search()
    tracking = pipeline.backend.tracking
    tables = {file.path for file in tracking.client.list_artifacts(winner.run_id, "tables")}
    figures = {file.path for file in tracking.client.list_artifacts(winner.run_id, "charts")}
    assert "tables/leaderboard.csv" in tables and "charts/progress.png" in figures
    assert list(winner.leaderboard.index) == ["linear_1", "prior_1", "no-skill", "lightgbm_1"]
    assert winner.leaderboard.loc["no-skill", "test roc_auc"] == 0.5
    assert list(winner.scores.index) == metrics.names("binary")
    evaluation = pipeline_in(prepared).evaluate()
    assert evaluation.promoted and "automl" in evaluation.table.index


def test_warning_is_printed_and_logged(search, capsys):
    pipeline, winner = search("The time was up.")
    assert "Warning: The time was up." in capsys.readouterr().out
    assert pipeline.backend.tracking.candidate_run(winner.run_id).data.tags["warning"] == "The time was up."
