"""The split in the preprocess stage: its rule, and the sentences about it in the table of sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.errors import DataError, format_count
from lib.tables import frames
from lib.tables.quality.entities import find_entity_key
from lib.tables.split import share
from lib.tables.split.duplicates import describe_duplicates
from lib.tables.split.rare_classes import find_rare_classes
from lib.tables.split.row_hash import row_hash
from lib.tables.split.rules import HashSplit, SplitRule, TimeSplit

if TYPE_CHECKING:
    from lib.parameters import Parameters

_MAX_LISTED_CLASSES = 6


@dataclass(frozen=True)
class SplitPlan:
    """The rule for a table, and what to tell about it.

    Attributes
    ----------
    rule : SplitRule
    description : str
        How the rule splits the rows.
    share_reason : str
        Why the test share may be more than one percentage point from the requested one.
    duplicates : str
        Sentences about repeated rows; empty if there are none.
    entities : str
        Sentences about repeated entities that the split does not keep together; empty if there are none.
    """

    rule: SplitRule
    description: str
    share_reason: str
    duplicates: str = ""
    entities: str = ""


def split_columns(parameters: Parameters) -> list[str]:
    """Return the columns whose values decide a row's side of the split, or none if all features do."""
    return [parameters.time_column] if parameters.split == "time" else list(parameters.key_columns)


def hidden_columns(parameters: Parameters) -> list[str]:
    """Return the columns that decide the split but are hidden from models."""
    return [name for name in split_columns(parameters) if name in parameters.drop_columns]


def plan(prepared: pd.DataFrame, parameters: Parameters) -> SplitPlan:
    """Derive the split rule from the prepared table.

    Raises
    ------
    DataError
        If the table has no features, or no times to split by.
    NameNotFound
        If it lacks a column that the parameters name.
    """
    if parameters.split == "time":
        return _plan_by_time(prepared, parameters)
    keys, target = parameters.key_columns, parameters.target_column
    rule = HashSplit(_hashed_columns(list(prepared.columns), parameters), parameters.test_fraction, parameters.seed)
    hashes = rule.hash_groups(prepared)
    rule = rule.balance(hashes)
    # Rows with the same key must stay together, so they cannot be stratified by class.
    notes = [_describe_rule(parameters)]
    is_stratified = False
    if not keys and parameters.task != "regression":
        rare = find_rare_classes(prepared[target], parameters.test_fraction)
        is_stratified = len(rare) > 0
        rule = rule.stratify(prepared, target, hashes)
        notes += [f"rare classes stratified: {', '.join(map(str, rare.index[::-1]))}"] if is_stratified else []
    groups = share.Groups.from_hashes(hashes)
    notes += _describe_large_group(prepared, hashes, groups, rule, parameters)
    notes += _describe_missing_keys(prepared, parameters)
    return SplitPlan(
        rule,
        "; ".join(notes),
        _explain_share(groups, is_stratified),
        _describe_duplicates(prepared, hashes, parameters),
        "" if keys else _describe_entities(prepared, target),
    )


def plan_for_parts(first_rows: pd.DataFrame, parameters: Parameters) -> SplitPlan:
    """Derive the split rule of a table in parts, of which only the first rows are known.

    Raises
    ------
    DataError
        If the table has no features or no times to split by, or if the time of the cut is not given.
    """
    if parameters.split == "time":
        if not parameters.time_cut:
            raise DataError(
                "time_cut is empty, but engine dask cannot infer it from single partitions. Set it to the date of the "
                "first test rows."
            )
        return _plan_by_time(first_rows, parameters)
    columns = _hashed_columns(list(first_rows.columns), parameters)
    rule = HashSplit(columns, parameters.test_fraction, parameters.seed)
    reason = "engine dask splits each partition alone, so it cannot adapt the share to groups that stay together"
    return SplitPlan(rule, _describe_rule(parameters), reason)


def describe_share(train_rows: int, test_rows: int, plan: SplitPlan | None, parameters: Parameters) -> str:
    """Return the share of test rows, and why it is not the requested one if it is more than one point away.

    Parameters
    ----------
    train_rows, test_rows : int
    plan : SplitPlan or None
        None if the pipeline's own ``split_data`` split the rows.
    parameters : Parameters
    """
    test_share = test_rows / (train_rows + test_rows)
    if share.is_near(test_share, parameters.test_fraction):
        return f"{test_share:.1%} of the rows."
    reason = plan.share_reason if plan else "the pipeline's split_data decides"
    return f"{test_share:.1%} of the rows, not {parameters.test_fraction:.1%}: {reason}."


def describe_targets(train: pd.Series, test: pd.Series, task: str) -> str:
    """Return the share of each class, or the mean of the target, among training and test rows."""
    if task == "regression":
        means = " and ".join(f"{rows.mean():.6g} ± {rows.std():.6g}" for rows in (train, test))
        return f"Mean and standard deviation of {train.name} in training and test rows: {means}."
    counts = pd.DataFrame({side: frames.count_values(rows) for side, rows in (("train", train), ("test", test))})
    shares = (counts.fillna(0) / [len(train), len(test)]).sort_values("train", ascending=False, kind="stable")
    listed = [f"{name} {row.train:.1%} and {row.test:.1%}" for name, row in shares.head(_MAX_LISTED_CLASSES).iterrows()]
    more = f", and {len(shares) - len(listed)} more" if len(shares) > len(listed) else ""
    return f"Classes in training and test rows: {', '.join(listed)}{more}."


def _hashed_columns(columns: list[str], parameters: Parameters) -> tuple[str, ...]:
    """Return the key columns, or else all features.

    The target is left out. If it were hashed, rows with equal features would share a side only if their targets were
    equal too. A test row with the features of a training row would then always have a different target.
    """
    features = [name for name in columns if name != parameters.target_column]
    if not features:
        raise DataError(
            f"The prepared table has no column besides the target {parameters.target_column}. Remove a column from "
            "drop_columns, or check what prepare_data returns."
        )
    return tuple(sorted(parameters.key_columns or features))


def _plan_by_time(prepared: pd.DataFrame, parameters: Parameters) -> SplitPlan:
    column = parameters.time_column
    rule = TimeSplit.from_table(prepared, column, parameters.time_cut, parameters.test_fraction, parameters.month_first)
    missing = int(prepared[column].isna().sum())
    verb = "trains" if missing == 1 else "train"
    without_time = f"{format_count(missing, 'row')} without a {column} also {verb}" if missing else ""
    description = f"by time: {column} before {rule.formatted_cut}" + (f"; {without_time}" if without_time else "")
    if parameters.time_cut:
        reason = "time_cut decides"
    else:
        ties = f"rows with the same {column} share a side, so the nearest cut is {rule.describe_cut(prepared)}"
        reason = "; ".join(filter(None, [ties, without_time]))
    return SplitPlan(rule, description, reason, _describe_duplicates(prepared, None, parameters))


def _describe_rule(parameters: Parameters) -> str:
    keys = ", ".join(parameters.key_columns)
    if parameters.split == "group":
        return f"by group: all rows with the same {keys} are on one side"
    return f"by a hash of {keys or 'all features'}"


def _describe_missing_keys(prepared: pd.DataFrame, parameters: Parameters) -> list[str]:
    """Return a note if rows miss the value of a key column."""
    rows = int(prepared[split_columns(parameters)].isna().any(axis=1).sum())
    return (
        [f"{format_count(rows, 'row has', 'rows have')} a missing key, which counts as its own value"] if rows else []
    )


def _describe_large_group(
    prepared: pd.DataFrame, hashes: np.ndarray, groups: share.Groups, rule: HashSplit, parameters: Parameters
) -> list[str]:
    """Return a note if the largest group has more rows than the smaller side of the split should have."""
    if not share.is_too_large(groups.largest_share, rule.test_fraction):
        return []
    largest = groups.hashes[groups.sizes.argmax()]
    rows = int(groups.sizes.max())
    is_test = rule.are_test_hashes(hashes)
    side = "tests" if is_test[hashes == largest][0] else "trains"
    others = float(is_test[hashes != largest].mean()) if rows < len(hashes) else 0.0
    keys = prepared[parameters.key_columns].iloc[int(np.argmax(hashes == largest))]
    values = ", ".join(f"{name} {value}" for name, value in keys.items()) or "rows with equal features"
    return [
        f"the largest group, {values}, has {rows:,} rows ({groups.largest_share:.1%} of all) and {side}, so "
        f"{others:.1%} of the other rows test"
    ]


def _explain_share(groups: share.Groups, is_stratified: bool) -> str:
    """Return why the test share may be far from the requested one."""
    if groups.largest_share > share.tolerance(0.5) and groups.sizes.max() > 1:
        return f"groups of rows that share a side have up to {groups.largest_share:.1%} of the rows"
    rare = ", and each rare class has rows on both sides" if is_stratified else ""
    return (
        f"a hash decides about each of the {len(groups.sizes):,} distinct values alone, so that rows keep their side "
        f"when the table grows{rare}"
    )


def _describe_entities(prepared: pd.DataFrame, target: str) -> str:
    """Describe the key of repeated entities whose rows a split by rows separates."""
    key = find_entity_key(prepared, target)
    if not key:
        return ""
    names = " and ".join(key)
    return (
        f"Each repeated value of {names} has one value of {target}, so its rows seem to belong to one entity, and they "
        f"are on both sides. Set split: group and key_columns: [{', '.join(key)}] to keep them together; "
        "scores are too good otherwise."
    )


def _describe_duplicates(prepared: pd.DataFrame, hashes: np.ndarray | None, parameters: Parameters) -> str:
    """Describe repeated rows, given the hashes of the split."""
    if hashes is None or parameters.key_columns:
        unused = {parameters.target_column, *hidden_columns(parameters)}
        features = [name for name in prepared.columns if name not in unused]
        hashes = row_hash(prepared, features, normalize=True)
    return describe_duplicates(hashes, prepared[parameters.target_column])
