"""Locations of tables: folders, patterns, remote addresses and databases."""

import functools
import http.server
import sqlite3
import threading

import pandas as pd
import pytest

from lib.errors import DataError, NameNotFound
from lib.tables import sources

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})


class TestFiles:
    def test_a_pattern_reads_files_in_the_order_of_names(self, tmp_path):
        FRAME[1:].to_csv(tmp_path / "2024-02.csv", index=False)
        FRAME[:1].to_csv(tmp_path / "2024-01.csv", index=False)
        pd.testing.assert_frame_equal(sources.read(str(tmp_path / "2024-*.csv")), FRAME)

    def test_a_column_has_one_type_in_all_files(self, tmp_path):
        (tmp_path / "1.csv").write_text("code,n\n501,1\n")
        (tmp_path / "2.csv").write_text("code,n\n00502,1.5\n")
        (tmp_path / "3.csv").write_text("code,n\nA3,\n")
        frame = sources.read(str(tmp_path / "*.csv"))
        assert frame["code"].tolist() == ["501", "00502", "A3"]
        assert frame["n"].tolist()[:2] == [1.0, 1.5]

    def test_files_with_other_columns_are_refused(self, tmp_path):
        FRAME.to_csv(tmp_path / "1.csv", index=False)
        FRAME.rename(columns={"b": "c"}).to_csv(tmp_path / "2.csv", index=False)
        with pytest.raises(
            DataError, match="2.csv and .*1.csv have different columns; only one of the files has: b, c"
        ):
            sources.read(str(tmp_path / "*.csv"))

    def test_parquet_folder_names_become_columns(self, tmp_path):
        for year in (2023, 2024):
            (tmp_path / f"year={year}").mkdir()
            FRAME.to_parquet(tmp_path / f"year={year}" / "part-0.parquet")
        (tmp_path / "_SUCCESS").touch()
        frame = sources.read(str(tmp_path))
        assert frame["year"].tolist() == [2023] * 3 + [2024] * 3 and frame["a"].tolist() == [1, 2, 3] * 2

    def test_excluded_columns_are_not_read(self, tmp_path):
        FRAME.to_parquet(tmp_path / "t.parquet")
        frame = sources.read(str(tmp_path / "t.parquet"), exclude=["b"])
        assert list(frame.columns) == ["a"] and frame.attrs["unread"] == ["b"]
        with pytest.raises(NameNotFound, match="no column 'c'"):
            sources.read(str(tmp_path / "t.parquet"), exclude=["c"])

    @pytest.mark.parametrize(
        ("names", "pattern", "message"),
        [
            ([], "*.csv", "No file matches"),
            ([], "", "a folder without a table"),
            (["1.csv", "2.parquet"], "", "contains both Parquet files .2.parquet. and text files .1.csv."),
        ],
    )
    def test_locations_without_a_table_are_refused(self, tmp_path, names, pattern, message):
        for name in names:
            (tmp_path / name).write_text("a\n1\n")
        with pytest.raises(DataError, match=message):
            sources.read(f"{tmp_path}/{pattern}")

    def test_other_files_in_a_folder_are_ignored(self, tmp_path):
        for name, text in {
            "README.txt": "what this is",
            "part-0.csv": "a,b\n1,x\n",
            "part-1.csv": "",
            "_SUCCESS": "",
        }.items():
            (tmp_path / name).write_text(text)
        assert sources.read(str(tmp_path)).to_dict("list") == {"a": [1], "b": ["x"]}

    def test_strings_can_be_arrow_backed(self, tmp_path):
        FRAME.to_csv(tmp_path / "t.csv", index=False)
        assert sources.read(str(tmp_path / "t.csv"), arrow_strings=True)["b"].dtype == "str"
        assert sources.read(str(tmp_path / "t.csv"))["b"].dtype == object

    def test_the_frame_is_writable(self, tmp_path):
        FRAME.to_parquet(tmp_path / "t.parquet")
        frame = sources.read(str(tmp_path / "t.parquet"))
        frame.loc[0, "a"] = 7
        assert frame["a"].tolist() == [7, 2, 3]


@pytest.fixture
def server(tmp_path):
    """Serve a folder over HTTP, and yield the address."""
    pytest.importorskip("aiohttp", reason='needs make install GROUPS="sources"')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()
        thread.join()


class TestAddresses:
    @pytest.fixture(autouse=True)
    def packages(self):
        pytest.importorskip("fsspec", reason='needs make install GROUPS="sources"')
        pytest.importorskip("aiohttp", reason='needs make install GROUPS="sources"')

    def test_a_remote_file_is_read(self, server, tmp_path):
        FRAME.to_csv(tmp_path / "t.csv.gz", index=False)
        pd.testing.assert_frame_equal(sources.read(f"{server}/t.csv.gz"), FRAME)

    def test_a_missing_remote_file_is_refused(self, server):
        with pytest.raises(DataError, match=f"{server}/gone.csv does not exist"):
            sources.read(f"{server}/gone.csv")

    def test_secrets_come_from_the_environment_unseen(self, server, monkeypatch):
        with pytest.raises(DataError, match="environment variable MILLRACE_KEY is not set"):
            sources.read(server + "/t.csv?key=${MILLRACE_KEY}")
        monkeypatch.setenv("MILLRACE_KEY", "hush")
        with pytest.raises(DataError) as error:
            sources.read(server + "/t.csv?key=${MILLRACE_KEY}")
        assert "hush" not in str(error.value)

    @pytest.mark.parametrize(("write", "name"), [("to_csv", "export"), ("to_parquet", "table.of?format=x")])
    def test_without_a_suffix_the_content_decides_the_type(self, server, tmp_path, write, name):
        getattr(FRAME, write)(tmp_path / name.partition("?")[0], index=False)
        pd.testing.assert_frame_equal(sources.read(f"{server}/{name}"), FRAME)

    def test_messages_show_the_address(self, server, tmp_path):
        (tmp_path / "login.csv").write_text("<!DOCTYPE html><html>")
        with pytest.raises(DataError, match=f"^{server}/login.csv is not a table but an HTML or XML page"):
            sources.read(f"{server}/login.csv")

    def test_an_unknown_protocol_is_refused(self):
        pytest.importorskip("fsspec")
        with pytest.raises(DataError, match="nosuch://a/b cannot be read: ValueError: Protocol not known"):
            sources.read("nosuch://a/b")


class TestDatabases:
    @pytest.fixture
    def shop(self, tmp_path):
        connection = sqlite3.connect(tmp_path / "shop.db")
        FRAME.to_sql("customers", connection, index=False)
        connection.close()
        return f"sqlite:///{tmp_path}/shop.db"

    def test_a_missing_database_is_refused_and_not_created(self, tmp_path):
        with pytest.raises(DataError, match="There is no file .*none.db"):
            sources.read(f"sqlite:///{tmp_path}/none.db#customers")
        assert not (tmp_path / "none.db").exists()

    def test_repeated_columns_of_a_query_are_kept(self, shop):
        assert list(sources.read(f"{shop}#SELECT a, a, b FROM customers")) == ["a", "a", "b"]

    def test_byte_columns_are_decoded_or_left_out(self, tmp_path):
        with sqlite3.connect(tmp_path / "b.db") as connection:
            connection.execute("CREATE TABLE t (a, b BLOB, c BLOB)")
            connection.execute("INSERT INTO t VALUES (1, ?, ?)", (b"word", b"\xff"))
        frame = sources.read(f"sqlite:///{tmp_path}/b.db#t")
        assert frame.to_dict("list") == {"a": [1], "b": ["word"]}
        assert frame.attrs["notes"] == ["c is left out: its cells contain bytes that are not text."]

    def test_tables_and_queries_are_read(self, shop):
        pd.testing.assert_frame_equal(sources.read(f"{shop}#customers"), FRAME)
        assert sources.read(f"{shop}#SELECT a FROM customers WHERE a > 1")["a"].tolist() == [2, 3]

    def test_a_missing_table_or_column_is_refused(self, shop):
        with pytest.raises(NameNotFound, match="no table 'customer' in .*Did you mean 'customers'"):
            sources.read(f"{shop}#customer")
        with pytest.raises(DataError, match="names a database but no table"):
            sources.read(shop)
        with pytest.raises(DataError, match="no such column: z"):
            sources.read(f"{shop}#SELECT z FROM customers")
