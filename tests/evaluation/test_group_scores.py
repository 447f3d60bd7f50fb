"""Scores by group: the published error rates of COMPAS, fairlearn's definitions, and groups of few rows."""

import math

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import pytest

from lib import metrics
from lib.evaluation.gates import Evidence, check_all
from lib.evaluation.gates.groups import GroupGapGate, WorstSliceGate
from lib.evaluation.group_gaps import measure_gap
from lib.evaluation.group_scores import score_groups
from lib.evaluation.not_measured import NotMeasuredError
from lib.metrics import Predictions

ACCURACY = metrics.get("accuracy", "binary")
# True negatives, false positives, false negatives and true positives, as ProPublica published them in 2016.
COMPAS = {"African-American": (990, 805, 532, 1369), "Caucasian": (1139, 349, 461, 505)}
RATES = {
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
    "true_negative_rate": fairlearn.true_negative_rate,
    "false_negative_rate": fairlearn.false_negative_rate,
}


def predict_labels(labels, weights=None):
    """Return predictions with these labels, 0 or 1."""
    labels = np.asarray(labels)
    return Predictions(labels, np.column_stack([1 - labels, labels]), np.array([0, 1]), 1, weights=weights)


def compas():
    """Return the scores of the published counts."""
    truth, labels, races = [], [], []
    for race, counts in COMPAS.items():
        for (actual, predicted), count in zip([(0, 0), (0, 1), (1, 0), (1, 1)], counts, strict=True):
            truth += [actual] * count
            labels += [predicted] * count
            races += [race] * count
    return score_groups(np.array(truth), predict_labels(labels), pd.DataFrame({"race": races}), [ACCURACY])


def random_rows(rows=900, weighted=False):
    """Return true classes, predictions, and two columns of groups."""
    random = np.random.default_rng(3)
    truth, labels = random.integers(0, 2, rows), random.integers(0, 2, rows)
    groups = pd.DataFrame({"race": random.choice(list("abc"), rows), "sex": random.choice(list("fm"), rows)})
    weights = random.uniform(0.1, 5, rows) if weighted else None
    return truth, predict_labels(labels, weights), groups


def check(gate, scores, metric=ACCURACY):
    """Return the verdict of a gate on some scores."""
    (result,) = check_all([gate], Evidence(metric, 0.8, None, measurements={gate.name: lambda: scores}), [])
    return result


def test_error_rates_of_compas_are_the_published_ones():
    rates = {group.value: round(group.values["false_positive_rate"], 4) for group in compas()}
    assert rates == {"African-American": 0.4485, "Caucasian": 0.2345}


def test_gap_gate_blocks_compas_and_says_what_it_measured():
    result = check(GroupGapGate({"false_positive_rate": 0.1}), compas())
    assert result.verdict == "blocked"
    assert "difference 0.2139 between Caucasian (0.2345) and African-American (0.4485)" in result.measured
    assert check(GroupGapGate({"accuracy": 0.05}), compas()).verdict == "passed"
    assert check(GroupGapGate({"false_positive_rate_ratio": 0.8}), compas()).verdict == "blocked"


@pytest.mark.parametrize("weighted", [False, True])
def test_rates_and_gaps_are_those_of_fairlearn(weighted):
    truth, predictions, groups = random_rows(weighted=weighted)
    scores = score_groups(truth, predictions, groups, [])
    for column in groups:
        for name, rate in RATES.items():
            reference = fairlearn.MetricFrame(
                metrics=rate,
                y_true=truth,
                y_pred=predictions.labels,
                sensitive_features=groups[column],
                sample_params={"sample_weight": predictions.weights} if weighted else None,
            )
            ours = {group.value: group.values[name] for group in scores if group.column == column}
            assert ours == pytest.approx(reference.by_group.to_dict())
            assert measure_gap(scores, column, name).value == pytest.approx(reference.difference())
            assert measure_gap(scores, column, f"{name}_ratio").value == pytest.approx(reference.ratio())


def test_equalized_odds_is_that_of_fairlearn():
    truth, predictions, groups = random_rows()
    scores = score_groups(truth, predictions, groups, [])
    options = {"y_true": truth, "y_pred": predictions.labels, "sensitive_features": groups["race"]}
    assert measure_gap(scores, "race", "equalized_odds").value == pytest.approx(
        fairlearn.equalized_odds_difference(**options)
    )
    assert measure_gap(scores, "race", "equalized_odds_ratio").value == pytest.approx(
        fairlearn.equalized_odds_ratio(**options)
    )


def test_a_group_of_one_row_is_named_and_not_judged():
    truth, predictions, groups = random_rows()
    groups.loc[0, "race"] = "lonely"
    scores = score_groups(truth, predictions, groups, [ACCURACY])
    for gate in (GroupGapGate({"selection_rate": 0.5}), WorstSliceGate(0.3)):
        result = check(gate, scores)
        assert result.verdict == "passed" and "(not judged, below 20 rows: race = lonely (1))" in result.measured


def test_gates_block_if_no_group_can_be_judged():
    truth, predictions, groups = random_rows(rows=12)
    scores = score_groups(truth, predictions, groups, [ACCURACY])
    for gate in (GroupGapGate({"selection_rate": 0.5}), WorstSliceGate(0.3)):
        result = check(gate, scores)
        assert (result.verdict, result.measured) == ("blocked", "not measured") and "race = a (" in result.reason


def test_worst_slice_is_the_worst_in_the_direction_of_the_metric():
    truth = np.repeat([1.0, 2.0], 50)
    predictions = Predictions(np.where(np.arange(100) < 50, 1.5, 2.1))
    rmse = metrics.get("rmse", "regression")
    scores = score_groups(truth, predictions, pd.DataFrame({"shop": np.repeat(["far", "near"], 50)}), [rmse])
    result = check(WorstSliceGate(0.3), scores, rmse)
    assert result.verdict == "blocked" and "rmse 0.5 for shop = far" in result.measured
    assert check(WorstSliceGate(0.6), scores, rmse).verdict == "passed"


def test_missing_values_are_a_group_and_many_values_are_refused():
    truth, predictions, groups = random_rows()
    groups.loc[groups["race"] == "a", "race"] = None
    assert "race = missing" in [group.name for group in score_groups(truth, predictions, groups, [])]
    with pytest.raises(NotMeasuredError, match="age of groups has 900 different values; expected at most 50"):
        score_groups(truth, predictions, pd.DataFrame({"age": range(900)}), [])


def test_a_metric_that_is_undefined_on_a_group_is_not_judged():
    truth = np.repeat([0, 0, 1], 30)
    scores = score_groups(
        truth,
        predict_labels(truth),
        pd.DataFrame({"sex": ["f"] * 30 + ["m"] * 60}),
        [metrics.get("roc_auc", "binary")],
    )
    assert math.isnan({group.value: group for group in scores}["f"].values["roc_auc"])
