"""The evaluation shows which columns the best candidate relies on, and how; `score` gives reasons for rows."""

import numpy as np
import pytest

from lib import charts
from lib.evaluation.partial_dependence import choose_values
from lib.scoring.scorer import Scorer
from tests import workspaces
from tests.workspaces import pipeline_in, publish

copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")


def evaluate(workspace, function, **changes):
    pipeline = pipeline_in(workspace, training_function=function, **changes)
    candidate = pipeline.train()
    publish(pipeline, candidate=candidate.run_id)
    tracking = pipeline.backend.tracking
    folder = tracking.model_folder(*tracking.model_source(tracking.candidate_run(candidate.run_id)))
    evaluation = pipeline_in(workspace, **changes).evaluate([candidate.run_id])
    return evaluation, Scorer.from_folder(folder)


@pytest.mark.parametrize("function", ["gradient_boosting", "linear"])
def test_evaluation_shows_importance_and_dependence(prepared, function):
    evaluation, scorer = evaluate(prepared, function)
    shown = {each.name: each for each in evaluation.explanations}
    assert list(shown) == ["effects", "effects_table", "partial_dependence", "partial_dependence_table"]
    effects = shown["effects_table"].content
    assert list(effects.index[:2]) == ["size", "colour"] and effects["share"].sum() == pytest.approx(1)
    assert (
        "exact Shapley values" in shown["effects"].caption and "the log-odds of the class" in shown["effects"].caption
    )
    dependence = shown["partial_dependence_table"].content
    on_size = dependence.loc[dependence["column"] == "size", "yes"].to_numpy()
    assert on_size[-1] - on_size[0] > 0.4, "larger sizes are bought more often"
    on_colour = dependence[dependence["column"] == "colour"].set_index("value")["yes"]
    assert on_colour["red"] > on_colour["green"]
    assert isinstance(shown["partial_dependence"].content, charts.Chart)
    assert scorer.model.explanation["positive_column"] == 1


def test_importance_is_the_mean_of_the_reasons_for_the_rows(prepared):
    evaluation, scorer = evaluate(prepared, "gradient_boosting")
    tracking = pipeline_in(prepared).backend.tracking
    test = pipeline_in(prepared).backend.read_table(tracking.newest_output(workspaces.NAME, "preprocess", "test_data"))
    values = {name: test[name].astype(object).where(test[name].notna(), None).tolist() for name in ("size", "luck")}
    table = {**values, "colour": test["colour"].tolist()}
    contributions = scorer.reason_finder.find(table, scorer.predict(table)[0])
    names = [column.name for column in scorer.model.columns]
    expected = dict(zip(names, np.abs(contributions.values).mean(axis=0), strict=True))
    effects = next(each for each in evaluation.explanations if each.name == "effects_table").content
    assert effects["mean effect"].to_dict() == pytest.approx(expected)


def test_positive_class_is_explained(prepared):
    _, scorer = evaluate(prepared, "linear", positive_class="no")
    example = scorer.model.examples[0]
    answer = scorer.answer_values({name: [value] for name, value in example.items()}, reason_count=1)
    assert answer["reasons"][0]["class"] == "no"


def test_values_of_a_column_are_chosen_by_its_kind():
    assert choose_values(list(range(1_000)), 5) == [0, 250, 500, 749, 999]
    days = [f"2026-{month:02}-01" for month in range(1, 13)]
    assert choose_values(days * 2, 3)[::2] == ["2026-01-01", "2026-12-01"]
    assert choose_values(["b"] * 3 + ["a"] * 2 + ["c"], 2) == ["b", "a"]
    assert choose_values([True, False, None]) == [False, True] and choose_values([None]) == []
