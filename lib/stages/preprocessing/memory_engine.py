"""The engine of tables that fit in memory: the table is one part, and no step copies its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib.errors import StageError
from lib.stages import _train_test
from lib.stages.preprocessing.engine import Outputs, Reading, Result, SplitSummary
from lib.stages.preprocessing.parts import PartSummary, PreprocessHooks, SplitPart, prepare_part, split_part
from lib.stages.preprocessing.split_plan import named_columns
from lib.tables import cleaning, frames
from lib.tables.quality.violations import BrokenRows, list_broken_rows
from lib.tables.targets import convert_target

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.tables.split.rules import SplitRule
    from lib.tables.targets import TargetConversion


class MemoryEngine:
    """The engine that holds a table in memory.

    Parameters
    ----------
    hooks : PreprocessHooks
        The pipeline.
    backend : Backend
    parameters : Parameters

    Attributes
    ----------
    reading : Reading

    Raises
    ------
    StageError
        If ``load_data`` does not return a DataFrame.
    """

    def __init__(self, hooks: PreprocessHooks, backend: Backend, parameters: Parameters):
        self._hooks, self._backend, self._parameters = hooks, backend, parameters
        self._split: SplitPart | None = None
        frame = hooks.load_data()
        if not isinstance(frame, pd.DataFrame):
            raise StageError(
                f"load_data returned {type(frame).__name__}; expected a DataFrame. Does it end with return?"
            )
        frame, name_notes = cleaning.deduplicate_columns(frame, named_columns(parameters))
        self.reading = describe_reading(frame, name_notes)
        # The only reference to the rows: each step pops them, so that memory never holds the rows of two steps.
        self._rows = [frame]

    def map_rows(self, function: Callable[..., Result], *arguments: Sequence[Any]) -> list[Result]:
        """Call a function with the raw rows; each further argument is a sequence with one value."""
        return [function(self._rows[0], *(values[0] for values in arguments))]

    def quarantine(self, broken: Sequence[BrokenRows]) -> str:
        """Move the rows that break a rule to a file named by its content, and return its URI."""
        frame = self._rows.pop()
        rows = list_broken_rows(frame, broken[0])
        digest = hashlib.sha256(pd.util.hash_pandas_object(rows.astype(str)).to_numpy().tobytes()).hexdigest()[:16]
        self._rows.append(frame[~broken[0].is_broken].reset_index(drop=True))
        return self._backend.write_table(rows, f"{self._parameters.name}/quarantine/{digest}.parquet")

    def prepare(self, dropped: Sequence[str]) -> list[PartSummary]:
        """Drop columns, and prepare the rows."""
        frame = cleaning.drop_columns(self._rows.pop(), dropped, where=self._parameters.data)
        frame, summary = prepare_part(frame, self._hooks, self._parameters)
        self._rows.append(frame)
        return [summary]

    def convert_targets(self, conversion: TargetConversion) -> None:
        """Convert the target."""
        self._rows.append(convert_target(self._rows.pop(), self._parameters.target_column, conversion))

    def prepared_rows(self) -> pd.DataFrame:
        """Return the prepared rows."""
        return self._rows[0]

    def prepared_values(self, row: int, columns: Sequence[str]) -> dict[str, Any]:
        """Return the values of some columns in one prepared row; rows are numbered from 0."""
        return {name: self._rows[0][name].iloc[row] for name in columns}

    def split(self, rule: SplitRule, summaries: list[PartSummary]) -> list[SplitSummary]:
        """Split the rows."""
        hashes = summaries.pop().group_hashes
        self._split = split_part(self._rows.pop(), self._hooks, self._parameters, rule, hashes)
        train, test, target = self._split.train, self._split.test, self._parameters.target_column
        return [SplitSummary(train[target], test[target], list(train.columns), self._split.is_split_by_rule)]

    def training_rows(self) -> pd.DataFrame:
        """Return the training rows."""
        assert self._split is not None, "the rows are split first"
        return self._split.train

    def write(self, executor: ThreadPoolExecutor) -> Callable[[], Outputs]:
        """Start to write the rows into a folder named by their content, and return a function that waits for it."""
        assert self._split is not None, "the rows are split first"
        split = self._split
        tables = {"train": split.train, "test": split.test}
        if split.train_keys is not None and split.test_keys is not None:
            tables |= {"train_keys": split.train_keys, "test_keys": split.test_keys}
        folder = f"{self._parameters.name}/{_train_test.hash_tables(*tables.values())}"
        writing = {
            name: executor.submit(self._backend.write_table, rows, f"{folder}/{name}.parquet")
            for name, rows in tables.items()
        }

        def wait() -> Outputs:
            uris = {name: uri.result() for name, uri in writing.items()}
            return Outputs(folder, uris["train"], uris["test"], uris.get("train_keys"), uris.get("test_keys"))

        return wait


def describe_reading(frame: pd.DataFrame, name_notes: Sequence[str]) -> Reading:
    """Return the description of a reading, from the frame that the reader returned and the notes on its names."""
    return Reading(
        rows=len(frame),
        columns=[str(name) for name in frame.columns],
        unread=frame.attrs.get(frames.UNREAD, []),
        notes=[*frame.attrs.get(frames.NOTES, []), *name_notes],
        schema=frame.attrs.get(frames.SCHEMA),
    )
