"""The tables and charts of an evaluation that explain the best candidate's answers on the test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib import charts
from lib.evaluation.partial_dependence import compute_partial_dependence
from lib.scoring.cells import request_values
from lib.scoring.model import Model, is_explained, read_model
from lib.scoring.reasons.finder import SAMPLED, Contributions, describe_scale
from lib.scoring.scorer import Scorer
from lib.stages import _coverage
from lib.stages._decision_worth import Display, make_display

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._contenders import Contender

# Test rows to explain. Fewer are explained by a model with many tree nodes, or if the reasons are sampled.
_MAX_ROWS, _MIN_ROWS, _MAX_STEPS = 300, 30, 6_000_000
_DEPENDENCE_COLUMNS, _MAX_CLASSES = 3, 5
_SECTION = "importance"  # of the report
_COVERAGE_CAPTION = (
    "How many of the test rows have their true value in the best candidate's {kind}, and how large these are. The "
    "coverage is guaranteed on average over tables, so that of one test table varies around it."
)
_EFFECTS_CAPTION = (
    "How much each column moves {scale}, on average over {rows} test rows: the mean absolute effect, by the {method} "
    "Shapley values that the endpoint and `score` give as reasons for single rows."
)
_DEPENDENCE_CAPTION = (
    "How the mean {answer} changes with each of the most important columns, if all test rows had the same value in it "
    "(partial dependence). Values that do not occur together in reality can mislead."
)


def explain(best: Contender, test: pd.DataFrame, backend: Backend, parameters: Parameters) -> tuple[Display, ...]:
    """Return the coverage of the best candidate, the importance of its columns, and how the top ones act.

    Parameters
    ----------
    best : Contender
        The best candidate.
    test : DataFrame
        The test rows.
    backend : Backend
    parameters : Parameters
        ``target_column``, ``groups`` and ``seed``.

    Returns
    -------
    tuple of Display
        Nothing for a model without coverage whose answers are not explained, because it was trained by a search on a
        cluster or by an earlier release.
    """
    folder = backend.tracking.model_folder(*backend.tracking.model_source(backend.tracking.candidate_run(best.run_id)))
    if not is_explained(folder):
        return ()
    model = read_model(folder)
    displays = []
    if model.coverage is not None:
        y = test[parameters.target_column]
        table = _coverage.measure(model.coverage, y, test, best.predictions, parameters.groups)
        caption = _COVERAGE_CAPTION.format(kind=model.coverage.name)
        displays.append(make_display("coverage", "Coverage on the test rows", table, caption, "calibration"))
    if model.explanation is not None:
        displays += _explain_columns(Scorer.from_folder(folder), test, parameters)
    return tuple(displays)


def _explain_columns(scorer: Scorer, test: pd.DataFrame, parameters: Parameters) -> list[Display]:
    """Return the importance of the columns, and the partial dependence on the most important ones."""
    finder = scorer.reason_finder
    row_count = (
        _MIN_ROWS if finder.method == SAMPLED else int(np.clip(_MAX_STEPS // max(1, finder.cost), _MIN_ROWS, _MAX_ROWS))
    )
    rows = _to_values(scorer.model, test.sample(min(len(test), _MAX_ROWS), random_state=parameters.seed))
    explained = {name: values[:row_count] for name, values in rows.items()}
    contributions = finder.find(explained, scorer.predict(explained)[0])
    effects = _mean_effects(contributions, [column.name for column in scorer.model.columns])
    scale = describe_scale(finder.scale)
    caption = _EFFECTS_CAPTION.format(scale=scale, rows=len(contributions.values), method=finder.method)
    top = effects.index[: min(_DEPENDENCE_COLUMNS, int((effects["mean effect"] > 0).sum()))]
    dependence = {name: _compute_dependence(scorer, rows, name, contributions) for name in top}
    answer = "prediction" if scorer.classes is None else "probability"
    return [
        make_display(
            "effects", "Effects of the columns", charts.column_effects(effects["mean effect"], scale), caption, _SECTION
        ),
        make_display(
            "effects_table",
            "Effects of the columns in numbers",
            charts.Table(effects),
            "The same numbers, with each column's share of all effects.",
            _SECTION,
        ),
        make_display(
            "partial_dependence",
            "Partial dependence",
            charts.partial_dependence(dependence, answer),
            _DEPENDENCE_CAPTION.format(answer=answer),
            _SECTION,
        ),
        make_display(
            "partial_dependence_table",
            "Partial dependence in numbers",
            _make_dependence_table(dependence),
            f"The mean {answer} of the chart, by column and value.",
            _SECTION,
        ),
    ]


def _to_values(model: Model, rows: pd.DataFrame) -> dict[str, list]:
    """Return the values of rows as a request contains them, without rows that a request may not contain."""
    values = {column.name: request_values(column, rows[column.name]) for column in model.columns}
    invalid = {row for column in model.columns for row, _ in column.invalid_values(values[column.name])}
    valid = [row for row in range(len(rows)) if row not in invalid]
    return {name: [column[row] for row in valid] for name, column in values.items()}


def _mean_effects(contributions: Contributions, names: list[str]) -> pd.DataFrame:
    """Return the mean absolute effect of each column, the largest first, and its share of the sum."""
    means = np.abs(contributions.values).mean(axis=0)
    effects = pd.DataFrame({"mean effect": means}, index=pd.Index(names, name="column"))
    effects["share"] = effects["mean effect"] / (effects["mean effect"].sum() or 1)
    return effects.sort_values("mean effect", ascending=False, kind="stable")


def _compute_dependence(
    scorer: Scorer, rows: dict[str, list], column: str, contributions: Contributions
) -> pd.DataFrame:
    """Return the partial dependence of the number, of the explained class, or of the first of several classes."""
    classes = scorer.classes
    if classes is None:
        positions, names = [0], ["prediction"]
    elif len(classes) == 2:
        positions = [int(contributions.classes[0])]
        names = [str(classes[positions[0]])]
    else:
        positions = list(range(min(_MAX_CLASSES, len(classes))))
        names = [str(classes[position]) for position in positions]

    def answer(table: dict[str, list]) -> np.ndarray:
        labels, probabilities = scorer.predict(table)
        outputs = np.asarray(labels, dtype=float)[:, None] if probabilities is None else probabilities
        return np.asarray(outputs[:, positions])

    return compute_partial_dependence(answer, rows, column).set_axis(names, axis=1)


def _make_dependence_table(dependence: dict[str, pd.DataFrame]) -> charts.Table:
    """Return the partial dependence of all columns as one table."""
    parts = []
    for name, part in dependence.items():
        rows = part.reset_index(drop=True)
        rows.insert(0, "column", name)
        rows.insert(1, "value", [str(value) for value in part.index])
        parts.append(rows)
    return charts.Table(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame())
