"""The target column: rows without a target are dropped, and labels get one type and one spelling.

A part of a table is summarized first. All summaries together decide how the target of each part is converted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lib.errors import DataError, format_count
from lib.schema.text_values import normalize_label, normalize_text
from lib.tables import frames
from lib.tables.cleaning import from_columns
from lib.tables.files import categoricals

MIN_ROWS = 20
# Types of a target.
NUMBER, BOOLEAN, INTEGER, TEXT = "number", "boolean", "integer", "text"
_MAX_LISTED_CLASSES = 8
_MAX_LISTED_SPELLINGS = 5


@dataclass(frozen=True)
class TargetSummary:
    """The target in a part of a table.

    Attributes
    ----------
    row_count, dropped_count : int
        Number of rows with and without a target.
    kind : str
        Type of the values: `NUMBER` in a regression, otherwise `BOOLEAN`, `INTEGER` or `TEXT`; empty without rows.
    label_counts : Series of int
        Number of rows of each label, by label; empty in a regression.
    invalid_count : int
        Number of values that are not numbers, in a regression.
    invalid_example : object
        A value that is not a number, in a regression; None if there is none.
    """

    row_count: int
    dropped_count: int
    kind: str
    label_counts: pd.Series = field(default_factory=lambda: pd.Series(dtype=int))
    invalid_count: int = 0
    invalid_example: object = None


@dataclass(frozen=True)
class TargetConversion:
    """How the target of each part is converted.

    Attributes
    ----------
    kind : str
        Type of the converted target.
    spellings : dict of str to str
        Replacement of each label that is spelled in another way.
    """

    kind: str
    spellings: dict[str, str] = field(default_factory=dict)

    def apply(self, target: pd.Series) -> pd.Series:
        """Convert the target of a part to the final type and spelling."""
        if self.kind == BOOLEAN:
            return target.astype(bool)
        if self.kind == INTEGER:
            return target.astype("int64")
        if self.kind == NUMBER:
            return target
        texts = target if _is_text(target) else target.astype(str)
        if not self.spellings:
            return texts
        return (categoricals.decode_dictionary(texts) if categoricals.is_dictionary_encoded(texts) else texts).replace(
            self.spellings
        )


def prepare_target(frame: pd.DataFrame, target_column: str, task: str) -> tuple[pd.DataFrame, list[str]]:
    """Drop rows without a target, and convert the target to the type that the task needs.

    Parameters
    ----------
    frame : DataFrame
        The prepared table.
    target_column : str
    task : str

    Returns
    -------
    frame : DataFrame
        The target is float for a regression; otherwise bool, integer or (possibly dictionary-encoded) text.
    notes : list of str
        A sentence about each change.

    Raises
    ------
    DataError
        If the target does not fit the task, or too few rows have one.
    """
    frame, summary = drop_rows_without_target(frame, target_column, task)
    conversion, notes = plan_conversion([summary], target_column, task)
    return convert_target(frame, target_column, conversion), notes


def drop_rows_without_target(frame: pd.DataFrame, target_column: str, task: str) -> tuple[pd.DataFrame, TargetSummary]:
    """Return the rows of a part that have a target, with an index from 0, and a summary of the target.

    Raises
    ------
    DataError
        If several columns have the name of the target.
    NameNotFound
        If there is no such column.
    """
    target = frames.get_column(frame, target_column, where="the prepared table")
    invalid = pd.Series(dtype=object)
    if task == "regression":
        numbers = pd.to_numeric(target, errors="coerce").astype(float)
        invalid = target[numbers.isna() & target.notna()]
        target, is_missing = numbers, ~np.isfinite(numbers)
    else:
        is_missing = target.isna()
    dropped_count = int(is_missing.sum())
    if dropped_count:
        frame, target = frame[~is_missing], target[~is_missing]
    if task == "regression":
        example = invalid.iloc[0] if len(invalid) else None
        summary = TargetSummary(len(target), dropped_count, NUMBER, invalid_count=len(invalid), invalid_example=example)
    else:
        kind = _find_label_kind(target)
        if kind == TEXT and not _is_text(target):
            target = target.astype(str)  # fractional labels become text too, because scikit-learn refuses them
        summary = TargetSummary(len(target), dropped_count, kind, frames.count_values(target))
    return _with_target(frame, target_column, target).set_axis(pd.RangeIndex(len(frame)), axis=0, copy=False), summary


def convert_target(frame: pd.DataFrame, target_column: str, conversion: TargetConversion) -> pd.DataFrame:
    """Return rows from `drop_rows_without_target` with the target in its final type and spelling."""
    return _with_target(frame, target_column, conversion.apply(frame[target_column]))


def plan_conversion(
    summaries: Sequence[TargetSummary], target_column: str, task: str
) -> tuple[TargetConversion, list[str]]:
    """Return how the target of all parts of a table is converted, and a sentence about each change.

    Raises
    ------
    DataError
        If the target does not fit the task, or too few rows have one.
    """
    row_count = sum(summary.row_count for summary in summaries)
    dropped_count = sum(summary.dropped_count for summary in summaries)
    _check_numbers(summaries, target_column, row_count + dropped_count)
    notes = (
        [f"Dropped {format_count(dropped_count, 'row')} without a value of {target_column}."] if dropped_count else []
    )
    if row_count < MIN_ROWS:
        raise DataError(
            f"Only {format_count(row_count, 'row has', 'rows have')} a value of {target_column}; training and testing "
            f"need at least {MIN_ROWS}."
        )
    kinds = {summary.kind for summary in summaries if summary.row_count}
    kind = kinds.pop() if len(kinds) == 1 else TEXT
    if kind == NUMBER:
        return TargetConversion(kind), notes
    counts = _sum_counts(summaries, kind)
    spellings = choose_spellings(counts.index) if kind == TEXT else {}
    if spellings:
        notes.append(_describe_merges(spellings, target_column))
    _check_classes(counts.groupby(lambda label: spellings.get(label, label), sort=False).sum(), target_column, task)
    return TargetConversion(kind, spellings), notes


def _with_target(frame: pd.DataFrame, target_column: str, target: pd.Series) -> pd.DataFrame:
    """Return a frame in which `target` replaces the target column."""
    if target is frame[target_column]:
        return frame
    return from_columns(frame, {**frame, target_column: target})


def _is_text(target: pd.Series) -> bool:
    return isinstance(target.dtype, pd.StringDtype) or categoricals.is_dictionary_encoded(target)


def _find_label_kind(target: pd.Series) -> str:
    """Return the type of class labels.

    Missing values turn a column of integers into floats and one of booleans into objects; both are restored.
    """
    if not len(target):
        return ""
    if _is_text(target):
        return TEXT
    inferred = pd.api.types.infer_dtype(target)
    if inferred in (BOOLEAN, INTEGER):
        return str(inferred)
    if pd.api.types.is_numeric_dtype(target.dtype) and (target % 1 == 0).all():
        return INTEGER
    return TEXT


def _check_numbers(summaries: Sequence[TargetSummary], name: str, row_count: int) -> None:
    """Raise if the target of a regression contains values that are not numbers."""
    invalid_count = sum(summary.invalid_count for summary in summaries)
    if invalid_count:
        example = next(summary.invalid_example for summary in summaries if summary.invalid_count)
        raise DataError(
            f"The target {name} of a regression must contain numbers; {invalid_count:,} of {row_count:,} rows "
            f"{'does' if invalid_count == 1 else 'do'} not, e.g. {example!r}. Set task to binary or multiclass, or fix "
            "the column in prepare_data."
        )


def _sum_counts(summaries: Sequence[TargetSummary], kind: str) -> pd.Series:
    """Return the number of rows of each label in all parts, the most frequent first, then in alphabetical order."""
    convert = {BOOLEAN: bool, INTEGER: int, TEXT: str}[kind]
    counts: dict[object, int] = {}
    for summary in summaries:
        for label, rows in summary.label_counts.items():
            counts[convert(label)] = counts.get(convert(label), 0) + int(rows)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return pd.Series([rows for _, rows in ordered], index=pd.Index([label for label, _ in ordered], dtype=object))


def choose_spellings(labels: Iterable[str]) -> dict[str, str]:
    """Choose one spelling for each label, and return a mapping from every other spelling to the chosen one.

    Labels that differ only in spacing, case or Unicode form are one label, written in Unicode's composed form (NFC).
    Labels of a single character are not merged across case: "a" and "A" stay two labels.

    Parameters
    ----------
    labels : iterable of str
        Distinct labels, the most frequent first; the first spelling of a label is kept.

    Examples
    --------
    >>> choose_spellings(["yes", "no", "Yes "])
    {'Yes ': 'yes'}
    """
    spellings: dict[str, list[str]] = {}  # the most frequent spelling of each label comes first
    for label in labels:
        normalized = normalize_label(label)
        key = normalized.casefold() if len(normalized) > 1 else normalized
        spellings.setdefault(key, []).append(label)
    chosen = {label: normalize_text(labels[0]) for labels in spellings.values() for label in labels}
    return {label: spelling for label, spelling in chosen.items() if label != spelling}


def _describe_merges(spellings: Mapping[str, str], name: str) -> str:
    """Return a sentence on the labels of which several spellings were merged."""
    listed = ", ".join(_describe_merge(label, spellings[label]) for label in list(spellings)[:_MAX_LISTED_SPELLINGS])
    more = f" and {len(spellings) - _MAX_LISTED_SPELLINGS} more" if len(spellings) > _MAX_LISTED_SPELLINGS else ""
    return f"Labels of {name} were merged: {listed}{more}."


def _describe_merge(label: str, spelling: str) -> str:
    """Describe the merge of a label into a spelling; a label that looks the same is written with escapes."""
    if unicodedata.normalize("NFC", label) == spelling:
        return f"{label!a} into {spelling!r}"
    return f"{label!r} into {spelling!r}"


def _check_classes(counts: pd.Series, name: str, task: str) -> None:
    """Raise if the labels, given with their numbers of rows, cannot be the classes of the task."""
    listed = ", ".join(repr(label) for label in counts.index[:_MAX_LISTED_CLASSES])
    if len(counts) > _MAX_LISTED_CLASSES:
        listed += ", ..."
    if len(counts) < 2:
        raise DataError(f"The target {name} has only one class ({listed}); a {task} task needs at least two.")
    if task == "binary" and len(counts) != 2:
        raise DataError(
            f"The target {name} of a binary task has {len(counts)} classes ({listed}). Set task to multiclass."
        )
    row_count = int(counts.sum())
    if len(counts) > max(2, row_count // 2):
        raise DataError(
            f"The target {name} has {len(counts)} classes in {row_count:,} rows, so most classes have a single row. "
            "Set task to regression if the target is a number, or choose another target if it is an ID."
        )
