"""Charts and tables, shown in the executed notebooks and logged as MLflow artifacts."""

from __future__ import annotations

from lib.charts.calibration import reliability
from lib.charts.chart import Chart
from lib.charts.columns import column_importance, target_distribution
from lib.charts.effects import column_effects, partial_dependence
from lib.charts.evidence import evidence_over_time, scores_over_time
from lib.charts.exhibits import label, to_exhibit
from lib.charts.predictions import confusion_matrix, residuals, roc_and_precision_recall
from lib.charts.scores import candidate_scores, decision_curve, search_progress
from lib.charts.table import MARKED, NAN_TEXT, Table

__all__ = [
    "MARKED",
    "NAN_TEXT",
    "Chart",
    "Table",
    "candidate_scores",
    "column_effects",
    "column_importance",
    "confusion_matrix",
    "decision_curve",
    "evidence_over_time",
    "label",
    "partial_dependence",
    "reliability",
    "residuals",
    "roc_and_precision_recall",
    "scores_over_time",
    "search_progress",
    "target_distribution",
    "to_exhibit",
]
