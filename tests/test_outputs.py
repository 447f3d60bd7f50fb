"""What a stage hands on: plain JSON that comes back as it went, or nothing at all."""

import datetime
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import nbformat
import numpy as np
import pytest
import scrapbook

from lib import outputs
from lib.errors import OutputError

HANDED_ON = {
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
def through_a_notebook(monkeypatch, tmp_path):
    """Glue outputs in what scrapbook takes for a kernel, write the notebook, read it."""
    displayed = []

    def display(data, metadata, raw):
        displayed.append(nbformat.v4.new_output("display_data", data=data, metadata=metadata))

    monkeypatch.setattr("scrapbook.utils.is_kernel", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)

    def handed_on(values):
        outputs.glue(values)
        cell = nbformat.v4.new_code_cell("", outputs=displayed)
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "executed.ipynb")
        return outputs.read(tmp_path / "executed.ipynb")

    return handed_on


@pytest.fixture
def glued(monkeypatch):
    """Names that were glued, in their order."""
    names = []
    monkeypatch.setattr(scrapbook, "glue", lambda name, value, encoder: names.append(name))
    return names


def test_everything_comes_back_from_a_notebook_as_it_went(through_a_notebook):
    back = through_a_notebook(HANDED_ON)
    assert back == HANDED_ON
    # 1 == True == 1.0, so equality is not enough.
    plain = {name: value for name, value in HANDED_ON.items() if not isinstance(value, dict)}
    assert {name: type(back[name]) for name in plain} == {name: type(value) for name, value in plain.items()}


def test_a_notebook_that_handed_on_nothing_is_read_as_nothing(tmp_path):
    path = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    assert outputs.read(str(path)) == {}


@pytest.mark.parametrize(
    ("value", "said"),
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
        (math.nan, "x is nan, which is no finite number"),
        (np.float64("nan"), "x is nan, which is no finite number"),
        (-math.inf, "x is -inf"),
        ([1, [math.nan]], r"x\[1\]\[0\] is nan"),
        ({"a": {"b": [Path("c")]}}, r"x.a.b\[0\] is of type PosixPath"),
        ({1: "a"}, "x has the key 1, which is no text"),
        ({"a": {None: 1}}, "x.a has the key None"),
    ],
    ids=str,
)
def test_what_is_no_plain_finite_json_is_refused_by_its_place(glued, value, said):
    with pytest.raises(OutputError, match=said):
        outputs.glue({"x": value})


def test_none_is_glued_when_one_is_wrong_and_all_faults_are_told(glued):
    with pytest.raises(OutputError, match=r"wrong is nan.*; path is of type"):
        outputs.glue({"right": 1, "wrong": math.nan, "path": Path("a"), "right too": 2})
    assert glued == []


def test_all_are_glued_in_their_order(glued):
    outputs.glue({"b": 1, "a": "x", "c": [1]})
    assert glued == ["b", "a", "c"]


def test_a_float_of_numpy_is_a_float(through_a_notebook):
    assert through_a_notebook({"score": np.float64(0.25)}) == {"score": 0.25}


def test_importing_it_does_not_import_scrapbook():
    # scrapbook takes over a second to import, and only kernels need it.
    code = "import sys, lib.outputs; sys.exit('scrapbook' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(outputs.__file__).parents[1]).returncode == 0
