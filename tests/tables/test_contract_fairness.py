"""Fairness of the contract: fresh draws of one population pass, shifted ones are found, whatever their size."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import contract as simulation
from lib.tables.quality import contract, drift, limits, profile, violations
from lib.tables.quality.contract import ColumnRules, Contract


def table_of(rows, seed, shift=0.0):
    """Return a table of one population: skewed and symmetric numbers, categories of few and of many levels."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": np.round(random.normal(45, 12, rows) + 12 * shift, 1),
            "income": np.round(random.lognormal(8, 0.6, rows)),
            "balance": np.round(random.standard_t(4, rows) * 100, 2),
            "city": [f"city{level}" for level in random.integers(0, 20, rows)],
            "street": [f"street{level}" for level in random.integers(0, 200, rows)],
            "group": random.choice(["a", "b", "c"], rows, p=[0.7, 0.25, 0.05]),
        }
    )


def contract_of(frame):
    return contract.from_profile(profile.describe(frame))


@pytest.mark.parametrize("rows", [50, 150, 1_000])
def test_fresh_draws_pass(rows):
    refused = [
        str(found)
        for seed in range(15)
        if len((found := violations.find(table_of(rows, 1000 + seed), contract_of(table_of(rows, seed)))).table)
    ]
    assert len(refused) <= 1, refused


def test_shift_of_half_a_deviation_is_found():
    found = [
        violations.find(table_of(500, 1000 + seed, shift=0.5), contract_of(table_of(500, seed))).table
        for seed in range(20)
    ]
    assert sum(broken["column"].eq("age").any() for broken in found) >= 19
    assert sum(set(broken["column"]) <= {"age"} for broken in found) >= 19


def test_simulated_populations_pass():
    refused, reasons = simulation.count_false_alarms(12, seed=7)
    assert refused <= 1, reasons


def test_trivial_drift_of_a_large_table_passes():
    old, new = (pd.DataFrame({"x": np.random.default_rng(seed).normal(0.1 * seed, 1, 50_000)}) for seed in (0, 1))
    rules = contract_of(old)
    assert drift.compare(drift.count(new["x"], rules.columns["x"]), rules.columns["x"], 50_000).p_value < 1e-9
    assert violations.find(new, rules).table.empty
    assert len(violations.find(new, replace(rules, max_drift=0.001)).table) == 1


def test_violation_of_drift_names_the_change_and_what_to_write():
    old, new = (pd.DataFrame({"c": ["a"] * count + ["b"] * (400 - count)}) for count in (300, 100))
    (line, advice) = str(violations.find(new, contract_of(old))).splitlines()
    assert line.startswith("  - c: must not drift by more than 0.1 (drifted by 1.0")
    assert "the share of 'a' changed from 75% to 25%, p = " in line
    assert advice.startswith("    To allow this, write max_drift: 1.1, or accept the new distribution")


def test_contract_without_sample_size_assumes_twice_min_rows():
    shares = ColumnRules(type="text", shares={"a": 0.5, "b": 0.5})
    new = pd.DataFrame({"c": ["a"] * 70 + ["b"] * 30})
    assert violations.find(new, Contract({"c": shares}, min_rows=10)).table.empty
    (line, _) = str(violations.find(new, Contract({"c": shares}, min_rows=100))).splitlines()
    assert "the contract has no sample_size, 200 values are assumed" in line


@pytest.mark.parametrize("value", [4, 6])
def test_constant_that_changes_is_drift(value):
    rules = contract_of(pd.DataFrame({"x": [5] * 200}))
    rules = Contract({"x": replace(rules.columns["x"], minimum=None, maximum=None)})
    found = violations.find(pd.DataFrame({"x": [value] * 200}), rules).table
    assert found["rule"].tolist() == ["must not drift by more than 0.1"]


def test_padded_and_decomposed_texts_are_the_same():
    clean = pd.DataFrame({"job": ["Private", "Zo\u00e9"] * 100, "id": [f"C{row}" for row in range(200)]})
    padded = pd.DataFrame({"job": [" Private", "Zoe\u0301 "] * 100, "id": [f" C{row}" for row in range(200)]})
    for made_from, checked in ((clean, padded), (padded, clean)):
        assert violations.find(checked, contract_of(made_from)).table.empty
    assert contract_of(padded).columns["job"].categories == ["Private", "Zo\u00e9"]


def test_padded_key_is_a_repeated_key():
    frame = pd.DataFrame({"id": ["C7", "C7 ", "C8"]})
    found = violations.find(frame, Contract({"id": ColumnRules()}, key=["id"]))
    assert found.rows_by_rule == {("id", "must be unique (key)"): [1]}


def test_unknown_category_is_refused_beyond_its_share():
    rules = contract_of(pd.DataFrame({"c": ["a", "b"] * 200}))
    few, many = (pd.DataFrame({"c": ["new"] * count + ["a", "b"] * 200}) for count in (5, 15))
    assert violations.find(few, rules).table.empty
    assert len(violations.find(many, rules).rows_by_rule["c", "must be one of a, b (at most 2.70% may not be)"]) == 15
    strict = Contract({"c": replace(rules.columns["c"], max_invalid_share=None)})
    assert violations.find(few, strict).table["rows"].tolist() == [5]


def test_missing_values_are_refused_beyond_their_share():
    rules = contract_of(pd.DataFrame({"x": np.arange(400) % 7}))
    values = pd.Series(np.arange(400) % 7, dtype=float)
    assert violations.find(pd.DataFrame({"x": values.mask(values.index < 8)}), rules).table.empty
    found = violations.find(pd.DataFrame({"x": values.mask(values.index < 20)}), rules).table
    assert found["rule"].tolist() == ["at most 2.7% may be missing"]
    assert found["examples"].tolist() == ["5.0% are: 20 of 400"]


@pytest.mark.parametrize(("count", "rows"), [(0, 50), (3, 50), (0, 10_000), (500, 10_000)])
def test_tolerated_share_is_exceeded_by_one_sample_in_a_thousand(count, rows):
    share = limits.tolerated_share(count, rows, rows // 2)
    # Samples of the same population, whose share is drawn from the posterior distribution.
    random = np.random.default_rng(0)
    drawn = random.binomial(rows // 2, random.beta(count + 0.5, rows - count + 0.5, 200_000)) / (rows // 2)
    assert (drawn > share).mean() < 0.002


def test_range_of_heavy_tails_is_wide_and_that_of_light_ones_is_not():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"age": random.uniform(18, 90, 500), "income": random.lognormal(8, 1.5, 500)})
    rules = contract_of(frame).columns
    assert rules["age"].minimum == 0 and 90 < rules["age"].maximum < 200
    assert rules["income"].maximum > 50 * frame["income"].max()
