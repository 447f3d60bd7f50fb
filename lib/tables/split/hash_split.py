"""Splits by hashes: a row stays in training or test even if other rows are added, removed or reordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lib.tables.frames import to_strings
from lib.tables.split import rare_classes, share
from lib.tables.split.base import SplitRule, get_split_column
from lib.tables.split.row_hash import row_hash

_MAX_COUNTED_KEYS = 3


@dataclass(frozen=True)
class HashSplit(SplitRule):
    """Split by a hash of some columns: rows with hashes below a threshold are test rows.

    Rows with equal values are a group and stay together. Texts count as equal if they differ only in surrounding spaces
    or in the Unicode form of an accent.

    Attributes
    ----------
    hashed_columns : tuple of str
        The columns to hash: the key columns, or all features without the target. If the target were hashed too, a test
        row would never have the same label as a training row with equal features.
    test_fraction : float
        Requested share of test rows.
    seed : int
        Seed of the hash; another seed gives another split.
    threshold : float or None
        Hashes below this threshold, scaled to the range from 0 to 1, are test hashes; `test_fraction` if None.
    moved : tuple of str
        Hashes, in hexadecimal digits, of groups that train although they are below the threshold, or the reverse.
    """

    hashed_columns: tuple[str, ...]
    test_fraction: float
    seed: int
    threshold: float | None = None
    moved: tuple[str, ...] = ()

    @classmethod
    def from_table(
        cls, frame: pd.DataFrame, columns: Sequence[str], test_fraction: float, seed: int, target_column: str = ""
    ) -> HashSplit:
        """Derive the rule from a table, so that its test share is near `test_fraction`.

        Parameters
        ----------
        frame : DataFrame
        columns : sequence of str
            The columns to hash.
        test_fraction : float
        seed : int
        target_column : str
            The column of classes, if training and test rows are to contain rare classes too; empty otherwise.
        """
        rule = cls(tuple(sorted(columns)), test_fraction, seed)
        hashes = rule.hash_groups(frame)
        rule = rule.balance(share.Groups.from_hashes(hashes))
        return rule.stratify(frame[target_column], hashes) if target_column else rule

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns whose values decide whether a row trains or tests."""
        return self.hashed_columns

    def hash_groups(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the hash of the group that each row belongs to, of shape (rows,) and type uint64."""
        for column in self.columns:
            get_split_column(frame, column, "key_columns")
        return row_hash(frame, self.columns, self.seed, normalize=True)

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Return whether each row is a test row, as a boolean array of shape (rows,)."""
        return self.are_test_hashes(self.hash_groups(frame))

    def are_test_hashes(self, hashes: np.ndarray) -> np.ndarray:
        """Return whether the groups with these hashes are test groups."""
        threshold = self.test_fraction if self.threshold is None else self.threshold
        is_test = share.to_unit(hashes) < threshold
        if self.moved:
            is_test ^= np.isin(hashes, self._parse_moved_hashes())
        return is_test

    def balance(self, groups: share.Groups) -> HashSplit:
        """Return a rule with a threshold that brings the share of test rows near `test_fraction`.

        The threshold stays `test_fraction` unless the share differs from it by more than one percentage point because
        groups have several rows.
        """
        threshold, moved = share.choose_threshold(groups, self.test_fraction)
        if threshold == self.test_fraction:
            return self
        return replace(self, threshold=threshold, moved=_format_hashes(moved))

    def stratify(self, labels: pd.Series, hashes: np.ndarray) -> HashSplit:
        """Return a rule that moves some groups of rare classes, so that training and test rows contain each class.

        A class with a single row stays in training.

        Parameters
        ----------
        labels : Series of shape (rows,)
            Class labels.
        hashes : ndarray of uint64, of shape (rows,)
            The result of `hash_groups`.
        """
        is_test = self.are_test_hashes(hashes)
        changed_hashes = rare_classes.find_moves(hashes, is_test, labels, self.test_fraction)
        if not len(changed_hashes):
            return self
        return replace(self, moved=_format_hashes(np.setxor1d(self._parse_moved_hashes(), changed_hashes)))

    def to_dict(self) -> dict[str, Any]:
        """Return the rule in plain JSON types."""
        values: dict[str, Any] = {
            "columns": list(self.columns),
            "test_fraction": self.test_fraction,
            "seed": self.seed,
            "normalized": True,
        }
        if self.threshold is not None:
            values["threshold"] = self.threshold
        if self.moved:
            values["moved"] = list(self.moved)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HashSplit:
        """Restore the rule that `to_dict` returned."""
        return cls(
            tuple(values["columns"]),
            values["test_fraction"],
            values["seed"],
            values.get("threshold"),
            tuple(values.get("moved", ())),
        )

    def _parse_moved_hashes(self) -> np.ndarray:
        return np.array([int(text, 16) for text in self.moved], dtype=np.uint64)

    def _describe_sizes(self, keys: int) -> str:
        return _describe_sizes(keys, self.columns, self.test_fraction)


@dataclass(frozen=True)
class LegacyHashSplit(SplitRule):
    """The hash split of releases up to 0.1, kept to find the test rows of models from these releases.

    Texts are hashed without normalization. Without key columns, all columns are hashed, including the target.

    Attributes
    ----------
    hashed_columns : tuple of str
    test_fraction : float
    seed : int
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
        """Columns whose values decide whether a row trains or tests."""
        return (*self.hashed_columns, *([self.target_column] if self.strata else ()))

    def is_test(self, frame: pd.DataFrame) -> np.ndarray:
        """Return whether each row is a test row, as a boolean array of shape (rows,)."""
        for column in self.columns:
            get_split_column(frame, column, "key_columns")
        units = share.to_unit(row_hash(frame, self.hashed_columns, self.seed))
        if not self.strata:
            return units < self.test_fraction
        thresholds = to_strings(frame[self.target_column]).map(self.strata)
        return units < thresholds.astype(float).fillna(self.test_fraction).to_numpy()

    def to_dict(self) -> dict[str, Any]:
        """Return the rule in plain JSON types."""
        values = {"columns": list(self.hashed_columns), "test_fraction": self.test_fraction, "seed": self.seed}
        if not self.strata:
            return values
        return {**values, "target_column": self.target_column, "strata": dict(self.strata)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LegacyHashSplit:
        """Restore the rule that `to_dict` returned."""
        return cls(
            tuple(values["columns"]),
            values["test_fraction"],
            values["seed"],
            target_column=values.get("target_column", ""),
            strata=dict(values["strata"]) if "strata" in values else None,
        )

    def _describe_sizes(self, keys: int) -> str:
        return _describe_sizes(keys, self.hashed_columns, self.test_fraction)


def _format_hashes(hashes: np.ndarray) -> tuple[str, ...]:
    """Write hashes as 16 hexadecimal digits, because JSON readers round numbers of 64 bits."""
    return tuple(sorted(f"{value:016x}" for value in hashes.tolist()))


def _describe_sizes(keys: int, columns: Sequence[str], test_fraction: float) -> str:
    """Describe test_fraction, and the number of groups unless many columns identify them."""
    fraction = f"test_fraction={test_fraction}"
    if len(columns) > _MAX_COUNTED_KEYS:
        return fraction
    return f"{keys} distinct values of {' and '.join(columns)}, {fraction}"
