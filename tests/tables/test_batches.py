"""Tables read in parts have the same cells as tables read as a whole, in every dialect."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError
from lib.tables import cleaning, frames
from lib.tables.files import batches

FRAME = pd.DataFrame({"number": np.arange(25) / 4, "word": [f"Straße {row}" for row in range(25)], "code": "00501"})


def write_table(folder, kind):
    """Write the frame in a dialect or file type."""
    text = FRAME.to_csv(index=False, sep=";" if kind in ("semicolons", "excel") else ",")
    text = "sep=;\n" + text if kind == "excel" else text
    encoding = {"utf-16": "utf-16", "cp1252": "cp1252", "bom": "utf-8-sig"}.get(kind, "utf-8")
    path = folder / f"table.{ {'gz': 'csv.gz', 'zip': 'zip', 'parquet': 'parquet'}.get(kind, 'csv') }"
    if kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("table.csv", text)
    elif kind == "parquet":
        frames.write(FRAME, path)
    else:
        path.write_text(text, encoding=encoding)
    return path


def read(path, *options):
    return list(batches.read(path, batches.detect_dialect(path), 10, *options))


@pytest.mark.parametrize("kind", ["plain", "semicolons", "excel", "utf-16", "cp1252", "bom", "gz", "zip", "parquet"])
def test_parts_add_up_to_the_table(tmp_path, kind):
    shares = []
    parts = read(write_table(tmp_path, kind), shares.append)
    assert [len(part) for part in parts] == [10, 10, 5]
    whole = pd.concat(parts)
    assert list(whole.index) == list(range(25)) and list(whole.columns) == list(FRAME)
    assert whole["word"].tolist() == FRAME["word"].tolist() and set(whole["code"]) == {"00501"}
    assert whole["number"].astype(float).tolist() == FRAME["number"].tolist()
    assert len(shares) == 3 and all(0 <= share <= 1 for share in shares)


def test_empty_cells_and_missing_codes_are_missing(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,\n,x\nNA,y\n")
    (part,) = read(tmp_path / "a.csv")
    assert part["a"].isna().tolist() == [False, True, True] and part["b"].isna().tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "line 3"),
        ("a.xlsx", "x", "Supported: "),
        ("a.parquet", "PAR1", "not a complete Parquet file"),
        ("a.csv.gz", "no gzip", "cannot be read"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a file"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize("before", [0, 9, 10, 11])
def test_a_long_row_is_refused_at_any_position_of_a_part(tmp_path, before):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * before + "1,2,3\n" + "1,2\n" * 20)
    with pytest.raises(DataError, match=f"line {before + 2}"):
        read(tmp_path / "a.csv")


def test_trailing_separators_add_no_columns(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2,,\n" * 20)
    assert [len(part.columns) for part in read(tmp_path / "a.csv")] == [2, 2]


def test_repeated_columns_are_named_as_in_training(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,a,a\n1,2,3,4\n")
    (part,) = read(tmp_path / "a.csv")
    named, _ = cleaning.deduplicate_columns(frames.read(tmp_path / "a.csv"), ["b"])
    assert list(part.columns) == list(named.columns) == ["a", "b", "a.2", "a.3"]


def test_parquet_bytes_are_text_if_all_are_utf8(tmp_path):
    pq.write_table(pa.table({"word": [b"red"] * 25, "picture": [b"png"] * 24 + [b"\xff"]}), tmp_path / "a.parquet")
    parts = read(tmp_path / "a.parquet")
    assert {word for part in parts for word in part["word"]} == {"red"}
    assert parts[0]["picture"][0] == b"png"
