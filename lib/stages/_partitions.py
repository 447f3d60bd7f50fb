"""Preprocess on a Dask cluster: the same hooks, contract and outputs, part by part.

`prepare_data` is called with one part at a time, on the worker that holds it; what needs all rows at once (a mean over
the table) does not belong there. What describes the rows (the baseline, drift) is measured on a sample of every part.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import charts
from lib.data import cleaning, contract, tables, violations
from lib.data.partitions import Partition, list_partitions
from lib.data.row_hash import row_hash
from lib.data.split import HashSplit, SplitRule, TimeSplit, rule_from_dict
from lib.errors import DataError
from lib.paths import resolve, resolve_existing
from lib.stages import _cluster

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

_SAMPLED_ROWS = 200_000
_RETRIES = 5  # a killed worker takes its parts along; they are given to another
_LOOK_ROWS = 10_000


def run(hooks: Any, backend: Backend, parameters: Parameters) -> dict[str, Any]:
    """Preprocess all parts; what `preprocess.Preprocessed` and the baseline are made of.

    Raises
    ------
    DataError
        As the engine in memory does, and where parts differ in their columns or types.
    """
    scratch = resolve(parameters.workspace) / "data" / parameters.name / "parts"
    found = list_partitions(parameters.data, scratch, parameters.get("encoding") or "")
    folder = f"{parameters.name}/{_fingerprint(found, parameters)}"
    plan = {"kind": type(hooks), "parameters": dict(parameters), "folder": folder}
    with _cluster.connect_client(parameters) as client:
        looked = client.submit(_look, plan, found[0], retries=_RETRIES).result()
        rule = _rule(looked, parameters)
        plan |= {"rule": rule.to_dict(), "sample": math.ceil(_SAMPLED_ROWS / len(found))}
        tasks = client.map(
            _preprocess, range(len(found)), found, plan=plan, retries=_RETRIES, pure=False, key="preprocess"
        )
        done = client.gather(tasks)
    _check_same(done)
    table = _violations(done, parameters)
    rows = {side: sum(one["rows"][side] for one in done) for side in ("read", "aside", "train", "test")}
    sample = pd.concat([one["sample"] for one in done], ignore_index=True)
    _check_sides(rows, sample, parameters)
    return {
        "rule": rule,
        "rows": rows,
        "columns": {"read": done[0]["columns"], "train": sample.shape[1]},
        "notes": _summed(done),
        "violations": table,
        "sample": sample,
        "parts": len(found),
        "train_data": _folder(done, "train"),
        "test_data": _folder(done, "test"),
        "test_keys": _folder(done, "test_keys"),
        "folder": folder,
    }


def _look(plan: dict[str, Any], part: Partition) -> pd.DataFrame:
    """The first rows of a part, prepared."""
    parameters, hooks, _ = _here(plan)
    frame, _ = _raw(part, parameters)
    return _prepared(hooks, frame, parameters)[0].head(_LOOK_ROWS)


def _preprocess(number: int, part: Partition, plan: dict[str, Any]) -> dict[str, Any]:
    """Read, check, prepare, split and write one part; runs on a worker."""
    parameters, hooks, backend = _here(plan)
    raw, read = _raw(part, parameters)
    left_out = raw.attrs[tables.NOTES]
    told = {"columns": raw.shape[1], "broken": None, "keys": {}}
    aside = 0
    if parameters.contract:
        agreed = contract.load(resolve_existing(parameters.contract))
        found = violations.find(raw, _of_part(agreed), parameters.drop_columns)
        told["broken"], rows = found.table, found.broken_rows
        kept = raw[~rows]
        told["raw"] = kept.sample(min(len(kept), plan["sample"]), random_state=number)
        told["keys"] = {name: row_hash(raw, names) for name, names in _keys(agreed, raw).items()}
        if parameters.on_violation == "quarantine":
            aside = int(rows.sum())
            if aside:
                backend.write_table(raw[rows], f"{plan['folder']}/quarantine/part-{number:05d}.parquet")
                raw = kept.reset_index(drop=True)
    frame, notes = _prepared(hooks, raw, parameters)
    train, test = _split(hooks, frame, rule_from_dict(plan["rule"]))
    deciding = [parameters.time_column] if parameters.split == "time" else parameters.key_columns
    hidden = [name for name in deciding if name in parameters.drop_columns]
    sides = {"test_keys": test[hidden]} if hidden else {}
    sides |= {"train": train.drop(columns=hidden), "test": test.drop(columns=hidden)}
    told["uris"] = {
        side: backend.write_table(one, f"{plan['folder']}/{side}/part-{number:05d}.parquet")
        for side, one in sides.items()
        if len(one)
    }
    told["types"] = {name: str(kind) for name, kind in sides["train"].dtypes.items()} if len(train) else {}
    told["sample"] = sides["train"].sample(min(len(train), plan["sample"]), random_state=number)
    told["rows"] = {"read": read, "aside": aside, "train": len(train), "test": len(test)}
    return {**told, "notes": [*left_out, *notes]}


def _here(plan: dict[str, Any]) -> tuple[Parameters, Any, Backend]:
    """Parameters, pipeline and backend on the worker."""
    from lib import backends
    from lib.parameters import Parameters

    parameters = Parameters(plan["parameters"])
    backend = backends.connect(parameters)
    return parameters, plan["kind"](parameters, backend), backend


def _raw(part: Partition, parameters: Parameters) -> tuple[pd.DataFrame, int]:
    deciding = [parameters.time_column, *parameters.key_columns]
    frame = part.read(exclude=[name for name in parameters.drop_columns if name not in deciding])
    return frame, len(frame)


def _prepared(hooks: Any, frame: pd.DataFrame, parameters: Parameters) -> tuple[pd.DataFrame, list[str]]:
    prepared = hooks.prepare_data(frame)
    if not isinstance(prepared, pd.DataFrame):
        raise DataError(f"prepare_data returned {type(prepared).__name__}; expected a DataFrame.")
    prepared, target = cleaning.prepare_target(prepared, parameters.target_column, parameters.task, is_part=True)
    prepared, plain = cleaning.to_json_types(prepared)
    prepared, finite = cleaning.replace_infinite(prepared)
    return prepared, [*target, *plain, *finite]


def _split(hooks: Any, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
    test = rule.is_test(frame)
    if test.all() or not test.any():  # of a part one side may well be empty
        return frame[~test], frame[test]
    return hooks.split_data(frame, rule)


def _rule(looked: pd.DataFrame, parameters: Parameters) -> SplitRule:
    if parameters.split == "time":
        if not parameters.time_cut:
            raise DataError("time_cut: engine dask needs the date from which rows test; no part knows the others'.")
        return TimeSplit.from_table(
            looked, parameters.time_column, parameters.time_cut, parameters.test_fraction, parameters.month_first
        )
    columns = tuple(sorted(parameters.key_columns or looked.columns))
    return HashSplit(columns, parameters.test_fraction, parameters.seed)


def _of_part(agreed: contract.Contract) -> contract.Contract:
    """What of a contract can be seen in a part."""
    columns = {name: replace(one, unique=False, max_missing_share=None) for name, one in agreed.columns.items()}
    return replace(agreed, columns=columns, key=[], min_rows=0, max_drift=None)


def _keys(agreed: contract.Contract, frame: pd.DataFrame) -> dict[str, list[str]]:
    asked = {name: [name] for name, one in agreed.columns.items() if one.unique}
    if agreed.key:
        asked[" and ".join(agreed.key)] = agreed.key
    return {name: names for name, names in asked.items() if set(names) <= set(frame.columns)}


def _violations(done: list[dict[str, Any]], parameters: Parameters) -> charts.Table:
    """What the parts and the table as a whole break.

    Raises
    ------
    DataError
        Where that may not be.
    """
    if not parameters.contract:
        return charts.Table([("", "no contract is given", 0, "")], columns=violations.COLUMNS)
    agreed = contract.load(resolve_existing(parameters.contract))
    broken = pd.concat([one["broken"] for one in done], ignore_index=True)
    rows = broken.groupby(["column", "rule"], sort=False).agg({"rows": "sum", "examples": "first"}).reset_index()
    whole = violations.find_in_sample(pd.concat([one["raw"] for one in done]), agreed, parameters.drop_columns)
    read = sum(one["rows"]["read"] for one in done)
    if read < agreed.min_rows:
        whole.append(("", f"must have at least {agreed.min_rows:,} rows", 0, f"has {read:,}"))
    for name in done[0]["keys"]:
        hashes = np.concatenate([one["keys"][name] for one in done])
        twice = len(hashes) - len(np.unique(hashes))
        if twice:
            whole.append((name, "must be unique", 0, f"{twice:,} rows repeat a value"))
    table = charts.Table(pd.concat([pd.DataFrame(whole, columns=list(violations.COLUMNS)), rows], ignore_index=True))
    may_go_on = parameters.on_violation == "warn" or (parameters.on_violation == "quarantine" and not whole)
    if len(table) and not may_go_on:
        found = violations.Violations(table, np.zeros(0, dtype=bool), bool(whole), {})
        raise DataError(f"{parameters.data} breaks its contract {parameters.contract}:\n{found}")
    return table


def _check_same(done: list[dict[str, Any]]) -> None:
    types = [one["types"] for one in done if one["types"]]
    for number, one in enumerate(types):
        for name in {*types[0], *one}:
            first, other = types[0].get(name, "not there"), one.get(name, "not there")
            if first != other:
                where = f"{first} in the first part and {other} in part {number + 1}"
                raise DataError(f"{name} is {where}. Give it one type in prepare_data.")


def _check_sides(rows: dict[str, int], sample: pd.DataFrame, parameters: Parameters) -> None:
    for side in ("train", "test"):
        if not rows[side]:
            raise DataError(f"No row is left on the {side} side: {rows['read']:,} rows, split by {parameters.split}.")
    cleaning.prepare_target(sample, parameters.target_column, parameters.task)


def _summed(done: list[dict[str, Any]]) -> list[str]:
    """Notes of all parts; those that differ in their numbers alone stand once."""
    notes: dict[str, str] = {}
    for one in done:
        for note in one["notes"]:
            notes.setdefault(
                "".join(letter for letter in note if not letter.isdigit()), f"{note} (and so in other parts)"
            )
    return list(notes.values())


def _folder(done: list[dict[str, Any]], side: str) -> str | None:
    uris = [one["uris"][side] for one in done if side in one["uris"]]
    return uris[0].rpartition("/")[0] if uris else None


def _fingerprint(found: list[Partition], parameters: Parameters) -> str:
    state = hashlib.blake2b(
        repr(sorted((name, value) for name, value in parameters.items() if name != "run_name")).encode(), digest_size=8
    )
    for path in dict.fromkeys(part.path for part in found):
        status = resolve(path).stat()
        state.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return state.hexdigest()
