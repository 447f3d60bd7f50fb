"""The baseline: JSON-compatible statistics of each column."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from lib.tables.quality.baseline import MAX_CATEGORIES, describe


def describe_values(values):
    """Return the statistics of one column, checked to be strict JSON."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        baseline = describe(pd.DataFrame({"c": values, "target": 1}), "target")
    assert json.loads(json.dumps(baseline, allow_nan=False)) == baseline
    return baseline["columns"]["c"]


def test_target_has_an_entry_of_its_own():
    statistics = describe(pd.DataFrame({"a": [1, 2], "y": ["n", "y"]}), "y")
    assert statistics["rows"] == 2 and list(statistics["columns"]) == ["a"]
    assert statistics["target"] == {
        "name": "y",
        "kind": "category",
        "missing": 0.0,
        "distinct": 2,
        "categories": {"n": 1, "y": 1},
    }


@pytest.mark.parametrize("kind", ["float64", "Int64", "object"])
def test_statistics_of_numbers_ignore_missing_values(kind):
    statistics = describe_values(pd.Series([1, 2, 3, 6, None], dtype="float64").astype(kind))
    if kind == "object":
        assert statistics["kind"] == "category"  # the kind follows the dtype
        return
    assert (statistics["kind"], statistics["missing"]) == ("number", 0.2)
    assert (statistics["minimum"], statistics["maximum"], statistics["mean"]) == (1, 6, 3)
    assert statistics["deviation"] == pytest.approx(np.std([1, 2, 3, 6]))
    assert statistics["quantiles"]["0.5"] == 2.5


@pytest.mark.parametrize("count", [1, 2, 3, 100, 1_001])
def test_quantiles_equal_those_of_numpy(count):
    values = np.random.default_rng(count).normal(size=count) * 1e6
    quantiles = describe_values(values)["quantiles"]
    assert list(quantiles.values()) == pytest.approx(np.quantile(values, [float(share) for share in quantiles]))


def test_infinite_values_are_ignored():
    assert describe_values([1.0, np.inf, 3.0])["mean"] == 2


def test_statistics_of_huge_numbers_are_finite():
    statistics = describe_values([1e308, -1e308, 1.7e308, 1.7e308])
    assert statistics["deviation"] == pytest.approx(1e308 * np.std([1, -1, 1.7, 1.7]))
    assert statistics["mean"] == pytest.approx(0.85e308)


def test_deviation_of_tiny_numbers_is_not_zero():
    assert describe_values([1e-300, 3e-300])["deviation"] == pytest.approx(1e-300)


@pytest.mark.parametrize("values", [[np.nan] * 3, [np.inf] * 3, [None] * 3, [pd.NaT] * 3])
def test_column_without_values_has_no_statistics(values):
    statistics = describe_values(values)
    assert statistics["missing"] in (0.0, 1.0) and "mean" not in statistics and "minimum" not in statistics


def test_dates_have_minimum_and_maximum_in_iso_8601():
    assert describe_values(pd.to_datetime(["2024-05-01", None, "2024-01-01"])) == {
        "kind": "date",
        "missing": pytest.approx(1 / 3),
        "minimum": "2024-01-01T00:00:00",
        "maximum": "2024-05-01T00:00:00",
    }
    assert describe_values(pd.to_datetime(["2024-05-01"]).tz_localize("UTC"))["maximum"] == "2024-05-01T00:00:00+00:00"


@pytest.mark.parametrize("kind", ["bool", "boolean"])
def test_booleans_are_counted(kind):
    statistics = describe_values(pd.Series([True, False, True], dtype=kind))
    assert (statistics["kind"], statistics["categories"]) == ("boolean", {"True": 2, "False": 1})


def test_many_distinct_texts_keep_the_most_frequent_only():
    few = describe_values(["a", "b", "a", None])
    assert (few["kind"], few["distinct"], few["categories"]) == ("category", 2, {"a": 2, "b": 1})
    many = describe_values([f"id {number}" for number in range(MAX_CATEGORIES + 1)] + ["id 7"])
    assert (many["kind"], many["distinct"]) == ("text", MAX_CATEGORIES + 1)
    assert len(many["categories"]) == MAX_CATEGORIES and many["categories"]["id 7"] == 2


def test_categories_can_have_any_type():
    assert describe_values(pd.Categorical([1, 2, 1]))["categories"] == {"1": 2, "2": 1}
    assert describe_values(pd.Series([1, "a", True], dtype=object))["distinct"] == 3
