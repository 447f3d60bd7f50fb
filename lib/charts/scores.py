"""Charts of model scores: the candidates of a run, and the models of an AutoML search."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.charts.chart import BLUE, GREY, ORANGE, Chart, add_axes, add_remark, bars_height, wrap_label
from lib.metrics import Metric

_BAR_HEIGHT = 0.4


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
    labels = [wrap_label(name) for name in names]
    chart = Chart(height=1.2 + max(_BAR_HEIGHT * len(names), bars_height(labels)))
    axes = add_axes(chart)
    values = [scores[name] for name in names]
    bars = axes.barh(range(len(names)), values, color=[ORANGE if name == chosen else BLUE for name in names])
    axes.set_yticks(range(len(names)), labels)
    axes.bar_label(bars, [f"{value:.4g}" for value in values], padding=4)
    if threshold is not None:
        axes.axvline(threshold, color=GREY, linestyle="--", linewidth=1)
        add_remark(axes, f"dashed: min_score {threshold:g}")
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
    axes = add_axes(chart)
    for name, color in zip(net_benefits, (ORANGE, BLUE, GREY), strict=True):
        axes.plot(net_benefits.index, net_benefits[name], label=wrap_label(name), color=color)
    highest = float(net_benefits.max().max())
    axes.set(
        xlabel="probability from which one acts",
        ylabel="net benefit per row",
        ylim=(-0.3 * highest, 1.05 * highest),
    )
    axes.axvline(threshold, color=GREY, linestyle="--", linewidth=1)
    add_remark(axes, f"dashed: threshold {threshold:.3g}")
    axes.legend(fontsize=8)
    return chart


def search_progress(leaderboard: pd.DataFrame, metric: Metric, no_skill: float = np.nan) -> Chart:
    """Draw each model's validation score over the time of the search, and the best score so far.

    Parameters
    ----------
    leaderboard : DataFrame
        Has the columns ``family``, ``score`` and ``done_seconds``.
    metric : Metric
    no_skill : float, optional
        Score of the no-skill model, drawn as a dashed line.
    """
    scored = leaderboard.dropna(subset=["score", "done_seconds"]).sort_values("done_seconds")
    chart = Chart(9.6, 4.2)
    axes = add_axes(chart)
    for family, models in scored.groupby("family", sort=True):
        axes.scatter(models["done_seconds"], models["score"], s=28, label=wrap_label(family))
    best = scored["score"].cummax() if metric.greater_is_better else scored["score"].cummin()
    axes.step(scored["done_seconds"], best, where="post", color=GREY, linewidth=1, label="best so far")
    if np.isfinite(no_skill):
        axes.axhline(no_skill, color=GREY, linestyle="--", linewidth=1, label="no-skill")
    axes.set(xlabel="seconds since the search began", ylabel=f"{metric.name} ({metric.direction})")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return chart
