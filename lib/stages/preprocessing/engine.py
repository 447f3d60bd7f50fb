"""The interface of an engine: it holds the parts of a table, and calls the same functions with each of them."""

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
        The columns that were not.
    notes : list of str
    schema : dict or None
        The table's schema as JSON types.
    place : str
        Where the table is, for the table of sizes; empty if it is in memory.
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
        Whether the rows were split by the rule.
    """

    train_target: pd.Series
    test_target: pd.Series
    columns: list[str]
    is_split_by_rule: bool


@dataclass(frozen=True)
class Outputs:
    """URIs of what was written.

    Attributes
    ----------
    folder : str
    train_data, test_data : str
    test_keys : str or None
        The columns of the test rows that decide the split but are hidden from models.
    """

    folder: str
    train_data: str
    test_data: str
    test_keys: str | None


class Engine(Protocol):
    """The parts of a table. The methods are called in this order."""

    reading: Reading

    def map_rows(self, function: Callable[..., Result], *arguments: Sequence[Any]) -> list[Result]:
        """Call a function for each part with its raw rows; each further argument has one value per part."""

    def quarantine(self, broken: Sequence[BrokenRows]) -> str:
        """Store the rows that break a rule, each with its broken rules, leave them out, and return their URI."""

    def prepare(self, dropped: Sequence[str]) -> list[PartSummary]:
        """Drop columns, prepare each part, and return the summaries of those that have rows."""

    def convert_targets(self, conversion: TargetConversion) -> None:
        """Convert the target of each part."""

    def prepared_rows(self) -> pd.DataFrame:
        """Return the prepared rows, or the first ones of a table that is not in memory."""

    def prepared_values(self, row: int, columns: Sequence[str]) -> dict[str, Any]:
        """Return values of a prepared row, given its number in the table, from 0."""

    def split(self, rule: SplitRule, summaries: list[PartSummary]) -> list[SplitSummary]:
        """Split each part. The summaries are cleared to free their memory."""

    def training_rows(self) -> pd.DataFrame:
        """Return the training rows, or a sample of a table that is not in memory."""

    def write(self, executor: ThreadPoolExecutor) -> Callable[[], Outputs]:
        """Write the training and test rows, and return a function that waits for them."""
