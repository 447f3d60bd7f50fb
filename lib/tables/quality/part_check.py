"""Contract checks of a part of a table: its invalid rows, and the counts from which the whole table is judged."""

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
# Results of `pandas.api.types.infer_dtype` for columns that contain texts.
_TEXT_TYPES = ("string", "mixed", "mixed-integer")

# Rows of a part, numbered from 0, that break a rule; by column and rule.
RowsByRule = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class PartCheck:
    """The rows of a part with values that break a rule, and the hashes of its keys.

    Attributes
    ----------
    rows : int
    columns : list of str
        All columns of the part, including those that are not checked.
    invalid : mapping of (str, str) to ndarray of int
        Rows, numbered from 0, whose value breaks a rule; by column and rule. The contract may tolerate some of them.
    present : mapping of str to int
        Number of values of each checked column that are not missing.
    keys : mapping of str to KeyHashes
        Hashes of each column or key that must be unique, by the name of the column or key in messages.
    """

    rows: int
    columns: list[str]
    invalid: RowsByRule
    present: Mapping[str, int]
    keys: Mapping[str, KeyHashes]


@dataclass(frozen=True)
class ColumnCounts:
    """Counts from which the rules of a whole column are judged.

    Attributes
    ----------
    rows, missing : int
        Number of rows, and of missing values.
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
    """Examples of the invalid rows of a part, for messages, and counts of its valid rows.

    Attributes
    ----------
    counts : dict of str to ColumnCounts
        Counts of the rows that break no rule, by column.
    examples : dict of (str, str) to list of (int, str)
        The first rows that break each rule, by column and rule: the row, numbered from 0, and its values as text.
    invalid : dict of (str, str) to Series
        Distinct values that break each rule of single values, by column and rule.
    """

    counts: dict[str, ColumnCounts]
    examples: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    invalid: dict[tuple[str, str], pd.Series] = field(default_factory=dict)


def select_rules(contract: Contract, skipped_columns: Collection[str]) -> dict[str, ColumnRules]:
    """Return the rules of all columns except the skipped ones."""
    return {name: rules for name, rules in contract.columns.items() if name not in skipped_columns}


def list_unique_keys(
    contract: Contract, rules: Mapping[str, ColumnRules], columns: Collection[str]
) -> dict[str, list[str]]:
    """Return the columns of each key that must be unique, by the name of the key in messages.

    A key is a single column or several ones. Keys with a column that the table lacks are left out.
    """
    keys = {name: [name] for name, column_rules in rules.items() if column_rules.unique}
    if contract.key:
        keys[" and ".join(contract.key)] = contract.key
    return {name: names for name, names in keys.items() if set(names) <= set(columns)}


def check_part(frame: pd.DataFrame, contract: Contract, skipped_columns: Collection[str] = ()) -> PartCheck:
    """Check the values of a part of a table.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    skipped_columns : collection of str
        Columns that are not checked.
    """
    rules = select_rules(contract, skipped_columns)
    invalid: dict[tuple[str, str], np.ndarray] = {}
    present: dict[str, int] = {}
    for name, column_rules in rules.items():
        if name in frame.columns:
            normalized = normalize_values(frame[name], column_rules)
            is_present = normalized.notna().to_numpy()
            present[name] = int(np.count_nonzero(is_present))
            if not column_rules.nullable and not is_present.all():
                invalid[name, NOT_MISSING] = np.flatnonzero(~is_present)
            for check in build_checks(column_rules):
                is_valid = check.is_valid(normalized[is_present]).to_numpy(dtype=bool)
                if not is_valid.all():
                    invalid[name, check.rule] = np.flatnonzero(is_present)[~is_valid]
    keys = {name: hash_keys(frame, names) for name, names in list_unique_keys(contract, rules, frame.columns).items()}
    return PartCheck(len(frame), [str(name) for name in frame.columns], invalid, present, keys)


def describe_part(
    frame: pd.DataFrame,
    contract: Contract,
    rows_by_rule: RowsByRule,
    is_left_out: np.ndarray | None = None,
    skipped_columns: Collection[str] = (),
) -> PartDetails:
    """Count the values of a part of a table, and list examples of rows that break a rule.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    contract : Contract
    rows_by_rule : mapping of (str, str) to ndarray of int
        The rows that break each rule, numbered from 0.
    is_left_out : ndarray of bool, of shape (rows,), optional
        Whether each row is not counted.
    skipped_columns : collection of str
        Columns that are not checked.
    """
    valid = frame if is_left_out is None or not is_left_out.any() else frame[~is_left_out]
    rules = {
        name: column_rules
        for name, column_rules in select_rules(contract, skipped_columns).items()
        if name in frame.columns
    }
    counts = {name: _count_values(valid[name], column_rules) for name, column_rules in rules.items()}
    examples, invalid = {}, {}
    for (column, rule), rows in rows_by_rule.items():
        examples[column, rule] = _list_examples(frame, column, rows, contract.key)
        if column in rules:
            values = normalize_values(frame[column].iloc[rows], rules[column])
            invalid[column, rule] = values.drop_duplicates()
    return PartDetails(counts, examples, invalid)


def normalize_values(values: pd.Series, rules: ColumnRules) -> pd.Series:
    """Return a column's values for the checks: texts without surrounding spaces, and missing values for blank texts.

    Free text is returned unchanged if no rule of the column needs that.
    """
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
    normalized = normalize_values(values, rules)
    return ColumnCounts(len(values), int(normalized.isna().sum()), drift.count(normalized, rules))


def _list_examples(frame: pd.DataFrame, column: str, rows: np.ndarray, key: Sequence[str]) -> list[tuple[int, str]]:
    """Return the first rows that break a rule, numbered from 0, and their values of the column or key as text."""
    names = [column] if column in frame.columns else [name for name in key if name in frame.columns]
    examples = []
    for row in rows[:MAX_EXAMPLES].tolist():
        values: list[Any] = frame[names].iloc[[row]].astype(object).to_numpy()[0].tolist()
        examples.append((row, ", ".join(map(repr, values))))
    return examples
