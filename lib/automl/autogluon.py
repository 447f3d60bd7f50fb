"""AutoGluon: many models and a weighted ensemble of them.

Erickson et al.: AutoGluon-Tabular: robust and accurate AutoML for structured data. 2020. https://auto.gluon.ai
"""

from __future__ import annotations

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

from lib.automl import Result, SearchRequest, Trial

if TYPE_CHECKING:
    from lib.automl.trials.isolated_search import Encoded

_NAMES = {
    "linear": "LR",
    "random_forest": "RF",
    "extra_trees": "XT",
    "xgboost": "XGB",
    "lightgbm": "GBM",
    "catboost": "CAT",
    "neighbours": "KNN",
}
_METRICS = {
    "precision_macro": "precision_macro",
    "roc_auc_ovr_macro": "roc_auc_ovr_macro",
    "average_precision_macro": "log_loss",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
}
_TARGET = "target"
# It ends the model it is at, builds the ensemble and saves it.
_SHARE = 0.7


def search(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, say: Callable[[str], None]
) -> Result:
    """Fit its models until the time is up.

    Raises
    ------
    StageError
        Where AutoGluon fails.
    """
    from lib.automl.trials import isolated_search

    return isolated_search.search(__name__, X, y, X_test, request, say)


def inside(table: Encoded, request: SearchRequest, until: float, folder: Path) -> tuple[list[Trial], Any, str]:
    """What `lib.automl.trials.isolated_search` calls in the process of the search."""
    from autogluon.tabular import TabularPredictor

    from lib.automl.trials.blend import predictions
    from lib.automl.trials.folds import HELD_OUT, held_out
    from lib.automl.trials.latency import row_milliseconds

    frame = named(table.F, table.categories).assign(**{_TARGET: table.labels})
    test = named(table.F_test, table.categories)
    rows, given = np.arange(len(frame)), {"num_bag_folds": request.folds, "num_stack_levels": 0}
    learnt = frame
    if not request.folds:
        unseen = held_out(table.labels, request.validation_fraction or HELD_OUT, request) == 0
        rows, learnt, given = rows[unseen], frame[~unseen], {"tuning_data": frame[unseen]}
    limit = {"infer_limit": request.max_latency_ms / 1000, "infer_limit_batch_size": 1}
    predictor = TabularPredictor(
        label=_TARGET,
        problem_type=request.task,
        eval_metric=_METRICS.get(request.metric.name, request.metric.name),
        path=str(folder / "autogluon"),
        verbosity=0,
        learner_kwargs={"random_state": request.seed},
    )
    began = time.monotonic()
    predictor.fit(
        learnt,
        time_limit=_SHARE * (until - began),
        hyperparameters=_hyperparameters(request),
        fit_weighted_ensemble=request.ensemble,
        num_cpus=request.threads,
        raise_on_no_models_fitted=True,
        **given,
        **(limit if request.max_latency_ms else {}),
    )

    def answers(name: str, features: pd.DataFrame) -> np.ndarray:
        if table.classes is None:
            return predictor.predict(features, model=name).to_numpy()[:, None]
        return predictor.predict_proba(features, model=name).reindex(columns=range(len(table.classes))).to_numpy()

    trials, done = [], began - table.began
    board = predictor.leaderboard(display=False).sort_values("fit_order")
    sizes = predictor.disk_usage_per_file()
    for row in board.itertuples():
        name = row.model
        family = {short: family for family, short in _NAMES.items()}.get(_short(predictor, name), "blend")
        trial = Trial(name, family)
        done += row.fit_time_marginal
        trial.fit_seconds, trial.done_seconds, trial.score = row.fit_time_marginal, done, abs(row.score_val)
        if request.metric.greater_is_better:
            trial.score = row.score_val
        if not request.folds:
            unseen_answers = answers(name, frame.loc[rows].drop(columns=_TARGET))
            trial.validation = rows, predictions(unseen_answers, table.classes, table.positive)
        trial.test = predictions(answers(name, test), table.classes, table.positive)
        trial.row_ms = row_milliseconds(lambda name=name: answers(name, test.head(1)))
        trial.megabytes = sizes[[f"/{name}/" in path for path in sizes.index]].sum() / 1e6
        trials.append(trial)
    for row in predictor.model_failures().itertuples():
        trials.append(Trial(row.model, "failed", outcome=f"{row.exc_type}: {row.exc_str}"))
    best = predictor.model_best
    next(one for one in trials if one.name == best).weight = 1.0
    packed = (_packed(predictor, best, folder), table.categories)
    if table.classes is None:
        return trials, PackedRegressor(*packed), best
    return trials, PackedClassifier(*packed, table.classes), best


class Packed(BaseEstimator):
    """A predictor of AutoGluon, its folder packed; it is unpacked when it is first asked.

    Parameters
    ----------
    archive : bytes
        The folder, as a zip file.
    categories : list of int
        Places of the features that are categories.
    """

    def __init__(self, archive: bytes, categories: list[int]):
        self.archive = archive
        self.categories = categories

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_predictor"}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> Packed:
        """Nothing: it is fitted."""
        return self

    @property
    def predictor(self) -> Any:
        """The predictor, all of it in memory."""
        if not hasattr(self, "_predictor"):
            from autogluon.tabular import TabularPredictor

            with tempfile.TemporaryDirectory(prefix="millrace-automl-") as folder:
                zipfile.ZipFile(io.BytesIO(self.archive)).extractall(folder)
                found = TabularPredictor.load(folder, verbosity=0)
                found.persist()
            self._predictor = found
        return self._predictor


class PackedClassifier(ClassifierMixin, Packed):
    """One that gives classes."""

    def __init__(self, archive: bytes, categories: list[int], classes: np.ndarray):
        super().__init__(archive, categories)
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, F: np.ndarray) -> np.ndarray:
        """Probabilities, one column for each of ``classes_``."""
        found = self.predictor.predict_proba(named(F, self.categories)).reindex(columns=range(len(self.classes)))
        found = np.nan_to_num(found.to_numpy(dtype=float))  # a class too rare for it to learn
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, F: np.ndarray) -> np.ndarray:
        """The class of the highest probability."""
        return self.classes_[self.predict_proba(F).argmax(axis=1)]


class PackedRegressor(RegressorMixin, Packed):
    """One that gives numbers."""

    def predict(self, F: np.ndarray) -> np.ndarray:
        """Numbers of the target."""
        return self.predictor.predict(named(F, self.categories)).to_numpy(dtype=float)


def named(F: np.ndarray, categories: list[int]) -> pd.DataFrame:
    """Features with names, the categories as such."""
    frame = pd.DataFrame(F, columns=[f"f{place}" for place in range(F.shape[1])])
    for place in categories:
        frame[f"f{place}"] = frame[f"f{place}"].map("l{:.0f}".format, na_action="ignore").astype("category")
    return frame


def _packed(predictor: Any, best: str, folder: Path) -> bytes:
    slim = Path(predictor.clone_for_deployment(str(folder / "deployment"), model=best))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(slim.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(slim))
    return buffer.getvalue()


def _hyperparameters(request: SearchRequest) -> dict[str, Any]:
    """Its own default configurations, of the families that may be tried and as many as may be."""
    from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config

    default = {"LR": {}, "KNN": {}, **get_hyperparameter_config("default")}
    wanted = [_NAMES[family] for family in request.families if family in _NAMES]
    chosen, left = {}, request.max_trials
    for key in (key for key in ("GBM", "CAT", "XGB", "RF", "XT", "LR", "KNN") if key in wanted):
        settings = default[key] if isinstance(default[key], list) else [default[key]]
        if left > 0:
            chosen[key] = settings[:left]
            left -= len(chosen[key])
    if not chosen:
        raise ValueError(f"it has no model of the families {', '.join(request.families)}; allow others")
    return chosen


def _short(predictor: Any, name: str) -> str:
    return predictor._trainer.get_model_attribute(model=name, attribute="type").ag_key
