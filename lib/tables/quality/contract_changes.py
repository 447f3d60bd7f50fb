"""Differences between two data contracts."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from lib.tables.quality.contract import Contract

_MAX_VALUE_LENGTH = 60
_TABLE_RULES = tuple(rule.name for rule in fields(Contract) if rule.name != "columns")


def find_changes(old: Contract, new: Contract) -> list[tuple[str, str, str, str]]:
    """List the rules that differ between two contracts.

    Returns
    -------
    list of (str, str, str, str)
        Column (empty for rules of the table), rule, old value and new value.
    """
    changes = [
        ("", rule, _format_value(getattr(old, rule)), _format_value(getattr(new, rule)))
        for rule in _TABLE_RULES
        if getattr(old, rule) != getattr(new, rule)
    ]
    for name in dict.fromkeys([*old.columns, *new.columns]):
        if name not in new.columns:
            changes.append((name, "column", "present", "removed"))
        elif name not in old.columns:
            changes.append((name, "column", "absent", "added"))
        else:
            before, after = asdict(old.columns[name]), asdict(new.columns[name])
            changes += [
                (name, rule, _format_value(before[rule]), _format_value(after[rule]))
                for rule in before
                if _differ(before[rule], after[rule])
            ]
    return changes


def _differ(before: Any, after: Any) -> bool:
    """Return whether two values of a rule differ; the order of categories does not matter."""
    if isinstance(before, list) and isinstance(after, list):
        return sorted(before, key=str) != sorted(after, key=str)
    return before != after


def _format_value(value: Any) -> str:
    """Return the value of a rule as text; long distributions are shortened."""
    text = "-" if value is None else str(value)
    return f"{text[: _MAX_VALUE_LENGTH - 3]}..." if isinstance(value, dict) and len(text) > _MAX_VALUE_LENGTH else text
