"""The commands init and contract."""

import shutil

import pytest

from lib.commands import init, main
from lib.parameters import check, load
from lib.paths import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make an empty project with a table, and return its folder."""
    (tmp_path / "project" / "parameters").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "penguins_raw.csv", tmp_path / "birds.csv")
    monkeypatch.setattr(init, "ROOT", tmp_path / "project")
    return tmp_path


def test_init_writes_valid_parameters_and_a_matching_contract(folder, capsys):
    arguments = ["--data", str(folder / "birds.csv"), "--target", "Species"]
    assert main(["init", *arguments]) == 0
    assert "multiclass" in capsys.readouterr().out
    file = folder / "project" / "parameters" / "birds.yaml"
    values = check(load([file]))
    assert (values["name"], values["task"], values["split"]) == ("birds", "multiclass", "group")
    assert "the same value in every row" in file.read_text()

    absolute = ["--params", str(file)]
    assert main(["contract", "check", *absolute]) == 0
    text = (folder / "birds.csv").read_text().replace("Biscoe", "Elsewhere")
    (folder / "birds.csv").write_text(text)
    assert main(["contract", "check", *absolute]) == 3
    assert "Island: must be one of" in capsys.readouterr().err
    assert main(["contract", "accept", *absolute]) == 0
    assert "Island: categories: ['Biscoe'" in capsys.readouterr().out
    assert main(["contract", "check", *absolute]) == 0

    assert main(["init", *arguments]) == 2
    assert "birds.yaml already exist" in capsys.readouterr().err


def test_misspelled_target_is_refused_with_a_suggestion(folder, capsys):
    assert main(["init", "--data", str(folder / "birds.csv"), "--target", "Specie"]) == 2
    assert "Did you mean 'Species'?" in capsys.readouterr().err
    assert not list((folder / "project" / "parameters").iterdir())


def test_encoding_is_written_and_used_by_the_contract(folder, capsys):
    text = "imię;miasto;y\n" + "".join(f"Łukasz {i % 7};Łódź;{i % 2}\n" for i in range(40))
    (folder / "ludzie.csv").write_bytes(text.encode("cp1250"))
    arguments = ["init", "--data", str(folder / "ludzie.csv"), "--target", "y"]
    assert main([*arguments, "--encoding", "cp125o"]) == 2
    assert "--encoding: there is no encoding 'cp125o'. Did you mean 'cp1250'?" in capsys.readouterr().err
    assert main([*arguments, "--encoding", "cp1250"]) == 0
    parameters, contract = (
        folder / "project" / "parameters" / name for name in ("ludzie.yaml", "contracts/ludzie.yaml")
    )
    assert check(load([parameters]))["encoding"] == "cp1250"
    assert "Łukasz 3" in contract.read_text(encoding="utf-8")
    assert main(["contract", "check", "--params", str(parameters)]) == 0
    assert main(["contract", "check", "--params", str(parameters), "-p", "encoding="]) == 3
    assert "imię: must be present" in capsys.readouterr().err
