"""The supported file types of tables, by file name suffix, and advice on unsupported types."""

from __future__ import annotations

from pathlib import Path

from lib.errors import DataError

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".gz", ".zip")
_ADVICE = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), "Save the sheet as CSV UTF-8."),
    **dict.fromkeys((".bz2", ".xz", ".zst", ".7z", ".rar", ".tar"), "Unpack the file, or compress it as .gz."),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "Name a table of the database: sqlite:///shop.db#customers."),
    **dict.fromkeys(
        (".json", ".jsonl", ".xml", ".feather", ".orc", ".avro", ".sav", ".dta", ".rds"), "Save the table as CSV."
    ),
}


def check_file(path: Path) -> None:
    """Check that a path is a non-empty file of a supported type.

    Raises
    ------
    DataError
        If the file is missing, empty or of another type.
    """
    supported = ", ".join(PARQUET_SUFFIXES + TEXT_SUFFIXES)
    if not path.is_file():
        raise DataError(f"{path} is not a file. Give the path of a table ({supported}).")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes). Give a table with a header and rows.")
    suffix = path.suffix.lower()
    if suffix not in PARQUET_SUFFIXES + TEXT_SUFFIXES:
        file_type = f"{suffix} files are" if suffix else "a file name without a suffix is"
        advice = _ADVICE.get(suffix, "If it is a text file, with any separator, rename it to .csv.")
        raise DataError(f"{path}: {file_type} not supported. Supported: {supported}. {advice}")
