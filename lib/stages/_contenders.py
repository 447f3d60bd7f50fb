"""The models that an evaluation compares: all candidates and the champion, scored on the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import metrics
from lib.backends import model_files
from lib.backends.model_files import IncompatibleModelError
from lib.backends.models import ModelVersion
from lib.errors import DataError, InputError
from lib.metrics import Predictions
from lib.scoring.model_folder import BASELINE_FILE
from lib.tables import frames
from lib.tables.split import rules

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

CHAMPION = "champion"
_MIN_UNSEEN_ROWS = 20
_MAX_REASON_LENGTH = 500  # MLflow truncates tags at 8,000 characters, and the decision is published as JSON in one
_MAX_LISTED_CLASSES = 12


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
    champion : Contender or None
        None if nothing is in production, or if the production version cannot be compared.
    changed_target : str
        Why the production version predicts something else than the candidates, so that their scores must not be
        compared; empty if it predicts the same.
    notes : tuple of str
        Sentences about the champion to add to the decision.
    """

    test: pd.DataFrame
    candidates: tuple[Contender, ...]
    champion: Contender | None = None
    changed_target: str = ""
    notes: tuple[str, ...] = ()

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All candidates, and the champion if there is one."""
        return (*self.candidates, self.champion) if self.champion else self.candidates


def compare(backend: Backend, version: ModelVersion | None, parameters: Parameters) -> Comparison:
    """Score the candidates and the production version, if any, on rows that are fair to both.

    Parameters
    ----------
    backend : Backend
    version : ModelVersion or None
        The production version.
    parameters : Parameters
        ``candidates``, ``test_data``, ``baseline``, ``target_column``, ``task`` and ``positive_class``.

    Raises
    ------
    DataError
        If a candidate does not exist or was trained for other test rows, if model files were changed, or if the
        champion trained on nearly all test rows.
    """
    test = backend.read_table(parameters.test_data)
    if version is None:
        return Comparison(test, _score_candidates(backend, test, parameters))
    folder = backend.tracking.model_folder(version.source, version.sha256)
    changed_target = _compare_targets(backend, version, parameters)
    if changed_target:
        return Comparison(test, _score_candidates(backend, test, parameters), changed_target=changed_target)
    selected, split_note = _select_unseen_rows(folder, version, test, backend, parameters)
    candidates = _score_candidates(backend, selected, parameters)
    predictions, failure_note = _predict_as_champion(backend, version, folder, selected, parameters)
    if predictions is None:
        return Comparison(selected, candidates, notes=(split_note, failure_note))
    today = candidates[0].predictions
    changed_target = _compare_classes(predictions, today, version, parameters)
    if changed_target:
        return Comparison(selected, candidates, changed_target=changed_target, notes=(split_note,))
    predictions = replace(predictions, positive_class=today.positive_class)
    name = f"{CHAMPION} v{version.version}"
    champion = _make_contender(name, version.run_id, predictions, selected, parameters)
    return Comparison(selected, candidates, champion, notes=(split_note,))


def _score_candidates(backend: Backend, test: pd.DataFrame, parameters: Parameters) -> tuple[Contender, ...]:
    """Return all candidates; those that share a training function have the start of the run id in their names."""
    candidates = [_score_candidate(backend, run_id, test, parameters) for run_id in parameters.candidates]
    names = [candidate.name for candidate in candidates]
    return tuple(
        replace(candidate, name=f"{candidate.name} {candidate.run_id[:8]}")
        if names.count(candidate.name) > 1
        else candidate
        for candidate in candidates
    )


def _score_candidate(backend: Backend, run_id: str, test: pd.DataFrame, parameters: Parameters) -> Contender:
    """Load a candidate's model and score it, after checking that its run used the same data and target."""
    run = backend.tracking.candidate_run(run_id)
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
        predictions = metrics.predict(model, _features(test, parameters), parameters.task, parameters.positive_class)
    return _make_contender(run.data.params["training_function"], run_id, predictions, test, parameters)


def _compare_targets(backend: Backend, version: ModelVersion, parameters: Parameters) -> str:
    """Return how the target of the production version differs from today's; empty if it does not."""
    try:
        logged = backend.tracking.candidate_run(version.run_id).data.params
    except DataError:  # the run was deleted
        return ""
    target, task = (logged.get(name, parameters[name]) for name in ("target_column", "task"))
    if target != parameters.target_column:
        return (
            f"version {version.version} in production predicts {target}, and today's target is "
            f"{parameters.target_column}"
        )
    if task != parameters.task and "regression" in (task, parameters.task):
        return (
            f"version {version.version} in production predicts {target} as a {_describe_task(task)}, and today it is a "
            f"{_describe_task(parameters.task)}"
        )
    return ""


def _describe_task(task: str) -> str:
    """Return what a task predicts, in words."""
    return "number" if task == "regression" else f"class ({task})"


def _compare_classes(
    champion: Predictions, candidate: Predictions, version: ModelVersion, parameters: Parameters
) -> str:
    """Return how the classes of the production version differ from today's; empty if they can be compared.

    Classes that were only added or only removed can be compared: the champion is then wrong in the rows of the new
    classes. If some appear and others disappear, they may have been renamed, and scores would count each row of a
    renamed class as wrong.
    """
    if champion.classes is None:
        return ""
    old, new = champion.class_names, candidate.class_names
    if set(old) <= set(new) or set(new) <= set(old):
        return ""
    return (
        f"version {version.version} in production predicts the classes {_list_classes(old)} of "
        f"{parameters.target_column}, and today's classes are {_list_classes(new)}"
    )


def _list_classes(names: list[Any]) -> str:
    """Return the names of classes in quotes, abbreviated if there are many."""
    listed = ", ".join(repr(str(name)) for name in names[:_MAX_LISTED_CLASSES])
    return listed if len(names) <= _MAX_LISTED_CLASSES else f"{listed} and {len(names) - _MAX_LISTED_CLASSES} more"


def _predict_as_champion(
    backend: Backend, version: ModelVersion, folder: Path, test: pd.DataFrame, parameters: Parameters
) -> tuple[Predictions | None, str]:
    """Return the production version's predictions and an empty string, or None and a note if it makes none.

    A production version that cannot be loaded or cannot score the current rows does not prevent a promotion.
    """
    label = f"Version {version.version} in production"
    try:
        model = backend.tracking.load_model(folder)
    except IncompatibleModelError as error:
        return None, f"{label} {error.reason}, so it was not compared."
    except (InputError, KeyError, TypeError, ValueError) as error:
        return None, f"{label} cannot be loaded ({_shorten(error)}), so it was not compared."
    try:
        # Its own positive class: today's need not be one of its classes.
        return metrics.predict(model, _features(test, parameters), parameters.task), ""
    except (InputError, AttributeError, KeyError, TypeError, ValueError) as error:  # it needs other columns
        return None, f"{label} cannot score these rows ({_shorten(error)}), so it was not compared."


def _shorten(error: Exception) -> str:
    """Return an error's type and message, truncated if the message is long."""
    reason = f"{type(error).__name__}: {error}"
    return reason if len(reason) <= _MAX_REASON_LENGTH else f"{reason[:_MAX_REASON_LENGTH]} ..."


def _features(test: pd.DataFrame, parameters: Parameters) -> pd.DataFrame:
    """Return the test rows without the target."""
    return test.drop(columns=parameters.target_column)


def _make_contender(
    name: str, run_id: str, predictions: Predictions, test: pd.DataFrame, parameters: Parameters
) -> Contender:
    """Score predictions for the test rows by all metrics of the task."""
    y_true = frames.get_column(test, parameters.target_column, where="the test rows")
    scores = {metric.name: metric.score(y_true, predictions) for metric in metrics.for_task(parameters.task)}
    return Contender(name, run_id, scores, predictions)


def _select_unseen_rows(
    folder: Path, version: ModelVersion, test: pd.DataFrame, backend: Backend, parameters: Parameters
) -> tuple[pd.DataFrame, str]:
    """Return the test rows that the champion did not train on, and a note if its split differs from the current one.

    If the split rules differ, the champion's own rule, stored with its model, identifies the rows that it did not train
    on. Rules of earlier releases are applied as they were.
    """
    baseline = backend.read_json(parameters.baseline)
    stored = json.loads((folder / BASELINE_FILE).read_text(encoding="utf-8")).get("split")
    if stored is not None and stored == baseline.get("split"):
        return test, ""
    keys_uri = baseline.get("test_keys")
    with_keys = test.assign(**backend.read_table(keys_uri)) if keys_uri else test
    champion_rule = None if stored is None else rules.rule_from_dict(stored)
    if champion_rule is None or not {*champion_rule.columns} <= {*with_keys.columns}:
        return test, f"Version {version.version} used another split and may have trained on some of these test rows."
    unseen = champion_rule.is_test(with_keys)
    if unseen.all():  # only a few rows next to the boundary changed sides, if any
        return test, ""
    if unseen.sum() < min(_MIN_UNSEEN_ROWS, len(test) / 2):
        raise DataError(
            f"Version {version.version} in production was trained on {(~unseen).sum()} of the {len(test)} current test "
            f"rows, so no fair comparison is possible. Use its test_fraction, seed and key_columns: "
            f"{_describe_rule(champion_rule)}. Without key_columns, all features are the key, and a new column or a "
            "change to prepare_data also changes the split."
        )
    selected = test[unseen].reset_index(drop=True)
    return selected, (
        f"Version {version.version} used another split, so all models were scored on the {len(selected):,} test rows "
        "that it did not train on."
    )


def _describe_rule(rule: rules.SplitRule) -> str:
    """Return the parameters that split the rows by a stored rule."""
    if isinstance(rule, rules.TimeSplit):
        return f"split: time, time_column: {rule.column}, time_cut: {rule.cut}"
    assert isinstance(rule, rules.HashSplit | rules.LegacyHashSplit), "the only other rules"
    return f"test_fraction: {rule.test_fraction}, seed: {rule.seed}, key_columns: [{', '.join(rule.hashed_columns)}]"
