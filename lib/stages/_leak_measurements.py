"""Measurements of leakage: test rows that repeat a training row, and the column that predicts the target best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.evaluation.gates.leakage import LeakScore, RepeatedRows
from lib.evaluation.not_measured import NotMeasuredError
from lib.stages._hidden_columns import read_hidden_columns
from lib.tables.quality.leakage import find_best_column
from lib.tables.split.row_hash import row_hash

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._contenders import Comparison, Contender

# With fewer test rows, the training rows are read too, so that a column is judged with little uncertainty.
_ENOUGH_TEST_ROWS = 5_000


def count_repeated_rows(
    best: Contender, comparison: Comparison, baseline: Mapping[str, Any], backend: Backend, parameters: Parameters
) -> RepeatedRows:
    """Return how many test rows repeat a training row, in all features and in the target.

    Keys of the split are compared too, unless each row has its own: equal rows of two customers are two rows, but equal
    rows with two row numbers are the same one twice.

    Parameters
    ----------
    best : Contender
        Its run tells which rows trained.
    comparison : Comparison
    baseline : mapping
        The baseline from preprocess.
    backend : Backend
    parameters : Parameters
        ``key_columns`` and ``target_column``.
    """
    rule = baseline.get("split")
    if rule is not None and ("cut" in rule or not parameters.key_columns):
        return RepeatedRows(0, len(comparison.test))  # rows with equal features or an equal time share a side
    train = _read_train(best, backend)
    hidden = read_hidden_columns(backend.read_table, baseline, "train")
    rows = pd.concat([train, comparison.test], ignore_index=True)
    columns = list(rows.columns)
    if hidden is not None and comparison.hidden is not None:
        rows = rows.assign(**pd.concat([hidden, comparison.hidden], ignore_index=True))
    keys = [name for name in parameters.key_columns if name in rows.columns]
    if keys and pd.Series(row_hash(rows, keys, normalize=True)).is_unique:
        columns = [name for name in columns if not (name in keys and rows[name].is_unique)]
    else:
        columns = list(rows.columns)
    hashes = row_hash(rows, columns, normalize=True)
    is_repeated = np.isin(hashes[len(train) :], hashes[: len(train)])
    return RepeatedRows(int(is_repeated.sum()), len(comparison.test))


def score_best_column(best: Contender, comparison: Comparison, backend: Backend, parameters: Parameters) -> LeakScore:
    """Return the score of the column that predicts the target best by itself.

    Raises
    ------
    NotMeasuredError
        If no column can be scored.
    """
    rows = comparison.test
    if len(rows) < _ENOUGH_TEST_ROWS:
        rows = pd.concat([_read_train(best, backend), rows], ignore_index=True)
    result = find_best_column(rows, parameters.target_column, parameters.task, parameters.seed)
    if result is None:
        raise NotMeasuredError("no column has repeated values or numbers")
    name = "R2" if parameters.task == "regression" and result.score >= result.class_score else "ROC AUC"
    return LeakScore(str(result.column.name), name, result.best, max(result.lower, result.class_lower))


def _read_train(best: Contender, backend: Backend) -> pd.DataFrame:
    """Return the rows that the best candidate trained on."""
    return backend.read_table(backend.tracking.candidate_run(best.run_id).data.params["train_data"])
