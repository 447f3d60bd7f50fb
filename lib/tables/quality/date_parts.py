"""Columns that hold parts of a date or time, such as year, month, day and hour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lib.schema.combined_dates import month_number
from lib.schema.table_schema import PARTS_OF_DATE
from lib.tables.quality.profile import TEXT, WHOLE, ColumnProfile

# Names in English, German, French, Spanish and Italian, and the range of the numbers.
_PARTS: dict[str, tuple[str, int, int]] = {
    "year": (r"year|yr|yyyy|jahr|ann[eé]e|a[nñ]o|anno", 1, 2200),
    "month": (r"month|mon|mnth|mth|mo|monat|mois|mes|mese", 0, 12),
    "day": (r"day|dy|tag|jour|d[ií]a|giorno|day ?of ?month|dom", 1, 31),
    "hour": (r"hour|hr|hh|stunde|heure|hora|ora", 0, 24),
    "minute": (r"minute|minuto", 0, 59),
    "second": (r"second|sec|sekunde|seconde|segundo|secondo", 0, 59),
    "weekday": (r"week ?day|day ?of ?week|dow|wochentag", 0, 7),
}
_SEPARATORS = re.compile(r"[\s_.\-]+|(?<=[a-z])(?=[A-Z])")
_MIN_FULL_YEAR = 1800


def find_date_parts(columns: Iterable[ColumnProfile]) -> dict[str, str]:
    """Return the names of the columns that hold parts of a date, by part: year, month, day, hour, ..., weekday.

    A column is a part if its name is one, or ends or begins with one, and its whole numbers are in the part's range, or
    its texts are names of months. The parts of one date have the rest of the name in common, as ``Yr Sold`` and
    ``Mo Sold`` have. If there are several dates, the one of the most parts is returned.

    Parameters
    ----------
    columns : iterable of ColumnProfile

    Examples
    --------
    >>> month = ColumnProfile("Month", WHOLE, rows=90, missing=0, distinct=12, minimum=1, maximum=12)
    >>> find_date_parts([month])
    {'month': 'Month'}
    """
    dates: dict[tuple[str, ...], dict[str, str]] = {}
    for column in columns:
        part, rest = _part_of(column)
        if part:
            dates.setdefault(rest, {}).setdefault(part, column.name)
    return max(dates.values(), key=len, default={})


def parts_of_time(parts: Mapping[str, str], columns: Mapping[str, ColumnProfile]) -> list[str]:
    """Return the columns that order rows in time, from year to second.

    Parameters
    ----------
    parts : mapping of str to str
        The result of `find_date_parts`.
    columns : mapping of str to ColumnProfile

    Returns
    -------
    list of str
        Empty unless there is a year of four digits, and a month or a column with just the name of a year.
    """
    year = parts.get("year")
    if year is None or (columns[year].minimum or 0) < _MIN_FULL_YEAR:
        return []
    names = [year]
    for part in PARTS_OF_DATE[1:]:  # without the month, the day says nothing
        if part not in parts:
            break
        names.append(parts[part])
    return names if len(names) > 1 or len(_words(year)) == 1 else []


def _part_of(column: ColumnProfile) -> tuple[str, tuple[str, ...]]:
    """Return the part that a column holds, or an empty text, and the rest of its name."""
    words = _words(column.name)
    for part, (pattern, low, high) in _PARTS.items():
        if not (_is_in_range(column, low, high) or (part == "month" and _are_months(column))):
            continue
        for name, rest in ((words, ()), (words[:1], words[1:]), (words[-1:], words[:-1])):
            if re.fullmatch(pattern, " ".join(name)):
                return part, rest
    return "", ()


def _is_in_range(column: ColumnProfile, low: int, high: int) -> bool:
    if column.kind != WHOLE or column.minimum is None or column.maximum is None or column.distinct < 2:
        return False
    return low <= column.minimum and column.maximum <= high


def _are_months(column: ColumnProfile) -> bool:
    return column.kind == TEXT and bool(column.categories) and all(map(month_number, column.categories))


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _SEPARATORS.split(name) if word)
