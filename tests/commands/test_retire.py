"""The command ``retire``: the tag is gone, the reason is recorded, and a wrong version is refused."""

import pytest

from lib.commands import main
from tests import workspaces
from tests.workspaces import NAME, pipeline_in, versions_of

# Fixtures.
copy_after = workspaces.copy_after
with_champion = workspaces.with_champion


def retire(workspace, *arguments):
    """Run the command in a workspace, and return its exit code."""
    return main(["retire", *arguments, "-p", f"workspace={workspace}"])


def test_retired_version_is_no_longer_in_production(with_champion, capsys):
    pipeline = pipeline_in(with_champion)
    assert versions_of(pipeline) == (["1"], "1")
    assert retire(with_champion, NAME, "1", "--why", " predicts the old target ") == 0
    assert versions_of(pipeline) == (["1"], None)
    (version,) = pipeline.backend.models(NAME).versions()
    assert version.tags["retired_reason"] == "predicts the old target"
    assert "version 1 is no longer in production. Reason: predicts the old target" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NAME, "7", "--why", "wrong"), "no version '7'"),
        (("other-shop", "1", "--why", "wrong"), "no version '1'"),
        ((NAME, "1", "--why", "  "), "--why is empty"),
    ],
)
def test_a_wrong_version_or_an_empty_reason_changes_nothing(with_champion, capsys, arguments, message):
    assert retire(with_champion, *arguments) == 2
    assert message in capsys.readouterr().err
    assert versions_of(pipeline_in(with_champion)) == (["1"], "1")
