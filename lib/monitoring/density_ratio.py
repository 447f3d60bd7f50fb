"""The density ratio: how much more frequent each kind of row is in a window than in the reference.

A classifier tells rows of the window from rows of the reference. Its odds, times the ratio of the numbers of rows, are
the density ratio (Bickel, Brückner & Scheffer, "Discriminative learning for differing training and test distributions",
ICML 2007). Each reference row is judged by a classifier that has not seen it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MAX_WEIGHT = 20.0
_FOLDS = 2


@dataclass(frozen=True)
class DensityRatio:
    """Weights of the reference rows with which they resemble a window.

    Attributes
    ----------
    weights : ndarray of float, of shape (rows,)
        With mean 1.
    trust : float
        How far the weighted rows can stand for the window, from 0 to 1: 0 if the effective number of rows (Kish) is at
        most half of their number, because the reference then has too few rows like those of the window.
    """

    weights: np.ndarray
    trust: float


def estimate_density_ratio(
    reference: np.ndarray, window: np.ndarray, is_category: list[bool], seed: int
) -> DensityRatio:
    """Return the density ratio of each reference row.

    Parameters
    ----------
    reference, window : ndarray of float, of shape (rows, columns)
    is_category : list of bool
        Whether each column has categories.
    seed : int
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rows = np.vstack([reference, window])
    is_window = np.repeat([0, 1], [len(reference), len(window)])
    classifier = HistGradientBoostingClassifier(
        max_iter=40,
        max_leaf_nodes=8,
        min_samples_leaf=max(2, min(50, len(rows) // 20)),
        l2_regularization=5,
        early_stopping=False,
        categorical_features=is_category,
        random_state=seed,
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    shares = cross_val_predict(classifier, rows, is_window, cv=folds, method="predict_proba")[: len(reference), 1]
    shares = np.clip(shares, 1e-9, 1 - 1e-9)
    weights = np.minimum(shares / (1 - shares) * len(reference) / len(window), _MAX_WEIGHT)
    weights /= weights.mean()
    effective_share = weights.sum() ** 2 / (weights**2).sum() / len(weights)
    return DensityRatio(weights, float(np.clip(2 * effective_share - 1, 0, 1)))
