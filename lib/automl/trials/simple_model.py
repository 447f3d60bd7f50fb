"""The simple model that an isolated search returns if its engine is not finished in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from lib.automl import EngineResult, SearchRequest, Trial

if TYPE_CHECKING:
    from lib.automl.trials.isolated_search import EncodedTable

_MAX_TIME_SHARE = 0.05
_VALIDATION_SHARE = 0.2


def fit_simple_model(table: EncodedTable, request: SearchRequest) -> EngineResult:
    """Fit LightGBM on most of the training rows, and use the remaining rows for validation.

    Parameters
    ----------
    table : EncodedTable
    request : SearchRequest

    Returns
    -------
    EngineResult
        A single trial, and a model that takes features instead of raw columns.
    """
    from lib.automl.families import FitRequest
    from lib.automl.families.boosting import fit_lightgbm
    from lib.automl.trials.blend import Member, make_blend

    started = time.monotonic()
    target = table.target
    shuffled_rows = np.random.default_rng(request.seed).permutation(len(table.features))
    validation_rows, train_rows = np.split(shuffled_rows, [max(1, int(_VALIDATION_SHARE * len(shuffled_rows)))])
    y, known_classes = target.labels[train_rows], None
    if target.classes is not None:
        known_classes, y = np.unique(y, return_inverse=True)
        validation_rows = validation_rows[np.isin(target.labels[validation_rows], known_classes)]
    validation_y = target.labels[validation_rows]
    fit_request = FitRequest(
        task=request.task,
        hyperparameters={},
        rows=len(train_rows),
        validation_features=table.features[validation_rows],
        validation_y=validation_y if known_classes is None else np.searchsorted(known_classes, validation_y),
        kinds=["number"] * table.features.shape[1],
        seed=request.seed,
        deadline=started + _MAX_TIME_SHARE * request.budget_seconds,
    )
    model = fit_lightgbm(table.features[train_rows], y, fit_request)
    member = Member(model, None if known_classes is None else known_classes.tolist(), target.output_count)
    trial = Trial("simple", "lightgbm", weight=1.0, fit_seconds=time.monotonic() - started)
    validation_outputs = member.predict_outputs(table.features[validation_rows])
    trial.validation = validation_rows, target.make_predictions(validation_outputs)
    trial.test = target.make_predictions(member.predict_outputs(table.test_features))
    trial.done_seconds = time.monotonic() - table.started
    return EngineResult([trial], make_blend([member], [1.0], target.classes), trial.name)
