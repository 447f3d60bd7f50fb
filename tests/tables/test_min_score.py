"""The minimum score that ``init`` proposes: better than guessing beyond chance."""

import numpy as np
import pandas as pd
import pytest

from lib.tables import proposal
from lib.tables.min_score import propose_min_score


def classes(positive, rows=1_000):
    """Return a target with this share of the class yes."""
    count = round(positive * rows)
    return pd.Series(["yes"] * count + ["no"] * (rows - count))


@pytest.mark.parametrize(
    ("metric", "target", "guess"),
    [
        ("roc_auc", classes(0.5), 0.5),
        ("average_precision", classes(0.07), 0.07),
        ("r2", pd.Series(range(1_000)), 0.0),
        ("f1_macro", pd.Series(["a", "b", "c", "d"] * 250), 0.1),
    ],
)
def test_minimum_is_above_the_score_of_guessing(metric, target, guess):
    guessed, minimum = propose_min_score(metric, target, "yes")
    assert guessed == pytest.approx(guess, abs=0.01) and guess < minimum < guess + 0.25


def test_minimum_falls_with_the_rows_and_few_rows_have_none():
    minima = [propose_min_score("roc_auc", classes(0.5, rows))[1] for rows in (200, 2_000, 20_000)]
    assert minima == sorted(minima, reverse=True) and len(set(minima)) == 3
    assert propose_min_score("r2", pd.Series(range(8))) is None


@pytest.mark.parametrize("rows", [300, 2_000])
def test_random_scores_rarely_reach_the_proposed_minimum(rows):
    _, minimum = propose_min_score("roc_auc", classes(0.5, rows))
    random, test_rows = np.random.default_rng(0), round(0.2 * rows)
    is_positive = np.arange(test_rows) % 2 == 0
    areas = []
    for _ in range(400):
        scores = random.random(test_rows)
        areas.append((scores[is_positive][:, None] > scores[~is_positive]).mean())
    assert np.mean(np.array(areas) >= minimum) < 0.05


def test_init_proposes_it_with_a_reason():
    random = np.random.default_rng(0)
    table = pd.DataFrame({"size": random.normal(size=800), "bought": random.choice(["no", "yes"], 800)})
    proposed = proposal.propose(table, "bought")
    assert proposed.parameters["min_score"] > 0.5
    assert proposed.reasons["min_score"].startswith("guessing scores 0.5")
