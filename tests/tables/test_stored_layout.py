"""Files that are read by a schema: separator, quotes and header are those of the schema, and are not detected again."""

import pytest

from lib.schema.table_schema import TableSchema
from lib.tables import frames, schema_reader

TABLE = "size;city;note\n" + "".join(f'{row},5;Bonn;"a; {row}"\n' for row in range(30))


def read_texts(folder, content, table=TABLE, notes=None):
    """Read a file by the schema of another table, and return its rows as dicts."""
    (folder / "table.csv").write_text(table, encoding="utf-8")
    (folder / "later.csv").write_text(content, encoding="utf-8")
    schema = TableSchema.from_dict(frames.read(folder / "table.csv").attrs[frames.SCHEMA])
    schema = TableSchema.from_dict(schema.to_dict())
    batches = schema_reader.read(schema, [folder / "later.csv"], 100, notes=notes)
    table, _ = schema_reader.collect(batches, [folder / "later.csv"])
    return table.to_pylist()


@pytest.mark.parametrize(
    "content",
    [
        'size;city;note\n1,5;Bonn;"x, y, z"\n',  # more commas than semicolons
        "size;city;note\n1,5;Bonn;x, y, z\n",
        "Report, of, May\n\nsize;city;note\n1,5;Bonn;x, y, z\n",  # titles with another separator
        "size\nsize;city;note\n1,5;Bonn;x, y, z\n",  # a title that is the name of a column
        "sep=;\nsize;city;note\n1,5;Bonn;x, y, z\n",
    ],
)
def test_a_single_row_is_read_as_the_schema_says(tmp_path, content):
    assert read_texts(tmp_path, content) == [{"size": 1.5, "city": "Bonn", "note": "x, y, z"}]


def test_quotes_of_another_kind_are_part_of_the_values(tmp_path):
    rows = read_texts(tmp_path, "size;city;note\n1,5;'s-Gravenhage';'t'\n2,5;'s-Gravenhage';'u'\n")
    assert [row["note"] for row in rows] == ["'t'", "'u'"]


def test_rows_that_look_like_a_header_are_rows(tmp_path):
    table = "name,kind\n" + "".join(f"item{row},tool\n" for row in range(30))
    assert read_texts(tmp_path, "name,kind\nname,kind of\n", table) == [{"name": "name", "kind": "kind of"}]


def test_apostrophes_of_the_schema_enclose_values(tmp_path):
    table = "id,word\n" + "".join(f"{row},'a, {row}'\n" for row in range(30))
    assert read_texts(tmp_path, "id,word\n1,'b, c'\n", table) == [{"id": 1, "word": "b, c"}]


def test_a_file_without_a_header_keeps_its_columns(tmp_path):
    table = "".join(f"{row},5;{row};{row + 1}\n" for row in range(30))
    rows = read_texts(tmp_path, "1,5;2;3\n", table)
    assert rows == [{"column_1": 1.5, "column_2": 2, "column_3": 3}]


def test_another_separator_is_detected_and_reported(tmp_path):
    notes = []
    rows = read_texts(tmp_path, 'size\tcity\tnote\n"1,5"\tBonn\tx\n', notes=notes)
    assert rows == [{"size": 1.5, "city": "Bonn", "note": "x"}]
    assert notes == ["The values are separated by tabs; the schema says semicolons."]


def test_lines_that_are_not_rows_are_reported(tmp_path):
    notes = []
    read_texts(tmp_path, "Report of May\nsize;city;note\n1,5;Bonn;x\n", notes=notes)
    assert notes == ["Left out 1 line above the header."]
