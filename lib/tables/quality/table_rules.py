"""Contract rules of the table as a whole: its size, its columns, missing values, and drift."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lib.tables.quality import drift
from lib.tables.quality.contract import ColumnRules, Contract, round_up
from lib.tables.quality.part_check import ColumnCounts

# A violation by the table as a whole: column (may be empty), rule, number of rows (0), finding, and how to allow it.
TableViolation = tuple[str, str, int, str, str]


def find_size_violations(
    rows: int,
    columns: Collection[str],
    rules: Mapping[str, ColumnRules],
    contract: Contract,
    skipped_columns: Collection[str],
) -> list[TableViolation]:
    """Return the violations of the rules on the number of rows and on missing and additional columns."""
    violations: list[TableViolation] = []
    if rows < contract.min_rows:
        rule = f"must have at least {contract.min_rows:,} rows"
        violations.append(("", rule, 0, f"has {rows:,}", f"write min_rows: {rows}"))
    for name in rules:
        if name not in columns:
            violations.append((name, "must be present", 0, "not in the table", f"delete {name} under columns"))
    if not contract.allow_extra_columns:
        extra = [name for name in columns if name not in contract.columns and name not in skipped_columns]
        to_allow = "write allow_extra_columns: true, or add the column under columns"
        violations += [(name, "must not be present", 0, "not in the contract", to_allow) for name in extra]
    return violations


def find_column_violations(
    counts: Mapping[str, ColumnCounts], rules: Mapping[str, ColumnRules], contract: Contract
) -> list[TableViolation]:
    """Return the violations of the limits of missing values and of drift."""
    tested_columns = sum(bool(rules[name].bins or rules[name].shares) for name in counts)
    violations = []
    for name, column_counts in counts.items():
        violations += _find_missing_violation(column_counts, name, rules[name])
        violations += _find_drift(column_counts, name, rules[name], contract, tested_columns)
    return violations


def _find_missing_violation(counts: ColumnCounts, name: str, rules: ColumnRules) -> list[TableViolation]:
    share = counts.missing / max(1, counts.rows)
    if rules.max_missing_share is None or not share > rules.max_missing_share:
        return []
    rule = f"at most {rules.max_missing_share:.1%} may be missing"
    finding = f"{share:.1%} are: {counts.missing:,} of {counts.rows:,}"
    return [(name, rule, 0, finding, suggest_rule(name, f"max_missing_share: {round_up(share)}"))]


def _find_drift(
    counts: ColumnCounts, name: str, rules: ColumnRules, contract: Contract, tested_columns: int
) -> list[TableViolation]:
    if contract.max_drift is None:
        return []
    sample_size, assumption = rules.sample_size, ""
    if sample_size is None:
        # Contracts of earlier versions state half the number of rows as min_rows.
        sample_size = 2 * contract.min_rows if contract.min_rows > 1 else counts.rows
        assumption = f"; the contract has no sample_size, {sample_size:,} values are assumed"
    change = drift.compare(counts.distribution, rules, sample_size)
    if not change.is_violation(contract.max_drift, tested_columns):
        return []
    rule = f"must not drift by more than {contract.max_drift:g}"
    finding = f"drifted by {change.index:.3g}, {change.largest}, p = {change.p_value:.1g}{assumption}"
    to_allow = f"write max_drift: {round_up(change.index)}, or accept the new distribution with contract accept"
    return [(name, rule, 0, finding, to_allow)]


def suggest_rule(name: str, rule: str) -> str:
    """Return the advice to write a rule of a column into the contract; empty if the rule is empty."""
    return f"write columns: {{{name}: {{{rule}}}}}" if rule else ""
