"""Split rules: deterministic, reproducible decisions about which rows train and which rows test.

`HashSplit`, the default, hashes each row's features or keys. Appending rows, reordering rows or columns, and integers
that become floats (as happens when a value goes missing) change no hash, and equal rows are always on the same side.
Only if the share of test rows would be off by more than one percentage point, or a class is rare, does a table move
the hashes next to the boundary to the other side. The rule is stored with each model, so that a later model can always
be compared on rows that trained neither of them.

`TimeSplit` tests on the latest rows.
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
