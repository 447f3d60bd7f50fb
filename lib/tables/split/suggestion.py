"""Suggestion of a split for a new table, by its repeated entities, its counters and its times."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from lib.tables.quality import id_columns
from lib.tables.quality.counters import Counter, find_counter
from lib.tables.quality.date_parts import find_date_parts, list_time_columns
from lib.tables.quality.entities import find_entity_key
from lib.tables.quality.profile import DATE, TEXT, WHOLE, ColumnProfile

# A counter is compared with at most this many columns, in each of whose values it may start again.
_MAX_GROUP_COLUMNS = 50
_TIMESTAMP_NAME = ("time", "timestamp", "date", "datetime", "ts", "epoch", "unixtime", "zeit", "datum")
# Ranges of seconds and of milliseconds since 1970, for 1980 to 2100, and of dates written as one number (20240131).
_TIMESTAMP_RANGES = ((315_532_800, 4_102_444_800), (315_532_800_000, 4_102_444_800_000), (19_000_101, 21_001_231))


@dataclass
class SplitSuggestion:
    """How a table could be split.

    Attributes
    ----------
    key_columns : list of str
        The columns that identify groups; empty for a split by rows.
    reason : str
        Why rows with the same key belong together.
    counters : list of Counter
        Columns that count rows and start again, e.g. in each group.
    date_parts : dict of str to str
        The columns that hold parts of a date, by part.
    time_columns : list of str
        One column that orders rows in time, or the columns with parts of a date, from year to minute. May be empty.
    """

    key_columns: list[str] = field(default_factory=list)
    reason: str = ""
    counters: list[Counter] = field(default_factory=list)
    date_parts: dict[str, str] = field(default_factory=dict)
    time_columns: list[str] = field(default_factory=list)


def suggest_split(
    frame: pd.DataFrame, columns: Mapping[str, ColumnProfile], target_column: str, ignored: Collection[str] = ()
) -> SplitSuggestion:
    """Suggest a split by group if rows of one entity repeat, and list the columns with times.

    Parameters
    ----------
    frame : DataFrame
        Rows with a target.
    columns : mapping of str to ColumnProfile
    target_column : str
    ignored : collection of str
        Columns that no model learns from; they are not suggested.
    """
    profiles = {name: column for name, column in columns.items() if name not in ignored and name != target_column}
    parts = find_date_parts(profiles.values())
    others = [name for name, column in profiles.items() if name not in parts.values() and column.kind in (WHOLE, TEXT)]
    suggestion = SplitSuggestion(date_parts=parts, time_columns=_find_times(profiles, parts))
    suggestion.counters = _find_counters(frame, target_column, [name for name in others if columns[name].kind == WHOLE])
    suggestion.key_columns, suggestion.reason = _find_key(
        frame, target_column, {name: profiles[name] for name in others}, suggestion.counters
    )
    return suggestion


def _find_key(
    frame: pd.DataFrame, target_column: str, profiles: Mapping[str, ColumnProfile], counters: list[Counter]
) -> tuple[list[str], str]:
    """Return the columns that identify repeated entities, and the reason why they do; empty if there are none.

    An entity is recognized by a column's name, by equal targets in all its rows, or by a counter of its rows.
    """
    for column in profiles.values():
        if id_columns.is_group_id(column):
            return [column.name], f"{column.name} has {column.distinct:,} distinct values in {column.rows:,} rows"
    key = find_entity_key(frame, target_column, [*profiles])
    if key:
        return key, f"each repeated value of {' and '.join(key)} has one value of {target_column}"
    for counter in counters:
        if counter.groups in profiles and id_columns.has_enough_groups(profiles[counter.groups]):
            return [counter.groups], f"{counter.name} counts the rows of each {counter.groups}"
    return [], ""


def _find_counters(frame: pd.DataFrame, target_column: str, numbers: list[str]) -> list[Counter]:
    """Return the columns of whole numbers (`numbers`) that count rows and start again."""
    groups = [target_column, *[name for name in frame.columns if name != target_column][:_MAX_GROUP_COLUMNS]]
    return [counter for name in numbers if (counter := find_counter(frame, name, groups))]


def _find_times(profiles: Mapping[str, ColumnProfile], parts: Mapping[str, str]) -> list[str]:
    """Return the first column of dates or timestamps, or else the parts of a date, from year to minute."""
    for name, column in profiles.items():
        if column.kind == DATE or _is_timestamp(column):
            return [name]
    return list_time_columns(parts, profiles)


def _is_timestamp(column: ColumnProfile) -> bool:
    """Return whether a column has a name like a time, and whole numbers that are epoch times or dates as yyyymmdd."""
    if column.kind != WHOLE or column.minimum is None or column.maximum is None:
        return False
    has_time_name = column.name.casefold().replace(" ", "_").endswith(_TIMESTAMP_NAME)
    return has_time_name and any(low <= column.minimum and column.maximum <= high for low, high in _TIMESTAMP_RANGES)
