"""Text files as SAP, R, MySQL, SAS and spreadsheets of many countries export them: every cell is read correctly."""

import pytest

from lib.errors import DataError
from lib.tables import frames

nan = float("nan")
ROWS = range(1, 7)


def lines(header, row, count=6):
    return header + "\n" + "".join(row.format(i=i) + "\n" for i in range(1, count + 1))


# Name: (text of the file, expected values of some columns, text in the notes).
FILES = {
    "two decimal commas": (lines("x;price;y", "0,{i}5;1.234,{i};a"), {"x": [0.15], "price": [1234.1]}, "semicolons"),
    "a title with a comma": (lines("Sales, net\nmonth;value", "{i};{i},5"), {"month": [1], "value": [1.5]}, "1 line"),
    "euros": (lines("x;price", "0,5;1.234,{i}0 €"), {"price": [1234.1]}, "'1.234,10 €' is read as"),
    "zloty": (lines("x;price", "0,5;1 234,{i}0 zł"), {"price": [1234.1]}, "is read as"),
    "reais": (lines("x;price", "0,5;R$ 1.234,{i}0"), {"price": [1234.1]}, "is read as"),
    "rupees": (lines("x,price", '1,"12,34,56{i}.50"'), {"price": [1234561.5]}, ""),
    "thousands in a tab-separated file": (lines("x\tprice", "1\t1,23{i}.50"), {"price": [1231.5]}, ""),
    "decimal commas in quotes": (
        lines("x,price", '1,"0,14{i}"'),
        {"price": [0.141]},
        "decimal separator is the comma",
    ),
    "points and decimal commas": (
        lines("x,price", '1.23{i},"0,14{i}"'),
        {"x": [1231], "price": [0.141]},
        "comma",
    ),
    "both decimal separators": (
        lines("x,price,z", '1.23{i},"0,14{i}",0.5{i}'),
        {"x": [1.231], "price": [0.141]},
        "comma",
    ),
    "lists of numbers": ('a,b\n1,"1,3"\n2,"1,2,3"\n3,4\n', {"b": ["1,3", "1,2,3", "4"]}, ""),
    "powers of ten": (lines("x;v", "0,5;{i},5E-07"), {"v": [1.5e-07]}, ""),
    "R's write.table": (lines('"x" "y"', '"{i}" 0.5 "a b"'), {"Unnamed: 0": [1], "x": [0.5], "y": ["a b"]}, "spaces"),
    "R's row names": (lines("x,y", "{i},0.5,a"), {"Unnamed: 0": [1], "x": [0.5], "y": ["a"]}, ""),
    "trailing separators": (lines("id,x,y", "{i},0.5,a,"), {"id": [1], "x": [0.5], "y": ["a"]}, ""),
    "fixed width": (lines("    x     y", "  {i}.5   red"), {"x": [1.5], "y": ["red"]}, "separated by spaces"),
    "comments above columns of spaces": (
        lines("# made by me, today\n# twice\n x   y   c", "{i:>2}  0.5  red"),
        {"x": [1], "y": [0.5], "c": ["red"]},
        "2 lines above",
    ),
    "a title above rare separators": (lines("Sensor 7\nx^y", "{i}^0.5"), {"x": [1], "y": [0.5]}, "1 line above"),
    "addresses in a single column": (lines("address", "{i} Main Street"), {"address": ["1 Main Street"]}, ""),
    "names in a single column": (lines("name", "Ann Lee"), {"name": ["Ann Lee"]}, ""),
    "tildes": (lines("x~y", "{i}.5~red"), {"x": [1.5], "y": ["red"]}, "separated by tildes"),
    "spaces before quotes": (lines("x, y", '{i}, "red, dark"'), {"x": [1], "y": ["red, dark"]}, ""),
    "backslashes before quotes": (
        lines("x,y,z", '{i},"{{\\"a\\": {i}, \\"b\\": 2}}",0'),
        {"y": ['{"a": 1, "b": 2}'], "z": [0]},
        "",
    ),
    "a path that ends in a backslash": (lines("x,y", '{i},"C:\\"'), {"y": ["C:\\"]}, ""),
    "MySQL's null": (lines("x,y", "{i},red") + "\\N,\\N\n", {"x": [1, 2, 3, 4, 5, 6, nan]}, ""),
    "MySQL's null beside its quotes": (
        'x,y,z\n1,"say \\"a\\"",5\n\\N,"b\\"",\\N\n3,\\N,"N"\n',
        {"x": [1, nan, 3], "y": ['say "a"', 'b"', nan], "z": ["5", nan, "N"]},
        "",
    ),
    "a title of two lines": (lines('"Sales\nof May"\nx,c,y', "{i},red,a"), {"x": [1], "c": ["red"]}, "1 line above"),
    "plus sign before thousands": (lines("a;b", "+1.02{i};0,5"), {"a": [1021], "b": [0.5]}, "comma"),
    "phone numbers": (lines("x,phone", "{i},+4930123456{i}"), {"phone": ["+49301234561"]}, ""),
    "codes with an E": (lines("x,code", "{i},0{i}E05"), {"code": ["01E05"]}, ""),
    "invisible characters": (lines("n\u200bame,v", "red,\u200e{i}.5\u202c"), {"name": ["red"], "v": [1.5]}, ""),
    "comments": (lines("# made, on, Monday\n# by me\nx,c,y", "{i},red,a"), {"x": [1], "y": ["a"]}, "2 lines above"),
    "a header that starts with #": (lines("#x,c,y", "{i},red,a"), {"#x": [1], "y": ["a"]}, ""),
    "column groups": (
        lines("Measured,,Result\nx,c,y", "{i},red,a"),
        {"x": [1], "y": ["a"]},
        "1 line above",
    ),
    "columns without names": (lines(",,y", "{i}.5,2,a"), {"Unnamed: 0": [1.5], "y": ["a"]}, ""),
    "units": (
        lines("x,c,y", "{i}.5,red,a", 20).replace("x,c,y", "x,c,y\nm/s,,"),
        {"x": [1.5], "y": ["a"]},
        "Line 2 contains units",
    ),
    "types": (
        lines("x,c\nfloat,str", "{i}.5,red", 20),
        {"x": [1.5], "c": ["red"]},
        "Line 2 contains units or types",
    ),
    "a first value that is missing": (lines("x,c\nn/a,US", "{i}.5,DE"), {"x": [nan, 1.5], "c": ["US", "DE"]}, ""),
    "mixed line endings": (
        "x,c\r1,a\n2,b\r3,c\n" + "".join(f"{i},d\r{i},e\n" for i in range(9)),
        {"x": [1, 2, 3], "c": ["a", "b", "c"]},
        "",
    ),
    "a cell of 300,000 characters": ("x,y\n1,a,\n2," + "long " * 60_000 + "\n", {"x": [1, 2]}, ""),
}


@pytest.mark.parametrize("name", FILES)
def test_exported_files_are_read_correctly(name, tmp_path):
    text, columns, note = FILES[name]
    (tmp_path / "a.csv").write_bytes(text.encode())
    frame = frames.read(tmp_path / "a.csv")
    assert note in " ".join(frame.attrs[frames.NOTES])
    for column, values in columns.items():
        cells = frame[column].where(frame[column].notna(), nan)
        assert cells.head(len(values)).tolist() == pytest.approx(values, nan_ok=True), column


def test_values_below_a_limit_keep_a_column_as_text(tmp_path):
    (tmp_path / "a.csv").write_text("v\n" + "".join(f"{i / 7:.2f}\n" for i in range(60)) + "<0.5\n" * 9)
    notes = " ".join(frames.read(tmp_path / "a.csv").attrs[frames.NOTES])
    assert "v stays text: 9 of its values are not numbers ('<0.5')" in notes


def test_a_quote_closed_many_rows_later_is_refused(tmp_path):
    rows = [f"{i},red,a\n" for i in range(60)]
    rows[20] = rows[40] = '20,"open,a\n'
    (tmp_path / "a.csv").write_text("x,c,y\n" + "".join(rows))
    with pytest.raises(DataError, match="a.csv: the quote that opens in line 22 is not closed before line 42"):
        frames.read(tmp_path / "a.csv")


def test_lines_within_a_value_may_look_like_rows(tmp_path):
    (tmp_path / "a.csv").write_text('x,y\n1,"A Street, B\nC Street, D\n"\n2,z\n')
    assert frames.read(tmp_path / "a.csv")["y"].tolist() == ["A Street, B\nC Street, D\n", "z"]
