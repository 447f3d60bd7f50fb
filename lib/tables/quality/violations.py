"""Violations of a table's contract: every broken rule, the rows that break it, and how to allow them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd

from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.key_hashes import find_repeats
from lib.tables.quality.part_check import (
    MAX_EXAMPLES,
    NOT_MISSING,
    PartCheck,
    PartDetails,
    RowsByRule,
    check_part,
    describe_part,
    select_rules,
)
from lib.tables.quality.row_checks import build_checks
from lib.tables.quality.table_rules import find_column_violations, find_size_violations, suggest_rule

# The column that `list_broken_rows` adds.
REASON = "broken_rules"
COLUMNS = ("column", "rule", "rows", "examples", "to_allow")


@dataclass(frozen=True)
class Violations:
    """The rules that a table breaks.

    Attributes
    ----------
    table : DataFrame
        One row per broken rule, with the columns `COLUMNS`. ``rows`` is 0 for a rule of the whole table, and
        ``to_allow`` says which entry of the contract would allow the finding.
    broken_rows : ndarray of bool, of shape (rows of the table,)
        Whether each row breaks a rule.
    breaks_table_rule : bool
        Whether a rule of the whole table is broken. Leaving out rows does not fix that.
    rows_by_rule : mapping of (str, str) to ndarray of int
        Rows of the table, numbered from 0, that break a rule; by column and rule.
    """

    table: pd.DataFrame
    broken_rows: np.ndarray
    breaks_table_rule: bool
    rows_by_rule: RowsByRule

    def __str__(self) -> str:
        lines = []
        for column, rule, rows, examples, to_allow in self.table.itertuples(index=False):
            subject = f"{column}: " if column else ""
            details = f"{rows:,} {'row' if rows == 1 else 'rows'}, e.g. {examples}" if rows else examples
            lines.append(f"  - {subject}{rule} ({details})")
            if to_allow:
                lines.append(f"    To allow this, {to_allow}")
        return "\n".join(lines)


def _describe_reasons(rows_by_rule: RowsByRule) -> list[str]:
    """Return a text with the broken rules of each row that breaks a rule, in the order of the rows."""
    reasons: dict[int, list[str]] = {}
    for (column, rule), rows in rows_by_rule.items():
        for row in rows.tolist():
            reasons.setdefault(row, []).append(f"{column}: {rule}")
    return ["; ".join(rules) for _, rules in sorted(reasons.items())]


def list_broken_rows(frame: pd.DataFrame, broken: BrokenRows) -> pd.DataFrame:
    """Return the rows of a part that break a rule, with an additional column that names the broken rules."""
    return frame[broken.is_broken].assign(**{REASON: _describe_reasons(broken.rows_by_rule)})


def find(frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()) -> Violations:
    """Check a table against its contract.

    Texts are compared without surrounding spaces and in Unicode's composed form, as in training.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    skipped_columns : collection of str
        Columns that are not checked and may be absent.
    """
    checks = [check_part(frame, contract, skipped_columns)]
    broken = find_broken_rows(checks, contract, skipped_columns)
    details = describe_part(frame, contract, broken[0].rows_by_rule, broken[0].is_left_out, skipped_columns)
    return judge(checks, broken, [details], contract, skipped_columns)


@dataclass(frozen=True)
class BrokenRows:
    """The rows of a part that break a rule, after the whole table has shown which rules are broken.

    Attributes
    ----------
    rows_by_rule : mapping of (str, str) to ndarray of int
        Rows, numbered from 0 in the part, that break a rule; by column and rule.
    is_broken : ndarray of bool, of shape (rows of the part,)
    is_left_out : ndarray of bool, of shape (rows of the part,)
        Whether each row is left out when the rules of the whole table, such as drift, are checked. These are the rows
        that break a rule, unless all rows of the table do.
    """

    rows_by_rule: RowsByRule
    is_broken: np.ndarray
    is_left_out: np.ndarray


def find_broken_rows(
    checks: Sequence[PartCheck], contract: Contract, skipped_columns: Collection[str] = ()
) -> list[BrokenRows]:
    """Return the rows of each part that break a rule.

    These are the rows with an invalid value, if more values are invalid than the rule tolerates, and the rows with a
    repeated key.
    """
    rules = select_rules(contract, skipped_columns)
    by_part: list[dict[tuple[str, str], np.ndarray]] = [{} for _ in checks]
    for key in _find_broken_value_rules(checks, rules):
        for rows_by_rule, check in zip(by_part, checks, strict=True):
            if key in check.invalid:
                rows_by_rule[key] = check.invalid[key]
    first_rows = np.cumsum([0, *(check.rows for check in checks)])
    for name, rule, _ in _list_unique_rules(rules, contract):
        if name in checks[0].keys:
            repeats = find_repeats([check.keys[name] for check in checks])
            ends = np.searchsorted(repeats, first_rows)
            for index, rows_by_rule in enumerate(by_part):
                if ends[index + 1] > ends[index]:
                    rows_by_rule[name, rule] = repeats[ends[index] : ends[index + 1]] - first_rows[index]
    masks = [_mark_rows(rows_by_rule, check.rows) for rows_by_rule, check in zip(by_part, checks, strict=True)]
    all_broken = all(mask.all() for mask in masks)
    return [
        BrokenRows(rows_by_rule, mask, np.zeros_like(mask) if all_broken else mask)
        for rows_by_rule, mask in zip(by_part, masks, strict=True)
    ]


def judge(
    checks: Sequence[PartCheck],
    broken: Sequence[BrokenRows],
    details: Sequence[PartDetails],
    contract: Contract,
    skipped_columns: Collection[str] = (),
) -> Violations:
    """Return the violations of a table, given the checks, broken rows and details of its parts."""
    rules = select_rules(contract, skipped_columns)
    columns = checks[0].columns
    valid_rows = sum(int((~part.is_left_out).sum()) for part in broken)
    counts = {name: reduce(add, [part.counts[name] for part in details]) for name in details[0].counts}
    table_violations = [
        *find_size_violations(valid_rows, columns, rules, contract, skipped_columns),
        *find_column_violations(counts, rules, contract),
    ]
    first_rows = np.cumsum([0, *(check.rows for check in checks)]).tolist()
    to_allow = {(name, rule): advice for name, rule, advice in _list_unique_rules(rules, contract)}
    keys = [
        key
        for key in [*_find_broken_value_rules(checks, rules), *to_allow]
        if any(key in part.rows_by_rule for part in broken)
    ]
    rows_by_rule = {
        key: np.concatenate(
            [
                part.rows_by_rule[key] + first
                for part, first in zip(broken, first_rows, strict=False)
                if key in part.rows_by_rule
            ]
        )
        for key in keys
    }
    row_violations = [
        (
            *key,
            len(rows_by_rule[key]),
            _format_examples(details, key, first_rows),
            to_allow[key] if key in to_allow else _suggest_exception(checks, details, key, rules[key[0]]),
        )
        for key in keys
    ]
    table = pd.DataFrame([*table_violations, *row_violations], columns=list(COLUMNS))
    is_broken = np.concatenate([part.is_broken for part in broken])
    return Violations(table, is_broken, bool(table_violations), rows_by_rule)


def _find_broken_value_rules(checks: Sequence[PartCheck], rules: Mapping[str, ColumnRules]) -> list[tuple[str, str]]:
    """Return column and rule of each rule of single values that too many values break, in the contract's order."""
    broken = []
    for name, column_rules in rules.items():
        tolerated = {NOT_MISSING: 0.0, **{check.rule: check.max_share for check in build_checks(column_rules)}}
        present = sum(check.present.get(name, 0) for check in checks)
        for rule, max_share in tolerated.items():
            rows = sum(len(check.invalid.get((name, rule), ())) for check in checks)
            if rows > max_share * present:
                broken.append((name, rule))
    return broken


def _list_unique_rules(rules: Mapping[str, ColumnRules], contract: Contract) -> list[tuple[str, str, str]]:
    """Return name, rule and advice on how to allow repetitions, for each column or key that must be unique."""
    unique = [
        (name, "must be unique", suggest_rule(name, "unique: false"))
        for name, column_rules in rules.items()
        if column_rules.unique
    ]
    key = [(" and ".join(contract.key), "must be unique (key)", "write key: []")] if contract.key else []
    return [*unique, *key]


def _mark_rows(rows_by_rule: RowsByRule, row_count: int) -> np.ndarray:
    """Return whether each of the rows of a part breaks a rule."""
    is_broken = np.zeros(row_count, dtype=bool)
    for positions in rows_by_rule.values():
        is_broken[positions] = True
    return is_broken


def _suggest_exception(
    checks: Sequence[PartCheck], details: Sequence[PartDetails], key: tuple[str, str], rules: ColumnRules
) -> str:
    """Return the advice on which entry of the contract would allow the values that break a rule."""
    name, rule = key
    if rule == NOT_MISSING:
        return suggest_rule(name, "nullable: true")
    (check,) = (check for check in build_checks(rules) if check.rule == rule)
    values = pd.concat([part.invalid[key] for part in details if key in part.invalid]).drop_duplicates()
    rows = sum(len(part.invalid.get(key, ())) for part in checks)
    share = rows / sum(part.present[name] for part in checks if name in part.present)
    return suggest_rule(name, check.suggest(values, share))


def _format_examples(details: Sequence[PartDetails], key: tuple[str, str], first_rows: Sequence[int]) -> str:
    """Return the first rows that break a rule, numbered from 1 through all parts, and their values as text."""
    examples = [
        f"row {first + row + 1:,}: {values}"
        for part, first in zip(details, first_rows, strict=False)
        for row, values in part.examples.get(key, ())
    ]
    return "; ".join(examples[:MAX_EXAMPLES])
