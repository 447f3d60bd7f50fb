"""Outcomes, gains and net benefit of decisions."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from lib.evaluation.thresholds import BinaryRows
from lib.evaluation.worth import (
    EVERYBODY,
    NOBODY,
    compute_net_benefit,
    make_decision_curve,
    make_gains_table,
    make_outcome_table,
)

ROWS = 1_000


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    probabilities = random.beta(1, 5, ROWS).round(2)
    is_positive = random.random(ROWS) < probabilities
    return BinaryRows(
        is_positive, probabilities, np.ones(ROWS), np.where(is_positive, 0, 20.0), np.where(is_positive, 500.0, 0)
    )


def test_outcomes_are_those_of_the_confusion_matrix(rows):
    called = rows.probabilities >= 0.2
    table = make_outcome_table({"model": rows}, {"model": called})
    (_, false_positives), (missed, found) = confusion_matrix(rows.is_positive, called)
    assert table.loc["model"].tolist() == [
        found + false_positives,
        found,
        missed,
        false_positives,
        500 * missed + 20 * false_positives,
    ]
    positives = rows.is_positive.sum()
    assert table.loc[NOBODY].tolist() == [0, 0, positives, 0, 500 * positives]
    assert table.loc[EVERYBODY].tolist() == [ROWS, positives, 0, ROWS - positives, 20 * (ROWS - positives)]


def test_gains_equal_the_mean_over_all_orders_of_equal_probabilities(rows):
    table = make_gains_table(rows)
    random, found = np.random.default_rng(1), []
    for _ in range(500):
        order = np.lexsort((random.random(ROWS), -rows.probabilities))
        found.append(rows.is_positive[order][:100].sum())
    assert table.loc["top 10 %", "found"] == pytest.approx(np.mean(found), abs=0.15)
    assert table.loc["top 10 %", "guessing"] == pytest.approx(0.1 * rows.is_positive.sum())
    assert table["recall"].is_monotonic_increasing and table.loc["top 5 %", "precision"] > 0.3


def test_net_benefit_follows_its_definition(rows):
    called = rows.probabilities >= 0.25
    true_positives, false_positives = (called & rows.is_positive).sum(), (called & ~rows.is_positive).sum()
    expected = true_positives / ROWS - false_positives / ROWS / 3
    assert compute_net_benefit(rows, np.array([0.25]))[0] == pytest.approx(expected)


def test_model_that_knows_the_probabilities_beats_both_trivial_decisions(rows):
    curve = make_decision_curve(rows)
    assert (curve["model"] > curve[[EVERYBODY, NOBODY]].max(axis=1) - 0.005).mean() > 0.95
    assert curve[EVERYBODY].iloc[0] > 0 > curve[EVERYBODY].iloc[-1]
