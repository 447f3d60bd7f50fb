"""Which files are tables, by the ends of their names, and what to do about others."""

from __future__ import annotations

from pathlib import Path

from lib.errors import DataError

PARQUET = (".parquet", ".pq")
TEXT = (".csv", ".tsv", ".txt", ".gz", ".zip")
_HINTS = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), "Save its sheet as CSV UTF-8."),
    **dict.fromkeys((".bz2", ".xz", ".zst", ".7z", ".rar", ".tar"), "Unpack it, or pack it as .gz."),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "Name a table of it: sqlite:///shop.db#customers."),
    **dict.fromkeys(
        (".json", ".jsonl", ".xml", ".feather", ".orc", ".avro", ".sav", ".dta", ".rds"), "Save it as CSV."
    ),
}


def check_file(path: Path) -> None:
    """Refuse what is no file, is empty, or has a name that says nothing known.

    Raises
    ------
    DataError
        With what to do.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file. Give the path of a {' or '.join(PARQUET[:1] + TEXT)} file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes). Give a table with a header and rows.")
    suffix = path.suffix.lower()
    if suffix not in PARQUET + TEXT:
        raise DataError(_unknown(path))


def _unknown(path: Path) -> str:
    """Why a file cannot be read whose name says nothing that is known, and what to do."""
    suffix = path.suffix.lower()
    hint = _HINTS.get(suffix, "Where it is text, whatever separates its values, give it the ending .csv.")
    return f"{path}: a {suffix or 'nameless'} file cannot be read; known are {', '.join(PARQUET + TEXT)}. {hint}"
