"""Parameter values whose type is checked, or kept as written, before anything runs."""

import pytest

from lib.commands import main
from lib.parameters import load
from lib.pipelines import _signatures

FLIGHTS = "parameters/flights.yaml"


@pytest.mark.parametrize("word", ["yes", "No", "on", "OFF"])
def test_positive_class_keeps_yes_and_no_as_text(tmp_path, word):
    file = tmp_path / "mine.yaml"
    file.write_text(f"positive_class: {word}\n")
    assert load([FLIGHTS, file]).values["positive_class"] == word
    assert load([FLIGHTS], [f"positive_class={word}"]).values["positive_class"] == word


@pytest.mark.parametrize(("word", "value"), [("true", True), ("False", False)])
def test_positive_class_can_be_a_boolean(word, value):
    assert load([FLIGHTS], [f"positive_class={word}"]).values["positive_class"] is value


@pytest.mark.parametrize(("word", "shown"), [("yes", "true"), ("on", "true"), ("false", "false")])
def test_yes_and_no_are_accepted_for_booleans(capsys, word, shown):
    assert main(["--dry-run", "--params", FLIGHTS, "-p", f"month_first={word}"]) == 0
    assert f"  month_first: {shown}" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["'2'", "['2']", "true"])
def test_hyperparameter_types_are_checked_before_the_run(capsys, value):
    assert main(["--dry-run", "--params", FLIGHTS, "-p", f"hyperparameters.linear.regularisation={value}"]) == 2
    assert "linear.regularisation is" in capsys.readouterr().err


def test_hyperparameter_types_come_from_annotations_and_defaults(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def train(X, y, request, *, depth: int | None = 3, rate=0.1, kind='gini', other=None): ...")
    types = _signatures.read_keyword_arguments(file)
    assert types == {"depth": "int | None", "rate": "float", "kind": "str", "other": ""}
    assert _signatures.matches_annotation(None, types["depth"]) and _signatures.matches_annotation(2, types["rate"])
    assert not _signatures.matches_annotation("deep", types["depth"]) and not _signatures.matches_annotation(
        2, types["kind"]
    )
    assert _signatures.matches_annotation("anything", types["other"])
