"""The time of a portfolio search: when fits must end, and how long each may take."""

from __future__ import annotations

import math
import time

# Share of the budget, and limits, of the time that is reserved at the end to select the blend and to load its models.
_RESERVED_SHARE, _MIN_RESERVED_SECONDS, _MAX_RESERVED_SECONDS = 0.08, 1.0, 60.0
# This reserve suffices for workers with such a share of a core. With less, it grows, up to a share of the budget.
_ASSUMED_CORE_SHARE, _MAX_RESERVED_SHARE = 0.75, 0.25
# Share of the reserve that is left for loading the models when the selection of the blend stops.
_ASSEMBLY_SHARE = 0.25
# Maximum share of all cores' time for one configuration.
_CONFIGURATION_SHARE = 0.22
# Share of the remaining time that the remaining folds of a configuration may take.
_REMAINING_SHARE = 0.9
_MIN_FOLD_SECONDS = 0.5


def compute_reserve_seconds(budget_seconds: float, core_share: float = 1.0) -> float:
    """Compute the part of the budget to reserve for the end of the search.

    Parameters
    ----------
    budget_seconds : float
        Time limit of the search.
    core_share : float
        Share of a core that a worker got so far, 0 to 1; it is small on a machine that is busy with other work.

    Examples
    --------
    >>> compute_reserve_seconds(60.0), compute_reserve_seconds(60.0, core_share=0.375)
    (4.8, 9.6)
    """
    usual_seconds = min(max(_RESERVED_SHARE * budget_seconds, _MIN_RESERVED_SECONDS), _MAX_RESERVED_SECONDS)
    slow_machine_seconds = usual_seconds * _ASSUMED_CORE_SHARE / max(core_share, 1e-3)
    return max(usual_seconds, min(slow_machine_seconds, _MAX_RESERVED_SHARE * budget_seconds))


class TimeBudget:
    """The deadlines of one search, on the clock of `time.monotonic`.

    Parameters
    ----------
    budget_seconds : float
        Time limit of the search, which starts now.
    threads : int
        Number of models that are fitted at the same time.

    Attributes
    ----------
    started : float
        Start of the search.
    end : float
        End of the search.
    fit_deadline : float
        When fits must end.
    """

    def __init__(self, budget_seconds: float, threads: int):
        self.started = time.monotonic()
        self.end = self.started + budget_seconds
        self.fit_deadline = self.end - compute_reserve_seconds(budget_seconds)
        self._budget_seconds = budget_seconds
        self._threads = threads

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start of the search."""
        return time.monotonic() - self.started

    @property
    def is_fit_time_over(self) -> bool:
        """Whether fits must end."""
        return time.monotonic() >= self.fit_deadline

    @property
    def selection_deadline(self) -> float:
        """When the selection of the blend must end."""
        return self.end - _ASSEMBLY_SHARE * (self.end - self.fit_deadline)

    def adjust_reserve(self, core_share: float) -> None:
        """Set an earlier deadline for fits if workers get only a small share of a core."""
        self.fit_deadline = self.end - compute_reserve_seconds(self._budget_seconds, core_share)

    def remaining_core_seconds(self, core_share: float) -> float:
        """Return the remaining time for fits, in seconds of a whole core, if each worker gets a share of a core."""
        return (self.fit_deadline - time.monotonic()) * self._threads * core_share

    def fold_seconds(self, fold_count: int, remaining_folds: int) -> float:
        """Return the time limit of one fold, so that all remaining folds of its configuration end in time."""
        planned_seconds = _CONFIGURATION_SHARE * (self.fit_deadline - self.started) * self._threads / fold_count
        # In a round, each thread fits one of the remaining folds.
        round_count = math.ceil(remaining_folds / self._threads)
        seconds_per_round = _REMAINING_SHARE * (self.fit_deadline - time.monotonic()) / round_count
        return max(_MIN_FOLD_SECONDS, min(planned_seconds, seconds_per_round))
