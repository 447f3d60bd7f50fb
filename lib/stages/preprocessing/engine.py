"""The interface of an engine, which holds the parts of a table and calls functions with each part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pandas as pd

if TYPE_CHECKING:
    from lib.stages.preprocessing.parts import PartSummary
    from lib.tables.quality.violations import BrokenRows
    from lib.tables.split.rules import SplitRule
    from lib.tables.targets import TargetConversion

Result = TypeVar("Result")


@dataclass(frozen=True)
class Reading:
    """How a table was read.

    Attributes
    ----------
    rows : int
    columns : list of str
        The columns that were read.
    unread : list of str
        The columns of the table that were not read.
    notes : list of str
        Sentences about the reading, e.g. on renamed columns.
    schema : dict or None
        The table's schema as JSON types.
    place : str
        Words about where the table is, for the table of sizes; empty if it is in memory.
    """

    rows: int
    columns: list[str]
    unread: list[str]
    notes: list[str]
    schema: dict[str, Any] | None
    place: str = ""


@dataclass(frozen=True)
class SplitSummary:
    """The training and test rows of a part.

    Attributes
    ----------
    train_target, test_target : Series
    columns : list of str
        The columns of the training rows.
    is_split_by_rule : bool
        Whether the rows are split as the split rule says; an overridden ``split_data`` may ignore it.
    """

    train_target: pd.Series
    test_target: pd.Series
    columns: list[str]
    is_split_by_rule: bool


@dataclass(frozen=True)
class Outputs:
    """URIs of the written tables.

    Attributes
    ----------
    folder : str
    train_data, test_data : str
    train_keys, test_keys : str or None
        The needed columns of the rows that models do not see; None if there are none.
    """

    folder: str
    train_data: str
    test_data: str
    train_keys: str | None
    test_keys: str | None


class Engine(Protocol):
    """The parts of a table. Its methods are called in the order of their definition."""

    reading: Reading

    def map_rows(self, function: Callable[..., Result], *arguments: Sequence[Any]) -> list[Result]:
        """Call a function for each part with its raw rows; each further argument has one value per part."""

    def quarantine(self, broken: Sequence[BrokenRows]) -> str:
        """Move the rows that break a rule, with the rules that they break, to another table, and return its URI."""

    def prepare(self, dropped: Sequence[str]) -> list[PartSummary]:
        """Drop columns, prepare each part, and return a summary of each part that has rows."""

    def convert_targets(self, conversion: TargetConversion) -> None:
        """Convert the target of each part."""

    def prepared_rows(self) -> pd.DataFrame:
        """Return the prepared rows; only the first rows of a table that is not in memory."""

    def prepared_values(self, row: int, columns: Sequence[str]) -> dict[str, Any]:
        """Return the values of some columns in one prepared row; rows are numbered from 0."""

    def split(self, rule: SplitRule, summaries: list[PartSummary]) -> list[SplitSummary]:
        """Split each part. The summaries are cleared to free their memory."""

    def training_rows(self) -> pd.DataFrame:
        """Return the training rows; only a sample of a table that is not in memory."""

    def write(self, executor: ThreadPoolExecutor) -> Callable[[], Outputs]:
        """Start to write the training and test rows, and return a function that waits until they are written."""
