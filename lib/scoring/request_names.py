"""The column names of a request, which may differ from the model's names in their Unicode form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lib.schema.text_values import compose_text
from lib.scoring.request_error import RequestError

_MAX_QUOTED_LENGTH = 100


def to_model_spelling(names: list | None, rows: list, known: set[str]) -> tuple[list | None, list]:
    """Return the column names and rows of a request, with each name in the model's own Unicode form.

    Parameters
    ----------
    names : list or None
        Column names of the request; None if its rows are records.
    rows : list
        The rows of the request, as lists of values or as records. They have not been checked.
    known : set of str
        The names of the model's columns.

    Raises
    ------
    RequestError
        If a record has the same name twice, in different Unicode forms.
    """
    if names is not None:
        if all(type(name) is str and name in known for name in names):
            return names, rows
        spellings = _spellings(known)
        return [_find_spelling(name, spellings) for name in names], rows
    if all(type(row) is not dict or row.keys() <= known for row in rows):
        return None, rows
    spellings = _spellings(known)
    return None, [_rename_keys(row, spellings) if type(row) is dict else row for row in rows]


def _spellings(known: set[str]) -> dict[str, str]:
    """Return the model's spelling of each name by the name's composed form."""
    return {compose_text(name): name for name in known}


def _find_spelling(name: Any, spellings: Mapping[str, str]) -> Any:
    return spellings.get(compose_text(name), name) if type(name) is str else name


def _rename_keys(row: dict[str, Any], spellings: Mapping[str, str]) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in row.items():
        new_name = _find_spelling(name, spellings)
        if new_name in renamed:
            message = (
                f"An object has the key {json.dumps(new_name[:_MAX_QUOTED_LENGTH], ensure_ascii=False)} more than once."
            )
            raise RequestError(400, "duplicate_key", message)
        renamed[new_name] = value
    return renamed
