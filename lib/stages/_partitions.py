"""Preprocessing on a Dask cluster: the same hooks, contract and outputs as in memory, one partition at a time.

The worker that holds a partition calls `prepare_data` with it. A step that needs all rows, such as a mean over the
table, must therefore not be in `prepare_data`. The baseline and drift are measured on a sample of all partitions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import charts
from lib.errors import DataError, format_count
from lib.paths import resolve, resolve_existing
from lib.stages import _cluster
from lib.stages._splitting import SplitPlan, hidden_columns, plan_for_parts
from lib.tables import cleaning, frames
from lib.tables.files.partitions import Partition, infer_schema, list_partitions
from lib.tables.quality import contract, violations
from lib.tables.schema_source import SchemaSource
from lib.tables.split.row_hash import row_hash
from lib.tables.split.rules import SplitRule, rule_from_dict

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages.preprocess import PreprocessHooks

_SAMPLE_ROWS = 200_000
_RETRIES = 5  # tasks of a killed worker run again on another one
_FIRST_ROWS = 10_000


@dataclass(frozen=True)
class PreprocessedPartitions:
    """The outputs of all partitions together.

    Attributes
    ----------
    train_data, test_data : str
        URIs of two folders of Parquet files.
    test_keys : str or None
        URI of the folder of the split columns of the test rows; None unless these columns are hidden from models.
    folder : str
        The folder of all outputs.
    rows : dict of str to int
        Number of rows that were read, quarantined, and assigned to train and test.
    columns_read : int
    partitions : int
        Number of partitions.
    plan : SplitPlan
        The split rule, and what to tell about it.
    follows_rule : bool
        Whether the pipeline's ``split_data`` split all partitions by the rule.
    notes : list of str
        Sentences about changes of the table.
    violations : Table
        The contract rules that the table breaks.
    sample : DataFrame
        A sample of the training rows of every partition.
    schema : dict
        The schema of the table as JSON types.
    """

    train_data: str
    test_data: str
    test_keys: str | None
    folder: str
    rows: dict[str, int]
    columns_read: int
    partitions: int
    plan: SplitPlan
    follows_rule: bool
    notes: list[str]
    violations: charts.Table
    sample: pd.DataFrame
    schema: dict[str, Any]


@dataclass(frozen=True)
class _Plan:
    """The settings that all tasks share; pickled and sent to the workers."""

    pipeline_class: type
    parameters: dict[str, Any]
    folder: str
    rule: dict[str, Any] = field(default_factory=dict)
    sample_rows: int = 0

    def connect(self) -> tuple[Parameters, PreprocessHooks, Backend]:
        """Return parameters, pipeline and backend on a worker."""
        from lib import backends
        from lib.parameters import Parameters

        parameters = Parameters(self.parameters)
        backend = backends.connect(parameters)
        return parameters, self.pipeline_class(parameters, backend), backend


@dataclass(frozen=True)
class _ContractCheck:
    """The result of checking one partition against the contract.

    Attributes
    ----------
    violations : DataFrame
        The broken rules of single rows.
    sample : DataFrame
        A sample of the rows that break no rule.
    key_hashes : dict of str to ndarray
        A hash per row of each column or key that must be unique in the table.
    """

    violations: pd.DataFrame
    sample: pd.DataFrame
    key_hashes: dict[str, np.ndarray]


@dataclass(frozen=True)
class _PartitionResult:
    """The outputs of one partition; see `PreprocessedPartitions`.

    Attributes
    ----------
    uris : dict of str to str
        Files of ``train``, ``test`` and ``test_keys``, except for empty ones.
    types : dict of str to str
        Types of the columns of the training rows; empty if there are no training rows.
    follows_rule : bool
        Whether ``split_data`` split the partition by the rule.
    check : _ContractCheck or None
        None without a contract.
    """

    uris: dict[str, str]
    rows: dict[str, int]
    columns_read: int
    types: dict[str, str]
    notes: list[str]
    follows_rule: bool
    sample: pd.DataFrame
    check: _ContractCheck | None


def run(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> PreprocessedPartitions:
    """Preprocess all partitions of the table on a Dask cluster.

    Parameters
    ----------
    hooks : PreprocessHooks
        The pipeline. Workers create their own instance of its class.
    backend : Backend
    parameters : Parameters

    Raises
    ------
    DataError
        If the table does not fit the parameters or breaks its contract, or if partitions have different columns or
        types.
    """
    scratch = resolve(parameters.workspace) / "data" / parameters.name / "parts"
    encoding = parameters.get("encoding") or ""
    schema = infer_schema(parameters.data, encoding, SchemaSource.from_parameters(parameters))
    partitions = list_partitions(parameters.data, scratch, schema, encoding)
    folder = f"{parameters.name}/{_hash_inputs(partitions, parameters)}"
    plan = _Plan(type(hooks), dict(parameters), folder)
    with _cluster.connect_client(parameters) as client:
        first_rows = client.submit(_prepare_first_rows, plan, partitions[0], retries=_RETRIES).result()
        split_plan = plan_for_parts(first_rows, parameters)
        plan = replace(plan, rule=split_plan.rule.to_dict(), sample_rows=math.ceil(_SAMPLE_ROWS / len(partitions)))
        tasks = client.map(
            _preprocess_partition,
            range(len(partitions)),
            partitions,
            plan=plan,
            retries=_RETRIES,
            pure=False,
            key="preprocess",
        )
        results: list[_PartitionResult] = client.gather(tasks)
    _check_same_types(results)
    rows = {name: sum(result.rows[name] for result in results) for name in results[0].rows}
    table = _find_violations(results, rows["read"], parameters)
    sample = pd.concat([result.sample for result in results], ignore_index=True)
    _check_sides(rows, sample, parameters)
    folders = _find_folders(results)
    return PreprocessedPartitions(
        train_data=folders["train"],
        test_data=folders["test"],
        test_keys=folders.get("test_keys"),
        folder=folder,
        rows=rows,
        columns_read=results[0].columns_read,
        partitions=len(partitions),
        plan=split_plan,
        follows_rule=all(result.follows_rule for result in results),
        notes=_merge_notes(results),
        violations=table,
        sample=sample,
        schema=schema.to_dict(),
    )


# Tasks, which run on workers


def _prepare_first_rows(plan: _Plan, partition: Partition) -> pd.DataFrame:
    """Return the first rows of a partition after `prepare_data`."""
    parameters, hooks, _ = plan.connect()
    prepared, _ = _prepare(hooks, _read(partition, parameters), parameters)
    return prepared.head(_FIRST_ROWS)


def _preprocess_partition(number: int, partition: Partition, plan: _Plan) -> _PartitionResult:
    """Read, check, prepare, split and write one partition."""
    parameters, hooks, backend = plan.connect()
    raw = _read(partition, parameters)
    read_notes: list[str] = raw.attrs[frames.NOTES]
    rows_read, columns_read = raw.shape
    check = None
    if parameters.contract:
        check, is_broken = _check_contract(raw, number, plan, parameters)
        if parameters.on_violation == "quarantine" and is_broken.any():
            backend.write_table(raw[is_broken], f"{plan.folder}/quarantine/part-{number:05d}.parquet")
            raw = raw[~is_broken].reset_index(drop=True)
    rows_quarantined = rows_read - len(raw)
    prepared, notes = _prepare(hooks, raw, parameters)
    rule = rule_from_dict(plan.rule)
    train, test = _split(hooks, prepared, rule)
    follows_rule = rule.matches(train, test)  # an overridden split_data may ignore the rule

    hidden = hidden_columns(parameters)
    outputs = {"test_keys": test[hidden]} if hidden else {}
    train = train.drop(columns=hidden)
    outputs |= {"train": train, "test": test.drop(columns=hidden)}
    return _PartitionResult(
        uris={
            name: backend.write_table(frame, f"{plan.folder}/{name}/part-{number:05d}.parquet")
            for name, frame in outputs.items()
            if len(frame)
        },
        rows={"read": rows_read, "quarantined": rows_quarantined, "train": len(train), "test": len(test)},
        columns_read=columns_read,
        types={name: str(dtype) for name, dtype in train.dtypes.items()} if len(train) else {},
        notes=[*read_notes, *notes],
        follows_rule=follows_rule,
        sample=_sample(train, number, plan),
        check=check,
    )


def _read(partition: Partition, parameters: Parameters) -> pd.DataFrame:
    """Read a partition without `drop_columns`, except for those that may decide the split."""
    kept = [parameters.time_column, *parameters.key_columns]
    return partition.read(exclude=[name for name in parameters.drop_columns if name not in kept])


def _check_contract(
    raw: pd.DataFrame, number: int, plan: _Plan, parameters: Parameters
) -> tuple[_ContractCheck, np.ndarray]:
    """Check one partition against the contract; return the result and a mask of the rows that break a rule."""
    rules = contract.load(resolve_existing(parameters.contract))
    found = violations.find(raw, _without_table_rules(rules), parameters.drop_columns)
    key_hashes = {name: row_hash(raw, columns) for name, columns in _unique_keys(rules, raw.columns).items()}
    sample = _sample(raw[~found.broken_rows], number, plan)
    return _ContractCheck(found.table, sample, key_hashes), found.broken_rows


def _without_table_rules(rules: contract.Contract) -> contract.Contract:
    """Return a contract without the rules that a single partition cannot decide, such as unique keys."""
    columns = {
        name: replace(column_rules, unique=False, max_missing_share=None)
        for name, column_rules in rules.columns.items()
    }
    return replace(rules, columns=columns, key=[], min_rows=0, max_drift=None)


def _unique_keys(rules: contract.Contract, present: Collection[str]) -> dict[str, list[str]]:
    """Return the present columns of each key that must be unique, by the name of the key in messages."""
    keys = {name: [name] for name, column_rules in rules.columns.items() if column_rules.unique}
    if rules.key:
        keys[" and ".join(rules.key)] = rules.key
    return {name: columns for name, columns in keys.items() if set(columns) <= set(present)}


def _prepare(hooks: PreprocessHooks, raw: pd.DataFrame, parameters: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """Call `prepare_data` with a partition, clean the result, and return notes about the changes."""
    prepared = hooks.prepare_data(raw)
    if not isinstance(prepared, pd.DataFrame):
        raise DataError(f"prepare_data returned {type(prepared).__name__}; expected a DataFrame.")
    prepared, target_notes = cleaning.prepare_target(prepared, parameters.target_column, parameters.task, is_part=True)
    prepared, type_notes = cleaning.to_json_types(prepared)
    prepared, infinity_notes = cleaning.replace_infinite(prepared)
    return prepared, [*target_notes, *type_notes, *infinity_notes]


def _split(hooks: PreprocessHooks, prepared: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training rows and the test rows of a partition."""
    is_test = rule.is_test(prepared)
    # The default split_data rejects an empty side, which is normal in a single partition.
    if is_test.all() or not is_test.any():
        return prepared[~is_test], prepared[is_test]
    return hooks.split_data(prepared, rule)


def _sample(frame: pd.DataFrame, number: int, plan: _Plan) -> pd.DataFrame:
    """Return a random sample of a partition's rows, seeded with its number."""
    return frame.sample(min(len(frame), plan.sample_rows), random_state=number)


# The table as a whole


def _find_violations(results: list[_PartitionResult], rows_read: int, parameters: Parameters) -> charts.Table:
    """Return the contract rules that the partitions, or the table as a whole, break.

    Raises
    ------
    DataError
        If a rule is broken, unless `on_violation` allows it.
    """
    checks = [result.check for result in results if result.check]
    if not checks:
        return charts.Table([("", "no contract is given", 0, "", "")], columns=violations.COLUMNS)
    rules = contract.load(resolve_existing(parameters.contract))
    row_violations = pd.concat([check.violations for check in checks], ignore_index=True)
    row_violations = (
        row_violations.groupby(["column", "rule"], sort=False)
        .agg({"rows": "sum", "examples": "first", "to_allow": "first"})
        .reset_index()
    )
    table_violations = _find_table_violations(checks, rules, rows_read, parameters)
    table = charts.Table(
        pd.concat([pd.DataFrame(table_violations, columns=list(violations.COLUMNS)), row_violations], ignore_index=True)
    )
    is_allowed = parameters.on_violation == "warn" or (parameters.on_violation == "quarantine" and not table_violations)
    if len(table) and not is_allowed:
        found = violations.Violations(table, np.zeros(0, dtype=bool), bool(table_violations), {})
        raise DataError(f"{parameters.data} breaks its contract {parameters.contract}:\n{found}")
    return table


def _find_table_violations(
    checks: list[_ContractCheck], rules: contract.Contract, rows_read: int, parameters: Parameters
) -> list[violations.TableViolation]:
    """Return the broken rules of the table as a whole: shares and drift, number of rows, and unique keys."""
    sample = pd.concat([check.sample for check in checks])
    found = violations.find_in_sample(sample, rules, parameters.drop_columns)
    found += violations.size_violation(rows_read, rules)
    for name in checks[0].key_hashes:
        hashes = np.concatenate([check.key_hashes[name] for check in checks])
        duplicates = len(hashes) - len(np.unique(hashes))
        if duplicates:
            repeats = f"{format_count(duplicates, 'row repeats', 'rows repeat')} a value"
            found.append((name, "must be unique", 0, repeats, ""))
    return found


def _check_same_types(results: list[_PartitionResult]) -> None:
    """Raise if a column has different types in two partitions, or is missing from one."""
    typed = [(number, result.types) for number, result in enumerate(results, start=1) if result.types]
    for number, types in typed:
        first_number, first_types = typed[0]
        for name in {*first_types, *types}:
            first_type, other_type = first_types.get(name, "missing"), types.get(name, "missing")
            if first_type != other_type:
                raise DataError(
                    f"{name} is {first_type} in partition {first_number} and {other_type} in partition {number}; "
                    "expected the same type in all partitions. Convert it in prepare_data."
                )


def _check_sides(rows: dict[str, int], sample: pd.DataFrame, parameters: Parameters) -> None:
    """Raise if a side of the split has no rows, or if the sample's target does not fit the task."""
    for key, side in (("train", "training"), ("test", "test")):
        if not rows[key]:
            raise DataError(
                f"The {side} side of the split has no rows: {rows['read']:,} rows were read and split by "
                f"{parameters.split}. Provide more rows, or change test_fraction or seed."
            )
    cleaning.prepare_target(sample, parameters.target_column, parameters.task)


def _merge_notes(results: list[_PartitionResult]) -> list[str]:
    """Return the notes of all partitions; of notes that differ only in their numbers, only the first."""
    notes: dict[str, str] = {}
    for result in results:
        for note in result.notes:
            without_digits = "".join(character for character in note if not character.isdigit())
            notes.setdefault(without_digits, f"{note} (in one partition; others may be similar)")
    return list(notes.values())


def _find_folders(results: list[_PartitionResult]) -> dict[str, str]:
    """Return the folders of ``train``, ``test`` and ``test_keys``, except for those without files."""
    return {name: uri.rpartition("/")[0] for result in results for name, uri in result.uris.items()}


def _hash_inputs(partitions: list[Partition], parameters: Parameters) -> str:
    """Return a hash of the parameters and of the files' sizes and times, which names the folder of the outputs."""
    # The name of the run does not change the outputs.
    values = sorted((name, value) for name, value in parameters.items() if name != "run_name")
    state = hashlib.blake2b(repr(values).encode(), digest_size=8)
    for path in dict.fromkeys(partition.path for partition in partitions):
        status = resolve(path).stat()
        state.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return state.hexdigest()
