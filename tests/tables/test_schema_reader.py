"""Tables read in batches by their schema have the same cells as tables read as a whole, in every dialect."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError
from lib.schema.table_schema import ColumnSchema, TableSchema
from lib.tables import cleaning, frames, schema_reader
from lib.tables.files import parquet_writer
from lib.tables.schema_source import SchemaSource
from tests.tables.awkward import awkward_files
from tests.tables.test_exports import FILES

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
        parquet_writer.write(FRAME, path)
    else:
        path.write_text(text, encoding=encoding)
    return path


def infer_schema(path):
    return TableSchema.from_dict(frames.read(path).attrs[frames.SCHEMA])


def read(path, schema=None, **options):
    """Read a table in batches of at most ten rows, by its own schema unless another is given."""
    batches = schema_reader.read(schema or infer_schema(path), [path], 10, **options)
    return [schema_reader.to_frame(batch) for batch in batches]


@pytest.mark.parametrize("kind", ["plain", "semicolons", "excel", "utf-16", "cp1252", "bom", "gz", "zip", "parquet"])
def test_parts_add_up_to_the_table(tmp_path, kind):
    shares = []
    parts = read(write_table(tmp_path, kind), progress=shares.append)
    assert [len(part) for part in parts] == [10, 10, 5]
    whole = pd.concat(parts)
    assert list(whole.index) == list(range(25)) and list(whole.columns) == list(FRAME)
    assert whole["word"].tolist() == FRAME["word"].tolist() and set(whole["code"]) == {"00501"}
    assert whole["number"].astype(float).tolist() == FRAME["number"].tolist()
    assert shares and all(0 <= share <= 1 for share in shares)


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
        read(tmp_path / name, TableSchema({}))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a file"):
        read(tmp_path / "nothing.csv", TableSchema({}))


@pytest.mark.parametrize("before", [0, 9, 10, 11])
def test_a_long_row_is_refused_at_any_position_of_a_part(tmp_path, before):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * before + "1,2,3\n" + "1,2\n" * 20)
    with pytest.raises(DataError, match=f"line {before + 2}"):
        read(tmp_path / "a.csv", TableSchema({}))


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


NUMBERS = {
    "plain": ["1024", "3.5", "-7", "1e3", "0.25"],
    "amounts": ["1,024", "12", "3,750.5", "1,000,000", "7"],
    "decimal commas": ["1,024", "3,75", "1.000,5", "12", "7,25"],
    "decimal commas and gaps": ["1,024", "", "3,75", "n/a", "0,5"],
    "thousands": ["1.024", "2.000", "12", "3.750", "999"],
    "currency": ["$1", "$2", "$3.50", "$4", "$5"],
    "minus signs": ["12-", "(3)", "−4", "5", "6"],
    "units": ["10 kg", "11 kg", "12.5 kg", "13 kg", "14 kg"],
    "percent": ["1%", "2 %", "3.5%", "4%", "5%"],
    "missing": ["1", "-", "?", "n/a", "5"],
}
TOGETHER = ["decimal commas", "thousands"]  # the commas of one column decide the meaning of the other's points


def write_numbers(path, separator, names):
    """Write a table that repeats the values of these columns in shuffled order, beside a constant."""
    rows = [separator.join([*names, "constant"])]
    for row in range(150):
        cells = [*(NUMBERS[name][(row * 7) % 5] for name in names), "1"]
        rows.append(separator.join(f'"{cell}"' for cell in cells))
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("names", [[name] for name in NUMBERS] + [TOGETHER], ids=" and ".join)
def test_batches_have_the_numbers_of_the_whole_table(tmp_path, names, separator):
    path = write_numbers(tmp_path / "table.csv", separator, names)
    whole = frames.read(path)
    parts = pd.concat(read(path))
    for name in names:
        if whole[name].dtype.kind in "if":  # otherwise models treat the column as text
            np.testing.assert_array_equal(parts[name].to_numpy(float, na_value=np.nan), whole[name].to_numpy(float))


@pytest.mark.parametrize("name", FILES)
def test_exported_files_read_by_their_schema_are_the_same(name, tmp_path):
    (tmp_path / "a.csv").write_bytes(FILES[name][0].encode())
    first = frames.read(tmp_path / "a.csv")
    second = frames.read(tmp_path / "a.csv", schema_source=SchemaSource(infer_schema(tmp_path / "a.csv")))
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize("awkward", [file for file in awkward_files() if not file.refused], ids=lambda file: file.file)
def test_awkward_files_read_by_their_schema_are_the_same(awkward, tmp_path):
    path = tmp_path / awkward.file
    path.write_bytes(awkward.content)
    first, second = frames.read(path), frames.read(path, schema_source=SchemaSource(infer_schema(path)))
    second.columns = first.columns if " twice" in awkward.file else second.columns  # the schema numbers repeated names
    pd.testing.assert_frame_equal(first, second)


def test_numbers_keep_the_format_of_the_first_table(tmp_path):
    (tmp_path / "first.csv").write_text("sales;rate\n" + "670.514;0,84\n804.431;8,42\n" * 20)
    (tmp_path / "second.csv").write_text("sales;rate\n670.514;1\n804.431;1\n")
    (part,) = read(tmp_path / "second.csv", infer_schema(tmp_path / "first.csv"))
    assert part["sales"].tolist() == [670_514, 804_431]


def test_another_unit_is_a_fault_with_row_and_column(tmp_path):
    (tmp_path / "first.csv").write_text("weight,share\n" + "70 kg,80 %\n71.5 kg,75 %\n" * 20)
    (tmp_path / "second.csv").write_text("weight,share\n70 kg,80 %\n154 lb,80 %\n")
    schema = infer_schema(tmp_path / "first.csv")
    (batch,) = schema_reader.read(schema, [tmp_path / "second.csv"], 10)
    assert [str(fault) for fault in batch.faults] == [
        "row 2: column 'weight': got '154 lb', expected a number in kg (decimal point, comma between thousands)"
    ]
    with pytest.raises(
        DataError, match=r"1 value does not fit the table schema:\n  - row 2: column 'weight': got '154"
    ):
        frames.read(tmp_path / "second.csv", schema_source=SchemaSource(schema))


def test_a_renamed_column_is_refused_with_the_nearest_name(tmp_path):
    (tmp_path / "first.csv").write_text("age,Weight\n" + "30,70\n" * 20)
    (tmp_path / "second.csv").write_text("age,weight\n30,70\n")
    with pytest.raises(DataError, match="has no column 'Weight'. Did you mean 'weight'"):
        frames.read(tmp_path / "second.csv", schema_source=SchemaSource(infer_schema(tmp_path / "first.csv")))


def test_numeric_missing_codes_and_words_that_are_values(tmp_path):
    (tmp_path / "a.csv").write_text("air,country\n-200,NA\n3,DE\n")
    schema = TableSchema(
        {
            "air": ColumnSchema("air", "number", missing_values=("-200",)),
            "country": ColumnSchema("country", "text", not_missing=("NA",)),
        }
    )
    (part,) = read(tmp_path / "a.csv", schema)
    assert part["air"].isna().tolist() == [True, False] and part["country"].tolist() == ["NA", "DE"]


def test_sliced_texts_are_not_corrupted(tmp_path):
    # https://github.com/apache/arrow/issues/49410
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{row}.5,word {row}\n" for row in range(25)))
    parts = read(tmp_path / "a.csv")
    assert [value for part in parts for value in part["y"]] == [f"word {row}" for row in range(25)]
    assert [value for part in parts for value in part["x"]] == [row + 0.5 for row in range(25)]


def test_words_that_count_as_missing_are_reported_and_can_be_kept(tmp_path):
    (tmp_path / "a.csv").write_text("country,size\n" + "NA,1\nDE,2\n,3\nnull,4\n" * 5)
    frame = frames.read(tmp_path / "a.csv")
    note = "'NA' in country and 'null' in country count as missing; if they are values, set not_missing: [NA, null]."
    assert note in frame.attrs[frames.NOTES] and frame["country"].isna().sum() == 15
    kept = frames.read(tmp_path / "a.csv", schema_source=SchemaSource(not_missing=["NA"]))
    assert kept["country"].isna().sum() == 10 and (kept["country"] == "NA").sum() == 5


def test_codes_with_letters_stay_text(tmp_path):
    (tmp_path / "a.csv").write_text("icd,room\n" + "250.83,101\n401,1E2\n" * 30 + "V57,204\nE885,205\n")
    frame = frames.read(tmp_path / "a.csv")
    assert {"250.83", "V57"} <= set(frame["icd"]) and {"101", "1E2"} <= set(frame["room"])


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["2.434.551", "257.130"], [2_434_551, 257_130]),
        ([f"{1 + i % 8}.{100 + 7 * i}" for i in range(30)] + ["996"], None),
        ([f"{1 + i % 8}.{100 + 7 * i}" for i in range(30)], "decimal"),  # no number shows that thousands are meant
        ([f"{1 + i % 8}.{100 + 7 * i}" for i in range(30)] + ["996", "1.25"], "decimal"),
        ([f"{1 + i % 8}.{100 + 7 * i}" for i in range(30)] + ["996", "1250"], "decimal"),
    ],
)
def test_points_separate_thousands_only_if_evident(tmp_path, cells, numbers):
    (tmp_path / "a.csv").write_text("price;rooms\n" + "".join(f"{cell};2\n" for cell in cells))
    expected = [float(cell) for cell in cells] if numbers == "decimal" else [int(c.replace(".", "")) for c in cells]
    assert frames.read(tmp_path / "a.csv")["price"].tolist() == expected


def test_ordered_categories_refuse_other_values(tmp_path):
    (tmp_path / "a.csv").write_text("size,x\nS,1\nXL,2\n")
    source = SchemaSource(columns={"size": {"kind": "ordered", "order": ["S", "M", "L"]}})
    with pytest.raises(DataError, match="row 2: column 'size': got 'XL', expected one of S, M, L"):
        frames.read(tmp_path / "a.csv", schema_source=source)
