"""What the decisions of a binary model are worth: outcomes and costs, gains, and net benefit.

References
----------
Vickers and Elkin (2006), Decision curve analysis: a novel method for evaluating prediction models. Medical Decision
Making 26(6).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.evaluation.thresholds import BinaryRows, compute_curve

# Shares of the rows with the highest probabilities, in a gains table.
GAIN_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
NOBODY, EVERYBODY = "call nobody", "call everybody"
_CURVE_POINTS = 200
_MIN_CURVE_THRESHOLD = 0.01


def count_outcomes(rows: BinaryRows, is_called: np.ndarray) -> dict[str, float]:
    """Return the outcomes of the decisions for some rows, and their cost.

    Parameters
    ----------
    rows : BinaryRows
    is_called : ndarray of bool, shape (rows,)
        Whether the positive class is predicted.

    Returns
    -------
    dict of str to float
        Weights of the rows that are ``called``, ``found`` (called and positive), ``missed`` (positive and not called)
        and ``false alarms`` (called and not positive), and the ``cost`` of all rows.
    """
    weights, is_positive = rows.weights, rows.is_positive
    return {
        "called": float(weights[is_called].sum()),
        "found": float(weights[is_called & is_positive].sum()),
        "missed": float(weights[~is_called & is_positive].sum()),
        "false alarms": float(weights[is_called & ~is_positive].sum()),
        "cost": float((weights * np.where(is_called, rows.cost_if_called, rows.cost_if_not)).sum()),
    }


def make_outcome_table(rows_by_model: Mapping[str, BinaryRows], is_called: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the outcomes of each model's decisions, and those of calling nobody and of calling everybody.

    Parameters
    ----------
    rows_by_model : mapping of str to BinaryRows
        The test rows with the probabilities of each model.
    is_called : mapping of str to ndarray of bool
        Whether each model predicts the positive class in a row.

    Returns
    -------
    DataFrame
        A row per model, then the two trivial decisions; columns as in `count_outcomes`.
    """
    first = next(iter(rows_by_model.values()))
    outcomes = {name: count_outcomes(rows, is_called[name]) for name, rows in rows_by_model.items()}
    outcomes[NOBODY] = count_outcomes(first, np.zeros(len(first.weights), dtype=bool))
    outcomes[EVERYBODY] = count_outcomes(first, np.ones(len(first.weights), dtype=bool))
    return pd.DataFrame.from_dict(outcomes, orient="index").rename_axis("decisions of")


def make_gains_table(rows: BinaryRows) -> pd.DataFrame:
    """Return how many positive rows are among the rows with the highest probabilities.

    Of rows with equal probabilities at the boundary, the expected number is counted.

    Parameters
    ----------
    rows : BinaryRows

    Returns
    -------
    DataFrame
        A row per share of `GAIN_SHARES`: ``rows``, the positive rows ``found`` among them, the number that ``guessing``
        would find, and the shares ``recall`` and ``precision``.

    Examples
    --------
    >>> is_positive = np.arange(20) < 4
    >>> rows = BinaryRows(is_positive, np.linspace(0.9, 0.1, 20), *np.ones((3, 20)))
    >>> make_gains_table(rows).loc["top 10 %"].tolist()
    [2.0, 2.0, 0.4, 0.5, 1.0]
    """
    curve = compute_curve(rows)
    total = curve.called[-1]
    called = np.array(GAIN_SHARES) * total
    found = np.interp(called, curve.called, curve.true_positives)
    return pd.DataFrame(
        {
            "rows": called,
            "found": found,
            "guessing": called * curve.positives / total,
            "recall": found / curve.positives,
            "precision": found / called,
        },
        index=pd.Index([f"top {share:.0%}".replace("%", " %") for share in GAIN_SHARES], name="highest probabilities"),
    )


def compute_net_benefit(rows: BinaryRows, thresholds: np.ndarray) -> np.ndarray:
    """Return the net benefit of calling the rows whose probability reaches each threshold.

    It is the share of true positives minus the share of false positives, which count ``threshold / (1 - threshold)``:
    whoever acts from a probability of 10 % on accepts 9 false alarms for each positive row found.

    Parameters
    ----------
    rows : BinaryRows
    thresholds : ndarray of shape (thresholds,)
        Probabilities between 0 and 1, both excluded.

    Returns
    -------
    ndarray of shape (thresholds,)
    """
    total = rows.weights.sum()
    is_called = rows.probabilities[None, :] >= thresholds[:, None]
    true_positives = is_called @ (rows.weights * rows.is_positive) / total
    false_positives = is_called @ (rows.weights * ~rows.is_positive) / total
    return true_positives - false_positives * thresholds / (1 - thresholds)


def make_decision_curve(rows: BinaryRows, highlighted: float | None = None) -> pd.DataFrame:
    """Return the net benefit of a model, of calling everybody and of calling nobody, by threshold.

    Parameters
    ----------
    rows : BinaryRows
    highlighted : float, optional
        A threshold that the curve includes.

    Returns
    -------
    DataFrame
        A column for each of the three, indexed by threshold.
    """
    share = float(np.average(rows.is_positive, weights=rows.weights))
    end = min(0.99, max(3 * share, 1.5 * (highlighted or 0), 0.1))
    thresholds = np.linspace(min(_MIN_CURVE_THRESHOLD, share / 2), end, _CURVE_POINTS)
    return pd.DataFrame(
        {
            "model": compute_net_benefit(rows, thresholds),
            EVERYBODY: share - (1 - share) * thresholds / (1 - thresholds),
            NOBODY: 0.0,
        },
        index=pd.Index(thresholds, name="threshold"),
    )
