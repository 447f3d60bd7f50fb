"""Checks of the parameter ``columns``, and of other parameters that contain names of columns."""

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
    """Return a sentence for each column in the parameter ``columns`` that a table schema cannot contain.

    Parameters
    ----------
    columns : mapping of str to mapping
        The entries of each column, as in a parameter file.

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
        if fault := time_zone_fault(column.time_zone):
            faults.append(f"{name}: time_zone: {fault}")
    return faults


def _from_fault(names: Any, kind: str) -> str:
    """Return why the columns that ``from`` lists cannot be combined to a date; empty if they can be."""
    parts = ", ".join(PARTS_OF_DATE)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return f"from is {names!r}; expected a list of column names in the order {parts}."
    if not 2 <= len(names) <= len(PARTS_OF_DATE):
        return f"from lists {len(names)} of the columns {parts}; expected two to six, in this order."
    if len(set(names)) < len(names):
        return f"from lists {max(names, key=names.count)!r} twice; expected different columns for {parts}."
    return "" if kind == DATETIME else f"a column with `from` is a datetime, not a {kind}. Remove `kind`."


def merged_column_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each parameter that names a column which ``from`` merges into another column."""
    columns = values.get("columns") or {}
    merged_into = {
        part: name
        for name, entries in columns.items()
        if isinstance(entries, Mapping) and isinstance(entries.get("from"), list)
        for part in entries["from"]
        if isinstance(part, str)
    }
    named_columns = {
        "target_column": [values.get("target_column")],
        "drop_columns": values.get("drop_columns") or [],
        "key_columns": values.get("key_columns") or [],
        "time_column": [values.get("time_column")],
        "groups": values.get("groups") or [],
        "weight_column": [values.get("weight_column")],
    }
    return [
        f"{parameter}: {name!r} becomes part of the column {merged_into[name]!r} (see columns), which replaces it. "
        f"Name {merged_into[name]!r} instead, or remove {name!r} from {parameter}."
        for parameter, names in named_columns.items()
        for name in names
        if isinstance(name, str) and name in merged_into
    ]


def time_zone_fault(name: str) -> str:
    """Return an error message if no time zone is called `name`; otherwise, or if `name` is empty, an empty string.

    Examples
    --------
    >>> time_zone_fault("Europe/Berlin"), time_zone_fault("+05:30")
    ('', '')
    >>> time_zone_fault("Berlin")
    "there is no time zone 'Berlin'. Did you mean 'Europe/Berlin'? Write an IANA name or an offset such as '+02:00'."
    """
    if not name:
        return ""
    try:
        find_zone(name)
    except ValueError:
        zones = {zone.casefold(): zone for zone in zoneinfo.available_timezones()}
        zones |= {folded.rpartition("/")[2]: zone for folded, zone in zones.items()}  # by the city alone, too
        wanted = name.casefold().replace(" ", "_")
        similar = difflib.get_close_matches(wanted, sorted(zones), n=1, cutoff=_MIN_SIMILARITY)
        question = f"Did you mean {zones[similar[0]]!r}? " if similar else ""
        return f"there is no time zone {name!r}. {question}Write an IANA name or an offset such as '+02:00'."
    return ""
