"""The data contract in the preprocess stage: a warning, a failure, or the quarantine of rows that break it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd

from lib import charts
from lib.errors import DataError
from lib.invocation import command
from lib.paths import resolve_existing
from lib.tables import frames
from lib.tables.quality import contract, violations

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

REASON = "broken_rules"  # column of the quarantined rows


def apply(frame: pd.DataFrame, backend: Backend, parameters: Parameters) -> tuple[pd.DataFrame, charts.Table, str]:
    """Check a table against its contract, and act as ``on_violation`` says.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        The raw table.
    backend : Backend
        Stores the quarantined rows.
    parameters : Parameters
        ``contract``, ``on_violation``, ``drop_columns``, ``data`` and ``name``.

    Returns
    -------
    frame : DataFrame
        The rows to prepare: all rows, or those that break no rule.
    violations : Table
        The broken rules; a single row without a rule says that there are none.
    uri : str
        The quarantined rows; ``""`` if there are none.

    Raises
    ------
    DataError
        If the table breaks its contract and ``on_violation`` is ``fail``, or if a quarantine cannot fix the table. The
        message lists every broken rule.
    """
    if not parameters.contract:
        return frame, charts.Table([("", "no contract is given", 0, "", "")], columns=violations.COLUMNS), ""
    rules = contract.load(resolve_existing(parameters.contract))
    broken = violations.find(frame, rules, _skipped_columns(frame, parameters))
    table = charts.Table(broken.table)
    if table.empty:
        table.loc[0] = ("", f"no rule of {parameters.contract} is broken", 0, "", "")
        return frame, table, ""
    if parameters.on_violation == "warn":
        return frame, table, ""
    if parameters.on_violation == "fail" or broken.breaks_table_rule or broken.broken_rows.all():
        raise DataError(_violation_message(broken, frame, parameters))
    uri = _write_quarantine(broken, frame, backend, parameters)
    valid = frame[~broken.broken_rows].reset_index(drop=True)
    valid.attrs.update(frame.attrs)
    return valid, table, uri


def _skipped_columns(frame: pd.DataFrame, parameters: Parameters) -> list[str]:
    """Return the columns that are not checked: unread ones and dropped ones, which no model sees."""
    return [*frame.attrs.get(frames.UNREAD, []), *parameters.drop_columns]


def _write_quarantine(
    broken: violations.Violations, frame: pd.DataFrame, backend: Backend, parameters: Parameters
) -> str:
    """Store the rows that break a rule, each with its broken rules, and return their URI.

    The file is named by its content, so that equal rows are stored once.
    """
    rows = frame[broken.broken_rows].assign(**{REASON: broken.reasons()})
    digest = hashlib.sha256(pd.util.hash_pandas_object(rows.astype(str)).to_numpy().tobytes()).hexdigest()[:16]
    return backend.write_table(rows, f"{parameters.name}/quarantine/{digest}.parquet")


def _violation_message(broken: violations.Violations, frame: pd.DataFrame, parameters: Parameters) -> str:
    lines = [f"{parameters.data} breaks its contract {parameters.contract}:", str(broken)]
    # A violation may come from reading, e.g. text in a column of numbers was read as a missing value.
    if notes := frame.attrs.get(frames.NOTES):
        lines.append(" ".join(["How the table was read:", *notes]))
    can_quarantine = parameters.on_violation == "fail" and not broken.breaks_table_rule
    quarantine = " set on_violation to quarantine," if can_quarantine else ""
    lines.append(f"Fix the table,{quarantine} or accept it as it is: {command('contract', 'accept')}")
    return "\n".join(lines)
