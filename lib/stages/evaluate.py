"""The evaluate stage: score all candidates and the champion on the same rows, and promote the best candidate."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from lib import charts, metrics
from lib.backends.models import ConcurrentPromotionError, ModelRegistry, ModelVersion
from lib.errors import DataError, InputError, StageError
from lib.metrics import Metric, Predictions
from lib.scoring.model_folder import BASELINE_FILE
from lib.stages._answers import Answer, Figures, title
from lib.tables import frames
from lib.tables.split import rules

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The use case's parameters that this stage reads in addition to the common ones. A change to one reruns the stage.
PARAMETERS = (
    "target_column",
    "task",
    "positive_class",
    "primary_metric",
    "min_score",
)
CHAMPION = "champion"
_MIN_UNSEEN_ROWS = 20
_MAX_REASON_LENGTH = 500  # MLflow truncates tags at 8,000 characters, and the decision is published as JSON in one
_MAX_ATTEMPTS = 5
_CLASSES_CAPTION = "The best candidate on the test rows: correct predictions are on the diagonal."
_BEST_CAPTIONS = {
    "binary": _CLASSES_CAPTION,
    "multiclass": _CLASSES_CAPTION,
    "regression": "The best candidate on the test rows: exact predictions are on the dotted line.",
}


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


class EvaluateHooks(Protocol):
    """The hooks of a pipeline that this stage calls."""

    def accept(self, best: Contender, champion: Contender | None) -> str:
        """Return why the best candidate must not go to production, or an empty string to promote it."""


@dataclass(frozen=True, repr=False)
class Evaluation(Answer):
    """The stage's result, displayed in its notebook.

    Attributes
    ----------
    title, verdict : str
    decision : str
        The promoted version, or the reason against a promotion.
    promoted : bool
        Whether the best candidate was promoted.
    table : Table
        All metrics of all contenders on the test rows, best contender first.
    side_by_side : Chart
        The primary metric of each contender.
    best : Chart
        Confusion matrix or residuals of the best candidate.
    task : str
        The kind of prediction, which selects the captions.
    """

    title: str
    verdict: str
    decision: str
    promoted: bool
    table: charts.Table
    side_by_side: charts.Chart
    best: charts.Chart
    task: str

    def main_table(self) -> charts.Table:
        """Return the scores of all contenders."""
        return self.table

    @property
    def figures(self) -> Figures:
        """The comparison of all contenders, and the best candidate's predictions."""
        return Figures(
            (self.side_by_side, "The primary metric of each contender, with the best candidate in orange."),
            (self.best, _BEST_CAPTIONS[self.task]),
        )


@dataclass(frozen=True)
class _Comparison:
    """All contenders, scored on the same rows.

    Attributes
    ----------
    test : DataFrame
        The test rows that all contenders were scored on.
    candidates : tuple of Contender
    champion : Contender or None
        None if nothing is in production, or if the production version cannot be compared.
    notes : tuple of str
        Sentences about the champion to add to the decision.
    """

    test: pd.DataFrame
    candidates: tuple[Contender, ...]
    champion: Contender | None
    notes: tuple[str, ...]

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All candidates, and the champion if there is one."""
        return (*self.candidates, self.champion) if self.champion else self.candidates


def run(hooks: EvaluateHooks, backend: Backend, parameters: Parameters) -> Evaluation:
    """Score all contenders, and promote the best candidate if the ``accept`` hook allows it.

    Parameters
    ----------
    hooks : EvaluateHooks
        The pipeline.
    backend : Backend
    parameters : Parameters

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If a candidate does not exist or was trained for other test rows, if model files were changed, or if the
        champion trained on nearly all test rows.
    ConcurrentPromotionError
        If other runs promoted a version during each of several attempts.
    """
    for _ in range(_MAX_ATTEMPTS - 1):
        try:
            return _evaluate_once(hooks, backend, parameters)
        except ConcurrentPromotionError:
            continue  # compare with the new champion
    return _evaluate_once(hooks, backend, parameters)


def _evaluate_once(hooks: EvaluateHooks, backend: Backend, parameters: Parameters) -> Evaluation:
    """Compare the candidates with the current production version, and promote the best one if it is accepted."""
    metric = parameters.metric
    registry = backend.models(parameters.name)
    repair_note = registry.repair()
    version = registry.production()
    comparison = _compare(backend, version, parameters)

    best_name = _rank(comparison.candidates, metric)[0]
    best = next(candidate for candidate in comparison.candidates if candidate.name == best_name)
    refusal = hooks.accept(best, comparison.champion)
    if not isinstance(refusal, str):  # a hook without a return statement must not promote anything
        raise StageError(
            f"accept returned {refusal!r}; expected a text: the reason not to promote, or an empty text to promote."
        )
    table = _make_table(comparison.contenders, metric, parameters.task)
    side_by_side = charts.candidate_scores(
        _primary_scores(comparison.contenders, metric), metric, best.name, parameters.min_score
    )
    draw = charts.residuals if parameters.task == "regression" else charts.confusion_matrix
    best_chart = draw(comparison.test[parameters.target_column], best.predictions)

    # Promote only after everything else that can fail, so that an error leaves the registry unchanged.
    outcome = _decide(registry, backend, best, comparison.champion, version, refusal, parameters)
    decision = " ".join(filter(None, [outcome, repair_note, *comparison.notes]))
    evaluation = Evaluation(
        title=title("Evaluate", parameters),
        verdict=decision,
        decision=decision,
        promoted=not refusal,
        table=table,
        side_by_side=side_by_side,
        best=best_chart,
        task=parameters.task,
    )
    _log(evaluation, comparison.contenders, registry, backend, metric)
    return evaluation


def _compare(backend: Backend, version: ModelVersion | None, parameters: Parameters) -> _Comparison:
    """Score the candidates and the production version, if there is one, on rows that are fair to both."""
    test = backend.read_table(parameters.test_data)
    if version is None:
        return _Comparison(test, _score_candidates(backend, test, parameters), None, ())
    folder = backend.tracking.model_folder(version.source, version.sha256)
    test, split_note = _select_unseen_rows(folder, version, test, backend, parameters)
    candidates = _score_candidates(backend, test, parameters)
    champion, failure_note = _score_champion(backend, version, folder, test, parameters)
    return _Comparison(test, candidates, champion, (split_note, failure_note))


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
    model = backend.tracking.load_model(backend.tracking.model_folder(source, sha256))
    return _score_model(model, run.data.params["training_function"], run_id, test, parameters)


def _score_champion(
    backend: Backend, version: ModelVersion, folder: Path, test: pd.DataFrame, parameters: Parameters
) -> tuple[Contender | None, str]:
    """Return the champion and an empty string, or None and a note if the production version cannot be compared.

    A production version that cannot be loaded or cannot score the current rows does not prevent a promotion.
    """
    label = f"Version {version.version} in production"
    try:
        model = backend.tracking.load_model(folder)
    except (ImportError, AttributeError, pickle.UnpicklingError) as error:  # its pickle refers to renamed modules
        return None, (
            f"{label} was saved by an earlier release and cannot be loaded ({_shorten(error)}), so it was not compared."
        )
    except (InputError, KeyError, TypeError, ValueError) as error:
        return None, f"{label} cannot be loaded ({_shorten(error)}), so it was not compared."
    try:
        return _score_model(model, f"{CHAMPION} v{version.version}", version.run_id, test, parameters), ""
    except (InputError, KeyError, TypeError, ValueError) as error:  # it was trained with other columns or classes
        return None, f"{label} cannot score these rows ({_shorten(error)}), so it was not compared."


def _shorten(error: Exception) -> str:
    """Return an error's type and message, truncated if the message is long."""
    reason = f"{type(error).__name__}: {error}"
    return reason if len(reason) <= _MAX_REASON_LENGTH else f"{reason[:_MAX_REASON_LENGTH]} ..."


def _score_model(model: Any, name: str, run_id: str, test: pd.DataFrame, parameters: Parameters) -> Contender:
    """Score a model on the test rows by all metrics of the task."""
    target = parameters.target_column
    y_true = frames.get_column(test, target, where="the test rows")
    predictions = metrics.predict(model, test.drop(columns=target), parameters.task, parameters.positive_class)
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
            f"Version {version.version} in production trained on all but {unseen.sum()} of the {len(test)} current "
            f"test rows, so no fair comparison is possible. Use its test_fraction, seed and key_columns: "
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


def _decide(
    registry: ModelRegistry,
    backend: Backend,
    best: Contender,
    champion: Contender | None,
    version: ModelVersion | None,
    refusal: str,
    parameters: Parameters,
) -> str:
    """Promote the best candidate unless it was refused or is in production already, and describe the outcome."""
    metric = parameters.metric
    candidate = f"{best.name} ({metric.name} {best.scores[metric.name]:.4g})"
    if version and best.run_id == version.run_id:  # promoted by an interrupted evaluation
        return f"{candidate} is version {version.version}, which is already in production."
    if refusal:
        unchanged = f"version {version.version} stays in production" if version else "nothing is in production"
        return f"{candidate} is not promoted: {refusal}. So {unchanged}."
    promoted = _promote(registry, backend, best, version, parameters)
    if version is None:
        replaced = ""
    elif champion is None:
        replaced = f" in place of version {version.version}"
    else:
        replaced = f" in place of version {version.version} ({champion.scores[metric.name]:.4g})"
    return f"{candidate} is version {promoted.version} and goes to production{replaced}."


def _promote(
    registry: ModelRegistry, backend: Backend, best: Contender, current: ModelVersion | None, parameters: Parameters
) -> ModelVersion:
    """Register the best candidate and move the production tag to it, if `current` is still in production."""
    metric = parameters.metric
    run = backend.tracking.candidate_run(best.run_id)
    source, sha256 = backend.tracking.model_source(run)
    tags = {
        "training_function": run.data.params["training_function"],
        "primary_metric": metric.name,
        metric.name: f"{best.scores[metric.name]:.6g}",
        "test_data": parameters.test_data,
    }
    registered = registry.register(best.run_id, source, sha256, tags)
    registry.promote(registered.version, expected_current=current.version if current else None)
    return registered


def _log(
    evaluation: Evaluation,
    contenders: Sequence[Contender],
    registry: ModelRegistry,
    backend: Backend,
    metric: Metric,
) -> None:
    """Log scores, decision, table and charts to the active MLflow run."""
    import mlflow

    scores = _primary_scores(contenders, metric)
    mlflow.log_metrics(
        {f"{name.replace(' ', '_')}.{metric.name}": score for name, score in scores.items() if not math.isnan(score)}
    )
    production = registry.production()
    mlflow.set_tags({"decision": evaluation.decision, "production_version": production.version if production else ""})
    backend.tracking.log_table(evaluation.table, "contenders")
    backend.tracking.log_chart(evaluation.side_by_side, "contenders")
    backend.tracking.log_chart(evaluation.best, "best")


def _primary_scores(contenders: Sequence[Contender], metric: Metric) -> dict[str, float]:
    """Return each contender's score by the primary metric."""
    return {contender.name: contender.scores[metric.name] for contender in contenders}


def _rank(contenders: Sequence[Contender], metric: Metric) -> list[str]:
    """Return the contenders' names, best first by the primary metric."""
    return metric.rank(_primary_scores(contenders, metric))


def _make_table(contenders: Sequence[Contender], metric: Metric, task: str) -> charts.Table:
    """Return the scores of all contenders, best first, with the primary metric in the first column."""
    by_name = {contender.name: contender for contender in contenders}
    columns = [metric.name, *(name for name in metrics.names(task) if name != metric.name)]
    rows = {name: [by_name[name].scores[column] for column in columns] for name in _rank(contenders, metric)}
    table = charts.Table.from_dict(rows, orient="index", columns=columns).rename_axis("contender")
    table.attrs[charts.MARKED] = [metric.name]
    return table
