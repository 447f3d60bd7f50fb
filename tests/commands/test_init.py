"""A table to parameters and a contract, by the command line."""

import shutil

import pytest

from lib.commands import init, main
from lib.parameters import check, load
from lib.paths import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A table, and below it a project's folder in which nothing is yet."""
    (tmp_path / "project" / "parameters").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "penguins_raw.csv", tmp_path / "birds.csv")
    monkeypatch.setattr(init, "ROOT", tmp_path / "project")
    return tmp_path


def test_what_is_written_is_checked_as_it_stands_and_the_table_keeps_its_contract(folder, capsys):
    given = ["--data", str(folder / "birds.csv"), "--target", "Species"]
    assert main(["init", *given]) == 0
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

    assert main(["init", *given]) == 2
    assert "There already: " in capsys.readouterr().err


def test_a_misspelt_target_is_told(folder, capsys):
    assert main(["init", "--data", str(folder / "birds.csv"), "--target", "Specie"]) == 2
    assert "Did you mean 'Species'?" in capsys.readouterr().err
    assert not list((folder / "project" / "parameters").iterdir())


def test_an_encoding_is_written_and_reaches_the_contract(folder, capsys):
    text = "imię;miasto;y\n" + "".join(f"Łukasz {i % 7};Łódź;{i % 2}\n" for i in range(40))
    (folder / "ludzie.csv").write_bytes(text.encode("cp1250"))
    given = ["init", "--data", str(folder / "ludzie.csv"), "--target", "y"]
    assert main([*given, "--encoding", "cp125o"]) == 2
    assert "--encoding: there is no 'cp125o'. Did you mean 'cp1250'?" in capsys.readouterr().err
    assert main([*given, "--encoding", "cp1250"]) == 0
    parameters, agreed = (folder / "project" / "parameters" / name for name in ("ludzie.yaml", "contracts/ludzie.yaml"))
    assert check(load([parameters]))["encoding"] == "cp1250"
    assert "Łukasz 3" in agreed.read_text(encoding="utf-8")
    assert main(["contract", "check", "--params", str(parameters)]) == 0
    assert main(["contract", "check", "--params", str(parameters), "-p", "encoding="]) == 3
    assert "imię: must be there" in capsys.readouterr().err
