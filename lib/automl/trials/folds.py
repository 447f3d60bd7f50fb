"""Which rows a model is compared on: folds, or a part that is held out."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, StratifiedShuffleSplit

from lib.automl import SearchRequest

# Folds let each row be learnt from and be predicted unseen; where there is no time for three, some rows are held out.
_USUAL_FOLDS, _FEWEST_FOLDS, HELD_OUT = 5, 3, 0.12
# On a small table a model of more of the rows is worth more than another model.
_MOST_FOLDS, _AFFORDABLE_FOR_MOST = 8, 40
# What the first and best configurations take together for a feature of a row, and class, in each fold.
_SECONDS_A_CELL = 4.5e-5


def of_rows(labels: np.ndarray, features: int, core_seconds: float, request: SearchRequest) -> np.ndarray:
    """Fold of each row; -1 for rows that all models learn from, where one part is held out.

    Parameters
    ----------
    labels : ndarray of shape (rows,)
        Numbers of the classes, or a regression's target.
    features : int
    core_seconds : float
        Of one core, that all models together may take.
    request : SearchRequest
    """
    count = request.folds
    if not count and not request.validation_fraction:
        classes = labels.max() + 1 if request.task == "multiclass" else 1
        affordable = core_seconds / (_SECONDS_A_CELL * len(labels) * features * classes)
        count = _MOST_FOLDS if affordable > _AFFORDABLE_FOR_MOST else min(_USUAL_FOLDS, int(affordable))
        count = count if count >= _FEWEST_FOLDS else 0
    # No class has to be in each fold, but one has.
    count = min(count, np.bincount(labels).max() if request.is_classification else len(labels))
    if count < 2:
        return held_out(labels, request.validation_fraction or HELD_OUT, request)
    splitter = (StratifiedKFold if request.is_classification else KFold)(count, shuffle=True, random_state=request.seed)
    found = np.full(len(labels), -1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        for number, (_, fold) in enumerate(splitter.split(found, labels)):
            found[fold] = number
    return found


def held_out(labels: np.ndarray, share: float, request: SearchRequest) -> np.ndarray:
    """0 for rows that are held out, of each class its share where that can be; -1 for the others."""
    found = np.full(len(labels), -1)
    count = max(1, round(share * len(labels)))
    chosen = np.random.default_rng(request.seed).permutation(len(labels))[:count]
    if request.is_classification and np.bincount(labels).min() > 1 and count > labels.max():
        splitter = StratifiedShuffleSplit(1, test_size=count, random_state=request.seed)
        chosen = next(splitter.split(found, labels))[1]
    found[chosen] = 0
    return found
