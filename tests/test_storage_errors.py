"""Storage errors of SQLite, MLflow and the system become one sentence and exit code 2."""

import errno
import os
import sqlite3

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException

from lib import commands, storage_errors
from lib.errors import DataError, StorageError


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE numbers (number)")
        connection.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in range(5000)])
    connection.close()
    return path


def write(path, uri_options="mode=rw", *pragmas):
    connection = sqlite3.connect(f"{path.as_uri()}?{uri_options}", uri=True, timeout=0)
    try:
        for pragma in pragmas:
            connection.execute(pragma)
        connection.execute("INSERT INTO numbers SELECT number + randomblob(900) FROM numbers")
        connection.commit()
    finally:
        connection.close()


def write_while_locked(path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        write(path)
    finally:
        other.close()


def write_damaged(path):
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    write(path)


def write_no_database(path):
    path.write_bytes(b"something else" * 1000)
    write(path)


FAULTS = {
    "locked": (write_while_locked, "Another program has locked it"),
    "damaged": (write_damaged, "The file is damaged"),
    "not a database": (write_no_database, "The file is damaged"),
    "full": (lambda path: write(path, "mode=rw", "PRAGMA max_page_count = 1"), "There is no space left"),
    "read-only": (lambda path: write(path, "mode=ro"), "This user may not write there"),
    "missing folder": (lambda path: write(path.parent / "none" / "some.db"), "This user may not write there"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_a_real_database_are_explained(database, fault):
    cause, meaning = FAULTS[fault]
    with pytest.raises(StorageError) as raised, storage_errors.explained():
        cause(database)
    assert meaning in str(raised.value) and "\n" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_fault_wrapped_by_sqlalchemy_and_mlflow_is_explained(database):
    engine = sqlalchemy.create_engine(f"sqlite:///file:{database}?mode=ro&uri=true")
    with pytest.raises(StorageError, match="This user may not write there"), storage_errors.explained():
        try:
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text("DELETE FROM numbers"))
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise MlflowException(str(error)) from error
    engine.dispose()


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "may not write"),
        (errno.EACCES, "may not read or write"),
        (errno.EPERM, "may not read or write"),
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "does not work reliably"),
    ],
)
def test_a_command_ends_with_one_sentence_on_a_disk_error(monkeypatch, capsys, number, meaning):
    def fail(arguments):
        raise OSError(number, os.strerror(number), "runs/a/run.json")

    monkeypatch.setattr(commands, "_execute", fail)
    assert commands.main(["doctor"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("run_all.py: runs/a/run.json cannot be used") and meaning in line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("7"),
        FileNotFoundError(2, "No such file", "a"),
        PermissionError(errno.EACCES, "Permission denied"),  # of a port or a signal: it names no file
        DataError("no rows"),
    ],
)
def test_other_errors_are_raised_unchanged(error):
    with pytest.raises(type(error)) as raised, storage_errors.explained():
        raise error
    assert raised.value is error
