"""Rows that do not have one field for each column: aligned in the only possible way and told, or refused."""

import pytest

from lib.errors import DataError
from lib.schema.table_schema import TableSchema
from lib.tables import frames, schema_reader
from lib.tables.files import text_rows

HEADER = "day,count,code,price,remark\n"


def write_rows(folder, changes, header=HEADER):
    """Write 20 rows of a date, a number, a code, a price and an empty remark, some of them replaced."""
    rows = [changes.get(line, f"{line:02d}/05/2024,{line},AB-{line:03d},$1.{line:02d},\n") for line in range(2, 22)]
    path = folder / "sales.csv"
    path.write_text(header + "".join(rows))
    return path


def read(path):
    frame = frames.read(path)
    return frame, " ".join(frame.attrs[frames.NOTES])


def test_a_short_row_is_padded_and_told(tmp_path):
    frame, notes = read(write_rows(tmp_path, {5: "05/05/2024,7,AB-005\n"}))
    assert frame.loc[3, "code"] == "AB-005" and frame.loc[3, ["price", "remark"]].isna().all()
    assert "Line 5 has 3 fields, expected 5: the missing last fields are read as empty." in notes


def test_several_short_rows_are_one_note(tmp_path):
    _, notes = read(write_rows(tmp_path, {5: "05/05/2024,7,AB-005\n", 8: "08/05/2024,7\n"}))
    assert notes.count("expected 5") == 1 and "2 rows, first line 5" in notes


def test_a_short_row_whose_values_fit_other_columns_is_refused(tmp_path):
    with pytest.raises(DataError, match="sales.csv: expected 5 fields, but line 5 has 4. The values are shifted"):
        read(write_rows(tmp_path, {5: "05/05/2024,AB-005,$1.05,\n"}))


@pytest.mark.parametrize("row", ["05/05/2024,,5,AB-005,$1.05,\n", "05/05/2024,5,AB-005,,$1.05,\n"])
def test_a_superfluous_empty_field_is_left_out_where_it_is(tmp_path, row):
    frame, notes = read(write_rows(tmp_path, {5: row}))
    assert frame.loc[3, ["day", "count", "code"]].tolist() == ["05/05/2024", 5, "AB-005"]
    assert frame.loc[3, "price"] == pytest.approx(1.05) and frame["remark"].isna().all()
    assert "Line 5 has 6 fields, expected 5" in notes


def test_a_superfluous_field_at_an_unknown_position_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,c,d,note\n1,2,3,4,\n5,,6,7,8,\n9,8,7,6,\n")
    with pytest.raises(DataError, match="table.csv: expected 5 fields, but line 3 has 6. Which empty field is"):
        read(path)


@pytest.mark.parametrize("second", ["day,count,code,price\n", "day,count,code,price,remark,colour\n"])
def test_a_second_table_is_refused_with_its_line(tmp_path, second):
    path = write_rows(tmp_path, {})
    width = second.count(",")
    path.write_text(path.read_text() + second + ("1" + "," * width + "\n") * 5)
    with pytest.raises(DataError, match=f"sales.csv: line 22 begins a second table.*has {width + 1} fields"):
        read(path)
    table = text_rows.read_table(path)
    assert len(table.rows) == 20 and table.header == HEADER.strip().split(",")


def test_an_open_quote_is_refused_but_readable_as_text(tmp_path):
    path = write_rows(tmp_path, {5: '05/05/2024,"5,AB-005,$1.05,"red, dark"\n'})
    with pytest.raises(DataError, match="a quote in line 5 is never closed"):
        read(path)
    table = text_rows.read_table(path)
    assert table.rows[3] == ["05/05/2024", '"5', "AB-005", "$1.05", "red, dark"]
    assert table.rows[4][0] == "06/05/2024" and len(table.rows) == 20
    assert [fault.line for fault in table.faults] == [5]


@pytest.mark.parametrize("column", range(5))
def test_an_extra_quote_in_any_column_keeps_the_row(tmp_path, column):
    cells = ["05/05/2024", "5", "AB-005", "$1.05", '"red, dark"']
    cells[column] = '"' + cells[column]
    table = text_rows.read_table(write_rows(tmp_path, {5: ",".join(cells) + "\n"}))
    expected = ["05/05/2024", "5", "AB-005", "$1.05", "red, dark"]
    expected[column] = '"' + expected[column]
    assert table.rows[3] == expected and len(table.rows) == 20


def test_text_tables_are_rectangular(tmp_path):
    table = text_rows.read_table(
        write_rows(tmp_path, {5: "05/05/2024,5,AB-005,$1.05,red,dark,wide\n", 6: "06/05/2024\n"})
    )
    assert {len(row) for row in [table.header, *table.rows]} == {7}
    assert table.rows[3][4:] == ["red", "dark", "wide"]


def test_an_empty_file_is_an_empty_text_table(tmp_path):
    (tmp_path / "a.csv").write_text("")
    assert text_rows.read_table(tmp_path / "a.csv").rows == []


def test_row_names_without_a_header_name_are_a_column(tmp_path):
    (tmp_path / "a.csv").write_text('"x";"x"\n' + "".join(f'"Dim. {row}";"{row}";"1"\n' for row in range(9)))
    frame, _ = read(tmp_path / "a.csv")
    assert frame.shape == (9, 3) and frame.iloc[3, 0] == "Dim. 3"


GLUED = {
    "a row that is short": '5,pen"A blue pen",1.5,x\n',
    "a row that is as wide as the header": '5,pen"A pen, blue",1.5,x\n',
    "a doubled quote": '5,"pen 5""""Made of steel, blue",1.5,x\n',
}


@pytest.mark.parametrize("kind", GLUED)
def test_a_separator_missing_before_a_quote_is_told(tmp_path, kind):
    rows = [f'{row},pen,"A pen, red",{row}.5,x\n' for row in range(2, 22)]
    rows[3] = GLUED[kind]
    path = tmp_path / "pens.csv"
    path.write_text("id,name,about,price,note\n" + "".join(rows))
    assert "Line 5" in " ".join(text_rows.read_table(path).notes)
    try:
        _, notes = read(path)
    except DataError as error:
        assert "line 5 has 4" in str(error)
    else:
        assert "contains a quote between two words in row 4" in notes


@pytest.mark.parametrize("value", ['5"x3" board', 'the ""best"" pen', '<a href=""b"">c</a>', '{""a"":1,""b"":2}'])
def test_quotes_within_values_raise_no_doubt(tmp_path, value):
    path = tmp_path / "pens.csv"
    path.write_text("id,name\n" + f'1,"{value}"\n'.replace('5"x3"', '5""x3""') * 9)
    assert "quote" not in read(path)[1]


def test_empty_names_too_many_are_left_out(tmp_path):
    path = write_rows(tmp_path, {}, header="day,count,,code,price,remark\n")
    frame, notes = read(path)
    assert list(frame) == ["day", "count", "code", "price", "remark"] and frame.loc[0, "code"] == "AB-002"
    assert "Line 1, the header, has 6 fields, but the rows have 5" in notes
    assert text_rows.read_table(path).header == HEADER.strip().split(",")


def test_a_header_with_a_name_too_few_is_told(tmp_path):
    _, notes = read(write_rows(tmp_path, {}, header="daycount,code,price,remark\n"))
    assert "Line 1, the header, has 4 fields, but every row below has 5" in notes


def test_faults_that_remain_in_a_text_table_are_told_with_their_line(tmp_path):
    changes = {5: "05/05/2024,AB-005,$1.05,\n", 7: "07/05/2024,7,AB-007,$1.07,red,dark\n", 9: HEADER}
    path = write_rows(tmp_path, changes)
    path.write_text(path.read_text() + "day,count,code,price\n1,2,3,4\n")
    notes = " ".join(text_rows.read_table(path).notes)
    assert "Line 5 has 4 fields, expected 5: the values are shifted into other columns" in notes
    assert "Line 7 has 6 fields, expected 5: there are more values than columns" in notes
    assert "Line 9 repeats the header" in notes and "Line 22 has 4 fields, expected 5: a second table begins" in notes


@pytest.mark.parametrize("rows", [20, 40_000])
def test_quotes_within_quotes_that_are_not_doubled_are_kept(tmp_path, rows):
    lines = [f'{row},"red, dark","a ""fine"" one"\n' for row in range(rows)]
    lines[rows - 3] = f'{rows - 3},"red "and" dark",x\n'
    path = tmp_path / "pens.csv"
    path.write_text("id,colour,remark\n" + "".join(lines))
    frame, notes = read(path)
    assert frame["colour"].iloc[rows - 3] == 'red "and" dark' and frame["remark"].iloc[0] == 'a "fine" one'
    assert f"Line {rows - 1:,}: a quote within a value was read as part of the value" in notes
    schema = TableSchema.from_dict(frame.attrs[frames.SCHEMA])
    parts = [schema_reader.to_frame(batch) for batch in schema_reader.read(schema, [path], 30_000)]
    assert sum(map(len, parts)) == rows and parts[-1]["colour"].iloc[-3] == 'red "and" dark'


def test_a_ragged_file_may_have_a_line_break_in_a_name(tmp_path):
    path = write_rows(tmp_path, {5: "05/05/2024,7,AB-005\n"}, header='day,"count\nper day",code,price,remark\n')
    frame, _ = read(path)
    assert list(frame)[1] == "count\nper day" and frame.shape == (20, 5)
