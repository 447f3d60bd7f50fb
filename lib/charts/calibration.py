"""The chart of reliability: predicted probabilities against observed frequencies."""

from __future__ import annotations

from lib.charts.chart import BLUE, GREY, ORANGE, Chart, add_axes
from lib.evaluation.calibration_error import Reliability


def reliability(before: Reliability, after: Reliability | None) -> Chart:
    """Draw observed frequencies over predicted probabilities, before and after a calibration.

    Parameters
    ----------
    before : Reliability
        Of the model's own probabilities.
    after : Reliability or None
        Of the calibrated ones; None if the calibration is not used.
    """
    chart = Chart(5.2, 4.4)
    axes = add_axes(chart)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="perfect")
    axes.plot(before.predicted, before.observed, "o-", color=BLUE, markersize=4, label="before calibration")
    if after is not None:
        axes.plot(after.predicted, after.observed, "o-", color=ORANGE, markersize=4, label="after calibration")
    axes.set(xlabel="mean predicted probability", ylabel="observed frequency", xlim=(0, 1), ylim=(0, 1.03))
    axes.legend(fontsize=8, loc="upper left")
    return chart
