"""Detection of columns that give away the target, alone or in groups."""

import numpy as np
import pandas as pd
import pytest

from lib.tables.quality import leakage
from lib.tables.quality.leakage import bounds

ROWS = 2_000


def table_with_sum(rows=500):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.random(rows), "b": random.random(rows)})
    return frame.assign(total=frame["a"] + 2 * frame["b"])


def honest_table(rows=ROWS, classes=2, columns=6, noise=1.0, seed=0):
    """Return a table with a strong column x0, others without signal, and a target y of classes 0, 1, ..."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, columns)), columns=[f"x{place}" for place in range(columns)])
    signal = (frame["x0"] + noise * random.normal(size=rows)).to_numpy()
    return frame.assign(y=np.digitize(signal, np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1])))


def leak_groups(frame, task="binary", target="y"):
    """Return the columns of each leak, sorted."""
    return [sorted(leak.columns) for leak in leakage.find_leaks(frame, target, task)]


def flip(labels, share, seed=1):
    """Return labels of 0 and 1 of which a share is swapped."""
    return np.where(np.random.default_rng(seed).random(len(labels)) < share, 1 - labels, labels)


def test_addends_are_found_beside_infinite_values():
    frame = table_with_sum().assign(c=np.where(np.arange(500) % 9, 1.0, np.inf))
    assert leakage.describe_leaks(frame, "total", "regression").startswith("a, b add up to total.")


def test_addends_are_found_beside_missing_values():
    frame = table_with_sum().assign(c=np.where(np.arange(500) % 9, np.nan, 1.0))
    assert leak_groups(frame, "regression", "total") == [["a", "b"]]


def test_rounded_addends_are_found_in_a_wide_table():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(300, 1_000)), columns=[f"x{place}" for place in range(1_000)])
    frame["y"] = (10 * (frame["x3"] + frame["x30"] + frame["x300"])).round(0)
    frame[["x3", "x30", "x300"]] *= 10
    assert leak_groups(frame, "regression") == [["x3", "x30", "x300"]]


def test_second_sum_is_found_after_the_first():
    random = np.random.default_rng(0)
    total = random.gamma(2, 50, ROWS)
    online, morning = total * random.random(ROWS), total * random.random(ROWS)
    frame = pd.DataFrame({"online": online, "shop": total - online, "am": morning, "pm": total - morning, "y": total})
    assert sorted(leak_groups(frame, "regression")) == [["am", "pm"], ["online", "shop"]]


@pytest.mark.parametrize("operator", ["product", "quotient"])
def test_factors_of_the_target_are_found(operator):
    random = np.random.default_rng(0)
    a, b = random.uniform(1, 20, ROWS), random.uniform(1, 50, ROWS)
    y = (a * b).round(2) if operator == "product" else a / b
    frame = pd.DataFrame({"a": a, "b": b, "c": random.random(ROWS), "y": y})
    assert leak_groups(frame, "regression") == [["a", "b"]]


def test_fewer_rows_than_folds_report_no_leaks():
    assert leakage.describe_leaks(table_with_sum(2), "total", "regression") == ""


def test_substitutes_are_found_as_one_group():
    frame = honest_table()
    happened = flip(frame["y"].to_numpy(), 0.04)
    days = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    frame["flag"] = flip(happened, 0.01, seed=2)
    frame["date"] = np.where(happened == 1, days, None)
    frame["charge"] = np.where(happened == 1, "F1", None)
    assert leak_groups(frame) == [["charge", "date", "flag"]]
    message = leakage.describe_leaks(frame, "y", "binary")
    assert (
        "charge are missing where it is 0" in message
        and "they carry the same information, so dropping only one of them is not enough" in message
    )


@pytest.mark.parametrize("missing_class", [0, 1])
def test_column_missing_where_the_target_is_one_class_is_found(missing_class):
    frame = honest_table(rows=500)
    frame["closed"] = np.where(frame["y"] == missing_class, np.nan, frame["x5"])
    (leak,) = leakage.find_leaks(frame, "y", "binary")
    assert leak.columns == ("closed",) and f"closed is missing where it is {missing_class}" in leak.finding


def test_column_present_only_for_one_of_many_classes_is_found():
    frame = honest_table(classes=4)
    frame["reason"] = np.where(frame["y"] == 2, "r", None)
    (leak,) = leakage.find_leaks(frame, "y", "multiclass")
    assert leak.columns == ("reason",) and "reason is present only where it is 2" in leak.finding


def test_column_missing_where_an_amount_is_zero_is_found():
    frame = honest_table()
    frame["y"] = np.where(frame["y"] == 0, 0.0, np.random.default_rng(1).gamma(2, 50, ROWS))
    frame["claim"] = np.where(frame["y"] == 0, None, "C1")
    (leak,) = leakage.find_leaks(frame, "y", "regression")
    assert leak.columns == ("claim",) and "claim is missing where it is 0" in leak.finding


def test_one_hot_copies_are_a_certain_group():
    frame = honest_table(classes=4)
    dummies = pd.get_dummies(frame["y"], prefix="is").astype(int)
    (leak,) = leakage.find_leaks(frame.join(dummies), "y", "multiclass")
    assert sorted(leak.columns) == list(dummies.columns) and leak.is_certain


def test_two_noisy_copies_are_a_group():
    frame = honest_table()
    random = np.random.default_rng(1)
    for name in ("first", "second"):
        frame[name] = frame["y"] + random.normal(0, 0.4, ROWS)
    (leak,) = leakage.find_leaks(frame, "y", "binary")
    assert sorted(leak.columns) == ["first", "second"]


@pytest.mark.parametrize(
    "copy",
    [
        lambda y: (y * 1.19).round(0),
        lambda y: np.log(y).round(2),
        lambda y: pd.qcut(y, 25).astype(str),
        lambda y: (y * np.random.default_rng(5).normal(1, 0.02, len(y))).round(0),
    ],
    ids=["taxed", "logarithm", "binned", "noisy"],
)
@pytest.mark.parametrize("rows", [300, ROWS])
def test_copies_of_an_amount_are_found(copy, rows):
    random = np.random.default_rng(0)
    frame = honest_table(rows=rows)
    frame["y"] = np.exp(4 + frame["x0"] + 0.5 * random.normal(size=rows))
    (leak,) = leakage.find_leaks(frame.assign(copy=copy(frame["y"])), "y", "regression")
    assert leak.columns == ("copy",)


def test_text_copy_of_many_classes_with_errors_is_found():
    frame = honest_table(rows=300, classes=5)
    random = np.random.default_rng(2)
    labels = np.where(random.random(300) < 0.03, random.permutation(frame["y"]), frame["y"])
    assert leak_groups(frame.assign(outcome=[f"level {label}" for label in labels]), "multiclass") == [["outcome"]]


@pytest.mark.parametrize("rows", [40, 100, 300])
@pytest.mark.parametrize("columns", [6, 500])
@pytest.mark.parametrize("noise", [0.25, 0.5])
def test_best_column_of_a_small_table_is_no_leak(rows, columns, noise):
    frame = honest_table(rows, columns=columns, noise=noise)
    assert leakage.find_leaks(frame, "y", "binary") == []
    assert leakage.find_irreplaceable(frame, "y", "binary") == []


def test_column_that_carries_the_score_of_a_large_table_is_irreplaceable():
    frame = honest_table(rows=6_000, noise=4.0)
    frame["duration"] = frame["y"] + np.random.default_rng(3).normal(0, 0.5, 6_000)
    assert leakage.find_leaks(frame, "y", "binary") == []
    assert [column.name for column in leakage.find_irreplaceable(frame, "y", "binary")] == ["duration"]


def test_bounds_widen_with_fewer_rows_and_more_columns():
    few, many = (bounds.bonferroni_deviations(columns) for columns in (1, 1_000))
    assert bounds.auc_lower_bound(1.0, 20, 20, many) < bounds.auc_lower_bound(1.0, 20, 20, few) < 0.95
    assert bounds.auc_lower_bound(1.0, 2_000, 2_000, many) > 0.99
    assert bounds.r2_lower_bound(0.99, 20, many) < bounds.r2_lower_bound(0.99, 2_000, few) < 0.99
