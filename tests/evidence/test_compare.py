"""The comparison of two runs names the likely cause of a difference, over many planted changes."""

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from lib.chain import contracts, fingerprint, notebooks, plan
from lib.commands import main
from lib.commands.compare import find_previous_run, measure_difference
from lib.evidence.compare.cause import UNEXPLAINED, find_cause
from lib.evidence.compare.changes import find_changes
from lib.evidence.compare.results import find_first_difference, list_results
from lib.evidence.report.run_files import RunFiles
from lib.parameters import load
from lib.paths import ROOT
from lib.stages._facts import describe_table
from lib.tables.quality import baseline
from tests import workspaces
from tests.evidence.published_runs import EVALUATION, ORIGIN, result, write_run

copy_after = workspaces.copy_after
with_rivals = workspaces.with_rivals
PLANTED_CHANGES = 200
CODE_FOLDERS = (
    "lib/tables",
    "lib/training",
    "lib/metrics",
    "lib/evaluation",
    "lib/stages",
    "lib/serving",
    "lib/commands",
)
PARAMETER_CHANGES = (
    ("test_fraction", 0.3),
    ("drop_columns", ["size"]),
    ("hyperparameters", {"linear": {"regularisation": 50.0}}),
    ("class_weight", "balanced"),
    ("min_score", 0.9),
    ("promote_if", "not_worse"),
    ("costs", {"false_negative": 5, "false_positive": 1}),
    ("endpoint_workers", 4),
    ("missing_values", ["-1"]),
    ("cross_validation_folds", 3),
)


def make_table(seed):
    generator = np.random.default_rng(seed)
    size, luck = generator.normal(size=(2, 150))
    return pd.DataFrame(
        {"size": size, "luck": luck, "bought": np.where(size + generator.normal(size=150) > 0, "y", "n")}
    )


class SmallRun:
    """A run of a small chain in memory: real fingerprints and statistics, and the scores of a real model."""

    def __init__(self, project_prints):
        self.prints = {label: dict(parts) for label, parts in project_prints.items()}
        self.parameters = {**load([]).values, "name": "shop", "seed": 42, "data": "shop.csv", "test_fraction": 0.2}
        self.table = make_table(0)
        self.versions = dict(ORIGIN["versions"], mlflow="3.15.0")
        self.shift = {}  # what changed code or another package does to the results of a stage

    def finish(self, name, noise):
        """Return the files of the run; a run differs from any other in names, times and ids."""
        parameters, seed = self.parameters, self.parameters["seed"]
        chance = np.random.default_rng(seed)
        is_test = chance.random(len(self.table)) < parameters["test_fraction"]
        columns = [each for each in ("size", "luck") if each not in parameters["drop_columns"]]
        train, test = self.table[~is_test][[*columns, "bought"]], self.table[is_test]
        statistics = baseline.describe(
            train.assign(**{columns[0]: train[columns[0]] + self.shift.get("preprocess", 0)}), "bought"
        )
        preprocess = describe_table(statistics, len(self.table), len(test), "bought")
        settings = parameters["hyperparameters"].get("linear", {})
        model = LogisticRegression(
            C=1 / settings.get("regularisation", 1), class_weight=parameters["class_weight"] or None
        )
        probability = model.fit(train[columns], train["bought"]).predict_proba(test[columns])[:, 1]
        accuracy = float(((probability > 0.5) == (test["bought"] == "y")).mean()) + self.shift.get("train", 0)
        best = accuracy + self.shift.get("evaluate", 0)
        evaluation = {
            "metric": "accuracy",
            "best": "linear",
            "best_run_id": noise.randbytes(4).hex(),
            "promoted": best >= (parameters["min_score"] or 0),
            "contenders": [{"name": "linear", "run_id": "", "score": best}],
            "gates": [],
        }
        train_facts = {"score": accuracy, "mean_probability": float(probability.mean()), "fit_seconds": noise.random()}
        facts = {
            "preprocess": preprocess,
            "train linear": train_facts,
            "evaluate": evaluation,
            "deploy": {"url": str(noise.random())},
        }
        stages = [
            {
                "stage": label,
                "seconds": noise.random(),
                "fingerprint": self._fingerprint(label),
                "facts": facts.get(label, {}),
            }
            for label in self.prints
        ]
        git = {"commit": noise.randbytes(8).hex()}
        state = {"name": "shop", "stages": stages, "started_by": {**ORIGIN, "git": git, "versions": self.versions}}
        return RunFiles(Path(name), state, {**parameters, "run_name": name, "workspace": name})

    def _fingerprint(self, label):
        parts = self.prints[label]
        content = {"the content of data": hashlib.sha256(self.table.to_csv().encode()).hexdigest()}
        own = {name: str(self.parameters[name]) for name in parts if name in self.parameters}
        return {**parts, **own, **(content if label == "preprocess" else {})}


@pytest.fixture(scope="module")
def project_prints():
    """Return the fingerprint of each stage of the flights example."""
    chain = notebooks.read_all()
    values = load([ROOT / "parameters" / "flights.yaml"])
    parameters = contracts.resolve_parameters(values, chain)
    executions = plan.list_executions(chain, parameters)
    chosen = [each for each in executions if each.training_function in ("", "linear")]
    return {each.label: fingerprint.compute(each.notebook, each.result_dependencies(parameters)) for each in chosen}


def change_data(run, chance):
    how = chance.randrange(4)
    if how == 0:
        run.table = make_table(chance.randrange(1, 10**6))
    elif how == 1:
        run.table = run.table.iloc[: chance.randrange(90, 149)]
    elif how == 2:
        run.table = pd.concat([run.table, make_table(chance.randrange(1, 10**6)).head(chance.randrange(5, 60))])
    else:
        run.table = run.table.assign(luck=run.table["luck"] * chance.uniform(1.01, 3))


def change_parameter(run, chance):
    name, value = chance.choice(PARAMETER_CHANGES)
    run.parameters[name] = value
    if name == "missing_values":
        run.shift["preprocess"] = 0.01


def change_code(run, chance):
    files = [name for name in next(iter(run.prints.values())) if name.startswith(CODE_FOLDERS)]
    file = chance.choice(files)
    for parts in run.prints.values():
        parts[file] = chance.randbytes(32).hex()
    stage = {"lib/tables": "preprocess", "lib/training": "train", "lib/metrics": "train", "lib/evaluation": "evaluate"}
    found = next((stage[folder] for folder in stage if file.startswith(folder)), "")
    if found and chance.random() < 0.8:
        run.shift[found] = chance.choice([-0.01, 0.01])


def change_seed(run, chance):
    run.parameters["seed"] = chance.randrange(10**6)


def change_version(run, chance):
    package, version = chance.choice(["scikit-learn", "mlflow", "python"]), f"9.{chance.randrange(99)}"
    run.versions[package] = version
    if package == "python":
        for parts in run.prints.values():
            parts["Python"] = version
    if chance.random() < 0.5:
        for parts in run.prints.values():
            parts["requirements.lock"] = chance.randbytes(32).hex()
    run.shift[chance.choice(["preprocess", "train", "none"])] = chance.choice([-1e-6, 1e-3])


PLANTS = {
    "data": change_data,
    "parameter": change_parameter,
    "code": change_code,
    "seed": change_seed,
    "version": change_version,
}


def cause_of(first, second):
    return find_cause(find_changes(first, second), find_first_difference(list_results(first, second)))


@pytest.mark.slow
def test_planted_changes_are_named(project_prints):
    base = SmallRun(project_prints).finish("first", random.Random(0))
    named, missed = 0, []
    for number in range(PLANTED_CHANGES):
        chance = random.Random(number)
        kind = list(PLANTS)[number % len(PLANTS)]
        run = SmallRun(project_prints)
        PLANTS[kind](run, chance)
        cause = cause_of(base, run.finish(f"run-{number}", chance))
        named += cause.kind == kind
        missed += [(number, kind, cause.sentence)] if cause.kind != kind else []
    assert named >= 0.95 * PLANTED_CHANGES, missed


def test_equal_runs_have_no_cause(project_prints):
    runs = [SmallRun(project_prints).finish(name, random.Random(name)) for name in ("a", "b")]
    assert cause_of(*runs).sentence.startswith("Nothing has changed")


def test_change_that_acts_only_later_is_not_the_cause(project_prints):
    first, later = SmallRun(project_prints), SmallRun(project_prints)
    change_data(later, random.Random(0))
    later.parameters["endpoint_workers"] = 4
    for parts in later.prints.values():
        parts["lib/serving/keys.py"] = "0" * 64
    cause = cause_of(first.finish("a", random.Random(1)), later.finish("b", random.Random(2)))
    assert cause.kind == "data" and cause.others == ()


def test_two_possible_causes_are_both_named(project_prints):
    first, later = SmallRun(project_prints), SmallRun(project_prints)
    change_data(later, random.Random(0))
    later.parameters["seed"] = 7
    cause = cause_of(first.finish("a", random.Random(1)), later.finish("b", random.Random(2)))
    assert cause.kind == "data" and "It cannot be told apart from the seed" in cause.sentence


def test_remote_table_that_changed_is_suspected(project_prints):
    first, later = SmallRun(project_prints), SmallRun(project_prints)
    change_data(later, random.Random(0))
    runs = [first.finish("a", random.Random(1)), later.finish("b", random.Random(2))]
    for run in runs:
        for stage in run.stages:
            stage["fingerprint"].pop("the content of data", None)
    cause = cause_of(*runs)
    assert cause.kind == UNEXPLAINED and "perhaps the table was changed at its address" in cause.sentence


def test_renamed_table_with_the_same_content_is_no_change(project_prints):
    first, later = SmallRun(project_prints), SmallRun(project_prints)
    later.parameters["data"] = "moved.csv"
    assert find_changes(first.finish("a", random.Random(1)), later.finish("b", random.Random(2))) == []


def test_command_shows_all_differences(tmp_path, capsys):
    first = write_run(tmp_path / "runs" / "run-1")
    contenders = [
        {"name": "linear", "run_id": "r9", "score": 0.9},
        {"name": "champion v2", "run_id": "r1", "score": 0.81},
    ]
    origin = {**ORIGIN, "versions": {"python": "3.11.9", "scikit-learn": "1.9.2"}}
    changed = result(**EVALUATION | {"contenders": contenders, "promoted": False})
    second = write_run(tmp_path / "runs" / "run-2", {"evaluate": changed}, parameters={"seed": 9}, started_by=origin)
    assert main(["compare", str(first), "run-2", "-p", f"runs_folder={tmp_path / 'runs'}"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("## run-1 and run-2")
    for text in (
        "The likely cause is",
        "| seed | 7 | 9 |",
        "| scikit-learn | 1.9.1 | 1.9.2 |",
        "| score of linear | 0.8100 | 0.9000 |",
    ):
        assert text in out
    assert "not measured: the test rows differ" in out
    assert find_previous_run(second) == first and find_previous_run(first) is None


def test_missing_run_is_reported_with_the_nearest_name(tmp_path, capsys):
    write_run(tmp_path / "runs" / "run-1")
    assert main(["compare", "run-1", "run-7", "-p", f"runs_folder={tmp_path / 'runs'}"]) == 2
    assert "There is no run run-7" in capsys.readouterr().err


def test_runs_of_different_use_cases_have_no_difference_in_score(project_prints):
    first = SmallRun(project_prints).finish("a", random.Random(1))
    other = replace(first, state={**first.state, "name": "other"})
    assert "different use cases" in measure_difference(first, other)


def test_difference_on_the_same_rows_has_a_paired_interval(with_rivals, tmp_path):
    pipeline = workspaces.pipeline_in(with_rivals)
    tracking, name = pipeline.backend.tracking, workspaces.NAME
    train, test = (tracking.newest_output(name, "preprocess", each) for each in ("train_data", "test_data"))
    by_luck, by_size = tracking.newest_candidates(name, train, "bought", "binary")

    def run_with(run_id, folder):
        facts = {**EVALUATION, "best_run_id": run_id}
        stage = {
            "stage": "evaluate",
            "status": "succeeded",
            "fingerprint": {"the content of test_data": "0" * 64},
            "facts": facts,
            "outputs": {"test_data": test},
        }
        return RunFiles(tmp_path / folder, {"name": name, "stages": [stage]}, dict(pipeline.parameters))

    difference = measure_difference(run_with(by_luck, "a"), run_with(by_size, "b"))
    assert difference["low"] < difference["estimate"] < difference["high"] and difference["low"] > 0
    assert difference["method"] == "DeLong"
    reverse = measure_difference(run_with(by_size, "b"), run_with(by_luck, "a"))
    assert reverse["estimate"] == pytest.approx(-difference["estimate"])
    gone = measure_difference(run_with("0" * 32, "c"), run_with(by_size, "b"))
    assert gone.startswith("not measured: ") and "no MLflow run" in gone
