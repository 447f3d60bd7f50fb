"""Nothing in production, nothing deployed; the endpoint itself is really called by the test of the chain."""

import pytest

from lib.errors import GateError
from lib.pipelines.base import BasePipeline
from lib.stages import deploy
from tests import workspaces
from tests.workspaces import NAME, log_candidate, pipeline_in, publish, versions_of

# Fixtures.
copy_after = workspaces.copy_after
quick = workspaces.quick
trained = workspaces.trained
with_champion = workspaces.with_champion
pytestmark = pytest.mark.usefixtures("quick")


def test_with_nothing_in_production_nothing_is_deployed(trained):
    pipeline = pipeline_in(trained)
    with pytest.raises(GateError, match="bears the tag production, so there is nothing to deploy"):
        pipeline.deploy()
    assert versions_of(pipeline) == ([], None)
    assert pipeline.backend.endpoints() == []


def test_the_reason_is_the_newest_decision(trained):
    pipeline = pipeline_in(trained, min_score=0.9999)
    publish(pipeline, decision=pipeline.evaluate().decision)
    with pytest.raises(GateError, match=r"linear .* does not reach min_score 0\.9999"):
        pipeline_in(trained).deploy()


class Lenient(BasePipeline):
    """Lets every candidate into production."""

    def accept(self, best, champion):
        return ""


def test_a_version_that_another_run_replaces_while_it_comes_up_gets_no_traffic(with_champion, monkeypatch):
    pipeline = pipeline_in(with_champion, endpoint_workers=1)
    pipeline_in(with_champion, Lenient, candidates=[log_candidate(pipeline, "by_size", "size")]).evaluate()
    models, endpoint = pipeline.backend.models(NAME), pipeline.backend.endpoint(NAME)
    models.promote("1")
    model_folder, compare, checked = pipeline.backend.tracking.model_folder, deploy.compare, []

    def model_folder_while_another_run_promotes(*given):
        models.promote("2")
        return model_folder(*given)

    def compare_and_note(*given):
        checked.append(given)
        compare(*given)

    monkeypatch.setattr(pipeline.backend.tracking, "model_folder", model_folder_while_another_run_promotes)
    monkeypatch.setattr(deploy, "compare", compare_and_note)
    try:
        pipeline.deploy()
        assert versions_of(pipeline) == (["1", "2"], "2")
        assert (len(checked), endpoint.status().version) == (1, "2")
    finally:
        endpoint.stop()
