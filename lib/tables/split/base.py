"""The interface of split rules, and the code that all of them share."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lib import cores
from lib.errors import DataError, NameNotFound

_MAX_VALUES_PER_BATCH = 2**20


class SplitRule:
    """A rule that assigns each row of a table to training or test, by the values of some columns.

    Subclasses implement `is_test`, `to_dict` and `_describe_sizes`.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose values decide whether a row trains or tests."""
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

    def apply(
        self, frame: pd.DataFrame, keep_frame: bool = True, is_test: np.ndarray | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the training rows and the test rows, each with a new index from 0. One of them may be empty.

        Parameters
        ----------
        frame : DataFrame
        keep_frame : bool
            Whether to leave the frame unchanged. False saves memory: the frame is emptied while its rows are copied.
        is_test : ndarray of bool, of shape (rows,), optional
            The result of `self.is_test`, if the caller has computed it already.
        """
        is_test = self.is_test(frame) if is_test is None else is_test
        if keep_frame or not frame.columns.is_unique:
            train, test = frame[~is_test].reset_index(drop=True), frame[is_test].reset_index(drop=True)
        else:
            train, test = _move_columns(frame, is_test)
        self._remember_split(train, test)
        return train, test

    def check_sides(self, train_rows: int, test_rows: int, keys: int) -> None:
        """Check that there are both training rows and test rows.

        Parameters
        ----------
        train_rows, test_rows : int
        keys : int
            Number of groups; the rows of a group are all training rows or all test rows.

        Raises
        ------
        DataError
            If there are no training rows or no test rows.
        """
        for side, rows in (("training", train_rows), ("test", test_rows)):
            if not rows:
                raise DataError(
                    f"The {side} side of the split has no rows: {train_rows + test_rows} rows, "
                    f"{self._describe_sizes(keys)}. Provide more rows, or change test_fraction or seed."
                )

    def matches(self, train: pd.DataFrame, test: pd.DataFrame) -> bool:
        """Return whether the rule assigns all rows of one frame to training and all rows of the other to test.

        The frames that `apply` returned last match without being examined again.
        """
        last_split = self.__dict__.get("_last_split")
        if last_split and last_split[0]() is train and last_split[1]() is test:
            return True
        return bool(self.is_test(test).all() and not self.is_test(train).any())

    def _remember_split(self, train: pd.DataFrame, test: pd.DataFrame) -> None:
        self.__dict__["_last_split"] = (weakref.ref(train), weakref.ref(test))  # the subclasses are frozen

    def _describe_sizes(self, keys: int) -> str:
        """Describe the rule's settings and the number of groups, for the message of `check_sides`."""
        raise NotImplementedError


def get_split_column(frame: pd.DataFrame, name: str, parameter: str) -> pd.Series:
    """Return a column by which rows are split; the error message names the parameter that lists the column."""
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=f"the prepared table, to split it by ({parameter})")
    return frame[name]


def _move_columns(frame: pd.DataFrame, is_test: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split a frame a few columns at a time, and remove them from the frame, so that memory holds the table once."""
    train_rows, test_rows = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    train: dict[str, Any] = {}
    test: dict[str, Any] = {}
    names = list(frame.columns)
    columns = {name: frame[name].array for name in names}
    # Each call of `frame.pop` takes time in proportion to all columns, so pop the columns from a dictionary instead.
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
