"""Calibration: methods, their choice, and the decision whether a calibrator is used."""

import numpy as np
import pytest

from lib.evaluation.calibration import ISOTONIC, METHODS, TEMPERATURE, VENN_ABERS, calibrate, choose_method
from lib.evaluation.calibration_error import calibration_error
from lib.scoring.calibrators import Temperature


def drawn(rows, class_count, power, seed):
    """Return probabilities that are distorted by a power, the true ones, and codes drawn from the true ones."""
    random = np.random.default_rng(seed)
    true = random.dirichlet(np.full(class_count, 0.7), rows)
    codes = (true.cumsum(axis=1) < random.random(rows)[:, None]).sum(axis=1).clip(0, class_count - 1)
    return Temperature(power)(true), true, codes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("class_count", [2, 4])
@pytest.mark.parametrize("power", [3.0, 0.4])
def test_distorted_probabilities_are_repaired(method, class_count, power):
    probabilities, _, codes = drawn(2_000, class_count, power, seed=1)
    result = calibrate(probabilities, codes, method)
    fresh, _, fresh_codes = drawn(20_000, class_count, power, seed=2)
    calibrated = result.calibrator(fresh)
    assert np.allclose(calibrated.sum(axis=1), 1) and (calibrated > 0).all()
    assert calibration_error(calibrated, fresh_codes) < 0.4 * calibration_error(fresh, fresh_codes)
    assert result.error_after < 0.5 * result.error_before


@pytest.mark.parametrize("method", METHODS)
def test_good_probabilities_are_rarely_changed_and_never_spoilt(method):
    used, losses = 0, []
    for seed in range(20):
        _, probabilities, codes = drawn(500, 2, 1.0, seed)
        result = calibrate(probabilities, codes, method, seed)
        used += result.calibrator is not None
        if result.calibrator is not None:
            fresh, _, fresh_codes = drawn(20_000, 2, 1.0, 100 + seed)
            losses.append(calibration_error(result.calibrator(fresh), fresh_codes))
    assert used <= 8 and max(losses, default=0) < 0.06


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_is_kept(method):
    probabilities, _, codes = drawn(800, 2, 3.0, seed=3)
    calibrator = calibrate(probabilities, codes, method).calibrator
    positives = np.linspace(0, 1, 2_001)[1:-1]
    calibrated = calibrator(np.column_stack([1 - positives, positives]))[:, 1]
    assert (np.diff(calibrated) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_certain_predictions_become_uncertain(method):
    random = np.random.default_rng(0)
    codes = random.integers(0, 2, 600)
    says_second = np.where(random.random(600) < 0.9, codes, 1 - codes).astype(float)
    result = calibrate(np.column_stack([1 - says_second, says_second]), codes, method)
    calibrated = result.calibrator(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert calibrated[:, 1] == pytest.approx([0.1, 0.9], abs=0.04)


@pytest.mark.parametrize(
    ("rarest", "class_count", "method"),
    [(1_000, 2, ISOTONIC), (999, 2, VENN_ABERS), (299, 2, TEMPERATURE), (1_000, 5, ISOTONIC), (999, 5, TEMPERATURE)],
)
def test_method_depends_on_the_rarest_class(rarest, class_count, method):
    codes = np.concatenate([np.zeros(5_000, dtype=int), *[np.full(rarest, code) for code in range(1, class_count)]])
    assert choose_method(codes, class_count) == method


def test_single_rows_get_the_probabilities_of_a_table():
    for class_count in (2, 3):
        probabilities, _, codes = drawn(1_000, class_count, 3.0, seed=4)
        for method in METHODS:
            calibrator = calibrate(probabilities, codes, method).calibrator
            rows = [calibrator(probabilities[row : row + 1])[0] for row in range(50)]
            assert np.array_equal(calibrator(np.asfortranarray(probabilities))[:50], rows)
