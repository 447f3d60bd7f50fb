"""The baseline is plain JSON and says of each column what it is."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from lib.data.baseline import MAX_CATEGORIES, describe


def of(values):
    """Statistics of one column, known to be JSON that any reader takes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        described = describe(pd.DataFrame({"c": values, "target": 1}), "target")
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    return described["columns"]["c"]


def test_the_target_is_described_apart():
    described = describe(pd.DataFrame({"a": [1, 2], "y": ["n", "y"]}), "y")
    assert described["rows"] == 2 and list(described["columns"]) == ["a"]
    assert described["target"] == {
        "name": "y",
        "kind": "category",
        "missing": 0.0,
        "distinct": 2,
        "categories": {"n": 1, "y": 1},
    }


@pytest.mark.parametrize("kind", ["float64", "Int64", "object"])
def test_numbers_have_their_moments_without_the_missing(kind):
    described = of(pd.Series([1, 2, 3, 6, None], dtype="float64").astype(kind))
    if kind == "object":
        assert described["kind"] == "category"  # a column is what its type says
        return
    assert (described["kind"], described["missing"]) == ("number", 0.2)
    assert (described["minimum"], described["maximum"], described["mean"]) == (1, 6, 3)
    assert described["deviation"] == pytest.approx(np.std([1, 2, 3, 6]))
    assert described["quantiles"]["0.5"] == 2.5


@pytest.mark.parametrize("count", [1, 2, 3, 100, 1_001])
def test_quantiles_lie_between_the_two_values_beside_them(count):
    values = np.random.default_rng(count).normal(size=count) * 1e6
    quantiles = of(values)["quantiles"]
    assert list(quantiles.values()) == pytest.approx(np.quantile(values, [float(share) for share in quantiles]))


def test_infinite_values_do_not_count():
    assert of([1.0, np.inf, 3.0])["mean"] == 2


def test_huge_numbers_have_finite_moments():
    described = of([1e308, -1e308, 1.7e308, 1.7e308])
    assert described["deviation"] == pytest.approx(1e308 * np.std([1, -1, 1.7, 1.7]))
    assert described["mean"] == pytest.approx(0.85e308)


def test_tiny_numbers_do_not_vanish():
    assert of([1e-300, 3e-300])["deviation"] == pytest.approx(1e-300)


@pytest.mark.parametrize("values", [[np.nan] * 3, [np.inf] * 3, [None] * 3, [pd.NaT] * 3])
def test_a_column_without_values_is_described_by_what_it_lacks(values):
    described = of(values)
    assert described["missing"] in (0.0, 1.0) and "mean" not in described and "minimum" not in described


def test_dates_have_ends_in_iso_8601():
    assert of(pd.to_datetime(["2024-05-01", None, "2024-01-01"])) == {
        "kind": "date",
        "missing": pytest.approx(1 / 3),
        "minimum": "2024-01-01T00:00:00",
        "maximum": "2024-05-01T00:00:00",
    }
    assert of(pd.to_datetime(["2024-05-01"]).tz_localize("UTC"))["maximum"] == "2024-05-01T00:00:00+00:00"


@pytest.mark.parametrize("kind", ["bool", "boolean"])
def test_truths_are_counted(kind):
    described = of(pd.Series([True, False, True], dtype=kind))
    assert (described["kind"], described["categories"]) == ("boolean", {"True": 2, "False": 1})


def test_few_texts_are_categories_and_many_are_text_of_which_the_most_frequent_are_kept():
    few = of(["a", "b", "a", None])
    assert (few["kind"], few["distinct"], few["categories"]) == ("category", 2, {"a": 2, "b": 1})
    many = of([f"id {number}" for number in range(MAX_CATEGORIES + 1)] + ["id 7"])
    assert (many["kind"], many["distinct"]) == ("text", MAX_CATEGORIES + 1)
    assert len(many["categories"]) == MAX_CATEGORIES and many["categories"]["id 7"] == 2


def test_categories_may_be_of_any_type():
    assert of(pd.Categorical([1, 2, 1]))["categories"] == {"1": 2, "2": 1}
    assert of(pd.Series([1, "a", True], dtype=object))["distinct"] == 3
