"""The parameter ``coverage``: its checks without the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The lowest coverage at which an interval or a set is more informative than its complement.
MIN_COVERAGE, MAX_COVERAGE = 0.5, 0.999


def coverage_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each fault of ``coverage``.

    Parameters
    ----------
    values : mapping
        The checked values of some parameters.

    Examples
    --------
    >>> coverage_faults({"coverage": 0.9, "task": "binary"})
    []
    >>> coverage_faults({"coverage": 0.2})
    ['coverage: 0.2 is out of range; expected 0.5 to 0.999, e.g. 0.9, or 0 for no intervals.']
    """
    faults: list[str] = []
    coverage = values.get("coverage")
    if not coverage:
        return faults
    if not MIN_COVERAGE <= coverage <= MAX_COVERAGE:
        faults.append(
            f"coverage: {coverage} is out of range; expected {MIN_COVERAGE} to {MAX_COVERAGE}, e.g. 0.9, or 0 for no "
            "intervals."
        )
    if values.get("automl"):
        faults.append(
            "coverage: AutoML trains on all training rows, so none are left to calibrate intervals. Set coverage to 0, "
            "or automl to false."
        )
    if values.get("engine") == "dask":
        faults.append("coverage: it needs the table in memory. Set coverage to 0, or engine to memory.")
    return faults
