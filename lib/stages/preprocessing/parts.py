"""The preprocessing of one part of a table: functions of its rows, which all engines call.

Decisions about the whole table, such as the split rule, are derived from the summaries of all parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from lib.errors import CodeError, DataError, StageError
from lib.stages.preprocessing.split_plan import hash_rule, hidden_columns, split_columns
from lib.tables import cleaning, frames
from lib.tables.row_weights import read_weights
from lib.tables.split.base import get_split_column
from lib.tables.split.row_hash import row_hash
from lib.tables.split.rules import HashSplit, SplitRule
from lib.tables.targets import TargetSummary, drop_rows_without_target

if TYPE_CHECKING:
    from lib.parameters import Parameters

_DEFAULT_HOOKS = "lib.pipelines.base"  # the module of the default hooks, which stages do not import


class PreprocessHooks(Protocol):
    """The methods of a pipeline that this stage calls."""

    def load_data(self) -> pd.DataFrame:
        """Return the raw table."""

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the table to learn from, including the target."""

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return training rows and test rows."""

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Return statistics of the training rows."""


def overrides(hooks: PreprocessHooks, name: str) -> bool:
    """Return whether a pipeline overrides a hook."""
    return bool(getattr(type(hooks), name).__module__ != _DEFAULT_HOOKS)


@dataclass(frozen=True)
class PartSummary:
    """The summary of a prepared part, with a few bytes per row.

    Attributes
    ----------
    columns : list of str
    target : TargetSummary
    converted : dict of str to str
        The former content of each column that was converted to a JSON type, such as durations.
    infinite : dict of str to int
        Number of infinite values by column.
    missing_keys : int
        Number of rows that lack the value of a key column.
    feature_hashes : ndarray of uint64, of shape (rows,)
        A hash of the features of each row.
    group_hashes : ndarray of uint64, of shape (rows,)
        A hash of each row's group. All rows of a group are on one side of the split. Empty if the split is by time.
    target_values : Series of shape (rows,)
        The target before its conversion.
    times : DataFrame of shape (rows, 1)
        The time column; without columns unless the split is by time.
    """

    columns: list[str]
    target: TargetSummary
    converted: dict[str, str]
    infinite: dict[str, int]
    missing_keys: int
    feature_hashes: np.ndarray
    group_hashes: np.ndarray
    target_values: pd.Series
    times: pd.DataFrame


@dataclass(frozen=True)
class SplitPart:
    """The rows of a part after the split.

    Attributes
    ----------
    train, test : DataFrame
    train_keys, test_keys : DataFrame or None
        The needed columns of the rows that models do not see; None if there are none.
    is_split_by_rule : bool
        Whether the rows were split by the rule; an overridden ``split_data`` may ignore it.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    train_keys: pd.DataFrame | None
    test_keys: pd.DataFrame | None
    is_split_by_rule: bool


def prepare_part(raw: pd.DataFrame, hooks: PreprocessHooks, parameters: Parameters) -> tuple[pd.DataFrame, PartSummary]:
    """Prepare and clean some rows of a table: all rows with a target, in types that a request can contain.

    Parameters
    ----------
    raw : DataFrame
        The raw rows without the columns that are dropped.
    hooks : PreprocessHooks
        The pipeline.
    parameters : Parameters

    Returns
    -------
    prepared : DataFrame
        The target is not converted yet.
    summary : PartSummary

    Raises
    ------
    DataError
        If ``prepare_data`` returns several columns of one name, or no feature.
    NameNotFound
        If the prepared rows lack a column that the parameters name.
    CodeError
        If ``prepare_data`` reads a column that the parameters drop before.
    StageError
        If ``prepare_data`` does not return a DataFrame.
    """
    target = parameters.target_column
    prepared = _check_prepared(_call_prepare_data(hooks, raw, parameters))
    prepared, target_summary = drop_rows_without_target(prepared, target, parameters.task)
    prepared, converted = cleaning.to_json_types(prepared)
    prepared, infinite = cleaning.replace_infinite(prepared)
    _check_needed_columns(prepared, parameters)
    feature_hashes, group_hashes = _hash_rows(prepared, parameters)
    is_by_time = parameters.split == "time"
    keys = [] if is_by_time else list(parameters.key_columns)
    times = get_split_column(prepared, parameters.time_column, "time_column").to_frame() if is_by_time else prepared[[]]
    return prepared, PartSummary(
        columns=list(prepared.columns),
        target=target_summary,
        converted=converted,
        infinite=infinite,
        missing_keys=int(prepared[keys].isna().any(axis=1).sum()) if keys else 0,
        feature_hashes=feature_hashes,
        group_hashes=group_hashes,
        target_values=prepared[target],
        times=times,
    )


def split_part(
    prepared: pd.DataFrame,
    hooks: PreprocessHooks,
    parameters: Parameters,
    rule: SplitRule,
    group_hashes: np.ndarray | None = None,
) -> SplitPart:
    """Split prepared rows into training and test rows, and drop the columns that only the split needs.

    Parameters
    ----------
    prepared : DataFrame
        The result of `prepare_part` with the converted target. It is emptied unless ``split_data`` keeps it.
    hooks : PreprocessHooks
        The pipeline.
    parameters : Parameters
    rule : SplitRule
    group_hashes : ndarray of uint64, of shape (rows,), optional
        The group hashes of the rows; if missing, they are computed.

    Raises
    ------
    NameNotFound
        If the rows lack a column that the parameters name.
    """
    # An overridden split_data may change the rows before it applies the rule.
    if group_hashes is not None and isinstance(rule, HashSplit) and not overrides(hooks, "split_data"):
        train, test = rule.apply(prepared, keep_frame=False, is_test=rule.are_test_hashes(group_hashes))
    else:
        train, test = hooks.split_data(prepared, rule)
    is_split_by_rule = rule.matches(train, test)
    hidden = hidden_columns(parameters)
    train_keys, test_keys = (train[hidden], test[hidden]) if hidden else (None, None)
    train, test = (cleaning.drop_columns(rows, hidden, where="the prepared table") for rows in (train, test))
    return SplitPart(train, test, train_keys, test_keys, is_split_by_rule)


def _call_prepare_data(hooks: PreprocessHooks, raw: pd.DataFrame, parameters: Parameters) -> pd.DataFrame:
    """Return what the hook returns; explain a `KeyError` about a column in ``drop_columns``."""
    try:
        return hooks.prepare_data(raw)
    except KeyError as error:
        dropped = [name for name in parameters.drop_columns if name not in raw.columns and repr(name) in str(error)]
        if not dropped:
            raise
        raise CodeError(
            f"prepare_data reads the column {dropped[0]!r}, which drop_columns removes from the raw table before. Take "
            "it out of drop_columns, and drop it in prepare_data once it is no longer needed."
        ) from error


def _check_prepared(prepared: Any) -> pd.DataFrame:
    """Return the result of `prepare_data`; raise if it is no DataFrame or has two columns of the same name."""
    if not isinstance(prepared, pd.DataFrame):
        raise StageError(
            f"prepare_data returned {type(prepared).__name__}; expected a DataFrame. Does it end with return?"
        )
    duplicates = sorted(set(prepared.columns[prepared.columns.duplicated()]))
    if duplicates:
        names = ", ".join(map(repr, duplicates))
        raise DataError(f"prepare_data returned several columns named {names}; expected unique names. Rename them.")
    return prepared


def _check_needed_columns(prepared: pd.DataFrame, parameters: Parameters) -> None:
    """Raise if a column of groups or of weights is missing, or if the weights are not numbers from 0 on."""
    for name in parameters.groups:
        frames.get_column(prepared, name, where="the prepared table (groups)")
    if parameters.weight_column:
        name = parameters.weight_column
        read_weights(frames.get_column(prepared, name, where="the prepared table (weight_column)"))


def _hash_rows(prepared: pd.DataFrame, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's hash of the features and hash of its group; without keys, these are the same."""
    hidden = {parameters.target_column, *hidden_columns(parameters)}
    features = [name for name in prepared.columns if name not in hidden]
    if parameters.split == "time":
        return row_hash(prepared, features, normalize=True), np.zeros(0, dtype=np.uint64)
    group_hashes = hash_rule(list(prepared.columns), parameters).hash_groups(prepared)
    if not split_columns(parameters):
        return group_hashes, group_hashes
    return row_hash(prepared, features, normalize=True), group_hashes
