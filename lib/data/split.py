"""The split: which rows test and which train, by a rule that can be told and kept.

By default a hash of what a row says decides, so it keeps its side for ever. Appending rows, reordering rows or columns,
or a column that turns from whole numbers into decimals (as one does when its first value goes missing) moves no row
from one side to the other. No later model can therefore have been trained on a row that tests an earlier one, and equal
rows are on the same side. The rows of a class that is too rare for luck are dealt out in the order of their hashes.
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
from lib.data.moments import as_moments, date_format
from lib.data.row_hash import row_hash
from lib.data.tables import as_texts, counted
from lib.errors import DataError, NameNotFound

# Of a class with fewer test rows to expect, luck may leave none.
_EXPECTED_TEST_ROWS = 10
_VALUES_AT_ONCE = 2**20
_MOST_TOLD_KEYS = 3


class Rule:
    """A rule that says of each row whether it tests or trains; it reads `columns` of a table."""

    columns: tuple[str, ...]

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Whether each row tests, of shape (rows,).

        Raises
        ------
        NameNotFound
            Where the frame lacks one of the columns.
        """
        raise NotImplementedError

    def described(self) -> dict[str, Any]:
        """The rule as plain JSON, which `restored` reads."""
        raise NotImplementedError

    def apply(self, frame: pd.DataFrame, keep: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Training rows and test rows, each numbered from 0.

        Parameters
        ----------
        frame : DataFrame
        keep : bool
            Whether the frame is needed afterwards. If not, its columns are taken out one by one, so that no moment
            holds the table twice.

        Raises
        ------
        DataError
            Where one side gets no row.
        """
        test = self.is_test(frame)
        if test.all() or not test.any():
            side = "training" if test.all() else "test"
            raise DataError(
                f"No row is left on the {side} side: {len(frame)} rows, {self._how_many(frame)}. "
                "Give more rows, or another test_fraction or seed."
            )
        if keep or not frame.columns.is_unique:
            return self._noted(frame[~test].reset_index(drop=True), frame[test].reset_index(drop=True))
        sides: tuple[dict, dict] = ({}, {})
        train, test = np.flatnonzero(~test), np.flatnonzero(test)
        names = list(frame.columns)
        at_once = max(cores.available(), _VALUES_AT_ONCE // (len(frame) + 1))
        for place in range(0, len(names), at_once):
            some = names[place : place + at_once]
            values = [frame.pop(name).array for name in some]
            parted = cores.map_threads(lambda one: (one.take(train), one.take(test)), values)
            for name, (of_train, of_test) in zip(some, parted, strict=True):
                sides[0][name], sides[1][name] = of_train, of_test
            del values, parted, of_train, of_test
            pa.default_memory_pool().release_unused()
        return self._noted(pd.DataFrame(sides[0], copy=False), pd.DataFrame(sides[1], copy=False))

    def holds(self, train: pd.DataFrame, test: pd.DataFrame) -> bool:
        """Whether the rule would part the rows of these two so; what it has parted itself is not hashed again."""
        made = self.__dict__.get("_made", ())
        if [side() for side in made] and made[0]() is train and made[1]() is test:
            return True
        return bool(self.is_test(test).all() and not self.is_test(train).any())

    def _noted(self, train: pd.DataFrame, test: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        self.__dict__["_made"] = (weakref.ref(train), weakref.ref(test))
        return train, test

    def _how_many(self, frame: pd.DataFrame) -> str:
        raise NotImplementedError


def restored(described: Mapping[str, Any]) -> Rule:
    """Rule that `Rule.described` told."""
    if "cut" in described:
        return TimeSplit(described["columns"][0], described["cut"], described.get("form", ""))
    strata = {name: dict(described["strata"]) for name in ("strata",) if "strata" in described}
    return Split(
        tuple(described["columns"]),
        described["test_fraction"],
        described["seed"],
        target_column=described.get("target_column", ""),
        **strata,
    )


def _column(frame: pd.DataFrame, name: str, parameter: str) -> pd.Series:
    if name not in frame.columns:
        raise NameNotFound("column", name, frame.columns, where=f"the prepared table, to split it by ({parameter})")
    return frame[name]


def _has_type(values: pd.Series) -> bool:
    return is_numeric_dtype(values.dtype) or is_datetime64_any_dtype(values.dtype)


@dataclass(frozen=True)
class Split(Rule):
    """By a hash of each row.

    Attributes
    ----------
    columns : tuple of str
        The columns whose content is hashed: the keys, or all. Rows that agree in them are on the same side.
    test_fraction : float
        Share of rows that test, expected over many rows.
    seed : int
        Another seed is another split.
    target_column : str
        Where `strata` are, the column that holds the class.
    strata : dict of str to float or None
        Of each rare class, the share of all hashes below which its rows test, in place of `test_fraction`.
    """

    columns: tuple[str, ...]
    test_fraction: float
    seed: int
    target_column: str = ""
    strata: Mapping[str, float] | None = None

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Whether each row tests, of shape (rows,)."""
        for column in self.columns:
            _column(frame, column, "key_columns")
        share = self._share(frame)
        if not self.strata:
            return share < self.test_fraction
        limits = as_texts(_column(frame, self.target_column, "target_column")).map(self.strata)
        return share < limits.astype(float).fillna(self.test_fraction).to_numpy()

    def described(self) -> dict[str, Any]:
        """The rule as plain JSON."""
        told = {"columns": list(self.columns), "test_fraction": self.test_fraction, "seed": self.seed}
        return {**told, "target_column": self.target_column, "strata": dict(self.strata)} if self.strata else told

    def stratified(self, frame: pd.DataFrame, target_column: str) -> Split:
        """The rule with each class that is too rare for luck shared out: one row in training before any in the test."""
        classes = as_texts(frame[target_column])
        counts = counted(classes)
        rare = counts.index[counts * min(self.test_fraction, 1 - self.test_fraction) < _EXPECTED_TEST_ROWS]
        if rare.empty:
            return self
        rows = frame[classes.isin(rare)]
        shares = pd.Series(self._share(rows)).groupby(rows[target_column].astype(str).to_numpy())
        strata = {str(name): self._limit(np.sort(one.to_numpy())) for name, one in shares}
        return replace(self, target_column=target_column, strata=strata)

    def _limit(self, shares: np.ndarray) -> float:
        """Share below which the wanted number of a class's rows are; ties stay together."""
        if len(shares) < 2:
            return 0.0
        wanted = min(max(1, round(len(shares) * self.test_fraction)), len(shares) - 1)
        return float(shares[wanted])

    def _share(self, frame: pd.DataFrame) -> np.ndarray:
        return row_hash(frame, self.columns, self.seed) / np.float64(2**64)

    def _how_many(self, frame: pd.DataFrame) -> str:
        told = f"test_fraction={self.test_fraction}"
        if len(self.columns) > _MOST_TOLD_KEYS:
            return told
        groups = len(frame[list(self.columns)].drop_duplicates())
        return f"{groups} different {' and '.join(self.columns)}, {told}"


@dataclass(frozen=True)
class TimeSplit(Rule):
    """By time: the rows from a moment on test, those before it train, and so do those without a time.

    Attributes
    ----------
    column : str
        Dates, times or numbers that grow with time.
    cut : str or float
        The first moment of the test, in ISO 8601, or a number.
    form : str
        Of dates that come as text, how they are written in the whole table: some of its rows may not tell.
    """

    column: str
    cut: str | float
    form: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that decides."""
        return (self.column,)

    @classmethod
    def of(
        cls, frame: pd.DataFrame, column: str, cut: str, test_fraction: float, month_first: bool = False
    ) -> TimeSplit:
        """Rule with the cut that is given or, where that is empty, the one that leaves `test_fraction` of the rows.

        Raises
        ------
        DataError
            Where the column holds no times, or the cut is none.
        """
        values = _column(frame, column, "time_column")
        form = (date_format(values, month_first) or "") if not _has_type(values) else ""
        times = as_moments(values, form)
        if times is None or times.isna().all():
            present = frame[column].dropna()
            said = f", e.g. {present.iloc[0]!r}" if len(present) else ": all its values are missing"
            raise DataError(f"time_column: {column} holds no dates or times{said}.")
        if cut != "":
            read = as_moments(pd.Series([cut]).astype(float if times.dtype.kind == "f" else object))
            if read is None or read.isna().any():
                raise DataError(f"time_cut: {cut!r} cannot be compared with {column}. Give a date such as 2024-07-01.")
            return cls(column, cut, form)
        ordered = times.dropna().sort_values()
        found = ordered.iloc[min(int(np.ceil(len(ordered) * (1 - test_fraction))), len(ordered) - 1)]
        return cls(column, float(found) if times.dtype.kind == "f" else found.isoformat(), form)

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Whether each row tests, of shape (rows,)."""
        times = as_moments(_column(frame, self.column, "time_column"), self.form)
        if times is None:
            return np.zeros(len(frame), dtype=bool)
        cut = float(self.cut) if times.dtype.kind == "f" else pd.Timestamp(self.cut)
        return (times >= cut).to_numpy()

    def described(self) -> dict[str, Any]:
        """The rule as plain JSON."""
        told = {"columns": [self.column], "cut": self.cut}
        return {**told, "form": self.form} if self.form else told

    def _how_many(self, frame: pd.DataFrame) -> str:
        return f"{self.column} from {self.cut} on"
