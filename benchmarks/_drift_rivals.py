"""The default drift tests of Evidently and NannyML, computed from the counts of cells.

Evidently 0.7 compares each column with the reference. Up to 1,000 reference rows, numbers get the Kolmogorov-Smirnov
test and categories the chi-squared test, at p < .05 each; above, numbers get the Wasserstein distance in standard
deviations and categories the Jensen-Shannon distance, with an alarm from 0.1 on. A table has drifted if half of its
columns have (https://docs.evidentlyai.com/metrics/customize_data_drift). NannyML 0.13 alarms where the Jensen-Shannon
distance of a column is above 0.1. Neither corrects for the number of columns or of looks. On cells, the distances and
the Kolmogorov-Smirnov test alarm less often than on single values.
"""

import numpy as np
from scipy import special, stats

_MAX_ROWS_OF_TESTS = 1_000
_P_VALUE = 0.05
_DISTANCE = 0.1


def evidently_alarms(is_number, reference, windows):
    """Return whether Evidently's default test of a column alarms, as an array of shape (windows,).

    Parameters
    ----------
    is_number : bool
    reference : ndarray of int, of shape (cells,)
    windows : ndarray of int, of shape (windows, cells)
    """
    if reference.sum() > _MAX_ROWS_OF_TESTS:
        return (_wasserstein if is_number else jensen_shannon)(reference, windows) >= _DISTANCE
    return (_kolmogorov_smirnov if is_number else chi_squared)(reference, windows) < _P_VALUE


def nannyml_alarms(reference, windows):
    """Return whether NannyML's default test of a column alarms, as an array of shape (windows,)."""
    return jensen_shannon(reference, windows) > _DISTANCE


def chi_squared(reference, windows):
    """Return the p-values of chi-squared tests of two samples, as an array of shape (windows,)."""
    rows, reference_rows = windows.sum(axis=1, keepdims=True), reference.sum()
    together = (windows + reference) / (rows + reference_rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (windows - rows * together) ** 2 / (rows * together)
        parts += (reference - reference_rows * together) ** 2 / (reference_rows * together)
    degrees = np.maximum(1, (together > 0).sum(axis=1) - 1)
    return stats.chi2.sf(np.nansum(parts, axis=1), degrees)


def jensen_shannon(reference, windows):
    """Return Jensen-Shannon distances to base 2, as an array of shape (windows,)."""
    before, now = reference / reference.sum(), windows / windows.sum(axis=1, keepdims=True)
    middle = (before + now) / 2
    divergence = special.rel_entr(before, middle).sum(axis=1) + special.rel_entr(now, middle).sum(axis=1)
    return np.sqrt(np.maximum(divergence, 0) / 2 / np.log(2))


def _kolmogorov_smirnov(reference, windows):
    """Return asymptotic p-values; the first cell, missing values, does not count."""
    reference, windows = reference[1:], windows[:, 1:]
    rows, reference_rows = windows.sum(axis=1), reference.sum()
    distances = np.abs(_cumulate(windows) - _cumulate(reference)).max(axis=1)
    return stats.kstwobign.sf(np.sqrt(rows * reference_rows / (rows + reference_rows)) * distances)


def _wasserstein(reference, windows):
    """Return Wasserstein distances in standard deviations of the reference, with cells of equal width."""
    reference, windows = reference[1:], windows[:, 1:]
    positions = np.arange(len(reference))
    deviation = np.sqrt(np.cov(positions, fweights=reference))
    return np.abs(_cumulate(windows) - _cumulate(reference)).sum(axis=1) / max(deviation, 1e-9)


def _cumulate(counts):
    return np.cumsum(counts, axis=-1) / counts.sum(axis=-1, keepdims=True)
