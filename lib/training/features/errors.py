"""The error of this package. It travels with a model, so it is independent of `lib.errors`."""

from __future__ import annotations


class FeatureError(ValueError):
    """Columns that cannot be turned into features: duplicate, missing, or all without information."""
