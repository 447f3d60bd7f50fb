"""Charts of what columns do to a model's answers: the size of their effects, and partial dependence."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lib.charts.chart import (
    BLUE,
    MAX_BARS,
    Chart,
    add_axes,
    add_remark,
    bars_height,
    hide_top_and_right_lines,
    wrap_label,
)

_AXIS_HEIGHT = 1.2  # of the label below and the remark above
_PANEL_WIDTH, _PANEL_HEIGHT = 3.4, 3.2
_MAX_LABEL_LENGTH = 12


def column_effects(effects: pd.Series, scale: str) -> Chart:
    """Draw the mean absolute effect of each column, the largest on top.

    Parameters
    ----------
    effects : Series
        Indexed by column, largest first.
    scale : str
        What the effects are added to, in words.
    """
    shown = effects.head(MAX_BARS)[::-1]
    labels = [wrap_label(name) for name in shown.index]
    chart = Chart(height=_AXIS_HEIGHT + bars_height(labels))
    axes = add_axes(chart)
    axes.barh(range(len(shown)), shown, color=BLUE)
    axes.set_yticks(range(len(shown)), labels)
    axes.set(xlabel=f"mean absolute effect on {scale}")
    if len(effects) > len(shown):
        add_remark(axes, f"the {len(shown)} most important of {len(effects):,} columns")
    return chart


def partial_dependence(dependence: Mapping[str, pd.DataFrame], answer: str) -> Chart:
    """Draw the mean answer against the values of each column, in one panel per column.

    Parameters
    ----------
    dependence : mapping of str to DataFrame
        By column, the mean answers indexed by the column's values.
    answer : str
        Label of the vertical axis.
    """
    chart = Chart(_PANEL_WIDTH * max(1, len(dependence)), _PANEL_HEIGHT)
    first = None
    for number, (name, means) in enumerate(dependence.items()):
        axes = chart.add_subplot(1, len(dependence), number + 1, sharey=first)
        first = first or axes
        hide_top_and_right_lines(axes)
        is_numeric = all(type(value) in (int, float) for value in means.index)
        positions = list(means.index) if is_numeric else list(range(len(means)))
        for label in means:
            axes.plot(positions, means[label], marker="o", markersize=3, label=wrap_label(str(label)))
        if not is_numeric:
            axes.set_xticks(positions, [_shorten(value) for value in means.index], rotation=90)
        axes.set(xlabel=wrap_label(name), ylabel="" if number else answer)
    if first is not None:
        first.legend(fontsize=8)
    return chart


def _shorten(value: object) -> str:
    """Return a value as a short label of an axis."""
    text = str(value).replace("T00:00:00", "")
    return text if len(text) <= _MAX_LABEL_LENGTH else text[:_MAX_LABEL_LENGTH] + "…"
