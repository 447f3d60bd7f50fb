"""The encoder for the few rows of a request, which computes features from arrays instead of a DataFrame.

For a single row, `TableEncoder` spends nearly all its time on creating Series and on scikit-learn's input checks. An
endpoint imports this module alone, so neither it nor its imports may import pandas or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lib.schema.text_values import category_name
from lib.training.features.categories import CategoryColumn
from lib.training.features.dates import MAX_FEW_ROWS, DateColumn, compute_calendar_parts, compute_few_calendar_parts
from lib.training.features.numbers import MAX_MAGNITUDE, NumberColumn

if TYPE_CHECKING:
    from lib.training.features.detection import ColumnReader
    from lib.training.features.encoder import TableEncoder


class ArrayEncoder:
    """A fitted `TableEncoder` for arrays of valid values; it computes bit-identical features.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.

    Examples
    --------
    >>> import pandas as pd
    >>> from lib.training.features import TableEncoder
    >>> X = pd.DataFrame({"age": [20, 30, 40, 50], "city": ["Rome", "Oslo", "Oslo", "Rome"]})
    >>> encode = ArrayEncoder(TableEncoder().fit(X, np.array([0, 1, 1, 0])))
    >>> encode({"age": np.array([35.0]), "city": np.array(["Rome"], dtype=object)}).tolist()
    [[35.0, 1.0]]
    """

    def __init__(self, encoder: TableEncoder):
        is_linear = encoder.model_kind == "linear"
        self._feature_columns = encoder.feature_columns()
        self._transformer = encoder.transformer_ if is_linear else None
        code_tables = {} if is_linear else _encode_codes(encoder)
        # For trees, `TableEncoder` puts the features of codes after the features of all other columns.
        sorted_columns = sorted(encoder.columns_.items(), key=lambda item: item[0] in code_tables)
        self._readers: list[tuple[str, ColumnReader | _CategoryLookup, slice]] = []
        self._feature_count = 0
        for name, column in sorted_columns:
            reader = _CategoryLookup(column, code_tables.get(name)) if isinstance(column, CategoryColumn) else column
            end = self._feature_count + (len(code_tables[name]) if name in code_tables else len(column.parts))
            self._readers.append((name, reader, slice(self._feature_count, end)))
            self._feature_count = end

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the features of some rows.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray of shape (rows,)
            Values by column: floats, integers, booleans, ``datetime64[ns]`` or objects.

        Returns
        -------
        numpy.ndarray of shape (rows, features)
        """
        row_count = len(arrays[self._readers[0][0]])
        features = np.empty((self._feature_count, row_count))
        for name, reader, positions in self._readers:
            features[positions] = _read_array(reader, arrays[name])
        if np.count_nonzero(np.abs(features) > MAX_MAGNITUDE):
            features[np.isinf(features)] = np.nan
            np.clip(features, -MAX_MAGNITUDE, MAX_MAGNITUDE, out=features)
        if self._transformer is None:
            return features.T
        return self._transformer.transform(np.ascontiguousarray(features.T))

    def feature_columns(self) -> list[str]:
        """Return the raw column of each feature."""
        return self._feature_columns

    def known_categories(self) -> dict[str, Mapping[object, int]]:
        """Return the categories of each column of categories or codes."""
        return {name: reader for name, reader, _ in self._readers if isinstance(reader, _CategoryLookup)}


class _CategoryLookup(dict[object, int]):
    """Lookup of a category's features by its value in a request.

    The dictionary maps a value to a column of the feature table. The table has one column per category, in the order of
    their indices, then one for unseen categories and one for missing values.

    Parameters
    ----------
    column : CategoryColumn
    feature_table : numpy.ndarray of shape (features, categories + 2), optional
        The features of each category, of an unseen category and of a missing value. Default: one feature, the index
        of the category.
    """

    def __init__(self, column: CategoryColumn, feature_table: np.ndarray | None = None):
        self._unseen_position, self._missing_position = len(column.categories), len(column.categories) + 1
        super().__init__(
            {
                name: self._missing_position if np.isnan(index) else int(index)
                for name, index in column.index_by_name.items()
            }
        )
        self._feature_table = _all_indices(column)[None, :] if feature_table is None else feature_table

    def __missing__(self, value: object) -> int:
        """Return the position of a value that is not yet in the dictionary, such as a number or an unseen category."""
        if value is None or value != value:
            return self._missing_position
        return self.get(category_name(value), self._unseen_position)

    def features(self, values: np.ndarray) -> np.ndarray:
        """Return the features of some values, of shape (features, rows)."""
        if values.dtype.kind in "mM":  # pandas determines the names of dates and durations
            import pandas as pd

            values = pd.Series(values).astype(object).to_numpy()
        positions = np.fromiter(map(self.__getitem__, values.tolist()), np.intp, len(values))
        return self._feature_table.take(positions, axis=1)


def _all_indices(column: CategoryColumn) -> np.ndarray:
    """Return the indices of all categories, of an unseen category and of a missing value."""
    return np.array([*range(len(column.categories)), column.unseen_index, np.nan])


def _encode_codes(encoder: TableEncoder) -> dict[str, np.ndarray]:
    """Return, by name of each column of codes, the target-encoded features of its categories.

    The arrays have the shape (features, categories + 2); the last two columns are for an unseen category and a missing
    value.
    """
    columns = encoder.columns_.items()
    codes = {name: column for name, column in columns if isinstance(column, CategoryColumn) and column.kind == "code"}
    feature_tables = {}
    for position, (name, column) in enumerate(codes.items()):
        indices = _all_indices(column)
        floats = np.full((len(indices), len(codes)), np.nan)
        floats[:, position] = indices
        features = encoder.transformer_.target_encoder_.transform(floats)
        per_column = features.shape[1] // len(codes)
        feature_tables[name] = np.ascontiguousarray(features[:, position * per_column : (position + 1) * per_column].T)
    return feature_tables


def _read_array(reader: ColumnReader | _CategoryLookup, values: np.ndarray) -> np.ndarray:
    """Return a column's features, of shape (features, rows), like its ``to_floats`` but without clipping numbers."""
    if isinstance(reader, _CategoryLookup):
        return reader.features(values)
    if isinstance(reader, NumberColumn) and values.dtype.kind in "fiub":
        return values[None, :]
    if isinstance(reader, DateColumn) and values.dtype.kind == "M":
        is_few = len(values) <= MAX_FEW_ROWS and values.dtype == "datetime64[us]"
        return (compute_few_calendar_parts if is_few else compute_calendar_parts)(values, reader.parts)
    import pandas as pd

    return reader.to_floats(pd.Series(values)).T
