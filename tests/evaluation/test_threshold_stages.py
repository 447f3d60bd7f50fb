"""A threshold from the parameters to the model, the evaluation, the registry and the endpoint's scorer."""

import json

import numpy as np
import pytest

from lib.errors import ParameterError
from lib.pipelines.base import BasePipeline
from lib.scoring.decision_classifier import DecisionClassifier
from lib.scoring.scorer import Scorer
from tests import workspaces
from tests.workspaces import NAME, model_of, pipeline_in, publish

copy_after = workspaces.copy_after
prepared = workspaces.prepared
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")

COSTS = {"false_negative": 500, "false_positive": 20}


class Quick(BasePipeline):
    """A pipeline that trains on the column `size`, for every name of a training function."""

    def training_function(self, name):
        return lambda X, y, request: model_of("size").fit(X, y)


def train(workspace, **changes):
    pipeline = pipeline_in(workspace, Quick, **changes)
    candidate = pipeline.train()
    publish(pipeline, candidate=candidate.run_id)
    return pipeline, candidate


@pytest.mark.parametrize("threshold", ["cost", 0.2])
def test_all_readers_of_a_model_apply_its_threshold(prepared, threshold):
    pipeline, candidate = train(prepared, threshold=threshold, costs=COSTS)
    tracking = pipeline.backend.tracking
    source, sha256 = tracking.model_source(tracking.candidate_run(candidate.run_id))
    folder = tracking.model_folder(source, sha256)
    model = tracking.load_model(folder)
    rule = model[-1].rule
    test = pipeline.backend.read_table(tracking.newest_output(NAME, "preprocess", "test_data"))
    expected = np.where(model.predict_proba(test)[:, 1] >= rule.threshold, "yes", "no")
    assert model.predict(test).tolist() == expected.tolist()
    assert (candidate.scores.loc["recall", "test rows"]) == pytest.approx(
        (expected[test["bought"] == "yes"] == "yes").mean()
    )
    assert candidate.notes[0].startswith(
        f"'yes' is predicted from a probability of {rule.threshold:.4g} on (threshold: "
    )
    features = test.drop(columns="bought").astype(object)
    body = json.dumps({"data": features.where(features.notna(), None).to_dict("records")})
    assert Scorer.from_folder(folder).score(body)["predictions"] == expected.tolist()

    evaluation = pipeline_in(prepared, costs=COSTS).evaluate([candidate.run_id])
    decisions, gains, curve = evaluation.worth
    assert (decisions.name, gains.name, curve.name) == ("decisions", "gains", "decision_curve")
    assert decisions.content.loc["linear", "called"] == (expected == "yes").sum()
    missed, false_alarms = decisions.content.loc["linear", ["missed", "false alarms"]]
    assert decisions.content.loc["linear", "cost"] == 500 * missed + 20 * false_alarms
    assert gains.content["recall"].iloc[-1] > 0.7
    (version,) = pipeline.backend.models(NAME).versions()
    assert version.tags["threshold"] == str(threshold)
    assert float(version.tags["decision_threshold"]) == pytest.approx(rule.threshold, rel=1e-5)


def test_default_threshold_leaves_the_model_as_it_is(prepared):
    pipeline, candidate = train(prepared)
    tracking = pipeline.backend.tracking
    model = tracking.load_model(tracking.model_folder(*tracking.model_source(tracking.candidate_run(candidate.run_id))))
    assert not isinstance(model[-1], DecisionClassifier) and type(model[-1]).__name__ == "LogisticRegression"
    assert "decision_threshold" not in tracking.candidate_run(candidate.run_id).data.metrics


def test_costs_of_an_unknown_class_are_refused(prepared):
    with pytest.raises(ParameterError, match="costs: 'maybe' is not a class of bought."):
        train(prepared, threshold="cost", costs={"maybe": {"yes": 5}})
