"""Import of the quality checks of the Open Data Contract Standard.

The metrics of its library count rows with a property and compare the count, or its percentage, with a limit
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
    """Return the rules of a contract that the checks of a table state.

    Parameters
    ----------
    quality : list of mapping
    names : mapping of str to str
        Name of each column in the data, by its name in the document.
    path : str
        Name of the table.
    unrepresented : list of Unrepresented
        Receives what the rules cannot represent.
    """
    return _read_checks(quality, lambda check: _read_table_check(check, names), path, unrepresented)


def read_column_checks(
    quality: list[Mapping[str, Any]], path: str, unrepresented: list[Unrepresented]
) -> dict[str, Any]:
    """Return the rules of a column that its checks state; the parameters are those of `read_table_checks`."""
    return _read_checks(quality, _read_column_check, path, unrepresented)


def _read_checks(
    quality: list[Mapping[str, Any]],
    read: Callable[[Mapping[str, Any]], dict[str, Any] | None],
    path: str,
    unrepresented: list[Unrepresented],
) -> dict[str, Any]:
    """Return the rules that checks state. A check that contradicts an earlier one is not represented."""
    rules: dict[str, Any] = {}
    for number, check in enumerate(quality, start=1):
        stated = read(check)
        if stated is None or any(rules.get(rule, value) != value for rule, value in stated.items()):
            unrepresented.append(Unrepresented(f"{path}.quality {number}", dict(check)))
        else:
            rules |= stated
            _report_details(check, f"{path}.quality {number}", unrepresented)
    return rules


def _read_table_check(check: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the rules of a table that a check states, or None if no rule does."""
    if _metric(check) == "rowCount" and (least := _smallest_count(check)) is not None:
        return {"min_rows": least}
    columns = _arguments(check).get("properties")
    is_key = isinstance(columns, list) and all(column in names for column in columns)
    if _metric(check) == "duplicateValues" and _forbids_all(check) and columns and is_key:
        return {"key": [names[column] for column in columns]}
    return None


def _read_column_check(check: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the rules that a check states, or None if no rule does."""
    metric, arguments, share = _metric(check), _arguments(check), _largest_share(check)
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
    """Return the metric of a check of the library; ``rule`` is its name in version 3.0."""
    if check.get("type", "library") != "library":
        return ""
    return str(check.get("metric") or check.get("rule") or "")


def _forbids_all(check: Mapping[str, Any]) -> bool:
    """Return whether a check allows no row at all."""
    is_below_one_row = _limit(check, "mustBeLessThan") == 1 and check.get("unit", "rows") == "rows"
    return is_below_one_row or 0 in (_limit(check, "mustBe"), _limit(check, "mustBeLessOrEqualTo"))


def _largest_share(check: Mapping[str, Any]) -> float | None:
    """Return the largest allowed share of rows, or None if a check does not limit it."""
    if check.get("unit") != "percent":
        return None
    if (limit := _limit(check, "mustBeLessOrEqualTo")) is not None:
        return _to_share(limit)
    limit = _limit(check, "mustBeLessThan")
    return None if limit is None else math.nextafter(_to_share(limit), 0.0)


def _smallest_count(check: Mapping[str, Any]) -> int | None:
    """Return the smallest allowed number of rows, or None if a check does not limit it."""
    if check.get("unit", "rows") != "rows":
        return None
    if (limit := _limit(check, "mustBeGreaterOrEqualTo")) is not None:
        return math.ceil(limit)
    limit = _limit(check, "mustBeGreaterThan")
    return None if limit is None else math.floor(limit) + 1


def _limit(check: Mapping[str, Any], operator: str) -> float | None:
    """Return the number that an operator of a check compares with; None without the operator."""
    limit = check.get(operator)
    return limit if isinstance(limit, (int, float)) and not isinstance(limit, bool) else None


def _to_share(percent: float) -> float:
    return float(f"{percent / 100:.14g}")


def _report_details(check: Mapping[str, Any], path: str, unrepresented: list[Unrepresented]) -> None:
    """Add the entries of a check that its rule does not represent, such as its severity."""
    unrepresented += [Unrepresented(f"{path}.{key}", value) for key, value in check.items() if key not in _REPRESENTED]
    valid_values = _arguments(check).get("validValues") or []
    unrepresented += [
        Unrepresented(f"{path}.arguments.validValues", value) for value in valid_values if value in (None, "")
    ]
