"""The deploy stage without and with a production version; tests/chain calls a real endpoint."""

import pytest

from lib.errors import GateError
from lib.stages import deploy
from tests import workspaces
from tests.workspaces import NAME, log_candidate, pipeline_in, publish, versions_of

# Fixtures.
copy_after = workspaces.copy_after
quick = workspaces.quick
trained = workspaces.trained
with_champion = workspaces.with_champion
pytestmark = pytest.mark.usefixtures("quick")


def test_deploy_needs_a_production_version(trained):
    pipeline = pipeline_in(trained)
    with pytest.raises(GateError, match="has the tag production, so there is nothing to deploy"):
        pipeline.deploy()
    assert versions_of(pipeline) == ([], None)
    assert pipeline.backend.endpoints() == []


def test_message_quotes_the_newest_decision(trained):
    pipeline = pipeline_in(trained, min_score=0.9999)
    with pytest.raises(GateError, match="does not reach min_score"):
        publish(pipeline, decision=pipeline.evaluate().decision)
    with pytest.raises(GateError, match=r"linear .* does not reach min_score 0\.9999"):
        pipeline_in(trained).deploy()


WAIVED = {"waivers": [{"gate": "champion", "who": "Ada", "why": "a test", "until": "2999-12-31"}]}


@pytest.mark.slow
def test_deploy_starts_over_if_another_run_promotes_meanwhile(with_champion, monkeypatch):
    pipeline = pipeline_in(with_champion, endpoint_workers=1)
    pipeline_in(with_champion, candidates=[log_candidate(pipeline, "by_size", "size")], **WAIVED).evaluate()
    models, endpoint = pipeline.backend.models(NAME), pipeline.backend.endpoint(NAME)
    models.promote("1")
    model_folder, check_answer, checked_answers = pipeline.backend.tracking.model_folder, deploy.check_answer, []

    def promote_then_return_model_folder(*arguments):
        models.promote("2")
        return model_folder(*arguments)

    def record_and_check_answer(*arguments):
        checked_answers.append(arguments)
        check_answer(*arguments)

    monkeypatch.setattr(pipeline.backend.tracking, "model_folder", promote_then_return_model_folder)
    monkeypatch.setattr(deploy, "check_answer", record_and_check_answer)
    try:
        pipeline.deploy()
        assert versions_of(pipeline) == (["1", "2"], "2")
        assert (len(checked_answers), endpoint.status().version) == (1, "2")
    finally:
        endpoint.stop()
