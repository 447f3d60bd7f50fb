"""README and CONTRIBUTING are true: their commands exist and their tables are those of the code."""

import re
import subprocess
import sys

import pytest

from lib import automl, metrics, training
from lib.chain.notebooks import all_of
from lib.commands import EXIT_CODES, main
from lib.parameters import check_given, load
from lib.parameters.layers import BASE
from lib.paths import ROOT
from lib.pipelines.base import BasePipeline

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def table(first_header):
    """Rows of the README's table whose first header is that, as a mapping of the first column to the second."""
    lines = README.split(f"| {first_header} |")[1].split("\n\n")[0].splitlines()[2:]
    return {row[0]: row[1] for row in ([cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines)}


def test_the_table_of_metrics_is_that_of_the_code():
    assert {task: names.split(", ") for task, names in table("task").items()} == {
        task: metrics.names(task) for task in metrics.TASKS
    }


def test_the_table_of_exit_codes_is_that_of_the_code():
    assert table("exit code") == {str(code): meaning for code, meaning in EXIT_CODES.items()}


def test_the_table_of_training_functions_is_that_of_the_folder():
    assert sorted(table("training function")) == training.available()


def test_the_tables_of_automl_are_those_of_the_code():
    assert sorted(table("automl engine")) == automl.available()
    assert tuple(table("family of models")) == automl.FAMILIES


def test_the_table_of_places_names_what_is_there():
    for place in table("place"):
        folder = place.strip("`").split("/")[0]
        assert (ROOT / folder).exists() or folder in ("runs", "workspace"), place


def test_the_stages_are_those_of_the_notebooks():
    named = re.search(r"Stages are ([a-z, ]+) and ([a-z]+)\.", README)
    assert [*named[1].split(", "), named[2]] == [notebook.stage for notebook in all_of()]


def test_the_hooks_are_those_of_the_base_class():
    named = re.search(r"hook: ((?:`\w+`,? ?\n? *)+)", README)[1]
    stages = {notebook.stage for notebook in all_of()} | {"hand_on"}
    hooks = [
        name
        for name, member in vars(BasePipeline).items()
        if callable(member) and not name.startswith("_") and name not in stages
    ]
    assert re.findall(r"`(\w+)`", named) == hooks


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_make_target_that_is_named_exists(text):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert named and named <= targets


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_file_that_is_named_exists(text):
    named = re.findall(r"`((?:lib|tests|parameters|notebooks|data)/[\w./]+)`", text) + re.findall(
        r"\]\(([\w./]+)\)", text
    )
    made_up = {"parameters/churn.yaml"}
    assert named and not [name for name in named if name not in made_up and not (ROOT / name).exists()]


def test_the_example_of_an_own_table_is_checked_as_it_stands(tmp_path):
    text = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1]
    file = tmp_path / "churn.yaml"
    file.write_text("\n".join(line.removeprefix("   ") for line in text.splitlines()))
    layers = load([file], base=BASE)
    assert not layers.faults
    assert check_given(layers.values)["target_column"] == "churned"


def test_the_dry_run_of_the_readme_works(capsys):
    assert main(["--params", "parameters/penguins.yaml", "--dry-run"]) == 0
    assert "evaluate" in capsys.readouterr().out


def test_the_help_names_every_option_of_the_readme():
    lines = re.findall(r"^python run_all\.py (?:(\w+) )?(.*--.*)$", README, flags=re.MULTILINE)
    assert len(lines) > 5
    for command, given in lines:
        asked = [sys.executable, "run_all.py", *filter(None, [command]), "--help"]
        shown = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True).stdout
        assert set(re.findall(r"--[a-z][a-z-]+", given)) <= set(re.findall(r"--[a-z][a-z-]+", shown)), command
