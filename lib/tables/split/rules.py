"""Split rules: deterministic, reproducible decisions about which rows train and which rows test.

`HashSplit`, the default, hashes each row's features or keys. A row's hash stays the same if rows are appended, if rows
or columns are reordered, or if integers become floats because a value is missing. Rows with equal features or keys are
either all training rows or all test rows. The table as a whole matters only in two cases: if the share of test rows
would be off by more than one percentage point, or if a class is rare, groups with hashes near the threshold are moved.

The rule is stored with each model, so that a later model can be compared with it on rows that trained neither of them.

`TimeSplit` takes the latest rows as test rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.tables.split.base import SplitRule
from lib.tables.split.hash_split import HashSplit, LegacyHashSplit
from lib.tables.split.row_hash import row_hash
from lib.tables.split.time_split import TimeSplit

__all__ = ["HashSplit", "LegacyHashSplit", "SplitRule", "TimeSplit", "row_hash", "rule_from_dict"]


def rule_from_dict(values: Mapping[str, Any]) -> SplitRule:
    """Restore the rule that `SplitRule.to_dict` returned, in this release or an earlier one.

    >>> rule_from_dict({"columns": ["price", "sold"], "test_fraction": 0.2, "seed": 42}).columns
    ('price', 'sold')
    """
    if "cut" in values:
        return TimeSplit(values["columns"][0], values["cut"], values.get("form", ""))
    return HashSplit.from_dict(values) if values.get("normalized") else LegacyHashSplit.from_dict(values)
