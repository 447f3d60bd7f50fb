"""Search for columns without which the target can hardly be predicted, although they are no perfect copy of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lib.tables.quality.leakage.bounds import bonferroni_deviations
from lib.tables.quality.leakage.columns import EncodedColumn, Target, encode_columns, encode_target, sample_rows
from lib.tables.quality.leakage.joint import score_together
from lib.tables.quality.leakage.scores import lower_bound, score_columns

# In smaller tables, an honest column often carries most of the signal.
_MIN_ROWS = _MAX_ROWS = 5_000
_MAX_CANDIDATES = 2
_MAX_COLUMNS = 200
# Lower bound of the score of all columns: a model that predicts so well makes one ask why.
_MIN_SCORE = 0.9
_MIN_LOSS = 0.1
# Without the column, the score falls by at least _MIN_LOSS, and the distance to a perfect score grows by this factor.
_MIN_ERROR_RATIO = 2.0
# The improvement over guessing by the column alone, as a share of the improvement by all columns.
_MIN_SHARE_ALONE = 0.6


@dataclass(frozen=True)
class IrreplaceableColumn:
    """A column whose removal costs most of the model's quality.

    Attributes
    ----------
    name : Hashable
    score_name : str
    score, score_without : float
        Cross-validated score with all columns, and with all columns except this one.
    """

    name: Hashable
    score_name: str
    score: float
    score_without: float

    def __str__(self) -> str:
        return f"without {self.name}, {self.score_name} falls from {self.score:.3f} to {self.score_without:.3f}"


def find_irreplaceable(
    frame: pd.DataFrame, target_column: str, task: str, kinds: Mapping[str, str] | None = None, seed: int = 0
) -> list[IrreplaceableColumn]:
    """Find columns on which nearly all of a suspiciously good score depends.

    An honest column can usually be replaced in part by the other columns. Since every table has a best column, the
    score of all columns must have a high lower confidence bound, and tables of fewer than 5,000 rows are not examined.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        Includes the target, without the columns that are dropped.
    target_column : str
    task : {"binary", "multiclass", "regression"}
    kinds : mapping of str to str, optional
        Kind of each column, as in `columns.encode_columns`.
    seed : int
        Seed of the sample of at most 5,000 rows and of the folds.
    """
    features, target = encode_target(sample_rows(frame, target_column, _MAX_ROWS, seed), target_column, task, seed)
    if not target.is_learnable or len(frame) < _MIN_ROWS:
        return []
    deviations, no_skill = bonferroni_deviations(features.shape[1]), 0.0 if target.is_regression else 0.5
    scores = score_columns(encode_columns(features, kinds), target, features.shape[1])
    scores = sorted(scores, key=lambda score: score.score, reverse=True)[:_MAX_COLUMNS]
    columns = [score.column for score in scores]
    min_alone = no_skill + (_MIN_SCORE - no_skill) * _MIN_SHARE_ALONE
    candidates = [score.column for score in scores[:_MAX_CANDIDATES] if score.score >= min_alone]
    if not candidates:
        return []
    score = score_together(columns, target, with_linear=False)
    if lower_bound(score, target, deviations) < _MIN_SCORE:
        return []
    irreplaceable = []
    for column in candidates:
        alone = score_together([column], target, with_linear=False)
        if alone - no_skill < _MIN_SHARE_ALONE * (score - no_skill):
            continue
        score_without = _score_without(columns, column.name, target, no_skill)
        is_far_worse = 1 - score_without >= _MIN_ERROR_RATIO * (1 - score)
        if lower_bound(score, target, deviations) - score_without >= _MIN_LOSS and is_far_worse:
            score_name = "R2" if target.is_regression else "AUC"
            irreplaceable.append(IrreplaceableColumn(column.name, score_name, score, score_without))
    return irreplaceable


def _score_without(columns: Sequence[EncodedColumn], name: Hashable, target: Target, no_skill: float) -> float:
    """Return the cross-validated score without one column; that of guessing if no other column is left."""
    others = [column for column in columns if column.name != name]
    return score_together(others, target, with_linear=False) if others else no_skill
