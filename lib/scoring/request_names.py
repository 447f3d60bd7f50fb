"""The column names of a request: those that differ from the model's only in Unicode form mean the same column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lib.schema.text_values import compose_text
from lib.scoring.request_error import RequestError

_MAX_QUOTED = 100


def compose_names(names: list | None, rows: list, known: set[str]) -> tuple[list | None, list]:
    """Return the column names and the records of a request with the model's own spelling of each name.

    Parameters
    ----------
    names : list or None
        Column names; None if the rows are records.
    rows : list
        Lists of values, or records; not checked yet.
    known : set of str
        The names of the model's columns.

    Raises
    ------
    RequestError
        If a record has two spellings of one name.
    """
    if names is not None:
        if all(type(name) is str and name in known for name in names):
            return names, rows
        spellings = _spellings(known)
        return [_find(name, spellings) for name in names], rows
    if all(type(row) is not dict or row.keys() <= known for row in rows):
        return None, rows
    spellings = _spellings(known)
    return None, [_rename(row, spellings) if type(row) is dict else row for row in rows]


def _spellings(known: set[str]) -> dict[str, str]:
    return {compose_text(name): name for name in known}


def _find(name: Any, spellings: Mapping[str, str]) -> Any:
    return spellings.get(compose_text(name), name) if type(name) is str else name


def _rename(row: dict[str, Any], spellings: Mapping[str, str]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in row.items():
        new = _find(name, spellings)
        if new in renamed:
            message = f"An object has the key {json.dumps(new[:_MAX_QUOTED], ensure_ascii=False)} more than once."
            raise RequestError(400, "duplicate_key", message)
        renamed[new] = value
    return renamed
