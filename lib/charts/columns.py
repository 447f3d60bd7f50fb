"""Charts of single columns: the target's distribution, and the importance of each column."""

from __future__ import annotations

import pandas as pd

from lib.charts.chart import (
    BLUE,
    GREY,
    MAX_BARS,
    Chart,
    add_axes,
    add_remark,
    bars_height,
    draw_histogram,
    wrap_label,
)
from lib.metrics import Metric
from lib.tables.frames import count_values

_MIN_HEIGHT = 3.2
_AXIS_HEIGHT = 1.2  # of the labels below and the remark above


def target_distribution(target: pd.Series, task: str) -> Chart:
    """Draw the share of each class as a bar, or the histogram of a numeric target."""
    if task == "regression":
        chart = Chart(height=_MIN_HEIGHT)
        axes = add_axes(chart)
        draw_histogram(axes, target)
        axes.set(xlabel=wrap_label(target.name), ylabel="rows")
        return chart
    counts = count_values(target)
    shown_counts = counts.head(MAX_BARS)[::-1]
    labels = [wrap_label(name) for name in shown_counts.index]
    chart = Chart(height=max(_MIN_HEIGHT, _AXIS_HEIGHT + bars_height(labels)))
    axes = add_axes(chart)
    bars = axes.barh(range(len(shown_counts)), shown_counts.to_numpy(), color=BLUE)
    axes.set_yticks(range(len(shown_counts)), labels)
    axes.bar_label(bars, [f"{count:,} ({count / len(target):.1%})" for count in shown_counts], padding=4)
    axes.set(xlabel="rows", ylabel=wrap_label(target.name))
    axes.margins(x=0.2)
    if len(counts) > len(shown_counts):
        add_remark(axes, f"the {len(shown_counts)} most frequent of {len(counts):,} classes")
    return chart


def column_importance(importances: pd.DataFrame, metric: Metric) -> Chart:
    """Draw permutation importance: the loss in the metric when a column's values are shuffled.

    Parameters
    ----------
    importances : DataFrame of shape (columns, 2)
        ``mean`` and ``deviation`` of the loss, indexed by column, largest first.
    metric : Metric
    """
    shown = importances.head(MAX_BARS)[::-1]
    labels = [wrap_label(name) for name in shown.index]
    chart = Chart(height=_AXIS_HEIGHT + bars_height(labels))
    axes = add_axes(chart)
    axes.barh(range(len(shown)), shown["mean"], xerr=shown["deviation"], color=BLUE, ecolor=GREY)
    axes.set_yticks(range(len(shown)), labels)
    axes.set(xlabel=f"loss in {metric.name} when the column is shuffled")
    if len(importances) > len(shown):
        add_remark(axes, f"the {len(shown)} most important of {len(importances):,} columns")
    return chart
