"""Tables read some rows at a time: the same cells as read whole, in every dialect."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.data import batches, cleaning, tables
from lib.errors import DataError

FRAME = pd.DataFrame({"number": np.arange(25) / 4, "word": [f"Straße {at}" for at in range(25)], "code": "00501"})


def written(folder, kind):
    """The frame in a file of that kind."""
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
        tables.write(FRAME, path)
    else:
        path.write_text(text, encoding=encoding)
    return path


def read(path, *given):
    return list(batches.read(path, batches.dialect_of(path), 10, *given))


@pytest.mark.parametrize("kind", ["plain", "semicolons", "excel", "utf-16", "cp1252", "bom", "gz", "zip", "parquet"])
def test_parts_make_the_table(tmp_path, kind):
    shares = []
    parts = read(written(tmp_path, kind), shares.append)
    assert [len(part) for part in parts] == [10, 10, 5]
    whole = pd.concat(parts)
    assert list(whole.index) == list(range(25)) and list(whole.columns) == list(FRAME)
    assert whole["word"].tolist() == FRAME["word"].tolist() and set(whole["code"]) == {"00501"}
    assert whole["number"].astype(float).tolist() == FRAME["number"].tolist()
    assert len(shares) == 3 and all(0 <= share <= 1 for share in shares)


def test_missing_cells_are_missing(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,\n,x\nNA,y\n")
    (part,) = read(tmp_path / "a.csv")
    assert part["a"].isna().tolist() == [False, True, True] and part["b"].isna().tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "a,b\n", "has no row"),
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "line 3"),
        ("a.xlsx", "x", "known are"),
        ("a.parquet", "PAR1", "no whole Parquet file"),
        ("a.csv.gz", "no gzip", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="is no file"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize("before", [0, 9, 10, 11])
def test_a_row_too_long_is_refused_wherever_a_part_begins(tmp_path, before):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * before + "1,2,3\n" + "1,2\n" * 20)
    with pytest.raises(DataError, match=f"line {before + 2}"):
        read(tmp_path / "a.csv")


def test_separators_too_many_at_the_ends_of_rows_hold_nothing(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2,,\n" * 20)
    assert [len(part.columns) for part in read(tmp_path / "a.csv")] == [2, 2]


def test_the_second_column_of_a_name_is_called_as_in_training(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,a,a\n1,2,3,4\n")
    (part,) = read(tmp_path / "a.csv")
    named, _ = cleaning.deduplicate_columns(tables.read(tmp_path / "a.csv"), ["b"])
    assert list(part.columns) == list(named.columns) == ["a", "b", "a.2", "a.3"]


def test_bytes_of_a_parquet_file_are_texts_where_all_of_them_are(tmp_path):
    pq.write_table(pa.table({"word": [b"red"] * 25, "picture": [b"png"] * 24 + [b"\xff"]}), tmp_path / "a.parquet")
    parts = read(tmp_path / "a.parquet")
    assert {word for part in parts for word in part["word"]} == {"red"}
    assert parts[0]["picture"][0] == b"png"
