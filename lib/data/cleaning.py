"""What every table goes through before a pipeline's own preparation, and what must hold after it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib import cores
from lib.data import tables
from lib.errors import DataError, NameNotFound

_INDEX_NAMES = re.compile(r"(unnamed: \d+|index|level_0|)", re.IGNORECASE)
MIN_ROWS = 20
_SHOWN_SPELLINGS = 5


def find_index_columns(frame: pd.DataFrame) -> list[str]:
    """Columns that are a saved index: named as one and counting the rows by one from where they start."""
    found = []
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        if (
            _INDEX_NAMES.fullmatch(str(name))
            and pd.api.types.is_integer_dtype(values.dtype)
            and (values.diff().iloc[1:] == 1).all()
        ):
            found.append(name)
    return found


def deduplicate_columns(frame: pd.DataFrame, asked: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Frame whose names differ: the second column of a name has a number behind it, and a note says so.

    Raises
    ------
    DataError
        Where one of the columns that are asked for by name is there twice.
    """
    if frame.columns.is_unique:
        return frame, []
    for name in asked:
        if name in frame.columns:
            tables.get_column(frame, name, where="the table")
    names = deduplicate_names(list(frame.columns))
    notes = [
        f"Column {place + 1} is a second {name!r} and is called {new!r}."
        for place, (name, new) in enumerate(zip(frame.columns, names, strict=True))
        if new != name
    ]
    attrs = frame.attrs
    frame = frame.set_axis(names, axis=1)
    frame.attrs.update(attrs)
    return frame, notes


def deduplicate_names(names: Sequence[str]) -> list[str]:
    """Names that differ: the second of one name has a number behind it."""
    there, found = set(names), dict[str, None]()
    for name in names:
        number, new = 2, name
        while new in found or (new != name and new in there):
            new = f"{name}.{number}"
            number += 1
        found[new] = None
    return list(found)


def drop_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Frame without some columns; the others are not copied.

    Raises
    ------
    NameNotFound
        Where one of them is not there: a misspelt leak must not stay in unnoticed.
    """
    for name in columns:
        if name not in frame.columns:
            raise NameNotFound("column", name, frame.columns, where=f"{where} (drop_columns)")
    return _with(frame, {name: frame[name] for name in frame.columns if name not in columns}) if columns else frame


def _with(frame: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Frame of these columns, none of them copied, which `DataFrame.assign` and `drop` would."""
    return pd.DataFrame(columns, index=frame.index, copy=False)


def prepare_target(
    frame: pd.DataFrame, target_column: str, task: str, is_part: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Rows whose target can be learnt, the target in a plain type.

    Parameters
    ----------
    frame : DataFrame
        The prepared table.
    target_column : str
    task : str
    is_part : bool
        Whether these are some rows of a larger table, of which a few or one class prove nothing.

    Returns
    -------
    frame : DataFrame
        A regression's target as floats; a class as bool, whole number or text (which may be encoded), whichever it was.
    notes : list of str
        What was left out, one sentence each.

    Raises
    ------
    DataError
        Where the target does not fit the task, or too few rows are left.
    """
    target = tables.get_column(frame, target_column, where="the prepared table")
    notes = []
    if task == "regression":
        target = _as_numbers(target, target_column)
        missing = ~np.isfinite(target)
    else:
        missing = target.isna()
    if missing.any():
        notes.append(f"{missing.sum():,} rows without a {target_column} were left out.")
        frame, target = frame[~missing], target[~missing]
    if len(frame) < MIN_ROWS and not is_part:
        raise DataError(f"{len(frame)} rows have a {target_column}; at least {MIN_ROWS} are needed to train and test.")
    if task != "regression":
        target, merged = normalize_labels(_as_classes(target), target_column)
        notes += merged
        if not is_part:
            _check_classes(target, target_column, task)
    if target is not frame[target_column]:
        frame = _with(frame, {**frame, target_column: target})
    return frame.set_axis(pd.RangeIndex(len(frame)), axis=0, copy=False), notes


def to_json_types(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Frame with columns that JSON can carry, since every one is a field of a request.

    Decimals and spans of time (in seconds) become floats; times of day and bytes become texts.
    """
    notes, changed = [], {}
    for name, values in frame.items():
        if isinstance(values.dtype, (np.dtype, pd.StringDtype)) and values.dtype.kind not in "mOS":
            continue
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind == "decimal":
            changed[name] = values.astype(float)
        elif kind in ("timedelta", "timedelta64"):
            changed[name] = pd.to_timedelta(values).dt.total_seconds()
        elif kind in ("time", "bytes"):
            changed[name] = values.map(str, na_action="ignore")
        if name in changed:
            notes.append(
                f"{name}, of the type {kind}, counts as {'text' if kind in ('time', 'bytes') else 'a number'}."
            )
    return _with(frame, {**frame, **changed}) if changed else frame, notes


def replace_infinite(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Frame with infinite numbers as missing ones, and a note for each column that had some."""
    notes, changed = [], {}
    names = frame.columns[[kind.kind == "f" for kind in frame.dtypes]]  # select_dtypes would copy them

    def infinite(name: str) -> np.ndarray:
        return np.isinf(frame[name].to_numpy(dtype=float, na_value=np.nan))

    for name, count in zip(names, cores.map_threads(lambda name: np.count_nonzero(infinite(name)), names), strict=True):
        if count:
            notes.append(f"{count:,} infinite values of {name} count as missing.")
            changed[name] = frame[name].mask(infinite(name))
    return _with(frame, {**frame, **changed}) if changed else frame, notes


def _as_numbers(target: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(target, errors="coerce").astype(float)
    wrong = numbers.isna() & target.notna()
    if wrong.any():
        raise DataError(
            f"The target {name} of a regression must be numbers; {wrong.sum():,} of {len(target):,} rows are not, e.g. "
            f"{target[wrong].iloc[0]!r}. Set task to binary or multiclass, or mend the column in prepare_data."
        )
    return numbers


def _as_classes(target: pd.Series) -> pd.Series:
    """Classes in a plain type; 0.0 and 1.0, which whole numbers become beside a missing one, are 0 and 1 again."""
    if isinstance(target.dtype, pd.StringDtype) or tables.is_dictionary_encoded(target):
        return target
    if pd.api.types.infer_dtype(target) == "boolean":  # beside a missing one they were objects
        return target.astype(bool)
    if pd.api.types.infer_dtype(target) == "integer":
        return target.astype("int64")
    if pd.api.types.is_numeric_dtype(target.dtype) and (target % 1 == 0).all():
        return target.astype("int64")
    # Decimals too, which scikit-learn takes for no classes.
    return target.astype(str)


def normalize_labels(target: pd.Series, name: str) -> tuple[pd.Series, list[str]]:
    """Classes as they are learnt, and a note on those that count as another, more frequent one.

    They differ from it by blanks at their ends or, where they are words, by small and capital letters.
    """
    if pd.api.types.is_numeric_dtype(target.dtype):
        return target, []
    spellings: dict[str, list[str]] = {}
    for one in tables.count_values(target).index:
        word = " ".join(one.split())
        spellings.setdefault(word.casefold() if len(word) > 1 else word, []).append(one)
    changed = {other: same[0].strip() for same in spellings.values() for other in same if other != same[0].strip()}
    if not changed:
        return target, []
    said = ", ".join(f"{before!r} counts as {after!r}" for before, after in list(changed.items())[:_SHOWN_SPELLINGS])
    more = f" and {len(changed) - _SHOWN_SPELLINGS} more" if len(changed) > _SHOWN_SPELLINGS else ""
    words = tables.decode_dictionary(target) if tables.is_dictionary_encoded(target) else target
    return words.replace(changed), [f"Of the classes of {name}, {said}{more}."]


def _check_classes(target: pd.Series, name: str, task: str) -> None:
    counts = tables.count_values(target)
    shown = ", ".join(repr(one) for one in counts.index[:8]) + (", ..." if len(counts) > 8 else "")
    if len(counts) < 2:
        raise DataError(f"The target {name} has one class only ({shown}); a {task} task needs at least two.")
    if task == "binary" and len(counts) != 2:
        raise DataError(
            f"The target {name} of a binary task has {len(counts)} classes ({shown}). Set task to multiclass."
        )
    if len(counts) > max(2, len(target) // 2):
        raise DataError(
            f"The target {name} has {len(counts)} classes in {len(target)} rows, so most are seen once. "
            "Is it a regression (task: regression), or an id?"
        )
