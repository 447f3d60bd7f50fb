"""The default engine: a portfolio of configurations, each fitted on cross-validation folds, and a blend of the best.

Each core fits one model at a time, in a process that can be killed. A configuration keeps the models of all its folds
and averages their predictions. Every row is used for training that way, and nothing needs to be refitted at the end.

References
----------
Feurer et al.: Auto-sklearn 2.0: hands-free AutoML via meta-learning. JMLR 2022 (portfolios instead of a search from
scratch). Breiman: Bagging predictors. Machine Learning 1996.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lib import metrics
from lib.automl import DONE, EngineResult, SearchRequest, Trial
from lib.automl.trials import blend, fallback, folds
from lib.automl.trials.configurations import PORTFOLIO
from lib.automl.trials.families import BAGGED_FIT_FUNCTIONS
from lib.automl.trials.latency import measure_row_ms
from lib.automl.trials.selection import SelectionLimits, SelectionTask, select_weights
from lib.automl.trials.worker import Encode, FitFold, Fitted
from lib.automl.trials.worker_pool import Pool
from lib.errors import DataError, StageError
from lib.training.features import FeatureError, target_array

# Share and limits of the time reserved at the end, to select the blend and to load its models.
_RESERVED_SHARE, _MIN_RESERVED_SECONDS, _MAX_RESERVED_SECONDS = 0.08, 1.0, 60.0
# Share of a core that the reserve assumes. If workers get less, the reserve grows, up to a share of the budget.
_ASSUMED_CORE_SHARE, _MAX_RESERVED_SHARE = 0.75, 0.25
# Share of the reserve that is left for loading the models when the selection of the blend stops.
_ASSEMBLY_SHARE = 0.25
# Maximum share of all cores' time for one configuration.
_CONFIGURATION_SHARE = 0.22
_OUT_OF_TIME = "not finished within the time budget"


def search(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, report: Callable[[str], None]
) -> EngineResult:
    """Try configurations until the time is up, and blend the best.

    Parameters
    ----------
    X : pandas.DataFrame
        Raw columns of the training rows.
    y : pandas.Series
        Target of the training rows.
    X_test : pandas.DataFrame
        Raw columns of the test rows.
    request : SearchRequest
    report : callable
        Receives progress lines.

    Returns
    -------
    EngineResult

    Raises
    ------
    DataError
        If no column can be used.
    StageError
        If encoding the training rows fails in another way.
    """
    return _Search(X, y, X_test, request, report).run()


def reserve_seconds(budget_seconds: float, core_share: float = 1.0) -> float:
    """Return the part of the budget to reserve for the end of the search.

    Parameters
    ----------
    budget_seconds : float
        Time limit of the search.
    core_share : float
        Share of a core that a worker got so far; it is small on a machine that is busy with other work.

    Examples
    --------
    >>> reserve_seconds(60.0), reserve_seconds(60.0, core_share=0.375)
    (4.8, 9.6)
    """
    usual = min(max(_RESERVED_SHARE * budget_seconds, _MIN_RESERVED_SECONDS), _MAX_RESERVED_SECONDS)
    slowed_down = usual * _ASSUMED_CORE_SHARE / max(core_share, 1e-3)
    return max(usual, min(slowed_down, _MAX_RESERVED_SHARE * budget_seconds))


@dataclass
class _Attempt:
    """A configuration, and its fitted folds by fold number."""

    trial: Trial
    fitted: dict[int, Fitted] = field(default_factory=dict)


class _Search:
    """The state of one search; times are on the clock of `time.monotonic`."""

    def __init__(
        self,
        X: pd.DataFrame,
        y: pd.Series,
        X_test: pd.DataFrame,
        request: SearchRequest,
        report: Callable[[str], None],
    ):
        self._started = time.monotonic()
        self._X, self._X_test, self._request, self._report = X, X_test, request, report
        self._end = self._started + request.budget_seconds
        self._fit_deadline = self._end - reserve_seconds(request.budget_seconds)
        self._y = target_array(y, request.is_classification)
        self._labels = self._y
        self._classes: np.ndarray | None = None
        self._positive_class: Any = None
        if request.is_classification:
            self._classes, self._labels = np.unique(self._y, return_inverse=True)
            if request.task == "binary":
                self._positive_class = metrics.find_positive_class(self._classes, request.positive_class)
        self._attempts: dict[str, _Attempt] = {}

    def run(self) -> EngineResult:
        """Encode the rows, fit the configurations, and return the best model."""
        with Pool(self._request.threads, self._request.memory_bytes) as pool:
            if not self._encode(pool):
                return self._no_skill_result("The time was up before the table was encoded")
            self._fit_configurations(pool)
            warning = self._use_unfinished_attempt()
            self._read_outputs(pool)
            if not self._validation_outputs:
                return self._no_skill_result("The time was up before any model was fitted")
            return self._choose_model(pool, warning)

    def _encode(self, pool: Pool) -> bool:
        """Encode the rows in a worker, and assign folds; return False if the time is up."""
        (pool.folder / "table.pkl").write_bytes(pickle.dumps((self._X, pd.Series(self._y), self._X_test)))
        pool.submit(Encode(self._request.seed, self._request.is_classification, self._request.month_first))
        results = pool.answers(self._fit_deadline)
        if not results:
            return False
        encoded = results[0][1]
        if isinstance(encoded, str):
            error_name, _, message = encoded.partition(": ")
            if error_name == FeatureError.__name__:
                raise DataError(f"The training rows cannot be used: {message}")
            raise StageError(f"The search could not encode the training rows: {encoded}")
        self._fit_deadline = self._end - reserve_seconds(self._request.budget_seconds, encoded.core)
        core_seconds = (self._fit_deadline - time.monotonic()) * self._request.threads * encoded.core
        self._folds = folds.assign_folds(self._labels, encoded.features, core_seconds, self._request)
        np.save(pool.folder / "folds.npy", self._folds)
        np.save(pool.folder / "labels.npy", self._labels)
        self._encoder = pickle.loads((pool.folder / "encoder.pkl").read_bytes())
        return True

    def _fit_configurations(self, pool: Pool) -> None:
        """Fit fold after fold until all are fitted or the time is up."""
        tasks, has_tasks = self._make_tasks(), True
        while time.monotonic() < self._fit_deadline and (has_tasks or pool.busy):
            while has_tasks and pool.free:
                task = next(tasks, None)  # only now: its time limit depends on the time
                if task is None:
                    has_tasks = False
                else:
                    pool.submit(task)
            for finished_task, result in pool.answers(self._fit_deadline):
                self._record_result(finished_task, result)
        for attempt in self._attempts.values():
            if attempt.trial.outcome == DONE and len(attempt.fitted) < self._fold_count:
                if attempt.fitted and self._is_bagged(attempt.trial.family):
                    self._finish(attempt)  # any part of a bagged model has outputs for all rows
                else:
                    attempt.trial.outcome = _OUT_OF_TIME

    def _make_tasks(self) -> Iterator[FitFold]:
        """Yield the folds of all configurations; a configuration ends when one of its folds fails."""
        for name, family, settings in _list_configurations(self._request):
            attempt = self._attempts[name] = _Attempt(Trial(name, family, settings=settings))
            for fold in range(self._fold_count):
                if attempt.trial.outcome == DONE:
                    yield FitFold(
                        name,
                        family,
                        settings,
                        fold,
                        self._fold_seconds(self._fold_count - fold),
                        self._request.task,
                        self._request.seed,
                        self._is_bagged(family),
                    )

    @property
    def _fold_count(self) -> int:
        return int(self._folds.max()) + 1

    def _is_bagged(self, family: str) -> bool:
        """Return whether each part of such a model is fitted on all rows, and compared out of bag."""
        return family in BAGGED_FIT_FUNCTIONS and self._folds.min() >= 0

    def _fold_seconds(self, remaining_folds: int) -> float:
        """Return the time limit of one fold, so that all remaining folds end in time."""
        threads = self._request.threads
        share = _CONFIGURATION_SHARE * (self._fit_deadline - self._started) * threads / self._fold_count
        rounds = -(-remaining_folds // threads)
        return max(0.5, min(share, 0.9 * (self._fit_deadline - time.monotonic()) / rounds))

    def _record_result(self, task: FitFold, result: Fitted | str) -> None:
        """Record a fitted fold, or the reason why it failed."""
        attempt = self._attempts[task.name]
        if isinstance(result, str):
            attempt.trial.outcome = result
            self._report(f"{task.name}: {result}")
            return
        attempt.fitted[task.fold] = result
        if len(attempt.fitted) == self._fold_count:
            self._finish(attempt)

    def _finish(self, attempt: _Attempt) -> None:
        """Complete the trial of an attempt."""
        trial, fitted = attempt.trial, attempt.fitted.values()
        trial.outcome = DONE
        trial.fit_seconds = sum(fold.seconds for fold in fitted)
        trial.row_ms = sum(fold.row_ms for fold in fitted)
        trial.megabytes = sum(fold.megabytes for fold in fitted)
        trial.done_seconds = time.monotonic() - self._started
        self._report(f"{trial.name}: fitted after {trial.done_seconds:.0f} s")

    def _use_unfinished_attempt(self) -> str:
        """If no attempt is finished, use the one with the most folds; return a warning that says so."""
        attempts = [attempt for attempt in self._attempts.values() if attempt.fitted]
        if not attempts or any(attempt.trial.outcome == DONE for attempt in attempts):
            return ""
        best = max(attempts, key=lambda attempt: len(attempt.fitted))
        count = self._fold_count
        self._folds[~np.isin(self._folds, list(best.fitted))] = folds.ALWAYS_TRAINED
        self._finish(best)
        return (
            f"The time was up before any model was fitted on all folds; {best.trial.name} was fitted on "
            f"{len(best.fitted)} of {count}."
        )

    def _read_outputs(self, pool: Pool) -> None:
        """Read each finished attempt's outputs for validation rows and test rows, and score it."""
        self._validation_rows = np.flatnonzero(self._folds >= 0)
        self._validation_outputs: dict[str, np.ndarray] = {}
        self._test_outputs: dict[str, np.ndarray] = {}
        for name, attempt in self._attempts.items():
            if attempt.trial.outcome != DONE:
                continue
            outputs, test_outputs = self._read_attempt(attempt, pool)
            self._validation_outputs[name], self._test_outputs[name] = outputs[self._validation_rows], test_outputs
            self._score(attempt.trial, self._validation_outputs[name], test_outputs)

    def _read_attempt(self, attempt: _Attempt, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        """Return outputs for all training rows, NaN if they were never held out, and mean outputs for test rows."""
        width = 1 if self._classes is None else len(self._classes)
        outputs = np.full((len(self._labels), width), np.nan)
        out_of_bag, test_outputs = [], np.zeros((len(self._X_test), width))
        for fold in attempt.fitted:
            with np.load(pool.folder / f"{attempt.trial.name}-{fold}.npz") as arrays:
                if self._is_bagged(attempt.trial.family):
                    out_of_bag.append(arrays["unseen"])
                else:
                    outputs[self._folds == fold] = arrays["unseen"]
                test_outputs += arrays["test"] / len(attempt.fitted)
        return blend.average_out_of_bag(out_of_bag) if out_of_bag else outputs, test_outputs

    def _score(self, trial: Trial, validation_outputs: np.ndarray, test_outputs: np.ndarray) -> None:
        """Set a trial's predictions and its score."""
        predictions = blend.make_predictions(validation_outputs, self._classes, self._positive_class)
        trial.validation = self._validation_rows, predictions
        trial.test = blend.make_predictions(test_outputs, self._classes, self._positive_class)
        trial.score = self._request.metric.score(self._y[self._validation_rows], predictions)

    def _choose_model(self, pool: Pool, warning: str) -> EngineResult:
        """Return the best blend or, if blends are not allowed, the best model."""
        max_ms = self._request.max_latency_ms
        row_ms = {name: self._attempts[name].trial.row_ms for name in self._validation_outputs}
        weights = self._select_weights(row_ms)
        model, model_ms = self._assemble(pool, weights)
        while 0 < max_ms < model_ms and len(weights) > 1:  # the models together are slower than their sum
            weights.pop(max(weights, key=lambda name: row_ms[name]))
            total = sum(weights.values())
            weights = {name: weight / total for name, weight in weights.items()}
            model, model_ms = self._assemble(pool, weights)
        if 0 < max_ms < model_ms:
            name = next(iter(weights))
            warning = f"{warning} {name} takes {model_ms:.3g} ms per row; max_latency_ms is {max_ms:g}.".strip()
        for name, weight in weights.items():
            self._attempts[name].trial.weight = weight
        trials = [attempt.trial for attempt in self._attempts.values()]
        if len(weights) == 1:
            return EngineResult(trials, model, next(iter(weights)), warning)
        return EngineResult([*trials, self._make_blend_trial(weights, model_ms)], model, "blend", warning)

    def _select_weights(self, row_ms: dict[str, float]) -> dict[str, float]:
        """Return the weights of the models in the result, within the latency limit if any model is."""
        max_row_ms = None
        if self._request.max_latency_ms:
            row = self._X_test.head(1)
            max_row_ms = self._request.max_latency_ms - measure_row_ms(lambda: self._encoder.transform(row))
        candidates = [name for name in row_ms if max_row_ms is None or row_ms[name] <= max_row_ms]
        if not candidates:
            candidates = [min(row_ms, key=lambda name: row_ms[name])]
        metric = self._request.metric
        if not self._request.ensemble:
            best = metric.rank({name: self._attempts[name].trial.score for name in candidates})[0]
            return {best: 1.0}
        deadline = self._end - _ASSEMBLY_SHARE * (self._end - self._fit_deadline)
        return select_weights(
            {name: self._validation_outputs[name] for name in candidates},
            SelectionTask(self._y[self._validation_rows], metric, self._classes, self._positive_class),
            SelectionLimits(row_ms, max_row_ms, deadline),
            self._request.seed,
        )

    def _assemble(self, pool: Pool, weights: dict[str, float]) -> tuple[Pipeline, float]:
        """Return the pipeline of encoder and blend, and its milliseconds to predict one row."""
        members, member_weights = [], []
        for name, weight in weights.items():
            fitted = self._attempts[name].fitted
            for fold in fitted:
                members.append(pickle.loads((pool.folder / f"{name}-{fold}.model").read_bytes()))
                member_weights.append(weight / len(fitted))
        model = blend.make_blend(members, member_weights, self._classes)
        pipeline = Pipeline([("encoder", self._encoder), ("model", model)])
        row = self._X_test.head(1)
        return pipeline, measure_row_ms(lambda: pipeline.predict(row))

    def _make_blend_trial(self, weights: dict[str, float], row_ms: float) -> Trial:
        """Return the blend as a trial of its own, for the leaderboard."""
        parts = [self._attempts[name].trial for name in weights]
        trial = Trial("blend", "blend", weight=1.0, settings=dict(weights))
        self._score(
            trial,
            np.sum([weight * self._validation_outputs[name] for name, weight in weights.items()], axis=0),
            np.sum([weight * self._test_outputs[name] for name, weight in weights.items()], axis=0),
        )
        trial.fit_seconds = sum(part.fit_seconds for part in parts)
        trial.row_ms = row_ms
        trial.megabytes = sum(part.megabytes for part in parts)
        trial.done_seconds = time.monotonic() - self._started
        return trial

    def _no_skill_result(self, reason: str) -> EngineResult:
        trials = [attempt.trial for attempt in self._attempts.values()]
        seconds = time.monotonic() - self._started
        return fallback.no_skill_result(self._X, self._y, self._X_test, self._request, trials, seconds, reason)


def _list_configurations(request: SearchRequest) -> list[tuple[str, str, dict[str, Any]]]:
    """Return name, family and settings of the configurations to try, in order."""
    configurations: list[tuple[str, str, dict[str, Any]]] = []
    counts = dict.fromkeys(request.families, 0)
    for family, settings in PORTFOLIO:
        if family in counts and len(configurations) < request.max_trials:
            counts[family] += 1
            configurations.append((f"{family}_{counts[family]}", family, settings))
    return configurations
