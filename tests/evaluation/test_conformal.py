"""Intervals and sets that have the requested coverage, in every group."""

import json

import numpy as np
import pytest

from lib.errors import DataError, ParameterError
from lib.evaluation.conformal import calibrate_intervals, calibrate_sets, min_calibration_rows
from lib.parameters import check_given
from lib.scoring.intervals import from_json, group_keys


def noisy_rows(random, count, group_scales=(1.0, 5.0)):
    """Return predictions, truth and group of rows whose errors are larger in the second group and for large values."""
    predictions = random.uniform(0, 10, count)
    groups = random.integers(0, len(group_scales), count)
    scales = np.array(group_scales)[groups] * (0.2 + predictions)
    return predictions, predictions + scales * random.standard_t(4, count), [(str(group),) for group in groups]


def calibrated(random, count, coverage=0.9):
    predictions, truth, keys = noisy_rows(random, count)
    return calibrate_intervals(predictions, truth, keys, np.linspace(0, 10, 999), ["group"], coverage)


@pytest.mark.parametrize(("count", "coverage"), [(100, 0.9), (2_000, 0.8)])
def test_intervals_have_the_coverage_in_each_group(count, coverage):
    random = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        intervals = calibrated(random, count, coverage)
        predictions, truth, keys = noisy_rows(random, 500)
        low, high = intervals.bounds(predictions, keys).T
        is_covered = (low <= truth) & (truth <= high)
        shares.append([is_covered[[key == (name,) for key in keys]].mean() for name in ("0", "1")])
    assert np.abs(np.mean(shares, axis=0) - coverage).max() < 0.02


def test_large_groups_have_wider_intervals_for_larger_predictions():
    widths = calibrated(np.random.default_rng(0), 4_000).groups[("1",)]
    assert len(widths.edges) == 4 and np.all(np.diff(widths.half_widths) > 0)
    assert len(calibrated(np.random.default_rng(0), 300).groups[("1",)].edges) == 0


def test_sets_have_the_coverage_in_each_group():
    random = np.random.default_rng(0)
    shares, sizes = [], []
    for _ in range(60):
        # The model is overconfident in the second group.
        sides = []
        for count in (400, 1_000):
            groups = random.integers(0, 2, count)
            scores = random.normal(size=(count, 3)) * 2
            true = np.exp(scores / (1 + groups[:, None]))
            codes = (true.cumsum(1) / true.sum(1, keepdims=True) < random.random((count, 1))).sum(1)
            probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            sides.append((probabilities, codes, [(f"g{group}",) for group in groups]))
        sets = calibrate_sets(*sides[0], ["group"], 0.9)
        probabilities, codes, keys = sides[1]
        members = sets.members(probabilities, keys)
        is_covered = members[np.arange(len(codes)), codes]
        shares.append([is_covered[[key == (name,) for key in keys]].mean() for name in ("g0", "g1")])
        sizes.append(members.sum(1).mean())
    assert np.abs(np.mean(shares, axis=0) - 0.9).max() < 0.02 and np.mean(sizes) < 2.5


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_smallest_calibration_has_finite_intervals(coverage, needed):
    assert min_calibration_rows(coverage) == needed
    truth = np.arange(1.0, needed + 1)
    intervals = calibrate_intervals(np.zeros(needed), truth, [()] * needed, np.zeros(3), [], coverage)
    assert intervals.groups[()].half_widths == (needed,)  # the largest error
    if needed > 1:
        with pytest.raises(DataError, match=f"needs at least {needed} calibration rows, .* and there are {needed - 1}"):
            calibrate_intervals(np.zeros(needed - 1), truth[1:], [()] * (needed - 1), np.zeros(3), [], coverage)


def test_group_with_one_row_is_refused_by_name():
    keys = [("Oslo", "F")] * 20 + [("", "M")]
    with pytest.raises(DataError, match="the group city = missing, sex = M has 1. .*remove the column from groups"):
        calibrate_intervals(np.zeros(21), np.ones(21), keys, np.zeros(3), ["city", "sex"], 0.9)
    with pytest.raises(DataError, match="coverage: 0.9 needs at least 9 calibration rows"):
        calibrate_sets(np.full((21, 2), 0.5), np.zeros(21, int), keys, ["city", "sex"], 0.9)


def test_intervals_and_sets_survive_json():
    intervals = calibrated(np.random.default_rng(0), 2_000)
    assert from_json(json.loads(json.dumps(intervals.to_json()))) == intervals
    sets = calibrate_sets(
        np.random.default_rng(0).random((30, 2)), np.zeros(30, int), [("a", "b")] * 30, ["x", "y"], 0.8
    )
    assert from_json(json.loads(json.dumps(sets.to_json()))) == sets


def test_unknown_group_has_no_interval():
    intervals = calibrated(np.random.default_rng(0), 200)
    assert intervals.answers(np.array([1.0, 2.0]), None, [("2",), ("0",)], None)[0] is None
    sets = calibrate_sets(np.full((30, 2), 0.5), np.zeros(30, int), [("a",)] * 30, ["x"], 0.8)
    assert sets.answers(np.array([0]), np.full((1, 2), 0.5), [("b",)], ["no", "yes"]) == [None]


def test_class_that_the_model_does_not_know_counts_as_not_covered():
    probabilities = np.tile([0.9, 0.1], (20, 1))
    assert calibrate_sets(probabilities, np.full(20, -1), [()] * 20, [], 0.9).thresholds[()] == 0


def test_groups_are_named_alike_in_tables_and_requests():
    table = {"sex": np.array([" F", None, np.nan], dtype=object), "age": np.array([40, np.nan, 7.5])}
    assert group_keys(table, ["sex", "age"], 3) == [("F", "40"), ("", ""), ("", "7.5")]
    assert group_keys({"sex": ["F"], "age": [40]}, ["sex", "age"], 1) == [("F", "40")]


@pytest.mark.parametrize("off", [0, 0.0, None])
def test_no_coverage_is_accepted(off):
    assert not check_given({"coverage": off, "automl": True})["coverage"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"coverage": 90}, "coverage: 90.0 is out of range; expected 0.5 to 0.999, e.g. 0.9"),
        ({"coverage": 1}, "coverage: 1.0 is out of range"),
        ({"coverage": -0.9}, "coverage: -0.9 is out of range"),
        ({"coverage": "90 %"}, "coverage: got text"),
        ({"coverage": 0.9, "automl": True}, "coverage: AutoML trains on all training rows"),
        ({"coverage": 0.9, "engine": "dask"}, "coverage: it needs the table in memory"),
        ({"groups": ["churn"], "target_column": "churn"}, "groups: 'churn' is the target_column"),
        ({"groups": ["sex", "sex"]}, "groups: the list contains 'sex' twice"),
    ],
    ids=str,
)
def test_unusable_coverage_is_refused(values, message):
    with pytest.raises(ParameterError) as error:
        check_given(values)
    assert message in str(error.value)
