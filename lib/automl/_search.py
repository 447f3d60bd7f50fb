"""Requests and results of AutoML searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lib.metrics import Metric, Predictions
    from lib.schema.table_schema import TableSchema

# The first columns of every leaderboard; the metrics follow as "validation <name>" and "test <name>".
LEADERBOARD = ("family", "score", "fit_seconds", "done_seconds", "row_ms", "megabytes", "weight", "outcome")
# The outcome of a trial whose model was fitted.
DONE = "done"


@dataclass(frozen=True)
class SearchRequest:
    """The task and the limits of a search.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    metric : Metric
        The primary metric, by which models are compared.
    positive_class : object
        Positive class of a binary task; empty for the second class.
    seed : int
        Seed of the folds, the models and the blend.
    threads : int
        Maximum number of models that are fitted at the same time.
    budget_seconds : float
        Time limit of the whole search.
    max_trials : int
        Maximum number of models to try.
    families : tuple of str
        The allowed model families, from `FAMILIES`.
    folds : int
        Number of folds on which models are compared; 0 lets the engine choose.
    validation_fraction : float
        Share of the training rows on which models are compared instead of folds; 0 means folds.
    ensemble : bool
        Whether the result may be a blend of several models.
    max_latency_ms : float
        Maximum milliseconds to predict one row; 0 means no limit.
    memory_bytes : int
        Memory limit for all processes of the search together.
    month_first : bool
        Whether ``03/04/2005`` is March 4th, in a column where every date is as ambiguous as this one.
    schema : TableSchema or None
        How each column is read. Columns without a schema are inferred from the training rows.
    rows : DataFrame or None
        The raw training rows for a metric of the customer's own; None for other metrics.
    groups : ndarray of int, of shape (training rows,), or None
        Rows of the same group are compared together: on the same fold, or all held out, or none.
    in_time_order : ndarray of int, of shape (training rows,), or None
        Positions of the training rows, the earliest first. The latest ones are held out instead of folds.
    presets : str
        Settings of the engine, such as AutoGluon's ``best_quality``; empty for the engine's default.
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
    schema: TableSchema | None = None
    rows: pd.DataFrame | None = None
    groups: np.ndarray | None = None
    in_time_order: np.ndarray | None = None
    presets: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"


@dataclass
class Trial:
    """A model that a search has tried.

    Attributes
    ----------
    name : str
    family : str
    outcome : str
        `DONE`, or the reason why the model failed.
    validation : (ndarray of int, Predictions) or None
        Positions of training rows, and predictions for them by a model that was not fitted on them.
    test : Predictions or None
        Predictions for the test rows.
    score : float
        Primary metric on the validation rows; NaN if it is unknown.
    fit_seconds : float
        Duration of the fit.
    done_seconds : float
        Seconds from the start of the search to the end of the fit.
    row_ms : float
        Milliseconds to predict one row.
    megabytes : float
        Size of the pickled model.
    weight : float
        Weight of the model in the search's result, 0 to 1.
    hyperparameters : dict
        For a blend, the weights of its models.
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
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineResult:
    """The result of an engine.

    Attributes
    ----------
    trials : list of Trial
        All models that were tried.
    model : estimator
        The best model, fitted; takes the raw columns. It is one trial with weight 1, or a blend of several.
    best : str
        Name of the best trial, or of the blend.
    warning : str
        A limitation of the result that users should know about; empty if there is no such limitation.
    """

    trials: list[Trial]
    model: Any
    best: str
    warning: str = ""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search on a backend.

    Attributes
    ----------
    leaderboard : DataFrame
        One row per model, indexed by its name, the best first; columns `LEADERBOARD`, then metrics.
    best : str
        Name of the best model.
    seconds : float
        Duration of the search.
    model : estimator or None
        The best model, fitted; takes the raw columns. None if the search returned files.
    folder : Path or None
        The best model's files, if they cannot be loaded in this environment; else None.
    sha256 : str
        Checksum of the files in `folder`; empty without a folder.
    hyperparameters : mapping of str to dict
        Hyperparameters by name of the model.
    warning : str
        A limitation of the result that users should know about; empty if there is no such limitation.
    validation : (ndarray of int, Predictions) or None
        Positions of training rows, and the best model's predictions for them when it was not fitted on them.
    """

    leaderboard: pd.DataFrame
    best: str
    seconds: float
    model: Any = None
    folder: Path | None = None
    sha256: str = ""
    hyperparameters: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    warning: str = ""
    validation: tuple[np.ndarray, Predictions] | None = None
