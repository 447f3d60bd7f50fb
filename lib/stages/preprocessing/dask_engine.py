"""The engine of tables larger than memory: partitions, each processed by a task on a Dask cluster.

`prepare_data` receives one partition at a time. A step that needs all rows, such as a mean over the table, must
therefore not be in `prepare_data`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.errors import DataError, MillraceError, ParameterError
from lib.paths import resolve
from lib.schema.table_schema import TableSchema
from lib.stages.preprocessing import dask_tasks
from lib.stages.preprocessing.dask_tasks import Part, TaskPlan, WrittenPart
from lib.stages.preprocessing.engine import Outputs, Reading, Result, SplitSummary
from lib.stages.preprocessing.memory_engine import describe_reading
from lib.stages.preprocessing.parts import PreprocessHooks, overrides
from lib.stages.preprocessing.split_plan import named_columns, needed_columns
from lib.tables import cleaning
from lib.tables.files.partitions import Partition, list_partitions, read_sample
from lib.tables.schema_source import SchemaSource

if TYPE_CHECKING:
    from distributed import Client

    from lib.parameters import Parameters
    from lib.stages.preprocessing.parts import PartSummary
    from lib.tables.quality.violations import BrokenRows
    from lib.tables.split.rules import SplitRule
    from lib.tables.targets import TargetConversion

_SAMPLE_ROWS = 200_000
_PREPARED_ROWS = 50_000


class DaskEngine:
    """The engine that processes the partitions of a table on a Dask cluster.

    Parameters
    ----------
    hooks : PreprocessHooks
        The pipeline. Workers create their own instance of its class.
    parameters : Parameters
    client : Client
        Connected to the cluster.
    reading : Reading
    partitions : sequence of Partition
        The results of `list_parts`.
    """

    def __init__(
        self,
        hooks: PreprocessHooks,
        parameters: Parameters,
        client: Client,
        reading: Reading,
        partitions: Sequence[Partition],
    ):
        self.reading, self._parameters, self._client = reading, parameters, client
        self._parts = [Part(number, partition) for number, partition in enumerate(partitions)]
        folder = f"{parameters.name}/{_hash_inputs(partitions, parameters)}"
        self._plan = TaskPlan(type(hooks), dict(parameters), folder, reading.unread)
        self._prepared_sizes: list[int] = []
        self._prepared_rows: pd.DataFrame | None = None
        self._written: list[WrittenPart] = []

    def map_rows(self, function: Callable[..., Result], *arguments: Sequence[Any]) -> list[Result]:
        """Call a function for each part with its raw rows; each further argument has one value per part."""
        per_part = list(zip(*arguments, strict=True)) if arguments else [()] * len(self._parts)
        return self._map(dask_tasks.map_part, per_part, function=function)

    def quarantine(self, broken: Sequence[BrokenRows]) -> str:
        """Move the rows that break a rule to files in a folder of their own, and return its URI."""
        affected = {part.number: rows for part, rows in zip(self._parts, broken, strict=True) if rows.is_broken.any()}
        parts = [part for part in self._parts if part.number in affected]
        uris = self._map(dask_tasks.quarantine_part, list(affected.values()), parts)
        self._parts = [
            replace(part, is_left_out=affected[part.number].is_broken) if part.number in affected else part
            for part in self._parts
        ]
        return uris[0].rpartition("/")[0]

    def prepare(self, dropped: Sequence[str]) -> list[PartSummary]:
        """Drop columns, prepare each part, and return a summary of each part that has rows."""
        self._plan = replace(self._plan, dropped=list(dropped))
        self._parts = [part for part in self._parts if part.rows]
        results = self._map(dask_tasks.summarize_part)
        with_rows = [index for index, (summary, _) in enumerate(results) if summary.target.row_count] or [0]
        parts_with_rows = [self._parts[index] for index in with_rows]
        _check_same_columns([results[index][0].columns for index in with_rows], parts_with_rows)
        types = _join_types([results[index][1] for index in with_rows], parts_with_rows)
        types.pop(self._parameters.target_column, None)  # convert_targets() converts the target
        self._plan = replace(self._plan, types=types)
        summaries = [summary for summary, _ in results]
        self._prepared_sizes = [summary.target.row_count for summary in summaries]
        return summaries

    def convert_targets(self, conversion: TargetConversion) -> None:
        """Convert the target in all later tasks."""
        self._plan = replace(self._plan, conversion=conversion)

    def prepared_rows(self) -> pd.DataFrame:
        """Return the first prepared rows."""
        if self._prepared_rows is None:
            starts = np.cumsum([0, *self._prepared_sizes])
            row_counts = [_PREPARED_ROWS - start for start in starts[:-1].tolist() if start < _PREPARED_ROWS]
            frames = self._map(dask_tasks.prepared_rows, row_counts, self._parts[: len(row_counts)])
            self._prepared_rows = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
        return self._prepared_rows

    def prepared_values(self, row: int, columns: Sequence[str]) -> dict[str, Any]:
        """Return the values of some columns in one prepared row; rows are numbered from 0."""
        starts = np.cumsum([0, *self._prepared_sizes])
        index = int(np.searchsorted(starts, row, side="right")) - 1
        task = self._client.submit(
            dask_tasks.prepared_values, self._parts[index], row - int(starts[index]), list(columns), plan=self._plan
        )
        values: dict[str, Any] = task.result()
        return values

    def split(self, rule: SplitRule, summaries: list[PartSummary]) -> list[SplitSummary]:
        """Split and write each part."""
        share = min(1.0, _SAMPLE_ROWS / sum(self._prepared_sizes))
        self._plan = replace(self._plan, rule=rule.to_dict(), sample_share=share)
        hashes = [dask_tasks.sum_hashes(summary.feature_hashes) for summary in summaries]
        summaries.clear()
        self._written = self._map(dask_tasks.write_part, hashes)
        return [part.summary for part in self._written]

    def training_rows(self) -> pd.DataFrame:
        """Return a sample of the training rows; all training rows of a small table."""
        return pd.concat([part.sample for part in self._written if len(part.sample)], ignore_index=True)

    def write(self, executor: ThreadPoolExecutor) -> Callable[[], Outputs]:
        """Return a function that returns the folders of the tables; `split` has written them already."""
        folders = {name: uri.rpartition("/")[0] for part in self._written for name, uri in part.uris.items()}
        keys = (folders.get("train_keys"), folders.get("test_keys"))
        outputs = Outputs(self._plan.folder, folders["train"], folders["test"], *keys)
        return lambda: outputs

    def _map(
        self,
        task: Callable[..., Result],
        arguments: Sequence[Any] | None = None,
        parts: Sequence[Part] | None = None,
        **options: Any,
    ) -> list[Result]:
        """Run a task for each part, with the part's argument, and return the results in the order of the parts."""
        parts = self._parts if parts is None else parts
        per_part = [parts] if arguments is None else [parts, arguments]
        futures = self._client.map(task, *per_part, plan=self._plan, pure=False, key=task.__name__, **options)
        try:
            results: list[Result] = self._client.gather(futures)
        except MillraceError:
            for future in futures:
                future.result()  # raises the error of the first part in the table, not of the first one to fail
            raise
        return results


def list_parts(hooks: PreprocessHooks, parameters: Parameters) -> tuple[Reading, list[Partition]]:
    """Return the description of the reading of a table, and the partitions of the table.

    Raises
    ------
    DataError
        If the table is remote or cannot be read.
    ParameterError
        If the pipeline overrides ``load_data``.
    """
    if overrides(hooks, "load_data"):
        raise ParameterError(
            "engine: dask reads the partitions of the table itself, but the pipeline overrides load_data. Move its "
            "changes to prepare_data, or set engine: memory."
        )
    exclude = [name for name in parameters.drop_columns if name not in needed_columns(parameters)]
    source = SchemaSource.from_parameters(parameters)
    encoding = parameters.encoding or ""
    sample = read_sample(parameters.data, exclude, encoding, source)
    sample, name_notes = cleaning.deduplicate_columns(sample, named_columns(parameters))
    reading = describe_reading(sample, name_notes)
    assert reading.schema is not None, "readers of files return the schema"
    scratch = resolve(parameters.workspace) / "data" / parameters.name / "parts"
    is_parsed = source.stored is not None or source.changes_schema
    schema = TableSchema.from_dict(reading.schema)
    partitions = list_partitions(parameters.data, scratch, schema, encoding, exclude, is_parsed)
    rows = sum(partition.row_count for partition in partitions)
    place = f", in {len(partitions)} partitions on a Dask cluster"
    return replace(reading, rows=rows, place=place), partitions


def _check_same_columns(columns: list[list[str]], parts: Sequence[Part]) -> None:
    """Raise DataError if prepare_data returned different columns for two parts."""
    for names, part in zip(columns, parts, strict=True):
        differing = sorted({*names} ^ {*columns[0]})
        if differing:
            raise DataError(
                f"prepare_data returned the column {differing[0]} for only one of the partitions {parts[0].number + 1} "
                f"and {part.number + 1}; expected the same columns for all partitions. Derive columns from single rows."
            )


def _join_types(types: list[dict[str, str]], parts: Sequence[Part]) -> dict[str, str]:
    """Return the common type of each column that has different types in two parts.

    Raises
    ------
    DataError
        If the types of a column have no common type.
    """
    joined = {}
    for name in types[0]:
        first_parts: dict[str, Part] = {}
        for part_types, part in zip(types, parts, strict=True):
            first_parts.setdefault(part_types[name], part)
        if len(first_parts) == 1:
            continue
        common = _common_type({*first_parts})
        if not common:
            (first, first_part), (second, second_part) = [item for item in first_parts.items() if item[0]][:2]
            raise DataError(
                f"{name} is {first} in partition {first_part.number + 1} and {second} in partition "
                f"{second_part.number + 1}; expected the same type in all partitions. Convert it in prepare_data."
            )
        joined[name] = common
    return joined


def _common_type(types: set[str]) -> str:
    """Return the type that a column gets in all parts, or an empty string if its types do not fit together.

    An empty type stands for a part in which the column has no values. A part with missing values has floats instead of
    integers, and objects instead of booleans.

    >>> _common_type({"int64", "float64"}), _common_type({"bool", ""}), _common_type({"object", "int64"})
    ('float64', 'object', '')
    """
    present = types - {""}
    if present <= {"bool", "object"}:
        return "object"
    if all(name.startswith(("int", "uint", "float")) for name in present):
        return str(np.result_type(*present, *([np.float64] if "" in types else [])))
    return present.pop() if len(present) == 1 else ""


def _hash_inputs(partitions: Sequence[Partition], parameters: Parameters) -> str:
    """Return a hash of the parameters and of the sizes and times of the files; it names the folder of the outputs."""
    # The name of the run does not change the outputs.
    values = sorted((name, value) for name, value in parameters.items() if name != "run_name")
    state = hashlib.blake2b(repr(values).encode(), digest_size=8)
    for path in dict.fromkeys(partition.path for partition in partitions):
        status = resolve(path).stat()
        state.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return state.hexdigest()
