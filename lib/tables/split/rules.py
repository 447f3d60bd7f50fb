"""Split rules: deterministic, reproducible decisions about which rows train and which rows test.

`HashSplit`, the default, hashes each row's content, so a row stays on its side forever. Appending rows, reordering
rows or columns, and integers that become floats (as happens when a value goes missing) move no row. A later model
can therefore never train on a row that tested an earlier one, and equal rows are always on the same side. In classes
too rare to be split evenly by chance, rows are assigned in the order of their hashes.

`TimeSplit` tests on the latest rows.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from lib import cores
from lib.errors import DataError, NameNotFound
from lib.schema.date_columns import infer_date_format, to_datetimes
from lib.tables.frames import count_values, to_strings
from lib.tables.split.row_hash import row_hash

# A class is rare if chance might leave its training or test rows empty: fewer rows than this are expected there.
_MIN_EXPECTED_ROWS = 10
_MAX_VALUES_PER_BATCH = 2**20
_MAX_COUNTED_KEYS = 3


class SplitRule:
    """A rule that assigns each row to training or test; it reads only `columns` of a table.

    Subclasses implement `is_test`, `to_dict` and `_describe_sizes`.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that decide a row's side."""
        raise NotImplementedError

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Return whether each row is a test row, as a boolean array of shape (rows,).

        Raises
        ------
        NameNotFound
            If the frame lacks one of the columns.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the rule in plain JSON types; `rule_from_dict` restores it."""
        raise NotImplementedError

    def apply(self, frame: pd.DataFrame, keep_frame: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return training rows and test rows, each with a new index from 0.

        Parameters
        ----------
        frame : DataFrame
        keep_frame : bool
            False saves memory by moving the columns out of the frame, which is empty afterwards.

        Raises
        ------
        DataError
            If one side has no rows.
        """
        is_test = self.is_test(frame)
        if is_test.all() or not is_test.any():
            empty_side = "training" if is_test.all() else "test"
            raise DataError(
                f"The {empty_side} side of the split has no rows: {len(frame)} rows, {self._describe_sizes(frame)}. "
                "Provide more rows, or change test_fraction or seed."
            )
        if keep_frame or not frame.columns.is_unique:
            train, test = frame[~is_test].reset_index(drop=True), frame[is_test].reset_index(drop=True)
        else:
            train, test = _move_columns(frame, is_test)
        self._remember(train, test)
        return train, test

    def matches(self, train: pd.DataFrame, test: pd.DataFrame) -> bool:
        """Return whether the rule assigns the rows of both frames this way.

        Frames returned by `apply` match without being hashed again.
        """
        last_split = self.__dict__.get("_last_split")
        if last_split and last_split[0]() is train and last_split[1]() is test:
            return True
        return bool(self.is_test(test).all() and not self.is_test(train).any())

    def _remember(self, train: pd.DataFrame, test: pd.DataFrame) -> None:
        self.__dict__["_last_split"] = (weakref.ref(train), weakref.ref(test))  # the subclasses are frozen

    def _describe_sizes(self, frame: pd.DataFrame) -> str:
        """Describe the rule's settings for the message about an empty side."""
        raise NotImplementedError


def rule_from_dict(values: Mapping[str, Any]) -> SplitRule:
    """Restore the rule that `SplitRule.to_dict` returned."""
    if "cut" in values:
        return TimeSplit(values["columns"][0], values["cut"], values.get("form", ""))
    return HashSplit(
        tuple(values["columns"]),
        values["test_fraction"],
        values["seed"],
        target_column=values.get("target_column", ""),
        strata=dict(values["strata"]) if "strata" in values else None,
    )


def _move_columns(frame: pd.DataFrame, is_test: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a frame a few columns at a time and empty it on the way, so that memory never holds the table twice."""
    train_rows, test_rows = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    train: dict[str, Any] = {}
    test: dict[str, Any] = {}
    names = list(frame.columns)
    columns = {name: frame[name].array for name in names}
    # `frame.pop` takes time in proportion to all columns, so empty the frame at once and the mapping step by step.
    frame.drop(columns=names, inplace=True)
    columns_per_batch = max(cores.available(), _MAX_VALUES_PER_BATCH // (len(is_test) + 1))
    for start in range(0, len(names), columns_per_batch):
        batch = names[start : start + columns_per_batch]
        arrays = [columns.pop(name) for name in batch]
        halves = cores.map_threads(lambda array: (array.take(train_rows), array.take(test_rows)), arrays)
        for name, (train_values, test_values) in zip(batch, halves, strict=True):
            train[name], test[name] = train_values, test_values
        del arrays, halves, train_values, test_values
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(train, copy=False), pd.DataFrame(test, copy=False)


def _get_column(frame: pd.DataFrame, name: str, parameter: str) -> pd.Series:
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=f"the prepared table, to split it by ({parameter})")
    return frame[name]


@dataclass(frozen=True)
class HashSplit(SplitRule):
    """Split by a hash of each row.

    Attributes
    ----------
    hashed_columns : tuple of str
        The columns to hash: the key columns, or all columns. Rows with equal values there are on the same side.
    test_fraction : float
        Expected share of test rows.
    seed : int
        Seed of the hash; another seed gives another split.
    target_column : str
        The column of classes, needed only with `strata`.
    strata : dict of str to float or None
        For each rare class, the hash threshold (between 0 and 1) that replaces `test_fraction`.
    """

    hashed_columns: tuple[str, ...]
    test_fraction: float
    seed: int
    target_column: str = ""
    strata: Mapping[str, float] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that decide a row's side, except for the target column of rare classes."""
        return self.hashed_columns

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Return whether each row is a test row, as a boolean array of shape (rows,)."""
        for column in self.columns:
            _get_column(frame, column, "key_columns")
        hashes = self._unit_hash(frame)
        if not self.strata:
            return hashes < self.test_fraction
        thresholds = to_strings(_get_column(frame, self.target_column, "target_column")).map(self.strata)
        return hashes < thresholds.astype(float).fillna(self.test_fraction).to_numpy()

    def to_dict(self) -> dict[str, Any]:
        """Return the rule in plain JSON types."""
        values = {"columns": list(self.columns), "test_fraction": self.test_fraction, "seed": self.seed}
        if not self.strata:
            return values
        return {**values, "target_column": self.target_column, "strata": dict(self.strata)}

    def stratify(self, frame: pd.DataFrame, target_column: str) -> HashSplit:
        """Return the rule with a threshold for each rare class, so that both sides contain the class.

        A class with a single row trains.
        """
        labels = to_strings(frame[target_column])
        counts = count_values(labels)
        smaller_fraction = min(self.test_fraction, 1 - self.test_fraction)
        rare_classes = counts.index[counts * smaller_fraction < _MIN_EXPECTED_ROWS]
        if rare_classes.empty:
            return self
        rare_rows = frame[labels.isin(rare_classes)]
        hashes = pd.Series(self._unit_hash(rare_rows)).groupby(rare_rows[target_column].astype(str).to_numpy())
        strata = {str(label): self._threshold(np.sort(group.to_numpy())) for label, group in hashes}
        return replace(self, target_column=target_column, strata=strata)

    def _threshold(self, sorted_hashes: np.ndarray) -> float:
        """Return the threshold below which a class has `test_fraction` of its rows; equal hashes stay together."""
        rows = len(sorted_hashes)
        if rows < 2:
            return 0.0
        test_rows = min(max(1, round(rows * self.test_fraction)), rows - 1)
        return float(sorted_hashes[test_rows])

    def _unit_hash(self, frame: pd.DataFrame) -> np.ndarray:
        """Return each row's hash, scaled to the range from 0 to 1."""
        return row_hash(frame, self.columns, self.seed) / np.float64(2**64)

    def _describe_sizes(self, frame: pd.DataFrame) -> str:
        fraction = f"test_fraction={self.test_fraction}"
        if len(self.columns) > _MAX_COUNTED_KEYS:
            return fraction
        keys = len(frame[list(self.columns)].drop_duplicates())
        return f"{keys} distinct values of {' and '.join(self.columns)}, {fraction}"


@dataclass(frozen=True)
class TimeSplit(SplitRule):
    """Split by time: rows from the cut on test, earlier rows and rows without a time train.

    Attributes
    ----------
    column : str
        Column of dates, times, or numbers that grow with time.
    cut : str or float
        The first test time, in ISO 8601, or a number.
    date_format : str
        Format of dates that are text. It is inferred from the whole table, because some rows alone can be ambiguous.
    """

    column: str
    cut: str | float
    date_format: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that decide a row's side."""
        return (self.column,)

    @classmethod
    def from_table(
        cls, frame: pd.DataFrame, column: str, cut: str, test_fraction: float, month_first: bool = False
    ) -> TimeSplit:
        """Derive the rule from the time column of a table.

        Parameters
        ----------
        frame : DataFrame
        column : str
        cut : str
            The first test time; if empty, the time that leaves `test_fraction` of the rows for the test.
        test_fraction : float
        month_first : bool
            Whether to read ambiguous dates such as 03/04/2024 with the month first.

        Raises
        ------
        DataError
            If the column contains no times, or the cut cannot be compared with them.
        """
        values = _get_column(frame, column, "time_column")
        is_typed = is_numeric_dtype(values.dtype) or is_datetime64_any_dtype(values.dtype)
        date_format = "" if is_typed else infer_date_format(values, month_first) or ""
        times = to_datetimes(values, date_format)
        if times is None or times.isna().all():
            present = values.dropna()
            example = f", e.g. {present.iloc[0]!r}" if len(present) else ": all its values are missing"
            raise DataError(f"time_column: {column} contains no dates or times{example}.")
        is_number = times.dtype.kind == "f"
        if cut != "":
            parsed = to_datetimes(pd.Series([cut]).astype(float if is_number else object))
            if parsed is None or parsed.isna().any():
                raise DataError(f"time_cut: {cut!r} cannot be compared with {column}. Use a date such as 2024-07-01.")
            return cls(column, cut, date_format)
        ordered = times.dropna().sort_values()
        first_test_row = min(int(np.ceil(len(ordered) * (1 - test_fraction))), len(ordered) - 1)
        first_test_time = ordered.iloc[first_test_row]
        return cls(column, float(first_test_time) if is_number else first_test_time.isoformat(), date_format)

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Return whether each row is a test row, as a boolean array of shape (rows,)."""
        times = to_datetimes(_get_column(frame, self.column, "time_column"), self.date_format)
        if times is None:
            return np.zeros(len(frame), dtype=bool)
        cut = float(self.cut) if times.dtype.kind == "f" else pd.Timestamp(self.cut)
        return (times >= cut).to_numpy()

    def to_dict(self) -> dict[str, Any]:
        """Return the rule in plain JSON types."""
        values: dict[str, Any] = {"columns": [self.column], "cut": self.cut}
        # Stored under its original name, so that rules saved with earlier models still compare equal.
        return {**values, "form": self.date_format} if self.date_format else values

    def _describe_sizes(self, frame: pd.DataFrame) -> str:
        return f"{self.column} from {self.cut} on"
