"""Pictures and tables for people: the same ones in the executed notebook and among MLflow's artifacts.

A `Chart` is a figure that Jupyter shows as it stands: no pyplot, whose global state would show a figure
twice and keep it in memory.
"""

from __future__ import annotations

import functools
import io
import textwrap
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib import metrics
from lib.data.tables import counted
from lib.metrics import Metric, Predictions

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9822b", "#8a94a0"
_MOST_CLASSES = 12
_MOST_BARS = 20
_LABEL_LENGTH = 28
MARKED = "marked"  # key of a table's ``attrs``: the rows or columns to emphasize


class Chart(Figure):
    """Figure that shows itself in a notebook as a PNG."""

    def __init__(self, width: float = 6.4, height: float = 4.0):
        super().__init__(figsize=(width, height), layout="constrained")

    @functools.cached_property
    def png(self) -> bytes:
        """The picture; drawn once, for the notebook and for MLflow."""
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            # Signs that the font lacks are drawn as boxes; the warning would stand on the page.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png


class Table(pd.DataFrame):
    """Table that Jupyter shows in full: nothing is cut, text is left-aligned, marked rows and columns are bold."""

    @property
    def _constructor(self) -> type:
        return Table  # otherwise set_index and the like would return a plain DataFrame

    def _repr_html_(self) -> str:
        texts = self.select_dtypes(object).columns
        left = [{"selector": "th", "props": [("text-align", "left")]}]
        style = self.style.format(precision=4, thousands=",", escape="html").set_table_styles(left)
        marked = {str(name) for name in self.attrs.get(MARKED, [])}
        for axis in (0, 1):
            style = style.format_index(lambda label: _star(label, marked), escape="html", axis=axis)
        style = style.set_properties(subset=texts, **{"text-align": "left"})
        for rows, columns in ((self.index.isin(marked), slice(None)), (slice(None), self.columns.isin(marked))):
            style = style.set_properties(subset=(rows, columns), **{"font-weight": "bold"})
        return style.to_html()


def _star(label: Any, marked: set[str]) -> str:
    return f"{label} ★" if str(label) in marked else str(label)


def target_distribution(target: pd.Series, task: str) -> Chart:
    """Bars of the classes' shares, or a histogram of a regression's target."""
    chart = Chart(height=3.2)
    axes = _axes(chart)
    if task == "regression":
        _histogram(axes, target)
        axes.set(xlabel=_label(target.name), ylabel="rows")
        return chart
    counts = counted(target)
    shown = counts.head(_MOST_BARS)[::-1]
    bars = axes.barh(range(len(shown)), shown.to_numpy(), color=_BLUE)
    axes.set_yticks(range(len(shown)), [_label(one) for one in shown.index])
    axes.bar_label(bars, [f"{count:,} ({count / len(target):.1%})" for count in shown], padding=4)
    axes.set(xlabel="rows", ylabel=_label(target.name))
    axes.margins(x=0.2)
    return chart


def confusion_matrix(y_true: Any, predictions: Predictions) -> Chart:
    """Confusion matrix, counts and shares of the actual class; of many classes the most frequent."""
    counts = metrics.confusion_matrix(y_true, predictions)
    if len(counts) > _MOST_CLASSES:
        frequent = counts.sum(axis=1).to_numpy().argsort()[::-1][:_MOST_CLASSES]
        counts = counts.iloc[sorted(frequent), sorted(frequent)]
    values = counts.to_numpy()
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    side = 3.0 + 0.45 * len(counts)
    chart = Chart(side + 1.2, side)
    axes = chart.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(values.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{values[row, column]:,}" + (f"\n{shares[row, column]:.0%}" if len(counts) <= 5 else "")
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    names = [_label(one) for one in counts.index]
    axes.set_xticks(
        range(len(names)), names, rotation=30 if len(names) > 2 else 0, ha="right" if len(names) > 2 else "center"
    )
    axes.set_yticks(range(len(names)), names)
    target = getattr(y_true, "name", None) or ""
    axes.set(xlabel=f"predicted {_label(target)}".strip(), ylabel=f"actual {_label(target)}".strip())
    return chart


def roc_and_precision_recall(y_true: Any, predictions: Predictions) -> Chart:
    """ROC and precision-recall curves: of the positive class, or of each class against the rest."""
    from sklearn import metrics as sk

    chart = Chart(9.6, 4.2)
    left, right = chart.subplots(1, 2)
    truth = np.asarray(y_true)
    if predictions.positive_class is not None:
        curves = {predictions.positive_class: predictions.positive_probability}
    else:
        frequent = [one for one in pd.Series(truth).value_counts().index if one in set(predictions.classes.tolist())]
        columns = predictions.classes.tolist()
        curves = {one: predictions.probabilities[:, columns.index(one)] for one in frequent[:_MOST_CLASSES]}
    # A curve needs rows of the class and rows of another.
    curves = {one: probability for one, probability in curves.items() if len(set(truth == one)) == 2}
    for one, probability in curves.items():
        false, true, _ = sk.roc_curve(truth == one, probability)
        precision, recall, _ = sk.precision_recall_curve(truth == one, probability)
        left.plot(false, true, label=f"{_label(one)} (area {sk.auc(false, true):.3f})")
        right.plot(
            recall, precision, label=f"{_label(one)} (mean {sk.average_precision_score(truth == one, probability):.3f})"
        )
    left.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(0, 1.03))
    title = None if predictions.positive_class is None else "positive class"
    for axes in (left, right):
        if curves:
            axes.legend(fontsize=8, loc="best", title=title, title_fontsize=8)
        _tidy(axes)
    return chart


def residuals(y_true: Any, predictions: Predictions) -> Chart:
    """Predicted against actual, and how the errors are spread."""
    truth = np.asarray(y_true, dtype=float)
    chart = Chart(9.6, 4.2)
    left, right = chart.subplots(1, 2)
    ends = [min(truth.min(), predictions.labels.min()), max(truth.max(), predictions.labels.max())]
    left.scatter(truth, predictions.labels, s=8, alpha=0.3, color=_BLUE, linewidths=0)
    left.plot(ends, ends, color=_GREY, linestyle=":", linewidth=1)
    left.set(xlabel="actual", ylabel="predicted", title="Predicted against actual")
    _histogram(right, predictions.labels - truth)
    right.axvline(0, color=_GREY, linestyle=":", linewidth=1)
    right.set(xlabel="predicted less actual", ylabel="rows", title="Residuals")
    for axes in (left, right):
        _tidy(axes)
    return chart


def column_importance(importances: pd.DataFrame, metric: Metric) -> Chart:
    """Bars of permutation importance: how much worse the score gets when a column is shuffled."""
    shown = importances.head(_MOST_BARS)[::-1]
    chart = Chart(height=1.2 + 0.26 * len(shown))
    axes = _axes(chart)
    axes.barh(range(len(shown)), shown["mean"], xerr=shown["deviation"], color=_BLUE, ecolor=_GREY)
    axes.set_yticks(range(len(shown)), [_label(one) for one in shown.index])
    axes.set(xlabel=f"{metric.name} lost when shuffled")
    return chart


def candidate_scores(scores: Mapping[str, float], metric: Metric, chosen: str, threshold: float | None) -> Chart:
    """The primary metric of every candidate and the champion, best on top."""
    names = [one for one in metric.rank(scores)[::-1] if np.isfinite(scores[one])]
    chart = Chart(height=1.2 + 0.4 * len(names))
    axes = _axes(chart)
    values = [scores[one] for one in names]
    bars = axes.barh(range(len(names)), values, color=[_ORANGE if one == chosen else _BLUE for one in names])
    axes.set_yticks(range(len(names)), [_label(one) for one in names])
    axes.bar_label(bars, [f"{value:.4g}" for value in values], padding=4)
    if threshold is not None:
        axes.axvline(threshold, color=_GREY, linestyle="--", linewidth=1)
        axes.set_title(f"dashed: min_score {threshold:g}", fontsize=9, loc="right", color=_GREY)
    axes.set(xlabel=f"{metric.name} ({metric.direction})")
    axes.margins(x=0.15)
    return chart


def search_progress(leaderboard: pd.DataFrame, metric: Metric) -> Chart:
    """Score on validation rows by when a model was done, and the best so far."""
    done = leaderboard.dropna(subset=["score", "done_seconds"]).sort_values("done_seconds")
    chart = Chart(9.6, 4.2)
    axes = _axes(chart)
    for family, rows in done.groupby("family", sort=True):
        axes.scatter(rows["done_seconds"], rows["score"], s=28, label=_label(family))
    best = done["score"].cummax() if metric.greater_is_better else done["score"].cummin()
    axes.step(done["done_seconds"], best, where="post", color=_GREY, linewidth=1, label="best so far")
    axes.set(xlabel="seconds since the search began", ylabel=f"{metric.name} ({metric.direction})")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return chart


def _axes(chart: Chart) -> Any:
    axes = chart.add_subplot()
    _tidy(axes)
    return axes


def _histogram(axes: Any, values: Any) -> None:
    # Values that differ by rounding alone leave no room for fifty bins between them.
    axes.hist(values, bins=50 if np.ptp(values) > 1e-9 * np.abs(values).max() else 1, color=_BLUE)


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _label(text: Any) -> str:
    """Return a name as a chart shows it: whole, a long one on several lines."""
    lines = textwrap.wrap(str(text), _LABEL_LENGTH, break_on_hyphens=False) or [""]
    return "\n".join(lines).replace("$", r"\$")  # matplotlib typesets text between two $ as a formula
