"""The test rows on which the production version can be compared fairly: those that it did not train on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.backends.models import ModelVersion
from lib.scoring.model_folder import BASELINE_FILE
from lib.tables.split import rules

_MIN_UNSEEN_ROWS = 20


class NotComparableError(Exception):
    """The production version cannot be compared with the candidates; the message says why."""


def select_unseen_rows(
    folder: Path,
    version: ModelVersion,
    test: pd.DataFrame,
    hidden: pd.DataFrame | None,
    baseline: Mapping[str, Any],
) -> tuple[np.ndarray | None, str]:
    """Return which test rows the champion did not train on, and a note if its split differs from the current one.

    The selection is None if all test rows can be compared. If the split rules differ, the champion's own rule, stored
    with its model, identifies the rows that it did not train on. Rules of earlier releases are applied as they were.
    """
    stored = json.loads((folder / BASELINE_FILE).read_text(encoding="utf-8")).get("split")
    if stored is not None and stored == baseline.get("split"):
        return None, ""
    with_keys = test if hidden is None else test.assign(**hidden)
    champion_rule = None if stored is None else rules.rule_from_dict(stored)
    if champion_rule is None or not {*champion_rule.columns} <= {*with_keys.columns}:
        return None, f"Version {version.version} used another split and may have trained on some of these test rows."
    unseen = champion_rule.is_test(with_keys)
    if unseen.all():  # only a few rows next to the boundary changed sides, if any
        return None, ""
    if unseen.sum() < min(_MIN_UNSEEN_ROWS, len(test) / 2):
        raise NotComparableError(
            f"version {version.version} in production was trained on {(~unseen).sum()} of the {len(test)} current test "
            f"rows; to compare both, set the split as for version {version.version}: "
            f"{_describe_rule(champion_rule)}. Without key_columns, rows are split by all features, so a new column or "
            "a change to prepare_data changes the split"
        )
    return np.asarray(unseen), (
        f"Version {version.version} used another split, so all models were scored on the {unseen.sum():,} test rows "
        "that it did not train on."
    )


def _describe_rule(rule: rules.SplitRule) -> str:
    """Return the parameters that split the rows by a stored rule."""
    if isinstance(rule, rules.TimeSplit):
        return f"split: time, time_column: {rule.column}, time_cut: {rule.cut}"
    assert isinstance(rule, rules.HashSplit | rules.LegacyHashSplit), "the only other rules"
    return f"test_fraction: {rule.test_fraction}, seed: {rule.seed}, key_columns: [{', '.join(rule.hashed_columns)}]"
