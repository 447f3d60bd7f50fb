"""The figure of a chart, and the parts that several charts share: axes, labels and histograms.

A `Chart` is a figure that Jupyter displays by itself. It does not use pyplot, whose global state would display a
figure twice and keep it in memory.
"""

from __future__ import annotations

import functools
import io
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1f5fa8", "#d9822b", "#8a94a0"
MAX_BARS = 20
INCHES_PER_CHARACTER = 0.07
INCHES_PER_LINE = 0.16
_CHARACTERS_PER_LINE = 30
_GAP_INCHES = 0.1  # between two bars
_MAX_BINS = 50


class Chart(Figure):
    """A figure that a notebook displays as a PNG.

    Parameters
    ----------
    width, height : float
        Size in inches.

    Attributes
    ----------
    attrs : dict
        The title, caption and section in the report, see `lib.charts.label`.
    """

    def __init__(self, width: float = 6.4, height: float = 4.0):
        super().__init__(figsize=(width, height), layout="constrained")
        self.attrs: dict[str, str] = {}

    @functools.cached_property
    def png(self) -> bytes:
        """The image, rendered once for both the notebook and MLflow."""
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # Characters missing from the font are drawn as boxes; the warning would appear in the notebook.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        """Return the image; Jupyter calls this method to display the chart."""
        return self.png


def add_axes(chart: Chart) -> Axes:
    """Add axes that fill a chart, without a line at the top and at the right."""
    axes = chart.add_subplot()
    hide_top_and_right_lines(axes)
    return axes


def hide_top_and_right_lines(axes: Axes) -> None:
    """Hide the lines that bound axes at the top and at the right."""
    axes.spines[["top", "right"]].set_visible(False)


def add_remark(axes: Axes, text: str) -> None:
    """Write a remark above the right corner of axes."""
    axes.set_title(text, fontsize=9, loc="right", color=GREY)


def draw_histogram(axes: Axes, values: pd.Series | np.ndarray) -> None:
    """Draw a histogram of numbers, with a single bar if the numbers differ only by rounding."""
    has_range = np.ptp(values) > 1e-9 * np.abs(values).max()
    axes.hist(values, bins=_MAX_BINS if has_range else 1, color=BLUE)


def bars_height(labels: Sequence[str]) -> float:
    """Return the height in inches of horizontal bars with these labels, which may have several lines each."""
    return sum(_GAP_INCHES + INCHES_PER_LINE * (label.count("\n") + 1) for label in labels)


def axis_label(prefix: str, y_true: Any) -> str:
    """Return the label of an axis: a prefix such as "predicted", then the name of the target if it has one.

    Parameters
    ----------
    prefix : str
    y_true : Series or sequence
        True values of the target; only a Series has a name.
    """
    target = getattr(y_true, "name", None)
    if target is None:
        return prefix
    fits_one_line = len(f"{prefix} {target}") <= _CHARACTERS_PER_LINE
    return f"{prefix} {wrap_label(target)}" if fits_one_line else f"{prefix}\n{wrap_label(target)}"


def wrap_label(name: Any) -> str:
    """Return a complete name as a label, wrapped into lines; a dollar sign is escaped, as it would start a formula."""
    lines = [
        wrapped
        for line in str(name).split("\n")
        for wrapped in textwrap.wrap(line, _CHARACTERS_PER_LINE, drop_whitespace=False) or [""]
    ]
    return "\n".join(lines).replace("$", r"\$")
