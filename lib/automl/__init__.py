"""Automated machine learning: what a search is asked for, what it finds, and a catalogue of engines.

An engine is a module here with a function ``search``::

    def search(X, y, X_test, request, report):
        ...
        return Result(trials, model, best)

It tries models within ``request.budget_seconds``, by its own means, and never sees the test rows' target. What the
engines share, models in processes of their own and their blend, is in ``trials/``. A backend turns a result into a
leaderboard, or searches somewhere else altogether; both end in `SearchResult`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import catalogue

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lib.metrics import Metric, Predictions
    from lib.parameters import Parameters

# Columns of every leaderboard; behind them stand the metrics, "validation <name>" and "test <name>".
LEADERBOARD = ("family", "score", "fit_seconds", "done_seconds", "row_ms", "megabytes", "weight", "outcome")
DONE = "done"
FAMILIES = (
    "linear",
    "random_forest",
    "extra_trees",
    "gradient_boosting",
    "xgboost",
    "lightgbm",
    "catboost",
    "neighbours",
    "neural_network",
)
_PACKAGES = ("autogluon", "flaml", "lightgbm", "catboost")


@dataclass(frozen=True)
class SearchRequest:
    """What an engine is asked for.

    Attributes
    ----------
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    metric : Metric
        Decides between models.
    positive_class : object
        Of a binary task; empty for the second.
    seed, threads : int
    budget_seconds : float
        For everything, from the first model to the one that is returned.
    max_trials : int
    families : tuple of str
        Those that may be tried, of `FAMILIES`.
    folds : int
        To compare models on; 0: the engine chooses.
    validation_fraction : float
        Share of the training rows to compare models on in place of folds; 0: folds.
    ensemble : bool
        Whether several models may be blended.
    max_latency_ms : float
        What one row may take; 0: as long as it takes.
    memory_bytes : int
        What the processes of the search may take together.
    month_first : bool
        Of dates in which no row tells day from month.
    """

    task: str
    metric: Metric
    positive_class: Any
    seed: int
    threads: int
    budget_seconds: float
    max_trials: int
    families: tuple[str, ...]
    folds: int
    validation_fraction: float
    ensemble: bool
    max_latency_ms: float
    memory_bytes: int
    month_first: bool = False

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"


@dataclass
class Trial:
    """One model that was tried.

    Attributes
    ----------
    name, family : str
    outcome : str
        `DONE`, or why there is no such model.
    validation : (ndarray of int, Predictions) or None
        Places of training rows, and what a model that had not seen them says of them.
    test : Predictions or None
        What it says of the test rows.
    score : float
        By the primary metric, on validation rows; where the engine tells no more than that.
    fit_seconds, done_seconds : float
        What its fit took, and when it was done, counted from the start of the search.
    row_ms, megabytes : float
        What one row takes, and the size on disk.
    weight : float
        Its share in the model that is returned.
    settings : dict
        Its hyperparameters.
    """

    name: str
    family: str
    outcome: str = DONE
    validation: tuple[np.ndarray, Predictions] | None = None
    test: Predictions | None = None
    score: float = float("nan")
    fit_seconds: float = float("nan")
    done_seconds: float = float("nan")
    row_ms: float = float("nan")
    megabytes: float = float("nan")
    weight: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What an engine returns.

    Attributes
    ----------
    trials : list of Trial
        All that were tried; the model that is returned is one of them, its weight 1, or a blend of some.
    model : estimator
        Takes the raw columns.
    best : str
        Name of the model: that of a trial, or of a blend.
    warning : str
        What a person should know of the search; else empty.
    """

    trials: list[Trial]
    model: Any
    best: str
    warning: str = ""


@dataclass(frozen=True)
class SearchResult:
    """What a search on a backend found.

    Attributes
    ----------
    leaderboard : DataFrame
        A row for each model by its name, the best first; columns `LEADERBOARD`, then metrics.
    best : str
        Name of the best, which is a row of the leaderboard.
    seconds : float
        What the search took.
    model : estimator or None
        The best one, fitted; takes the raw columns. None where it came as files.
    folder : Path or None
        Its files, with a signature, where nothing here may open them; `sha256` is theirs.
    settings : mapping
        Hyperparameters by name of the model.
    warning : str
    """

    leaderboard: pd.DataFrame
    best: str
    seconds: float
    model: Any = None
    folder: Path | None = None
    sha256: str = ""
    settings: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    warning: str = ""


def available() -> list[str]:
    """Names of the engines there are."""
    return catalogue.names(__name__)


def get(name: str) -> Callable[..., Result]:
    """Engine of a name.

    Raises
    ------
    NameNotFound
        With the nearest name, where there is none.
    """
    return catalogue.load(__name__, name, kind="automl_engine").search


def allowed_families(parameters: Parameters) -> tuple[str, ...]:
    """Families that are allowed and not blocked."""
    allowed = parameters.allowed_models or FAMILIES
    return tuple(name for name in FAMILIES if name in allowed and name not in parameters.blocked_models)


def faults(parameters: Parameters) -> list[str]:
    """What makes a search on this machine impossible: a sentence each. Nothing heavy is imported."""
    from lib.errors import suggest

    found = []
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        found.append(f'automl: its packages are not installed ({", ".join(missing)}): make install GROUPS="automl"')
    if parameters.automl_engine not in available():
        found.append(
            f"automl_engine: there is no {parameters.automl_engine!r}. {suggest(parameters.automl_engine, available())}"
        )
    if parameters.get("engine") == "dask":
        found.append("engine: AutoML learns in memory. Set it to memory, or automl to false.")
    return found + search_faults(parameters)


def search_faults(parameters: Parameters) -> list[str]:
    """What makes a search impossible wherever it runs: a sentence each."""
    from lib.errors import suggest

    found = []
    for name in ("allowed_models", "blocked_models"):
        for one in parameters[name]:
            if one not in FAMILIES:
                found.append(f"{name}: there is no family of models {one!r}. {suggest(one, FAMILIES)}")
    if not allowed_families(parameters):
        found.append("blocked_models: no family of models is left to try. Block fewer, or allow others.")
    if parameters.n_cross_validations == 1:
        found.append("n_cross_validations: one fold leaves no rows to learn from. Give 2 or more, or 0 for a choice.")
    if parameters.n_cross_validations and parameters.validation_fraction:
        found.append("validation_fraction: models are compared on folds or on held-out rows; set one of the two to 0.")
    return found
