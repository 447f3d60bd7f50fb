"""The log of a stage, and its group on a build server."""

import io

import pytest

from lib.chain import stage_log
from tests.commands.test_status import notebook, printed

ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "too hot", "traceback": []}
COMMANDS = ["##vso[task.setvariable variable=a]b", "x ##[error]y", "::set-env name=a::b", "  ::error::c"]


@pytest.fixture
def executed(tmp_path):
    path = tmp_path / "03_train.ipynb"
    path.write_text(notebook([printed("one\n\ntwo\n")], [printed(["three\n", "four"]), ERROR]))
    return path


def group(log, variables, has_failed=False):
    stream = io.StringIO()
    stage_log.print_group("train linear", log, has_failed, stream, variables)
    return stream.getvalue().splitlines()


def test_log_contains_the_output_and_the_error(executed):
    log = stage_log.write_log(executed)
    assert log.name == "03_train.log"
    assert log.read_text() == "one\ntwo\nthree\nfour\nValueError: too hot\n"


def test_the_log_of_a_cluster_job_is_kept(executed):
    executed.with_suffix(".log").write_text("from the cluster")
    assert stage_log.write_log(executed).read_text() == "from the cluster"


def test_without_a_notebook_there_is_no_log(tmp_path):
    assert not stage_log.write_log(tmp_path / "none.ipynb").exists()


@pytest.mark.parametrize(
    ("variables", "begin", "end", "error"),
    [
        ({"TF_BUILD": "True"}, "##[group]", "##[endgroup]", "##vso[task.logissue type=error]"),
        ({"GITHUB_ACTIONS": "true"}, "::group::", "::endgroup::", "::error::"),
    ],
)
def test_a_build_server_gets_a_group(executed, variables, begin, end, error):
    log = stage_log.write_log(executed)
    lines = group(log, variables)
    assert (lines[0], lines[1], lines[-1]) == (f"{begin}train linear", "one", end)
    assert group(log, variables, has_failed=True)[-1] == f"{error}train linear failed"


def test_elsewhere_nothing_is_printed(executed):
    assert group(stage_log.write_log(executed), {}) == []


@pytest.mark.parametrize("variables", [{"TF_BUILD": "True"}, {"GITHUB_ACTIONS": "true"}])
def test_output_of_a_notebook_is_no_command_to_the_server(tmp_path, variables):
    log = tmp_path / "a.log"
    log.write_text("\n".join(COMMANDS))
    for line in group(log, variables)[1:-1]:
        assert "##vso[" not in line and "##[" not in line and not line.strip().startswith("::")
