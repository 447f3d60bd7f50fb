"""The models that an evaluation compares on the same rows: all candidates, a no-skill model and the champion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.backends import model_files
from lib.backends.models import ModelVersion
from lib.errors import DataError
from lib.evaluation.no_skill import NO_SKILL, predict_no_skill
from lib.metrics import Predictions
from lib.stages._comparability import describe_class_change, describe_target_change, explain_incomparability
from lib.stages._fair_rows import NotComparableError, select_unseen_rows
from lib.stages._hidden_columns import read_hidden_columns, read_row_weights
from lib.tables import frames

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

CHAMPION = "champion"


@dataclass(frozen=True)
class Contender:
    """A candidate or the champion, with its scores on the test rows.

    Attributes
    ----------
    name : str
        Training function of a candidate; ``"champion v3"`` for the champion.
    run_id : str
        The run that trained the model.
    scores : mapping of str to float
        Score of each metric.
    predictions : Predictions
        Predictions for the test rows.
    """

    name: str
    run_id: str
    scores: Mapping[str, float]
    predictions: Predictions


@dataclass(frozen=True)
class Comparison:
    """All contenders, scored on the same rows.

    Attributes
    ----------
    test : DataFrame
        The test rows that all contenders were scored on.
    candidates : tuple of Contender
    no_skill : Contender
        The model that gives the same answer for every row.
    champion : Contender or None
        None if nothing is in production, or if the production version cannot be compared.
    not_comparable : str
        Why the production version cannot be compared with the candidates; empty if it can.
    notes : tuple of str
        Sentences about the champion to add to the decision.
    hidden : DataFrame or None
        Columns of these test rows that no model sees, such as groups; None if there are none.
    """

    test: pd.DataFrame
    candidates: tuple[Contender, ...]
    no_skill: Contender
    champion: Contender | None = None
    not_comparable: str = ""
    notes: tuple[str, ...] = ()
    hidden: pd.DataFrame | None = None

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All candidates, the champion if there is one, and the no-skill model."""
        champion = (self.champion,) if self.champion else ()
        return (*self.candidates, *champion, self.no_skill)


def compare(backend: Backend, version: ModelVersion | None, parameters: Parameters) -> Comparison:
    """Score the candidates, a no-skill model and the production version, if any, on rows that are fair to all.

    Parameters
    ----------
    backend : Backend
    version : ModelVersion or None
        The production version.
    parameters : Parameters
        ``candidates``, ``test_data``, ``baseline``, ``target_column``, ``task``, ``primary_metric``,
        ``positive_class`` and ``weight_column``.

    Raises
    ------
    DataError
        If a candidate does not exist or was trained for other test rows, or if a candidate's files were changed. An
        error of the production version is never raised, but stored as ``not_comparable``.
    """
    rows = _TestRows.read(backend, parameters)
    if version is None:
        return _compare_candidates(backend, rows, parameters)
    try:
        folder = _find_champion(backend, version, parameters)
        unseen, split_note = select_unseen_rows(folder, version, rows.table, rows.hidden, rows.baseline)
    except Exception as error:  # whatever is wrong with the champion, the candidates are scored
        return replace(
            _compare_candidates(backend, rows, parameters), not_comparable=explain_incomparability(error, version)
        )
    fair_rows = rows if unseen is None else rows.select(unseen)
    comparison = replace(_compare_candidates(backend, fair_rows, parameters), notes=(split_note,))
    try:
        champion = _score_champion(backend, version, folder, comparison, parameters)
    except Exception as error:
        return replace(comparison, not_comparable=explain_incomparability(error, version))
    return replace(comparison, champion=champion)


@dataclass(frozen=True)
class _TestRows:
    """The test rows, their hidden columns and weights, and the baseline."""

    table: pd.DataFrame
    hidden: pd.DataFrame | None
    weights: np.ndarray | None
    baseline: Mapping[str, Any]

    @classmethod
    def read(cls, backend: Backend, parameters: Parameters) -> _TestRows:
        """Read the test rows."""
        baseline = backend.read_json(parameters.baseline)
        hidden = read_hidden_columns(backend.read_table, baseline, "test")
        weights = read_row_weights(hidden, "test", parameters)
        return cls(backend.read_table(parameters.test_data), hidden, weights, baseline)

    def select(self, is_selected: np.ndarray) -> _TestRows:
        """Return some of the rows."""
        hidden = None if self.hidden is None else self.hidden[is_selected].reset_index(drop=True)
        weights = None if self.weights is None else self.weights[is_selected]
        return _TestRows(self.table[is_selected].reset_index(drop=True), hidden, weights, self.baseline)


def _compare_candidates(backend: Backend, rows: _TestRows, parameters: Parameters) -> Comparison:
    """Score the candidates and a no-skill model on the same rows."""
    test = rows.table
    candidates = tuple(_score_candidates(backend, rows, parameters))
    train_data = backend.tracking.candidate_run(candidates[0].run_id).data.params["train_data"]
    features = [name for name in test.columns if name != parameters.target_column]
    target = backend.read_table(train_data, exclude=features)[parameters.target_column]
    weights = None
    if parameters.weight_column:
        hidden = read_hidden_columns(backend.read_table, rows.baseline, "train")
        weights = read_row_weights(hidden, "training", parameters)
    answers = candidates[0].predictions
    answers = replace(answers, weights=rows.weights)
    guess = predict_no_skill(target, test[parameters.target_column], answers, parameters.metric, weights)
    no_skill = _make_contender(NO_SKILL, "", guess, test, parameters)
    return Comparison(test, candidates, no_skill, hidden=rows.hidden)


def _find_champion(backend: Backend, version: ModelVersion, parameters: Parameters) -> Path:
    """Return the model folder of the production version, after checking that its target is today's."""
    target_change = describe_target_change(backend, version, parameters)
    if target_change:
        raise NotComparableError(target_change)
    return backend.tracking.model_folder(version.source, version.sha256)


def _score_champion(
    backend: Backend, version: ModelVersion, folder: Path, comparison: Comparison, parameters: Parameters
) -> Contender:
    """Score the production version on the rows of the candidates, with their positive class.

    Raises
    ------
    NotComparableError
        If the version predicts other classes, or if its score by the primary metric is undefined.
    """
    model = backend.tracking.load_model(folder)
    # The version keeps its own positive class here: today's need not be one of its classes.
    predictions = metrics.predict(model, _drop_target(comparison.test, parameters), parameters.task)
    answers = comparison.candidates[0].predictions
    class_change = describe_class_change(predictions, answers, version, parameters)
    if class_change:
        raise NotComparableError(class_change)
    predictions = replace(predictions, positive_class=answers.positive_class, weights=answers.weights)
    name = f"{CHAMPION} v{version.version}"
    champion = _make_contender(name, version.run_id, predictions, comparison.test, parameters)
    metric = parameters.metric
    if math.isnan(champion.scores[metric.name]) and not math.isnan(comparison.candidates[0].scores[metric.name]):
        raise NotComparableError(f"the {metric.name} of version {version.version} in production is undefined")
    return champion


def _score_candidates(backend: Backend, rows: _TestRows, parameters: Parameters) -> tuple[Contender, ...]:
    """Return all candidates; those that share a training function have the start of the run id in their names."""
    candidates = [_score_candidate(backend, run_id, rows, parameters) for run_id in parameters.candidates]
    names = [candidate.name for candidate in candidates]
    return tuple(
        replace(candidate, name=f"{candidate.name} {candidate.run_id[:8]}")
        if names.count(candidate.name) > 1
        else candidate
        for candidate in candidates
    )


def _score_candidate(backend: Backend, run_id: str, rows: _TestRows, parameters: Parameters) -> Contender:
    """Load a candidate's model and score it, after checking that its run used the same data and target."""
    run, test = backend.tracking.candidate_run(run_id), rows.table
    source, sha256 = backend.tracking.model_source(run)
    for name in ("test_data", "target_column", "task"):
        if run.data.params.get(name) != parameters[name]:
            raise DataError(
                f"candidates: the run {run_id} used {name} {run.data.params.get(name)!r}; expected "
                f"{parameters[name]!r}. Train this candidate again with the current parameters and data."
            )
    folder = backend.tracking.model_folder(source, sha256)
    model = backend.tracking.load_model(folder)
    frames.get_column(test, parameters.target_column, where="the test rows")
    with model_files.explain_incompatibility(folder):
        predictions = metrics.predict(model, _drop_target(test, parameters), parameters.task, parameters.positive_class)
    predictions = replace(predictions, weights=rows.weights)
    return _make_contender(run.data.params["training_function"], run_id, predictions, test, parameters)


def _drop_target(test: pd.DataFrame, parameters: Parameters) -> pd.DataFrame:
    """Return the test rows without the target."""
    return test.drop(columns=parameters.target_column)


def _make_contender(
    name: str, run_id: str, predictions: Predictions, test: pd.DataFrame, parameters: Parameters
) -> Contender:
    """Score predictions for the test rows by all metrics of the task."""
    y_true = frames.get_column(test, parameters.target_column, where="the test rows")
    contender_metrics = metrics.for_task(parameters.task, parameters.own_metrics)
    scores = {metric.name: metric.score(y_true, predictions) for metric in contender_metrics}
    return Contender(name, run_id, scores, predictions)
