"""The default engine: a portfolio of configurations, each fitted on cross-validation folds, and a blend of the best.

Each core fits one model at a time, in a process that can be killed. A configuration keeps the models of all its folds
and averages their predictions. So every row is used for training, and no model needs to be refitted at the end.

References
----------
Feurer et al.: Auto-sklearn 2.0: hands-free AutoML via meta-learning. JMLR 2022 (portfolios instead of a search from
scratch). Breiman: Bagging predictors. Machine Learning 1996.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from lib.automl import DONE, EngineResult, SearchRequest, Trial
from lib.automl.trials import fallback, folds
from lib.automl.trials.assembly import Assembly
from lib.automl.trials.attempts import Attempt, is_bagged, read_outputs
from lib.automl.trials.configurations import PORTFOLIO
from lib.automl.trials.encoding import encode_target
from lib.automl.trials.time_budget import TimeBudget
from lib.automl.trials.worker import EncodeTask, FitResult, FitTask
from lib.automl.trials.worker_pool import Pool
from lib.errors import MillraceError, StageError

_OUT_OF_TIME = "not finished within the time budget"


def search(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, report: Callable[[str], None]
) -> EngineResult:
    """Try configurations until the time is up, and blend the best ones.

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
    DataError
        If no column can be used.
    StageError
        If the rows cannot be encoded for another reason, or if the processes that fit models end.
    """
    return _Search(X, y, X_test, request, report).run()


class _Search:
    """The state of one search."""

    def __init__(
        self,
        X: pd.DataFrame,
        y: pd.Series,
        X_test: pd.DataFrame,
        request: SearchRequest,
        report: Callable[[str], None],
    ):
        self._time_budget = TimeBudget(request.budget_seconds, request.threads)
        self._X, self._X_test, self._request, self._report = X, X_test, request, report
        self._target = encode_target(y, request)
        self._attempts: dict[str, Attempt] = {}

    def run(self) -> EngineResult:
        """EncodeTask the rows, fit the configurations, and return the best model."""
        with Pool(self._request.threads, self._request.memory_bytes) as pool:
            if not self._encode(pool):
                return self._make_no_skill_result("The time was up before the table was encoded")
            self._fit_configurations(pool)
            warning = self._use_unfinished_attempt()
            outputs = read_outputs(self._attempts, self._target, self._folds, pool.folder, self._request.metric)
            if not outputs.validation:
                return self._make_no_skill_result("The time was up before any model was fitted")
            encoder = pickle.loads((pool.folder / "encoder.pkl").read_bytes())
            row = self._X_test.head(1)
            assembly = Assembly(self._attempts, outputs, encoder, row, pool.folder, self._request, self._time_budget)
            return assembly.choose_model(warning)

    def _encode(self, pool: Pool) -> bool:
        """EncodeTask the rows in a worker, and assign folds; return False if the time is up."""
        (pool.folder / "table.pkl").write_bytes(pickle.dumps((self._X, self._target.values, self._X_test)))
        pool.submit(EncodeTask(self._request))
        results = pool.wait_for_results(self._time_budget.fit_deadline)
        if not results:
            return False
        [(_, encoded)] = results
        if isinstance(encoded, MillraceError):
            raise encoded
        if isinstance(encoded, str):
            raise StageError(f"The rows cannot be encoded for AutoML: {encoded}")
        self._time_budget.adjust_reserve(encoded.core_share)
        core_seconds = self._time_budget.remaining_core_seconds(encoded.core_share)
        self._folds = folds.assign_folds(self._target.labels, encoded.feature_count, core_seconds, self._request)
        np.save(pool.folder / "folds.npy", self._folds)
        np.save(pool.folder / "labels.npy", self._target.labels)
        return True

    def _fit_configurations(self, pool: Pool) -> None:
        """Fit the folds of all configurations until all are fitted or the time is up."""
        tasks, has_tasks = self._make_tasks(), True
        while not self._time_budget.is_fit_time_over and (has_tasks or pool.has_busy_worker):
            while has_tasks and pool.has_free_worker:
                task = next(tasks, None)  # made as late as possible: its time limit depends on the remaining time
                if task is None:
                    has_tasks = False
                else:
                    pool.submit(task)
            for finished_task, result in pool.wait_for_results(self._time_budget.fit_deadline):
                self._record_result(finished_task, result)
        for attempt in self._attempts.values():
            if attempt.trial.outcome == DONE and len(attempt.fits) < self._fold_count:
                if attempt.fits and is_bagged(attempt.trial.family, self._folds):
                    self._finish(attempt)  # each model of a bagged configuration has outputs for all rows
                else:
                    attempt.trial.outcome = _OUT_OF_TIME

    def _make_tasks(self) -> Iterator[FitTask]:
        """Yield a task for each fold of each configuration, but none after a fold of the configuration has failed."""
        for name, family, hyperparameters in _list_configurations(self._request):
            attempt = self._attempts[name] = Attempt(Trial(name, family, hyperparameters=hyperparameters))
            for fold in range(self._fold_count):
                if attempt.trial.outcome == DONE:
                    yield FitTask(
                        name=name,
                        family=family,
                        hyperparameters=hyperparameters,
                        fold=fold,
                        seconds=self._time_budget.fold_seconds(self._fold_count, self._fold_count - fold),
                        task=self._request.task,
                        seed=self._request.seed,
                        is_bagged=is_bagged(family, self._folds),
                    )

    @property
    def _fold_count(self) -> int:
        """Number of folds of each configuration."""
        return int(self._folds.max()) + 1

    def _record_result(self, task: FitTask, result: FitResult | MillraceError | str) -> None:
        """Record the result of fitting a fold: a `FitResult`, or the reason why the fit failed."""
        attempt = self._attempts[task.name]
        if not isinstance(result, FitResult):
            attempt.trial.outcome = str(result)
            self._report(f"{task.name}: {result}")
            return
        attempt.fits[task.fold] = result
        if len(attempt.fits) == self._fold_count:
            self._finish(attempt)

    def _finish(self, attempt: Attempt) -> None:
        """Complete the trial of an attempt, and report it."""
        attempt.finish(self._time_budget.elapsed_seconds)
        self._report(f"{attempt.trial.name}: fitted after {attempt.trial.done_seconds:.0f} s")

    def _use_unfinished_attempt(self) -> str:
        """If no attempt is finished, finish the one with most folds, and return a warning; else an empty text."""
        attempts = [attempt for attempt in self._attempts.values() if attempt.fits]
        if not attempts or any(attempt.trial.outcome == DONE for attempt in attempts):
            return ""
        best = max(attempts, key=lambda attempt: len(attempt.fits))
        fold_count = self._fold_count  # before the other folds are erased
        self._folds[~np.isin(self._folds, list(best.fits))] = folds.ALWAYS_TRAINED
        self._finish(best)
        return (
            f"The time was up before any model was fitted on all folds; {best.trial.name} was fitted on "
            f"{len(best.fits)} of {fold_count}."
        )

    def _make_no_skill_result(self, reason: str) -> EngineResult:
        """Return a no-skill model as the result, with a warning that starts with the reason."""
        trials = [attempt.trial for attempt in self._attempts.values()]
        seconds = self._time_budget.elapsed_seconds
        return fallback.make_no_skill_result(
            self._X, self._target, self._X_test, self._request, trials, seconds, reason
        )


def _list_configurations(request: SearchRequest) -> list[tuple[str, str, dict[str, Any]]]:
    """Return name, family and hyperparameters of the configurations to try, in order."""
    configurations: list[tuple[str, str, dict[str, Any]]] = []
    count_by_family = dict.fromkeys(request.families, 0)
    for family, hyperparameters in PORTFOLIO:
        if family in count_by_family and len(configurations) < request.max_trials:
            count_by_family[family] += 1
            configurations.append((f"{family}_{count_by_family[family]}", family, hyperparameters))
    return configurations
