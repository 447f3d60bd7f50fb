"""Tables read some rows at a time: the same cells as read whole, in every dialect."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from lib.data import batches, tables
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
        ("a.csv", "", "has no header"),
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
