"""Import of quality checks from the Open Data Contract Standard.

A metric of the standard counts rows with a property. A check compares the count, or the percentage, with a limit
(https://bitol-io.github.io/open-data-contract-standard/latest/data-quality).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_MAX_VALUE_LENGTH = 100
_OPERATORS = ("mustBe", "mustBeLessOrEqualTo", "mustBeLessThan", "mustBeGreaterOrEqualTo", "mustBeGreaterThan")
_REPRESENTED = ("type", "metric", "rule", "unit", "arguments", *_OPERATORS)


@dataclass(frozen=True)
class Unrepresented:
    """An entry of a document that a contract cannot represent.

    Attributes
    ----------
    path : str
        Names of the table, the column and the entry, joined by dots.
    value : Any
    """

    path: str
    value: Any

    def __str__(self) -> str:
        text = repr(self.value)
        return f"{self.path}: {text if len(text) <= _MAX_VALUE_LENGTH else f'{text[:_MAX_VALUE_LENGTH]}...'}"


def read_table_checks(
    quality: list[Mapping[str, Any]], names: Mapping[str, str], path: str, unrepresented: list[Unrepresented]
) -> dict[str, Any]:
    """Convert the quality checks of a table to rules of a contract.

    Parameters
    ----------
    quality : list of mapping
    names : mapping of str to str
        Name of each column in the data, by its name in the document.
    path : str
        Name of the table.
    unrepresented : list of Unrepresented
        Checks that no rule can represent are appended to this list.
    """
    return _read_checks(quality, lambda check: _read_table_check(check, names), path, unrepresented)


def read_column_checks(
    quality: list[Mapping[str, Any]], path: str, unrepresented: list[Unrepresented]
) -> dict[str, Any]:
    """Convert the quality checks of a column to rules; see `read_table_checks` for the parameters."""
    return _read_checks(quality, _read_column_check, path, unrepresented)


def _read_checks(
    quality: list[Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], dict[str, Any] | None],
    path: str,
    unrepresented: list[Unrepresented],
) -> dict[str, Any]:
    """Convert checks to rules with the function `read`. A check that contradicts an earlier one is not represented."""
    rules: dict[str, Any] = {}
    for number, check in enumerate(quality, start=1):
        check_rules = read(check)
        if check_rules is None or any(rules.get(rule, value) != value for rule, value in check_rules.items()):
            unrepresented.append(Unrepresented(f"{path}.quality {number}", dict(check)))
        else:
            rules |= check_rules
            _report_other_entries(check, f"{path}.quality {number}", unrepresented)
    return rules


def _read_table_check(check: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any] | None:
    """Convert a check of a table to rules; return None if no rule represents the check."""
    if _metric(check) == "rowCount" and (min_rows := _min_count(check)) is not None:
        return {"min_rows": min_rows}
    columns = _arguments(check).get("properties")
    is_key = isinstance(columns, list) and all(column in names for column in columns)
    if _metric(check) == "duplicateValues" and _forbids_all(check) and columns and is_key:
        return {"key": [names[column] for column in columns]}
    return None


def _read_column_check(check: Mapping[str, Any]) -> dict[str, Any] | None:
    """Convert a check of a column to rules; return None if no rule represents the check."""
    metric, arguments, share = _metric(check), _arguments(check), _max_share(check)
    missing_values = arguments.get("missingValues")
    is_blank = isinstance(missing_values, list) and all(value in (None, "") for value in missing_values)
    if metric == "nullValues" or (metric == "missingValues" and is_blank):
        if _forbids_all(check):
            return {"nullable": False}
        return None if share is None else {"max_missing_share": share}
    if metric == "duplicateValues" and _forbids_all(check):
        return {"unique": True}
    if metric == "invalidValues" and isinstance(arguments.get("validValues"), list) and len(arguments) == 1:
        # Missing values are never invalid in a contract, so a missing valid value adds nothing.
        categories = [str(value) for value in arguments["validValues"] if value not in (None, "")]
        if _forbids_all(check):
            return {"categories": categories}
        return None if share is None else {"categories": categories, "max_invalid_share": share}
    return None


def _arguments(check: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = check.get("arguments")
    return arguments if isinstance(arguments, Mapping) else {}


def _metric(check: Mapping[str, Any]) -> str:
    """Return the metric of a check; empty for a check of another type, such as SQL.

    Version 3.0 of the standard named this entry ``rule``.
    """
    if check.get("type", "library") != "library":
        return ""
    return str(check.get("metric") or check.get("rule") or "")


def _forbids_all(check: Mapping[str, Any]) -> bool:
    """Return whether a check allows no row with the counted property."""
    is_below_one_row = _limit(check, "mustBeLessThan") == 1 and check.get("unit", "rows") == "rows"
    return is_below_one_row or 0 in (_limit(check, "mustBe"), _limit(check, "mustBeLessOrEqualTo"))


def _max_share(check: Mapping[str, Any]) -> float | None:
    """Return the largest share of rows that a check allows; None if the check does not limit a share."""
    if check.get("unit") != "percent":
        return None
    if (limit := _limit(check, "mustBeLessOrEqualTo")) is not None:
        return _to_share(limit)
    limit = _limit(check, "mustBeLessThan")
    return None if limit is None else math.nextafter(_to_share(limit), 0.0)


def _min_count(check: Mapping[str, Any]) -> int | None:
    """Return the smallest number of rows that a check allows; None if the check does not limit a number."""
    if check.get("unit", "rows") != "rows":
        return None
    if (limit := _limit(check, "mustBeGreaterOrEqualTo")) is not None:
        return math.ceil(limit)
    limit = _limit(check, "mustBeGreaterThan")
    return None if limit is None else math.floor(limit) + 1


def _limit(check: Mapping[str, Any], operator: str) -> float | None:
    """Return the number with which an operator of a check compares; None if the check lacks the operator."""
    limit = check.get(operator)
    return limit if isinstance(limit, (int, float)) and not isinstance(limit, bool) else None


def _to_share(percent: float) -> float:
    return float(f"{percent / 100:.14g}")


def _report_other_entries(check: Mapping[str, Any], path: str, unrepresented: list[Unrepresented]) -> None:
    """Append the entries of a check that the rule does not represent, such as the severity, to `unrepresented`."""
    unrepresented += [Unrepresented(f"{path}.{key}", value) for key, value in check.items() if key not in _REPRESENTED]
    valid_values = _arguments(check).get("validValues") or []
    unrepresented += [
        Unrepresented(f"{path}.arguments.validValues", value) for value in valid_values if value in (None, "")
    ]
