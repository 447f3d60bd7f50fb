"""Tables as people have them are read correctly, or refused with file and line."""

import codecs
import gzip
import io
import warnings
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import DataError, NameNotFound
from lib.tables import frames
from lib.tables.files import parquet_writer

CSV = "name,price,sold\nÄpfel,1.5,3\npears,2.25,\n"
FRAME = pd.DataFrame({"name": ["Äpfel", "pears"], "price": [1.5, 2.25], "sold": [3, None]})


@pytest.fixture(autouse=True)
def no_warnings():
    """Turn warnings into errors: they would clutter executed notebooks."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a file and reads it as a table."""

    def write_and_read(name, content):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return frames.read(file)

    return write_and_read


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
    ("utf-16 from Excel.txt", CSV.replace(",", "\t").encode("utf-16")),
    ("a.csv.gz", gzip.compress(CSV.encode())),
    ("a.zip", zipped(**{"inside.csv": CSV})),
    ("windows.csv.gz", gzip.compress(CSV.encode("cp1252"))),
]


class TestText:
    @pytest.mark.parametrize(("name", "content"), DIALECTS, ids=[name for name, _ in DIALECTS])
    def test_all_dialects_yield_the_same_table(self, read, name, content):
        pd.testing.assert_frame_equal(read(name, content), FRAME)

    def test_column_names_lose_only_surrounding_spaces(self, read):
        assert list(read("a.csv", ' a ,"b, (c) $/?."\n1,2\n').columns) == ["a", "b, (c) $/?."]

    def test_a_single_column_is_read(self, read):
        assert read("a.csv", "a\n1\n2\n").to_dict("list") == {"a": [1, 2]}

    def test_line_breaks_and_separators_in_quotes_are_text(self, read):
        frame = read("a.csv", 'a,"b\nc"\n1,"x\n""y"", z"\n2,"\n\n"\n')
        assert frame.to_dict("list") == {"a": [1, 2], "b\nc": ['x\n"y", z', "\n\n"]}

    def test_commas_in_text_do_not_separate_columns(self, read):
        frame = read("a.csv", "a;b\n1;one, two, three\n2;four\n")
        assert frame.to_dict("list") == {"a": [1, 2], "b": ["one, two, three", "four"]}

    def test_ambiguous_thousands_separators_stay_text(self, read):
        frame = read("a.csv", "thousands;texts;decimals\n1,024;1,5;0,125\n12;x;3,250\n0;2,5;1\n")
        assert frame["thousands"].tolist() == ["1,024", "12", "0"] and frame["texts"].tolist() == ["1,5", "x", "2,5"]
        assert frame["decimals"].tolist() == [0.125, 3.25, 1.0]

    def test_decimal_comma_columns_may_have_missing_values(self, read):
        assert read("a.csv", "a;b\n-1,5;x\n;y\n").a.isna().tolist() == [False, True]

    def test_booleans_with_missing_values_are_read(self, read):
        assert read("a.csv", "a;b\nTrue;1\n;2\nFalse;3\n").a.tolist()[::2] == [True, False]

    def test_floats_are_read_exactly(self, read):
        exact = np.random.default_rng(0).normal(size=500)
        assert (read("a.csv", "a\n" + "\n".join(map(repr, map(float, exact)))).a == exact).all()

    def test_mixed_columns_have_one_type_in_all_rows(self, read):
        frame = read("a.csv", "a,b\n" + "1,1\n" * 30_000 + "n.a.,x\n" + "1,y\n" * 30_000)
        assert frame["a"].isna().sum() == 1 and frame["a"].sum() == 60_000
        assert frame["b"].map(type).eq(str).all()

    def test_trailing_separators_are_ignored(self, read):
        assert read("a.csv", "a,b\n1,2,\n3,4,\n").to_dict("list") == {"a": [1, 3], "b": [2, 4]}

    def test_short_rows_are_padded_with_missing_values(self, read):
        assert read("a.csv", "a,b,c\n1,2,3\n4,5\n")["c"].isna().tolist() == [False, True]

    @pytest.mark.parametrize("header", ["a,b,a", "\na, b, a", '"a",b,"a"', "a,b,a "])
    def test_repeated_column_names_are_kept(self, read, header):
        # preprocess decides what to do with them; reading must not invent a column "a.1".
        frame = read("a.csv", header + "\n1,2,3\n")
        assert list(frame.columns) == ["a", "b", "a"] and frame.to_numpy().tolist() == [[1, 2, 3]]


REFUSED = [
    ("a.csv", "", "a.csv is empty .0 bytes."),
    ("a.csv", "\n \n", "a.csv has no header"),
    ("a.csv", codecs.BOM_UTF8, "a.csv has no header"),
    ("a.csv.gz", gzip.compress(b""), "a.csv.gz has no header"),
    ("a.csv", "a,b\n", "a header of 2 columns and no rows"),
    ("a.csv", "a,b\n1,2\n3,4,5\n6,7\n", "expected 2 fields, but line 3 has 3. Fix this line"),
    ("a.csv", "a,b\n1,2,3\n4,5,6\n", "the header has 2 names, but every row has more fields: line 2 has 3"),
    ("a.csv", 'a,b\n1,"2\n3,4\n', "a quote in line 2 is never closed. Fix that line"),
    ("a.csv", b"a,b\n1,2\n3\x005,4\n", "line 3 contains a NUL byte"),
    ("a.csv", CSV.encode("utf-16-le"), "every character in line 1 contains a NUL byte"),
    ("a.csv", b"a\n\x81\n", "neither UTF-8 nor Windows-1252: line 2 contains the byte 0x81"),
    ("a.csv.gz", CSV, "Not a gzipped file"),
    ("a.csv.gz", gzip.compress(bytes(range(256)))[:100], "ended before the end-of-stream marker"),
    ("a.csv.gz", gzip.compress(b"")[:10] + b"\xff" * 40, "cannot be read: Error -3"),
    ("a.zip", CSV, "not a zip file"),
    ("a.zip", zipped(), "contains 0 files; expected one"),
    ("a.zip", zipped(a=CSV, b=CSV), "contains 2 files; expected one. Unpack the archive"),
    ("a.xlsx", "PK", ".xlsx files are not supported. Supported: .parquet, .pq, .csv"),
    ("table", CSV, "a file name without a suffix is not supported.*If it is a text file.*rename it to .csv"),
    ("shop.db", CSV, ".db files are not supported.*Name a table of the database: sqlite:///shop.db#customers"),
    ("a.parquet", CSV, "not a complete Parquet file"),
    ("a.parquet", parquet(FRAME)[:400], "not a complete Parquet file"),
    ("a.parquet", parquet(FRAME[:0]), "a header of 3 columns and no rows"),
]


class TestRefused:
    @pytest.mark.parametrize(("name", "content", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
    def test_unreadable_files_are_refused(self, read, name, content, message):
        with pytest.raises(DataError, match=message) as error:
            read(name, content)
        assert name in str(error.value)

    def test_encrypted_archives_are_refused(self, read):
        content = bytearray(zipped(a=CSV))
        content[6] |= 1  # the encryption flag in the local header, and below in the central directory
        content[content.index(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(DataError, match="a.zip cannot be read: .*encrypted"):
            read("a.zip", bytes(content))

    def test_damaged_archives_are_refused(self, read):
        content = bytearray(zipped(a="".join(f"{number},{number**2}\n" for number in range(2000))))
        content[60:80] = b"\xff" * 20
        with pytest.raises(DataError, match="a.zip cannot be read"):
            read("a.zip", bytes(content))

    @pytest.mark.parametrize("path", ["nowhere.csv", "."])
    def test_missing_files_and_folders_are_refused(self, tmp_path, path):
        with pytest.raises(DataError, match=r"is not a file. Give the path of a table .\.parquet, .pq, .csv"):
            frames.read(tmp_path / path)


class TestColumn:
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])

    def test_is_selected_by_name(self):
        assert frames.get_column(self.frame, "b", "t.csv").tolist() == [2]

    def test_that_is_repeated_is_refused_with_positions(self):
        with pytest.raises(DataError, match="t.csv has 2 columns named 'a': columns 1 and 3. Rename all but one"):
            frames.get_column(self.frame, "a", "t.csv")

    def test_missing_beside_a_single_one_suggests_the_separator(self):
        with pytest.raises(DataError, match="t.csv has no column 'b', only the column 'a:b'. Perhaps the separator"):
            frames.get_column(pd.DataFrame({"a:b": ["1:2"]}), "b", "t.csv")

    def test_that_is_missing_suggests_the_nearest_name(self):
        with pytest.raises(NameNotFound, match="no column 'B' in t.csv. Did you mean 'b'"):
            frames.get_column(self.frame, "B", "t.csv")


class TestParquet:
    def test_types_survive_a_round_trip(self, tmp_path):
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
        parquet_writer.write(frame, tmp_path / "new" / "folder" / "t.parquet")
        pd.testing.assert_frame_equal(frames.read(tmp_path / "new" / "folder" / "t.parquet"), frame)

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
    def test_unsupported_types_become_text(self, tmp_path, values, texts):
        parquet_writer.write(pd.DataFrame({"c": values}), tmp_path / "t.parquet")
        assert frames.read(tmp_path / "t.parquet")["c"].tolist() == texts

    def test_only_a_named_index_becomes_a_column(self, read):
        named = FRAME.set_index("name")
        pd.testing.assert_frame_equal(read("a.parquet", parquet(named)), FRAME)
        unnamed = FRAME.set_index(pd.Index([7, 3]))
        pd.testing.assert_frame_equal(read("a.pq", parquet(unnamed)), FRAME)

    def test_a_failed_write_keeps_the_old_file(self, tmp_path, monkeypatch):
        file = tmp_path / "t.parquet"
        parquet_writer.write(FRAME, file)
        before = file.read_bytes()

        def full_disk(writer, table, **options):
            raise OSError("No space left on device")

        monkeypatch.setattr(pq.ParquetWriter, "write_table", full_disk)
        with pytest.raises(OSError, match="No space left"):
            parquet_writer.write(FRAME[:1], file)
        assert file.read_bytes() == before

    def test_writing_leaves_no_temporary_files(self, tmp_path):
        parquet_writer.write(FRAME, tmp_path / "t.parquet")
        assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]

    def test_writing_does_not_change_the_frame(self, tmp_path):
        frame = pd.DataFrame({"c": pd.Series([1, "a"], dtype=object)})
        parquet_writer.write(frame, tmp_path / "t.parquet")
        assert frame["c"].tolist() == [1, "a"]

    def test_other_parquet_readers_can_read_the_file(self, tmp_path):
        parquet_writer.write(FRAME, tmp_path / "t.parquet")
        assert pa.parquet.read_table(tmp_path / "t.parquet").column_names == ["name", "price", "sold"]


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_extreme_numbers_and_empty_tables_are_round_tripped(rows, tmp_path):
    frame = pd.DataFrame(
        {
            "long": np.array([1, -5, 2**63 - 1, -(2**63)]),
            "byte": np.array([0, 255, 3, 4], dtype="uint8"),
            "unsigned": np.array([0, 2**64 - 1, 3, 4], dtype="uint64"),
            "gaps": [1.5, None, float("inf"), -0.0],
            "none": [None] * 4,
        }
    ).head(rows)
    parquet_writer.write(frame, tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), frame, check_dtype=rows > 0)


def test_columns_share_the_schema_of_their_table(read):
    """pandas copies a frame's attrs for every column; copies of the schema of a wide table would take minutes."""
    frame = read("table.csv", CSV)
    assert frame["price"].attrs["schema"] is frame.attrs["schema"]
    assert frame.copy().attrs["notes"] is frame.attrs["notes"]
