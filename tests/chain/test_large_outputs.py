"""Large outputs of cells: moved into files, with a link in the notebook."""

import base64
import json

import pytest

from lib.chain import large_outputs
from lib.chain.large_outputs import MAX_OUTPUT_BYTES, cut


@pytest.fixture
def moved(tmp_path):
    """Return a function that moves the large outputs of a cell: it returns the outputs and the files by suffix."""

    def move(*outputs):
        cell = {"outputs": list(outputs)}
        large_outputs.move(cell, 4, tmp_path / "03_train.ipynb")
        folder = tmp_path / "03_train.outputs"
        files = {file.suffix: file for file in folder.iterdir()} if folder.exists() else {}
        for file in files.values():
            assert f"03_train.outputs/{file.name}" in json.dumps(cell)
        return cell["outputs"], files

    return move


def display(**data):
    kinds = {"plain": "text/plain", "html": "text/html", "png": "image/png", "json": "application/json"}
    return {
        "output_type": "display_data",
        "metadata": {},
        "data": {kinds[name]: value for name, value in data.items()},
    }


def test_small_outputs_stay(moved):
    stream = {"output_type": "stream", "name": "stdout", "text": "x" * MAX_OUTPUT_BYTES}
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["a", "b"]}
    outputs = [stream, display(html="y" * MAX_OUTPUT_BYTES, plain="z"), error]
    before = json.dumps(outputs)
    after, files = moved(*outputs)
    assert json.dumps(after) == before and files == {}


def test_long_stream_is_linked(moved):
    text = "".join(f"line {number} é\n" for number in range(400_000))
    (output,), files = moved({"output_type": "stream", "name": "stdout", "text": text})
    assert files[".txt"].read_text() == text
    assert output["data"]["text/plain"].startswith("line 0 é\nline 1")
    assert len(json.dumps(output)) < 50_000


def test_large_data_is_linked_and_small_data_kept(moved):
    (output,), files = moved(display(html="<b>" + "y" * MAX_OUTPUT_BYTES, plain="a table"))
    assert files[".html"].read_text().startswith("<b>yyy")
    assert output["data"]["text/plain"].startswith("a table\n") and "text/html" not in output["data"]


def test_image_is_decoded(moved):
    image = bytes(range(256)) * 20_000
    _, files = moved(display(png=base64.b64encode(image).decode(), plain="<Figure>"))
    assert files[".png"].read_bytes() == image


def test_data_that_is_not_text_is_written_as_json(moved):
    value = {"rows": list(range(1_000_000))}
    _, files = moved(display(json=value))
    assert json.loads(files[".json"].read_text()) == value


def test_error_keeps_name_and_beginning(moved):
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no " * 1_000_000, "traceback": ["x" * 10**6]}
    (output,), files = moved(error)
    assert output["ename"] == "ValueError" and output["evalue"].startswith("no no")
    assert len(json.dumps(output)) < 20_000
    assert files[".txt"].stat().st_size > 4_000_000


def test_outputs_of_another_attempt_are_kept(moved):
    for letter in "ab":
        _, files = moved({"output_type": "stream", "name": "stdout", "text": letter * (MAX_OUTPUT_BYTES + 1)})
    folder = files[".txt"].parent
    assert sorted(file.read_text()[0] for file in folder.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("length", [10, 4_000, 4_001, 10**6])
def test_cut_text_is_short(length):
    text = cut("x" * length)
    assert len(text) <= 4_100 and (text == "x" * length) is (length <= 4_000)
