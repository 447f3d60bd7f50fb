"""The data contract in the preprocess stage: a warning, a failure, or the quarantine of rows that break it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from lib import charts
from lib.errors import DataError
from lib.invocation import command
from lib.paths import resolve_existing
from lib.tables.quality import contract, violations
from lib.tables.quality.part_check import PartDetails, check_part, describe_part

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import Engine
    from lib.tables.quality.violations import BrokenRows, Violations


def apply(engine: Engine, parameters: Parameters) -> tuple[charts.Table, tuple[int, str]]:
    """Check a table against its contract, and act as ``on_violation`` says.

    Parameters
    ----------
    engine : Engine
        Holds the raw rows. Those in quarantine are left out.
    parameters : Parameters
        ``contract``, ``on_violation``, ``drop_columns``, ``data`` and ``name``.

    Returns
    -------
    violations : Table
        The broken rules; a single row without a rule says that there are none.
    quarantine : tuple of int and str
        The number of quarantined rows, and their URI; ``(0, "")`` if there are none.

    Raises
    ------
    DataError
        If the table breaks its contract and ``on_violation`` is ``fail``, or if a quarantine cannot fix the table. The
        message lists every broken rule.
    """
    if not parameters.contract:
        return charts.Table([("", "no contract is given", 0, "", "")], columns=violations.COLUMNS), (0, "")
    rules = contract.load(resolve_existing(parameters.contract))
    # Unread columns and dropped ones, which no model sees, are not checked.
    skipped = [*engine.reading.unread, *parameters.drop_columns]
    checks = engine.map_rows(partial(check_part, contract=rules, skipped_columns=skipped))
    broken = violations.find_broken_rows(checks, rules, skipped)
    details = engine.map_rows(partial(_describe_part, rules=rules, skipped=skipped), broken)
    found = violations.judge(checks, broken, details, rules, skipped)
    table = charts.Table(found.table)
    if table.empty:
        table.loc[0] = ("", f"no rule of {parameters.contract} is broken", 0, "", "")
        return table, (0, "")
    if parameters.on_violation == "warn":
        return table, (0, "")
    if parameters.on_violation == "fail" or found.breaks_table_rule or found.broken_rows.all():
        raise DataError(_violation_message(found, engine.reading.notes, parameters))
    return table, (int(found.broken_rows.sum()), engine.quarantine(broken))


def _describe_part(
    frame: pd.DataFrame, broken: BrokenRows, rules: contract.Contract, skipped: list[str]
) -> PartDetails:
    return describe_part(frame, rules, broken.rows_by_rule, broken.is_left_out, skipped)


def _violation_message(found: Violations, reading_notes: list[str], parameters: Parameters) -> str:
    lines = [f"{parameters.data} breaks its contract {parameters.contract}:", str(found)]
    # A violation may come from reading, e.g. text in a column of numbers was read as a missing value.
    if reading_notes:
        lines.append(" ".join(["How the table was read:", *reading_notes]))
    can_quarantine = parameters.on_violation == "fail" and not found.breaks_table_rule
    quarantine = " set on_violation to quarantine," if can_quarantine else ""
    lines.append(f"Fix the table,{quarantine} or accept it as it is: {command('contract', 'accept')}")
    return "\n".join(lines)
