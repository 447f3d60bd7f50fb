"""The default engine: a portfolio of configurations, each fitted on folds, and a blend of those that help.

Each core fits one model at a time, in a process that can be ended. A configuration's models of all folds stay and
answer together, so that each row is learnt from and nothing has to be fitted again when the time is up.

References
----------
Feurer et al.: Auto-sklearn 2.0: hands-free AutoML via meta-learning. JMLR 2022 (portfolios in place of a search from
nothing). Breiman: Bagging predictors. Machine Learning 1996.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lib import metrics
from lib.automl import DONE, Result, SearchRequest, Trial
from lib.automl.trials import blend, fallback, folds, selection
from lib.automl.trials.configurations import PORTFOLIO
from lib.automl.trials.families import BAGGED
from lib.automl.trials.latency import row_milliseconds
from lib.automl.trials.worker import Encode, FitFold, Fitted
from lib.automl.trials.worker_pool import Pool
from lib.errors import StageError
from lib.training.features import target_array

# Kept for the blend, and for putting its models together.
_RESERVE, _LEAST_RESERVE_SECONDS, _MOST_RESERVE_SECONDS = 0.08, 1.0, 60.0
# Where others have the cores that takes longer: by what share of one a worker has had, up to a share of the time.
_USUAL_CORE, _MOST_RESERVE = 0.75, 0.25
# Of the time of all cores, what one configuration may take.
_SHARE = 0.22
_NO_TIME = "the time was up before it was done"


def search(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, say: Callable[[str], None]
) -> Result:
    """Try configurations until the time is up, and blend.

    Raises
    ------
    StageError
        Where the rows cannot be encoded.
    """
    return _Search(X, y, X_test, request, say).run()


@dataclass
class _Tried:
    """A configuration and what its folds have answered so far."""

    trial: Trial
    fitted: dict[int, Fitted] = field(default_factory=dict)


class _Search:
    def __init__(self, X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, say: Callable):
        self._started = time.monotonic()
        self._X, self._X_test, self._request, self._say = X, X_test, request, say
        self._end = self._started + request.budget_seconds
        self._last = self._end - reserved(request.budget_seconds)
        self._y = target_array(y, request.is_classification)
        self._classes, self._positive = None, None
        self._labels = self._y
        if request.is_classification:
            self._classes, self._labels = np.unique(self._y, return_inverse=True)
            if request.task == "binary":
                self._positive = metrics.find_positive_class(self._classes, request.positive_class)
        self._tried: dict[str, _Tried] = {}

    def run(self) -> Result:
        with Pool(self._request.threads, self._request.memory_bytes) as pool:
            (pool.folder / "table.pkl").write_bytes(pickle.dumps((self._X, pd.Series(self._y), self._X_test)))
            pool.submit(Encode(self._request.seed, self._request.is_classification, self._request.month_first))
            encoded = pool.answers(self._last)
            if not encoded:
                return self._simplest("The time was up before the table was encoded")
            found = encoded[0][1]
            if isinstance(found, str):
                raise StageError(f"The search could not encode the training rows: {found}")
            self._last = self._end - reserved(self._request.budget_seconds, found.core)
            core_seconds = (self._last - time.monotonic()) * self._request.threads * found.core
            self._folds = folds.of_rows(self._labels, found.features, core_seconds, self._request)
            np.save(pool.folder / "folds.npy", self._folds)
            np.save(pool.folder / "labels.npy", self._labels)
            self._try(pool)
            warning = self._rescued()
            self._read(pool)
            self._encoder = pickle.loads((pool.folder / "encoder.pkl").read_bytes())
            return self._best(pool, warning)

    def _try(self, pool: Pool) -> None:
        """Fit fold after fold until all is tried or the time is up."""
        count = int(self._folds.max()) + 1
        waiting = iter(
            (name, family, settings, fold)
            for name, family, settings in _configurations(self._request)
            for fold in range(count)
        )
        upcoming = next(waiting, None)
        while time.monotonic() < self._last and (upcoming or pool.busy):
            while upcoming and pool.free:
                name, family, settings, fold = upcoming
                tried = self._tried.setdefault(name, _Tried(Trial(name, family, settings=settings)))
                if tried.trial.outcome == DONE:  # else a fold of it has failed
                    seconds = self._allowance(count, count - fold)
                    bagged = self._bags(family)
                    pool.submit(
                        FitFold(name, family, settings, fold, seconds, self._request.task, self._request.seed, bagged)
                    )
                upcoming = next(waiting, None)
            for task, answer in pool.answers(self._last):
                self._note(task, answer, count)
        for tried in self._tried.values():
            if tried.trial.outcome == DONE and len(tried.fitted) < count:
                if tried.fitted and self._bags(tried.trial.family):
                    self._done(tried)
                else:
                    tried.trial.outcome = _NO_TIME

    def _bags(self, family: str) -> bool:
        """Whether each part of such a model learns from all rows, and answers for those it has left out."""
        return family in BAGGED and self._folds.min() >= 0

    def _allowance(self, count: int, left: int) -> float:
        """Seconds of one fold, so that a configuration takes its share and all its folds are done in time."""
        request = self._request
        share = _SHARE * (self._last - self._started) * request.threads / count
        rounds = -(-left // request.threads)
        return max(0.5, min(share, 0.9 * (self._last - time.monotonic()) / rounds))

    def _note(self, task: FitFold, answer: Fitted | str, count: int) -> None:
        tried = self._tried[task.name]
        if isinstance(answer, str):
            tried.trial.outcome = answer
            self._say(f"{task.name}: {answer}")
            return
        tried.fitted[task.fold] = answer
        if len(tried.fitted) == count:
            self._done(tried)

    def _done(self, tried: _Tried) -> None:
        trial, parts = tried.trial, tried.fitted.values()
        trial.outcome = DONE
        trial.fit_seconds = sum(part.seconds for part in parts)
        trial.row_ms = sum(part.row_ms for part in parts)
        trial.megabytes = sum(part.megabytes for part in parts)
        trial.done_seconds = time.monotonic() - self._started
        self._say(f"{trial.name}: done after {trial.done_seconds:.0f} s")

    def _rescued(self) -> str:
        """Where no configuration is done on all folds, the one done on most counts; a warning that says so."""
        found = [tried for tried in self._tried.values() if tried.fitted]
        if not found or any(tried.trial.outcome == DONE for tried in found):
            return ""
        most = max(found, key=lambda tried: len(tried.fitted))
        self._folds[~np.isin(self._folds, list(most.fitted))] = -1
        self._done(most)
        return f"The time was up before a model was done on all folds; {most.trial.name} is of {len(most.fitted)}."

    def _read(self, pool: Pool) -> None:
        """What each configuration says of rows it has not seen, and of the test rows."""
        self._rows = np.flatnonzero(self._folds >= 0)
        outputs = 1 if self._classes is None else len(self._classes)
        self._unseen: dict[str, np.ndarray] = {}
        self._test: dict[str, np.ndarray] = {}
        for name, tried in self._tried.items():
            if tried.trial.outcome != DONE:
                continue
            bagged, unseen, test = [], np.full((len(self._labels), outputs), np.nan), 0.0
            for fold in tried.fitted:
                with np.load(pool.folder / f"{name}-{fold}.npz") as answers:
                    if self._bags(tried.trial.family):
                        bagged.append(answers["unseen"])
                    else:
                        unseen[self._folds == fold] = answers["unseen"]
                    test = test + answers["test"] / len(tried.fitted)
            unseen = blend.out_of_bag(bagged) if bagged else unseen
            self._unseen[name], self._test[name] = unseen[self._rows], test
            tried.trial.validation = self._rows, self._predictions(self._unseen[name])
            tried.trial.test = self._predictions(test)
            tried.trial.score = self._request.metric.score(self._y[self._rows], tried.trial.validation[1])

    def _best(self, pool: Pool, warning: str) -> Result:
        """The blend, or the one model, that is returned."""
        trials = [tried.trial for tried in self._tried.values()]
        if not self._unseen:
            return self._simplest("The time was up before a model was done")
        most = self._request.max_latency_ms or None
        if most is not None:
            row = self._X_test.head(1)
            most -= row_milliseconds(lambda: self._encoder.transform(row))
        latency = {name: self._tried[name].trial.row_ms for name in self._unseen}
        quick = [name for name in latency if most is None or latency[name] <= most]
        if not quick:
            quick = [min(latency, key=latency.get)]
        if self._request.ensemble:
            chosen = selection.weights(
                {name: self._unseen[name] for name in quick},
                self._y[self._rows],
                self._request.metric,
                self._classes,
                self._positive,
                latency,
                most,
                self._end - 0.25 * (self._end - self._last),
                self._request.seed,
            )
        else:
            chosen = {self._request.metric.rank({name: self._tried[name].trial.score for name in quick})[0]: 1.0}
        model, row_ms = self._assembled(pool, chosen)
        while 0 < self._request.max_latency_ms < row_ms and len(chosen) > 1:  # together they are slower than apart
            chosen.pop(max(chosen, key=lambda name: latency[name]))
            chosen = {name: weight / sum(chosen.values()) for name, weight in chosen.items()}
            model, row_ms = self._assembled(pool, chosen)
        if 0 < self._request.max_latency_ms < row_ms:
            limit = f"max_latency_ms ({self._request.max_latency_ms:g})"
            warning = f"{warning} {next(iter(chosen))} takes {row_ms:.3g} ms for a row, more than {limit}.".strip()
        for name, weight in chosen.items():
            self._tried[name].trial.weight = weight
        if len(chosen) == 1:
            return Result(trials, model, next(iter(chosen)), warning)
        return Result([*trials, self._blended(chosen, row_ms)], model, "blend", warning)

    def _assembled(self, pool: Pool, chosen: dict[str, float]) -> tuple[Pipeline, float]:
        """The model, and what one row takes in milliseconds."""
        members, weights = [], []
        for name, weight in chosen.items():
            parts = self._tried[name].fitted
            for fold in parts:
                members.append(pickle.loads((pool.folder / f"{name}-{fold}.model").read_bytes()))
                weights.append(weight / len(parts))
        if self._classes is None:
            model = blend.BlendRegressor(members, weights)
        else:
            model = blend.BlendClassifier(members, weights, self._classes)
        pipeline = Pipeline([("encoder", self._encoder), ("model", model)])
        row = self._X_test.head(1)
        return pipeline, row_milliseconds(lambda: pipeline.predict(row))

    def _blended(self, chosen: dict[str, float], row_ms: float) -> Trial:
        """The blend as a row of the leaderboard."""
        parts = [self._tried[name].trial for name in chosen]
        unseen = sum(weight * self._unseen[name] for name, weight in chosen.items())
        trial = Trial("blend", "blend", weight=1.0, settings=dict(chosen))
        trial.validation = self._rows, self._predictions(unseen)
        trial.test = self._predictions(sum(weight * self._test[name] for name, weight in chosen.items()))
        trial.score = self._request.metric.score(self._y[self._rows], trial.validation[1])
        trial.fit_seconds = sum(part.fit_seconds for part in parts)
        trial.row_ms = row_ms
        trial.megabytes = sum(part.megabytes for part in parts)
        trial.done_seconds = time.monotonic() - self._started
        return trial

    def _simplest(self, why: str) -> Result:
        trials = [tried.trial for tried in self._tried.values()]
        seconds = time.monotonic() - self._started
        return fallback.prior(self._X, self._y, self._X_test, self._request, trials, seconds, why)

    def _predictions(self, answers: np.ndarray) -> metrics.Predictions:
        return blend.predictions(answers, self._classes, self._positive)


def reserved(budget_seconds: float, core: float = 1.0) -> float:
    """Seconds of the budget that are kept for the end, where `core` is the share of a core that a worker has had."""
    usual = min(max(_RESERVE * budget_seconds, _LEAST_RESERVE_SECONDS), _MOST_RESERVE_SECONDS)
    return max(usual, min(usual * _USUAL_CORE / max(core, 1e-3), _MOST_RESERVE * budget_seconds))


def _configurations(request: SearchRequest) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, family and settings of what is tried, in this order."""
    found, count = [], dict.fromkeys(request.families, 0)
    for family, settings in PORTFOLIO:
        if family in count and len(found) < request.max_trials:
            count[family] += 1
            found.append((f"{family}_{count[family]}", family, settings))
    return found
