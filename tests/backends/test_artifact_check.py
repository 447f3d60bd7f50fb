"""What a stage of an earlier run left behind still stands, or it is told what does not."""

import pytest

from lib import backends
from lib.parameters import Parameters
from tests import workspaces
from tests.workspaces import log_candidate, parameters_for, pipeline_in, preprocess, publish, quick_logging

copy_after = workspaces.copy_after
prepared = workspaces.prepared
with_champion = workspaces.with_champion
with_rivals = workspaces.with_rivals
RUN, OTHER = "20261122-100000-small-shop", "20261122-110000-small-shop"


def fallen(workspace, stage, name="", run_name=RUN):
    return backends.fallen(Parameters(parameters_for(workspace)), stage, name or stage, run_name)


def test_setup_leaves_nothing_that_could_fall(workspace):
    assert fallen(workspace, "setup") == []


@pytest.mark.parametrize(("stage", "name"), [("preprocess", ""), ("train", "linear"), ("evaluate", ""), ("deploy", "")])
def test_in_another_workspace_its_mlflow_run_is_not_there(workspace, stage, name):
    assert fallen(workspace, stage, name) == ["its MLflow run is gone"]


class TestPreprocess:
    @pytest.fixture
    def done(self, workspace):
        preprocess(pipeline_in(workspace, run_name=RUN))
        return workspace

    def test_it_stands(self, done):
        assert fallen(done, "preprocess") == []

    def test_that_of_another_run_of_the_chain_is_not_that_of_this_one(self, done):
        assert fallen(done, "preprocess", run_name=OTHER) == ["its MLflow run is gone"]

    def test_a_run_that_somebody_deleted_is_gone(self, done):
        tracking = pipeline_in(done).backend.tracking
        run = tracking.run_of("small-shop", "preprocess", "preprocess", RUN)
        tracking.client.delete_run(run.info.run_id)
        assert fallen(done, "preprocess") == ["its MLflow run is gone"]

    def test_one_that_failed_is_none(self, workspace):
        pipeline = pipeline_in(workspace, run_name=RUN)
        with (
            pytest.raises(ZeroDivisionError),
            pipeline.backend.tracking.run("small-shop", "preprocess", "preprocess", {"run_name": RUN}),
        ):
            raise ZeroDivisionError
        assert fallen(workspace, "preprocess") == ["its MLflow run is gone"]


def test_trainings_are_told_apart_by_their_function(prepared):
    pipeline = pipeline_in(prepared)
    with pipeline.backend.tracking.run("small-shop", "train", "linear", {"run_name": RUN}):
        pass
    assert fallen(prepared, "train", "linear") == []
    assert fallen(prepared, "train", "xgboost") == ["its MLflow run is gone"]


class TestEvaluate:
    @pytest.fixture
    def evaluated(self, with_rivals):
        """Version 1 is in production, by an evaluation of the run."""
        pipeline = pipeline_in(with_rivals, run_name=RUN)
        with quick_logging():
            publish(pipeline, decision=pipeline.evaluate().decision)
        return with_rivals

    def test_it_stands_as_long_as_the_version_that_it_left_is_in_production(self, evaluated):
        assert fallen(evaluated, "evaluate") == []

    def test_it_has_fallen_where_another_version_is(self, evaluated):
        pipeline = pipeline_in(evaluated)
        registry, run_id = pipeline.backend.models("small-shop"), log_candidate(pipeline, "by_size_2", "size", "luck")
        source, sha256 = pipeline.backend.tracking.source_of(pipeline.backend.tracking.candidate(run_id))
        made = registry.register(run_id, source, sha256, {})
        registry.promote(made.version, instead_of="1")
        assert fallen(evaluated, "evaluate") == ["version 2 is in production now, not 1"]

    def test_it_has_fallen_where_none_is_any_more(self, evaluated):
        pipeline_in(evaluated).backend.tracking.client.delete_registered_model("small-shop")
        assert fallen(evaluated, "evaluate") == ["version none is in production now, not 1"]


class TestDeploy:
    @pytest.fixture
    def deployed(self, with_champion):
        """A deployment of version 1 in MLflow, without the process."""
        import mlflow

        pipeline = pipeline_in(with_champion, run_name=RUN)
        with pipeline.backend.tracking.run("small-shop", "deploy", "deploy", {"run_name": RUN}):
            mlflow.log_params({"version": "1"})
        return with_champion

    def test_an_endpoint_that_does_not_run_is_told_as_it_is(self, deployed):
        (said,) = fallen(deployed, "deploy")
        assert said.startswith("the endpoint is ")

    @pytest.mark.parametrize(("version", "said"), [("1", []), ("2", ["the endpoint serves version 2 now, not 1"])])
    def test_one_that_runs_must_serve_the_version_it_served(self, deployed, monkeypatch, version, said):
        from lib.backends.base import EndpointStatus
        from lib.backends.local.endpoint import LocalBackendEndpoint

        status = EndpointStatus("small-shop", "running", "http://127.0.0.1:5001/score", version)
        monkeypatch.setattr(LocalBackendEndpoint, "status", lambda endpoint: status)
        assert fallen(deployed, "deploy") == said
