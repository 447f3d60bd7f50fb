"""The error of this package. It travels with a model, so it is independent of `lib.errors`."""

from __future__ import annotations


class FeatureError(ValueError):
    """Columns that cannot be converted to features: names that repeat, missing columns, or no informative column."""
