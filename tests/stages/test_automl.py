"""The stage: what a search leaves in MLflow, and that evaluate takes its best like any candidate."""

import numpy as np
import pandas as pd
import pytest

from lib import metrics
from lib.automl import LEADERBOARD, SearchResult
from lib.backends.local.backend import LocalBackend
from tests import workspaces
from tests.workspaces import NAME, model_of, pipeline_in, publish

# Fixtures.
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")


class FoundBefore:
    """A search that finds two models, and a third that failed, in no time."""

    def __init__(self, backend, warning):
        self._backend, self._warning = backend, warning

    def run(self, train_data, test_data, report):
        train = self._backend.read_table(train_data)
        X, y = train.drop(columns="bought"), train["bought"]
        rows = [
            ["linear", 0.9, 1.0, 2.0, 0.5, 0.1, 1.0, "done", 0.9, 0.88],
            ["prior", 0.5, 0.1, 1.0, 0.1, 0.1, 0.0, "done", 0.5, 0.5],
            ["lightgbm", *[np.nan] * 5, 0.0, "ValueError: no leaves", np.nan, np.nan],
        ]
        names = pd.Index(["linear_1", "prior_1", "lightgbm_1"], name="model")
        board = pd.DataFrame(rows, index=names, columns=[*LEADERBOARD, "validation roc_auc", "test roc_auc"])
        settings = {"linear_1": {"C": 1.0}}
        return SearchResult(
            board, "linear_1", 3.0, model_of("size").fit(X, y), settings=settings, warning=self._warning
        )


@pytest.fixture
def searched(prepared, monkeypatch):
    """Pipeline in which AutoML has run, with a warning or without, and what it found."""

    def search(warning=""):
        monkeypatch.setattr(LocalBackend, "search", lambda backend: FoundBefore(backend, warning))
        pipeline = pipeline_in(prepared)
        winner = pipeline.automl()
        publish(pipeline, candidates=[winner.run_id])
        return pipeline, winner

    return search


def children(pipeline, run_id):
    tracking = pipeline.backend.tracking
    found = tracking.client.search_runs([tracking.experiment_id(NAME)], f"tags.mlflow.parentRunId = '{run_id}'")
    return {one.info.run_name: one for one in found}


def test_every_model_is_a_child_run_the_failed_one_with_its_reason(searched):
    runs = children(*((found := searched())[0], found[1].run_id))
    assert set(runs) == {"linear_1", "prior_1", "lightgbm_1"}
    assert runs["linear_1"].data.params["C"] == "1.0"
    assert runs["linear_1"].data.metrics["validation_roc_auc"] == 0.9
    assert runs["linear_1"].data.metrics["roc_auc"] == 0.88
    assert runs["lightgbm_1"].info.status == "FAILED"
    assert runs["lightgbm_1"].data.tags["outcome"] == "ValueError: no leaves"


def test_the_best_is_logged_with_its_leaderboard_and_evaluated_like_any_candidate(searched, prepared):
    pipeline, winner = searched()
    tracking = pipeline.backend.tracking
    tables = {one.path for one in tracking.client.list_artifacts(winner.run_id, "tables")}
    pictures = {one.path for one in tracking.client.list_artifacts(winner.run_id, "charts")}
    assert "tables/leaderboard.csv" in tables and "charts/progress.png" in pictures
    assert list(winner.leaderboard.index) == ["linear_1", "prior_1", "lightgbm_1"]
    assert list(winner.scores.index) == metrics.names("binary")
    evaluation = pipeline_in(prepared).evaluate()
    assert evaluation.promoted and "automl" in evaluation.table.index


def test_a_warning_stands_in_the_record_and_on_the_page(searched, capsys):
    pipeline, winner = searched("The time was up.")
    assert "Warning: The time was up." in capsys.readouterr().out
    assert pipeline.backend.tracking.candidate_run(winner.run_id).data.tags["warning"] == "The time was up."
