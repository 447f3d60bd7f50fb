"""The encoder without pandas and without checks, for rows that were checked already: what an endpoint needs.

For a single row nearly all of the encoder's time is spent on making Series and on scikit-learn looking at its
input. Here columns come as plain arrays and go straight into the matrix of features. A code has as many possible
features as it has levels, so these are asked of the fitted encoder once, and looked up from then on.

An endpoint starts with this alone, so neither it nor what it imports imports pandas or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lib.training.features.dates import DateColumn, calendar_parts, moment_parts
from lib.training.features.levels import FEW_ROWS, UNSEEN, LevelColumn, as_word
from lib.training.features.numbers import LARGEST, NumberColumn

if TYPE_CHECKING:
    from lib.training.features.encoder import TableEncoder


class DirectEncoder:
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
        self._width = len(others) + sum(table.shape[1] for table in tables.values())
        begin = 0
        for (name, column), width in zip(columns, widths, strict=True):
            table = tables.get(begin)
            if table is None:
                place, end = others.index(begin), others.index(begin) + width
            else:
                place = len(others) + codes.index(begin) * table.shape[1]
                end = place + table.shape[1]
            self._plan.append((name, column, table, slice(place, end)))
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
        features = np.empty((len(arrays[self._plan[0][0]]), self._width))
        for name, column, table, place in self._plan:
            if table is None:
                _read(column, arrays[name], features[:, place])
            else:
                level = np.empty((len(features), 1))
                _read(column, arrays[name], level)
                features[:, place] = table[_index(level[:, 0], len(table))]
        if (np.abs(features) > LARGEST).any():
            features[np.isinf(features)] = np.nan
            np.clip(features, -LARGEST, LARGEST, out=features)
        return features if self._branches is None else self._branches.transform(features)


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
        tables[place] = np.ascontiguousarray(features[:, first : first + each])
    return tables


def _index(numbers: np.ndarray, rows: int) -> np.ndarray:
    """Row of the table for each number of a level: -1, never seen, is the last but one, and NaN the last."""
    index = np.where(np.isnan(numbers), rows - 1, numbers).astype(np.intp)
    index[index == UNSEEN["code"]] = rows - 2
    return index


def _read(column: object, values: np.ndarray, floats: np.ndarray) -> None:
    """What `column.read` gives, into `floats`; numbers without its bounds."""
    kind = values.dtype.kind
    if type(column) is NumberColumn and kind in "fiub":
        floats[:, 0] = values
    elif type(column) is LevelColumn and kind in "Ofib":
        levels, unseen = values.tolist(), UNSEEN[column.kind]
        found = list(map(column._numbers.get, levels))
        for row in [row for row, number in enumerate(found) if number is None] if None in found else ():
            value = levels[row]
            missing = value is None or value != value
            found[row] = np.nan if missing else column._numbers.get(as_word(value), unseen)
        floats[:, 0] = found
    elif type(column) is DateColumn and kind == "M":
        if len(values) <= FEW_ROWS:
            for row, moment in enumerate(values.astype("datetime64[s]").tolist()):
                floats[row] = moment_parts(moment, column.parts)
        else:
            parts = calendar_parts(values, column.parts)
            for place, part in enumerate(column.parts):
                floats[:, place] = parts[part]
    else:
        import pandas as pd

        floats[:] = column.read(pd.Series(values))
