"""The conversion of raw columns into a model's features.

The conversion has two steps. The first converts every column to floats: ``detection`` decides what a column contains,
and ``numbers``, ``categories``, ``dates`` and ``text`` each read one kind of column. The second step, ``transformers``,
applies scikit-learn's encoders to the floats.

``TableEncoder`` combines both steps into one scikit-learn transformer. ``ArrayEncoder`` computes the same features from
plain arrays, for the few rows of a request.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.training.features.encoder import TableEncoder
    from lib.training.features.errors import FeatureError
    from lib.training.features.target import target_array

__all__ = ["FeatureError", "TableEncoder", "target_array"]
_MODULES = {"FeatureError": "errors", "TableEncoder": "encoder", "target_array": "target"}


def __getattr__(name: str) -> Any:
    # Lazy imports: an endpoint needs only `array_encoder`, and not the scikit-learn that `encoder` imports.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
