"""A chart of the evidence of a drift over time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import matplotlib.dates
import numpy as np

from lib.charts.chart import BLUE, GREY, Chart, add_axes, wrap_label

_MAX_DECADES = 20


def evidence_over_time(
    ends: Sequence[datetime.datetime], logarithms: Mapping[str, np.ndarray], threshold: float
) -> Chart:
    """Draw the evidence after each window, on a logarithmic scale.

    Parameters
    ----------
    ends : sequence of datetime
        The end of each window.
    logarithms : mapping of str to ndarray of shape (windows,)
        Natural logarithm of the evidence by name; the first one is drawn in blue, the others in grey.
    threshold : float
        Natural logarithm of the evidence that raises an alarm, drawn as a dotted line.
    """
    chart = Chart(7.2, 3.6)
    axes = add_axes(chart)
    dates = matplotlib.dates.date2num(ends)
    for number, (name, values) in enumerate(logarithms.items()):
        decades = np.clip(np.asarray(values) / np.log(10), -_MAX_DECADES, _MAX_DECADES)
        color, width, order = (BLUE, 2.0, 3) if number == 0 else (GREY, 0.8, 2)
        axes.plot(dates, decades, color=color, linewidth=width, zorder=order, marker="o", markersize=width + 1)
        axes.annotate(wrap_label(name), (dates[-1], decades[-1]), xytext=(4, 0), textcoords="offset points", fontsize=8)
    axes.axhline(threshold / np.log(10), color=GREY, linestyle=":")
    axes.set_ylabel("evidence, powers of 10")
    axes.xaxis_date()
    axes.tick_params(axis="x", rotation=30)
    return chart


def scores_over_time(
    points: Mapping[str, Sequence[tuple[datetime.datetime, float, float, float]]], promised: float | None, metric: str
) -> Chart:
    """Draw a metric with its intervals after each window.

    Parameters
    ----------
    points : mapping of str to sequence of tuple
        End of the window, value, and both ends of the interval, by the name of the series. The last one is drawn in
        blue, the others in grey.
    promised : float or None
        The metric on the test rows, drawn as a dotted line.
    metric : str
    """
    chart = Chart(7.2, 3.6)
    axes = add_axes(chart)
    for number, (name, values) in enumerate(points.items()):
        ends, middles, lows, highs = zip(*values, strict=True)
        color = BLUE if number == len(points) - 1 else GREY
        dates = matplotlib.dates.date2num(ends) + 0.6 * number  # side by side, not on top of each other
        errors = [np.subtract(middles, lows), np.subtract(highs, middles)]
        axes.errorbar(dates, middles, errors, color=color, marker="o", markersize=3, linewidth=1, label=name)
    if promised is not None:
        axes.axhline(promised, color=GREY, linestyle=":", label="on the test rows")
    axes.set_ylabel(metric)
    axes.legend(fontsize=8, frameon=False)
    axes.xaxis_date()
    axes.tick_params(axis="x", rotation=30)
    return chart
