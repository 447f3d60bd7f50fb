"""Contract checks of some rows of a table: what they break by themselves, and what the whole table is judged by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lib.schema.text_values import category_names
from lib.tables.quality import drift
from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.key_hashes import KeyHashes, hash_keys
from lib.tables.quality.profile import TEXT
from lib.tables.quality.row_checks import build_checks

NOT_MISSING = "must not be missing"
MAX_EXAMPLES = 3
# What `pandas.api.types.infer_dtype` returns for columns that contain texts.
_TEXT_TYPES = ("string", "mixed", "mixed-integer")

# The numbers of the rows of a part, from 0, that break a rule, by column and rule.
RowsByRule = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class PartCheck:
    """The values of a part that break a rule, and hashes that find repeated keys.

    Attributes
    ----------
    rows : int
    columns : list of str
        All columns, even those that are not checked.
    invalid : mapping of (str, str) to ndarray of int
        Numbers of the rows, from 0, whose value breaks a rule, by column and rule. Some may be allowed.
    present : mapping of str to int
        Number of values of each checked column that are not missing.
    keys : mapping of str to KeyHashes
        The values of each column, or key, that must be unique, by its name in messages.
    """

    rows: int
    columns: list[str]
    invalid: RowsByRule
    present: Mapping[str, int]
    keys: Mapping[str, KeyHashes]


@dataclass(frozen=True)
class ColumnCounts:
    """What a rule of a whole column is judged by.

    Attributes
    ----------
    rows, missing : int
    distribution : ndarray or Series of int
        Number of values in each bin or category.
    """

    rows: int
    missing: int
    distribution: drift.Counts

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        distribution = drift.add_counts(self.distribution, other.distribution)
        return ColumnCounts(self.rows + other.rows, self.missing + other.missing, distribution)


@dataclass(frozen=True)
class PartDetails:
    """The rows of a part in messages, and counts of its valid rows.

    Attributes
    ----------
    counts : dict of str to ColumnCounts
        Of the rows that break no rule.
    examples : dict of (str, str) to list of (int, str)
        The first rows that break each rule: the number of the row, from 0, and its values.
    invalid : dict of (str, str) to Series
        Distinct values that break each rule of single values.
    """

    counts: dict[str, ColumnCounts]
    examples: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    invalid: dict[tuple[str, str], pd.Series] = field(default_factory=dict)


def rules_to_check(contract: Contract, skipped_columns: Collection[str]) -> dict[str, ColumnRules]:
    """Return the rules of all columns but those that are skipped."""
    return {name: rules for name, rules in contract.columns.items() if name not in skipped_columns}


def unique_keys(contract: Contract, rules: Mapping[str, ColumnRules], columns: Collection[str]) -> dict[str, list[str]]:
    """Return the present columns of each key that must be unique, by the name of the key in messages."""
    keys = {name: [name] for name, column_rules in rules.items() if column_rules.unique}
    if contract.key:
        keys[" and ".join(contract.key)] = contract.key
    return {name: names for name, names in keys.items() if set(names) <= set(columns)}


def check_part(frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()) -> PartCheck:
    """Check the values of some rows of a table.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    skipped_columns : collection of str
        Columns that are not checked.
    """
    rules = rules_to_check(contract, skipped_columns)
    invalid: dict[tuple[str, str], np.ndarray] = {}
    present: dict[str, int] = {}
    for name, column_rules in rules.items():
        if name in frame.columns:
            comparable = comparable_values(frame[name], column_rules)
            is_present = comparable.notna().to_numpy()
            present[name] = int(np.count_nonzero(is_present))
            if not column_rules.nullable and not is_present.all():
                invalid[name, NOT_MISSING] = np.flatnonzero(~is_present)
            for check in build_checks(column_rules):
                is_valid = check.is_valid(comparable[is_present]).to_numpy(dtype=bool)
                if not is_valid.all():
                    invalid[name, check.rule] = np.flatnonzero(is_present)[~is_valid]
    keys = {name: hash_keys(frame, names) for name, names in unique_keys(contract, rules, frame.columns).items()}
    return PartCheck(len(frame), [str(name) for name in frame.columns], invalid, present, keys)


def describe_part(
    frame: pd.DataFrame,
    contract: Contract,
    rows_by_rule: RowsByRule,
    is_left_out: np.ndarray | None = None,
    skipped_columns: Collection[str] = (),
) -> PartDetails:
    """Count the values of some rows of a table, and show the rows that break a rule.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    rows_by_rule : mapping of (str, str) to ndarray of int
        The rows that break each rule.
    is_left_out : ndarray of bool, of shape (rows,), optional
        The rows that are not counted.
    skipped_columns : collection of str
        Columns that are not checked.
    """
    valid = frame if is_left_out is None or not is_left_out.any() else frame[~is_left_out]
    rules = {
        name: column_rules
        for name, column_rules in rules_to_check(contract, skipped_columns).items()
        if name in frame.columns
    }
    counts = {name: _count_values(valid[name], column_rules) for name, column_rules in rules.items()}
    examples, invalid = {}, {}
    for (column, rule), rows in rows_by_rule.items():
        examples[column, rule] = _list_examples(frame, column, rows, contract.key)
        if column in rules:
            values = comparable_values(frame[column].iloc[rows], rules[column])
            invalid[column, rule] = values.drop_duplicates()
    return PartDetails(counts, examples, invalid)


def comparable_values(values: pd.Series, rules: ColumnRules) -> pd.Series:
    """Return the values of a column as the checks compare them: texts are trimmed, and blank ones are missing."""
    is_free_text = rules.type in (TEXT, None) and rules.categories is None and rules.shares is None
    if is_free_text and rules.nullable and rules.max_missing_share is None:
        return values
    if is_free_text and isinstance(values.dtype, pd.StringDtype):
        return values.mask(values.str.strip() == "")
    if isinstance(values.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return category_names(values)
    is_text = values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in _TEXT_TYPES
    return category_names(values) if is_text else values


def _count_values(values: pd.Series, rules: ColumnRules) -> ColumnCounts:
    comparable = comparable_values(values, rules)
    return ColumnCounts(len(values), int(comparable.isna().sum()), drift.count(comparable, rules))


def _list_examples(frame: pd.DataFrame, column: str, rows: np.ndarray, key: Sequence[str]) -> list[tuple[int, str]]:
    """Return the numbers and values of the first rows that break a rule."""
    names = [column] if column in frame.columns else [name for name in key if name in frame.columns]
    examples = []
    for row in rows[:MAX_EXAMPLES].tolist():
        values: list[Any] = frame[names].iloc[[row]].astype(object).to_numpy()[0].tolist()
        examples.append((row, ", ".join(map(repr, values))))
    return examples
