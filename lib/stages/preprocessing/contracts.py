"""The check of a table against its data contract, which warns, fails or puts the offending rows in quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import charts
from lib.errors import DataError
from lib.invocation import command
from lib.paths import resolve_existing
from lib.schema.text_values import category_name
from lib.tables.quality import contract, contract_file, violations
from lib.tables.quality.part_check import PartDetails, check_part, describe_part

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import Engine
    from lib.tables.quality.violations import BrokenRows, Violations


@dataclass(frozen=True)
class ContractCheck:
    """The check of a table against its contract.

    Attributes
    ----------
    violations : Table
        The broken rules, or a single row that says that no rule is broken.
    rows : int
        Number of rows of the table.
    broken_rows : int or None
        Number of rows that break a rule; all rows if a rule of the whole table is broken. None without a contract.
    quarantined : int
        Number of quarantined rows.
    quarantine : str
        Their URI; empty if there are none.
    """

    violations: charts.Table
    rows: int
    broken_rows: int | None = None
    quarantined: int = 0
    quarantine: str = ""

    def to_baseline(self) -> dict[str, Any]:
        """Return what later stages read about the check; empty without a contract."""
        if self.broken_rows is None:
            return {}
        return {"contract_check": {"rows": self.rows, "broken_rows": self.broken_rows}}


def apply(engine: Engine, parameters: Parameters) -> ContractCheck:
    """Check a table against its contract, then warn, fail or quarantine rows as ``on_violation`` says.

    Parameters
    ----------
    engine : Engine
        Holds the raw rows; rows put in quarantine are removed from it.
    parameters : Parameters
        ``contract``, ``on_violation``, ``drop_columns``, ``data`` and ``name``.

    Returns
    -------
    ContractCheck

    Raises
    ------
    DataError
        If the table breaks its contract and ``on_violation`` is ``fail``, or if a quarantine cannot fix the table. The
        message lists every broken rule.
    """
    if not parameters.contract:
        return ContractCheck(_make_table_without_violations("no contract is given"), engine.reading.rows)
    rules = contract_file.load(resolve_existing(parameters.contract))
    # No model sees these columns, so they are not checked.
    skipped = [*engine.reading.unread, *parameters.drop_columns]
    checks = engine.map_rows(partial(check_part, contract=rules, skipped_columns=skipped))
    broken = violations.find_broken_rows(checks, rules, skipped)
    details = engine.map_rows(partial(_describe_part_violations, rules=rules, skipped=skipped), broken)
    all_violations = violations.judge(checks, broken, details, rules, skipped)
    if all_violations.table.empty:
        table = _make_table_without_violations(f"no rule of {parameters.contract} is broken")
        return ContractCheck(table, engine.reading.rows, 0)
    table = charts.Table(all_violations.table)
    broken_count = int(all_violations.broken_rows.sum())
    if parameters.on_violation == "warn":
        counted = engine.reading.rows if all_violations.breaks_table_rule else broken_count
        return ContractCheck(table, engine.reading.rows, counted)
    if parameters.on_violation == "fail" or all_violations.breaks_table_rule or all_violations.broken_rows.all():
        raise DataError(_format_violations(all_violations, engine.reading.notes, parameters))
    quarantine = engine.quarantine(broken)
    return ContractCheck(table, engine.reading.rows, broken_count, broken_count, quarantine)


def _make_table_without_violations(reason: str) -> charts.Table:
    """Return a table of violations whose only row says why there are none."""
    return charts.Table([("", reason, 0, "", "")], columns=violations.COLUMNS)


def limits_of_values(parameters: Parameters) -> dict[str, dict[str, Any]]:
    """Return the contract's limits of values by column, which are stored with the model; empty without a contract.

    Parameters
    ----------
    parameters : Parameters
        ``contract``.
    """
    if not parameters.contract:
        return {}
    columns = contract_file.load(resolve_existing(parameters.contract)).columns
    limits = {
        name: {
            "minimum": rules.minimum,
            "maximum": rules.maximum,
            "categories": None if rules.categories is None else list(map(category_name, rules.categories)),
        }
        for name, rules in columns.items()
    }
    return {name: {rule: limit for rule, limit in rules.items() if limit is not None} for name, rules in limits.items()}


def _describe_part_violations(
    frame: pd.DataFrame, broken: BrokenRows, rules: contract.Contract, skipped: list[str]
) -> PartDetails:
    """Describe the violations in one part of the table."""
    return describe_part(frame, rules, broken.rows_by_rule, broken.is_left_out, skipped)


def _format_violations(all_violations: Violations, reading_notes: list[str], parameters: Parameters) -> str:
    """Return an error message with every broken rule and the ways to fix the table."""
    lines = [f"{parameters.data} breaks its contract {parameters.contract}:", str(all_violations)]
    # Reading can cause a violation, e.g. if text in a column of numbers was read as a missing value.
    if reading_notes:
        lines.append(" ".join(["How the table was read:", *reading_notes]))
    can_quarantine = parameters.on_violation == "fail" and not all_violations.breaks_table_rule
    quarantine = " set on_violation to quarantine," if can_quarantine else ""
    lines.append(f"Fix the table,{quarantine} or accept it as it is: {command('contract', 'accept')}")
    return "\n".join(lines)
