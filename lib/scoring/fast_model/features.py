"""The fast form of a model whose first step computes the customer's features.

The features themselves run in pandas, as in training. What follows them, the encoder and the trees, runs on plain
arrays without the input checks of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lib.scoring.columns import Column
from lib.scoring.fast_model.form import FastModel
from lib.scoring.feature_step import FeatureStep
from lib.scoring.sklearn_model import make_frame


class FeatureEncoder:
    """Computes the features of checked values, and encodes them for the model.

    Parameters
    ----------
    step : FeatureStep
        The first step of the model.
    columns : tuple of Column
        The model's inputs.
    encode : callable
        Takes an array for each feature, by name, and returns the matrix for the model.
    """

    def __init__(
        self,
        step: FeatureStep,
        columns: tuple[Column, ...],
        encode: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    ):
        self._step, self._columns, self._encode = step, columns, encode

    def __call__(self, table: Mapping[str, list]) -> np.ndarray:
        """Return the matrix for the model."""
        raw = make_frame(table, self._columns)
        features = self._step.transform(raw)
        kinds = {column.name: column.kind for column in self._columns}
        arrays = {}
        for name in features.columns:
            values = features[name]
            # An unchanged column of dates or durations is parsed as without features.
            if name in kinds and values.equals(raw[name]):
                arrays[name] = kinds[name].to_array(table[name])
            else:
                arrays[name] = _to_array(values)
        return self._encode(arrays)


class FeatureFastModel(FastModel):
    """A fast model that gets the values by column, of which its encoder makes a DataFrame."""

    def make_features(self, table: Mapping[str, list]) -> np.ndarray:
        """Return the matrix for the last step."""
        return self.encode(table)  # type: ignore[arg-type]


def _to_array(values: Any) -> np.ndarray:
    """Return a computed column as the array that the encoder expects: floats, booleans, datetimes or objects."""
    if values.dtype.kind in "iuf":
        return values.to_numpy(dtype=float)
    return values.to_numpy() if values.dtype.kind in "bM" else values.astype(object).to_numpy()
