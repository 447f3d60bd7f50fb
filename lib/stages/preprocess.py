"""Preprocess: from the table to training rows, test rows and a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from lib import charts
from lib.data import cleaning, leaks, tables
from lib.data.split import HashSplit, SplitRule, TimeSplit
from lib.errors import DataError, StageError
from lib.stages import _contracts as contracts
from lib.stages import _train_test
from lib.stages._answers import Answer, Figures, title

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters


# The parameters of the use case that this stage reads, beside the common ones: a change of these makes it run anew.
PARAMETERS = (
    "data",
    "encoding",
    "contract",
    "on_violation",
    "target_column",
    "task",
    "drop_columns",
    "key_columns",
    "split",
    "month_first",
    "time_column",
    "time_cut",
    "test_fraction",
    "seed",
    "engine",
    "scheduler_address",
)


_BALANCE_CAPTIONS = {
    "binary": (
        "How many training rows each class has. If one class is rare, accuracy says little: look at precision, recall "
        "and their curve."
    ),
    "multiclass": (
        "How many training rows each class has. If some classes are rare, accuracy says little: prefer metrics that "
        "weigh all classes alike, such as f1_macro."
    ),
    "regression": (
        "How the target is distributed over the training rows. A long tail weighs heavily in squared errors: compare "
        "the mean absolute error too."
    ),
}


class PreprocessHooks(Protocol):
    """What a pipeline may change here."""

    def load_data(self) -> pd.DataFrame:
        """The raw table."""

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The table to learn from, target included."""

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Training rows and test rows."""

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Statistics of the training rows."""


@dataclass(frozen=True, repr=False)
class Preprocessed(Answer):
    """Outputs of the stage, and what its notebook shows.

    Attributes
    ----------
    title, verdict : str
    train_data, test_data, baseline : str
        URIs of two Parquet tables and one JSON file.
    sizes : Table
        Rows and columns at each point, and what was left out.
    violations : Table
        What the table breaks of its contract.
    columns : Table
        Of each column of the training rows its type, missing and distinct values, and a sample: the first rows.
    balance : Chart
        How the target is spread over the training rows.
    """

    title: str
    verdict: str
    train_data: str
    test_data: str
    baseline: str
    sizes: charts.Table
    violations: charts.Table
    columns: charts.Table
    balance: charts.Chart
    task: str

    def main_table(self) -> charts.Table:
        """Return the rows and columns after each step."""
        return self.sizes

    @property
    def figures(self) -> Figures:
        """The distribution of the target, with what it means for the task."""
        return Figures((self.balance, _BALANCE_CAPTIONS[self.task]))


def run(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Preprocessed:
    """Read, hold against the contract, clean, prepare, split, describe.

    Returns
    -------
    Preprocessed

    Raises
    ------
    DataError, NameNotFound
        Where the table and the parameters do not go together, or the table breaks its contract.
    """
    if parameters.engine == "dask":
        return _on_cluster(hooks, backend, parameters)
    target, dropped = parameters.target_column, parameters.drop_columns
    deciding = split_columns(parameters)
    raw, name_notes = cleaning.deduplicate_columns(_loaded(hooks), [target, *dropped, *deciding])
    unread = raw.attrs.get(tables.UNREAD, [])
    told = " ".join([f"{parameters.data}.", *raw.attrs.get(tables.NOTES, []), *name_notes])
    notes = [("read", len(raw), raw.shape[1] + len(unread), told)]

    raw, violations, uri = contracts.apply(raw, backend, parameters)
    if uri:
        aside = notes[0][1] - len(raw)
        notes.append(("quarantined", aside, raw.shape[1], f"They break the contract, and are kept at {uri}"))

    # A column that no model may see stays until the rows are split by it.
    index = [name for name in cleaning.find_index_columns(raw) if name not in deciding]
    frame = cleaning.drop_columns(
        raw, [name for name in dropped if name not in (*deciding, *unread)], where=parameters.data
    )
    frame = cleaning.drop_columns(frame, [name for name in index if name in frame.columns], where=parameters.data)
    del raw
    notes.append(("dropped columns", len(frame), frame.shape[1], ", ".join([*dropped, *index]) or "none"))

    prepared, said = clean(hooks.prepare_data(frame), parameters)
    del frame
    notes.append(("prepared", len(prepared), prepared.shape[1], " ".join(said) or "as prepare_data made it"))

    rule = _rule(prepared, parameters)
    rows = len(prepared)
    keys = [name for name in deciding if name in prepared.columns]
    undecided = int(prepared[keys].isna().any(axis=1).sum())
    train, test = hooks.split_data(prepared, rule)
    del prepared
    # A pipeline may split by something else than the rule; then the rule tells nothing about its rows.
    rule_holds = rule.matches(train, test)
    hidden = [name for name in deciding if name in dropped]
    test_keys = test[hidden]
    train, test = (cleaning.drop_columns(side, hidden, where="the prepared table") for side in (train, test))
    _train_test.check(train, test, target, parameters.task)
    notes += [
        ("train", len(train), train.shape[1], _how(rule, rule_holds, parameters, undecided)),
        (
            "test",
            len(test),
            test.shape[1],
            f"{len(test) / rows:.1%} of the rows. {_train_test.describe_few_rows(train, test, parameters)}".strip(),
        ),
    ]

    folder = f"{parameters.name}/{_train_test.fingerprint(train, test)}"
    with ThreadPoolExecutor(2) as writer:  # which Arrow does outside Python's lock, while columns are counted
        sides = {"train": train, "test": test}
        written = {
            side: writer.submit(backend.write_table, rows, f"{folder}/{side}.parquet") for side, rows in sides.items()
        }
        baseline = {**hooks.baseline(train), "split": rule.to_dict() if rule_holds else None}
        columns = charts.Table(_train_test.describe_columns(train))
        balance = charts.target_distribution(train[target], parameters.task)
        if leak := leaks.describe_leaks(train, target, parameters.task):
            notes.append(("leak", len(train), train.shape[1], leak))
    # No model may see these; an older rule of splitting needs them to say which rows were its test rows.
    baseline["test_keys"] = backend.write_table(test_keys, f"{folder}/test_keys.parquet") if hidden else None
    return Preprocessed(
        title=title("Preprocess", parameters),
        verdict=_verdict(len(train), len(test), train.shape[1] - 1, parameters),
        task=parameters.task,
        train_data=written["train"].result(),
        test_data=written["test"].result(),
        baseline=backend.write_json(baseline, f"{folder}/baseline.json"),
        sizes=charts.Table(notes, columns=["point", "rows", "columns", "what"]).set_index("point"),
        violations=violations,
        columns=columns,
        balance=balance,
    )


def _on_cluster(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Preprocessed:
    """The same from parts that are never in memory together; statistics are those of a sample of every part."""
    from lib.stages import _partitions

    done = _partitions.run(hooks, backend, parameters)
    rows, columns, rule, sample = done["rows"], done["columns"], done["rule"], done["sample"]
    notes = [
        ("read", rows["read"], columns["read"], f"{parameters.data}, in {done['parts']} parts on a Dask cluster"),
        (
            "quarantined",
            rows["aside"],
            columns["read"],
            f"They break the contract, and are kept below {done['folder']}",
        ),
        (
            "prepared",
            rows["train"] + rows["test"],
            columns["train"],
            " ".join(done["notes"]) or "as prepare_data made it",
        ),
        ("train", rows["train"], columns["train"], _how(rule, True, parameters)),
        ("test", rows["test"], columns["train"], f"{rows['test'] / (rows['train'] + rows['test']):.1%} of the rows."),
    ]
    if leak := leaks.describe_leaks(sample, parameters.target_column, parameters.task):
        notes.append(("leak", rows["train"], columns["train"], leak))
    baseline = {
        **hooks.baseline(sample),
        "rows": rows["train"],
        "split": rule.to_dict(),
        "test_keys": done["test_keys"],
    }
    return Preprocessed(
        title=title("Preprocess", parameters),
        verdict=_verdict(rows["train"], rows["test"], columns["train"] - 1, parameters),
        task=parameters.task,
        train_data=done["train_data"],
        test_data=done["test_data"],
        baseline=backend.write_json(baseline, f"{done['folder']}/baseline.json"),
        sizes=charts.Table(
            [note for note in notes if note[1] or note[0] != "quarantined"],
            columns=["point", "rows", "columns", "what"],
        ).set_index("point"),
        violations=done["violations"],
        columns=charts.Table(_train_test.describe_columns(sample)),
        balance=charts.target_distribution(sample[parameters.target_column], parameters.task),
    )


def _verdict(train_rows: int, test_rows: int, features: int, parameters: Parameters) -> str:
    return (
        f"{train_rows:,} training rows and {test_rows:,} test rows with {features} columns to predict "
        f"{parameters.target_column}."
    )


def split_columns(parameters: Parameters) -> list[str]:
    """Columns that decide a row's side of the split."""
    return [parameters.time_column] if parameters.split == "time" else list(parameters.key_columns)


def clean(prepared: Any, parameters: Parameters) -> tuple[pd.DataFrame, list[str]]:
    """Rows to learn from, in types that a request can carry, and what was changed for that."""
    _check_prepared(prepared)
    prepared, target_notes = cleaning.prepare_target(prepared, parameters.target_column, parameters.task)
    prepared, plain_notes = cleaning.to_json_types(prepared)
    prepared, finite_notes = cleaning.replace_infinite(prepared)
    return prepared, [*target_notes, *plain_notes, *finite_notes]


def _loaded(hooks: PreprocessHooks) -> pd.DataFrame:
    raw = hooks.load_data()
    if not isinstance(raw, pd.DataFrame):
        raise StageError(f"load_data returned {type(raw).__name__}; expected a DataFrame. Does it end with return?")
    return raw


def _rule(prepared: pd.DataFrame, parameters: Parameters) -> SplitRule:
    if parameters.split == "time":
        return TimeSplit.from_table(
            prepared, parameters.time_column, parameters.time_cut, parameters.test_fraction, parameters.month_first
        )
    keys = parameters.key_columns
    rule = HashSplit(tuple(sorted(keys or prepared.columns)), parameters.test_fraction, parameters.seed)
    # Rows of one key stay together, whatever their classes.
    return rule if keys or parameters.task == "regression" else rule.stratify(prepared, parameters.target_column)


def _how(rule: SplitRule, rule_holds: bool, parameters: Parameters, undecided: int = 0) -> str:
    if not rule_holds:
        return "by the pipeline's split_data"
    if isinstance(rule, TimeSplit):
        without = f"; {undecided:,} rows without a {rule.column} train too" if undecided else ""
        return f"by time: {rule.column} before {rule.cut}{without}"
    keys = ", ".join(parameters.key_columns)
    if parameters.split == "group":
        without = f"; {undecided:,} rows lack one, which counts as a value of its own" if undecided else ""
        return f"by group: all rows of one {keys} are on one side{without}"
    dealt = f"; rare classes dealt out: {', '.join(rule.strata)}" if isinstance(rule, HashSplit) and rule.strata else ""
    return f"by a hash of {keys or 'the whole row'}{dealt}"


def _check_prepared(prepared: Any) -> None:
    if not isinstance(prepared, pd.DataFrame):
        raise StageError(
            f"prepare_data returned {type(prepared).__name__}; expected a DataFrame. Does it end with return?"
        )
    if not len(prepared):
        raise DataError("prepare_data left no row. Look at what it filters.")
    twice: Sequence[str] = sorted(set(prepared.columns[prepared.columns.duplicated()]))
    if twice:
        raise DataError(f"Two columns of the table bear one name: {', '.join(map(repr, twice))}. Rename all but one.")
