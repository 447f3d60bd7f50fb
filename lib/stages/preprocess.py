"""Preprocess: from the table to training rows, test rows and a baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from lib import charts
from lib.data import cleaning
from lib.data.split import Split, row_hash
from lib.errors import DataError, StageError

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

_SAMPLE_ROWS = 3


class PreprocessHooks(Protocol):
    """What a pipeline may change here."""

    def load_data(self) -> pd.DataFrame:
        """The raw table."""

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The table to learn from, target included."""

    def split_data(self, frame: pd.DataFrame, rule: Split) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Training rows and test rows."""

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Statistics of the training rows."""


@dataclass(frozen=True)
class Preprocessed:
    """What the stage hands on, and what its notebook shows.

    Attributes
    ----------
    train_data, test_data, baseline : str
        URIs of two Parquet tables and one JSON file.
    sizes : Table
        Rows and columns at each point, and what was left out.
    columns : Table
        Of each column of the training rows its type, missing and distinct values, and a sample: the first rows.
    balance : Chart
        How the target is spread over the training rows.
    """

    train_data: str
    test_data: str
    baseline: str
    sizes: charts.Table
    columns: charts.Table
    balance: charts.Chart


def run(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Preprocessed:
    """Read, clean, prepare, split, describe.

    Returns
    -------
    Preprocessed

    Raises
    ------
    DataError, NameNotFound
        Where the table and the parameters do not go together.
    """
    target, dropped, keys = parameters.target_column, parameters.drop_columns, parameters.key_columns
    raw = hooks.load_data()
    notes = [("read", len(raw), raw.shape[1], parameters.data)]

    index = cleaning.index_columns(raw)
    # A key that no model may see stays until the rows are split by it.
    frame = cleaning.without(raw, [name for name in dropped if name not in keys], where=parameters.data)
    frame = frame.drop(columns=[name for name in index if name in frame.columns and name not in keys])
    notes.append(("dropped columns", len(frame), frame.shape[1], ", ".join([*dropped, *index]) or "none"))

    prepared = hooks.prepare_data(frame)
    _check_prepared(prepared)
    prepared, target_notes = cleaning.with_usable_target(prepared, target, parameters.task)
    prepared, plain_notes = cleaning.plain(prepared)
    prepared, finite_notes = cleaning.finite(prepared)
    notes.append(
        (
            "prepared",
            len(prepared),
            prepared.shape[1],
            " ".join(target_notes + plain_notes + finite_notes) or "as prepare_data made it",
        )
    )

    rule = Split(tuple(sorted(keys or prepared.columns)), parameters.test_fraction, parameters.seed)
    train, test = hooks.split_data(prepared, rule)
    # A pipeline may split by something else than the rule; then the rule tells nothing about its rows.
    rule_holds = rule.is_test(test).all() and not rule.is_test(train).any()
    hidden = [name for name in keys if name in dropped]
    test_keys = test[hidden]
    train, test = train.drop(columns=hidden), test.drop(columns=hidden)
    _check_sides(train, test, target, parameters.task)
    how = (
        f"by a hash of {', '.join(keys) if keys else 'the whole row'}" if rule_holds else "by the pipeline's split_data"
    )
    notes += [
        ("train", len(train), train.shape[1], how),
        ("test", len(test), test.shape[1], f"{len(test) / len(prepared):.1%} of the rows"),
    ]

    folder = f"{parameters.name}/{_fingerprint(train, test)}"
    baseline = {
        **hooks.baseline(train),
        "split": asdict(rule) if rule_holds else None,
        # No model may see these; an older rule of splitting needs them to say which rows were its test rows.
        "test_keys": backend.write_table(test_keys, f"{folder}/test_keys.parquet") if hidden else None,
    }
    return Preprocessed(
        train_data=backend.write_table(train, f"{folder}/train.parquet"),
        test_data=backend.write_table(test, f"{folder}/test.parquet"),
        baseline=backend.write_json(baseline, f"{folder}/baseline.json"),
        sizes=charts.Table(notes, columns=["point", "rows", "columns", "what"]).set_index("point"),
        columns=charts.Table(_columns(train)),
        balance=charts.target_balance(train[target], parameters.task),
    )


def _check_prepared(prepared: Any) -> None:
    if not isinstance(prepared, pd.DataFrame):
        raise StageError(
            f"prepare_data returned {type(prepared).__name__}; expected a DataFrame. Does it end with return?"
        )
    if prepared.empty:
        raise DataError("prepare_data left no row. Look at what it filters.")
    twice: Sequence[str] = sorted(set(prepared.columns[prepared.columns.duplicated()]))
    if twice:
        raise DataError(f"Two columns of the table bear one name: {', '.join(map(repr, twice))}. Rename all but one.")


def _check_sides(train: pd.DataFrame, test: pd.DataFrame, target: str, task: str) -> None:
    """Both sides need what training and scoring need; a rare class can be on one side only, two never."""
    for side, rows in (("training", train), ("test", test)):
        if rows.empty:  # a rule says so itself; a pipeline's own split_data may not
            raise DataError(f"No row is left on the {side} side. Look at what split_data returns.")
    if train.shape[1] < 2:
        raise DataError(f"Only the target {target} is left of the table; there is nothing to predict it from.")
    if task == "regression":
        return
    for side, rows in (("training", train), ("test", test)):
        classes = rows[target].unique()
        if len(classes) < 2:
            raise DataError(
                f"The {len(rows)} {side} rows are all {target} = {classes[0]!r}. Give more rows, or another "
                "test_fraction or seed."
            )


def _columns(train: pd.DataFrame) -> pd.DataFrame:
    described = pd.DataFrame(
        {
            "type": train.dtypes.astype(str),
            "missing": train.isna().sum().map("{:,}".format) + train.isna().mean().map(" ({:.1%})".format),
            "distinct": train.nunique().map("{:,}".format),
        }
    )
    sample = train.head(_SAMPLE_ROWS).astype(object).T.rename(columns=lambda row: f"row {row}")
    return described.join(sample).rename_axis("column")


def _fingerprint(train: pd.DataFrame, test: pd.DataFrame) -> str:
    """Name of a folder by what is in it, so that the same rows are kept once."""
    state = hashlib.sha256()
    for part in (train, test):
        state.update(repr([(name, str(kind)) for name, kind in part.dtypes.items()]).encode())
        state.update(row_hash(part, list(part.columns)).tobytes())
    return state.hexdigest()[:16]
