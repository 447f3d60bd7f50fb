"""Violations of a table's contract: every broken rule, the number of rows that break it, and three examples.

Rules of single rows are checked with pandera (https://pandera.readthedocs.io).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lib.tables import frames
from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.row_checks import TYPE_CHECKS, RowCheck, build_checks

COLUMNS = ("column", "rule", "rows", "examples")
_MAX_EXAMPLES = 3
_ROWS_PER_CHECK = 2**19
# Replaces a share of 0, for which the population stability index would be infinite.
_MIN_SHARE = 1e-4
_MUST_BE_PRESENT = "must be present"
_MUST_BE_ABSENT = "must not be present"

# A violation of the table as a whole: column, rule, number of rows (0) and what was found.
TableViolation = tuple[str, str, int, str]
# Numbers of the rows, from 0, that break a rule, by column and rule.
_RowsByRule = dict[tuple[str, str], list[int]]


@dataclass(frozen=True)
class Violations:
    """The rules that a table breaks.

    Attributes
    ----------
    table : DataFrame
        A row per broken rule, with the columns `COLUMNS`. A rule of the whole table has 0 rows.
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
        for column, rule, rows, examples in self.table.itertuples(index=False):
            subject = f"{column}: " if column else ""
            details = f"{rows:,} {'row' if rows == 1 else 'rows'}, e.g. {examples}" if rows else examples
            lines.append(f"  - {subject}{rule} ({details})")
        return "\n".join(lines)


def find(frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()) -> Violations:
    """Check a table against its contract.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    skipped_columns : collection of str
        Columns that are not checked and may be absent, because they were not read or are dropped.
    """
    rules = _rules_to_check(contract, skipped_columns)
    checks = build_checks(rules, frame.columns)
    rows_by_rule: _RowsByRule = {}
    for start in range(0, len(frame), _ROWS_PER_CHECK):
        _run_checks(checks, frame.iloc[start : start + _ROWS_PER_CHECK], start, rows_by_rule)
    _find_duplicates(frame, rules, contract, rows_by_rule)
    is_broken = np.zeros(len(frame), dtype=bool)
    for rows in rows_by_rule.values():
        is_broken[rows] = True
    # Broken rows are left out or stop the run. Drift is therefore measured on the other rows.
    checked = frame[~is_broken] if is_broken.any() and not is_broken.all() else frame
    table_violations = _find_table_violations(checked, rules, contract, skipped_columns)
    row_violations = [
        (column, rule, len(rows), _format_examples(frame, column, rows, contract.key))
        for (column, rule), rows in rows_by_rule.items()
    ]
    table = pd.DataFrame([*table_violations, *row_violations], columns=list(COLUMNS))
    return Violations(table, is_broken, bool(table_violations), rows_by_rule)


def find_in_sample(
    frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()
) -> list[TableViolation]:
    """Return the violations of rules of the whole table, estimated from a sample of its rows.

    The number of rows and the presence of columns are not checked.
    """
    rules = _rules_to_check(contract, skipped_columns)
    violations = _find_table_violations(frame, rules, replace(contract, min_rows=0), skipped_columns)
    return [violation for violation in violations if violation[1] not in (_MUST_BE_PRESENT, _MUST_BE_ABSENT)]


def _rules_to_check(contract: Contract, skipped_columns: Collection[str]) -> dict[str, ColumnRules]:
    return {name: rules for name, rules in contract.columns.items() if name not in skipped_columns}


def _run_checks(
    checks: Mapping[str, list[RowCheck]], part: pd.DataFrame, first_row: int, rows_by_rule: _RowsByRule
) -> None:
    """Check some rows of a table, and add those that break a rule to `rows_by_rule`."""
    part = _without_categoricals(part)
    # pandera's overhead exceeds the time of most checks, so only columns that break a rule are passed to it.
    failing = {
        name: column_checks
        for name, column_checks in checks.items()
        if not all(check.passes(part[name]) for check in column_checks)
    }
    if not failing:
        return
    import pandera.pandas as pandera
    from pandera.errors import SchemaErrors

    columns = {
        name: pandera.Column(
            None,
            [
                pandera.Check(check.is_valid, error=check.rule, ignore_na=check.ignore_missing)
                for check in column_checks
            ],
            nullable=True,
            required=False,
        )
        for name, column_checks in failing.items()
    }
    part = part[list(columns)].set_axis(np.arange(first_row, first_row + len(part)))
    try:
        pandera.DataFrameSchema(columns).validate(part, lazy=True)
    except SchemaErrors as error:
        for (column, rule), failures in error.failure_cases.groupby(["column", "check"], sort=False):
            rows_by_rule.setdefault((column, rule), []).extend(sorted(failures["index"].astype(int)))


def _without_categoricals(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert categorical columns, because pandera cannot list missing values among categories."""
    converted = {
        name: frames.decode_dictionary(values) if frames.is_dictionary_encoded(values) else values.astype(object)
        for name, values in frame.items()
        if isinstance(values.dtype, pd.CategoricalDtype)
    }
    return frame.assign(**converted) if converted else frame


def _find_duplicates(
    frame: pd.DataFrame, rules: Mapping[str, ColumnRules], contract: Contract, rows_by_rule: _RowsByRule
) -> None:
    """Add repeated values of unique columns and of the key; the first row of each value is not a violation."""
    unique = [([name], "must be unique") for name, column_rules in rules.items() if column_rules.unique]
    if contract.key:
        unique.append((contract.key, "must be unique (key)"))
    for names, rule in unique:
        if set(names) <= set(frame.columns):
            is_repeated = (frame.duplicated(names) & frame[names].notna().all(axis=1)).to_numpy()
            if is_repeated.any():
                rows_by_rule[" and ".join(names), rule] = np.flatnonzero(is_repeated).tolist()


def _find_table_violations(
    frame: pd.DataFrame, rules: Mapping[str, ColumnRules], contract: Contract, skipped_columns: Collection[str]
) -> list[TableViolation]:
    """Return the violations of rules of the table as a whole."""
    violations: list[TableViolation] = []
    if len(frame) < contract.min_rows:
        violations.append(("", f"must have at least {contract.min_rows:,} rows", 0, f"has {len(frame):,}"))
    violations += [(name, _MUST_BE_PRESENT, 0, "not in the table") for name in rules if name not in frame.columns]
    if not contract.allow_extra_columns:
        extra = [str(name) for name in frame.columns if name not in contract.columns and name not in skipped_columns]
        violations += [(name, _MUST_BE_ABSENT, 0, "not in the contract") for name in extra]
    for name, column_rules in rules.items():
        if name in frame.columns:
            violations += [
                (name, rule, 0, finding)
                for rule, finding in _find_column_violations(frame[name], column_rules, contract.max_drift)
            ]
    return violations


def _find_column_violations(values: pd.Series, rules: ColumnRules, max_drift: float | None) -> list[tuple[str, str]]:
    """Return the rules of a column as a whole that are broken, and what was found instead."""
    violations = []
    missing_share = float(values.isna().mean())
    if rules.max_missing_share is not None and missing_share > rules.max_missing_share:
        violations.append((f"at most {rules.max_missing_share:.1%} may be missing", f"{missing_share:.1%} are"))
    invalid_share = _invalid_share(values, rules)
    if rules.max_invalid_share and invalid_share > rules.max_invalid_share:
        rule = f"at most {rules.max_invalid_share:.1%} may not be a {rules.type}"
        violations.append((rule, f"{invalid_share:.1%} are not"))
    drift = measure_drift(values, rules)
    if max_drift is not None and drift > max_drift:
        violations.append((f"must not drift by more than {max_drift:g}", f"drifted by {drift:.3g}"))
    return violations


def _invalid_share(values: pd.Series, rules: ColumnRules) -> float:
    """Return the share of values of another type; 0 if the contract allows none, because rows are checked then."""
    present = values.dropna()
    if not rules.max_invalid_share or rules.type not in TYPE_CHECKS or present.empty:
        return 0.0
    return 1 - float(TYPE_CHECKS[rules.type](present).mean())


def measure_drift(values: pd.Series, rules: ColumnRules) -> float:
    """Return a column's population stability index, measured from the distribution in its rules; 0 without one.

    The index is the sum of (p - q) ln(p / q) over the bins, for the current share p and the contract's share q
    (Siddiqi: Credit risk scorecards, 2006).

    Examples
    --------
    >>> rules = ColumnRules(shares={"red": 0.5, "blue": 0.5})
    >>> measure_drift(pd.Series(["red", "blue"]), rules)
    0.0
    >>> round(measure_drift(pd.Series(["red", "red", "red", "blue"]), rules), 3)
    0.275
    """
    if rules.bins:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
        edges = np.array(list(rules.bins), dtype=float)
        expected = np.append(np.array(list(rules.bins.values()), dtype=float), 0.0)  # numbers above the last edge
        bins = np.searchsorted(edges, numbers[np.isfinite(numbers)], side="left")
        actual = np.bincount(bins, minlength=len(expected))
    elif rules.shares:
        counts = values.dropna().astype(str).value_counts()
        categories = list(dict.fromkeys([*rules.shares, *counts.index]))
        expected = np.array([rules.shares.get(category, 0.0) for category in categories])
        actual = counts.reindex(categories, fill_value=0).to_numpy()
    else:
        return 0.0
    if not actual.sum():
        return 0.0
    p, q = (np.maximum(counts / counts.sum(), _MIN_SHARE) for counts in (actual, expected))
    return float(((p - q) * np.log(p / q)).sum())


def _format_examples(frame: pd.DataFrame, column: str, rows: Sequence[int], key: Sequence[str]) -> str:
    """Return the first rows that break a rule, numbered from 1, with their values."""
    names = [column] if column in frame.columns else [name for name in key if name in frame.columns]
    examples = []
    for row in rows[:_MAX_EXAMPLES]:
        values: list[Any] = frame[names].iloc[[row]].astype(object).to_numpy()[0].tolist()
        examples.append(f"row {row + 1:,}: {', '.join(map(repr, values))}")
    return "; ".join(examples)
