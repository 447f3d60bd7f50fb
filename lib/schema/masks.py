"""Tests and counts of the true values in masks that may contain nulls."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def any_true(mask: pa.ChunkedArray) -> bool:
    """Return whether any value is true; nulls count as false."""
    return bool(pc.any(mask).as_py())


def count_true(mask: pa.ChunkedArray) -> int:
    """Return the number of true values; nulls count as false."""
    return pc.sum(mask).as_py() or 0
