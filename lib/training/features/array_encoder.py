"""The encoder without pandas and without checks, for rows that were checked already: what an endpoint needs.

For a single row nearly all of the encoder's time is spent on making Series and on scikit-learn looking at its
input. Here columns come as plain arrays and go straight into the matrix of features. A code has as many possible
features as it has levels, so these are asked of the fitted encoder once, and looked up from then on. The matrix lies
by column in memory, as it is filled.

An endpoint starts with this alone, so neither it nor what it imports imports pandas or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lib.training.features.categories import FEW_ROWS, UNSEEN, CategoryColumn, as_word
from lib.training.features.dates import DateColumn, calendar_parts, moment_parts
from lib.training.features.numbers import LARGEST, NumberColumn

if TYPE_CHECKING:
    from lib.training.features.encoder import TableEncoder


class ArrayEncoder:
    """A fitted `TableEncoder` for arrays; its features are the same to the last bit.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted.
    """

    def __init__(self, encoder: TableEncoder):
        self._branches = encoder._branches if encoder.style == "linear" else None
        columns = list(encoder.columns_.items())
        widths = [len(column.parts) for _, column in columns]
        kinds = [column.kind for _, column in columns for _ in column.parts]
        codes = [place for place, kind in enumerate(kinds) if kind == "code" and self._branches is None]
        others = [place for place in range(len(kinds)) if place not in codes]
        # Like the encoder's branches: what passes through comes first, then the codes.
        self._plan, tables = [], _tables(encoder, codes, len(others), len(kinds))
        self._width = len(others) + sum(len(table) for table in tables.values())
        begin = 0
        for (name, column), width in zip(columns, widths, strict=True):
            table = tables.get(begin)
            if table is None:
                place, end = others.index(begin), others.index(begin) + width
            else:
                place = len(others) + codes.index(begin) * len(table)
                end = place + len(table)
            reader = _Levels(column, table) if type(column) is CategoryColumn else column
            self._plan.append((name, reader, slice(place, end)))
            begin += width

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Features of some rows.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            By column: floats, integers, booleans, ``datetime64[ns]`` or objects, each of shape (rows,).

        Returns
        -------
        numpy.ndarray of shape (rows, features)
        """
        features = np.empty((self._width, len(arrays[self._plan[0][0]])))
        for name, column, place in self._plan:
            _read(column, arrays[name], features[place])
        if np.count_nonzero(np.abs(features) > LARGEST):
            features[np.isinf(features)] = np.nan
            np.clip(features, -LARGEST, LARGEST, out=features)
        return features.T if self._branches is None else self._branches.transform(np.ascontiguousarray(features.T))


class _Levels(dict):
    """By what a request has in a column of levels, the column's place in a table of features.

    Parameters
    ----------
    column : CategoryColumn
    table : numpy.ndarray of shape (features, levels + 2), optional
        Features of the levels in order, of one never seen, and of a missing one; by default the levels' numbers.
    """

    def __init__(self, column: CategoryColumn, table: np.ndarray | None = None):
        self._unseen, self._missing = len(column.levels), len(column.levels) + 1
        numbers = column._numbers.items()
        super().__init__({word: self._missing if np.isnan(number) else int(number) for word, number in numbers})
        alone = [*map(float, range(self._unseen)), UNSEEN[column.kind], np.nan]
        self._table = np.array([alone]) if table is None else table

    def __missing__(self, value: object) -> int:
        """Place of what is no word of a level as it stands."""
        if value is None or value != value:
            return self._missing
        return self.get(as_word(value), self._unseen)

    def read(self, values: np.ndarray, floats: np.ndarray) -> None:
        """Write the features of some values, of shape (features, rows)."""
        if values.dtype.kind in "mM":  # whose words are pandas'
            import pandas as pd

            values = pd.Series(values).astype(object).to_numpy()
        places = np.fromiter(map(self.__getitem__, values.tolist()), np.intp, len(values))
        self._table.take(places, 1, floats, "clip")  # "clip" for its speed: no place is out of the table


def _tables(encoder: TableEncoder, codes: list[int], others: int, width: int) -> dict[int, np.ndarray]:
    """By place of a code: the features of its levels in order, of one never seen, and of a missing one."""
    tables = {}
    levels = {
        place: len(column.levels)
        for place, column in zip(codes, (one for one in encoder.columns_.values() if one.kind == "code"), strict=False)
    }
    for number, place in enumerate(codes):
        probe = np.full((levels[place] + 2, width), np.nan)
        probe[:, place] = [*range(levels[place]), UNSEEN["code"], np.nan]
        features = encoder._branches.transform(probe)
        each = (features.shape[1] - others) // len(codes)
        first = others + number * each
        tables[place] = np.ascontiguousarray(features[:, first : first + each].T)
    return tables


def _read(column: object, values: np.ndarray, floats: np.ndarray) -> None:
    """What `column.read` gives, into `floats` of shape (parts, rows); numbers without its bounds."""
    kind = values.dtype.kind
    if type(column) is NumberColumn and kind in "fiub":
        floats[0] = values
    elif type(column) is _Levels:
        column.read(values, floats)
    elif type(column) is DateColumn and kind == "M":
        if len(values) <= FEW_ROWS:
            for row, moment in enumerate(values.astype("datetime64[s]").tolist()):
                floats[:, row] = moment_parts(moment, column.parts)
        else:
            calendar_parts(values, column.parts, floats)
    else:
        import pandas as pd

        floats[:] = column.read(pd.Series(values)).T
