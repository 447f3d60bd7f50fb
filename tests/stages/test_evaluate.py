"""Candidates against champion: what moves, what stays, and what leaves everything as it was."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lib import metrics
from lib.backends.models import ModelRegistry
from lib.errors import DataError
from lib.pipelines.base import BasePipeline
from lib.scoring.model_folder import BASELINE_FILE
from lib.stages import evaluate
from tests import workspaces
from tests.workspaces import NAME, RIVALS, log_candidate, pipeline_in, preprocess, versions_of

# Fixtures.
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
trained = workspaces.trained
with_champion = workspaces.with_champion
with_rivals = workspaces.with_rivals
pytestmark = pytest.mark.usefixtures("quick")

REGRESSION = {"target_column": "price", "drop_columns": ["bought"], "task": "regression"}


class Watching(BasePipeline):
    """Keeps what `accept` was given."""

    def accept(self, best, champion):
        self.best, self.champion = best, champion
        return super().accept(best, champion)


def newest(pipeline, name):
    return pipeline.backend.tracking.newest_output(NAME, "preprocess", name)


def test_rows(pipeline):
    return pipeline.backend.read_table(newest(pipeline, "test_data"))


test_rows.__test__ = False


def runs_of(pipeline):
    """Runs of the rivals, by what they go by."""
    newest_runs = pipeline.backend.tracking.newest_candidates(
        NAME, newest(pipeline, "train_data"), pipeline.parameters.target_column, pipeline.parameters.task
    )
    return dict(zip(RIVALS.values(), newest_runs, strict=True))


class TestBestOfSeveral:
    @pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
    def test_the_best_by_the_primary_metric_goes_to_production(self, with_rivals, metric):
        pipeline = pipeline_in(with_rivals, primary_metric=metric)
        runs = runs_of(pipeline)
        evaluation = pipeline.evaluate()
        assert evaluation.promoted
        assert list(evaluation.table.index) == ["by_size", "by_luck"]
        assert evaluation.table.columns[0] == metric
        assert set(evaluation.table.columns) == set(metrics.names("binary"))
        version = pipeline.backend.models(NAME).production()
        assert version.run_id == runs["size"]
        assert version.tags["training_function"] == "by_size"
        assert float(version.tags[metric]) == pytest.approx(evaluation.table.loc["by_size", metric], rel=1e-4)
        assert versions_of(pipeline) == (["1"], "1")

    def test_every_number_is_that_of_the_model_on_the_test_rows(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        runs = runs_of(pipeline)
        scores = pipeline.evaluate().table
        tracking, test = pipeline.backend.tracking, test_rows(pipeline)
        for name, run_id in runs.items():
            model = tracking.load_model(tracking.model_folder(*tracking.model_source(tracking.candidate_run(run_id))))
            assert scores.loc[f"by_{name}", "accuracy"] == pytest.approx((model.predict(test) == test["bought"]).mean())

    def test_only_the_candidates_that_are_named_take_part(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        runs = runs_of(pipeline)
        evaluation = pipeline_in(with_rivals, candidates=[runs["luck"]]).evaluate()
        assert list(evaluation.table.index) == ["by_luck"]

    def test_two_runs_of_one_training_function_both_take_part(self, prepared):
        pipeline = pipeline_in(prepared)
        runs = [log_candidate(pipeline, "mine", column) for column in ("size", "luck")]
        evaluation = pipeline_in(prepared, candidates=runs).evaluate()
        assert list(evaluation.table.index) == [f"mine {run_id[:8]}" for run_id in runs]
        version = pipeline.backend.models(NAME).production()
        assert (version.run_id, version.tags["training_function"]) == (runs[0], "mine")

    def test_the_decision_is_kept_where_people_look(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        decision = pipeline.evaluate().decision
        run = pipeline.backend.tracking.candidate_run(pipeline._run_id)
        assert run.data.tags["decision"] == decision
        assert "by_size.roc_auc" in run.data.metrics
        artifacts = {one.path for one in pipeline.backend.tracking.client.list_artifacts(run.info.run_id, "charts")}
        assert artifacts == {"charts/contenders.png", "charts/best.png"}

    def test_a_regression(self, workspace):
        given = {**REGRESSION, "primary_metric": "rmse"}
        preprocess(pipeline_in(workspace, **given))
        pipeline = pipeline_in(workspace, **given)
        runs = {column: log_candidate(pipeline, name, column) for name, column in RIVALS.items()}
        evaluation = pipeline.evaluate()
        assert list(evaluation.table.index) == ["by_size", "by_luck"]
        assert pipeline.backend.models(NAME).production().run_id == runs["size"]


class TestGates:
    @pytest.mark.parametrize(
        ("metric", "min_score", "goes"),
        [("roc_auc", 0.5, True), ("roc_auc", 0.999, False), ("log_loss", 0.7, True), ("log_loss", 0.01, False)],
    )
    def test_min_score_in_both_directions(self, trained, metric, min_score, goes):
        pipeline = pipeline_in(trained, primary_metric=metric, min_score=min_score)
        evaluation = pipeline.evaluate()
        assert evaluation.promoted is goes
        assert versions_of(pipeline) == ((["1"], "1") if goes else ([], None))
        if not goes:
            assert f"it does not reach min_score {min_score:g}" in evaluation.decision
            assert evaluation.decision.endswith("So nothing is in production.")

    def test_a_score_that_is_not_defined_passes_no_gate(self, trained, monkeypatch):
        undefined = metrics.Metric("roc_auc", ("binary",), lambda truth, predictions: float("nan"))
        monkeypatch.setattr(metrics, "get", lambda name, task: undefined)
        monkeypatch.setattr(metrics, "for_task", lambda task: [undefined])
        monkeypatch.setattr(metrics, "names", lambda task: ["roc_auc"])
        pipeline = pipeline_in(trained)
        assert "roc_auc is not defined on these test rows" in pipeline.evaluate().decision
        assert versions_of(pipeline) == ([], None)


class TestChampion:
    def test_a_second_look_at_the_same_candidate_changes_nothing(self, with_champion):
        pipeline = pipeline_in(with_champion)
        evaluation = pipeline.evaluate()
        assert not evaluation.promoted
        assert evaluation.decision.endswith("is version 1, which is in production already.")
        assert versions_of(pipeline) == (["1"], "1")
        assert (evaluation.table.loc["linear"] == evaluation.table.loc["champion v1"]).all()

    @pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
    def test_a_worse_candidate_is_not_promoted(self, with_champion, metric):
        pipeline = pipeline_in(with_champion, primary_metric=metric)
        worse = log_candidate(pipeline, "by_luck", "luck")
        pipeline = pipeline_in(with_champion, primary_metric=metric, candidates=[worse])
        evaluation = pipeline.evaluate()
        assert "no better than champion v1" in evaluation.decision
        assert list(evaluation.table.index) == ["champion v1", "by_luck"]
        assert versions_of(pipeline) == (["1"], "1")

    def test_a_better_candidate_takes_its_place(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        runs = runs_of(pipeline)
        first = pipeline_in(with_rivals, candidates=[runs["luck"]]).evaluate()
        assert first.promoted
        second = pipeline_in(with_rivals, candidates=[runs["size"]]).evaluate()
        assert "is version 2 and goes to production in place of version 1 (" in second.decision
        assert versions_of(pipeline) == (["1", "2"], "2")
        assert pipeline.backend.models(NAME).production().run_id == runs["size"]

    def test_candidate_and_champion_are_judged_on_the_same_rows(self, with_champion):
        pipeline = pipeline_in(with_champion, Watching)
        pipeline.evaluate()
        assert pipeline.champion.name == "champion v1"
        np.testing.assert_array_equal(
            pipeline.best.predictions.probabilities, pipeline.champion.predictions.probabilities
        )

    def test_one_that_cannot_score_todays_rows_protects_nothing(self, with_champion):
        today = {"drop_columns": ["price", "size"]}  # the champion needs the size
        pipeline = pipeline_in(with_champion, Watching, **today)
        preprocess(pipeline)
        log_candidate(pipeline, "by_luck", "luck")
        evaluation = pipeline.evaluate()
        assert pipeline.champion is None
        assert "Version 1 in production cannot score these rows (" in evaluation.decision
        assert "so it was not compared." in evaluation.decision
        assert "goes to production in place of version 1." in evaluation.decision
        assert versions_of(pipeline) == (["1", "2"], "2")

    def test_one_that_fails_at_great_length_is_quoted_in_part(self, prepared):
        def only_with_luck(X):
            if "luck" not in X:
                raise ValueError("this column is missing: luck; " * 2000)
            return X[["size"]]

        pipeline = pipeline_in(prepared)
        log_candidate(
            pipeline, "verbose", model=make_pipeline(FunctionTransformer(only_with_luck), LogisticRegression())
        )
        assert pipeline.evaluate().promoted
        pipeline = pipeline_in(prepared, drop_columns=["price", "luck"])
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        decision = pipeline.evaluate().decision
        assert "cannot score these rows (ValueError: this column is missing: luck;" in decision
        assert len(decision) < 2000

    def test_one_whose_files_were_altered_stops_the_comparison(self, with_champion):
        pipeline = pipeline_in(with_champion)
        version = pipeline.backend.models(NAME).production()
        folder = pipeline.backend.tracking.model_folder(version.source, version.sha256)
        (folder / BASELINE_FILE).write_text("{}")
        with pytest.raises(DataError, match="SHA-256 differs"):
            pipeline.evaluate()
        assert versions_of(pipeline) == (["1"], "1")

    def test_a_move_that_was_cut_off_is_finished_first_and_told(self, with_champion):
        pipeline = pipeline_in(with_champion, Watching)
        client = pipeline.backend.tracking.client
        client.set_registered_model_tag(NAME, "moving_production_to", "1")
        client.delete_model_version_tag(NAME, "1", "production")
        evaluation = pipeline.evaluate()
        assert pipeline.champion.name == "champion v1"
        assert "promotion of version 1 was interrupted. It is complete now" in evaluation.decision


class TestAnotherSplit:
    """A champion that was split by another rule may have trained on some of today's test rows."""

    def test_it_is_compared_on_rows_that_it_never_trained_on(self, with_champion):
        pipeline = pipeline_in(with_champion, Watching, seed=7, test_fraction=0.9)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        evaluation = pipeline.evaluate()

        test = test_rows(pipeline)
        version = pipeline.backend.models(NAME).versions()[0]
        folder = pipeline.backend.tracking.model_folder(version.source, version.sha256)
        trained_on = pipeline.backend.read_table(
            pipeline.backend.tracking.candidate_run(version.run_id).data.params["train_data"]
        )
        fair = test[~test["size"].isin(trained_on["size"])]
        assert 20 <= len(fair) < len(test)
        for contender in (pipeline.best, pipeline.champion):
            assert len(contender.predictions.labels) == len(fair)
        model = pipeline.backend.tracking.load_model(folder)
        assert evaluation.table.loc["champion v1", "accuracy"] == pytest.approx(
            (model.predict(fair) == fair["bought"]).mean()
        )
        assert f"all were scored on the {len(fair)} test rows it never trained on" in evaluation.decision

    def test_with_too_few_such_rows_there_is_no_verdict(self, with_champion):
        pipeline = pipeline_in(with_champion, seed=7)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        with pytest.raises(DataError, match="no fair comparison is possible. Use the test_fraction, seed"):
            pipeline.evaluate()
        assert versions_of(pipeline) == (["1"], "1")

    def test_where_the_rule_cannot_be_followed_any_more_the_decision_says_so(self, with_champion):
        pipeline = pipeline_in(with_champion, drop_columns=["price", "luck"])  # its rule hashes the luck
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        decision = pipeline.evaluate().decision
        assert "Version 1 was split by another rule and may have trained on some of these test rows." in decision

    def test_a_pipelines_own_split_is_no_rule(self, workspace):
        class LastRowsTest(BasePipeline):
            def split_data(self, frame, rule):
                return frame[:180], frame[180:]

        pipeline = pipeline_in(workspace, LastRowsTest)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        assert "split" not in pipeline.evaluate().decision
        assert "Version 1 was split by another rule" in pipeline.evaluate().decision


class TestNothingMoves:
    """Each failure leaves the registry as it was."""

    def test_an_unknown_run(self, trained):
        pipeline = pipeline_in(trained, candidates=["nowhere"])
        with pytest.raises(DataError, match="candidates: there is no MLflow run 'nowhere'"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_a_run_that_trained_nothing(self, trained):
        pipeline = pipeline_in(trained)
        client = pipeline.backend.tracking.client
        (run,) = client.search_runs([pipeline.backend.tracking.experiment_id(NAME)], "tags.stage = 'preprocess'")
        with pytest.raises(DataError, match="logged no model"):
            pipeline_in(trained, candidates=[run.info.run_id]).evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_a_candidate_whose_files_were_altered(self, trained):
        pipeline = pipeline_in(trained)
        (run_id,) = pipeline._with_inputs("candidates").candidates
        source, sha256 = pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(run_id))
        (pipeline.backend.tracking.model_folder(source, sha256) / "MLmodel").write_text("")
        with pytest.raises(DataError, match="SHA-256 differs"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_test_rows_that_are_gone(self, trained):
        pipeline = pipeline_in(trained)
        pipeline.backend.local_copy(newest(pipeline, "test_data")).unlink()
        with pytest.raises(DataError, match=r"There is no file .*test\.parquet"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_a_candidate_that_cannot_score_the_test_rows(self, trained):
        pipeline = pipeline_in(trained)
        candidates = pipeline._with_inputs("candidates").candidates
        preprocess(pipeline_in(trained, drop_columns=["price", "size"]))
        with pytest.raises(DataError, match="was made with test_data"):
            pipeline_in(trained, candidates=candidates).evaluate()
        assert versions_of(pipeline) == ([], None)

    @pytest.mark.parametrize("drawing", ["confusion_matrix", "candidate_scores"])
    def test_a_chart_that_fails(self, trained, monkeypatch, drawing):
        monkeypatch.setattr(evaluate.charts, drawing, lambda *anything: 1 / 0)
        pipeline = pipeline_in(trained)
        with pytest.raises(ZeroDivisionError):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_a_crash_between_registering_and_promoting_is_made_good_by_the_next_run(self, trained, monkeypatch):
        pipeline = pipeline_in(trained)
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(ModelRegistry, "promote", lambda registry, version, **rest: 1 / 0)
            pipeline.evaluate()
        assert versions_of(pipeline) == (["1"], None)
        assert pipeline.evaluate().promoted
        assert versions_of(pipeline) == (["1"], "1")
