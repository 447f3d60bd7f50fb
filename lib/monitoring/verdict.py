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
from lib.monitoring.reference import PREDICTION, ColumnReference
from lib.monitoring.surprises import measure_surprises
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
    effect : float
        See `lib.monitoring.reference.ColumnReference`.
    """

    name: str
    log_evidence: np.ndarray
    start: Window
    change: Change
    is_used: bool
    effect: float

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
        Columns that drifted, by the e-BH procedure at the rate of false alarms.
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
    log_evidence: np.ndarray
    threshold: float
    windows: list[Window]
    acted_in: Window | None = None


def judge(
    references: Mapping[str, ColumnReference], windows: Sequence[Window], alarm_rate: float, seed: str
) -> Judgement:
    """Judge the windows since the model began to serve.

    The evidence over all columns is the mean of the evidence of each column that the model uses, and of the
    predictions. Without drift, a mean of test martingales is a test martingale, whatever the columns have to do with
    each other. So the probability that the verdict is ever "act" is at most `alarm_rate`. "look" considers the columns
    that the model does not use too, and its rate is five times as high.

    Parameters
    ----------
    references : mapping of str to ColumnReference
    windows : sequence of Window
        In the order of time.
    alarm_rate : float
        Maximum probability of a false "act" in the whole life of a model version.
    seed : str
        Seed of the numbers that break ties. It must be the same at each look, and so is a window's evidence then.

    References
    ----------
    Wang & Ramdas, "False discovery rate control with e-values", Journal of the Royal Statistical Society B 84, 2022.
    """
    threshold = math.log(1 / alarm_rate)
    monitored = [name for name in references if all(name in window.counts for window in windows)]
    if not windows or not monitored:
        return Judgement(TOO_FEW, [], [], np.empty(0), threshold, list(windows))
    columns = [_judge_column(name, references[name], windows, seed) for name in monitored]
    used = [column for column in columns if column.is_used]
    combined = _average(used or columns)
    of_all = _average(columns)
    acted = np.flatnonzero(combined >= threshold)
    if len(acted):
        verdict = ACT
    elif of_all.max() >= math.log(1 / min(1.0, _LOOK_RATE_FACTOR * alarm_rate)):
        verdict = LOOK
    else:
        verdict = STABLE
    columns.sort(key=lambda column: -column.log_evidence[-1])
    return Judgement(
        verdict,
        columns,
        find_drifted(columns, alarm_rate),
        combined,
        threshold,
        list(windows),
        windows[acted[0]] if len(acted) else None,
    )


def find_drifted(columns: Sequence[ColumnDrift], rate: float) -> list[str]:
    """Return the columns that drifted: at most this share of them is wrong, on average (e-BH)."""
    ordered = sorted(columns, key=lambda column: -column.log_evidence[-1])
    count = 0
    for position, column in enumerate(ordered, start=1):
        if column.log_evidence[-1] >= math.log(len(ordered) / (rate * position)):
            count = position
    return [column.name for column in ordered[:count]]


def _average(columns: Sequence[ColumnDrift]) -> np.ndarray:
    """Return the logarithm of the mean evidence of some columns, after each window."""
    logarithms = np.array([column.log_evidence for column in columns])
    return special.logsumexp(logarithms, axis=0) - math.log(len(columns))


def _judge_column(name: str, reference: ColumnReference, windows: Sequence[Window], seed: str) -> ColumnDrift:
    """Measure the evidence of a drift of one column, and find where it is."""
    earlier = np.array(reference.counts)
    surprises = []
    for window in windows:
        counts = np.array(window.counts[name])
        surprises.append(measure_surprises(earlier, counts, _make_generator(seed, name, window)))
        earlier = earlier + counts
    numbers = np.array(surprises)
    start = find_start(numbers)
    change = find_change(reference, [window.counts[name] for window in windows[start:]], numbers[start:])
    is_used = reference.is_used or name == PREDICTION
    return ColumnDrift(name, measure_evidence(numbers), windows[start], change, is_used, reference.effect)


def _make_generator(seed: str, name: str, window: Window) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}|{name}|{window.start.isoformat()}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
