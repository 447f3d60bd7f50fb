"""The base pipeline from table to production in one process, and with one overridden hook at a time."""

import inspect
import json
import shutil

import mlflow
import pandas as pd
import pytest

from lib import pipelines
from lib.errors import DataError, NameNotFound, OutputError, ParameterError, StageError
from lib.pipelines import get_pipeline
from lib.pipelines._inputs import fill_inputs
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

HOOKS = ("load_data", "prepare_data", "split_data", "baseline", "features", "training_function", "accept")
STAGES = ("setup", "preprocess", "train", "automl", "evaluate", "deploy", "monitor", "run_stage", "publish_outputs")


@pytest.fixture(scope="module")
def default_outputs(empty_workspace, tmp_path_factory):
    """Return training rows, test rows and baseline of a pipeline without overridden hooks."""
    folder = tmp_path_factory.mktemp("defaults")
    shutil.copy(empty_workspace / "mlflow.db", folder)
    return preprocess_outputs(pipeline_in(folder))


def preprocess_outputs(pipeline):
    """Return the training rows, the test rows and the baseline."""
    result = preprocess(pipeline)
    read = pipeline.backend.read_table
    return read(result.train_data), read(result.test_data), pipeline.backend.read_json(result.baseline)


def test_docstring_lists_all_hooks_and_stages():
    methods = {name for name, value in inspect.getmembers(BasePipeline, inspect.isfunction) if name[0] != "_"}
    assert methods == {*HOOKS, *STAGES}
    for name in methods:
        assert f"`{name}`" in BasePipeline.__doc__


@pytest.mark.parametrize("name", HOOKS)
def test_hook_docstrings_give_the_result_and_the_caller(name):
    docstring = getattr(BasePipeline, name).__doc__
    assert docstring.startswith("Return") and "Called" in docstring


def test_library_error_in_a_hook_names_the_hooks_line(workspace):
    class Shop(BasePipeline):
        def prepare_data(self, frame):
            return frame.astype({"colour": float})

    pipeline = pipeline_in(workspace, Shop)
    with pytest.raises(ValueError, match="could not convert string to float") as raised:
        pipeline.preprocess()
    lines = raised.value._render_traceback_()
    assert lines[0].startswith("ValueError: could not convert string to float")
    assert [line for line in lines if ", line " in line] == [
        f"  tests/pipelines/test_hooks.py, line {Shop.prepare_data.__code__.co_firstlineno + 1}, in prepare_data:"
    ]
    (run,) = pipeline.backend.tracking.client.search_runs(
        [pipeline.backend.tracking.experiment_id(NAME)], "tags.stage = 'preprocess'"
    )
    logged = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/traceback.txt")
    assert logged.startswith("Traceback (most recent call last):") and "site-packages/pandas" in logged


def test_stages_by_hand_in_a_folder_with_special_characters(empty_workspace, tmp_path):
    """Create a new pipeline per stage, as notebooks do; outputs pass through the workspace only."""
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
    charts = {file.path for file in backend.tracking.client.list_artifacts(candidate.run_id, "charts")}
    assert charts == {f"charts/{name}.png" for name in ("confusion_matrix", "curves", "importance")}


@pytest.mark.usefixtures("quick")
class TestInputs:
    def test_empty_input_takes_the_newest_output(self, prepared):
        pipeline = pipeline_in(prepared)
        newest = pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data")
        table(rows=300, seed=1).to_csv(prepared / "shop.csv", index=False)
        newer = preprocess(pipeline)
        assert newer.train_data != newest
        assert fill_inputs({"train_data": ""}, pipeline.parameters, pipeline.backend)["train_data"] == newer.train_data

    def test_given_input_is_kept(self, prepared):
        pipeline = pipeline_in(prepared, train_data="given")
        assert fill_inputs({"train_data": ""}, pipeline.parameters, pipeline.backend) == {"train_data": "given"}

    @pytest.mark.parametrize(
        ("stage", "name"), [("train", "train_data"), ("evaluate", "test_data"), ("deploy", "test_data")]
    )
    def test_missing_output_raises_data_error(self, workspace, stage, name):
        with pytest.raises(DataError, match=f"{name} is empty, and no earlier notebook of {NAME} has published it"):
            getattr(pipeline_in(workspace), stage)()

    def test_candidates_of_other_training_rows_are_ignored(self, trained):
        pipeline = pipeline_in(trained)
        assert len(fill_inputs({"candidates": []}, pipeline.parameters, pipeline.backend)["candidates"]) == 1
        table(rows=300, seed=1).to_csv(trained / "shop.csv", index=False)
        preprocess(pipeline)
        with pytest.raises(DataError, match="1 candidate was trained on other rows"):
            pipeline.evaluate()


class TestPublishOutputs:
    def test_invalid_output_raises_and_publishes_nothing(self, prepared):
        pipeline = pipeline_in(prepared)
        pipeline.preprocess()
        with pytest.raises(OutputError, match="score is nan"):
            pipeline.publish_outputs(train_data="new", score=float("nan"))
        assert pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data") != "new"

    def test_failed_stage_logs_no_outputs(self, prepared, monkeypatch):
        pipeline = pipeline_in(prepared)
        monkeypatch.setattr(pipeline, "load_data", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pipeline.preprocess()
        publish(pipeline, train_data="unused")
        assert pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data") != "unused"


class TestGetPipeline:
    def test_unknown_pipeline_suggests_the_nearest_name(self, tmp_path):
        with pytest.raises(NameNotFound, match="Did you mean 'flights'"):
            get_pipeline("fligths", **parameters_without_pipeline(tmp_path))

    def test_bundled_pipelines_are_available(self):
        assert {"base", "flights"} <= set(pipelines.available())

    def test_all_invalid_parameters_are_reported_together(self, tmp_path):
        with pytest.raises(ParameterError) as caught:
            get_pipeline("base", **{**parameters_without_pipeline(tmp_path), "test_fraction": 2.0, "seed": "one"})
        assert len(caught.value.faults) == 2

    def test_missing_option_is_named_with_its_type(self, tmp_path):
        values = {**parameters_without_pipeline(tmp_path), "options": {"weather_data": "data/weather.csv.gz"}}
        with pytest.raises(ParameterError, match=r"options: .*flights.* Add late_after_minutes, of type int"):
            get_pipeline("flights", **values)

    def test_run_name_is_optional(self, workspace):
        values = {name: value for name, value in parameters_for(workspace).items() if name != "run_name"}
        pipeline = get_pipeline(**values)
        preprocess(pipeline)
        (run,) = pipeline.backend.tracking.client.search_runs([pipeline.backend.tracking.experiment_id(NAME)])
        assert "run_name" not in run.data.tags


def parameters_without_pipeline(workspace):
    return {name: value for name, value in parameters_for(workspace).items() if name != "pipeline"}


@pytest.mark.usefixtures("quick")
class TestOneHookAtATime:
    """Each child class overrides one hook and keeps the other defaults."""

    def test_load_data(self, workspace, default_outputs):
        class FromTwoSources(BasePipeline):
            def load_data(self):
                rows = super().load_data()
                return pd.concat([rows[:100], rows[100:]], ignore_index=True).assign(shop="west")

        train, test, baseline = preprocess_outputs(pipeline_in(workspace, FromTwoSources))
        assert (train["shop"] == "west").all() and (test["shop"] == "west").all()
        assert len(train) + len(test) == ROWS
        assert baseline["columns"]["shop"]["distinct"] == 1
        assert list(train.columns) == [*default_outputs[0].columns, "shop"]

    def test_load_data_replaces_the_file(self, workspace):
        class FromMemory(BasePipeline):
            def load_data(self):
                return table(rows=60, seed=3)

        (workspace / "shop.csv").write_text("")
        train, test, _ = preprocess_outputs(pipeline_in(workspace, FromMemory))
        assert len(train) + len(test) == 60

    def test_prepare_data(self, workspace, default_outputs):
        received = {}

        class Derived(BasePipeline):
            def prepare_data(self, frame):
                received["columns"] = list(frame.columns)
                return frame.assign(big=frame["size"] > 0).drop(columns="luck")

        train, test, baseline = preprocess_outputs(pipeline_in(workspace, Derived))
        assert received["columns"] == ["size", "luck", "colour", "bought"]  # without drop_columns
        assert list(train.columns) == list(test.columns) == ["size", "colour", "bought", "big"]
        assert "big" in baseline["columns"] and "luck" not in baseline["columns"]
        assert len(train) + len(test) == len(default_outputs[0]) + len(default_outputs[1])

    def test_split_data(self, workspace, default_outputs):
        class LastRowsTest(BasePipeline):
            def split_data(self, frame, rule):
                assert rule.test_fraction == 0.2
                return frame[:200], frame[200:]

        pipeline = pipeline_in(workspace, LastRowsTest)
        result = preprocess(pipeline)
        train = pipeline.backend.read_table(result.train_data)
        assert len(train) == 200
        assert list(train.columns) == list(default_outputs[0].columns)
        assert result.sizes.loc["train", "details"] == "by the pipeline's split_data"
        assert pipeline.backend.read_json(result.baseline)["split"] is None  # the rule was not applied
        assert default_outputs[2]["split"] is not None

    def test_baseline(self, workspace, default_outputs):
        class Shorter(BasePipeline):
            def baseline(self, train):
                return {"rows": len(train), "mean size": float(train["size"].mean())}

        train, test, baseline = preprocess_outputs(pipeline_in(workspace, Shorter))
        pd.testing.assert_frame_equal(train, default_outputs[0])
        pd.testing.assert_frame_equal(test, default_outputs[1])
        assert baseline == {
            "rows": len(train),
            "mean size": float(train["size"].mean()),
            **{name: default_outputs[2][name] for name in ("split", "table_schema", "feature_schema")},
            "train_keys": None,
            "test_keys": None,
        }

    def test_training_function(self, prepared):
        received = {}

        class OnlyLuck(BasePipeline):
            def training_function(self, name):
                def train(X, y, request, *, strength):
                    received.update(name=name, columns=list(X.columns), request=request, strength=strength)
                    return model_of("size").fit(X, y)

                return train

        pipeline = pipeline_in(prepared, OnlyLuck, hyperparameters={"linear": {"strength": 3}}, threads=1, seed=7)
        candidate = pipeline.train()
        assert received.pop("request").seed == 7
        assert received == {"name": "linear", "columns": ["size", "luck", "colour"], "strength": 3}
        backend = pipeline.backend
        run = backend.tracking.candidate_run(candidate.run_id)
        assert run.data.params["hyperparameters.strength"] == "3"
        model = backend.tracking.load_model(backend.tracking.model_folder(*backend.tracking.model_source(run)))
        assert [name for name, _ in model.steps] == ["columntransformer", "logisticregression"]

    def test_accept_can_reject_what_the_defaults_promote(self, trained):
        received = {}

        class Sceptical(BasePipeline):
            def accept(self, best, champion):
                received.update(name=best.name, champion=champion, rows=len(best.predictions.labels))
                return "the owner is on holiday"

        pipeline = pipeline_in(trained, Sceptical)
        evaluation = pipeline.evaluate()
        assert not evaluation.promoted
        assert "is not promoted: the owner is on holiday. So nothing is in production." in evaluation.decision
        assert versions_of(pipeline) == ([], None)
        tests = pipeline.backend.read_table(pipeline.backend.tracking.newest_output(NAME, "preprocess", "test_data"))
        assert received == {"name": "linear", "champion": None, "rows": len(tests)}

    def test_accept_cannot_promote_what_a_gate_blocks(self, trained):
        class Lenient(BasePipeline):
            def accept(self, best, champion):
                return ""

        pipeline = pipeline_in(trained, Lenient, min_score=0.9999)
        assert "does not reach min_score" in pipeline.evaluate().blocked_by
        assert versions_of(pipeline) == ([], None)

    @pytest.mark.parametrize("answer", [None, True, 0.9])
    def test_accept_without_a_string_promotes_nothing(self, trained, answer):
        class Forgetful(BasePipeline):
            def accept(self, best, champion):
                return answer

        pipeline = pipeline_in(trained, Forgetful)
        with pytest.raises(StageError, match="accept.. returned .*expected "):
            pipeline.evaluate()
        assert versions_of(pipeline) == ([], None)
