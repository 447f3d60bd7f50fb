"""Without drift, surprises are independent standard normal numbers, and evidence is rarely large."""

import numpy as np
import pytest
from scipy import stats

from lib.monitoring.martingale import find_start, measure_evidence
from lib.monitoring.surprises import describe_node, measure_surprises


def surprises_without_drift(earlier_rows, window_rows, repeats, seed, windows=3, cells=6):
    """Return the surprises of windows from the distribution of the earlier rows, of shape (repeats, windows, nodes)."""
    random = np.random.default_rng(seed)
    result = []
    for _ in range(repeats):
        shares = random.dirichlet(np.full(cells, 0.5))
        earlier = random.multinomial(earlier_rows, shares)
        of_windows = []
        for _ in range(windows):
            window = random.multinomial(window_rows, shares)
            of_windows.append(measure_surprises(earlier, window, random))
            earlier = earlier + window
        result.append(of_windows)
    return np.array(result)


@pytest.mark.parametrize("earlier_rows", [20, 2_000])
@pytest.mark.parametrize("window_rows", [5, 500])
def test_surprises_are_standard_normal(earlier_rows, window_rows):
    numbers = surprises_without_drift(earlier_rows, window_rows, 150, seed=1)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 0.001
    correlations = np.corrcoef(numbers.reshape(len(numbers), -1).T)
    assert np.abs(correlations - np.eye(len(correlations))).max() < 0.35


def test_evidence_rarely_reaches_its_limit_without_drift():
    random = np.random.default_rng(2)
    highest = [measure_evidence(random.normal(size=(20, 5))).max() for _ in range(300)]
    for rate in (0.2, 0.05):
        assert np.mean(np.array(highest) >= np.log(1 / rate)) <= rate


def test_the_mean_of_the_evidence_is_one():
    random = np.random.default_rng(3)
    evidence = np.exp([measure_evidence(random.normal(size=(1, 1)))[-1] for _ in range(5_000)])
    assert np.mean(np.minimum(evidence, 1e4)) == pytest.approx(1, abs=0.2)


def test_a_lasting_shift_is_found_with_its_start():
    random = np.random.default_rng(4)
    numbers = random.normal(size=(20, 4))
    numbers[12:, 2] += 4
    evidence = measure_evidence(numbers)
    assert evidence[11] < np.log(20) and evidence[-1] > np.log(1e6)
    assert find_start(numbers) in (11, 12, 13)


def test_a_node_without_rows_is_no_surprise():
    random = np.random.default_rng(5)
    numbers = [measure_surprises(np.array([0, 40, 60]), np.array([0, 4, 6]), random)[0] for _ in range(400)]
    assert stats.kstest(numbers, "norm").pvalue > 0.001


def test_impossible_counts_are_a_finite_surprise():
    numbers = measure_surprises(np.array([0, 100_000, 0]), np.array([0, 0, 50_000]), np.random.default_rng(6))
    assert np.isfinite(numbers).all() and numbers[1] < -30


def test_the_first_node_separates_missing_values():
    assert describe_node(0, 5) == ([0], [1, 2, 3, 4])
    assert describe_node(1, 5) == ([1, 2], [3, 4])
