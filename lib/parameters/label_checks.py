"""Checks of the parameter ``labels``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.errors import suggest

_KEYS = ("data", "key", "column")


def label_faults(labels: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault in the parameter ``labels``.

    Examples
    --------
    >>> label_faults({"data": "paid.csv", "key": "order", "column": "paid"})
    []
    >>> label_faults({"data": "paid.csv", "key": "order", "columns": "paid"})[0]
    "labels: there is no key 'columns'. Did you mean 'column'? Known: data, key, column."
    """
    faults = [f"labels: there is no key {key!r}. {suggest(str(key), _KEYS)}" for key in labels if key not in _KEYS]
    for name in _KEYS:
        value = labels.get(name)
        if value is None and labels:
            faults.append(
                f"labels needs {name}: {{data: paid.csv, key: order, column: paid}} names a table, the columns that "
                "identify a row, and the column of true values."
            )
        elif name == "key" and value is not None and not _is_key(value):
            faults.append(f"labels: key is {value!r}; expected the name of a column, or a list of names.")
        elif name != "key" and value is not None and not (isinstance(value, str) and value):
            expected = "a table" if name == "data" else "the name of a column"
            faults.append(f"labels: {name} is {value!r}; expected {expected}.")
    return faults


def _is_key(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name for name in names)
