"""Tables as people have them: read as they were meant, or refused by file and line."""

import codecs
import gzip
import io
import warnings
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.data import tables
from lib.errors import DataError, NameNotFound

CSV = "name,price,sold\nÄpfel,1.5,3\npears,2.25,\n"
FRAME = pd.DataFrame({"name": ["Äpfel", "pears"], "price": [1.5, 2.25], "sold": [3, None]})


@pytest.fixture(autouse=True)
def no_warnings():
    """A warning would stand in an executed notebook, for people to wonder at."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def read(tmp_path):
    """Read what is written to a file of that name."""

    def written(name, content):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return tables.read(file)

    return written


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parquet(frame, **options):
    buffer = io.BytesIO()
    frame.to_parquet(buffer, **options)
    return buffer.getvalue()


DIALECTS = [
    ("a.csv", CSV),
    ("a.CSV", CSV),
    ("a.csv", CSV.replace("\n", "\r\n")),
    ("a.csv", CSV.replace("\n", "\r")),
    ("a.csv", "\n" + CSV),
    ("a.csv", CSV.rstrip("\n")),
    ("a.tsv", CSV.replace(",", "\t")),
    ("tabs in a.csv", CSV.replace(",", "\t")),
    ("a.txt", CSV.replace(",", "|")),
    ("a.csv", CSV.replace(",", ";")),
    ("decimal comma.csv", CSV.replace(",", ";").replace(".", ",")),
    ("bom.csv", codecs.BOM_UTF8 + CSV.encode()),
    ("windows.csv", CSV.encode("cp1252")),
    ("utf-16 of Excel.txt", CSV.replace(",", "\t").encode("utf-16")),
    ("a.csv.gz", gzip.compress(CSV.encode())),
    ("a.zip", zipped(**{"inside.csv": CSV})),
    ("windows.csv.gz", gzip.compress(CSV.encode("cp1252"))),
]


class TestText:
    @pytest.mark.parametrize(("name", "content"), DIALECTS, ids=[name for name, _ in DIALECTS])
    def test_one_table_in_its_many_dialects(self, read, name, content):
        pd.testing.assert_frame_equal(read(name, content), FRAME)

    def test_names_lose_the_blanks_at_their_ends_and_nothing_else(self, read):
        assert list(read("a.csv", ' a ,"b, (c) $/?."\n1,2\n').columns) == ["a", "b, (c) $/?."]

    def test_a_single_column_is_a_table(self, read):
        assert read("a.csv", "a\n1\n2\n").to_dict("list") == {"a": [1, 2]}

    def test_newlines_commas_and_quotes_inside_of_quotes_are_text(self, read):
        frame = read("a.csv", 'a,"b\nc"\n1,"x\n""y"", z"\n2,"\n\n"\n')
        assert frame.to_dict("list") == {"a": [1, 2], "b\nc": ['x\n"y", z', "\n\n"]}

    def test_a_comma_in_a_text_does_not_separate(self, read):
        frame = read("a.csv", "a;b\n1;one, two, three\n2;four\n")
        assert frame.to_dict("list") == {"a": [1, 2], "b": ["one, two, three", "four"]}

    def test_commas_that_may_part_thousands_stay_text(self, read):
        frame = read("a.csv", "thousands;texts;decimals\n1,024;1,5;0,125\n12;x;3,250\n0;2,5;1\n")
        assert frame["thousands"].tolist() == ["1,024", "12", "0"] and frame["texts"].tolist() == ["1,5", "x", "2,5"]
        assert frame["decimals"].tolist() == [0.125, 3.25, 1.0]

    def test_decimal_commas_may_be_missing(self, read):
        assert read("a.csv", "a;b\n-1,5;x\n;y\n").a.isna().tolist() == [False, True]

    def test_truths_beside_missing_ones_are_read(self, read):
        assert read("a.csv", "a;b\nTrue;1\n;2\nFalse;3\n").a.tolist()[::2] == [True, False]

    def test_decimals_are_read_to_the_last_digit(self, read):
        exact = np.random.default_rng(0).normal(size=500)
        assert (read("a.csv", "a\n" + "\n".join(map(repr, map(float, exact)))).a == exact).all()

    def test_a_column_of_mixed_content_is_of_one_type_from_the_first_row_to_the_last(self, read):
        frame = read("a.csv", "a,b\n" + "1,1\n" * 30_000 + "n.a.,x\n" + "1,y\n" * 30_000)
        assert frame["a"].isna().sum() == 1 and frame["a"].sum() == 60_000
        assert frame["b"].map(type).eq(str).all()

    def test_rows_that_end_in_a_separator_are_read(self, read):
        assert read("a.csv", "a,b\n1,2,\n3,4,\n").to_dict("list") == {"a": [1, 3], "b": [2, 4]}

    def test_a_row_too_short_lacks_its_last_values(self, read):
        assert read("a.csv", "a,b,c\n1,2,3\n4,5\n")["c"].isna().tolist() == [False, True]

    @pytest.mark.parametrize("header", ["a,b,a", "\na, b, a", '"a",b,"a"', "a,b,a "])
    def test_a_name_given_twice_stays_twice(self, read, header):
        # preprocess refuses it by name; here it must not turn into a column "a.1" that nobody gave.
        frame = read("a.csv", header + "\n1,2,3\n")
        assert list(frame.columns) == ["a", "b", "a"] and frame.to_numpy().tolist() == [[1, 2, 3]]


REFUSED = [
    ("a.csv", "", "a.csv is empty .0 bytes."),
    ("a.csv", "\n \n", "a.csv has no header"),
    ("a.csv", codecs.BOM_UTF8, "a.csv has no header"),
    ("a.csv.gz", gzip.compress(b""), "a.csv.gz has no header"),
    ("a.csv", "a,b\n", "a header of 2 columns and no row"),
    ("a.csv", "a,b\n1,2\n3,4,5\n6,7\n", "expected 2 fields, but line 3 has 3. Mend these lines"),
    ("a.csv", "a,b\n1,2,3\n4,5,6\n", "its rows have more fields .3. than its header has names .2."),
    ("a.csv", 'a,b\n1,"2\n3,4\n', "a quote in line 2 is never closed. Mend that line"),
    ("a.csv", b"a,b\n1,2\n3\x005,4\n", "line 3 has a NUL byte"),
    ("a.csv", CSV.encode("utf-16-le"), "line 1 has a NUL byte"),
    ("a.csv", b"a\n\x81\n", "neither UTF-8 nor Windows' Latin-1: line 2 has the byte 0x81"),
    ("a.csv.gz", CSV, "Not a gzipped file"),
    ("a.csv.gz", gzip.compress(bytes(range(256)))[:100], "ended before the end-of-stream marker"),
    ("a.csv.gz", gzip.compress(b"")[:10] + b"\xff" * 40, "cannot be read: Error -3"),
    ("a.zip", CSV, "not a zip file"),
    ("a.zip", zipped(), "holds 0 files; expected one"),
    ("a.zip", zipped(a=CSV, b=CSV), "holds 2 files; expected one. Unpack it"),
    ("a.xlsx", "PK", "a .xlsx file cannot be read; known are .parquet, .pq, .csv"),
    ("table", CSV, "a nameless file cannot be read.*Where it is text.*give it the ending .csv"),
    ("shop.db", CSV, "a .db file cannot be read.*Name a table of it: sqlite:///shop.db#customers"),
    ("a.parquet", CSV, "no whole Parquet file"),
    ("a.parquet", parquet(FRAME)[:400], "no whole Parquet file"),
    ("a.parquet", parquet(FRAME[:0]), "a header of 3 columns and no row"),
]


class TestRefused:
    @pytest.mark.parametrize(("name", "content", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
    def test_what_is_no_table(self, read, name, content, said):
        with pytest.raises(DataError, match=said) as error:
            read(name, content)
        assert name in str(error.value)

    def test_an_encrypted_archive(self, read):
        content = bytearray(zipped(a=CSV))
        content[6] |= 1  # the flags of the file's own header, and of its entry in the list at the end
        content[content.index(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(DataError, match="a.zip cannot be read: .*encrypted"):
            read("a.zip", bytes(content))

    def test_a_broken_archive(self, read):
        content = bytearray(zipped(a="".join(f"{number},{number**2}\n" for number in range(2000))))
        content[60:80] = b"\xff" * 20
        with pytest.raises(DataError, match="a.zip cannot be read"):
            read("a.zip", bytes(content))

    @pytest.mark.parametrize("path", ["nowhere.csv", "."])
    def test_what_is_no_file(self, tmp_path, path):
        with pytest.raises(DataError, match="is no file. Give the path of a .parquet or .csv"):
            tables.read(tmp_path / path)


class TestColumn:
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])

    def test_is_found_by_its_name(self):
        assert tables.column(self.frame, "b", "t.csv").tolist() == [2]

    def test_that_is_there_twice_is_refused_with_its_places(self):
        with pytest.raises(DataError, match="t.csv has 2 columns 'a' .columns 1 and 3.. Rename all but one"):
            tables.column(self.frame, "a", "t.csv")

    def test_that_is_not_there_beside_a_single_one_may_be_for_its_separator(self):
        with pytest.raises(DataError, match="t.csv has no column 'b' but one alone, 'a:b'. Is it separated by"):
            tables.column(pd.DataFrame({"a:b": ["1:2"]}), "b", "t.csv")

    def test_that_is_not_there_is_told_with_the_nearest(self):
        with pytest.raises(NameNotFound, match="no column 'B' in t.csv. Did you mean 'b'"):
            tables.column(self.frame, "B", "t.csv")


class TestParquet:
    def test_types_come_back(self, tmp_path):
        frame = pd.DataFrame(
            {
                "whole": [1, 2],
                "decimal": [0.1, np.nan],
                "flag": [True, False],
                "text": ["a", None],
                "category": pd.Categorical(["x", None]),
                "when": pd.to_datetime(["2024-01-01", None]),
                "in Berlin": pd.to_datetime(["2024-01-01", None]).tz_localize("Europe/Berlin"),
                "°C": np.array([1.5, 2], dtype="float32"),
            }
        )
        tables.write(frame, tmp_path / "new" / "folder" / "t.parquet")
        pd.testing.assert_frame_equal(tables.read(tmp_path / "new" / "folder" / "t.parquet"), frame)

    @pytest.mark.parametrize(
        ("values", "texts"),
        [
            (pd.Series([1, "a", None, 2.5, True], dtype=object), ["1", "a", None, "2.5", "True"]),
            (pd.Series([2**70, 1], dtype=object), [str(2**70), "1"]),
            (pd.Series(pd.cut([1, 9], [0, 5, 10])), ["(0, 5]", "(5, 10]"]),
            (pd.Series([1 + 2j, 3]), ["(1+2j)", "(3+0j)"]),
        ],
        ids=["mixed", "large numbers", "intervals", "complex numbers"],
    )
    def test_what_parquet_cannot_hold_becomes_text(self, tmp_path, values, texts):
        tables.write(pd.DataFrame({"c": values}), tmp_path / "t.parquet")
        assert tables.read(tmp_path / "t.parquet")["c"].tolist() == texts

    def test_a_named_index_is_a_column_and_one_without_a_name_is_none(self, read):
        named = FRAME.set_index("name")
        pd.testing.assert_frame_equal(read("a.parquet", parquet(named)), FRAME)
        unnamed = FRAME.set_index(pd.Index([7, 3]))
        pd.testing.assert_frame_equal(read("a.pq", parquet(unnamed)), FRAME)

    def test_a_table_is_written_whole_or_not_at_all(self, tmp_path, monkeypatch):
        file = tmp_path / "t.parquet"
        tables.write(FRAME, file)
        before = file.read_bytes()

        def full_disk(writer, table, **options):
            raise OSError("No space left on device")

        monkeypatch.setattr(tables.pq.ParquetWriter, "write_table", full_disk)
        with pytest.raises(OSError, match="No space left"):
            tables.write(FRAME[:1], file)
        assert file.read_bytes() == before

    def test_only_the_table_is_left_after_writing(self, tmp_path):
        tables.write(FRAME, tmp_path / "t.parquet")
        assert [one.name for one in tmp_path.iterdir()] == ["t.parquet"]

    def test_the_caller_keeps_the_frame_as_it_was(self, tmp_path):
        frame = pd.DataFrame({"c": pd.Series([1, "a"], dtype=object)})
        tables.write(frame, tmp_path / "t.parquet")
        assert frame["c"].tolist() == [1, "a"]

    def test_any_reader_of_parquet_reads_it(self, tmp_path):
        tables.write(FRAME, tmp_path / "t.parquet")
        assert pa.parquet.read_table(tmp_path / "t.parquet").column_names == ["name", "price", "sold"]


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_numbers_of_every_size_come_back_and_so_does_a_table_without_rows(rows, tmp_path):
    frame = pd.DataFrame(
        {
            "long": np.array([1, -5, 2**63 - 1, -(2**63)]),
            "byte": np.array([0, 255, 3, 4], dtype="uint8"),
            "unsigned": np.array([0, 2**64 - 1, 3, 4], dtype="uint64"),
            "gaps": [1.5, None, float("inf"), -0.0],
            "none": [None] * 4,
        }
    ).head(rows)
    tables.write(frame, tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), frame, check_dtype=rows > 0)
