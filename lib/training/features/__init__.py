"""Raw columns to what a model can take: read first (what a value means), then encode (what a model likes).

``kinds`` decides what a column holds; ``numbers``, ``levels``, ``dates`` and ``text`` each read one
kind into plain floats, in training and at the endpoint alike; ``branches`` sends these floats through
scikit-learn's encoders; ``TableEncoder`` is the one transformer made of all this, and ``direct`` the same for
an endpoint's few rows at a time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.training.features.encoder import TableEncoder
    from lib.training.features.errors import FeatureError
    from lib.training.features.target import target_array

__all__ = ["FeatureError", "TableEncoder", "target_array"]
_HOMES = {"FeatureError": "errors", "TableEncoder": "encoder", "target_array": "target"}


def __getattr__(name: str) -> Any:
    # An endpoint needs `direct` alone, and not the scikit-learn that the encoder imports.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
