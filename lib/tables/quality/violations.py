"""Violations of a table's contract: every broken rule, the rows that break it, and how to allow them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.schema.text_values import category_names
from lib.tables.quality import drift
from lib.tables.quality.contract import ColumnRules, Contract, round_up
from lib.tables.quality.profile import TEXT
from lib.tables.quality.row_checks import build_checks

COLUMNS = ("column", "rule", "rows", "examples", "to_allow")
_MAX_EXAMPLES = 3

# A violation of the table as a whole: column, rule, number of rows (0), what was found, and how to allow it.
TableViolation = tuple[str, str, int, str, str]
# Numbers of the rows, from 0, that break a rule, by column and rule.
_RowsByRule = dict[tuple[str, str], list[int]]


@dataclass(frozen=True)
class Violations:
    """The rules that a table breaks.

    Attributes
    ----------
    table : DataFrame
        A row per broken rule, with the columns `COLUMNS`. A rule of the whole table has 0 rows; ``to_allow`` is the
        entry of the contract that would allow what was found.
    broken_rows : ndarray of bool, of shape (rows of the table,)
        Whether each row breaks a rule.
    breaks_table_rule : bool
        Whether a rule of the whole table is broken. Leaving out rows does not fix that.
    rows_by_rule : mapping of (str, str) to sequence of int
        Numbers of the rows, from 0, that break a rule, by column and rule.
    """

    table: pd.DataFrame
    broken_rows: np.ndarray
    breaks_table_rule: bool
    rows_by_rule: Mapping[tuple[str, str], Sequence[int]]

    def reasons(self) -> list[str]:
        """Return the broken rules of each row that breaks one."""
        reasons: dict[int, list[str]] = {int(row): [] for row in np.flatnonzero(self.broken_rows)}
        for (column, rule), rows in self.rows_by_rule.items():
            for row in rows:
                reasons[row].append(f"{column}: {rule}")
        return ["; ".join(rules) for rules in reasons.values()]

    def __str__(self) -> str:
        lines = []
        for column, rule, rows, examples, to_allow in self.table.itertuples(index=False):
            subject = f"{column}: " if column else ""
            details = f"{rows:,} {'row' if rows == 1 else 'rows'}, e.g. {examples}" if rows else examples
            lines.append(f"  - {subject}{rule} ({details})")
            if to_allow:
                lines.append(f"    To allow this, {to_allow}")
        return "\n".join(lines)


def find(frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()) -> Violations:
    """Check a table against its contract.

    Texts are compared without surrounding spaces and in Unicode's composed form, as a model reads them.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    skipped_columns : collection of str
        Columns that are not checked and may be absent, because they were not read or are dropped.
    """
    rules = _rules_to_check(contract, skipped_columns)
    rows_by_rule: _RowsByRule = {}
    to_allow: dict[tuple[str, str], str] = {}
    for name, column_rules in rules.items():
        if name in frame.columns:
            _find_invalid_rows(frame[name], name, column_rules, rows_by_rule, to_allow)
    _find_duplicates(frame, rules, contract, rows_by_rule, to_allow)
    is_broken = np.zeros(len(frame), dtype=bool)
    for rows in rows_by_rule.values():
        is_broken[rows] = True
    # Broken rows are left out or stop the run. Drift is therefore measured on the other rows.
    checked = frame[~is_broken] if is_broken.any() and not is_broken.all() else frame
    table_violations = [
        *_find_size_violations(checked, rules, contract, skipped_columns),
        *_find_column_violations(checked, rules, contract),
    ]
    row_violations = [
        (column, rule, len(rows), _format_examples(frame, column, rows, contract.key), to_allow[column, rule])
        for (column, rule), rows in rows_by_rule.items()
    ]
    table = pd.DataFrame([*table_violations, *row_violations], columns=list(COLUMNS))
    return Violations(table, is_broken, bool(table_violations), rows_by_rule)


def find_in_sample(
    frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()
) -> list[TableViolation]:
    """Return the table-level rules that a sample of the rows violates, as an estimate for the whole table.

    The number of rows and the presence of columns are not checked.
    """
    return _find_column_violations(frame, _rules_to_check(contract, skipped_columns), contract)


def size_violation(rows: int, contract: Contract) -> list[TableViolation]:
    """Return the violation of the minimum number of rows, if there is one."""
    if rows >= contract.min_rows:
        return []
    rule = f"must have at least {contract.min_rows:,} rows"
    return [("", rule, 0, f"has {rows:,}", f"write min_rows: {rows}")]


def _rules_to_check(contract: Contract, skipped_columns: Collection[str]) -> dict[str, ColumnRules]:
    return {name: rules for name, rules in contract.columns.items() if name not in skipped_columns}


def _find_invalid_rows(
    values: pd.Series,
    name: str,
    rules: ColumnRules,
    rows_by_rule: _RowsByRule,
    to_allow: dict[tuple[str, str], str],
) -> None:
    """Add the rows of a column that break a rule of single values."""
    comparable = _comparable(values, rules)
    is_present = comparable.notna().to_numpy()
    if not rules.nullable and not is_present.all():
        key = name, "must not be missing"
        rows_by_rule[key] = np.flatnonzero(~is_present).tolist()
        to_allow[key] = _write_rule(name, "nullable: true")
    present = comparable[is_present]
    for check in build_checks(rules):
        positions = np.flatnonzero(~check.is_valid(present).to_numpy(dtype=bool))
        if len(positions) > check.max_share * len(present):
            key = name, check.rule
            rows_by_rule[key] = np.flatnonzero(is_present)[positions].tolist()
            to_allow[key] = _write_rule(name, check.suggest(present.iloc[positions], len(present)))


def _comparable(values: pd.Series, rules: ColumnRules) -> pd.Series:
    """Return the values of a column as the checks compare them: texts are trimmed, and blank ones are missing."""
    is_free_text = rules.type in (TEXT, None) and rules.categories is None and rules.shares is None
    if is_free_text and rules.nullable and rules.max_missing_share is None:
        return values
    if is_free_text and isinstance(values.dtype, pd.StringDtype):
        return values.mask(values.str.strip() == "")
    if isinstance(values.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return category_names(values)
    is_text = values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in _TEXT_TYPES
    return category_names(values) if is_text else values


# What `pandas.api.types.infer_dtype` says of columns that contain texts.
_TEXT_TYPES = ("string", "mixed", "mixed-integer")


def _write_rule(name: str, rule: str) -> str:
    return f"write columns: {{{name}: {{{rule}}}}}" if rule else ""


def _find_duplicates(
    frame: pd.DataFrame,
    rules: Mapping[str, ColumnRules],
    contract: Contract,
    rows_by_rule: _RowsByRule,
    to_allow: dict[tuple[str, str], str],
) -> None:
    """Add repeated values of unique columns and of the key; the first row of each value is not a violation."""
    unique = [
        ([name], "must be unique", _write_rule(name, "unique: false"))
        for name, column_rules in rules.items()
        if column_rules.unique
    ]
    if contract.key:
        unique.append((contract.key, "must be unique (key)", "write key: []"))
    for names, rule, allowing in unique:
        if set(names) <= set(frame.columns):
            keys = pd.DataFrame({name: _comparable(frame[name], ColumnRules(categories=[])) for name in names})
            is_repeated = (keys.duplicated() & keys.notna().all(axis=1)).to_numpy()
            if is_repeated.any():
                rows_by_rule[" and ".join(names), rule] = np.flatnonzero(is_repeated).tolist()
                to_allow[" and ".join(names), rule] = allowing


def _find_size_violations(
    frame: pd.DataFrame, rules: Mapping[str, ColumnRules], contract: Contract, skipped_columns: Collection[str]
) -> list[TableViolation]:
    """Return the violations of the number of rows and of the columns that must be present or absent."""
    violations = size_violation(len(frame), contract)
    for name in rules:
        if name not in frame.columns:
            violations.append((name, "must be present", 0, "not in the table", f"delete {name} under columns"))
    if not contract.allow_extra_columns:
        extra = [str(name) for name in frame.columns if name not in contract.columns and name not in skipped_columns]
        allowing = "write allow_extra_columns: true, or add the column under columns"
        violations += [(name, "must not be present", 0, "not in the contract", allowing) for name in extra]
    return violations


def _find_column_violations(
    frame: pd.DataFrame, rules: Mapping[str, ColumnRules], contract: Contract
) -> list[TableViolation]:
    """Return the violations of the share of missing values and of the distribution of each column."""
    present = {name: column_rules for name, column_rules in rules.items() if name in frame.columns}
    tested = sum(bool(column_rules.bins or column_rules.shares) for column_rules in present.values())
    violations = []
    for name, column_rules in present.items():
        values = _comparable(frame[name], column_rules)
        violations += _find_missing_violation(values, name, column_rules)
        violations += _find_drift(values, name, column_rules, contract, tested)
    return violations


def _find_missing_violation(values: pd.Series, name: str, rules: ColumnRules) -> list[TableViolation]:
    share = float(values.isna().mean())
    if rules.max_missing_share is None or not share > rules.max_missing_share:
        return []
    rule = f"at most {rules.max_missing_share:.1%} may be missing"
    finding = f"{share:.1%} are: {values.isna().sum():,} of {len(values):,}"
    return [(name, rule, 0, finding, _write_rule(name, f"max_missing_share: {round_up(share)}"))]


def _find_drift(
    values: pd.Series, name: str, rules: ColumnRules, contract: Contract, tested_columns: int
) -> list[TableViolation]:
    if contract.max_drift is None:
        return []
    sample_size, assumption = rules.sample_size, ""
    if sample_size is None:
        # Contracts of earlier versions were written with half of the rows as min_rows.
        sample_size = 2 * contract.min_rows if contract.min_rows > 1 else len(values)
        assumption = f"; the contract has no sample_size, {sample_size:,} values are assumed"
    change = drift.measure(values, rules, sample_size)
    if not change.is_violation(contract.max_drift, tested_columns):
        return []
    rule = f"must not drift by more than {contract.max_drift:g}"
    finding = f"drifted by {change.index:.3g}, {change.largest}, p = {change.p_value:.1g}{assumption}"
    allowing = f"write max_drift: {round_up(change.index)}, or accept the new distribution with contract accept"
    return [(name, rule, 0, finding, allowing)]


def _format_examples(frame: pd.DataFrame, column: str, rows: Sequence[int], key: Sequence[str]) -> str:
    """Return the first rows that break a rule, numbered from 1, with their values."""
    names = [column] if column in frame.columns else [name for name in key if name in frame.columns]
    examples = []
    for row in rows[:_MAX_EXAMPLES]:
        values: list[Any] = frame[names].iloc[[row]].astype(object).to_numpy()[0].tolist()
        examples.append(f"row {row + 1:,}: {', '.join(map(repr, values))}")
    return "; ".join(examples)
