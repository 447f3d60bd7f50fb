"""Gates in the evaluate stage: for each of them, a table that it blocks and no other."""

import json
import time

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from lib.pipelines.base import BasePipeline
from tests import workspaces
from tests.workspaces import log_candidate, model_of, pipeline_in, preprocess, versions_of

# Fixtures.
copy_after = workspaces.copy_after
quick = workspaces.quick
pytestmark = pytest.mark.usefixtures("quick")

LIMITS = {
    "train_test_gap": 0.1,
    "near_perfect": 0.99,
    "row_on_both_sides": 0.1,
    "column_alone": 0.98,
    "worst_slice": 0.6,
    "group_gap": {"selection_rate": 0.5},
    "latency_ms": 60,
    "size_mb": 1,
}
ROWS = 900


def table(seed=5):
    """Return rows in which `bought` depends on two numbers; no gate blocks a linear model of them."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": random.normal(size=ROWS), "age": random.normal(size=ROWS)})
    frame["shop"] = random.choice(["far", "near"], ROWS)
    worth = frame["size"] + frame["age"] + random.normal(scale=0.8, size=ROWS)
    return frame.assign(bought=np.where(worth > 0, "yes", "no"))


def with_leak(frame):
    """Return rows with a column that says what was bought."""
    return frame.assign(leak=(frame["bought"] == "yes") + np.random.default_rng(1).normal(scale=0.1, size=ROWS))


def with_exact_sum(frame):
    """Return rows in which two numbers together, but none alone, decide."""
    return frame.assign(bought=np.where(frame["size"] + frame["age"] > 0, "yes", "no"))


def with_random_shop(frame):
    """Return rows in which one shop sells to anybody."""
    coin = np.random.default_rng(2).choice(["no", "yes"], ROWS)
    return frame.assign(bought=np.where(frame["shop"] == "far", coin, frame["bought"]))


def with_rich_shop(frame):
    """Return rows in which the customers of one shop buy much more often."""
    shifted = frame.assign(age=frame["age"] + 3 * (frame["shop"] == "near"))
    noise = np.random.default_rng(3).normal(scale=0.8, size=ROWS)
    return shifted.assign(bought=np.where(shifted["size"] + shifted["age"] + noise > 1.5, "yes", "no"))


class OverlappingSides(BasePipeline):
    """A pipeline whose test rows repeat training rows."""

    def split_data(self, frame, rule):
        """Return sides that share rows."""
        return frame[:800], frame[700:]


def slow(X):
    """Return the rows after a while."""
    time.sleep(0.1)
    return X[["size", "age"]]


def two_columns(X, ballast=None):
    """Return two columns."""
    return X[["size", "age"]]


def make_model(kind):
    """Return an unfitted model."""
    if kind == "overfitted":
        return make_pipeline(FunctionTransformer(two_columns), DecisionTreeClassifier(min_samples_leaf=3))
    if kind == "slow":
        return make_pipeline(FunctionTransformer(slow), LogisticRegression())
    ballast = {"ballast": np.random.default_rng(0).random(300_000)}
    return make_pipeline(FunctionTransformer(two_columns, kw_args=ballast), LogisticRegression())


def evaluate(workspace, frame, model=None, pipeline_class=None, **changes):
    """Train a model of a table, and return the pipeline and the evaluation."""
    file = workspace / "gates.csv"
    frame.to_csv(file, index=False)
    values = {"data": str(file), "drop_columns": ["shop"], "groups": ["shop"], "gates": LIMITS, **changes}
    pipeline = pipeline_in(workspace, pipeline_class, **values)
    preprocess(pipeline)
    run_id = log_candidate(pipeline, "linear", "size", "age", model=model or model_of("size", "age"))
    train = pipeline.backend.read_table(pipeline.backend.tracking.candidate_run(run_id).data.params["train_data"])
    model = pipeline.backend.tracking.load_model(
        pipeline.backend.tracking.model_folder(
            *pipeline.backend.tracking.model_source(pipeline.backend.tracking.candidate_run(run_id))
        )
    )
    truth = (train["bought"] == "yes").to_numpy()
    pairs = model.predict_proba(train)[:, 1][truth][:, None] > model.predict_proba(train)[:, 1][~truth]
    pipeline.backend.tracking.client.log_metric(run_id, "train_roc_auc", float(pairs.mean()))
    return pipeline, pipeline.evaluate()


def blocking(evaluation):
    """Return the gates that did not pass."""
    return [gate for gate, verdict in evaluation.gates["verdict"].items() if verdict != "passed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "options"),
    [
        (None, {}),
        ("train_test_gap", {"model": "overfitted"}),
        ("near_perfect", {"change": with_exact_sum}),
        ("row_on_both_sides", {"pipeline_class": OverlappingSides}),
        ("column_alone", {"change": with_leak}),
        ("worst_slice", {"change": with_random_shop}),
        ("group_gap", {"change": with_rich_shop}),
        ("latency_ms", {"model": "slow"}),
        ("size_mb", {"model": "large"}),
    ],
)
def test_each_gate_blocks_a_table_that_no_other_blocks(workspace, gate, options):
    frame = options.pop("change", lambda frame: frame)(table())
    model = make_model(options.pop("model")) if "model" in options else None
    pipeline, evaluation = evaluate(workspace, frame, model, **options)
    assert blocking(evaluation) == ([gate] if gate else []), evaluation.gates.to_string()
    assert bool(evaluation.blocked_by) == bool(gate)
    assert versions_of(pipeline) == ((["1"], "1") if not gate else ([], None))


@pytest.mark.slow
def test_coverage_gate_blocks_sets_that_miss_too_many_rows(workspace):
    frame = table()
    frame.to_csv(workspace / "gates.csv", index=False)
    options = {"data": str(workspace / "gates.csv"), "drop_columns": ["shop"], "cross_validation_folds": 0}
    for minimum, expected in ((0.85, []), (0.99, ["coverage"])):
        pipeline = pipeline_in(workspace, gates={"coverage": minimum}, coverage=0.9, **options)
        preprocess(pipeline)
        pipeline.train()
        evaluation = pipeline.evaluate()
        assert [gate for gate in blocking(evaluation) if gate == "coverage"] == expected
        assert "of the test rows" in evaluation.gates.loc["coverage", "measured"]


@pytest.mark.slow
def test_contract_gate_blocks_a_table_that_breaks_its_contract(workspace):
    (workspace / "contract.yaml").write_text(
        "columns:\n  size: {type: number, minimum: -1}\nallow_extra_columns: true\n"
    )
    options = {"contract": str(workspace / "contract.yaml"), "on_violation": "warn"}
    _, evaluation = evaluate(workspace, table(), gates={**LIMITS, "contract": 0.01}, **options)
    assert blocking(evaluation) == ["contract"]
    assert "of 900 rows" in evaluation.gates.loc["contract", "measured"]


def test_a_waiver_opens_a_gate_and_is_recorded(workspace):
    waiver = {"gate": "group_gap", "who": "Ada", "why": "a pilot", "until": "2999-12-31"}
    pipeline, evaluation = evaluate(workspace, with_rich_shop(table()), waivers=[waiver])
    assert evaluation.promoted and blocking(evaluation) == ["group_gap"]
    assert "group_gap is waived until 2999-12-31 by Ada: a pilot." in evaluation.decision
    tracking = pipeline.backend.tracking
    (run,) = tracking.client.search_runs([tracking.experiment_id(workspaces.NAME)], "tags.stage = 'evaluate'")
    assert run.data.tags["waiver.group_gap"] == "waived until 2999-12-31 by Ada: a pilot"
    assert run.data.tags["gate.group_gap"] == "waived"
    with open(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/gates.json")) as file:
        results = {result["gate"]: result for result in json.load(file)["gates"]}
    assert results["group_gap"]["waiver"] == waiver and results["accept"]["waiver"] is None


@pytest.mark.slow
def test_groups_are_shown_also_without_a_gate(workspace):
    _, evaluation = evaluate(workspace, table(), gates={})
    (shown,) = [display.content for display in evaluation.worth if display.name == "groups"]
    assert {*shown.index} == {"shop = far", "shop = near"} and shown["rows"].sum() > 100


def test_a_gate_without_a_measurement_blocks(workspace):
    pipeline = pipeline_in(workspace, gates={"train_test_gap": 0.1})
    preprocess(pipeline)
    log_candidate(pipeline, "by_size", "size")
    assert (
        "could not be measured: the run of by_size logged no score on the training rows" in pipeline.evaluate().decision
    )


def test_equal_rows_with_different_row_numbers_are_repeated(workspace):
    doubled = pd.concat([table(), table()], ignore_index=True)
    doubled["row"] = range(len(doubled))
    options = {"key_columns": ["row"], "drop_columns": ["shop", "row"]}
    _, evaluation = evaluate(workspace, doubled, **options)
    assert blocking(evaluation) == ["row_on_both_sides"]


@pytest.mark.slow
def test_equal_rows_of_different_customers_are_not_repeated(workspace):
    doubled = pd.concat([table()] * 4, ignore_index=True)
    doubled["customer"] = np.repeat(range(len(doubled) // 2), 2)
    options = {"key_columns": ["customer"], "drop_columns": ["shop", "customer"], "split": "group"}
    _, evaluation = evaluate(workspace, doubled, **options)
    assert blocking(evaluation) == []
