"""Search for columns that give away the target, alone or as a group of columns with the same information."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.tables.quality.leakage import sums
from lib.tables.quality.leakage.bounds import bonferroni_deviations
from lib.tables.quality.leakage.columns import EncodedColumn, Target, encode_columns, encode_target, sample_rows
from lib.tables.quality.leakage.joint import score_together
from lib.tables.quality.leakage.scores import ColumnScore, lower_bound, score_columns

MAX_ROWS = 20_000
# `describe_leaks`, which every preprocessing calls, uses fewer rows.
_QUICK_ROWS = 3_000
_MAX_SUMS = 3
_MAX_LEVELS_PER_CLASS = 2
_MAX_JOINT_COLUMNS = 20
_MAX_LISTED_COLUMNS = 10
_ADVICE = "Add columns that are unknown at prediction time to drop_columns."


@dataclass(frozen=True)
class _Limits:
    """Limits from which columns are suspicious. A bound is a limit for the lower confidence bound of a score.

    Attributes
    ----------
    score_name : str
    certain : float
        A column or group certainly gives away the target if its score reaches `certain`, and its bound `certain_bound`.
    certain_bound : float
    near_bound : float
        A column is suspicious if its bound reaches this limit, because honest columns rarely predict so well.
    member_bound, joint_bound : float
        Several columns are suspicious if each reaches `member_bound`, and all together reach `joint_bound`.
    flag_bound : float
        Limit that replaces `near_bound` for patterns of missing values, and for columns with hardly more values than
        there are classes: by nature, these rarely follow the target.
    """

    score_name: str
    certain: float
    certain_bound: float
    near_bound: float
    member_bound: float
    joint_bound: float
    flag_bound: float = 0.9


_CLASS_LIMITS = _Limits("AUC", certain=0.995, certain_bound=0.9, near_bound=0.97, member_bound=0.94, joint_bound=0.98)
_REGRESSION_LIMITS = _Limits(
    "R2", certain=0.99, certain_bound=0.95, near_bound=0.93, member_bound=0.85, joint_bound=0.95
)


@dataclass(frozen=True)
class Leak:
    """Columns that give away the target.

    Attributes
    ----------
    columns : tuple of Hashable
    finding : str
        A clause that follows the names of the columns, such as "add up to cnt".
    is_certain : bool
        Whether the columns certainly leak, because no honest column predicts so well; otherwise someone should check.
    """

    columns: tuple[Hashable, ...]
    finding: str
    is_certain: bool

    def __str__(self) -> str:
        return f"{list_names(self.columns)} {self.finding}"

    def describe(self, name: Hashable) -> str:
        """Return the finding for one column, after the names of the other columns of the leak."""
        others = [other for other in self.columns if other != name]
        return f"with {list_names(others)}, {self.finding}" if others else self.finding


def list_names(names: Sequence[Hashable]) -> str:
    """Return the names separated by commas, shortened if there are more than ten.

    Examples
    --------
    >>> list_names(["a", "b", "c"])
    'a, b, c'
    """
    listed = ", ".join(map(str, names[:_MAX_LISTED_COLUMNS]))
    return f"{listed} and {len(names) - _MAX_LISTED_COLUMNS} more" if len(names) > _MAX_LISTED_COLUMNS else listed


def describe_leaks(frame: pd.DataFrame, target_column: str, task: str) -> str:
    """Describe the columns that give away the target, alone or in groups.

    At most 3,000 rows are used, because every preprocessing runs this check.

    Returns
    -------
    str
        A sentence for each leak and one of advice; empty if there are no leaks.
    """
    leaks = find_leaks(frame, target_column, task, max_rows=_QUICK_ROWS)
    return " ".join([*(f"{leak}." for leak in leaks), _ADVICE]) if leaks else ""


def find_leaks(
    frame: pd.DataFrame,
    target_column: str,
    task: str,
    kinds: Mapping[str, str] | None = None,
    max_rows: int = MAX_ROWS,
    seed: int = 0,
) -> list[Leak]:
    """Find columns that give away the target.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        Includes the target.
    target_column : str
    task : {"binary", "multiclass", "regression"}
    kinds : mapping of str to str, optional
        Kind of each column, as in `columns.encode_columns`.
    max_rows : int
        Number of rows to sample.
    seed : int
        Seed of the sample and of the folds.

    Returns
    -------
    list of Leak
        Sums and products first, then columns that predict the target alone.

    Notes ----- A column is judged by the lower confidence bound of its score, corrected for the number of columns: if a
    table has few rows and many columns, some column scores well by chance.
    """
    features, target = encode_target(sample_rows(frame, target_column, max_rows, seed), target_column, task, seed)
    if not target.is_learnable:
        return []
    columns = list(encode_columns(features, kinds))
    leaks = []
    if target.is_regression:
        for leak in _find_combinations(columns, target, target_column):
            leaks.append(leak)
            columns = [column for column in columns if column.name not in leak.columns]
    scores = score_columns(columns, target, features.shape[1])
    limits = _REGRESSION_LIMITS if target.is_regression else _CLASS_LIMITS
    group = _find_group(scores, target, target_column, limits, features.shape[1])
    return [*leaks, *([group] if group else [])]


def find_best_column(frame: pd.DataFrame, target_column: str, task: str, seed: int = 0) -> ColumnScore | None:
    """Return the score of the column that predicts the target best by itself; None if no column can be scored.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
        Includes the target.
    target_column : str
    task : {"binary", "multiclass", "regression"}
    seed : int
        Seed of the sample and of the folds.
    """
    features, target = encode_target(sample_rows(frame, target_column, MAX_ROWS, seed), target_column, task, seed)
    if not target.is_learnable:
        return None
    scores = score_columns(encode_columns(features), target, features.shape[1])
    return max(scores, key=lambda score: score.best, default=None)


def _find_combinations(columns: list[EncodedColumn], target: Target, target_column: str) -> list[Leak]:
    """Find sums and products of columns that give the target.

    Once a combination is found, its columns are removed, and the remaining columns are searched again.
    """
    leaks = []
    for verb, find in (("add up to", sums.find_sum), ("multiply or divide to", sums.find_product)):
        for _ in range(_MAX_SUMS):
            names = find(columns, target)
            if len(names) < 2:
                break
            leaks.append(Leak(tuple(names), f"{verb} {target_column}", is_certain=True))
            columns = [column for column in columns if column.name not in names]
    return leaks


def _find_group(
    scores: Sequence[ColumnScore], target: Target, target_column: str, limits: _Limits, n_columns: int
) -> Leak | None:
    """Return a leak with all columns that predict the target almost alone, and so carry the same information."""
    is_suspicious = any(_is_suspicious(score, target, limits) for score in scores)
    # If one column is suspicious, another column needs less evidence to be its substitute.
    is_member = _is_substitute if is_suspicious else _is_strong
    members = _best_per_column([score for score in scores if is_member(score, target, limits)])
    if not members or (len(members) == 1 and not is_suspicious):
        return None
    is_certain = any(_is_certain(member, limits) for member in members)
    joint_score = ""
    if len(members) > 1:
        score = score_together([member.column for member in members[:_MAX_JOINT_COLUMNS]], target)
        bound = lower_bound(score, target, bonferroni_deviations(n_columns))
        is_suspicious |= bound >= limits.joint_bound
        is_certain |= score >= limits.certain and bound >= limits.joint_bound
        joint_score = f", together {score:.3f}"
    if not is_suspicious:
        return None
    names = tuple(member.column.name for member in members)
    return Leak(names, _describe_group(members, target, target_column, limits.score_name, joint_score), is_certain)


def _is_certain(score: ColumnScore, limits: _Limits) -> bool:
    return score.score >= limits.certain and score.lower >= limits.certain_bound


def _is_suspicious(score: ColumnScore, target: Target, limits: _Limits) -> bool:
    near_bound = limits.flag_bound if _is_label_like(score, target) else limits.near_bound
    return _is_certain(score, limits) or score.lower >= near_bound or score.class_lower >= limits.flag_bound


def _is_substitute(score: ColumnScore, target: Target, limits: _Limits) -> bool:
    """Return whether a column can replace a suspicious one: its score, or at least its bound, reaches the limit."""
    near = limits.flag_bound if _is_label_like(score, target) else limits.near_bound
    return _is_suspicious(score, target, limits) or score.score >= near or score.class_score >= limits.flag_bound


def _is_strong(score: ColumnScore, target: Target, limits: _Limits) -> bool:
    return score.lower >= limits.member_bound


def _is_label_like(score: ColumnScore, target: Target) -> bool:
    """Return whether a column has at most twice as many different values as there are classes."""
    return score.column.levels <= _MAX_LEVELS_PER_CLASS * len(target.classes)


def _best_per_column(scores: Sequence[ColumnScore]) -> list[ColumnScore]:
    """Return the better score of each column, in descending order.

    A column and its flag of missing values are scored separately. On a tie, the flag wins, because the column then
    predicts only by its missing values.
    """
    best: dict[Hashable, ColumnScore] = {}
    for score in sorted(scores, key=lambda score: (round(score.best, 3), score.column.is_missing_flag), reverse=True):
        best.setdefault(score.column.name, score)
    return list(best.values())


def _describe_group(
    members: Sequence[ColumnScore], target: Target, target_column: str, score_name: str, joint_score: str
) -> str:
    """Return a clause that follows the names of the columns, e.g. "predicts y alone (AUC 0.999)"."""
    low, high = f"{min(score.best for score in members):.3f}", f"{max(score.best for score in members):.3f}"
    scores = low if low == high else f"{low} to {high}"
    verb = "predicts" if len(members) == 1 else "each predict"
    clauses = [f"{verb} {target_column} alone ({score_name} {scores}{joint_score})"]
    patterns: dict[str, list[Hashable]] = {}
    for score in members:
        if score.column.is_missing_flag:
            patterns.setdefault(_describe_missing(score, target), []).append(score.column.name)
    for pattern, names in patterns.items():
        clauses.append(f"{list_names(names)} {'is' if len(names) == 1 else 'are'} {pattern}")
    if len(members) > 1:
        clauses.append("they carry the same information, so dropping only one of them is not enough")
    return "; ".join(clauses)


def _describe_missing(score: ColumnScore, target: Target) -> str:
    """Return a clause about the target for which the values of a column are missing."""
    is_missing = score.column.bins > 1
    if target.is_regression:
        values, counts = np.unique(target.values, return_counts=True)
        is_class, label = target.values == values[counts.argmax()], f"{values[counts.argmax()]:g}"
    else:
        is_class, label = target.values == score.class_code, str(target.classes[score.class_code])
    is_missing_there = is_missing[is_class].mean() > is_missing[~is_class].mean()
    if len(target.classes) == 2 and not is_missing_there:
        is_missing_there, label = True, str(target.classes[1 - score.class_code])
    return f"missing where it is {label}" if is_missing_there else f"present only where it is {label}"
