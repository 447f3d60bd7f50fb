"""Training functions: one file each, and this folder is their catalogue.

A training function is a module here with a function ``train``::

    def train(X, y, request, *, some_hyperparameter=100):
        ...
        return pipeline        # a fitted sklearn.pipeline.Pipeline that takes the raw columns

Its hyperparameters are the keyword-only arguments, and can be set under ``hyperparameters:`` in the
parameters. What the functions share, the encoding of raw columns, is in ``features/``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib import catalogue

if TYPE_CHECKING:
    from lib.metrics import Metric


@dataclass(frozen=True)
class TrainingRequest:
    """What a training function is asked for.

    Attributes
    ----------
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    metric : Metric
        The primary metric, for functions that tune or stop early by it.
    seed : int
        Makes the result repeatable.
    threads : int
        How many threads the fit may use, at least 1.
    month_first : bool
        Whether ``03/04/2005`` is the fourth of March, in a column where no row tells day from month.
    """

    task: str
    metric: Metric
    seed: int
    threads: int
    month_first: bool = False

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"


def available() -> list[str]:
    """Names of the training functions there are."""
    return catalogue.names(__name__)


def get(name: str) -> Callable:
    """Training function of that name.

    Raises
    ------
    NameNotFound
        With the nearest name, where there is none.
    """
    return catalogue.load(__name__, name, kind="training function").train
