"""Charts that compare a model's predictions with the true values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.charts.chart import (
    BLUE,
    GREY,
    INCHES_PER_CHARACTER,
    INCHES_PER_LINE,
    Chart,
    add_remark,
    axis_label,
    draw_histogram,
    hide_top_and_right_lines,
    wrap_label,
)
from lib.metrics import Predictions

_MAX_CLASSES = 12
_MAX_CLASSES_WITH_SHARES = 5  # in the cells of a confusion matrix
_NO_SKILL_BINS = 50
_MAX_NUMBER_TICKS = 5  # more labels of seven digits would overlap


def confusion_matrix(
    y_true: pd.Series | Sequence[Any], predictions: Predictions, no_skill: Predictions | None = None
) -> Chart:
    """Draw the confusion matrix: counts, colored by their share of the actual class.

    Parameters
    ----------
    y_true : Series of shape (rows,)
        True classes; the Series' name is the target's and appears on the axes.
    predictions : Predictions
    no_skill : Predictions, optional
        Predictions of the no-skill model for these rows, which are described above the matrix.
    """
    counts = metrics.confusion_matrix(y_true, predictions)
    class_count = len(counts)
    if class_count > _MAX_CLASSES:
        most_frequent = sorted(counts.sum(axis=1).to_numpy().argsort()[::-1][:_MAX_CLASSES])
        counts = counts.iloc[most_frequent, most_frequent]
    labels = [wrap_label(name) for name in counts.index]
    max_line_length = max(len(line) for label in labels for line in label.split("\n"))
    chart = Chart(*_matrix_size(labels, max_line_length))
    axes = chart.add_subplot()
    _draw_cells(counts.to_numpy(), axes)
    is_rotated = len(labels) > 2 or max_line_length > 12
    axes.set_xticks(
        range(len(labels)), labels, rotation=30 if is_rotated else 0, ha="right" if is_rotated else "center"
    )
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel=axis_label("predicted", y_true), ylabel=axis_label("actual", y_true))
    remarks = [f"the {len(counts)} most frequent of {class_count:,} classes"] if class_count > len(counts) else []
    if no_skill is not None:
        right = int((no_skill.labels == np.asarray(y_true)).sum())
        remarks.append(f"no-skill model: always {wrap_label(no_skill.labels[0])}, right in {right:,} rows")
    if remarks:
        add_remark(axes, "\n".join(remarks))
    return chart


def _matrix_size(labels: Sequence[str], max_line_length: int) -> tuple[float, float]:
    """Return the width and height in inches of a confusion matrix with these labels of rows and columns."""
    max_lines = max(label.count("\n") + 1 for label in labels)
    side = 3.0 + max(0.45, max_lines * INCHES_PER_LINE) * len(labels)
    label_space = max_line_length * INCHES_PER_CHARACTER
    return side + 1.2 + label_space, side + label_space / 2


def _draw_cells(counts: np.ndarray, axes: Any) -> None:
    """Draw the cells of a confusion matrix: the count, and the share of the row's sum if there are few classes."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        text = f"{counts[row, column]:,}"
        if len(counts) <= _MAX_CLASSES_WITH_SHARES:
            text += f"\n{shares[row, column]:.0%}"
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)


def roc_and_precision_recall(y_true: pd.Series | Sequence[Any], predictions: Predictions) -> Chart:
    """Draw ROC and precision-recall curves of the positive class, or of each class against all others."""
    from sklearn import metrics as sklearn_metrics

    chart = Chart(9.6, 4.2)
    roc, precision_recall = chart.subplots(1, 2)
    truth = np.asarray(y_true)
    probabilities, legend_title = _class_probabilities(truth, predictions)
    for name, probability in probabilities.items():
        is_class = truth == name
        false_positives, true_positives, _ = sklearn_metrics.roc_curve(is_class, probability)
        precision, recall, _ = sklearn_metrics.precision_recall_curve(is_class, probability)
        area = sklearn_metrics.auc(false_positives, true_positives)
        average_precision = sklearn_metrics.average_precision_score(is_class, probability)
        roc.plot(false_positives, true_positives, label=f"{wrap_label(name)} (AUC {area:.3f})")
        (curve,) = precision_recall.plot(recall, precision, label=f"{wrap_label(name)} (AP {average_precision:.3f})")
        # Dotted: a no-skill model, whose precision is the share of the class.
        share, color = float(is_class.mean()), GREY if len(probabilities) == 1 else curve.get_color()
        precision_recall.plot([0, 1], [share, share], color=color, linestyle=":", linewidth=1)
    roc.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    precision_recall.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(0, 1.03))
    # Good curves do not pass through these corners.
    for axes, corner in ((roc, "lower right"), (precision_recall, "lower left")):
        if probabilities:
            axes.legend(fontsize=8, loc=corner, title=legend_title, title_fontsize=8)
        hide_top_and_right_lines(axes)
    return chart


def _class_probabilities(truth: np.ndarray, predictions: Predictions) -> tuple[dict[Any, np.ndarray], str | None]:
    """Return the probabilities of each class that gets a curve, and the title of the legend.

    A binary model has one curve, for its positive class. A multiclass model has a curve for each of the most frequent
    classes. A class without rows, or with all rows, has no curve.
    """
    legend_title = None
    if predictions.positive_class is not None:
        probabilities = {predictions.positive_class: predictions.positive_probability}
        legend_title = "positive class"
    else:
        classes = predictions.class_names
        known_classes = [name for name in pd.Series(truth).value_counts().index if name in set(classes)]
        shown = known_classes[:_MAX_CLASSES]
        probabilities = {name: predictions.class_probabilities[:, classes.index(name)] for name in shown}
        if len(known_classes) > len(shown):
            legend_title = f"the {len(shown)} most frequent of {len(known_classes):,} classes"
    probabilities = {name: values for name, values in probabilities.items() if len(set(truth == name)) == 2}
    return probabilities, legend_title


def residuals(
    y_true: pd.Series | Sequence[float], predictions: Predictions, no_skill: Predictions | None = None
) -> Chart:
    """Draw predicted against actual values, and the histogram of the errors.

    Parameters
    ----------
    y_true : Series of shape (rows,)
        True values.
    predictions : Predictions
    no_skill : Predictions, optional
        Predictions of the no-skill model for these rows, drawn in grey.
    """
    truth = np.asarray(y_true, dtype=float)
    chart = Chart(9.6, 4.2)
    left, right = chart.subplots(1, 2)
    diagonal_ends = [min(truth.min(), predictions.labels.min()), max(truth.max(), predictions.labels.max())]
    left.scatter(truth, predictions.labels, s=8, alpha=0.3, color=BLUE, linewidths=0)
    left.plot(diagonal_ends, diagonal_ends, color=GREY, linestyle=":", linewidth=1)
    left.set(
        xlabel=axis_label("actual", y_true),
        ylabel=axis_label("predicted", y_true),
    )
    draw_histogram(right, predictions.labels - truth)
    if no_skill is not None:
        left.axhline(no_skill.labels[0], color=GREY, linestyle="--", linewidth=1)
        add_remark(left, f"dashed: no-skill model, {no_skill.labels[0]:.4g}")
        errors = no_skill.labels - truth
        right.hist(errors, bins=_NO_SKILL_BINS, histtype="step", color=GREY, linestyle="--")
        add_remark(right, "dashed: no-skill model")
    right.axvline(0, color=GREY, linestyle=":", linewidth=1)
    right.set(xlabel="predicted - actual", ylabel="rows")
    left.set_title("Predicted against actual", loc="left" if no_skill is not None else "center", fontsize=10)
    right.set_title("Residuals", loc="left" if no_skill is not None else "center", fontsize=10)
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=_MAX_NUMBER_TICKS)
        hide_top_and_right_lines(axes)
    return chart
