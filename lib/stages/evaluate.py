"""Evaluate: candidates and champion on the same rows; the best goes to production if the gates let it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from lib import charts, metrics
from lib.backends.models import ConcurrentPromotionError, ModelVersion
from lib.data import split, tables
from lib.errors import DataError, InputError, StageError
from lib.metrics import Metric, Predictions
from lib.scoring.model_folder import BASELINE_FILE
from lib.stages._answers import Answer, Figures, title

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The parameters of the use case that this stage reads, beside the common ones: a change of these makes it run anew.
PARAMETERS = (
    "target_column",
    "task",
    "positive_class",
    "primary_metric",
    "min_score",
)
CHAMPION = "champion"
_FEWEST_ROWS = 20
_LONGEST_REASON = 500  # MLflow cuts a tag at 8,000 characters, and half a decision is no JSON
_MOST_COMPARISONS = 5


@dataclass(frozen=True)
class Contender:
    """A model and its scores on the test rows.

    Attributes
    ----------
    name : str
        Training function of a candidate, ``"champion v3"`` of the champion.
    run_id : str
        The run that trained it.
    scores : dict of float
        By name of the metric.
    predictions : Predictions
        Of the test rows.
    """

    name: str
    run_id: str
    scores: Mapping[str, float]
    predictions: Predictions


_CLASSES_CAPTION = "The best candidate on the test rows: right answers are on the diagonal."
_BEST_CAPTIONS = {
    "binary": _CLASSES_CAPTION,
    "multiclass": _CLASSES_CAPTION,
    "regression": "The best candidate on the test rows: on the dotted line, the prediction is exact.",
}


class EvaluateHooks(Protocol):
    """What a pipeline may change here."""

    def accept(self, best: Contender, champion: Contender | None) -> str:
        """Why the best candidate may not go to production; empty where it may."""


@dataclass(frozen=True, repr=False)
class Evaluation(Answer):
    """Output of the stage, and what its notebook shows.

    Attributes
    ----------
    title, verdict : str
    decision : str
        What moved, or why nothing did.
    promoted : bool
        Whether a new version went to production.
    table : Table
        Every metric of every contender on the test rows, the best first.
    side_by_side : Chart
        The primary metric of every contender.
    best : Chart
        Confusion matrix or residuals of the best candidate.
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
        """Contenders side by side, and the best candidate on the test rows."""
        return Figures(
            (self.side_by_side, "The primary metric of every contender, the best candidate in orange."),
            (self.best, _BEST_CAPTIONS[self.task]),
        )


def run(hooks: EvaluateHooks, backend: Backend, parameters: Parameters) -> Evaluation:
    """Score every contender, and move the tag ``production`` where the best candidate earned it.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        Where there is no candidate, or one cannot score the test rows.
    """
    for _ in range(_MOST_COMPARISONS - 1):
        try:
            return _compared(hooks, backend, parameters)
        except ConcurrentPromotionError:  # by another run, meanwhile: so there is another champion to compare with
            continue
    return _compared(hooks, backend, parameters)


def _compared(hooks: EvaluateHooks, backend: Backend, parameters: Parameters) -> Evaluation:
    """One comparison with the version in production, and what follows from it."""
    import mlflow

    metric = parameters.metric
    registry = backend.models(parameters.name)
    notes = [registry.repair()]
    version = registry.production()
    test = backend.read_table(parameters.test_data)

    folder = None
    if version is not None:
        folder = backend.tracking.model_folder(version.source, version.sha256)
        test, note = _rows_new_to(folder, version, test, backend, parameters)
        notes.append(note)
    candidates = _named_apart([_candidate(backend, run_id, test, parameters) for run_id in parameters.candidates])
    champion = None
    if version is not None:
        champion, note = _champion(backend, version, folder, test, parameters)
        notes.append(note)

    best = {one.name: one for one in candidates}[
        metric.rank({one.name: one.scores[metric.name] for one in candidates})[0]
    ]
    refusal = hooks.accept(best, champion)
    if not isinstance(refusal, str):  # a forgotten return must not let anything through
        raise StageError(f"accept returned {refusal!r}; expected a text that says why not, or an empty one.")
    contenders = [*candidates, *([champion] if champion else [])]
    table = _table(contenders, metric, parameters.task)
    side_by_side = charts.candidate_scores(
        {one.name: one.scores[metric.name] for one in contenders}, metric, best.name, parameters.min_score
    )
    truth = test[parameters.target_column]
    chart = charts.residuals if parameters.task == "regression" else charts.confusion_matrix
    of_best = chart(truth, best.predictions)

    # Last of what can fail: after an error nothing has moved.
    decision = _decide(registry, backend, best, champion, version, refusal, metric, parameters)
    decision = " ".join([decision, *filter(None, notes)])
    mlflow.log_metrics(
        {
            f"{one.name.replace(' ', '_')}.{metric.name}": one.scores[metric.name]
            for one in contenders
            if one.scores[metric.name] == one.scores[metric.name]
        }
    )
    left = registry.production()
    mlflow.set_tags({"decision": decision, "production_version": left.version if left else ""})
    backend.tracking.log_table(table, "contenders")
    backend.tracking.log_chart(side_by_side, "contenders")
    backend.tracking.log_chart(of_best, "best")
    return Evaluation(
        title=title("Evaluate", parameters),
        verdict=decision,
        decision=decision,
        promoted=not refusal,
        table=table,
        side_by_side=side_by_side,
        best=of_best,
        task=parameters.task,
    )


def _candidate(backend: Backend, run_id: str, test: pd.DataFrame, parameters: Parameters) -> Contender:
    run = backend.tracking.candidate_run(run_id)
    source, sha256 = backend.tracking.model_source(run)
    for name in ("test_data", "target_column", "task"):
        if run.data.params.get(name) != parameters[name]:
            raise DataError(
                f"candidates: the run {run_id} was made with {name} {run.data.params.get(name)!r}, not "
                f"{parameters[name]!r}. Train it again on these rows."
            )
    folder = backend.tracking.model_folder(source, sha256)
    return _scored(run.data.params["training_function"], run_id, backend.tracking.load_model(folder), test, parameters)


def _named_apart(candidates: list[Contender]) -> list[Contender]:
    """Candidates, those of one training function with the beginning of their run behind its name."""
    names = [one.name for one in candidates]
    return [
        replace(one, name=f"{one.name} {one.run_id[:8]}") if names.count(one.name) > 1 else one for one in candidates
    ]


def _champion(
    backend: Backend, version: ModelVersion, folder: Path, test: pd.DataFrame, parameters: Parameters
) -> tuple[Contender | None, str]:
    """The champion and its scores or, where it cannot score today's rows, why: then it protects nothing."""
    name = f"{CHAMPION} v{version.version}"
    try:
        return _scored(name, version.run_id, backend.tracking.load_model(folder), test, parameters), ""
    except (InputError, KeyError, TypeError, ValueError) as error:  # rows, columns or classes it was not made for
        why = f"{type(error).__name__}: {error}"
        why = why if len(why) <= _LONGEST_REASON else f"{why[:_LONGEST_REASON]} ..."
        return None, f"Version {version.version} in production cannot score these rows ({why}), so it was not compared."


def _scored(name: str, run_id: str, model: Any, test: pd.DataFrame, parameters: Parameters) -> Contender:
    target = parameters.target_column
    truth = tables.get_column(test, target, where="the test rows")
    predictions = metrics.predict(model, test.drop(columns=target), parameters.task, parameters.positive_class)
    scores = {one.name: one.score(truth, predictions) for one in metrics.for_task(parameters.task)}
    return Contender(name, run_id, scores, predictions)


def _rows_new_to(
    folder: Path, version: ModelVersion, test: pd.DataFrame, backend: Backend, parameters: Parameters
) -> tuple[pd.DataFrame, str]:
    """Test rows that the champion did not train on, and a note where those are not all.

    With the same rule of splitting no row ever changes its side. With another seed, key or test_fraction the
    champion's own rule says which of today's test rows it may have trained on.
    """
    baseline = backend.read_json(parameters.baseline)
    rule, today = json.loads((folder / BASELINE_FILE).read_text(encoding="utf-8")).get("split"), baseline.get("split")
    if rule == today and rule is not None:
        return test, ""
    keys = baseline.get("test_keys")
    identified = test.assign(**backend.read_table(keys)) if keys else test
    unsure = f"Version {version.version} was split by another rule and may have trained on some of these test rows."
    needed = {*rule["columns"], *filter(None, [rule.get("target_column")])} if rule else set()
    if rule is None or not needed <= set(identified.columns):
        return test, unsure
    new = split.rule_from_dict(rule).is_test(identified)
    if new.sum() < min(_FEWEST_ROWS, len(test) / 2):
        raise DataError(
            f"Version {version.version} in production trained on all but {new.sum()} of today's {len(test)} test rows, "
            "so no fair comparison is possible. Use the test_fraction, seed and key_columns it was trained with; "
            "without key_columns the whole row is its key, and a new column or prepare_data changes that."
        )
    kept = test[new].reset_index(drop=True)
    scored = f"all were scored on the {len(kept):,} test rows it never trained on"
    return kept, f"Version {version.version} was split by another rule; {scored}."


def _decide(
    registry: Any,
    backend: Backend,
    best: Contender,
    champion: Contender | None,
    version: ModelVersion | None,
    refusal: str,
    metric: Metric,
    parameters: Parameters,
) -> str:
    score = f"{metric.name} {best.scores[metric.name]:.4g}"
    stays = f"version {version.version} stays in production" if version else "nothing is in production"
    if version and best.run_id == version.run_id:  # an evaluation that was cut off has promoted it
        return f"{best.name} ({score}) is version {version.version}, which is in production already."
    if refusal:
        return f"{best.name} ({score}) is not promoted: {refusal}. So {stays}."
    run = backend.tracking.candidate_run(best.run_id)
    source, sha256 = backend.tracking.model_source(run)
    tags = {
        "training_function": run.data.params["training_function"],
        "primary_metric": metric.name,
        metric.name: f"{best.scores[metric.name]:.6g}",
        "test_data": parameters.test_data,
    }
    made = registry.register(best.run_id, source, sha256, tags)
    registry.promote(made.version, expected_current=version.version if version else None)
    if champion:
        before = f" in place of version {version.version} ({champion.scores[metric.name]:.4g})"
    else:
        before = f" in place of version {version.version}" if version else ""
    return f"{best.name} ({score}) is version {made.version} and goes to production{before}."


def _table(contenders: list[Contender], metric: Metric, task: str) -> charts.Table:
    by_name = {one.name: one for one in contenders}
    order = metric.rank({one.name: one.scores[metric.name] for one in contenders})
    columns = [metric.name, *[name for name in metrics.names(task) if name != metric.name]]
    rows = {name: [by_name[name].scores[column] for column in columns] for name in order}
    table = charts.Table.from_dict(rows, orient="index", columns=columns).rename_axis("contender")
    table.attrs[charts.MARKED] = [metric.name]
    return table
