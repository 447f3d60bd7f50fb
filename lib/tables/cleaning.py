"""Cleaning steps before and after a pipeline's own data preparation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib import cores
from lib.errors import DataError, NameNotFound, format_count
from lib.schema.text_values import decode_bytes, normalize_label, normalize_text
from lib.tables import frames
from lib.tables.column_names import deduplicate_names

MIN_ROWS = 20
# Key of a frame's attrs: the columns of durations that were converted to seconds.
DURATIONS = "durations"
_INDEX_NAMES = re.compile(r"(unnamed: \d+|index|level_0|)", re.IGNORECASE)
_MAX_LISTED_CLASSES = 8
_MAX_LISTED_SPELLINGS = 5


def find_index_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are a saved row index: consecutive integers under an index's usual name.

    Examples
    --------
    >>> find_index_columns(pd.DataFrame({"Unnamed: 0": [0, 1, 2], "age": [31, 32, 33]}))
    ['Unnamed: 0']
    """
    return [name for place, name in enumerate(frame.columns) if _is_index(str(name), frame.iloc[:, place])]


def _is_index(name: str, values: pd.Series) -> bool:
    if not _INDEX_NAMES.fullmatch(name) or not pd.api.types.is_integer_dtype(values.dtype):
        return False
    return bool((values.diff().iloc[1:] == 1).all())


def deduplicate_columns(frame: pd.DataFrame, required: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Number repeated column names, as in ``price`` and ``price.2``.

    Parameters
    ----------
    frame : DataFrame
    required : sequence of str
        Columns that the parameters name, and that therefore must be unique.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        A sentence for each renamed column.

    Raises
    ------
    DataError
        If a required column occurs more than once.
    """
    if frame.columns.is_unique:
        return frame, []
    for name in required:
        if name in frame.columns:
            frames.get_column(frame, name, where="the table")
    names = deduplicate_names(list(frame.columns))
    notes = [
        f"Column {place} is another {old!r} and was renamed to {new!r}."
        for place, (old, new) in enumerate(zip(frame.columns, names, strict=True), start=1)
        if new != old
    ]
    attrs = frame.attrs
    frame = frame.set_axis(names, axis=1)
    frame.attrs.update(attrs)
    return frame, notes


def drop_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Drop columns without copying the others.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of str
    where : str
        Name of the table in the error message.

    Raises
    ------
    NameNotFound
        If a column does not exist. A misspelled name would otherwise leave a leak in the table.
    """
    for name in columns:
        if name not in frame.columns:
            raise NameNotFound("column", name, frame.columns, where=f"{where} (drop_columns)")
    if not columns:
        return frame
    dropped = set(columns)
    return _from_columns(frame, {name: frame[name] for name in frame.columns if name not in dropped})


def _from_columns(frame: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Build a frame with the same index without copying, as `DataFrame.assign` and `drop` would."""
    return pd.DataFrame(columns, index=frame.index, copy=False)


def prepare_target(
    frame: pd.DataFrame, target_column: str, task: str, is_part: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Drop rows without a target, and convert the target to the type that the task needs.

    Parameters
    ----------
    frame : DataFrame
        The prepared table.
    target_column : str
    task : str
    is_part : bool
        Whether these are only some rows of a larger table, so that few rows or a single class are acceptable.

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
    target = frames.get_column(frame, target_column, where="the prepared table")
    notes = []
    if task == "regression":
        target = _to_numbers(target, target_column)
        is_missing = ~np.isfinite(target)
    else:
        is_missing = target.isna()
    if is_missing.any():
        notes.append(f"Dropped {format_count(is_missing.sum(), 'row')} without a value of {target_column}.")
        frame, target = frame[~is_missing], target[~is_missing]
    if len(frame) < MIN_ROWS and not is_part:
        raise DataError(
            f"Only {format_count(len(frame), 'row has', 'rows have')} a value of {target_column}; training and testing "
            f"need at least {MIN_ROWS}."
        )
    if task != "regression":
        target, label_notes = normalize_labels(_to_labels(target), target_column)
        notes += label_notes
        if not is_part:
            _check_classes(target, target_column, task)
    if target is not frame[target_column]:
        frame = _from_columns(frame, {**frame, target_column: target})
    return frame.set_axis(pd.RangeIndex(len(frame)), axis=0, copy=False), notes


def to_json_types(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Convert columns to types that JSON has, because every column is a field of a request.

    Decimals and durations (in seconds) become floats; times of day and bytes become text.

    Returns
    -------
    frame : DataFrame
        ``attrs["durations"]`` are the columns that contained durations.
    notes : list of str
        A sentence for each converted column.
    """
    notes, converted, durations = [], {}, []
    for name, values in frame.items():
        if isinstance(values.dtype, (np.dtype, pd.StringDtype)) and values.dtype.kind not in "mOS":
            continue
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind == "decimal":
            converted[name] = values.astype(float)
        elif kind in ("timedelta", "timedelta64"):
            converted[name] = pd.to_timedelta(values).dt.total_seconds()
            durations.append(name)
        elif kind == "time":
            converted[name] = values.map(str, na_action="ignore")
        elif kind == "bytes":
            converted[name] = values.map(decode_bytes, na_action="ignore")
        else:
            continue
        notes.append(f"{name} was converted from {kind} to {'text' if kind in ('time', 'bytes') else 'numbers'}.")
    frame = _from_columns(frame, {**frame, **converted}) if converted else frame
    frame.attrs[DURATIONS] = durations
    return frame, notes


def replace_infinite(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Replace infinite numbers with missing values.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        A sentence for each column that had infinite values.
    """
    notes, replaced = [], {}
    float_columns = frame.columns[[dtype.kind == "f" for dtype in frame.dtypes]]  # select_dtypes would copy them

    def is_infinite(name: str) -> np.ndarray:
        return np.isinf(frame[name].to_numpy(dtype=float, na_value=np.nan))

    counts = cores.map_threads(lambda name: np.count_nonzero(is_infinite(name)), float_columns)
    for name, count in zip(float_columns, counts, strict=True):
        if count:
            verb = "counts" if count == 1 else "count"
            notes.append(f"{format_count(int(count), 'infinite value')} of {name} {verb} as missing.")
            replaced[name] = frame[name].mask(is_infinite(name))
    if replaced:
        durations = frame.attrs.get(DURATIONS, [])
        frame = _from_columns(frame, {**frame, **replaced})
        frame.attrs[DURATIONS] = durations
    return frame, notes


def _to_numbers(target: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(target, errors="coerce").astype(float)
    is_invalid = numbers.isna() & target.notna()
    if is_invalid.any():
        raise DataError(
            f"The target {name} of a regression must contain numbers; {is_invalid.sum():,} of {len(target):,} rows "
            f"{'does' if is_invalid.sum() == 1 else 'do'} not, e.g. {target[is_invalid].iloc[0]!r}. Set task to binary "
            "or multiclass, or fix the column in prepare_data."
        )
    return numbers


def _to_labels(target: pd.Series) -> pd.Series:
    """Convert class labels to bool, int64 or text.

    Missing values turn a column of integers into floats and one of booleans into objects; both are restored.
    """
    if isinstance(target.dtype, pd.StringDtype) or frames.is_dictionary_encoded(target):
        return target
    if pd.api.types.infer_dtype(target) == "boolean":
        return target.astype(bool)
    if pd.api.types.infer_dtype(target) == "integer":
        return target.astype("int64")
    if pd.api.types.is_numeric_dtype(target.dtype) and (target % 1 == 0).all():
        return target.astype("int64")
    # Fractional labels become text too, because scikit-learn refuses them as classes.
    return target.astype(str)


def normalize_labels(target: pd.Series, name: str) -> tuple[pd.Series, list[str]]:
    """Merge class labels that differ only in spacing, case or Unicode form into the most frequent spelling.

    Labels are written in Unicode's composed form (NFC). Single characters keep their case.

    Parameters
    ----------
    target : Series of shape (rows,)
        Class labels without missing values.
    name : str
        Name of the target in the note.

    Returns
    -------
    target : Series of shape (rows,)
    notes : list of str
        At most one sentence.

    Examples
    --------
    >>> labels, notes = normalize_labels(pd.Series(["yes", "yes", "no", "Yes "]), "bought")
    >>> labels.tolist(), notes
    (['yes', 'yes', 'no', 'yes'], ["Labels of bought were merged: 'Yes ' into 'yes'."])
    """
    if pd.api.types.is_numeric_dtype(target.dtype):
        return target, []
    spellings: dict[str, list[str]] = {}  # the most frequent spelling of each label comes first
    for label in frames.count_values(target).index:
        normalized = normalize_label(label)
        key = normalized.casefold() if len(normalized) > 1 else normalized
        spellings.setdefault(key, []).append(label)
    kept = {label: normalize_text(labels[0]) for labels in spellings.values() for label in labels}
    merged = {label: spelling for label, spelling in kept.items() if label != spelling}
    if not merged:
        return target, []
    listed = ", ".join(_describe_merge(label, merged[label]) for label in list(merged)[:_MAX_LISTED_SPELLINGS])
    more = f" and {len(merged) - _MAX_LISTED_SPELLINGS} more" if len(merged) > _MAX_LISTED_SPELLINGS else ""
    texts = frames.decode_dictionary(target) if frames.is_dictionary_encoded(target) else target
    return texts.replace(merged), [f"Labels of {name} were merged: {listed}{more}."]


def _describe_merge(label: str, kept: str) -> str:
    """Describe a merge; labels that look alike are written with escapes."""
    if unicodedata.normalize("NFC", label) == kept:
        return f"{label!a} into {kept!r}"
    return f"{label!r} into {kept!r}"


def _check_classes(target: pd.Series, name: str, task: str) -> None:
    counts = frames.count_values(target)
    listed = ", ".join(repr(label) for label in counts.index[:_MAX_LISTED_CLASSES])
    if len(counts) > _MAX_LISTED_CLASSES:
        listed += ", ..."
    if len(counts) < 2:
        raise DataError(f"The target {name} has only one class ({listed}); a {task} task needs at least two.")
    if task == "binary" and len(counts) != 2:
        raise DataError(
            f"The target {name} of a binary task has {len(counts)} classes ({listed}). Set task to multiclass."
        )
    if len(counts) > max(2, len(target) // 2):
        raise DataError(
            f"The target {name} has {len(counts)} classes in {len(target):,} rows, so most occur only once. "
            "Set task to regression if it is a number, or choose another target if it is an ID."
        )
