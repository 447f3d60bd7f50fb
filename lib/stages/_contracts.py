"""What preprocess does about a table that breaks its contract."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pandas as pd

from lib import charts
from lib.data import contract, tables, violations
from lib.errors import DataError
from lib.invocation import command
from lib.paths import resolve_existing

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

REASON = "broken_rules"


def apply(frame: pd.DataFrame, backend: Backend, parameters: Parameters) -> tuple[pd.DataFrame, charts.Table, str]:
    """Rows that may be learnt from, what the table breaks, and where the other rows are.

    Raises
    ------
    DataError
        With every broken rule, where ``on_violation`` is ``fail``; or where leaving out rows does not mend the table.
    """
    if not parameters.contract:
        return frame, charts.Table([("", "no contract is given", 0, "")], columns=violations.COLUMNS), ""
    found = violations.find(frame, contract.load(resolve_existing(parameters.contract)), _not_asked(frame, parameters))
    table = charts.Table(found.table)
    if found.table.empty:
        table.loc[0] = ("", f"{parameters.contract} is kept", 0, "")
        return frame, table, ""
    if parameters.on_violation == "warn":
        return frame, table, ""
    if parameters.on_violation == "fail" or found.breaks_table_rule or found.broken_rows.all():
        raise DataError(_refusal(found, frame, parameters))
    aside = frame[found.broken_rows].assign(**{REASON: found.reasons()})
    name = hashlib.sha256(pd.util.hash_pandas_object(aside.astype(str)).to_numpy().tobytes()).hexdigest()[:16]
    uri = backend.write_table(aside, f"{parameters.name}/quarantine/{name}.parquet")
    kept = frame[~found.broken_rows].reset_index(drop=True)
    kept.attrs.update(frame.attrs)
    return kept, table, uri


def _not_asked(frame: pd.DataFrame, parameters: Parameters) -> list[str]:
    """Columns that no model sees, and that are not read."""
    return [*frame.attrs.get(tables.UNREAD, []), *parameters.drop_columns]


def _refusal(found: violations.Violations, frame: pd.DataFrame, parameters: Parameters) -> str:
    accept = command("contract", "accept")
    way_out = f"Fix the table, or accept it as it is: {accept}"
    if parameters.on_violation == "fail" and not found.breaks_table_rule:
        way_out = f"Fix the table, set on_violation to quarantine, or accept it as it is: {accept}"
    # A word among numbers is missing there.
    read = " ".join(["It was read so:", *frame.attrs[tables.NOTES]]) + "\n" if frame.attrs.get(tables.NOTES) else ""
    return f"{parameters.data} breaks its contract {parameters.contract}:\n{found}\n{read}{way_out}"
