"""Labels that arrive after the predictions: the true values of logged rows, joined by a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lib.errors import DataError, suggest

COLUMN = "(label)"


@dataclass(frozen=True)
class Labels:
    """True values by key.

    Attributes
    ----------
    values : DataFrame
        A row for each label, with the columns of the key as text and a column `COLUMN` of labels.
    key : tuple of str
        Columns that identify a row, in the labels and in the logged rows.
    source : str
        Where the labels come from, for messages.
    """

    values: pd.DataFrame
    key: tuple[str, ...]
    source: str

    def find(self, rows: pd.DataFrame) -> pd.Series:
        """Return the label of each row; missing where there is none.

        Raises
        ------
        DataError
            If the rows lack a column of the key.

        Examples
        --------
        >>> labels = make_labels(pd.DataFrame({"order": [7, 8], "paid": ["yes", "no"]}), ["order"], "paid", "paid.csv")
        >>> labels.find(pd.DataFrame({"order": ["8", "9"]})).tolist()
        ['no', nan]
        """
        check_key(self.key, rows, self.source)
        keys = pd.MultiIndex.from_frame(_normalize(rows[list(self.key)]))
        index = pd.MultiIndex.from_frame(self.values[list(self.key)])
        positions = index.get_indexer(keys)
        labels = self.values[COLUMN].to_numpy()[positions] if len(self.values) else positions
        return pd.Series(labels, index=rows.index).where(positions >= 0)


def make_labels(table: pd.DataFrame, key: Sequence[str], column: str, source: str) -> Labels:
    """Return the labels of a table.

    Parameters
    ----------
    table : DataFrame
    key : sequence of str
        Columns that identify a row.
    column : str
        The column of labels. Rows without a label are ignored, because it may still come.
    source : str
        Where the table comes from, for messages.

    Raises
    ------
    DataError
        If a column is absent, the table has no label, or a key has two different labels.
    """
    for name in (*key, column):
        if name not in table.columns:
            names = [str(known) for known in table.columns]
            raise DataError(f"labels: {source} has no column {name!r}. {suggest(name, names)}")
    values = _normalize(table[list(key)]).assign(**{COLUMN: table[column].to_numpy()})
    values = values.dropna(subset=COLUMN).drop_duplicates()
    if values.empty:
        raise DataError(f"labels: the column {column!r} of {source} has no values; expected the true values.")
    repeated = values[values.duplicated(list(key))]
    if len(repeated):
        example = ", ".join(f"{name} {repeated.iloc[0][name]!r}" for name in key)
        raise DataError(
            f"labels: {source} has two different values of {column!r} for {example}, and {len(repeated)} such keys in "
            "all. A key must identify one row: add a column to labels.key, or remove the outdated rows."
        )
    return Labels(values.reset_index(drop=True), tuple(key), source)


def check_key(key: Sequence[str], rows: pd.DataFrame, source: str) -> None:
    """Raise a DataError if the rows that were predicted lack a column of the key."""
    absent = [name for name in key if name not in rows.columns]
    if absent and len(rows):
        names = ", ".join(str(name) for name in rows.columns)
        raise DataError(
            f"labels: the rows to judge have no column {absent[0]!r}, which is in labels.key, so the labels of "
            f"{source} cannot be joined. They have {names}. Choose a column of the model, or _request_id: clients set "
            "it with the header X-Request-Id."
        )


def _normalize(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns as text, so that 7, 7.0 and "7" are the same key."""
    return frame.apply(_to_text)


def _to_text(values: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    if pd.api.types.is_datetime64_any_dtype(values):
        return (
            values.dt.tz_localize(None).astype(str) if values.dt.tz is None else values.dt.tz_convert("UTC").astype(str)
        )
    return values.astype(str).str.strip()
