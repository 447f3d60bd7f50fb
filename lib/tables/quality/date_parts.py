"""Detection of columns that contain parts of a date or time, such as year, month, day and hour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lib.schema.combined_dates import month_number
from lib.schema.table_schema import PARTS_OF_DATE
from lib.tables.quality.profile import TEXT, WHOLE, ColumnProfile

# Pattern of a part's names in English, German, French, Spanish and Italian, and the range of its numbers.
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
    """Return the columns that contain parts of a date, by part: year, month, day, hour, minute, second, weekday.

    A column contains a part if its name is the part's name, or starts or ends with it, and if its whole numbers are in
    the part's range or its texts are names of months. The columns of one date have the other words of their names in
    common, as ``Yr Sold`` and ``Mo Sold`` have. Of several dates, the one with the most parts is returned.

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
        part, other_words = _find_part(column)
        if part:
            dates.setdefault(other_words, {}).setdefault(part, column.name)
    return max(dates.values(), key=len, default={})


def list_time_columns(parts: Mapping[str, str], columns: Mapping[str, ColumnProfile]) -> list[str]:
    """Return the columns that order rows in time, from year to second.

    Parameters
    ----------
    parts : mapping of str to str
        The result of `find_date_parts`.
    columns : mapping of str to ColumnProfile

    Returns
    -------
    list of str
        Empty unless there is a column of years with four digits, and either a month or a name such as ``year`` alone.
    """
    year = parts.get("year")
    if year is None or (columns[year].minimum or 0) < _MIN_FULL_YEAR:
        return []
    names = [year]
    for part in PARTS_OF_DATE[1:]:  # a part orders rows only together with all larger parts
        if part not in parts:
            break
        names.append(parts[part])
    return names if len(names) > 1 or len(_split_name(year)) == 1 else []


def _find_part(column: ColumnProfile) -> tuple[str, tuple[str, ...]]:
    """Return the part of a date that a column contains, and the other words of its name; empty if it contains none."""
    words = _split_name(column.name)
    for part, (pattern, low, high) in _PARTS.items():
        if not (_is_in_range(column, low, high) or (part == "month" and _contains_month_names(column))):
            continue
        for part_words, other_words in ((words, ()), (words[:1], words[1:]), (words[-1:], words[:-1])):
            if re.fullmatch(pattern, " ".join(part_words)):
                return part, other_words
    return "", ()


def _is_in_range(column: ColumnProfile, low: int, high: int) -> bool:
    if column.kind != WHOLE or column.minimum is None or column.maximum is None or column.distinct < 2:
        return False
    return low <= column.minimum and column.maximum <= high


def _contains_month_names(column: ColumnProfile) -> bool:
    return column.kind == TEXT and bool(column.categories) and all(map(month_number, column.categories))


def _split_name(name: str) -> tuple[str, ...]:
    """Return the words of a column name in lower case."""
    return tuple(word.casefold() for word in _SEPARATORS.split(name) if word)
