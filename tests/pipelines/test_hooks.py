"""The base pipeline from table to production in one process, and each hook overridden alone."""

import inspect
import json
import shutil

import pandas as pd
import pytest

from lib import pipelines
from lib.errors import DataError, NameNotFound, OutputError, ParameterError, StageError
from lib.pipelines import get_pipeline
from lib.pipelines.base import BasePipeline
from tests import workspaces
from tests.workspaces import (
    NAME,
    ROWS,
    model_of,
    parameters_for,
    pipeline_in,
    preprocess,
    publish,
    table,
    versions_of,
)

# Fixtures.
copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
trained = workspaces.trained

HOOKS = ("load_data", "prepare_data", "split_data", "baseline", "training_function", "accept")
STAGES = ("setup", "preprocess", "train", "automl", "evaluate", "deploy", "publish_outputs")


@pytest.fixture(scope="module")
def untouched(empty_workspace, tmp_path_factory):
    """What preprocess hands on where no hook is overridden: training rows, test rows, baseline."""
    folder = tmp_path_factory.mktemp("untouched")
    shutil.copy(empty_workspace / "mlflow.db", folder)
    return results_of(pipeline_in(folder))


def results_of(pipeline):
    done = preprocess(pipeline)
    read = pipeline.backend.read_table
    return read(done.train_data), read(done.test_data), pipeline.backend.read_json(done.baseline)


def test_hooks_and_stages_are_those_that_the_docstring_lists():
    methods = {name for name, one in vars(BasePipeline).items() if inspect.isfunction(one) and name[0] != "_"}
    assert methods == {*HOOKS, *STAGES}
    for name in methods:
        assert f"`{name}`" in BasePipeline.__doc__


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_says_when_it_is_called_and_what_it_returns(name):
    told = getattr(BasePipeline, name).__doc__
    assert "Called" in told and "Return" in told


def test_from_the_table_to_production_by_hand_in_a_folder_with_an_odd_name(empty_workspace, tmp_path):
    """A notebook each, nothing handed from one to the next but by the workspace."""
    folder = tmp_path / "o'brien & söhne 50%"
    shutil.copytree(empty_workspace, folder)
    values = parameters_for(folder)

    prepared = preprocess(get_pipeline(**values))
    assert prepared.sizes.loc["read", "rows"] == ROWS
    pipeline = get_pipeline(**values)
    candidate = pipeline.train()
    publish(pipeline, candidates=[candidate.run_id])
    assert candidate.scores.loc["roc_auc", "test rows"] > 0.8
    evaluation = get_pipeline(**values).evaluate()
    assert evaluation.promoted
    assert evaluation.decision.startswith("linear (roc_auc 0.")

    backend = get_pipeline(**values).backend
    version = backend.models(NAME).production()
    assert version.run_id == candidate.run_id
    assert version.tags["training_function"] == "linear"
    assert version.tags["test_data"] == prepared.test_data
    run = backend.tracking.candidate_run(candidate.run_id)
    assert run.data.tags["pipeline"] == "base"
    assert run.data.params["train_data"] == prepared.train_data
    assert {"roc_auc", "train_roc_auc", "log_loss", "fit_seconds"} <= run.data.metrics.keys()
    model = backend.tracking.model_folder(version.source, version.sha256)
    assert json.loads((model / "baseline.json").read_text())["rows"] == prepared.sizes.loc["train", "rows"]
    charts = {one.path for one in backend.tracking.client.list_artifacts(candidate.run_id, "charts")}
    assert charts == {f"charts/{name}.png" for name in ("confusion_matrix", "curves", "importance")}


@pytest.mark.usefixtures("quick")
class TestInputs:
    def test_one_left_empty_takes_the_newest_output(self, prepared):
        pipeline = pipeline_in(prepared)
        newest = pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data")
        table(rows=300, seed=1).to_csv(prepared / "shop.csv", index=False)
        newer = preprocess(pipeline)
        assert newer.train_data != newest
        assert pipeline._fill_inputs({"train_data": ""})["train_data"] == newer.train_data

    def test_one_that_is_given_is_kept(self, prepared):
        assert pipeline_in(prepared, train_data="given")._fill_inputs({"train_data": ""})["train_data"] == "given"

    @pytest.mark.parametrize(
        ("stage", "name"), [("train", "train_data"), ("evaluate", "test_data"), ("deploy", "test_data")]
    )
    def test_where_none_was_handed_on_the_message_says_what_to_run(self, workspace, stage, name):
        with pytest.raises(DataError, match=f"{name} is empty, and no earlier notebook of {NAME} has published it"):
            getattr(pipeline_in(workspace), stage)()

    def test_candidates_of_other_training_rows_are_not_taken(self, trained):
        pipeline = pipeline_in(trained)
        assert len(pipeline._fill_inputs({"candidates": []})["candidates"]) == 1
        table(rows=300, seed=1).to_csv(trained / "shop.csv", index=False)
        preprocess(pipeline)
        with pytest.raises(DataError, match="candidates is empty"):
            pipeline.evaluate()


class TestHandOn:
    def test_what_is_no_plain_json_is_refused_and_nothing_is_kept(self, prepared):
        pipeline = pipeline_in(prepared)
        pipeline.preprocess()
        with pytest.raises(OutputError, match="score is nan"):
            pipeline.publish_outputs(train_data="new", score=float("nan"))
        assert pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data") != "new"

    def test_after_a_stage_that_failed_nothing_is_noted_at_its_run(self, prepared, monkeypatch):
        pipeline = pipeline_in(prepared)
        monkeypatch.setattr(pipeline, "load_data", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.preprocess()
        publish(pipeline, train_data="of nothing")
        assert pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data") != "of nothing"


class TestChoosing:
    def test_a_pipeline_that_is_none_is_named_with_the_nearest_one(self, tmp_path):
        with pytest.raises(NameNotFound, match="Did you mean 'flights'"):
            get_pipeline("fligths", **parameters_of(tmp_path))

    def test_every_pipeline_there_is_can_be_had(self):
        assert {"base", "flights"} <= set(pipelines.available())

    def test_wrong_parameters_are_refused_all_at_once(self, tmp_path):
        with pytest.raises(ParameterError) as caught:
            get_pipeline("base", **{**parameters_of(tmp_path), "test_fraction": 2.0, "seed": "one"})
        assert len(caught.value.faults) == 2

    def test_a_child_without_its_options_says_which(self, tmp_path):
        with pytest.raises(ParameterError, match=r"options: .*flights.* needs late_after_minutes \(int\)"):
            get_pipeline("flights", **{**parameters_of(tmp_path), "options": {"weather_data": "data/weather.csv.gz"}})

    def test_run_name_which_only_the_chain_knows_may_be_left_out(self, workspace):
        values = {name: value for name, value in parameters_for(workspace).items() if name != "run_name"}
        pipeline = get_pipeline(**values)
        preprocess(pipeline)
        (run,) = pipeline.backend.tracking.client.search_runs([pipeline.backend.tracking.experiment_id(NAME)])
        assert "run_name" not in run.data.tags


def parameters_of(workspace):
    return {name: value for name, value in parameters_for(workspace).items() if name != "pipeline"}


@pytest.mark.usefixtures("quick")
class TestOneHookAtATime:
    """Each child overrides one hook; the rest is as it was."""

    def test_load_data(self, workspace, untouched):
        class FromTwoPlaces(BasePipeline):
            def load_data(self):
                rows = super().load_data()
                return pd.concat([rows[:100], rows[100:]], ignore_index=True).assign(shop="west")

        train, test, baseline = results_of(pipeline_in(workspace, FromTwoPlaces))
        assert (train["shop"] == "west").all() and (test["shop"] == "west").all()
        assert len(train) + len(test) == ROWS
        assert baseline["columns"]["shop"]["distinct"] == 1
        assert list(train.columns) == [*untouched[0].columns, "shop"]

    def test_load_data_takes_the_place_of_the_file(self, workspace):
        class FromMemory(BasePipeline):
            def load_data(self):
                return table(rows=60, seed=3)

        (workspace / "shop.csv").write_text("")
        train, test, _ = results_of(pipeline_in(workspace, FromMemory))
        assert len(train) + len(test) == 60

    def test_prepare_data(self, workspace, untouched):
        seen = {}

        class Derived(BasePipeline):
            def prepare_data(self, frame):
                seen["columns"] = list(frame.columns)
                return frame.assign(big=frame["size"] > 0).drop(columns="luck")

        train, test, baseline = results_of(pipeline_in(workspace, Derived))
        assert seen["columns"] == ["size", "luck", "colour", "bought"]  # drop_columns are gone already
        assert list(train.columns) == list(test.columns) == ["size", "colour", "bought", "big"]
        assert "big" in baseline["columns"] and "luck" not in baseline["columns"]
        assert len(train) + len(test) == len(untouched[0]) + len(untouched[1])

    def test_split_data(self, workspace, untouched):
        class LastRowsTest(BasePipeline):
            def split_data(self, frame, rule):
                assert rule.test_fraction == 0.2
                return frame[:200], frame[200:]

        pipeline = pipeline_in(workspace, LastRowsTest)
        done = preprocess(pipeline)
        train = pipeline.backend.read_table(done.train_data)
        assert len(train) == 200
        assert list(train.columns) == list(untouched[0].columns)
        assert done.sizes.loc["train", "details"] == "by the pipeline's split_data"
        assert pipeline.backend.read_json(done.baseline)["split"] is None  # the rule says nothing of these rows
        assert untouched[2]["split"] is not None

    def test_baseline(self, workspace, untouched):
        class Shorter(BasePipeline):
            def baseline(self, train):
                return {"rows": len(train), "mean size": float(train["size"].mean())}

        train, test, baseline = results_of(pipeline_in(workspace, Shorter))
        pd.testing.assert_frame_equal(train, untouched[0])
        pd.testing.assert_frame_equal(test, untouched[1])
        assert baseline == {
            "rows": len(train),
            "mean size": float(train["size"].mean()),
            "split": untouched[2]["split"],
            "test_keys": None,
        }

    def test_training_function(self, prepared):
        asked = {}

        class OnlyLuck(BasePipeline):
            def training_function(self, name):
                def train(X, y, request, *, strength):
                    asked.update(name=name, columns=list(X.columns), request=request, strength=strength)
                    return model_of("size").fit(X, y)

                return train

        pipeline = pipeline_in(prepared, OnlyLuck, hyperparameters={"linear": {"strength": 3}}, threads=1, seed=7)
        candidate = pipeline.train()
        assert asked.pop("request").seed == 7
        assert asked == {"name": "linear", "columns": ["size", "luck", "colour"], "strength": 3}
        backend = pipeline.backend
        run = backend.tracking.candidate_run(candidate.run_id)
        assert run.data.params["hyperparameters.strength"] == "3"
        model = backend.tracking.load_model(backend.tracking.model_folder(*backend.tracking.model_source(run)))
        assert [name for name, _ in model.steps] == ["columntransformer", "logisticregression"]

    def test_accept_can_hold_back_what_the_gates_let_go(self, trained):
        seen = {}

        class Sceptical(BasePipeline):
            def accept(self, best, champion):
                seen.update(name=best.name, champion=champion, rows=len(best.predictions.labels))
                return "the owner is on holiday"

        pipeline = pipeline_in(trained, Sceptical)
        evaluation = pipeline.evaluate()
        assert not evaluation.promoted
        assert "is not promoted: the owner is on holiday. So nothing is in production." in evaluation.decision
        assert versions_of(pipeline) == ([], None)
        tests = pipeline.backend.read_table(pipeline.backend.tracking.newest_output(NAME, "preprocess", "test_data"))
        assert seen == {"name": "linear", "champion": None, "rows": len(tests)}

    def test_accept_can_let_go_what_the_gates_hold_back(self, trained):
        class Lenient(BasePipeline):
            def accept(self, best, champion):
                return ""

        pipeline = pipeline_in(trained, Lenient, min_score=0.9999)
        assert pipeline.evaluate().promoted
        assert versions_of(pipeline) == (["1"], "1")

    @pytest.mark.parametrize("answer", [None, True, 0.9])
    def test_accept_that_answers_no_text_lets_nothing_go(self, trained, answer):
        class Forgetful(BasePipeline):
            def accept(self, best, champion):
                return answer

        pipeline = pipeline_in(trained, Forgetful)
        with pytest.raises(StageError, match="accept returned .*expected a text"):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)
