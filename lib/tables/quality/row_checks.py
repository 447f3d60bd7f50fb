"""Checks of the rules of a contract that apply to each row by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.schema.date_columns import to_datetimes
from lib.schema.text_values import category_name
from lib.tables.quality.contract import ColumnRules, round_up
from lib.tables.quality.profile import BOOLEAN, DATE, NUMBER, WHOLE

# Number of values that the suggestion of a rule lists.
_MAX_SUGGESTED = 5


@dataclass(frozen=True)
class RowCheck:
    """A check of the value in each row.

    Attributes
    ----------
    is_valid : callable
        Function that takes a Series of values and returns a boolean Series.
    rule : str
        The rule in words.
    suggest : callable
        Function that takes the distinct invalid values and the share of invalid values among those that are not
        missing. It returns the rule that would allow them, as YAML.
    max_share : float
        Share of values that may be invalid.
    """

    is_valid: Callable[[pd.Series], pd.Series]
    rule: str
    suggest: Callable[[pd.Series, float], str]
    max_share: float = 0.0


def build_checks(rules: ColumnRules) -> list[RowCheck]:
    """Return the checks that the rules of a column require for values that are not missing."""
    checks = []
    max_share = rules.max_invalid_share or 0.0
    tolerance = f" (at most {max_share:.2%} may not be)" if max_share else ""
    if rules.type in TYPE_CHECKS:
        rule = f"must be a {rules.type}{tolerance}"
        checks.append(RowCheck(TYPE_CHECKS[rules.type], rule, _suggest_share, max_share))
    if rules.minimum is not None or rules.maximum is not None:
        is_in_range = _range_check(rules.minimum, rules.maximum)
        checks.append(RowCheck(is_in_range, f"must be {_format_range(rules)}", _suggest_range(rules)))
    if rules.categories is not None:
        names = list(dict.fromkeys(category_name(category) for category in rules.categories))
        rule = f"must be one of {', '.join(names)}{tolerance}"
        checks.append(RowCheck(lambda values: values.isin(names), rule, _suggest_categories(names), max_share))
    return checks


def _suggest_share(invalid: pd.Series, share: float) -> str:
    return f"max_invalid_share: {round_up(share)}"


def _suggest_range(rules: ColumnRules) -> Callable[[pd.Series, float], str]:
    def suggest(invalid: pd.Series, share: float) -> str:
        numbers = pd.to_numeric(invalid, errors="coerce")
        suggested_limits = []
        if rules.minimum is not None and numbers.min() < rules.minimum:
            suggested_limits.append(f"minimum: {numbers.min():.15g}")
        if rules.maximum is not None and numbers.max() > rules.maximum:
            suggested_limits.append(f"maximum: {numbers.max():.15g}")
        return ", ".join(suggested_limits)

    return suggest


def _suggest_categories(names: list[str]) -> Callable[[pd.Series, float], str]:
    def suggest(invalid: pd.Series, share: float) -> str:
        more = ", ..." if len(invalid) > _MAX_SUGGESTED else ""
        return f"categories: [{', '.join([*names, *map(str, invalid.iloc[:_MAX_SUGGESTED])])}{more}]"

    return suggest


def _is_number(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").notna()


def _is_whole_number(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").mod(1).eq(0)


def _is_date(values: pd.Series) -> pd.Series:
    dates = to_datetimes(values)
    return pd.Series(False, index=values.index) if dates is None else dates.notna()


def _is_boolean(values: pd.Series) -> pd.Series:
    # If a column of booleans contains another word, all its values are read as text.
    return values.isin([True, False]) | values.astype(str).str.lower().isin(["true", "false"])


TYPE_CHECKS = {NUMBER: _is_number, WHOLE: _is_whole_number, DATE: _is_date, BOOLEAN: _is_boolean}


def _range_check(minimum: float | None, maximum: float | None) -> Callable[[pd.Series], pd.Series]:
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum

    def is_in_range(values: pd.Series) -> pd.Series:
        numbers = pd.to_numeric(values, errors="coerce")
        # Infinite numbers count as missing. Text that is not a number breaks the rule on the type instead.
        is_ignored = ~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))
        return numbers.between(low, high) | is_ignored

    return is_in_range


def _format_range(rules: ColumnRules) -> str:
    if rules.maximum is None:
        return f"{rules.minimum:g} or more"
    return f"{rules.maximum:g} or less" if rules.minimum is None else f"{rules.minimum:g} to {rules.maximum:g}"
