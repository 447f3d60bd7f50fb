"""The check of the parameter ``weight_column`` without the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def weight_column_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each conflict of ``weight_column`` with other parameters.

    Parameters
    ----------
    values : mapping
        The checked values of some parameters.

    Examples
    --------
    >>> weight_column_faults({"weight_column": "price", "target_column": "price"})
    ["weight_column: 'price' is the target_column."]
    """
    column = values.get("weight_column")
    if not column:
        return []
    roles = ("target_column", "time_column")
    faults = [f"weight_column: {column!r} is the {role}." for role in roles if column == values.get(role)]
    if column == values.get("cost_column"):
        faults.append(f"weight_column: {column!r} is the cost_column, which models see. Copy it to a second column.")
    if column in (values.get("key_columns") or ()):
        faults.append(f"weight_column: {column!r} is in key_columns; remove it there.")
    if values.get("automl"):
        faults.append("weight_column: AutoML trains without weights. Leave it empty, or set automl to false.")
    if values.get("engine") == "dask":
        faults.append("weight_column: it needs the table in memory. Leave it empty, or set engine to memory.")
    if values.get("calibration", "none") != "none":
        faults.append("weight_column: probabilities are calibrated without weights. Set calibration to none.")
    return faults
