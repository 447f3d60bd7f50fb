"""Checks of a contract's rules that concern the value in a single row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.schema.date_columns import to_datetimes
from lib.tables.quality.contract import ColumnRules
from lib.tables.quality.profile import BOOLEAN, DATE, NUMBER, WHOLE


@dataclass(frozen=True)
class RowCheck:
    """A check of each row's value.

    Attributes
    ----------
    is_valid : callable
        Function of a Series that returns a boolean Series.
    rule : str
        The rule in words.
    ignore_missing : bool
        Whether missing values pass.
    """

    is_valid: Callable[[pd.Series], pd.Series]
    rule: str
    ignore_missing: bool = True

    def passes(self, values: pd.Series) -> bool:
        """Return whether all values are valid."""
        return bool(np.all(self.is_valid(values.dropna() if self.ignore_missing else values)))


def build_checks(rules: Mapping[str, ColumnRules], columns: Collection[str]) -> dict[str, list[RowCheck]]:
    """Return the checks of each column that the table has."""
    return {name: _build_column_checks(column_rules) for name, column_rules in rules.items() if name in columns}


def _build_column_checks(rules: ColumnRules) -> list[RowCheck]:
    checks = []
    if rules.type in TYPE_CHECKS and not rules.max_invalid_share:
        checks.append(RowCheck(TYPE_CHECKS[rules.type], f"must be a {rules.type}"))
    if rules.minimum is not None or rules.maximum is not None:
        checks.append(RowCheck(_range_check(rules.minimum, rules.maximum), f"must be {_format_range(rules)}"))
    if rules.categories is not None:
        categories = [str(category) for category in rules.categories]
        checks.append(RowCheck(_category_check(set(categories)), f"must be one of {', '.join(categories)}"))
    if not rules.nullable:
        checks.append(RowCheck(lambda values: values.notna(), "must not be missing", ignore_missing=False))
    return checks


def _is_number(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").notna()


def _is_whole_number(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").mod(1).eq(0)


def _is_date(values: pd.Series) -> pd.Series:
    dates = to_datetimes(values)
    return pd.Series(False, index=values.index) if dates is None else dates.notna()


def _is_boolean(values: pd.Series) -> pd.Series:
    # One other word in a column of booleans turns all of them into text.
    return values.isin([True, False]) | values.astype(str).str.lower().isin(["true", "false"])


TYPE_CHECKS = {NUMBER: _is_number, WHOLE: _is_whole_number, DATE: _is_date, BOOLEAN: _is_boolean}


def _range_check(minimum: float | None, maximum: float | None) -> Callable[[pd.Series], pd.Series]:
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum

    def is_in_range(values: pd.Series) -> pd.Series:
        numbers = pd.to_numeric(values, errors="coerce")
        # Infinite numbers count as missing, and other text breaks the rule of its type.
        is_ignored = ~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))
        return numbers.between(low, high) | is_ignored

    return is_in_range


def _category_check(categories: Collection[str]) -> Callable[[pd.Series], pd.Series]:
    return lambda values: values.astype(str).isin(categories)


def _format_range(rules: ColumnRules) -> str:
    if rules.maximum is None:
        return f"{rules.minimum:g} or more"
    return f"{rules.maximum:g} or less" if rules.minimum is None else f"{rules.minimum:g} to {rules.maximum:g}"
