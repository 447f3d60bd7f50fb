"""The data contract: the rules that a table must follow before training, in a YAML file beside the parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.tables.quality import limits
from lib.tables.quality.profile import BOOLEAN, NUMBERS, TEXT, WHOLE, ColumnProfile

# A new contract accepts tables with half of the rows, and twice the share of missing or invalid values plus five
# percentage points; it accepts larger shares if the table has few rows.
_MIN_ROWS_SHARE = 0.5
_SHARE_FACTOR, _SHARE_MARGIN = 2, 0.05


@dataclass(frozen=True)
class ColumnRules:
    """Rules of one column; a rule that is None is not checked.

    Attributes
    ----------
    type : str or None
        One of ``boolean``, ``whole number``, ``number``, ``date``, ``text``.
    nullable : bool
        Whether values may be missing.
    max_missing_share : float or None
        Maximum share of missing values.
    max_invalid_share : float or None
        Maximum share of values of another type, such as ``2024-03-08 24:00`` among dates, or of another category.
    minimum, maximum : float or None
        Range, both ends included.
    categories : list of str or None
        Allowed values.
    unique : bool
        Whether every value may occur only once.
    bins : dict of float to float or None
        Share of the numbers in each bin, keyed by its upper edge. Drift is measured from it.
    shares : dict of str to float or None
        Share of each category. Drift is measured from it.
    sample_size : int or None
        Number of values that `bins` or `shares` were measured from. Contracts of earlier versions lack it.
    """

    type: str | None = None
    nullable: bool = True
    max_missing_share: float | None = None
    max_invalid_share: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    categories: list[str] | None = None
    unique: bool = False
    bins: dict[float, float] | None = None
    shares: dict[str, float] | None = None
    sample_size: int | None = None


@dataclass(frozen=True)
class Contract:
    """Rules of a table.

    Attributes
    ----------
    columns : dict of str to ColumnRules
    key : list of str
        Columns that together identify a row.
    min_rows : int
    allow_extra_columns : bool
        Whether columns that the contract does not list are allowed.
    max_drift : float or None
        Maximum population stability index of any column, without the part that is expected by chance.
    """

    columns: dict[str, ColumnRules]
    key: list[str] = field(default_factory=list)
    min_rows: int = 1
    allow_extra_columns: bool = False
    max_drift: float | None = 0.1


def from_profile(profile: Mapping[str, ColumnProfile], key: list[str] | None = None) -> Contract:
    """Return a contract that a table fulfills, with tolerance for the next one like it."""
    rows = max((column.rows for column in profile.values()), default=0)
    columns = {name: _make_column_rules(column) for name, column in profile.items()}
    return Contract(columns, list(key or []), _min_next_rows(rows))


def _make_column_rules(column: ColumnProfile) -> ColumnRules:
    """Return the rules that a column fulfills, with tolerance for the next table."""
    rules: dict[str, Any] = {"type": column.kind, **_missing_rules(column)}
    if column.invalid:
        rules["max_invalid_share"] = _tolerated_share(column.invalid, column.rows)
    is_counter = column.is_unique and column.kind == WHOLE  # its range grows with the table
    if column.kind in NUMBERS and column.minimum is not None and not is_counter:
        rules["minimum"], rules["maximum"] = map(_round, limits.find_plausible_range(column))
        rules["bins"] = {_to_int_if_whole(edge): round(share, 4) for edge, share in column.bins.items()}
        rules["sample_size"] = column.present
    if column.categories and column.kind in (TEXT, BOOLEAN):
        rules |= _category_rules(column)
    return ColumnRules(**rules)


def _missing_rules(column: ColumnProfile) -> dict[str, Any]:
    """Return the limit of missing values; no limit if all values are missing.

    A column without missing values gets a limit above 0 too: the next table may contain some.
    """
    if column.missing == column.rows:
        return {}
    return {"max_missing_share": _tolerated_share(column.missing, column.rows)}


def _category_rules(column: ColumnProfile) -> dict[str, Any]:
    """Return the share of each category; for text, also the allowed categories and the accepted share of others."""
    present = sum(column.categories.values())
    shares = {category: round(rows / present, 4) for category, rows in column.categories.items()}
    rules: dict[str, Any] = {"shares": shares, "sample_size": present}
    if column.kind == TEXT:
        # The share of rows whose category occurs only once estimates the share of unknown categories in new rows (Good,
        # Biometrika 40, 1953).
        single_count = sum(rows == 1 for rows in column.categories.values())
        share = limits.tolerated_share(single_count, present, _min_next_rows(present))
        rules |= {"categories": list(column.categories), "max_invalid_share": round_up(share)}
    return rules


def _tolerated_share(count: int, rows: int) -> float:
    """Return the accepted share of missing or invalid values, of which a table of `rows` rows has `count`."""
    margin = _SHARE_FACTOR * count / rows + _SHARE_MARGIN if count else 0.0
    return round_up(min(1.0, max(margin, limits.tolerated_share(count, rows, _min_next_rows(rows)))))


def _min_next_rows(rows: int) -> int:
    """Return the number of rows that a later table must have at least."""
    return max(1, int(rows * _MIN_ROWS_SHARE))


def round_up(share: float) -> float:
    """Round a share up to two significant digits."""
    digits = 1 - math.floor(math.log10(share))
    return round(math.ceil(share * 10**digits - 1e-9) / 10**digits, digits)


def _round(value: float | None) -> float | int | None:
    """Round to six significant digits."""
    if value is None:
        return None
    return _to_int_if_whole(float(f"{value:.6g}")) if math.isfinite(value) else value


def _to_int_if_whole(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
