"""What a score means in words: how many cases a model finds, and how many guessing would find."""

from __future__ import annotations

import numpy as np

from lib.metrics import Predictions

_CALLED_SHARE = 0.1


def describe_in_words(truth: np.ndarray, predictions: Predictions, no_skill: Predictions, target: str) -> str:
    """Return a sentence about a model's predictions for the test rows, beside those of a no-skill model.

    Parameters
    ----------
    truth : ndarray of shape (rows,)
        True classes or values.
    predictions, no_skill : Predictions
        Predictions of the model and of the no-skill model for these rows.
    target : str
        Name of the target.

    Examples
    --------
    >>> scores = np.linspace(0, 1, 20)
    >>> truth = np.where(scores > 0.8, "yes", "no")
    >>> classes = np.array(["no", "yes"])
    >>> model = Predictions(truth, np.column_stack([1 - scores, scores]), classes, "yes")
    >>> describe_in_words(truth, model, model, "churn")
    'It finds 2 of 4 rows with churn = yes among the 10 % called first; guessing would find 0.4.'
    """
    rows = len(truth)
    if predictions.probabilities is None:
        errors, guesses = (np.abs(each.labels - truth.astype(float)) for each in (predictions, no_skill))
        return (
            f"Its mean absolute error in {target} is {errors.mean():.4g}; the same guess for every row, "
            f"{no_skill.labels[0]:.4g}, is off by {guesses.mean():.4g}."
        )
    if predictions.positive_class is None:
        right, guessed = (int((each.labels == truth).sum()) for each in (predictions, no_skill))
        return (
            f"It names the right class of {target} in {right:,} of {rows:,} rows; always saying "
            f"{no_skill.labels[0]} would be right in {guessed:,}."
        )
    called_count = max(1, round(rows * _CALLED_SHARE))
    called = np.argsort(-predictions.positive_probability, kind="stable")[:called_count]
    is_positive = truth == predictions.positive_class
    guessed_count = is_positive.sum() * called_count / rows
    guessed_text = f"{guessed_count:,.0f}" if guessed_count >= 1 else f"{guessed_count:.1g}"
    return (
        f"It finds {int(is_positive[called].sum()):,} of {int(is_positive.sum()):,} rows with {target} = "
        f"{predictions.positive_class} among the {_CALLED_SHARE * 100:.0f} % called first; guessing would find "
        f"{guessed_text}."
    )
