"""Facts of a stage as plain JSON: what the report, the comparison of runs and the history read from a run's record."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib.charts.exhibits import to_json_value

if TYPE_CHECKING:
    import pandas as pd

    from lib.evaluation.comparison import Difference
    from lib.evaluation.gates import Evidence, GateResult
    from lib.metrics import Metric
    from lib.stages._contenders import Comparison, Contender

_MAX_COLUMNS = 200
# The smallest and the largest value are left out: they are values of single rows.
_STATISTICS = ("kind", "missing", "mean", "deviation", "distinct")


def describe_table(baseline: Mapping[str, Any], table_rows: int, test_rows: int, target_column: str) -> dict[str, Any]:
    """Return the sizes and the statistics of a prepared table.

    Parameters
    ----------
    baseline : mapping
        Statistics of the training rows, as the hook ``baseline`` returns them.
    table_rows, test_rows : int
        Rows of the table as it was read, and of the test rows.
    target_column : str

    Returns
    -------
    dict
        ``table_rows``, ``train_rows``, ``test_rows``, ``target_column``, ``columns`` (statistics of the first 200
        columns, by name), ``column_count``, and ``statistics_sha256``, the hash of the statistics of all columns.
    """
    columns = {**baseline.get("columns", {})}
    if "target" in baseline:
        columns[target_column] = baseline["target"]
    statistics = {
        str(name): {key: to_json_value(values[key]) for key in _STATISTICS if key in values}
        for name, values in columns.items()
    }
    return {
        "table_rows": table_rows,
        "train_rows": int(baseline.get("rows", 0)),
        "test_rows": test_rows,
        "target_column": target_column,
        "column_count": len(columns),
        "columns": dict(list(statistics.items())[:_MAX_COLUMNS]),
        "statistics_sha256": hashlib.sha256(json.dumps(statistics, sort_keys=True).encode()).hexdigest(),
    }


def describe_candidate(
    training_function: str, scores: pd.DataFrame, metric: Metric, measured: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the scores of a candidate by the primary metric, and other measurements.

    Parameters
    ----------
    training_function : str
    scores : DataFrame
        A row per metric, with the columns ``test rows`` and optionally ``training rows``.
    metric : Metric
        The primary metric.
    measured : mapping of str to number
        Further measurements, such as ``fit_seconds``; those that are NaN are left out.
    """
    facts = {
        "score": scores.loc[metric.name, "test rows"],
        "train_score": scores.loc[metric.name, "training rows"] if "training rows" in scores else None,
        **measured,
    }
    return {
        "training_function": training_function,
        "metric": metric.name,
        **{name: plain for name, value in facts.items() if (plain := to_json_value(value)) is not None},
    }


def describe_evaluation(
    comparison: Comparison,
    best: Contender,
    evidence: Evidence,
    results: Sequence[GateResult],
    sentences: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the comparison of all contenders, and the decision, without the version that it led to.

    Parameters
    ----------
    comparison : Comparison
    best : Contender
        The best candidate.
    evidence : Evidence
    results : sequence of GateResult
    sentences : mapping
        The decision in words, by topic.
    """
    metric = evidence.metric
    champion = comparison.champion.name if comparison.champion else ""
    differences = {"against_champion": evidence.against_champion, "against_no_skill": evidence.against_no_skill}
    return {
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "best": best.name,
        "best_run_id": best.run_id,
        "champion": champion,
        "not_comparable": evidence.not_comparable,
        "test_rows": len(comparison.test),
        **({"score": evidence.score} if math.isfinite(evidence.score) else {}),
        "contenders": [
            {"name": each.name, "run_id": each.run_id, "score": to_json_value(each.scores[metric.name])}
            for each in comparison.contenders
        ],
        **{name: describe_difference(each) for name, each in differences.items() if each is not None},
        "gates": [
            {"gate": each.gate, "verdict": each.verdict, "measured": each.measured, "limit": each.limit_in_words}
            | ({"reason": each.reason} if each.reason else {})
            for each in results
        ],
        "sentences": {topic: text for topic, text in sentences.items() if text},
    }


def describe_difference(difference: Difference) -> dict[str, Any]:
    """Return a difference between two models; bounds that are undefined are None."""
    return {
        "estimate": to_json_value(difference.estimate),
        "low": to_json_value(difference.low),
        "high": to_json_value(difference.high),
        "rows": difference.rows,
        "method": difference.method,
    }
