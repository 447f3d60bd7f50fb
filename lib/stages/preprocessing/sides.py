"""The two sides of the split, training rows and test rows: checks, and sentences about their sizes and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from lib.errors import DataError
from lib.tables import frames
from lib.tables.split import share

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import SplitSummary
    from lib.stages.preprocessing.split_plan import SplitPlan

_FEW_TEST_ROWS = 10
_MAX_LISTED_CLASSES = 6
_MAX_LISTED_FEW_CLASSES = 5


@dataclass(frozen=True)
class Sides:
    """The training and test rows of all parts together.

    Attributes
    ----------
    train, test : Series
        The target of the training rows and of the test rows.
    columns : list of str
        The columns of the training rows.
    is_split_by_rule : bool
        Whether all rows are split as the split rule says; an overridden ``split_data`` may ignore it.
    """

    train: pd.Series
    test: pd.Series
    columns: list[str]
    is_split_by_rule: bool

    @classmethod
    def from_parts(cls, parts: list[SplitSummary]) -> Sides:
        """Return the training and test rows of all parts, joined."""
        if len(parts) == 1:
            return cls(parts[0].train_target, parts[0].test_target, parts[0].columns, parts[0].is_split_by_rule)
        train = pd.concat([part.train_target for part in parts], ignore_index=True)
        test = pd.concat([part.test_target for part in parts], ignore_index=True)
        return cls(train, test, parts[0].columns, all(part.is_split_by_rule for part in parts))


def check(sides: Sides, plan: SplitPlan, parameters: Parameters) -> None:
    """Check that training and test rows suffice to train and score a model.

    A rare class may be missing from one side, but each side needs at least two classes.

    Raises
    ------
    DataError
        If a side has no rows or a single class, or if the target is the only column.
    """
    target = parameters.target_column
    named_sides = (("training", sides.train), ("test", sides.test))
    if sides.is_split_by_rule:
        plan.rule.check_sides(len(sides.train), len(sides.test), plan.groups)
    for side, values in named_sides:
        if values.empty:
            raise DataError(f"The split leaves no {side} rows; expected at least one. Check what split_data returns.")
    if len(sides.columns) < 2:
        raise DataError(
            f"The prepared table has no column besides the target {target}. Remove a column from drop_columns, or "
            "check what prepare_data returns."
        )
    if parameters.task == "regression":
        return
    for side, values in named_sides:
        classes = frames.count_values(values).index
        if len(classes) < 2:
            raise DataError(
                f"All {len(values)} {side} rows have {target} = {classes[0]!r}; expected at least two classes. Add "
                "rows, or change test_fraction or seed."
            )


def describe(sides: Sides, plan: SplitPlan, parameters: Parameters) -> str:
    """Return sentences about the sizes and targets of the training and test rows."""
    class_counts = None if parameters.task == "regression" else _count_classes(sides)
    notes = [_describe_share(sides, plan, parameters), _describe_targets(sides, class_counts)]
    return " ".join(filter(None, [*notes, _describe_few_rows(sides, class_counts)]))


def _describe_share(sides: Sides, plan: SplitPlan, parameters: Parameters) -> str:
    """Return the share of test rows. If it misses ``test_fraction`` by over a percentage point, give the reason too."""
    test_share = len(sides.test) / (len(sides.train) + len(sides.test))
    if share.is_near(test_share, parameters.test_fraction):
        return f"{test_share:.1%} of the rows."
    reason = plan.share_reason if sides.is_split_by_rule else "the pipeline's split_data decides"
    return f"{test_share:.1%} of the rows, not {parameters.test_fraction:.1%}: {reason}."


def _describe_targets(sides: Sides, class_counts: pd.DataFrame | None) -> str:
    """Return the share of each class, or the mean of the target, among training and test rows."""
    if class_counts is None:
        means = " and ".join(f"{rows.mean():.6g} ± {rows.std():.6g}" for rows in (sides.train, sides.test))
        return f"Mean and standard deviation of {sides.train.name} in training and test rows: {means}."
    shares = class_counts / [len(sides.train), len(sides.test)]
    listed = [f"{name} {row.train:.1%} and {row.test:.1%}" for name, row in shares.head(_MAX_LISTED_CLASSES).iterrows()]
    more = f", and {len(shares) - len(listed)} more" if len(shares) > len(listed) else ""
    return f"Classes in training and test rows: {', '.join(listed)}{more}."


def _describe_few_rows(sides: Sides, class_counts: pd.DataFrame | None) -> str:
    """Return a warning if there are too few test rows, in all or of a class, for reliable scores; otherwise ``""``."""
    if class_counts is None:
        few_rows = len(sides.test) < _FEW_TEST_ROWS
        return f"Scores on fewer than {_FEW_TEST_ROWS} test rows are unreliable." if few_rows else ""
    has_few_rows = (class_counts["train"] > 0) & (class_counts["test"] < _FEW_TEST_ROWS)
    small_classes = class_counts.loc[has_few_rows, "test"]
    if small_classes.empty:
        return ""
    classes = ", ".join(f"{name!r} ({count})" for name, count in small_classes.head(_MAX_LISTED_FEW_CLASSES).items())
    return f"Scores of classes with fewer than {_FEW_TEST_ROWS} test rows are unreliable: {classes}."


def _count_classes(sides: Sides) -> pd.DataFrame:
    """Count the training and test rows of each class; the class with most training rows comes first."""
    counts = pd.DataFrame({"train": frames.count_values(sides.train), "test": frames.count_values(sides.test)})
    counts = counts.fillna(0).astype(int)
    labels = counts.index.astype(object)
    order = sorted(range(len(counts)), key=lambda row: (-counts["train"].iloc[row], str(labels[row])))
    return counts.set_axis(labels, axis=0).iloc[order]
