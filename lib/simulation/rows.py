"""Rows for a simulation: drawn from the test rows of the version in production, and changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.monitoring.cells import NUMBER
from lib.monitoring.reference import ColumnReference

ROWS_PER_WEEK = 200
UNKNOWN = "never seen before"


def draw_rows(rows: pd.DataFrame, seed: int, count: int = ROWS_PER_WEEK) -> pd.DataFrame:
    """Return rows drawn with replacement; the index says which row each one is."""
    positions = np.random.default_rng(seed).integers(0, len(rows), count)
    return rows.iloc[positions]


def list_used_columns(references: Mapping[str, ColumnReference], columns: Sequence[str], kind: str) -> list[str]:
    """Return columns of a kind that the model uses, the one with most effect on its output first.

    Parameters
    ----------
    references : mapping of str to ColumnReference
    columns : sequence of str
        The columns to choose from.
    kind : {"number", "category"}
    """
    used = {name: references[name] for name in columns if name in references and references[name].effect}
    names = [name for name, reference in used.items() if reference.cells.kind == kind]
    return sorted(names, key=lambda name: -(used[name].effect or 0.0))


def shift_column(rows: pd.DataFrame, column: str, kind: str, source: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return rows in which a column has drifted.

    Numbers become larger by one standard deviation. Half of the categories are replaced by the rarest one.

    Parameters
    ----------
    rows : DataFrame
    column : str
    kind : {"number", "category"}
        Of the column.
    source : DataFrame
        Rows without drift.
    seed : int
    """
    if kind == NUMBER:
        step = source[column].astype(float).std()
        moved = rows[column].astype(float) + step
        is_whole = (source[column].dropna() % 1 == 0).all()
        return rows.assign(**{column: moved.round() if is_whole else moved})
    rarest = source[column].value_counts().index[-1]
    return replace_values(rows, column, rarest, 0.5, seed)


def replace_values(rows: pd.DataFrame, column: str, value: object, share: float, seed: int) -> pd.DataFrame:
    """Return rows in which a share of a column's values is replaced by one value; None for missing.

    Examples
    --------
    >>> replace_values(pd.DataFrame({"a": ["x", "y"]}), "a", "z", 1.0, seed=0)["a"].tolist()
    ['z', 'z']
    """
    is_replaced = np.random.default_rng(seed).random(len(rows)) < share
    values = rows[column].astype(object).to_numpy(copy=True)
    values[is_replaced] = value
    return rows.assign(**{column: values})
