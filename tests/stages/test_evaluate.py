"""The evaluate stage: comparing candidates with the champion, promotion, and failures that change nothing."""

import datetime
import pickle
import re
import shutil

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lib import metrics
from lib.backends.models import ModelRegistry
from lib.errors import DataError, GateError, ParameterError
from lib.invocation import version
from lib.pipelines.base import BasePipeline
from lib.scoring.model_folder import BASELINE_FILE
from lib.stages import evaluate
from lib.stages.preprocessing import split_plan
from lib.tables.split.rules import LegacyHashSplit
from tests import workspaces
from tests.workspaces import NAME, RIVALS, log_candidate, pipeline_in, preprocess, publish, versions_of

# Fixtures.
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
trained = workspaces.trained
with_champion = workspaces.with_champion
with_rivals = workspaces.with_rivals
pytestmark = pytest.mark.usefixtures("quick")

RECIPE = (FunctionTransformer(lambda X: X[["size"]]), LogisticRegression())
REGRESSION = {"target_column": "price", "drop_columns": ["bought"], "task": "regression"}


class RecordingPipeline(BasePipeline):
    """A pipeline that records the arguments of `accept`."""

    def accept(self, best, champion):
        self.best, self.champion = best, champion
        return super().accept(best, champion)


def newest_output(pipeline, name, stage="preprocess"):
    """Return the newest output of a stage with this name."""
    return pipeline.backend.tracking.newest_output(NAME, stage, name)


def models_in(evaluation):
    """Return the contenders of an evaluation, best first, without the no-skill model, which must be there."""
    assert "no-skill" in evaluation.table.index
    return [name for name in evaluation.table.index if name != "no-skill"]


def waive(*gates, until="2999-12-31"):
    """Return the parameter that waives some gates."""
    return {"waivers": [{"gate": gate, "who": "Ada", "why": "a test", "until": until} for gate in gates]}


def read_test_rows(pipeline):
    """Return the newest test rows."""
    return pipeline.backend.read_table(newest_output(pipeline, "test_data"))


def newest_candidates(pipeline):
    """Return the run ids of the newest candidates, sorted by training function."""
    parameters = pipeline.parameters
    return pipeline.backend.tracking.newest_candidates(
        NAME, newest_output(pipeline, "train_data"), parameters.target_column, parameters.task
    )


def rival_runs(pipeline):
    """Return the rivals' run ids by the column that each model uses."""
    return dict(zip(RIVALS.values(), newest_candidates(pipeline), strict=True))


class TestBestOfSeveral:
    @pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
    def test_best_candidate_by_primary_metric_is_promoted(self, with_rivals, metric):
        pipeline = pipeline_in(with_rivals, primary_metric=metric)
        runs = rival_runs(pipeline)
        evaluation = pipeline.evaluate()
        assert evaluation.promoted
        assert models_in(evaluation) == ["by_size", "by_luck"]
        assert evaluation.table.columns[0] == metric
        assert set(evaluation.table.columns) == set(metrics.names("binary"))
        version = pipeline.backend.models(NAME).production()
        assert version.run_id == runs["size"]
        assert version.tags["training_function"] == "by_size"
        assert float(version.tags[metric]) == pytest.approx(evaluation.table.loc["by_size", metric], rel=1e-4)
        assert versions_of(pipeline) == (["1"], "1")

    def test_scores_are_those_of_each_model_on_the_test_rows(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        runs = rival_runs(pipeline)
        scores = pipeline.evaluate().table
        tracking, test = pipeline.backend.tracking, read_test_rows(pipeline)
        for name, run_id in runs.items():
            model = tracking.load_model(tracking.model_folder(*tracking.model_source(tracking.candidate_run(run_id))))
            assert scores.loc[f"by_{name}", "accuracy"] == pytest.approx((model.predict(test) == test["bought"]).mean())

    def test_displayed_table_has_a_row_per_metric_and_marks_the_primary_one(self, with_rivals):
        page = pipeline_in(with_rivals, primary_metric="log_loss").evaluate().main_table()._repr_html_()
        rows = re.findall(r"row_heading[^>]*>([^<]+)<", page)
        assert rows == ["log_loss ★", *(name for name in metrics.names("binary") if name != "log_loss")]
        assert {*re.findall(r"col_heading[^>]*>([^<]+)<", page)} == {"by_size", "by_luck", "no-skill"}

    def test_only_the_given_candidates_are_compared(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        runs = rival_runs(pipeline)
        evaluation = pipeline_in(with_rivals, candidates=[runs["luck"]]).evaluate()
        assert models_in(evaluation) == ["by_luck"]

    def test_two_runs_of_one_training_function_are_both_compared(self, prepared):
        pipeline = pipeline_in(prepared)
        runs = [log_candidate(pipeline, "mine", column) for column in ("size", "luck")]
        evaluation = pipeline_in(prepared, candidates=runs).evaluate()
        assert models_in(evaluation) == [f"mine {run_id[:8]}" for run_id in runs]
        version = pipeline.backend.models(NAME).production()
        assert (version.run_id, version.tags["training_function"]) == (runs[0], "mine")

    def test_decision_scores_and_charts_are_logged_to_the_run(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        decision = pipeline.evaluate().decision
        run = pipeline.backend.tracking.candidate_run(pipeline._run_id)
        assert run.data.tags["decision"] == decision
        assert "by_size.roc_auc" in run.data.metrics
        artifacts = {
            artifact.path for artifact in pipeline.backend.tracking.client.list_artifacts(run.info.run_id, "charts")
        }
        assert artifacts == {"charts/contenders.png", "charts/best.png", "charts/decision_curve.png"}

    def test_best_regression_candidate_is_promoted(self, workspace):
        changed = {**REGRESSION, "primary_metric": "rmse"}
        preprocess(pipeline_in(workspace, **changed))
        pipeline = pipeline_in(workspace, **changed)
        runs = {column: log_candidate(pipeline, name, column) for name, column in RIVALS.items()}
        evaluation = pipeline.evaluate()
        assert models_in(evaluation) == ["by_size", "by_luck"]
        assert pipeline.backend.models(NAME).production().run_id == runs["size"]


class TestGates:
    @pytest.mark.parametrize(
        ("metric", "min_score", "promoted"),
        [("roc_auc", 0.5, True), ("roc_auc", 0.999, False), ("log_loss", 0.7, True), ("log_loss", 0.01, False)],
    )
    def test_min_score_follows_the_direction_of_the_metric(self, trained, metric, min_score, promoted):
        pipeline = pipeline_in(trained, primary_metric=metric, min_score=min_score)
        evaluation = pipeline.evaluate()
        assert evaluation.promoted is promoted
        assert versions_of(pipeline) == ((["1"], "1") if promoted else ([], None))
        if not promoted:
            assert f"it does not reach min_score {min_score:g}" in evaluation.decision
            assert "So nothing is in production." in evaluation.decision

    @pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy", "average_precision", "f1"])
    def test_a_candidate_no_better_than_guessing_is_blocked(self, with_rivals, metric):
        runs = rival_runs(pipeline_in(with_rivals))
        pipeline = pipeline_in(with_rivals, primary_metric=metric, candidates=[runs["luck"]])
        evaluation = pipeline.evaluate()
        assert "it is no better than guessing beyond chance: " in evaluation.blocked_by
        assert evaluation.gates["verdict"].to_dict()["no_skill"] == "blocked"
        assert versions_of(pipeline) == ([], None)
        with pytest.raises(GateError):
            publish(pipeline, decision=evaluation.decision)

    def test_an_expired_waiver_does_not_help(self, with_rivals):
        runs = rival_runs(pipeline_in(with_rivals))
        with pytest.raises(ParameterError, match="waivers: the waiver of no_skill by Ada expired on 2020-02-01"):
            pipeline_in(with_rivals, candidates=[runs["luck"]], **waive("no_skill", until="2020-02-01"))

    def test_decision_says_what_the_score_means(self, trained):
        decision = pipeline_in(trained).evaluate().decision
        assert re.search(
            r"It finds \d of \d+ rows with bought = yes among the 10 % called first; guessing would", decision
        )

    def test_an_undefined_score_is_not_promoted(self, trained, monkeypatch):
        undefined = metrics.Metric("roc_auc", ("binary",), lambda truth, predictions: float("nan"))
        monkeypatch.setattr(metrics, "get", lambda name, task, options=None: undefined)
        monkeypatch.setattr(metrics, "for_task", lambda task, own=(): [undefined])
        monkeypatch.setattr(metrics, "names", lambda task: ["roc_auc"])
        pipeline = pipeline_in(trained)
        assert "its roc_auc is undefined on these test rows" in pipeline.evaluate().decision
        assert versions_of(pipeline) == ([], None)


class TestChampion:
    def test_evaluating_the_champion_again_changes_nothing(self, with_champion):
        pipeline = pipeline_in(with_champion)
        evaluation = pipeline.evaluate()
        assert not evaluation.promoted
        assert "is version 1, which is already in production." in evaluation.decision
        assert versions_of(pipeline) == (["1"], "1")
        assert (evaluation.table.loc["linear"] == evaluation.table.loc["champion v1"]).all()

    def test_gates_hold_for_the_champion_as_well(self, with_champion):
        pipeline = pipeline_in(with_champion, min_score=0.9999)
        evaluation = pipeline.evaluate()
        assert evaluation.blocked_by == evaluation.decision and not evaluation.promoted
        assert "is version 1, which is already in production, but does not pass today's gates" in evaluation.decision
        assert versions_of(pipeline) == (["1"], "1")

    @pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
    def test_a_worse_candidate_is_not_promoted(self, with_champion, metric):
        pipeline = pipeline_in(with_champion, primary_metric=metric)
        worse = log_candidate(pipeline, "by_luck", "luck")
        pipeline = pipeline_in(with_champion, primary_metric=metric, candidates=[worse])
        evaluation = pipeline.evaluate()
        assert "no better than champion v1 beyond chance (worse: " in evaluation.decision
        assert models_in(evaluation) == ["champion v1", "by_luck"]
        assert versions_of(pipeline) == (["1"], "1")

    def test_a_better_candidate_replaces_the_champion(self, with_rivals):
        pipeline = pipeline_in(with_rivals)
        runs = rival_runs(pipeline)
        first = pipeline_in(with_rivals, candidates=[runs["luck"]], **waive("no_skill")).evaluate()
        assert first.promoted and "no_skill is waived until 2999-12-31 by Ada: a test." in first.decision
        second = pipeline_in(with_rivals, candidates=[runs["size"]]).evaluate()
        assert "is version 2 and goes to production in place of version 1: " in second.decision
        assert versions_of(pipeline) == (["1", "2"], "2")
        assert pipeline.backend.models(NAME).production().run_id == runs["size"]

    def test_candidate_and_champion_are_scored_on_the_same_rows(self, with_champion):
        pipeline = pipeline_in(with_champion, RecordingPipeline)
        pipeline.evaluate()
        assert pipeline.champion.name == "champion v1"
        np.testing.assert_array_equal(
            pipeline.best.predictions.probabilities, pipeline.champion.predictions.probabilities
        )

    def test_champion_that_cannot_score_the_rows_blocks_until_a_waiver(self, with_champion):
        changed = {"drop_columns": ["price", "size"], "promote_if": "better"}  # the champion needs size
        pipeline = pipeline_in(with_champion, RecordingPipeline, **changed, **waive("no_skill"))
        preprocess(pipeline)
        log_candidate(pipeline, "by_luck", "luck")
        evaluation = pipeline.evaluate()
        assert pipeline.champion is None
        assert "champion not comparable: version 1 in production cannot be scored (" in evaluation.blocked_by
        assert evaluation.gates.loc["champion", "verdict"] == "blocked"
        assert evaluation.gates.loc["no_skill", "measured"] != ""
        assert versions_of(pipeline) == (["1"], "1")
        waived = pipeline_in(with_champion, **changed, **waive("no_skill", "champion")).evaluate()
        assert "goes to production in place of version 1." in waived.decision
        assert versions_of(pipeline) == (["1", "2"], "2")

    @pytest.mark.parametrize(
        "error",
        [
            ModuleNotFoundError("No module named 'lib.schema.date_columns'"),
            AttributeError("Can't get attribute '_Columns' on module 'lib.training.features'"),
            pickle.UnpicklingError("pickle data was truncated"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_champion_that_cannot_be_loaded_is_not_comparable(self, with_champion, monkeypatch, error):
        pipeline = pipeline_in(with_champion, RecordingPipeline)
        production = pipeline.backend.models(NAME).production()
        champion_folder = pipeline.backend.tracking.model_folder(production.source, production.sha256)
        load_model = mlflow.sklearn.load_model

        def load_or_fail(folder):
            if folder == str(champion_folder):
                raise error
            return load_model(folder)

        monkeypatch.setattr(mlflow.sklearn, "load_model", load_or_fail)
        candidate = log_candidate(pipeline, "by_luck", "luck")
        evaluation = pipeline.evaluate(candidates=[candidate])
        assert pipeline.champion is None
        assert (
            f"version 1 in production was saved by Millrace {version()} on "
            f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d} and does not work with this release, Millrace {version()} "
            f"({type(error).__name__}: {error})"
        ) in evaluation.blocked_by
        assert models_in(evaluation) == ["by_luck"]
        assert versions_of(pipeline) == (["1"], "1")

    def test_candidate_of_another_release_names_that_release(self, with_champion, monkeypatch):
        pipeline = pipeline_in(with_champion)
        candidate = log_candidate(pipeline, "by_luck", "luck")
        load_model, broken = mlflow.sklearn.load_model, []

        def fail(folder):
            broken.append(folder)
            raise ModuleNotFoundError("No module named 'lib.renamed'")

        monkeypatch.setattr(mlflow.sklearn, "load_model", fail)
        with pytest.raises(DataError, match=rf"saved by Millrace {version()} on .*No module named.*--from train"):
            pipeline.evaluate(candidates=[candidate])
        assert broken
        monkeypatch.setattr(mlflow.sklearn, "load_model", load_model)
        assert versions_of(pipeline) == (["1"], "1")

    def test_long_error_of_the_champion_is_truncated(self, prepared):
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
        assert "cannot be scored (ValueError: this column is missing: luck;" in decision
        assert len(decision) < 2000

    def test_changed_champion_files_are_not_comparable(self, with_champion):
        pipeline = pipeline_in(with_champion)
        version = pipeline.backend.models(NAME).production()
        folder = pipeline.backend.tracking.model_folder(version.source, version.sha256)
        (folder / BASELINE_FILE).write_text("{}")
        candidate = log_candidate(pipeline, "by_size", "size")
        evaluation = pipeline.evaluate(candidates=[candidate])
        assert re.search("champion not comparable: .*SHA-256 differs", evaluation.blocked_by)
        assert versions_of(pipeline) == (["1"], "1")

    def test_lost_champion_files_hold_until_the_version_is_retired(self, with_champion):
        pipeline = pipeline_in(with_champion)
        registry = pipeline.backend.models(NAME)
        version = registry.production()
        shutil.rmtree(pipeline.backend.tracking.model_folder(version.source, version.sha256))
        candidate = log_candidate(pipeline, "by_size", "size")
        evaluation = pipeline.evaluate(candidates=[candidate])
        assert (
            "champion not comparable" in evaluation.blocked_by
            and "run_all.py retire small-shop 1" in evaluation.decision
        )
        registry.retire("1", "its files were lost")
        assert registry.versions()[0].tags["retired_reason"] == "its files were lost"
        assert pipeline.evaluate(candidates=[candidate]).promoted
        assert versions_of(pipeline) == (["1", "2"], "2")

    def test_an_equal_challenger_does_not_replace_the_champion(self, with_champion):
        pipeline = pipeline_in(with_champion)
        candidate = log_candidate(pipeline, "equal", model=make_pipeline(*RECIPE))
        first = pipeline_in(with_champion, candidates=[candidate], **waive("champion")).evaluate()
        assert first.promoted
        again = log_candidate(pipeline, "again", model=make_pipeline(*RECIPE))
        evaluation = pipeline_in(with_champion, candidates=[again]).evaluate()
        assert not evaluation.promoted and not evaluation.blocked_by
        assert "(not worse: 0 better in roc_auc" in evaluation.decision
        not_worse = {"promote_if": "not_worse", "margin": 0.01}
        assert pipeline_in(with_champion, candidates=[again], **not_worse).evaluate().promoted

    def test_candidate_is_compared_again_if_another_run_promotes_meanwhile(self, with_champion, monkeypatch):
        pipeline = pipeline_in(with_champion, RecordingPipeline)
        rival = log_candidate(pipeline, "rival", model=make_pipeline(*RECIPE))
        candidate = log_candidate(pipeline, "candidate", model=make_pipeline(*RECIPE))
        register, is_first = ModelRegistry.register, iter([True])

        def register_after_the_rival(registry, run_id, *arguments):
            version = register(registry, run_id, *arguments)
            if next(is_first, False):  # another run promotes its model between the comparison and the promotion
                source, sha256 = pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(rival))
                registry.promote(register(registry, rival, source, sha256, {}).version)
            return version

        monkeypatch.setattr(ModelRegistry, "register", register_after_the_rival)
        changes = {"candidates": [candidate], "promote_if": "not_worse", "margin": 0.5}
        evaluation = pipeline_in(with_champion, **changes).evaluate()
        assert "in place of version 3" in evaluation.decision and versions_of(pipeline)[1] == "2"

    def test_interrupted_promotion_is_completed_and_reported(self, with_champion):
        pipeline = pipeline_in(with_champion, RecordingPipeline)
        client = pipeline.backend.tracking.client
        client.set_registered_model_tag(NAME, "moving_production_to", "1")
        client.delete_model_version_tag(NAME, "1", "production")
        evaluation = pipeline.evaluate()
        assert pipeline.champion.name == "champion v1"
        assert "promotion of version 1 was interrupted. It is complete now" in evaluation.decision


class TestChangedTarget:
    """A champion that predicts something else is not compared, and the chain is blocked."""

    def assert_blocked(self, pipeline, reason):
        evaluation = pipeline.evaluate()
        assert not evaluation.promoted and evaluation.decision == evaluation.verdict == evaluation.blocked_by
        assert reason in evaluation.decision
        assert "So version 1 stays in production. If this change is intended, add a waiver" in evaluation.decision
        assert versions_of(pipeline) == (["1"], "1")
        assert "champion v1" not in evaluation.table.index
        with pytest.raises(GateError, match="champion not comparable: version 1 in production predicts") as error:
            publish(pipeline, decision=evaluation.decision)
        assert error.value.exit_code == 3
        assert newest_output(pipeline, "decision", "evaluate") == evaluation.decision
        return evaluation

    def with_table(self, workspace, frame, **changes):
        """Return a pipeline whose table has changed, after preprocess and one candidate."""
        file = workspace / "changed.csv"
        frame.to_csv(file, index=False)
        pipeline = pipeline_in(workspace, data=str(file), **changes)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        return pipeline

    def test_renamed_class(self, with_champion):
        pipeline = self.with_table(with_champion, workspaces.table().replace({"bought": {"yes": "a lot"}}))
        evaluation = self.assert_blocked(
            pipeline, "predicts the classes 'no', 'yes' of bought, and today's classes are 'a lot', 'no'"
        )
        assert "refer to the class 'no' (positive_class)." in evaluation.decision

    def test_removing_the_tag_promotes_without_a_comparison(self, with_champion):
        pipeline = self.with_table(with_champion, workspaces.table().replace({"bought": {"yes": "a lot"}}))
        pipeline.evaluate()
        pipeline.backend.tracking.client.delete_model_version_tag(NAME, "1", "production")
        evaluation = pipeline.evaluate()
        assert evaluation.promoted and not evaluation.blocked_by
        publish(pipeline, decision=evaluation.decision)
        assert versions_of(pipeline) == (["1", "2"], "2")

    def test_regression_then_classes(self, workspace):
        regression = pipeline_in(workspace, **{**REGRESSION, "primary_metric": "rmse"})
        preprocess(regression)
        log_candidate(regression, "by_size", "size")
        assert regression.evaluate().promoted
        frame = workspaces.table().assign(price=lambda rows: np.where(rows["price"] > 100, "high", "low"))
        pipeline = self.with_table(workspace, frame, target_column="price", drop_columns=["bought"])
        self.assert_blocked(pipeline, "predicts price as a number, and today it is a class (binary)")

    def test_another_target(self, with_champion):
        pipeline = self.with_table(with_champion, workspaces.table(), **{**REGRESSION, "primary_metric": "r2"})
        self.assert_blocked(pipeline, "predicts bought, and today's target is price")

    def test_added_class_is_compared(self, with_champion):
        frame = workspaces.table()
        frame.loc[frame["size"] > 1, "bought"] = "twice"
        changes = {"task": "multiclass", "primary_metric": "f1_macro"}
        pipeline = self.with_table(with_champion, frame, **changes)
        evaluation = pipeline.evaluate()
        assert "not comparable" not in evaluation.decision and {"by_size", "champion v1"} == {*models_in(evaluation)}

    @pytest.mark.parametrize(("positive_class", "expected"), [("", "yes"), ("no", "no")])
    def test_contenders_share_todays_positive_class(self, with_champion, positive_class, expected):
        pipeline = pipeline_in(with_champion, RecordingPipeline, positive_class=positive_class)
        evaluation = pipeline.evaluate()
        assert {pipeline.best.predictions.positive_class, pipeline.champion.predictions.positive_class} == {expected}
        assert f"refer to the class '{expected}' (positive_class)." in evaluation.decision


class TestSuspicion:
    @pytest.mark.parametrize(("noise", "suspicious"), [(0, True), (0.5, False)])
    def test_nearly_perfect_score_is_pointed_out(self, workspace, noise, suspicious):
        frame = workspaces.table().assign(leak=lambda rows: rows["price"] + noise * rows["luck"].fillna(0) * 40)
        frame.to_csv(workspace / "leak.csv", index=False)
        pipeline = pipeline_in(workspace, data=str(workspace / "leak.csv"), **REGRESSION, primary_metric="rmse")
        preprocess(pipeline)
        log_candidate(pipeline, "by_leak", "leak")
        assert ("is too good to be true for most tables" in pipeline.evaluate().decision) == suspicious


class TestFoldSpread:
    @pytest.mark.parametrize(("mean", "is_far"), [(0.1, True), (None, False)])
    def test_test_score_far_from_the_folds_is_told_first(self, trained, mean, is_far):
        pipeline = pipeline_in(trained)
        (run_id,) = newest_candidates(pipeline)
        client = pipeline.backend.tracking.client
        score = client.get_run(run_id).data.metrics["roc_auc"]
        client.log_metric(run_id, "folds_roc_auc", score if mean is None else mean)
        client.log_metric(run_id, "spread_roc_auc", 0.02)
        decision = pipeline.evaluate().decision
        assert decision.startswith("The roc_auc on the test rows") == is_far
        assert ("is far from the folds of the training rows" in decision) == is_far


class TestChangedSplit:
    """A champion with another split may have trained on some of the current test rows."""

    def test_all_are_scored_on_rows_the_champion_did_not_train_on(self, with_champion):
        pipeline = pipeline_in(with_champion, RecordingPipeline, seed=7, test_fraction=0.9)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        evaluation = pipeline.evaluate()

        test = read_test_rows(pipeline)
        version = pipeline.backend.models(NAME).versions()[0]
        folder = pipeline.backend.tracking.model_folder(version.source, version.sha256)
        trained_on = pipeline.backend.read_table(
            pipeline.backend.tracking.candidate_run(version.run_id).data.params["train_data"]
        )
        unseen = test[~test["size"].isin(trained_on["size"])]
        assert 20 <= len(unseen) < len(test)
        for contender in (pipeline.best, pipeline.champion):
            assert len(contender.predictions.labels) == len(unseen)
        model = pipeline.backend.tracking.load_model(folder)
        assert evaluation.table.loc["champion v1", "accuracy"] == pytest.approx(
            (model.predict(unseen) == unseen["bought"]).mean()
        )
        assert f"all models were scored on the {len(unseen)} test rows" in evaluation.decision

    def test_champion_that_trained_on_the_test_rows_is_not_comparable(self, with_champion):
        pipeline = pipeline_in(with_champion, seed=7)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        assert "current test rows; to compare both, set the split as for version 1" in pipeline.evaluate().blocked_by
        assert versions_of(pipeline) == (["1"], "1")

    def test_decision_warns_if_the_old_rule_cannot_be_applied(self, with_champion):
        pipeline = pipeline_in(with_champion, drop_columns=["price", "luck"])  # the champion's rule hashes luck
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        decision = pipeline.evaluate().decision
        assert "Version 1 used another split and may have trained on some of these test rows." in decision

    def test_champion_of_an_earlier_release_is_compared_by_its_own_rule(self, workspace, monkeypatch):
        def plan_as_before(summaries, conversion, engine, parameters):
            return split_plan.SplitPlan(LegacyHashSplit(tuple(sorted(summaries[0].columns)), 0.2, 42), "", "")

        with monkeypatch.context() as patch:
            patch.setattr(split_plan, "plan", plan_as_before)
            pipeline = pipeline_in(workspace)
            preprocess(pipeline)
            log_candidate(pipeline, "by_size", "size")
            pipeline.evaluate()
        run_id = pipeline.backend.models(NAME).versions()[0].run_id
        params = pipeline.backend.tracking.candidate_run(run_id).data.params
        trained_on = set(pipeline.backend.read_table(params["train_data"])["size"])

        pipeline = pipeline_in(workspace, RecordingPipeline, test_fraction=0.5)
        preprocess(pipeline)
        log_candidate(pipeline, "by_luck", "luck")
        decision = pipeline.evaluate().decision
        unseen = [size not in trained_on for size in read_test_rows(pipeline)["size"]]
        assert 20 <= sum(unseen) < len(unseen)
        assert f"all models were scored on the {sum(unseen)} test rows" in decision
        assert len(pipeline.champion.predictions.labels) == sum(unseen)

    def test_decision_warns_if_a_hook_split_the_data(self, workspace):
        class LastRowsTest(BasePipeline):
            def split_data(self, frame, rule):
                return frame[:180], frame[180:]

        pipeline = pipeline_in(workspace, LastRowsTest)
        preprocess(pipeline)
        log_candidate(pipeline, "by_size", "size")
        assert "split" not in pipeline.evaluate().decision
        assert "Version 1 used another split" in pipeline.evaluate().decision


class TestNothingMoves:
    """Failures that leave the registry unchanged."""

    def test_unknown_run_is_rejected(self, trained):
        pipeline = pipeline_in(trained, candidates=["nowhere"])
        with pytest.raises(DataError, match="candidates: there is no MLflow run 'nowhere'"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_run_without_a_model_is_rejected(self, trained):
        pipeline = pipeline_in(trained)
        client = pipeline.backend.tracking.client
        (run,) = client.search_runs([pipeline.backend.tracking.experiment_id(NAME)], "tags.stage = 'preprocess'")
        with pytest.raises(DataError, match="logged no model"):
            pipeline_in(trained, candidates=[run.info.run_id]).evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_candidate_with_changed_files_is_rejected(self, trained):
        pipeline = pipeline_in(trained)
        (run_id,) = newest_candidates(pipeline)
        source, sha256 = pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(run_id))
        (pipeline.backend.tracking.model_folder(source, sha256) / "MLmodel").write_text("")
        with pytest.raises(DataError, match="SHA-256 differs"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_missing_test_rows_are_reported(self, trained):
        pipeline = pipeline_in(trained)
        pipeline.backend.local_copy(newest_output(pipeline, "test_data")).unlink()
        with pytest.raises(DataError, match=r"There is no file .*test\.parquet"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_candidate_for_other_test_rows_is_rejected(self, trained):
        pipeline = pipeline_in(trained)
        candidates = newest_candidates(pipeline)
        preprocess(pipeline_in(trained, drop_columns=["price", "size"]))
        with pytest.raises(DataError, match="used test_data .*Train this candidate again"):
            pipeline_in(trained, candidates=candidates).evaluate()
        assert versions_of(pipeline) == ([], None)

    @pytest.mark.parametrize("chart", ["confusion_matrix", "candidate_scores"])
    def test_failing_chart_prevents_the_promotion(self, trained, monkeypatch, chart):
        monkeypatch.setattr(evaluate.charts, chart, lambda *args: 1 / 0)
        pipeline = pipeline_in(trained)
        with pytest.raises(ZeroDivisionError):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)

    def test_crash_before_the_promotion_is_recovered_by_a_rerun(self, trained, monkeypatch):
        pipeline = pipeline_in(trained)
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(ModelRegistry, "promote", lambda registry, version, **kwargs: 1 / 0)
            pipeline.evaluate()
        assert versions_of(pipeline) == (["1"], None)
        assert pipeline.evaluate().promoted
        assert versions_of(pipeline) == (["1"], "1")
