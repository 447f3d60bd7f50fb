"""Search over the hyperparameters of a training function, on folds of the training rows and within a time budget.

Optuna proposes the combinations. It is used because it searches lists and ranges, learns from earlier trials, and is
asked for one combination at a time, so that the budget stays in our hands. All combinations are tried if they are few.

Akiba et al.: Optuna: A next-generation hyperparameter optimization framework, 2019.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.errors import MillraceError, ParameterError
from lib.metrics import Metric
from lib.parameters.search_space import Choices, Range, Space

DONE, OUT_OF_TIME = "done", "the time was up"
# After so many proposals that repeat an earlier combination, the space counts as searched.
_MAX_REPEATS = 20
# The final fit learns from all rows, not from those of all folds except one.
_FINAL_FIT_SHARE = 1.25


@dataclass
class SearchTrial:
    """A combination of hyperparameters that was tried.

    Attributes
    ----------
    name : str
    hyperparameters : dict
        The searched hyperparameters.
    score : float
        Mean of the primary metric over the folds; NaN if the trial failed.
    spread : float
        Standard deviation over the folds; NaN with fewer than two.
    fit_seconds, done_seconds : float
        Duration of the trial, and seconds from the start of the search to its end.
    outcome : str
        `DONE`, or the reason why the trial has no score on all folds.
    """

    name: str
    hyperparameters: dict[str, Any]
    score: float = math.nan
    spread: float = math.nan
    fit_seconds: float = math.nan
    done_seconds: float = math.nan
    outcome: str = DONE


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes
    ----------
    trials : list of SearchTrial
        In the order in which they were tried.
    best : SearchTrial
    warning : str
        A limitation of the result; empty if there is none.
    """

    trials: list[SearchTrial]
    best: SearchTrial
    warning: str = ""


@dataclass
class Budget:
    """The time and the number of trials of a search.

    Attributes
    ----------
    seconds : float
        Time limit, which includes the fit of the best combination on all rows.
    max_trials : int
    started : float
        On the clock of `time.monotonic`.
    """

    seconds: float
    max_trials: int
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def allows(self, fold_seconds: float, fold_count: int) -> bool:
        """Return whether there is time for some folds and for the final fit, if each fold takes this long."""
        needed_seconds = fold_seconds * (fold_count + _FINAL_FIT_SHARE)
        return self.elapsed_seconds + needed_seconds <= self.seconds


def search(
    score_fold: Callable[[Mapping[str, Any], int], float],
    fold_count: int,
    space: Space,
    defaults: Mapping[str, Any],
    metric: Metric,
    budget: Budget,
    seed: int,
    report: Callable[[str], None] = print,
) -> SearchResult:
    """Try combinations of hyperparameters until the budget is spent or all of them have been tried.

    Parameters
    ----------
    score_fold : callable
        Returns the score of a combination on a fold, which it is given as a number from 0.
    fold_count : int
    space : dict of str to Range or Choices
    defaults : mapping
        The default of each hyperparameter, which is tried first where it belongs to the space.
    metric : Metric
        Direction of the scores.
    budget : Budget
    seed : int
        The same seed proposes the same combinations, as long as the same trials are finished in time.
    report : callable
        Called with a line for each trial.

    Raises
    ------
    ParameterError
        If all combinations fail; the message contains the first error.

    Examples
    --------
    >>> from lib import metrics
    >>> mae = metrics.get("mae", "regression")
    >>> result = search(
    ...     lambda chosen, fold: abs(chosen["depth"] - 6), 2, {"depth": Choices((3, 6, 9))}, {}, mae, Budget(60, 20), 0,
    ...     report=lambda line: None,
    ... )
    >>> result.best.hyperparameters, len(result.trials)
    ({'depth': 6}, 3)
    """
    study = _create_study(space, defaults, metric, budget.max_trials, seed)
    trials: list[SearchTrial] = []
    repeats = 0
    tried: dict[str, SearchTrial] = {}
    fold_seconds = 0.0  # the longest so far, so that no trial starts that may not end in time
    while len(trials) < budget.max_trials and repeats < _MAX_REPEATS and len(trials) < (_count(space) or math.inf):
        if trials and not budget.allows(fold_seconds, fold_count):
            break
        proposal = study.ask()
        chosen = {name: _propose(proposal, name, domain) for name, domain in space.items()}
        key = json.dumps(chosen, sort_keys=True)
        if key in tried:
            _tell(study, proposal, tried[key])
            repeats += 1
            continue
        trial = tried[key] = SearchTrial(f"trial {len(trials) + 1}", chosen)
        trials.append(trial)
        fold_seconds = max(fold_seconds, _run(trial, score_fold, fold_count, budget))
        _tell(study, proposal, trial)
        report(_describe(trial, metric))
    return _choose(trials, metric)


def _create_study(space: Space, defaults: Mapping[str, Any], metric: Metric, max_trials: int, seed: int) -> Any:
    """Return an Optuna study that proposes the defaults first, then all combinations if they are few."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(3, max_trials // 3)))
    study = optuna.create_study(direction="maximize" if metric.greater_is_better else "minimize", sampler=sampler)
    first = {name: _encode(space[name], defaults[name]) for name in space if name in defaults}
    first = {name: value for name, value in first.items() if value is not None}
    if first:
        study.enqueue_trial(first)
    size = _count(space)
    if size is not None and size <= max_trials:  # Optuna's grid sampler ends only studies that run by themselves
        combinations = list(itertools.product(*map(_grid_values, space.values())))
        random.Random(seed).shuffle(combinations)
        for combination in combinations:
            study.enqueue_trial(dict(zip(space, combination, strict=True)))
    return study


def _propose(proposal: Any, name: str, domain: Range | Choices) -> Any:
    """Return the value of a hyperparameter that Optuna proposes."""
    if isinstance(domain, Choices):  # proposed by position, because Optuna allows only scalars
        positions = range(len(domain.values))
        if _is_ordered(domain):
            return domain.values[proposal.suggest_int(name, positions[0], positions[-1])]
        return domain.values[proposal.suggest_categorical(name, list(positions))]
    if domain.is_whole:
        return proposal.suggest_int(name, int(domain.low), int(domain.high), log=domain.is_log)
    return proposal.suggest_float(name, domain.low, domain.high, log=domain.is_log)


def _is_ordered(domain: Choices) -> bool:
    """Return whether the choices are ascending numbers, so that neighbours are similar."""
    values = list(domain.values)
    are_numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return are_numbers and values == sorted(values)


def _encode(domain: Range | Choices, value: Any) -> Any:
    """Return a value as Optuna stores it; None if it does not belong to the list or range."""
    if isinstance(domain, Choices):
        return domain.values.index(value) if value in domain.values else None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = is_number and domain.low <= value <= domain.high and (not domain.is_whole or isinstance(value, int))
    return value if fits else None


def _grid_values(domain: Range | Choices) -> range:
    """Return all values of a finite domain as Optuna stores them."""
    if isinstance(domain, Choices):
        return range(len(domain.values))
    return range(int(domain.low), int(domain.high) + 1)


def _count(space: Space) -> int | None:
    """Return the number of combinations; None if a range has endless values."""
    if any(isinstance(domain, Range) and not domain.is_whole for domain in space.values()):
        return None
    return math.prod(len(_grid_values(domain)) for domain in space.values())


def _run(
    trial: SearchTrial, score_fold: Callable[[Mapping[str, Any], int], float], fold_count: int, budget: Budget
) -> float:
    """Score a combination on the folds, until the time is up; return the seconds of its slowest fold."""
    started, slowest = time.monotonic(), 0.0
    scores: list[float] = []
    for fold in range(fold_count):
        if scores and not budget.allows(slowest, 1):
            trial.outcome = f"{OUT_OF_TIME} after {fold} of {fold_count} folds"
            break
        fold_started = time.monotonic()
        try:
            scores.append(score_fold(trial.hyperparameters, fold))
        except MillraceError:
            raise
        except (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError) as error:
            trial.outcome = f"{type(error).__name__}: {error}"
            scores = []
            break
        slowest = max(slowest, time.monotonic() - fold_started)
    defined = [score for score in scores if math.isfinite(score)]
    trial.score = float(np.mean(defined)) if defined else math.nan
    trial.spread = float(np.std(defined, ddof=1)) if len(defined) > 1 else math.nan
    if scores and not defined:
        trial.outcome = "the primary metric is undefined on each fold"
    trial.fit_seconds, trial.done_seconds = time.monotonic() - started, budget.elapsed_seconds
    return slowest


def _tell(study: Any, proposal: Any, trial: SearchTrial) -> None:
    """Tell Optuna the score of a combination."""
    import optuna

    if math.isfinite(trial.score):
        study.tell(proposal, trial.score)
    else:
        study.tell(proposal, state=optuna.trial.TrialState.FAIL)


def _choose(trials: list[SearchTrial], metric: Metric) -> SearchResult:
    """Return the best trial of those that were scored on all folds, or else on the most folds."""
    done = [trial for trial in trials if trial.outcome == DONE]
    scored = done or [trial for trial in trials if math.isfinite(trial.score)]
    if not scored:
        raise ParameterError(
            f"hyperparameters: no combination could be trained; {trials[0].hyperparameters} failed with "
            f"{trials[0].outcome}"
        )
    best_name = metric.rank({trial.name: trial.score for trial in scored})[0]
    best = next(trial for trial in scored if trial.name == best_name)
    warning = "" if done else f"{best.name} is not scored on all folds: {best.outcome}. Increase search_minutes."
    return SearchResult(trials, best, warning)


def _describe(trial: SearchTrial, metric: Metric) -> str:
    """Return a line about a trial."""
    chosen = ", ".join(f"{name}={_format(value)}" for name, value in trial.hyperparameters.items())
    result = f"{metric.name} {trial.score:.4g}" if trial.outcome == DONE else trial.outcome
    return f"{trial.name} ({chosen}): {result}, after {trial.done_seconds:.0f} s"


def _format(value: Any) -> str:
    """Return a value of a hyperparameter as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
