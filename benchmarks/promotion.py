"""How often a challenger is promoted that is equal to the champion, and one that is better by .01 AUC.

Run it with ``make bench ARGS=promotion``. Scores are drawn, not trained. Within a class,
those of the champion and the challenger are correlated at .8. Each simulation draws balanced test rows anew and judges
the challenger as the evaluate stage does.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from lib import metrics
from lib.evaluation.comparison import BETTER, compare
from lib.evaluation.selection import estimate_winner_score
from lib.metrics import Predictions

_SIMULATIONS = 1_000
_CHAMPION_AUC = 0.80
_CORRELATION = 0.8


def draw_models(rows: int, areas: list[float], random: np.random.Generator) -> tuple[np.ndarray, list[Predictions]]:
    """Draw the classes of balanced rows, and one model for each AUC; within a class, their scores are correlated."""
    truth = np.repeat([0, 1], rows // 2)
    common = random.normal(size=rows)
    models = []
    for area in areas:
        shift = np.sqrt(2) * stats.norm.ppf(area)
        noise = np.sqrt(_CORRELATION) * common + np.sqrt(1 - _CORRELATION) * random.normal(size=rows)
        probabilities = 1 / (1 + np.exp(-(truth * shift + noise - shift / 2)))
        columns = np.column_stack([1 - probabilities, probabilities])
        models.append(Predictions((probabilities > 0.5).astype(int), columns, np.array([0, 1]), 1))
    return truth, models


def measure_promotions(rows: int, gain: float, candidates: int, metric_name: str, simulations: int) -> dict[str, float]:
    """Return the share of promotions, and the mean of the winner's score before and after the correction."""
    metric, random = metrics.get(metric_name, "binary"), np.random.default_rng(0)
    areas = [_CHAMPION_AUC + gain] * candidates + [_CHAMPION_AUC]
    promoted, observed, corrected = 0, [], []
    for seed in range(simulations):
        truth, models = draw_models(rows, areas, random)
        scores = [metric.score(truth, model) for model in models[:-1]]
        winner = int(np.argmax(scores))
        promoted += compare(metric, truth, models[:-1], models[-1], seed)[winner].judge() == BETTER
        observed.append(scores[winner])
        corrected.append(estimate_winner_score(metric, truth, models[:-1], winner, seed))
    return {
        "promoted": promoted / simulations,
        "observed score": float(np.mean(observed)),
        "corrected score": float(np.mean(corrected)),
    }


def main() -> None:
    """Print a table of the simulations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=_SIMULATIONS)
    options = parser.parse_args()
    print(f"{options.simulations:,} simulations each; champion AUC {_CHAMPION_AUC}, correlation {_CORRELATION}")
    print(f"{'metric':<10}{'rows':>8}{'candidates':>12}{'gain':>7}{'promoted':>10}{'observed':>10}{'corrected':>11}")
    for metric, rows, candidates, gain in (
        ("roc_auc", 10_000, 1, 0.0),
        ("roc_auc", 10_000, 1, 0.01),
        ("roc_auc", 10_000, 4, 0.0),
        ("roc_auc", 500, 1, 0.0),
        ("roc_auc", 500, 4, 0.0),
        ("accuracy", 500, 4, 0.0),
    ):
        result = measure_promotions(rows, gain, candidates, metric, options.simulations)
        print(
            f"{metric:<10}{rows:>8,}{candidates:>12}{gain:>7.2f}{result['promoted']:>10.1%}"
            f"{result['observed score']:>10.4f}{result['corrected score']:>11.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
