"""Nothing in production, nothing deployed; the endpoint itself is really called by the test of the chain."""

import pytest
import workspaces
from workspaces import hand_on, pipeline_in, versions_of

from lib.errors import GateError

# Fixtures.
copy_after = workspaces.copy_after
quick = workspaces.quick
trained = workspaces.trained
pytestmark = pytest.mark.usefixtures("quick")


def test_with_nothing_in_production_nothing_is_deployed(trained):
    pipeline = pipeline_in(trained)
    with pytest.raises(GateError, match="bears the tag production, so there is nothing to deploy"):
        pipeline.deploy()
    assert versions_of(pipeline) == ([], None)
    assert pipeline.backend.endpoints() == []


def test_the_reason_is_the_newest_decision(trained):
    pipeline = pipeline_in(trained, min_score=0.9999)
    hand_on(pipeline, decision=pipeline.evaluate().decision)
    with pytest.raises(GateError, match=r"linear .* does not reach min_score 0\.9999"):
        pipeline_in(trained).deploy()
