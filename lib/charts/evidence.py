"""A chart of the evidence of a drift over time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.dates
import numpy as np

from lib.charts.chart import BLUE, GREY, Chart, add_axes, wrap_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_DECADES = 20
_HEIGHT_INCHES, _POINTS_PER_INCH = 3.6, 72
_LABEL_FONT_POINTS, _LABEL_POINTS = 8, 10.5  # the size of the letters, and of a line with its gap


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
    chart = Chart(7.2, _HEIGHT_INCHES)
    axes = add_axes(chart)
    dates = matplotlib.dates.date2num(ends)
    last_values: dict[str, float] = {}
    for number, (name, values) in enumerate(logarithms.items()):
        decades = np.clip(np.asarray(values) / np.log(10), -_MAX_DECADES, _MAX_DECADES)
        color, width, order = (BLUE, 2.0, 3) if number == 0 else (GREY, 0.8, 2)
        axes.plot(dates, decades, color=color, linewidth=width, zorder=order, marker="o", markersize=width + 1)
        last_values[name] = float(decades[-1])
    axes.axhline(threshold / np.log(10), color=GREY, linestyle=":")
    axes.set_ylabel("evidence, powers of 10")
    _label_lines(axes, last_values, float(dates[-1]))
    _label_dates(axes)
    return chart


def _label_lines(axes: Axes, last_values: Mapping[str, float], last_date: float) -> None:
    """Write the name of each line beside its end, moved up or down where names would overlap."""
    names = sorted(last_values, key=lambda name: last_values[name])
    points_per_unit = axes.get_position().height * _HEIGHT_INCHES * _POINTS_PER_INCH / np.ptp(axes.get_ylim())
    labels = {name: wrap_label(name) for name in names}
    heights = [_LABEL_POINTS * (labels[name].count("\n") + 1) for name in names]
    wanted = [last_values[name] * points_per_unit for name in names]
    for name, position, end in zip(names, spread(wanted, heights), wanted, strict=True):
        axes.annotate(
            labels[name],
            (last_date, last_values[name]),
            xytext=(8, position - end),
            textcoords="offset points",
            fontsize=_LABEL_FONT_POINTS,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2},
        )


def spread(positions: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return ascending positions moved as little as needed, so that labels of these heights do not overlap.

    Labels that would overlap form a group, which stays centred on the mean of its positions.

    Examples
    --------
    >>> spread([0.0, 0.0, 50.0], [10.0, 10.0, 10.0])
    [-5.0, 5.0, 50.0]
    """
    groups: list[list[int]] = []
    for number in range(len(positions)):
        groups.append([number])
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], positions, heights):
            last = groups.pop()
            groups[-1] += last
    return [position for group in groups for position in _stack(group, positions, heights)]


def _stack(group: Sequence[int], positions: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return the positions of a group's labels, one directly above the other."""
    total = sum(heights[number] for number in group)
    bottom = float(np.mean([positions[number] for number in group])) - total / 2
    stacked = []
    for number in group:
        stacked.append(bottom + heights[number] / 2)
        bottom += heights[number]
    return stacked


def _overlap(lower: Sequence[int], upper: Sequence[int], positions: Sequence[float], heights: Sequence[float]) -> bool:
    """Return whether the labels of two groups overlap."""
    top = _stack(lower, positions, heights)[-1] + heights[lower[-1]] / 2
    bottom = _stack(upper, positions, heights)[0] - heights[upper[0]] / 2
    return top > bottom


def _label_dates(axes: Axes) -> None:
    """Write the dates below the axes short enough that they do not overlap; the year appears once."""
    locator = matplotlib.dates.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))


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
    chart = Chart(7.2, _HEIGHT_INCHES)
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
    # Above the axes, because intervals may be anywhere in them.
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(points) + 1)
    _label_dates(axes)
    return chart
