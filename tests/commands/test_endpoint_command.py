"""The command ``endpoint``: which endpoint it means and what it refuses."""

import pytest

from lib.commands import main


@pytest.fixture
def folders(tmp_path):
    """Return arguments that put workspace and runs into the test's folder."""
    return ["-p", f"workspace={tmp_path / 'workspace'}", "-p", f"runs_folder={tmp_path / 'runs'}"]


@pytest.fixture
def make_endpoints(tmp_path):
    """Make endpoints that were deployed once and do not run."""

    def make(*names):
        for name in names:
            (tmp_path / "workspace" / "endpoints" / name).mkdir(parents=True)

    return make


def test_status_without_endpoints_says_so(folders, capsys):
    assert main(["endpoint", "status", *folders]) == 0
    assert capsys.readouterr().out.startswith("There is no endpoint in the workspace")


def test_status_of_a_use_case_that_was_never_deployed(folders, capsys):
    assert main(["endpoint", "status", "--params", "parameters/penguins.yaml", *folders]) == 0
    assert capsys.readouterr().out.startswith("penguins: never deployed")


def test_status_lists_every_endpoint_of_the_workspace(folders, capsys, make_endpoints):
    make_endpoints("shop", "bank")
    assert main(["endpoint", "status", *folders]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["bank", "shop"]


def test_stopping_without_endpoints_writes_nothing(folders, capsys, tmp_path):
    assert main(["endpoint", "stop", *folders]) == 2
    assert "There is no endpoint in the workspace" in capsys.readouterr().err
    assert not (tmp_path / "workspace" / "endpoints").exists()


def test_the_only_endpoint_is_used_and_named(folders, capsys, make_endpoints):
    make_endpoints("shop")
    assert main(["endpoint", "stop", *folders]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("shop: ")
    assert output.err == "No name given: using the only endpoint, shop.\n"


@pytest.mark.parametrize("action", ["stop", "key", "logs", "rollback"])
def test_several_endpoints_need_a_name(folders, capsys, make_endpoints, action):
    make_endpoints("flights", "shop")
    assert main(["endpoint", action, *folders]) == 2
    err = capsys.readouterr().err
    assert "There are 2 endpoints in the workspace" in err and ": flights, shop. Name the one you mean" in err
    assert f"run_all.py endpoint {action} flights" in err


@pytest.mark.parametrize("arguments", [["stop", "flihgts"], ["status", "flihgts"]])
def test_unknown_endpoint_gets_a_suggestion(folders, capsys, make_endpoints, arguments):
    make_endpoints("flights", "shop")
    assert main(["endpoint", *arguments, *folders]) == 2
    err = capsys.readouterr().err
    assert "There is no endpoint 'flihgts' in the workspace" in err
    assert "Did you mean 'flights'?" in err


def test_params_name_the_endpoint_of_their_use_case(folders, capsys, make_endpoints):
    make_endpoints("flights", "shop")
    assert main(["endpoint", "stop", "--params", "parameters/penguins.yaml", *folders]) == 2
    assert "There is no endpoint 'penguins'" in capsys.readouterr().err
