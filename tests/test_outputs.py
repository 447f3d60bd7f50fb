"""Outputs of a stage: plain JSON that survives the notebook unchanged, or no outputs at all."""

import datetime
import math
import subprocess
import sys
import warnings
from decimal import Decimal
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter

from lib import outputs
from lib.errors import OutputError

VALID_OUTPUTS = {
    "text": "a text",
    "text of JSON": '{"a": 1}',
    "text of a number": "7",
    "empty text": "",
    "umlaut": "Größe in °C",
    "whole": 2**60,
    "decimal": 0.1,
    "yes": True,
    "no": False,
    "list": ["a", 1, 2.5, None, [True]],
    "mapping": {"a": {"b": [1, {"c": None}]}, "°": 1e300},
    "empty list": [],
    "empty mapping": {},
}


@pytest.fixture
def roundtrip(monkeypatch, tmp_path):
    """Glue outputs as in a kernel, write the notebook, and read the outputs back."""
    displayed = []

    def display(data, metadata, raw):
        displayed.append(nbformat.v4.new_output("display_data", data=data, metadata=metadata))

    monkeypatch.setattr("IPython.display.display", display)

    def glue_and_read(values):
        outputs.glue(values)
        cell = nbformat.v4.new_code_cell("", outputs=displayed)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "executed.ipynb")
        displayed.clear()
        return outputs.read(tmp_path / "executed.ipynb")

    return glue_and_read


@pytest.fixture
def glued_names(monkeypatch):
    """Record the names of glued outputs, in order."""
    names = []
    monkeypatch.setattr(outputs, "_display_scrap", lambda name, value: names.append(name))
    return names


def test_outputs_survive_the_notebook(roundtrip):
    restored = roundtrip(VALID_OUTPUTS)
    assert restored == VALID_OUTPUTS
    # 1 == True == 1.0, so equality is not enough.
    scalars = {name: value for name, value in VALID_OUTPUTS.items() if not isinstance(value, dict)}
    assert {name: type(restored[name]) for name in scalars} == {name: type(value) for name, value in scalars.items()}


def test_notebook_without_outputs_reads_as_empty(tmp_path):
    path = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    assert outputs.read(str(path)) == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.int64(1), "x is of type int64"),
        (np.float32(1), "x is of type float32"),
        (np.bool_(True), "x is of type bool"),
        (np.array([1]), "x is of type ndarray"),
        (Path("a"), "x is of type PosixPath"),
        (Decimal(1), "x is of type Decimal"),
        (datetime.date(2024, 1, 1), "x is of type date"),
        (b"a", "x is of type bytes"),
        ((1, 2), "x is of type tuple"),
        ({1, 2}, "x is of type set"),
        (None, "x is None"),
        (math.nan, "x is nan; expected a finite number"),
        (np.float64("nan"), "x is nan; expected a finite number"),
        (-math.inf, "x is -inf"),
        ([1, [math.nan]], r"x\[1\]\[0\] is nan"),
        ({"a": {"b": [Path("c")]}}, r"x.a.b\[0\] is of type PosixPath"),
        ({1: "a"}, "x has the key 1; expected a string"),
        ({"a": {None: 1}}, "x.a has the key None"),
    ],
    ids=str,
)
def test_invalid_value_is_refused_with_its_location(glued_names, value, message):
    with pytest.raises(OutputError, match=message):
        outputs.glue({"x": value})


def test_one_invalid_value_stops_all_outputs(glued_names):
    with pytest.raises(OutputError, match=r"wrong is nan.*; path is of type"):
        outputs.glue({"right": 1, "wrong": math.nan, "path": Path("a"), "right too": 2})
    assert glued_names == []


def test_outputs_are_glued_in_order(glued_names):
    outputs.glue({"b": 1, "a": "x", "c": [1]})
    assert glued_names == ["b", "a", "c"]


def test_numpy_float64_is_glued_as_a_float(roundtrip):
    assert roundtrip({"score": np.float64(0.25)}) == {"score": 0.25}


def test_importing_outputs_does_not_import_scrapbook():
    # scrapbook takes over a second to import, and only kernels need it.
    code = "import sys, lib.outputs; sys.exit('scrapbook' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(outputs.__file__).parents[1]).returncode == 0


@pytest.mark.parametrize("exporter", [HTMLExporter, MarkdownExporter, LatexExporter])
def test_outputs_are_exported_without_warnings(roundtrip, tmp_path, exporter):
    roundtrip(VALID_OUTPUTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text, _ = exporter().from_filename(str(tmp_path / "executed.ipynb"))
    assert "Größe" not in text


def test_outputs_are_read_from_any_folder(tmp_path):
    folder = tmp_path / "what? #1 {a} 100%41"
    folder.mkdir()
    notebook = nbformat.v4.new_notebook()
    scrap = {"name": "answer", "data": 42, "encoder": "json", "version": 1}
    mime = "application/scrapbook.scrap.json+json"
    output = nbformat.v4.new_output("display_data", {mime: scrap}, metadata={"scrapbook": {"name": "answer"}})
    notebook.cells = [nbformat.v4.new_code_cell("", outputs=[output])]
    nbformat.write(notebook, folder / "executed.ipynb")
    assert outputs.read(str(folder / "executed.ipynb")) == {"answer": 42}
