"""The verdict of a look: stable, look, act, or too few rows to say."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from lib.monitoring.changes import Change, find_change
from lib.monitoring.martingale import find_start, measure_evidence
from lib.monitoring.reference import ColumnReference
from lib.monitoring.surprises import measure_seasonal_surprises, measure_surprises
from lib.monitoring.windows import Window

STABLE, LOOK, ACT, TOO_FEW = VERDICTS = ("stable", "look", "act", "too few to say")
_LOOK_RATE_FACTOR = 5  # a verdict "look" may be false this many times as often as "act"


@dataclass(frozen=True)
class ColumnDrift:
    """The evidence of a drift of one column.

    Attributes
    ----------
    name : str
    log_evidence : ndarray of float, of shape (windows,)
        Natural logarithm of the evidence after each window.
    start : Window
        The window in which a drift most probably began.
    change : Change
        The cells whose share of the rows changed most since then.
    is_used : bool
        Whether the model's output depends on the column.
    """

    name: str
    log_evidence: np.ndarray
    start: Window
    change: Change
    is_used: bool

    @property
    def evidence(self) -> float:
        """The evidence after the last window, as a factor; at most 1e300."""
        return math.exp(min(self.log_evidence[-1], 690.0))


@dataclass(frozen=True)
class Judgement:
    """The verdict of a look, with its evidence.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`.
    columns : list of ColumnDrift
        The column with the most evidence first.
    drifted : list of str
        Columns with a drift, by the e-BH procedure after the window that decided the verdict; at least one unless the
        verdict is "stable" or "too few to say".
    unmonitored : list of str
        Columns that no window has.
    log_evidence : ndarray of float, of shape (windows,)
        Natural logarithm of the evidence over all columns that the model uses, and over the predictions.
    threshold : float
        Natural logarithm of the evidence at which the verdict is "act".
    windows : list of Window
    acted_in : Window or None
        The first window after which the verdict was "act".
    """

    verdict: str
    columns: list[ColumnDrift]
    drifted: list[str]
    unmonitored: list[str]
    log_evidence: np.ndarray
    threshold: float
    windows: list[Window]
    acted_in: Window | None = None


def judge(
    references: Mapping[str, ColumnReference], windows: Sequence[Window], alarm_rate: float, seed: str
) -> Judgement:
    """Judge the windows since the model began to serve.

    The evidence over all columns is the mean of the evidence of each column that the model uses, and of the
    prediction. Without drift, a mean of test martingales is a test martingale, however the columns depend on each
    other. So the probability that the verdict is ever "act" is at most `alarm_rate`. "look" also considers the columns
    that the model does not use, and may be false five times as often.

    Parameters
    ----------
    references : mapping of str to ColumnReference
    windows : sequence of Window
        In the order of time.
    alarm_rate : float
        Maximum probability of a false "act" in the whole life of a model version.
    seed : str
        Seed of the random draws. It must be the same at each look, so that a window's evidence does not change.

    References
    ----------
    Wang & Ramdas, "False discovery rate control with e-values", Journal of the Royal Statistical Society B 84, 2022.
    """
    threshold = math.log(1 / alarm_rate)
    monitored = [name for name in references if any(name in window.counts for window in windows)]
    unmonitored = [name for name in references if name not in monitored]
    if not monitored:
        return Judgement(TOO_FEW, [], [], unmonitored, np.empty(0), threshold, list(windows))
    columns = [_judge_column(name, references[name], windows, seed) for name in monitored]
    used = [column for column in columns if column.is_used]
    used_count = sum(reference.is_used for reference in references.values())
    combined = _average(used, used_count, len(windows))
    of_all = _average(columns, len(references), len(windows))
    acted = np.flatnonzero(combined >= threshold)
    if len(acted):
        verdict, drifted = ACT, find_drifted(used, alarm_rate, acted[0]) or [_find_strongest(used, acted[0])]
    elif of_all.max() >= math.log(1 / (_LOOK_RATE_FACTOR * alarm_rate)):
        strongest = int(np.argmax(of_all))
        verdict, drifted = LOOK, find_drifted(columns, alarm_rate, strongest) or [_find_strongest(columns, strongest)]
    else:
        verdict, drifted = STABLE, []
    columns.sort(key=lambda column: -column.log_evidence[-1])
    acted_in = windows[acted[0]] if len(acted) else None
    return Judgement(verdict, columns, drifted, unmonitored, combined, threshold, list(windows), acted_in)


def find_drifted(columns: Sequence[ColumnDrift], rate: float, window: int) -> list[str]:
    """Return the columns with a drift after a window, by the e-BH procedure at this false discovery rate."""
    ordered = sorted(columns, key=lambda column: -column.log_evidence[window])
    count = 0
    for position, column in enumerate(ordered, start=1):
        if column.log_evidence[window] >= math.log(len(ordered) / (rate * position)):
            count = position
    return [column.name for column in ordered[:count]]


def _find_strongest(columns: Sequence[ColumnDrift], window: int) -> str:
    """Return the column with the most evidence after a window."""
    return max(columns, key=lambda column: column.log_evidence[window]).name


def _average(columns: Sequence[ColumnDrift], count: int, window_count: int) -> np.ndarray:
    """Return the logarithm of the mean evidence of a number of columns, after each window.

    The evidence of a column that no window has is 1. So the set of columns does not depend on the windows.
    """
    logarithms = [column.log_evidence for column in columns]
    logarithms += [np.zeros(window_count)] * (count - len(columns))
    if not logarithms:
        return np.zeros(window_count)
    return special.logsumexp(logarithms, axis=0) - math.log(count)


def _judge_column(name: str, reference: ColumnReference, windows: Sequence[Window], seed: str) -> ColumnDrift:
    """Measure the evidence of a drift of one column, and find where it is. Windows without the column do not count."""
    positions = [position for position, window in enumerate(windows) if name in window.counts]
    present = [windows[position] for position in positions]
    numbers = _measure_all_surprises(name, reference, present, seed)
    start = find_start(numbers)
    change = find_change(reference, [window.counts[name] for window in present[start:]], numbers[start:])
    measured = np.concatenate([[0.0], measure_evidence(numbers)])
    evidence = measured[np.searchsorted(positions, np.arange(len(windows)), side="right")]
    return ColumnDrift(name, evidence, present[start], change, reference.is_used)


def _measure_all_surprises(name: str, reference: ColumnReference, windows: Sequence[Window], seed: str) -> np.ndarray:
    """Return the surprises of each window, within seasons if the reference and all windows know them."""
    is_seasonal = bool(reference.seasonal_counts) and all(name in window.seasonal_counts for window in windows)
    measure = measure_seasonal_surprises if is_seasonal else measure_surprises
    earlier = np.array(reference.seasonal_counts if is_seasonal else reference.counts)
    surprises = []
    for number, window in enumerate(windows):
        counts = np.array(window.seasonal_counts[name] if is_seasonal else window.counts[name])
        surprises.append(measure(earlier, counts, _make_generator(seed, name, number, window)))
        earlier = earlier + counts
    return np.array(surprises)


def _make_generator(seed: str, name: str, number: int, window: Window) -> np.random.Generator:
    """Return a generator that draws the same for the same counts."""
    digest = hashlib.sha256(f"{seed}|{name}|{number}|{window.counts[name]}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
