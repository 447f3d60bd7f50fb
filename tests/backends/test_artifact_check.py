"""The check for artifacts of an earlier stage that are missing or have changed."""

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


def missing_artifacts(workspace, stage, name="", run_name=RUN):
    """Check the artifacts of a stage in a workspace."""
    return backends.missing_artifacts(Parameters(parameters_for(workspace)), stage, name or stage, run_name)


def test_setup_has_no_artifacts(workspace):
    assert missing_artifacts(workspace, "setup") == []


@pytest.mark.parametrize(("stage", "name"), [("preprocess", ""), ("train", "linear"), ("evaluate", ""), ("deploy", "")])
def test_a_new_workspace_has_no_mlflow_run(workspace, stage, name):
    assert missing_artifacts(workspace, stage, name) == [f"the MLflow run of {name or stage} is gone"]


class TestPreprocess:
    @pytest.fixture
    def done(self, workspace):
        preprocess(pipeline_in(workspace, run_name=RUN))
        return workspace

    def test_a_finished_run_is_complete(self, done):
        assert missing_artifacts(done, "preprocess") == []

    def test_runs_with_another_run_name_do_not_count(self, done):
        assert missing_artifacts(done, "preprocess", run_name=OTHER) == ["the MLflow run of preprocess is gone"]

    def test_a_deleted_run_is_gone(self, done):
        tracking = pipeline_in(done).backend.tracking
        run = tracking.find_stage_run("small-shop", "preprocess", "preprocess", RUN)
        tracking.client.delete_run(run.info.run_id)
        assert missing_artifacts(done, "preprocess") == ["the MLflow run of preprocess is gone"]

    def test_a_failed_run_does_not_count(self, workspace):
        pipeline = pipeline_in(workspace, run_name=RUN)
        with (
            pytest.raises(ZeroDivisionError),
            pipeline.backend.tracking.run("small-shop", "preprocess", "preprocess", {"run_name": RUN}),
        ):
            raise ZeroDivisionError
        assert missing_artifacts(workspace, "preprocess") == ["the MLflow run of preprocess is gone"]


def test_training_runs_are_found_by_their_function(prepared):
    pipeline = pipeline_in(prepared)
    with pipeline.backend.tracking.run("small-shop", "train", "linear", {"run_name": RUN}):
        pass
    assert missing_artifacts(prepared, "train", "linear") == []
    assert missing_artifacts(prepared, "train", "xgboost") == ["the MLflow run of xgboost is gone"]


class TestEvaluate:
    @pytest.fixture
    def evaluated(self, with_rivals):
        """Evaluate, which promotes version 1."""
        pipeline = pipeline_in(with_rivals, run_name=RUN)
        with quick_logging():
            publish(pipeline, decision=pipeline.evaluate().decision)
        return with_rivals

    def test_an_unchanged_production_version_is_complete(self, evaluated):
        assert missing_artifacts(evaluated, "evaluate") == []

    def test_another_production_version_is_reported(self, evaluated):
        pipeline = pipeline_in(evaluated)
        registry, run_id = pipeline.backend.models("small-shop"), log_candidate(pipeline, "by_size_2", "size", "luck")
        source, sha256 = pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(run_id))
        made = registry.register(run_id, source, sha256, {})
        registry.promote(made.version, expected_current="1")
        assert missing_artifacts(evaluated, "evaluate") == ["version 2 is in production now, not 1"]

    def test_a_removed_production_version_is_reported(self, evaluated):
        pipeline_in(evaluated).backend.tracking.client.delete_registered_model("small-shop")
        assert missing_artifacts(evaluated, "evaluate") == ["version none is in production now, not 1"]


class TestDeploy:
    @pytest.fixture
    def deployed(self, with_champion):
        """Record a deployment of version 1 in MLflow without starting an endpoint."""
        import mlflow

        pipeline = pipeline_in(with_champion, run_name=RUN)
        with pipeline.backend.tracking.run("small-shop", "deploy", "deploy", {"run_name": RUN}):
            mlflow.log_params({"version": "1"})
        return with_champion

    def test_a_stopped_endpoint_is_reported(self, deployed):
        (message,) = missing_artifacts(deployed, "deploy")
        assert message.startswith("the endpoint is ")

    @pytest.mark.parametrize(("version", "expected"), [("1", []), ("2", ["the endpoint serves version 2 now, not 1"])])
    def test_a_running_endpoint_must_serve_the_deployed_version(self, deployed, monkeypatch, version, expected):
        from lib.backends.base import EndpointStatus
        from lib.backends.local.endpoint import LocalBackendEndpoint

        status = EndpointStatus("small-shop", "running", "http://127.0.0.1:5001/score", version)
        monkeypatch.setattr(LocalBackendEndpoint, "status", lambda endpoint: status)
        assert missing_artifacts(deployed, "deploy") == expected
