"""Counts of true values in masks with nulls."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def any_true(mask: pa.ChunkedArray) -> bool:
    """Return whether any value is true; nulls are not."""
    return bool(pc.any(mask).as_py())


def count_true(mask: pa.ChunkedArray) -> int:
    """Return the number of true values."""
    return pc.sum(mask).as_py() or 0
