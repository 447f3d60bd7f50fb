"""The tasks of the Dask engine: each reads one partition, and calls the functions that preprocess a part of a table.

No task keeps rows in memory for a later task: each task reads and prepares its partition again. A worker thus holds one
partition at a time, and any other worker can take over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.errors import StageError
from lib.stages.preprocessing.engine import Result, SplitSummary
from lib.stages.preprocessing.parts import PartSummary, PreprocessHooks, prepare_part, split_part
from lib.tables.files.partitions import Partition
from lib.tables.quality.violations import BrokenRows, list_broken_rows
from lib.tables.split.rules import rule_from_dict
from lib.tables.targets import TargetConversion, convert_target

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters


@dataclass(frozen=True)
class TaskPlan:
    """The settings of all tasks, pickled and sent to the workers.

    Attributes
    ----------
    pipeline_class : type
    parameters : dict
    folder : str
        The folder of the outputs.
    exclude : list of str
        The columns that are not read.
    dropped : list of str
        The columns that are dropped before `prepare_data`.
    types : dict of str to str
        The common type of each column that has different types in two partitions of the prepared rows.
    conversion : TargetConversion or None
    rule : dict
        The rule of the split.
    sample_share : float
        The share of training rows to return as a sample, from 0 to 1.
    """

    pipeline_class: type
    parameters: dict[str, Any]
    folder: str
    exclude: list[str]
    dropped: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    conversion: TargetConversion | None = None
    rule: dict[str, Any] = field(default_factory=dict)
    sample_share: float = 1.0

    def connect(self) -> tuple[Parameters, PreprocessHooks, Backend]:
        """Return the parameters, the pipeline and the backend, created on the worker."""
        from lib import backends
        from lib.parameters import Parameters

        parameters = Parameters(self.parameters)
        backend = backends.connect(parameters)
        return parameters, self.pipeline_class(parameters, backend), backend


@dataclass(frozen=True)
class Part:
    """A partition without the rows in quarantine.

    Attributes
    ----------
    number : int
        Number of the partition, from 0.
    partition : Partition
    is_left_out : ndarray of bool, of shape (rows,), or None
        The rows in quarantine.
    """

    number: int
    partition: Partition
    is_left_out: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Number of rows that are not in quarantine."""
        return self.partition.row_count - (0 if self.is_left_out is None else int(self.is_left_out.sum()))

    def read(self, plan: TaskPlan, dropped: Sequence[str] = ()) -> pd.DataFrame:
        """Read the rows without the dropped columns."""
        frame = self.partition.read([*plan.exclude, *dropped])
        return frame if self.is_left_out is None else frame[~self.is_left_out].reset_index(drop=True)


@dataclass(frozen=True)
class WrittenPart:
    """The written training and test rows of a part.

    Attributes
    ----------
    summary : SplitSummary
    uris : dict of str to str
        The files of ``train``, ``test``, ``train_keys`` and ``test_keys``; empty tables have no file.
    sample : DataFrame
        Some of the training rows.
    """

    summary: SplitSummary
    uris: dict[str, str]
    sample: pd.DataFrame


def map_part(part: Part, arguments: tuple[Any, ...], function: Callable[..., Result], plan: TaskPlan) -> Result:
    """Call a function with the raw rows of a part."""
    return function(part.read(plan), *arguments)


def quarantine_part(part: Part, broken: BrokenRows, plan: TaskPlan) -> str:
    """Write the rows of a part that break a rule, and return their URI."""
    _, _, backend = plan.connect()
    rows = list_broken_rows(part.read(plan), broken)
    return backend.write_table(rows, f"{plan.folder}/quarantine/part-{part.number:05d}.parquet")


def summarize_part(part: Part, plan: TaskPlan) -> tuple[PartSummary, dict[str, str]]:
    """Prepare a part, and return its summary and the type of each column, empty for a column without values."""
    frame, summary = _prepare(part, plan)
    types = {name: str(values.dtype) if values.notna().any() else "" for name, values in frame.items()}
    if not pd.api.types.is_float_dtype(summary.target_values.dtype):
        summary = replace(summary, target_values=_to_categories(summary.target_values, summary.target.kind))
    return summary, types


def prepared_rows(part: Part, rows: int, plan: TaskPlan) -> pd.DataFrame:
    """Return the first prepared rows of a part, with the converted target; at most this number of rows."""
    return _convert(_prepare(part, plan)[0].head(rows), plan)


def prepared_values(part: Part, row: int, columns: list[str], plan: TaskPlan) -> dict[str, Any]:
    """Return the values of some columns in one prepared row of a part."""
    frame = prepared_rows(part, row + 1, plan)
    return {name: frame[name].iloc[row] for name in columns}


def write_part(part: Part, hash_sum: int, plan: TaskPlan) -> WrittenPart:
    """Prepare, split and write a part.

    Parameters
    ----------
    part : Part
    hash_sum : int
        The sum of the feature hashes when the part was summarized.
    plan : TaskPlan

    Raises
    ------
    StageError
        If `prepare_data` returns other rows than it returned when the part was summarized.
    """
    parameters, hooks, backend = plan.connect()
    prepared, summary = prepare_part(part.read(plan, plan.dropped), hooks, parameters)
    if sum_hashes(summary.feature_hashes) != hash_sum:
        raise StageError(
            "prepare_data returned other rows when it was called again with the same rows; engine dask expects the "
            "same result from each call. Give a seed to each generator of random numbers, or set engine: memory."
        )
    split = split_part(_convert(prepared, plan), hooks, parameters, rule_from_dict(plan.rule))
    tables = {"train": split.train, "test": split.test}
    if split.train_keys is not None and split.test_keys is not None:
        tables |= {"train_keys": split.train_keys, "test_keys": split.test_keys}
    uris = {
        name: backend.write_table(frame, f"{plan.folder}/{name}/part-{part.number:05d}.parquet")
        for name, frame in tables.items()
        if len(frame)
    }
    train_target, test_target = split.train[parameters.target_column], split.test[parameters.target_column]
    columns = list(split.train.columns)
    return WrittenPart(
        SplitSummary(train_target, test_target, columns, split.is_split_by_rule), uris, _sample(split.train, part, plan)
    )


def sum_hashes(hashes: np.ndarray) -> int:
    """Return the sum of row hashes modulo 2**64. It changes with any row, but not with the order of the rows."""
    return int(hashes.sum(dtype=np.uint64))


def _prepare(part: Part, plan: TaskPlan) -> tuple[pd.DataFrame, PartSummary]:
    """Read and prepare a part on the worker."""
    parameters, hooks, _ = plan.connect()
    return prepare_part(part.read(plan, plan.dropped), hooks, parameters)


def _convert(prepared: pd.DataFrame, plan: TaskPlan) -> pd.DataFrame:
    """Convert the target, and give columns whose type differs between partitions their common type."""
    if plan.conversion is not None:
        prepared = convert_target(prepared, plan.parameters["target_column"], plan.conversion)
    return prepared.astype(plan.types) if plan.types else prepared


def _to_categories(labels: pd.Series, kind: str) -> pd.Series:
    """Return text labels as categories, which are smaller to send to the client; other labels unchanged."""
    return labels.astype(object).astype("category") if kind == "text" else labels


def _sample(train: pd.DataFrame, part: Part, plan: TaskPlan) -> pd.DataFrame:
    """Return a random sample of a part's training rows in their order, seeded with the number of the part."""
    if plan.sample_share >= 1:
        return train
    return train.sample(frac=plan.sample_share, random_state=part.number).sort_index()
