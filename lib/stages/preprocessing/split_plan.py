"""The split rule, derived from the summaries of all parts, and sentences that explain the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.errors import DataError, format_count
from lib.tables.files import categoricals
from lib.tables.quality.entities import find_entity_key
from lib.tables.split import share
from lib.tables.split.duplicates import describe_duplicates
from lib.tables.split.rare_classes import find_rare_classes
from lib.tables.split.rules import HashSplit, SplitRule, TimeSplit

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import Engine
    from lib.stages.preprocessing.parts import PartSummary
    from lib.tables.targets import TargetConversion


@dataclass(frozen=True)
class SplitPlan:
    """The split rule of a table, with sentences that explain the split.

    Attributes
    ----------
    rule : SplitRule
    description : str
        Words about how the rule splits the rows.
    share_reason : str
        Why the share of test rows may miss ``test_fraction`` by more than one percentage point.
    groups : int
        Number of groups of rows that share a side.
    duplicates : str
        Sentences about repeated rows; empty if there are none.
    entities : str
        Sentences about repeated entities that the split does not keep together; empty if there are none.
    """

    rule: SplitRule
    description: str
    share_reason: str
    groups: int = 0
    duplicates: str = ""
    entities: str = ""


def split_columns(parameters: Parameters) -> list[str]:
    """Return the columns whose values decide whether a row trains or tests; empty if all features decide."""
    return [parameters.time_column] if parameters.split == "time" else list(parameters.key_columns)


def needed_columns(parameters: Parameters) -> list[str]:
    """Return the columns that are needed besides the features: to split, to weight, and to compare groups of rows."""
    weight_columns = [parameters.weight_column] if parameters.weight_column else []
    return list(dict.fromkeys([*split_columns(parameters), *parameters.groups, *weight_columns]))


def hidden_columns(parameters: Parameters) -> list[str]:
    """Return the needed columns that models do not see: those in ``drop_columns``, and the column of weights."""
    hidden = (*parameters.drop_columns, parameters.weight_column)
    return [name for name in needed_columns(parameters) if name in hidden]


def named_columns(parameters: Parameters) -> list[str]:
    """Return the columns that the parameters name, and that must therefore be unique."""
    return [parameters.target_column, *parameters.drop_columns, *needed_columns(parameters)]


def hash_rule(columns: list[str], parameters: Parameters) -> HashSplit:
    """Return the rule that splits by a hash of the key columns, or of all features if there are no key columns.

    The target is not hashed. Otherwise rows with equal features would share a side only if their targets were equal
    too, and a test row with the features of a training row would always have a different target.

    Raises
    ------
    DataError
        If the target is the only column.
    """
    not_hashed = {parameters.target_column, *hidden_columns(parameters)}
    features = [name for name in columns if name not in not_hashed]
    if not features:
        raise DataError(
            f"The prepared table has no column besides the target {parameters.target_column}. Remove a column from "
            "drop_columns, or check what prepare_data returns."
        )
    hashed = tuple(sorted(parameters.key_columns or features))
    return HashSplit(hashed, parameters.test_fraction, parameters.seed)


def plan(
    summaries: list[PartSummary], conversion: TargetConversion, engine: Engine, parameters: Parameters
) -> SplitPlan:
    """Derive the split rule from the prepared parts of a table.

    Parameters
    ----------
    summaries : list of PartSummary
    conversion : TargetConversion
    engine : Engine
        Gives the rows that the sentences cite.
    parameters : Parameters

    Raises
    ------
    DataError
        If the table has no times to split by.
    """
    target = conversion.apply(_join_series([summary.target_values for summary in summaries]))
    feature_hashes = _join([summary.feature_hashes for summary in summaries])
    if parameters.split == "time":
        times = _join_series([summary.times[parameters.time_column] for summary in summaries]).to_frame()
        return _plan_by_time(times, feature_hashes, target, parameters)
    rule = hash_rule(summaries[0].columns, parameters)
    hashes = _join([summary.group_hashes for summary in summaries])
    groups = share.Groups.from_hashes(hashes)
    rule = rule.balance(groups)
    # Rows with the same key must stay together, so they cannot be stratified by class.
    notes = [_describe_rule(parameters)]
    is_stratified = False
    if not parameters.key_columns and parameters.task != "regression":
        rare = find_rare_classes(target, parameters.test_fraction)
        is_stratified = len(rare) > 0
        rule = rule.stratify(target, hashes)
        notes += [f"rare classes stratified: {', '.join(map(str, rare.index[::-1]))}"] if is_stratified else []
    notes += _describe_large_group(hashes, groups, rule, engine, parameters)
    notes += _describe_missing_keys(sum(summary.missing_keys for summary in summaries))
    rows, entities = len(hashes), ""
    if not parameters.key_columns:
        searched = engine.prepared_rows()
        entities = _describe_entities(searched, parameters.target_column)
        if len(searched) < rows:
            notes.append(f"repeated entities were searched for in the first {len(searched):,} rows")
    distinct = groups if not parameters.key_columns else share.Groups.from_hashes(feature_hashes)
    duplicates = describe_duplicates(feature_hashes, target, len(distinct.sizes))
    reason = _explain_share(groups, is_stratified)
    return SplitPlan(rule, "; ".join(notes), reason, len(groups.sizes), duplicates, entities)


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    """Concatenate arrays; a single array is returned without a copy."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _join_series(parts: list[pd.Series]) -> pd.Series:
    """Concatenate the values of all parts. Categorical values get the categories of all parts."""
    parts = [part for part in parts if len(part)] or parts[:1]  # an empty part may have any type
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        categories = pd.api.types.union_categoricals(parts)
        texts = categories.categories.astype(categoricals.ARROW_STRING)
        return pd.Series(categories.rename_categories(texts), name=parts[0].name)
    return pd.concat(parts, ignore_index=True)


def _plan_by_time(
    times: pd.DataFrame, feature_hashes: np.ndarray, target: pd.Series, parameters: Parameters
) -> SplitPlan:
    """Return the plan of a split by time: the rows before the cut train, the later rows test."""
    column = parameters.time_column
    rule = TimeSplit.from_table(times, column, parameters.time_cut, parameters.test_fraction, parameters.month_first)
    missing = int(times[column].isna().sum())
    verb = "trains" if missing == 1 else "train"
    without_time = f"{format_count(missing, 'row')} without a {column} also {verb}" if missing else ""
    description = f"by time: {column} before {rule.formatted_cut}" + (f"; {without_time}" if without_time else "")
    if parameters.time_cut:
        reason = "time_cut decides"
    else:
        ties = f"rows with the same {column} share a side, so the nearest cut is {rule.describe_cut(times)}"
        reason = "; ".join(filter(None, [ties, without_time]))
    distinct = len(share.Groups.from_hashes(feature_hashes).sizes)
    return SplitPlan(rule, description, reason, 0, describe_duplicates(feature_hashes, target, distinct))


def _describe_rule(parameters: Parameters) -> str:
    """Return words about a split by a hash."""
    keys = ", ".join(parameters.key_columns)
    if parameters.split == "group":
        return f"by group: all rows with the same {keys} are on one side"
    return f"by a hash of {keys or 'all features'}"


def _describe_missing_keys(rows: int) -> list[str]:
    """Return a list with a note if some rows lack the value of a key column; otherwise an empty list."""
    return (
        [f"{format_count(rows, 'row has', 'rows have')} a missing key; rows without a key form one group"]
        if rows
        else []
    )


def _describe_large_group(
    hashes: np.ndarray, groups: share.Groups, rule: HashSplit, engine: Engine, parameters: Parameters
) -> list[str]:
    """Return a list with a note if the largest group exceeds the requested smaller side; otherwise an empty list."""
    if not share.is_too_large(groups.largest_share, rule.test_fraction):
        return []
    largest = groups.hashes[groups.sizes.argmax()]
    rows = int(groups.sizes.max())
    is_test = rule.are_test_hashes(hashes)
    side = "tests" if is_test[hashes == largest][0] else "trains"
    others = float(is_test[hashes != largest].mean()) if rows < len(hashes) else 0.0
    values = "rows with equal features"
    if parameters.key_columns:
        key = engine.prepared_values(int(np.argmax(hashes == largest)), parameters.key_columns)
        values = ", ".join(f"{name} {value}" for name, value in key.items())
    return [
        f"the largest group, {values}, has {rows:,} rows ({groups.largest_share:.1%} of all) and {side}, so "
        f"{others:.1%} of the other rows test"
    ]


def _explain_share(groups: share.Groups, is_stratified: bool) -> str:
    """Return why the share of test rows may miss ``test_fraction``."""
    if groups.largest_share > share.share_tolerance(0.5) and groups.sizes.max() > 1:
        return f"groups of rows that share a side have up to {groups.largest_share:.1%} of the rows"
    rare = ", and each rare class has rows on both sides" if is_stratified else ""
    return (
        f"a hash decides about each of the {len(groups.sizes):,} distinct values alone, so that rows keep their side "
        f"when the table grows{rare}"
    )


def _describe_entities(prepared: pd.DataFrame, target: str) -> str:
    """Return a warning that rows of one entity are on both sides, with the entity's key; empty if none is found."""
    key = find_entity_key(prepared, target)
    if not key:
        return ""
    names = " and ".join(key)
    return (
        f"Each repeated value of {names} has one value of {target}, so its rows seem to belong to one entity, and they "
        f"are on both sides. Set split: group and key_columns: [{', '.join(key)}] to keep them together; "
        "scores are too good otherwise."
    )
