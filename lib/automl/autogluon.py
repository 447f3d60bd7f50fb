"""AutoGluon: many models and a weighted ensemble of them.

Erickson et al.: AutoGluon-Tabular: robust and accurate AutoML for structured data. 2020. https://auto.gluon.ai
"""

from __future__ import annotations

import functools
import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from lib.automl import DONE, EngineResult, SearchRequest, Trial

if TYPE_CHECKING:
    from lib.automl.trials.isolated_search import EncodedTable

# AutoGluon's names of the model families, in the order in which it tries them.
_AUTOGLUON_FAMILIES = {
    "lightgbm": "GBM",
    "catboost": "CAT",
    "xgboost": "XGB",
    "random_forest": "RF",
    "extra_trees": "XT",
    "linear": "LR",
    "neighbours": "KNN",
}
# AutoGluon's names of the metrics that it names differently or does not have.
_AUTOGLUON_METRICS = {
    "average_precision_macro": "log_loss",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
}
_TARGET = "target"
# Share of the time that AutoGluon is told: afterwards it still finishes a model, builds the ensemble and saves it.
_TIME_SHARE = 0.7


def search(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, report: Callable[[str], None]
) -> EngineResult:
    """Let AutoGluon fit models until the time is up.

    Parameters
    ----------
    X, X_test : pandas.DataFrame
        Raw columns of the training rows and of the test rows.
    y : pandas.Series
        Target of the training rows.
    request : SearchRequest
    report : callable
        Receives progress lines.

    Returns
    -------
    EngineResult

    Raises
    ------
    StageError
        If AutoGluon fails.
    """
    from lib.automl.trials import isolated_search

    return isolated_search.search(__name__, X, y, X_test, request, report)


def search_encoded(
    table: EncodedTable, request: SearchRequest, deadline: float, folder: Path
) -> tuple[list[Trial], Any, str]:
    """Search on encoded features; `lib.automl.trials.isolated_search` calls this in the process of the search.

    Parameters
    ----------
    table : EncodedTable
        Features and labels.
    request : SearchRequest
    deadline : float
        On the clock of `time.monotonic`.
    folder : Path
        An empty folder for files.

    Returns
    -------
    trials : list of Trial
    model : estimator
        The best model; takes features.
    best : str
        Name of the best model.
    """
    train = name_features(table.features, table.categories).assign(**{_TARGET: table.labels})
    validation_rows = np.arange(len(train))
    fit_started = time.monotonic()
    if request.folds:
        predictor = _fit_predictor(train, None, request, deadline, folder)
    else:
        from lib.automl.trials.folds import HELD_OUT, HELD_OUT_SHARE, hold_out

        share = request.validation_fraction or HELD_OUT_SHARE
        is_held_out = hold_out(table.labels, share, request) == HELD_OUT
        validation_rows = validation_rows[is_held_out]
        predictor = _fit_predictor(train[~is_held_out], train[is_held_out], request, deadline, folder)
    validation = None if request.folds else train.loc[validation_rows].drop(columns=_TARGET)
    trials = _make_trials(predictor, table, validation, validation_rows, request)
    _set_done_seconds(trials, fit_started - table.started)
    best = predictor.model_best
    next(trial for trial in trials if trial.name == best).weight = 1.0
    archive = _pack_predictor(predictor, best, folder)
    if table.classes is None:
        return trials, AutoGluonRegressor(archive, table.categories), best
    return trials, AutoGluonClassifier(archive, table.categories, table.classes), best


def _fit_predictor(
    train: pd.DataFrame, validation: pd.DataFrame | None, request: SearchRequest, deadline: float, folder: Path
) -> Any:
    """Fit AutoGluon's predictor, with folds if there are no validation rows."""
    from autogluon.tabular import TabularPredictor

    options: dict[str, Any] = {"num_bag_folds": request.folds, "num_stack_levels": 0}
    if validation is not None:
        options = {"tuning_data": validation}
    if request.max_latency_ms:
        options |= {"infer_limit": request.max_latency_ms / 1000, "infer_limit_batch_size": 1}
    predictor = TabularPredictor(
        label=_TARGET,
        problem_type=request.task,
        eval_metric=_AUTOGLUON_METRICS.get(request.metric.name, request.metric.name),
        path=str(folder / "autogluon"),
        verbosity=0,
        learner_kwargs={"random_state": request.seed},
    )
    return predictor.fit(
        train,
        time_limit=_TIME_SHARE * (deadline - time.monotonic()),
        hyperparameters=_choose_hyperparameters(request),
        fit_weighted_ensemble=request.ensemble,
        num_cpus=request.threads,
        raise_on_no_models_fitted=True,
        **options,
    )


def _make_trials(
    predictor: Any,
    table: EncodedTable,
    validation: pd.DataFrame | None,
    validation_rows: np.ndarray,
    request: SearchRequest,
) -> list[Trial]:
    """Return a trial for each model of the predictor, failed ones last."""
    from lib.automl.trials.blend import make_predictions
    from lib.automl.trials.latency import measure_row_ms

    def predict_outputs(name: str, features: pd.DataFrame) -> np.ndarray:
        if table.classes is None:
            return predictor.predict(features, model=name).to_numpy()[:, None]
        return predictor.predict_proba(features, model=name).reindex(columns=range(len(table.classes))).to_numpy()

    def predict(name: str, features: pd.DataFrame) -> Any:
        return make_predictions(predict_outputs(name, features), table.classes, table.positive_class)

    test = name_features(table.test_features, table.categories)
    file_sizes = predictor.disk_usage_per_file()
    leaderboard = predictor.leaderboard(display=False).sort_values("fit_order")
    trials = []
    for row in leaderboard.itertuples():
        name = row.model
        trial = Trial(name, _find_family(predictor, name))
        trial.fit_seconds = row.fit_time_marginal
        trial.score = row.score_val if request.metric.greater_is_better else abs(row.score_val)
        if validation is not None:
            trial.validation = validation_rows, predict(name, validation)
        trial.test = predict(name, test)
        trial.row_ms = measure_row_ms(functools.partial(predict_outputs, name, test.head(1)))
        trial.megabytes = file_sizes[[f"/{name}/" in path for path in file_sizes.index]].sum() / 1e6
        trials.append(trial)
    for row in predictor.model_failures().itertuples():
        trials.append(Trial(row.model, "failed", outcome=f"{row.exc_type}: {row.exc_str}"))
    return trials


def _set_done_seconds(trials: list[Trial], seconds: float) -> None:
    """Add up the fits from a start on: AutoGluon reports only how long each one took."""
    for trial in trials:
        if trial.outcome == DONE:
            seconds += trial.fit_seconds
            trial.done_seconds = seconds


class AutoGluonModel(BaseEstimator):
    """An AutoGluon predictor, stored as an archive of its folder and unpacked on first use.

    Parameters
    ----------
    archive : bytes
        The folder as a ZIP file.
    categories : list of int
        Positions of the categories among the features.
    """

    def __init__(self, archive: bytes, categories: list[int]):
        self.archive = archive
        self.categories = categories

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_predictor"}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> AutoGluonModel:
        """Do nothing: the predictor is fitted already."""
        return self

    @property
    def predictor(self) -> Any:
        """The predictor, in memory."""
        if not hasattr(self, "_predictor"):
            from autogluon.tabular import TabularPredictor

            with tempfile.TemporaryDirectory(prefix="millrace-automl-") as folder:
                zipfile.ZipFile(io.BytesIO(self.archive)).extractall(folder)
                predictor = TabularPredictor.load(folder, verbosity=0)
                predictor.persist()
            self._predictor = predictor
        return self._predictor


class AutoGluonClassifier(ClassifierMixin, AutoGluonModel):
    """An AutoGluon predictor of classes.

    Parameters
    ----------
    archive : bytes
    categories : list of int
    classes : numpy.ndarray
        All classes.
    """

    def __init__(self, archive: bytes, categories: list[int], classes: np.ndarray):
        super().__init__(archive, categories)
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities of shape (rows, classes)."""
        frame = self.predictor.predict_proba(name_features(features, self.categories))
        probabilities = frame.reindex(columns=range(len(self.classes))).to_numpy(dtype=float)
        probabilities = np.nan_to_num(probabilities)  # AutoGluon drops classes with too few rows
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the most likely class of each row."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


class AutoGluonRegressor(RegressorMixin, AutoGluonModel):
    """An AutoGluon predictor of numbers."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return predictions of shape (rows,)."""
        return self.predictor.predict(name_features(features, self.categories)).to_numpy(dtype=float)


def name_features(features: np.ndarray, categories: list[int]) -> pd.DataFrame:
    """Return features as a DataFrame with column names and categorical columns.

    Examples
    --------
    >>> name_features(np.array([[0.5, 2.0], [0.25, np.nan]]), categories=[1])
         f0   f1
    0  0.50   l2
    1  0.25  NaN
    """
    frame = pd.DataFrame(features, columns=[f"f{position}" for position in range(features.shape[1])])
    for position in categories:
        column = f"f{position}"
        frame[column] = frame[column].map("l{:.0f}".format, na_action="ignore").astype("category")
    return frame


def _pack_predictor(predictor: Any, best: str, folder: Path) -> bytes:
    """Return a ZIP file of what the best model needs to predict."""
    slim = Path(predictor.clone_for_deployment(str(folder / "deployment"), model=best))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(slim.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(slim))
    return buffer.getvalue()


def _choose_hyperparameters(request: SearchRequest) -> dict[str, Any]:
    """Return AutoGluon's default configurations of the allowed families, at most ``max_trials``."""
    from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config

    defaults = {"LR": {}, "KNN": {}, **get_hyperparameter_config("default")}
    chosen: dict[str, Any] = {}
    remaining = request.max_trials
    for family, key in _AUTOGLUON_FAMILIES.items():
        if family in request.families and remaining > 0:
            configurations = defaults[key] if isinstance(defaults[key], list) else [defaults[key]]
            chosen[key] = configurations[:remaining]
            remaining -= len(chosen[key])
    if not chosen:
        raise ValueError(f"AutoGluon has none of the allowed families {', '.join(request.families)}; allow more")
    return chosen


def _find_family(predictor: Any, name: str) -> str:
    """Return the family of a model, or ``"blend"`` for an ensemble."""
    key = predictor._trainer.get_model_attribute(model=name, attribute="type").ag_key
    family_by_key = {key: family for family, key in _AUTOGLUON_FAMILIES.items()}
    return family_by_key.get(key, "blend")
