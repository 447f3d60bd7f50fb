"""A second table in the same file, a repeated header, and spaces without quotes: read right, or told with the line."""

import gzip

import pytest

from lib.errors import DataError
from lib.schema.table_schema import TableSchema
from lib.tables import frames
from lib.tables.files import text_rows
from lib.tables.schema_source import SchemaSource

ITEMS = "item,price,sold\n" + "".join(f"pen,{number}.5,{number}\n" for number in range(20))
PEOPLE = "name,age\n" + "".join(f"Ann,{number}\n" for number in range(20, 40))
CITIES = "name,city\nAnn,Paris\nBob,Rome\n"


def write(folder, text):
    path = folder / "table.csv"
    path.write_text(text)
    return path


def read_notes(path, **options):
    return " ".join(frames.read(path, **options).attrs[frames.NOTES])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (ITEMS + "city,visits,sales\nRome,7,8\nParis,3,4\n", 22),
        (ITEMS + "\ncity,visits,sales\nRome,7,8\n", 23),
        (ITEMS + "sold,price,cost\n1,2,3\n", 22),
        ("\n" + ITEMS + "Visits of May\ncity,visits,sales\nRome,7,8\n", 24),
        (PEOPLE + "\ncity,visits\nRome,7\n", 23),
        (ITEMS.replace(",", ";") + "city;visits;sales\nRome;7;8\n", 22),
    ],
)
def test_a_second_table_of_equal_width_is_refused_with_its_line(tmp_path, text, line):
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=f"table.csv: line {line} begins a second table.*Save each table in its own"):
        frames.read(path)
    assert f"Line {line}: a second table begins there, and was left out." in " ".join(text_rows.read_table(path).notes)


def test_a_second_table_is_found_below_many_rows_of_a_compressed_file(tmp_path):
    rows = "".join(f"pen,{number}.5,{number}\n" for number in range(30_000))
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(f"item,price,sold\n{rows}city,visits,sales\nRome,7,8\n".encode()))
    with pytest.raises(DataError, match="line 30002 begins|line 30,002 begins"):
        frames.read(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (PEOPLE + "city,visits\nRome,7\n", 22),  # "visits" could also be an age that is unknown
        (CITIES + "\ntitle,author\nFaust,Goethe\n", 5),
    ],
)
def test_a_possible_second_table_is_told_with_its_line(tmp_path, text, line):
    path = write(tmp_path, text)
    expected = f"Line {line} contains names only. If another table begins there, save each table in its own file."
    assert read_notes(path).count(expected) == 1
    table = text_rows.read_table(path)
    assert " ".join(table.notes).count(expected) == 1 and len(table.rows) == text.strip().count("\n") - ("\n\n" in text)


@pytest.mark.parametrize(
    "text",
    [
        ITEMS + "pen,n/a,n/a\nink,,\nTotal,190,190\n",
        PEOPLE + "Bob,unknown\nEve,unknown\nAl,unknown\nJo,unknown\n",
        CITIES + "Rome,Ann\nEve,Oslo\n",
        "name,city\n" + "\n".join(f"A{'bcdefgh'[number]},Rome\n" for number in range(7)),  # every second line is empty
        ITEMS + "ink,7,8\n\n\n",
    ],
)
def test_missing_values_and_texts_are_no_second_table(tmp_path, text):
    path = write(tmp_path, text)
    assert "another table" not in read_notes(path)
    assert "table begins" not in " ".join(text_rows.read_table(path).notes)


class TestRepeatedHeader:
    @pytest.mark.parametrize("stored", [False, True])
    def test_is_left_out_and_told_with_its_line(self, tmp_path, stored):
        path = write(tmp_path, ITEMS + "\n" + ITEMS)
        frame = frames.read(path)
        if stored:
            schema = TableSchema.from_dict(frame.attrs[frames.SCHEMA])
            frame = frames.read(path, schema_source=SchemaSource(schema))
        assert len(frame) == 40 and frame["sold"].tolist() == [*range(20)] * 2
        assert "Line 23 repeats the header and was left out." in frame.attrs[frames.NOTES]

    def test_several_are_one_note(self, tmp_path):
        path = write(tmp_path, ITEMS * 3)
        assert "2 lines, first line 22, repeat the header and were left out." in read_notes(path)

    def test_with_unnamed_columns_is_left_out(self, tmp_path):
        text = ",price,sold,cost\n" + "".join(f"pen,{number}.5,{number},7\n" for number in range(20))
        path = write(tmp_path, text * 2)
        assert len(frames.read(path)) == 40 and "Line 22 repeats the header" in read_notes(path)


class TestUnquotedSpaces:
    ROWS = '1 New York 8.4\n2 Rome 2.8\n3 Rio de Janeiro 6.7\n4 "San Jose" 1.0\n'

    def test_one_text_column_takes_the_surplus_words(self, tmp_path):
        path = write(tmp_path, "id city size\n" + self.ROWS)
        frame = frames.read(path)
        assert frame["city"].tolist() == ["New York", "Rome", "Rio de Janeiro", "San Jose"]
        assert frame["size"].tolist() == [8.4, 2.8, 6.7, 1.0]
        expected = "2 rows, first line 2 with 4 fields, do not have the expected 3: words without quotes were joined"
        assert expected in " ".join(frame.attrs[frames.NOTES])
        assert text_rows.read_table(path).rows[2] == ["3", "Rio de Janeiro", "6.7"]

    def test_words_before_quoted_values_do_not_join_these(self, tmp_path):
        path = write(
            tmp_path, 'id item note\n1 Blue pen "of steel"\n2 Ink "for pens"\n3 Red cup "new and hot"\n4 Hat "old"\n'
        )
        frame = frames.read(path)
        assert frame["item"].tolist() == ["Blue pen", "Ink", "Red cup", "Hat"]
        assert frame["note"].tolist() == ["of steel", "for pens", "new and hot", "old"]

    def test_two_possible_columns_are_refused_with_the_lines(self, tmp_path):
        path = write(tmp_path, 'id name city size\n1 Ann Lee Rome 8.4\n2 Bob "New York" 2.8\n3 Al Rio de Janeiro 6.7\n')
        with pytest.raises(DataError, match="expected 4 fields, but line 2 has 5, line 4 has 6. Fix these lines."):
            frames.read(path)
