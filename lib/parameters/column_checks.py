"""Checks of what the parameters say about the columns of the table."""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Mapping
from typing import Any

from lib.errors import suggest
from lib.schema.table_schema import DATETIME, KINDS, NUMBER, ORDERED, PARTS_OF_DATE, ColumnSchema, SchemaError
from lib.schema.zone_names import find_zone

_MIN_SIMILARITY = 0.5


def column_faults(columns: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each column whose entries, as users write them, are not those of a table schema.

    Examples
    --------
    >>> column_faults({"size": {"kind": "ordered"}})
    ['size: the kind ordered needs `order`, the categories from the lowest to the highest.']
    """
    faults = []
    for name, entries in columns.items():
        if not isinstance(entries, Mapping):
            faults.append(f"{name} is {entries!r}; expected a mapping, e.g. {{kind: code}}.")
            continue
        kind = entries.get("kind", DATETIME if "from" in entries else NUMBER)
        if kind not in KINDS:
            faults.append(f"{name}: kind is {kind!r}. {suggest(str(kind), KINDS)}")
            continue
        if "from" in entries and (fault := _from_fault(entries["from"], kind)):
            faults.append(f"{name}: {fault}")
            continue
        try:
            column = ColumnSchema.from_dict(name, {"kind": kind, **entries})
        except SchemaError as error:
            faults.append(str(error))
            continue
        if (column.kind == ORDERED) != bool(column.order):
            faults.append(f"{name}: the kind ordered needs `order`, the categories from the lowest to the highest.")
        if fault := unknown_time_zone(column.time_zone):
            faults.append(f"{name}: time_zone: {fault}")
    return faults


def _from_fault(names: Any, kind: str) -> str:
    """Return why a date cannot be made of the columns that ``from`` lists; empty if it can."""
    parts = ", ".join(PARTS_OF_DATE)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return f"from is {names!r}; expected a list of column names in the order {parts}."
    if not 2 <= len(names) <= len(PARTS_OF_DATE):
        return f"from lists {len(names)} of the columns {parts}; expected two to six, in this order."
    if len(set(names)) < len(names):
        return f"from lists {max(names, key=names.count)!r} twice; expected different columns for {parts}."
    return "" if kind == DATETIME else f"a column with `from` is a datetime, not a {kind}. Remove `kind`."


def used_part_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each parameter that names a column which ``from`` of another column uses up."""
    columns = values.get("columns") or {}
    used = {
        part: name
        for name, entries in columns.items()
        if isinstance(entries, Mapping) and isinstance(entries.get("from"), list)
        for part in entries["from"]
        if isinstance(part, str)
    }
    named = {
        "target_column": [values.get("target_column")],
        "drop_columns": values.get("drop_columns") or [],
        "key_columns": values.get("key_columns") or [],
        "time_column": [values.get("time_column")],
    }
    return [
        f"{parameter}: {name!r} becomes part of the column {used[name]!r} (columns), which replaces it. Name "
        f"{used[name]!r}, or remove it."
        for parameter, names in named.items()
        for name in names
        if isinstance(name, str) and name in used
    ]


def unknown_time_zone(name: str) -> str:
    """Return why a name is not a time zone; empty if it is one, or if the name is empty.

    Examples
    --------
    >>> unknown_time_zone("Europe/Berlin"), unknown_time_zone("+05:30")
    ('', '')
    >>> unknown_time_zone("Berlin")
    "there is no time zone 'Berlin'. Did you mean 'Europe/Berlin'? Write an IANA name or an offset such as '+02:00'."
    """
    if not name:
        return ""
    try:
        find_zone(name)
    except ValueError:
        names = {known.casefold(): known for known in zoneinfo.available_timezones()}
        names |= {known.rpartition("/")[2]: full for known, full in names.items()}  # a city is enough to be recognized
        wanted = name.casefold().replace(" ", "_")
        nearest = difflib.get_close_matches(wanted, sorted(names), n=1, cutoff=_MIN_SIMILARITY)
        meant = f"Did you mean {names[nearest[0]]!r}? " if nearest else ""
        return f"there is no time zone {name!r}. {meant}Write an IANA name or an offset such as '+02:00'."
    return ""
