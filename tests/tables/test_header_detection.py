"""Headers that are missing, span several rows, or stand below titles; and lines below the table."""

import gzip
import io
import zipfile

import pandas as pd
import pytest

from lib.schema.table_schema import TableSchema
from lib.tables import frames, schema_reader
from lib.tables.detect.header_detection import detect_header, is_first_row_data
from lib.tables.detect.records import CsvFormat
from lib.tables.detect.separators import detect_format
from lib.tables.files import text_rows
from lib.tables.schema_source import SchemaSource

ROWS = [f"{row}.5,red,{row % 2}" for row in range(1, 40)]


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def read_by_schema(path, frame):
    """Read a file again, in batches, by the schema of a frame."""
    schema = TableSchema.from_dict(frame.attrs[frames.SCHEMA])
    return pd.concat([schema_reader.to_frame(batch) for batch in schema_reader.read(schema, [path], 30_000)])


HEADERS = {
    "measurements": (["1.5,2.5,0", "2.5,3.5,1", "0.5,1.5,1"], True),
    "codes, dates and texts": (
        ["01/02/2024,AB-1,a long remark", "02/02/2024,CD-2,another", "1/1/2024,E-3,x"],
        True,
    ),
    "categories that are repeated": (["red,large", "blue,large", "red,small", "blue,small"], True),
    "names above numbers": (["x,y", "1,2", "3,4"], False),
    "one name above numbers": (["id,a", "1,b", "2,c"], False),
    "positions as names": (["0,1,2,3", "5,7,1,2", "6,2,8,8"], False),
    "years as names": (["country,2019,2020", "DE,5,7", "FR,6,8"], False),
    "texts only": (["name,town", "Ann,Rome", "Bob,Oslo"], False),
    "a single row": (["1,2"], False),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_first_row_of_data_is_told_from_a_header(kind):
    lines, expected = HEADERS[kind]
    assert is_first_row_data([line.split(",") for line in lines]) is expected


@pytest.mark.parametrize("compress", [False, True])
def test_columns_without_a_header_are_numbered(tmp_path, compress):
    path = write(tmp_path / "a.csv", ROWS)
    if compress:
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    frame = frames.read(path)
    assert list(frame) == ["column_1", "column_2", "column_3"] and len(frame) == len(ROWS)
    assert frame["column_1"].iloc[0] == 1.5
    assert "Set `header` to false to confirm this" in " ".join(frame.attrs[frames.NOTES])
    part = read_by_schema(path, frame)
    assert list(part) == list(frame) and len(part) == len(ROWS)


def test_the_header_can_be_set(tmp_path):
    path = write(tmp_path / "a.csv", ["name,town", "Ann,Rome", "Bob,Oslo"])
    assert list(frames.read(path)) == ["name", "town"]
    frame = frames.read(path, schema_source=SchemaSource(header=False))
    assert list(frame) == ["column_1", "column_2"] and frame["column_1"].tolist() == ["name", "Ann", "Bob"]
    assert "header" not in " ".join(frame.attrs[frames.NOTES])
    other = write(tmp_path / "b.csv", ROWS)
    assert list(frames.read(other, schema_source=SchemaSource(header=True))) == ["1.5", "red", "1"]


@pytest.mark.parametrize("title", ["Sensor 7,by Ann, 20 January", "Sensor 7", "made, tested, sold and used in May"])
def test_titles_of_any_width_are_left_out(tmp_path, title):
    path = write(tmp_path / "a.csv", [title, "wave,count", *(f"{row}.5,{row}" for row in range(40))])
    frame = frames.read(path)
    assert list(frame) == ["wave", "count"] and len(frame) == 40
    assert "Left out 1 line above the header." in " ".join(frame.attrs[frames.NOTES])


@pytest.mark.parametrize("titles", [["Sales of May,", ","], [",", ","], ["Sales,", ",", "by item,", ","]])
def test_lines_above_an_empty_row_are_titles(titles):
    rows = [line.split(",") for line in [*titles, "item,price", "pen,3", "ink,5", "cap,2", "bag,9", "box,4"]]
    assert detect_header(rows) == (["item", "price"], 1, len(titles))


def test_a_title_above_a_single_row_is_left_out():
    rows = [["Water", "", ""], ["total (m3)", "per head", "cost"], ["44,761", "13.9", "68"]]
    assert detect_header(rows) == (rows[1], 1, 1)


def test_names_of_column_groups_are_joined():
    rows = [
        ["day", "Travel", "", "Total"],
        ["", "Air", "Rail", ""],
        ["1/2/24", "5", "6", "11"],
        ["2/2/24", "1", "2", "3"],
    ]
    assert detect_header(rows).names == ["day", "Travel Air", "Travel Rail", "Total"]


def test_a_header_of_two_lines_is_read_by_every_reader(tmp_path):
    path = write(tmp_path / "a.csv", ["May,,June,", "x,y,x,y", *["1,2,3,4"] * 9])
    frame = frames.read(path)
    assert list(frame) == ["May x", "May y", "June x", "June y"] and len(frame) == 9
    assert "joined from 2 rows" in " ".join(frame.attrs[frames.NOTES])
    part = read_by_schema(path, frame)
    assert list(part) == list(frame) and len(part) == 9


FOOTERS = {
    "rows without a value": (",,\n,,\n", "Left out 2 empty rows below the table."),
    "a footnote": ("Source: the weather service\n", "Left out 1 line below the table"),
    "footnotes below an empty row": (",,\n* not yet final,,\nSource: us,,\n", "Left out 3 lines below the table"),
}


@pytest.mark.parametrize("kind", FOOTERS)
@pytest.mark.parametrize("rows", [ROWS, ROWS * 2_000])
def test_lines_below_the_table_are_left_out(tmp_path, kind, rows):
    footer, note = FOOTERS[kind]
    path = tmp_path / "a.csv"
    path.write_text("size,colour,y\n" + "\n".join(rows) + "\n" + footer)
    frame = frames.read(path)
    assert len(frame) == len(rows) and frame["y"].dtype.kind == "i"
    assert note in " ".join(frame.attrs[frames.NOTES])
    assert len(read_by_schema(path, frame)) == len(rows)
    assert len(text_rows.read_table(path).rows) == len(rows)


def compress_gzip(text):
    return gzip.compress(text.encode())


def compress_zip(text):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", text)
    return content.getvalue()


FILES = {
    "a.csv.gz": compress_gzip,
    "a.zip": compress_zip,
    "utf-16.csv": lambda text: text.encode("utf-16"),
    "utf-16-be.csv": lambda text: "\ufeff".encode("utf-16-be") + text.encode("utf-16-be"),
    "utf-32.csv": lambda text: text.encode("utf-32"),
    "utf-8-sig.csv": lambda text: text.encode("utf-8-sig"),
    "cp1252.csv": lambda text: text.replace("red", "r\xe9d").encode("cp1252"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rows", [ROWS, ROWS * 9_000])
def test_footnotes_are_left_out_of_every_kind_of_file(tmp_path, name, rows):
    path = tmp_path / name
    path.write_bytes(FILES[name]("size,colour,y\n" + "\n".join(rows) + "\n,,\n* not yet final\n"))
    frame = frames.read(path)
    assert len(frame) == len(rows) and frame["y"].dtype.kind == "i"
    assert "Left out 2 lines below the table ('* not yet final')" in " ".join(frame.attrs[frames.NOTES])
    assert len(read_by_schema(path, frame)) == len(rows)


@pytest.mark.parametrize("last", ["only a name,,", "9.5,red,", "9.5"])
def test_a_last_row_with_few_values_is_kept(tmp_path, last):
    path = write(tmp_path / "a.csv", ["size,colour,y", *ROWS, last])
    assert len(frames.read(path)) == len(ROWS) + 1


FORMATS = {
    "apostrophes": ("id;name\n" + "".join(f"{i};'a;{i}'\n" for i in range(5)), CsvFormat(";", "'"), ["0", "a;0"]),
    "two pipes": ("id||name\n" + "".join(f'{i}||"x||{i}"\n' for i in range(5)), CsvFormat("||"), ["0", "x||0"]),
    "pipes around tildes": ("a|~|b\n" + "".join(f"{i}|~|\n" for i in range(5)), CsvFormat("|~|"), ["0", ""]),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_unusual_quotes_and_separators_are_detected(tmp_path, kind):
    text, csv_format, first_row = FORMATS[kind]
    assert detect_format(text) == csv_format
    (tmp_path / "a.csv").write_text(text)
    assert text_rows.read_table(tmp_path / "a.csv").rows[0] == first_row
    frame = frames.read(tmp_path / "a.csv")
    assert frame.shape == (5, 2) and frame.iloc[:, 0].tolist() == list(range(5))
    part = read_by_schema(tmp_path / "a.csv", frame)
    assert part.shape == (5, 2)


def test_commas_within_quotes_do_not_separate_fields_between_spaces():
    rows = [f'{row} {row}.5 "dark, red"' if row % 4 else f"{row} {row}.5 blue" for row in range(20)]
    assert detect_format("id size colour\n" + "\n".join(rows)).separator == " "


def test_spaces_separate_fields_that_are_partly_quoted(tmp_path):
    lines = ["id size colour", *(f'{row} 1.5 "dark red"' for row in range(20)), "20 2.5 light red"]
    table = text_rows.read_table(write(tmp_path / "a.csv", lines))
    assert table.rows[3] == ["3", "1.5", "dark red"] and table.rows[20] == ["20", "2.5", "light red"]
    assert "Line 22 has 4 fields, expected 3: words without quotes were joined" in " ".join(table.notes)


@pytest.mark.parametrize("line", ["O'Neill's,it's 5 o'clock", "rock 'n' roll,'tis"])
def test_apostrophes_within_text_are_no_quotes(line):
    assert detect_format("title,remark\n" + f"{line}\n" * 9).quote_character == '"'


def test_a_later_file_has_no_header_either(tmp_path):
    frame = frames.read(write(tmp_path / "a.csv", ROWS))
    later = read_by_schema(write(tmp_path / "b.csv", ["n/a,blue,1", "5.5,blue,0"]), frame)
    assert later["column_1"].tolist()[1:] == [5.5] and len(later) == 2
