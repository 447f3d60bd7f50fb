"""The column formats of a model that an earlier release saved in a file of their own."""

from __future__ import annotations

import json
from pathlib import Path

from lib.schema.table_schema import DATETIME, DURATION, ColumnSchema, TableSchema

_FILE = "columns.json"


def read_schema(folder: Path) -> TableSchema:
    """Return the schema of the columns of dates, datetimes and durations; empty if the folder has no such file.

    The file has an entry for each of these columns, with the keys ``date_format``, ``time_zone``, ``unit`` (of
    datetimes), ``missing_codes`` and ``converted_from`` (``duration`` if training converted durations to seconds).
    """
    if not (folder / _FILE).is_file():
        return TableSchema({})
    content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return TableSchema(
        {
            name: ColumnSchema(
                name,
                DURATION if entry.get("converted_from") else DATETIME,
                missing_values=tuple(entry.get("missing_codes", ())),
                date_format=entry.get("date_format", ""),
                time_zone=entry.get("time_zone", ""),
                datetime_unit=entry.get("unit", ""),
            )
            for name, entry in content.items()
        }
    )
