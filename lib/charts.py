"""Charts and tables, shown in the executed notebooks and logged as MLflow artifacts.

A `Chart` is a figure that Jupyter displays by itself. It does not use pyplot, whose global state would display a
figure twice and keep it in memory.
"""

from __future__ import annotations

import functools
import io
import textwrap
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib import metrics
from lib.metrics import Metric, Predictions
from lib.tables.frames import count_values

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9822b", "#8a94a0"
# Keys of a table's ``attrs``.
MARKED = "marked"  # the rows or columns that are shown in bold
NAN_TEXT = "nan_text"  # what is shown for NaN; nothing by default
_MAX_CLASSES = 12
_MAX_BARS = 20
_MAX_NUMBER_TICKS = 5  # more labels of seven digits would overlap
_MAX_TABLE_ROWS = 200
_CHARACTERS_PER_LINE = 30
_INCHES_PER_CHARACTER = 0.07
_INCHES_PER_LINE = 0.16


class Chart(Figure):
    """A figure that a notebook displays as a PNG.

    Parameters
    ----------
    width, height : float
        Size in inches.
    """

    def __init__(self, width: float = 6.4, height: float = 4.0):
        super().__init__(figsize=(width, height), layout="constrained")

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
        return self.png


class Table(pd.DataFrame):
    """A table that a notebook displays with complete texts, left-aligned, and marked names in bold.

    Of a long table, the notebook shows the first 200 rows and says so.
    """

    @property
    def _constructor(self) -> type:
        return Table  # otherwise set_index and similar methods would return a DataFrame

    def _repr_html_(self) -> str:
        shown = self.head(_MAX_TABLE_ROWS)
        if shown.columns.name is None:  # pandas would show the index's name in a header row of its own
            shown = shown.rename_axis(index=None, columns=shown.index.name)
        text_columns = shown.select_dtypes(object).columns
        left_aligned_header = [{"selector": "th", "props": [("text-align", "left")]}]
        style = shown.style.format(
            precision=4, thousands=",", na_rep=self.attrs.get(NAN_TEXT, ""), escape="html"
        ).set_table_styles(left_aligned_header)
        if isinstance(self.index, pd.RangeIndex) and self.index.name is None:  # the rows have no names
            style = style.hide(axis="index")
        if len(shown) < len(self):
            style = style.set_caption(f"The first {len(shown):,} of {len(self):,} rows.")
        marked = {str(name) for name in self.attrs.get(MARKED, [])}
        for axis in (0, 1):
            style = style.format_index(lambda name: _with_star(name, marked), escape="html", axis=axis)
        for cells in ((shown.index.isin(marked), slice(None)), (slice(None), shown.columns.isin(marked))):
            style = style.set_properties(subset=cells, **{"font-weight": "bold"})
        return style.set_properties(subset=text_columns, **{"text-align": "left"}).to_html()


def _with_star(name: Any, marked: Collection[str]) -> str:
    """Return a row's or column's name, with a star if it is marked."""
    return f"{name} ★" if str(name) in marked else str(name)


def target_distribution(target: pd.Series, task: str) -> Chart:
    """Draw the share of each class as a bar, or the histogram of a numeric target."""
    if task == "regression":
        chart = Chart(height=3.2)
        axes = _add_axes(chart)
        _draw_histogram(axes, target)
        axes.set(xlabel=_label(target.name), ylabel="rows")
        return chart
    counts = count_values(target)
    shown = counts.head(_MAX_BARS)[::-1]
    labels = [_label(name) for name in shown.index]
    chart = Chart(height=max(3.2, 1.2 + _bar_height(labels)))
    axes = _add_axes(chart)
    bars = axes.barh(range(len(shown)), shown.to_numpy(), color=_BLUE)
    axes.set_yticks(range(len(shown)), labels)
    axes.bar_label(bars, [f"{count:,} ({count / len(target):.1%})" for count in shown], padding=4)
    axes.set(xlabel="rows", ylabel=_label(target.name))
    axes.margins(x=0.2)
    if len(counts) > len(shown):
        _note(axes, f"the {len(shown)} most frequent of {len(counts):,} classes")
    return chart


def confusion_matrix(y_true: pd.Series | Sequence[Any], predictions: Predictions) -> Chart:
    """Draw the confusion matrix: counts, colored by their share of the actual class.

    Parameters
    ----------
    y_true : Series of shape (rows,)
        True classes; the Series' name is the target's and appears on the axes.
    predictions : Predictions
    """
    counts = metrics.confusion_matrix(y_true, predictions)
    classes = len(counts)
    if classes > _MAX_CLASSES:
        most_frequent = sorted(counts.sum(axis=1).to_numpy().argsort()[::-1][:_MAX_CLASSES])
        counts = counts.iloc[most_frequent, most_frequent]
    values = counts.to_numpy()
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    labels = [_label(name) for name in counts.index]
    longest_line = max(len(line) for label in labels for line in label.split("\n"))
    most_lines = max(label.count("\n") + 1 for label in labels)
    side = 3.0 + max(0.45, most_lines * _INCHES_PER_LINE) * len(counts)
    label_space = longest_line * _INCHES_PER_CHARACTER
    chart = Chart(side + 1.2 + label_space, side + label_space / 2)
    axes = chart.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(values.shape):
        color = "white" if shares[row, column] > 0.5 else "black"
        text = f"{values[row, column]:,}" + (f"\n{shares[row, column]:.0%}" if len(counts) <= 5 else "")
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    is_rotated = len(labels) > 2 or longest_line > 12
    axes.set_xticks(
        range(len(labels)), labels, rotation=30 if is_rotated else 0, ha="right" if is_rotated else "center"
    )
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel=_axis_label("predicted", y_true), ylabel=_axis_label("actual", y_true))
    if classes > len(counts):
        _note(axes, f"the {len(counts)} most frequent of {classes:,} classes")
    return chart


def roc_and_precision_recall(y_true: pd.Series | Sequence[Any], predictions: Predictions) -> Chart:
    """Draw ROC and precision-recall curves of the positive class, or of each class against the rest."""
    from sklearn import metrics as sk

    chart = Chart(9.6, 4.2)
    roc, precision_recall = chart.subplots(1, 2)
    truth = np.asarray(y_true)
    probabilities, note = _curve_probabilities(truth, predictions)
    for name, probability in probabilities.items():
        is_class = truth == name
        false_positives, true_positives, _ = sk.roc_curve(is_class, probability)
        precision, recall, _ = sk.precision_recall_curve(is_class, probability)
        area = sk.auc(false_positives, true_positives)
        average_precision = sk.average_precision_score(is_class, probability)
        roc.plot(false_positives, true_positives, label=f"{_label(name)} (AUC {area:.3f})")
        precision_recall.plot(recall, precision, label=f"{_label(name)} (AP {average_precision:.3f})")
    roc.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    precision_recall.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(0, 1.03))
    for axes, corner in ((roc, "lower right"), (precision_recall, "lower left")):  # where good curves do not pass
        if probabilities:
            axes.legend(fontsize=8, loc=corner, title=note, title_fontsize=8)
        _hide_frame(axes)
    return chart


def _curve_probabilities(truth: np.ndarray, predictions: Predictions) -> tuple[dict[Any, np.ndarray], str | None]:
    """Return each drawn class with its probabilities, and the title of the legend."""
    note = None
    if predictions.positive_class is not None:
        probabilities = {predictions.positive_class: predictions.positive_probability}
        note = "positive class"
    else:
        classes = predictions.class_names
        frequent = [name for name in pd.Series(truth).value_counts().index if name in set(classes)]
        shown = frequent[:_MAX_CLASSES]
        probabilities = {name: predictions.class_probabilities[:, classes.index(name)] for name in shown}
        if len(frequent) > len(shown):
            note = f"the {len(shown)} most frequent of {len(frequent):,} classes"
    # A curve needs rows of the class and rows of another class.
    probabilities = {name: values for name, values in probabilities.items() if len(set(truth == name)) == 2}
    return probabilities, note


def residuals(y_true: pd.Series | Sequence[float], predictions: Predictions) -> Chart:
    """Draw predicted against actual values, and the histogram of the errors."""
    truth = np.asarray(y_true, dtype=float)
    chart = Chart(9.6, 4.2)
    left, right = chart.subplots(1, 2)
    ends = [min(truth.min(), predictions.labels.min()), max(truth.max(), predictions.labels.max())]
    left.scatter(truth, predictions.labels, s=8, alpha=0.3, color=_BLUE, linewidths=0)
    left.plot(ends, ends, color=_GREY, linestyle=":", linewidth=1)
    left.set(
        xlabel=_axis_label("actual", y_true),
        ylabel=_axis_label("predicted", y_true),
        title="Predicted against actual",
    )
    _draw_histogram(right, predictions.labels - truth)
    right.axvline(0, color=_GREY, linestyle=":", linewidth=1)
    right.set(xlabel="predicted - actual", ylabel="rows", title="Residuals")
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=_MAX_NUMBER_TICKS)
        _hide_frame(axes)
    return chart


def column_importance(importances: pd.DataFrame, metric: Metric) -> Chart:
    """Draw permutation importance: the loss in the metric when a column's values are shuffled.

    Parameters
    ----------
    importances : DataFrame of shape (columns, 2)
        ``mean`` and ``deviation`` of the loss, indexed by column, largest first.
    metric : Metric
    """
    shown = importances.head(_MAX_BARS)[::-1]
    labels = [_label(name) for name in shown.index]
    chart = Chart(height=1.2 + _bar_height(labels))
    axes = _add_axes(chart)
    axes.barh(range(len(shown)), shown["mean"], xerr=shown["deviation"], color=_BLUE, ecolor=_GREY)
    axes.set_yticks(range(len(shown)), labels)
    axes.set(xlabel=f"loss in {metric.name} when the column is shuffled")
    if len(importances) > len(shown):
        _note(axes, f"the {len(shown)} most important of {len(importances):,} columns")
    return chart


def candidate_scores(scores: Mapping[str, float], metric: Metric, chosen: str, threshold: float | None) -> Chart:
    """Draw the score of every candidate and the champion, best on top.

    Parameters
    ----------
    scores : mapping of str to float
        Score of each model; models without a score are omitted.
    metric : Metric
    chosen : str
        Model to highlight.
    threshold : float or None
        ``min_score``, drawn as a dashed line.
    """
    names = [name for name in reversed(metric.rank(scores)) if np.isfinite(scores[name])]
    labels = [_label(name) for name in names]
    chart = Chart(height=1.2 + max(0.4 * len(names), _bar_height(labels)))
    axes = _add_axes(chart)
    values = [scores[name] for name in names]
    bars = axes.barh(range(len(names)), values, color=[_ORANGE if name == chosen else _BLUE for name in names])
    axes.set_yticks(range(len(names)), labels)
    axes.bar_label(bars, [f"{value:.4g}" for value in values], padding=4)
    if threshold is not None:
        axes.axvline(threshold, color=_GREY, linestyle="--", linewidth=1)
        _note(axes, f"dashed: min_score {threshold:g}")
    axes.set(xlabel=f"{metric.name} ({metric.direction})")
    axes.margins(x=0.15)
    return chart


def decision_curve(net_benefits: pd.DataFrame, threshold: float) -> Chart:
    """Draw the net benefit of a model and of the trivial decisions over the threshold.

    Parameters
    ----------
    net_benefits : DataFrame of shape (thresholds, lines)
        Indexed by threshold; the first column is the model.
    threshold : float
        The model's threshold, drawn as a dashed line.
    """
    chart = Chart(height=3.6)
    axes = _add_axes(chart)
    for name, color in zip(net_benefits, (_ORANGE, _BLUE, _GREY), strict=True):
        axes.plot(net_benefits.index, net_benefits[name], label=_label(name), color=color)
    highest = float(net_benefits.max().max())
    axes.set(
        xlabel="probability from which one acts",
        ylabel="net benefit per row",
        ylim=(-0.3 * highest, 1.05 * highest),
    )
    axes.axvline(threshold, color=_GREY, linestyle="--", linewidth=1)
    _note(axes, f"dashed: threshold {threshold:.3g}")
    axes.legend(fontsize=8)
    return chart


def search_progress(leaderboard: pd.DataFrame, metric: Metric) -> Chart:
    """Draw each model's validation score over the time of the search, and the best score so far."""
    done = leaderboard.dropna(subset=["score", "done_seconds"]).sort_values("done_seconds")
    chart = Chart(9.6, 4.2)
    axes = _add_axes(chart)
    for family, rows in done.groupby("family", sort=True):
        axes.scatter(rows["done_seconds"], rows["score"], s=28, label=_label(family))
    best = done["score"].cummax() if metric.greater_is_better else done["score"].cummin()
    axes.step(done["done_seconds"], best, where="post", color=_GREY, linewidth=1, label="best so far")
    axes.set(xlabel="seconds since the search began", ylabel=f"{metric.name} ({metric.direction})")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return chart


def _add_axes(chart: Chart) -> Axes:
    axes = chart.add_subplot()
    _hide_frame(axes)
    return axes


def _hide_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _note(axes: Axes, text: str) -> None:
    """Write a remark above the right corner."""
    axes.set_title(text, fontsize=9, loc="right", color=_GREY)


def _draw_histogram(axes: Axes, values: pd.Series | np.ndarray) -> None:
    # Fifty bins do not fit between values that differ only by rounding.
    axes.hist(values, bins=50 if np.ptp(values) > 1e-9 * np.abs(values).max() else 1, color=_BLUE)


def _bar_height(labels: Sequence[str]) -> float:
    """Return the height in inches of a bar chart with these labels, which may have several lines each."""
    return sum(0.1 + _INCHES_PER_LINE * (label.count("\n") + 1) for label in labels)


def _axis_label(prefix: str, y_true: Any) -> str:
    """Return an axis label with the target's name, if the values are a named Series."""
    target = getattr(y_true, "name", None)
    if target is None:
        return prefix
    is_short = len(f"{prefix} {target}") <= _CHARACTERS_PER_LINE
    return f"{prefix} {_label(target)}" if is_short else f"{prefix}\n{_label(target)}"


def _label(name: Any) -> str:
    """Return a name as a label: complete, wrapped into lines, and with ``$`` escaped, which would start a formula."""
    lines = [
        wrapped
        for line in str(name).split("\n")
        for wrapped in textwrap.wrap(line, _CHARACTERS_PER_LINE, drop_whitespace=False) or [""]
    ]
    return "\n".join(lines).replace("$", r"\$")
