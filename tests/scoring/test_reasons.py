"""Reasons: exact Shapley values of trees and linear models, added up to raw columns, in every answer."""

import functools
import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from lib import metrics, training
from lib.backends import model_files
from lib.parameters import Parameters
from lib.scoring import batch
from lib.scoring.calibrated_classifier import CalibratedClassifier
from lib.scoring.calibrators import Temperature
from lib.scoring.decision_classifier import with_rule
from lib.scoring.decision_rules import ThresholdRule
from lib.scoring.model import load_model
from lib.scoring.reasons import leaf_tables, tree_shap
from lib.scoring.reasons.explainers import find_explainer, unwrap
from lib.scoring.reasons.finder import to_dense
from lib.scoring.reasons.sampled import sample_contributions
from lib.scoring.reasons.tree_models import convert_trees
from lib.scoring.reasons.tree_shap import TreeShap
from lib.scoring.request_error import RequestError
from lib.scoring.scorer import Scorer
from lib.stages._explanation_data import describe_for_reasons
from tests.served_models import ROW

COLUMNS = ["age", "city", "shop", "when", "member"]
FUNCTIONS = ["linear", "random_forest", "extra_trees", "gradient_boosting", "xgboost"]
QUICK_PAIRS = [
    ("linear", "multiclass"),
    ("random_forest", "binary"),
    ("extra_trees", "regression"),
    ("gradient_boosting", "multiclass"),
    ("xgboost", "binary"),
]
QUICK = {
    "random_forest": {"n_estimators": 8},
    "extra_trees": {"n_estimators": 8},
    "gradient_boosting": {"max_iter_small": 12},
    "xgboost": {"n_estimators": 12},
}


def numbers(rows=300, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 5))
    X[random.random(X.shape) < 0.1] = np.nan
    return X, np.nan_to_num(X[:, 0] * X[:, 1] + np.abs(X[:, 2]))


def value_of_coalition(trees, row, coalition):
    """Return the path-dependent value of a set of features, by following all branches."""

    def follow(node):
        if trees.left[node] < 0:
            return trees.values[node]
        left, right = trees.left[node], trees.right[node]
        value = row[trees.feature[node]]
        if trees.feature[node] in coalition:
            goes_left = trees.missing_left[node] if np.isnan(value) else value <= trees.threshold[node]
            return follow(left if goes_left else right)
        return (trees.cover[left] * follow(left) + trees.cover[right] * follow(right)) / trees.cover[node]

    roots = np.setdiff1d(np.arange(len(trees.left)), np.concatenate([trees.left, trees.right]))
    return trees.baseline + sum(follow(root) for root in roots)


def brute_force(trees, row):
    """Return the Shapley values of a row by their definition."""
    count = len(row)
    shapley = np.zeros((count, trees.values.shape[1]))
    for size in range(count):
        weight = math.factorial(size) * math.factorial(count - 1 - size) / math.factorial(count)
        for coalition in itertools.combinations(range(count), size):
            base = value_of_coalition(trees, row, coalition)
            for feature in set(range(count)) - set(coalition):
                shapley[feature] += weight * (value_of_coalition(trees, row, {*coalition, feature}) - base)
    return shapley


X, Y = numbers()
MODELS = {
    "boosting": HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=3).fit(X, Y),
    "boosting of classes": HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=3).fit(X, Y > 1),
    "boosting of several classes": HistGradientBoostingClassifier(max_iter=2).fit(X, np.digitize(Y, [0, 1])),
    "forest": RandomForestClassifier(3, max_depth=6, random_state=0).fit(X, np.digitize(Y, [0, 1])),
    "extra trees": ExtraTreesRegressor(3, max_depth=6, random_state=0).fit(X, Y),
    "tree of one leaf": DecisionTreeClassifier(max_depth=1, min_samples_leaf=200).fit(X, Y > 1),
}


@pytest.mark.parametrize("way", ["tables", "computed leaves", "branches"])
@pytest.mark.parametrize("name", MODELS)
def test_tree_values_are_shapley_values_by_definition(name, way, monkeypatch):
    if way == "computed leaves":
        monkeypatch.setattr(leaf_tables, "MAX_FEATURES", 2)
        monkeypatch.setattr(tree_shap, "_MIN_TABLE_SHARE", 0)
    elif way == "branches":
        monkeypatch.setattr(tree_shap, "_MAX_TABLE_NODES", 0)
    trees = convert_trees(MODELS[name])
    rows = X[[0, 7, 21]]
    if trees.is_single_precision:
        rows = rows.astype(np.float32)
    explain = TreeShap(trees, 5)
    expected = shapley_by_definition(name)
    for output in range(trees.values.shape[1]):
        assert np.abs(explain(rows, np.full(3, output)) - expected[:, :, output]).max() < 1e-12
    assert explain.expected == pytest.approx(value_of_coalition(trees, rows[0], ()))


@functools.cache
def shapley_by_definition(name):
    trees = convert_trees(MODELS[name])
    dtype = np.float32 if trees.is_single_precision else float
    return np.stack([brute_force(trees, row) for row in X[[0, 7, 21]].astype(dtype)])


def test_other_ways_are_taken_for_large_trees():
    ensemble = TreeShap(convert_trees(MODELS["boosting"]), 5)
    assert ensemble._make_tables(0)._others is None and leaf_tables.select_leaves(np.array([2, 30, 9])).tolist() == [
        True,
        False,
        True,
    ]
    many = np.full(100_000, 10)
    assert not leaf_tables.select_leaves(many).any(), "their tables would need 8 GB"


def table(rows=400):
    """Return a table with all kinds of columns, and a target that depends on them."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows).astype(float),
            "city": random.choice(["Bern", "Oslo", "Rome"], rows),
            "shop": random.choice([f"s{number}" for number in range(45)], rows),
            "when": pd.Timestamp("2025-01-01") + pd.to_timedelta(random.integers(0, 9_000, rows), unit="h"),
            "member": random.random(rows) < 0.5,
        }
    )
    frame.loc[random.random(rows) < 0.1, ["age", "city"]] = None
    score = frame["age"].fillna(50) / 20 + 2 * (frame["city"] == "Rome") + frame["when"].dt.hour / 12 + frame["member"]
    return frame, score + random.normal(0, 0.5, rows)


def target_of(score, task):
    if task == "regression":
        return score
    return (
        (score > score.median()).map({True: "late", False: "on time"})
        if task == "binary"
        else pd.qcut(score, 3, labels=["a", "b", "c"]).astype(str)
    )


def fit(function, task):
    frame, score = table()
    metric = metrics.get("rmse" if task == "regression" else "log_loss", task)
    request = training.TrainingRequest(task, metric, 0, threads=1)
    return frame, training.get(function)(frame, target_of(score, task), request, **QUICK.get(function, {}))


def save(model, frame, folder, task, positive_class=""):
    """Save a model as the train stage does, and return its scorer."""
    parameters = Parameters({"task": task, "positive_class": positive_class, "seed": 0})
    model_files.save(model, folder, frame.head(20), frame)
    explanation = describe_for_reasons(model, frame, parameters)
    (folder / "baseline.json").write_text(json.dumps({"columns": {}, "explanation": explanation}))
    model_files.add_fast_model(model, folder)
    return Scorer.from_folder(folder)


def raw_score(model, frame, task):
    """Return the score that the contributions add up to, for every class."""
    last, features = model[-1], model[:-1].transform(frame)
    if task == "regression":
        return last.predict(features)[:, None]
    if hasattr(getattr(last, "estimator_", None), "get_booster"):
        margins = last.estimator_.predict(features, output_margin=True)
        return margins if margins.ndim == 2 else np.stack([-margins, margins], 1)
    if hasattr(last, "decision_function"):
        scores = last.decision_function(features)
        return scores if scores.ndim == 2 else np.stack([-scores, scores], 1)
    return last.predict_proba(features)


def request_of(rows, **more):
    from lib.stages._endpoint_answers import build_request

    return json.dumps({**build_request(rows), **more})


@pytest.mark.parametrize(
    ("function", "task"),
    [
        pytest.param(function, task, marks=[] if (function, task) in QUICK_PAIRS else [pytest.mark.slow])
        for function in FUNCTIONS
        for task in ("binary", "multiclass", "regression")
    ],
)
def test_contributions_of_each_training_function_add_up_to_its_score(function, task, tmp_path):
    frame, model = fit(function, task)
    scorer = save(model, frame, tmp_path / "model", task)
    rows = frame.head(12)
    answer = scorer.score(request_of(rows, reasons=5))
    assert answer["reasons_method"] == "exact"
    scores = raw_score(model, rows, task)
    for row, reasons in enumerate(answer["reasons"]):
        position = 0 if task == "regression" else answer["classes"].index(reasons["class"])
        total = reasons["average"] + sum(each["effect"] for each in reasons["columns"])
        assert total == pytest.approx(scores[row, position], abs=2e-5 if function == "xgboost" else 1e-9)
        sizes = [abs(each["effect"]) for each in reasons["columns"]]
        assert sizes == sorted(sizes, reverse=True)
        assert {each["column"] for each in reasons["columns"]} <= set(COLUMNS)
        if task == "multiclass":
            assert reasons["class"] == answer["predictions"][row]
        elif task == "binary":
            assert reasons["class"] == "on time"


def test_sparse_features_of_linear_models_are_explained(tmp_path):
    random = np.random.default_rng(0)
    cities = pd.Series(random.choice([f"city {number}" for number in range(20)], 600))
    frame = pd.DataFrame({f"{side}": cities.sample(frac=1, random_state=side).to_numpy() for side in range(4)})
    frame.columns = [f"column {name}" for name in frame.columns]
    request = training.TrainingRequest("regression", metrics.get("rmse", "regression"), 0, threads=1)
    target = (frame["column 1"] == "city 3") * 5.0 + random.normal(0, 0.1, 600)
    model = training.get("linear")(frame, target, request)
    assert hasattr(model[:-1].transform(frame.head(2)), "toarray"), "the features are sparse"
    scorer = save(model, frame, tmp_path / "model", "regression")
    answer = scorer.score(request_of(frame[frame["column 1"] == "city 3"].head(2), reasons=4))
    assert answer["reasons_method"] == "exact" and answer["reasons"][0]["columns"][0]["column"] == "column 1"
    total = answer["reasons"][0]["average"] + sum(each["effect"] for each in answer["reasons"][0]["columns"])
    assert total == pytest.approx(answer["predictions"][0])


def test_columns_that_matter_are_named_and_others_are_not(tmp_path):
    frame, model = fit("gradient_boosting", "regression")
    scorer = save(model, frame, tmp_path / "model", "regression")
    values = scorer.reason_finder.find(
        {column.name: [row[column.name] for row in scorer.model.examples] for column in scorer.model.columns},
        np.zeros(20),
    ).values
    importance = dict(zip([column.name for column in scorer.model.columns], np.abs(values).mean(0), strict=True))
    assert min(importance[name] for name in ("age", "city", "when")) > 3 * importance["shop"]


def test_positive_class_gives_the_direction(tmp_path):
    frame, model = fit("gradient_boosting", "binary")
    late = save(model, frame, tmp_path / "late", "binary", "late")
    on_time = save(model, frame, tmp_path / "on_time", "binary", "on time")
    body = request_of(frame.head(3), reasons=3)
    for one, other in zip(late.score(body)["reasons"], on_time.score(body)["reasons"], strict=True):
        assert (one["class"], other["class"]) == ("late", "on time")
        assert one["average"] == -other["average"]
        assert [(each["column"], -each["effect"]) for each in one["columns"]] == [
            (each["column"], each["effect"]) for each in other["columns"]
        ]


def test_calibration_and_threshold_do_not_change_the_explained_score(tmp_path):
    frame, model = fit("gradient_boosting", "binary")
    plain = save(model, frame, tmp_path / "plain", "binary")
    calibrated = model.__class__([model.steps[0], ("model", CalibratedClassifier(model[-1], Temperature(0.5)))])
    wrapped = save(with_rule(calibrated, ThresholdRule(1, 0.3)), frame, tmp_path / "wrapped", "binary")
    assert wrapped.engine == "fast"
    body = request_of(frame.head(5), reasons=2)
    first, second = plain.score(body), wrapped.score(body)
    assert first["reasons"] == second["reasons"] and first["probabilities"] != second["probabilities"]


def test_fast_model_and_model_give_the_same_reasons(tmp_path):
    frame, model = fit("gradient_boosting", "multiclass")
    fast = save(model, frame, tmp_path / "model", "multiclass")
    assert fast.model.estimator is None, "the fast model was read from its file"
    slow = Scorer(load_model(tmp_path / "model"))
    body = request_of(frame.head(5), reasons=5)
    assert fast.score(body)["reasons"] == slow.score(body)["reasons"]


def test_blend_is_explained_by_its_members():
    from lib.automl.trials.blend import Member, make_blend

    y = np.digitize(Y, [0, 1])
    first, second = (HistGradientBoostingClassifier(max_iter=3, random_state=seed).fit(X, y) for seed in (0, 1))
    blend = make_blend([Member(first, [0, 1, 2], 3), Member(second, [0, 1, 2], 3)], [0.25, 0.75], np.array([0, 1, 2]))
    contributions, expected = find_explainer(blend, 5).explain(X[:4], np.array([0, 1, 2, 1]))
    raw = 0.25 * first._raw_predict(X[:4]) + 0.75 * second._raw_predict(X[:4])
    assert contributions.sum(1) + expected == pytest.approx(raw[np.arange(4), [0, 1, 2, 1]])


@pytest.mark.parametrize("library", ["lightgbm", "catboost", "xgboost"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_boosting_libraries_add_up_to_their_raw_scores(library, task):
    module = pytest.importorskip(library)
    options = {"lightgbm": {"verbose": -1}, "catboost": {"verbose": False, "allow_writing_files": False}}
    prefix = {"lightgbm": "LGBM", "catboost": "CatBoost", "xgboost": "XGB"}[library]
    kind = "Regressor" if task == "regression" else "Classifier"
    target = {"binary": Y > 1, "multiclass": np.digitize(Y, [0, 1]), "regression": Y}[task]
    model = getattr(module, prefix + kind)(n_estimators=4, **options.get(library, {})).fit(X, target.astype(float))
    raw_option = {"lightgbm": "raw_score", "xgboost": "output_margin"}.get(library)
    raw = model.predict(X[:3], **({raw_option: True} if raw_option else {"prediction_type": "RawFormulaVal"}))
    classes = {"binary": [0, 1, 0], "multiclass": [0, 1, 2], "regression": [-1, -1, -1]}[task]
    contributions, expected = find_explainer(model, 5).explain(X[:3], np.array(classes))
    if task == "multiclass":
        raw = raw[[0, 1, 2], classes]
    signs = [-1, 1, -1] if task == "binary" else [1, 1, 1]
    assert contributions.sum(axis=1) + expected == pytest.approx(raw * signs, abs=1e-5)


@pytest.fixture(scope="module")
def scorer(models):
    return Scorer(load_model(models / "classifier", "flights", "3"))


def test_other_models_get_sampled_reasons(scorer):
    answer = scorer.score(json.dumps({"data": [{**ROW, "age": 89}, {**ROW, "age": 18}], "reasons": 2}))
    assert (answer["reasons_method"], answer["reasons_scale"]) == ("sampled", "probability")
    for row, reasons in enumerate(answer["reasons"]):
        assert reasons["class"] == "on time" and reasons["columns"][0]["column"] == "age"
        total = reasons["average"] + sum(each["effect"] for each in reasons["columns"])
        assert total == pytest.approx(answer["probabilities"][row][1], abs=0.05)


def test_sampling_converges_to_the_shapley_values():
    def score(table):
        a, b, c = (np.array(table[name], dtype=float) for name in "abc")
        return a * b + 3 * c

    values, expected = sample_contributions(score, {"a": 2, "b": 5, "c": 1}, [{"a": 0, "b": 1, "c": 0}])
    # Half of the interaction goes to each column; a permutation and its reverse give it exactly.
    assert values.tolist() == [6.0, 4.0, 3.0] and expected == 0


@pytest.mark.parametrize("spaces", [None, 2])
def test_number_of_reasons_is_read_from_every_shape_of_request(scorer, spaces):
    columns, values = list(ROW), list(ROW.values())
    for rows in ({"data": [ROW]}, {"dataframe_split": {"columns": columns, "data": [values]}}, {"input_data": [ROW]}):
        for count in (0, 1, 2):
            answer = scorer.score(json.dumps({**rows, "reasons": count}, indent=spaces).encode())
            shown = [len(each["columns"]) for each in answer.get("reasons", [])]
            assert shown == ([count] if count else [])


@pytest.mark.parametrize("count", [-1, 101, 1.5, "3", None, True, [3], 10**400])
def test_unusable_number_of_reasons_is_refused(scorer, count):
    with pytest.raises(RequestError, match='"reasons" is .*expected a whole number from 0 to 100') as error:
        scorer.score(json.dumps({"data": [ROW], "reasons": count}).encode())
    assert error.value.status == 422


def test_duplicate_number_of_reasons_is_refused(scorer):
    with pytest.raises(RequestError, match="more than once"):
        scorer.score(json.dumps({"data": [ROW], "reasons": 1})[:-1].encode() + b',"reasons":2}')
    with pytest.raises(RequestError, match="exactly one key"):
        scorer.score(b'{"reasons":2}')


def test_scored_table_has_the_reasons_of_the_endpoint(scorer):
    rows = pd.DataFrame([{**ROW, "age": age} for age in (20, 80)] + [{**ROW, "age": None}])
    rows.attrs["reasons"] = 2
    scored = batch.score_rows(scorer, rows)
    table = batch.to_arrow(scored, scorer)
    answer = scorer.score(json.dumps({"data": rows.head(2).astype({"age": int}).to_dict("records"), "reasons": 2}))
    expected = [[each["column"] for each in row["columns"]] for row in answer["reasons"]]
    assert [
        list(pair) for pair in zip(*(table[f"reason_{i}"].to_pylist()[:2] for i in (1, 2)), strict=True)
    ] == expected
    assert table["effect_1"].to_pylist()[2] is None and table["reason_1"].to_pylist()[2] is None
    assert table.column_names[-6:] == ["reason_1", "effect_1", "reason_2", "effect_2", "warnings", "fault"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_contributions_equal_those_of_shap(function, task):
    shap = pytest.importorskip("shap")
    frame, model = fit(function, task)
    features = to_dense(model[:-1].transform(frame))
    last = unwrap(model[-1])
    classes = np.zeros(50, dtype=int) if task == "regression" else np.arange(50) % len(model.classes_)
    own, _ = find_explainer(model[-1], features.shape[1], features.mean(axis=0)).explain(features[:50], classes)
    if function == "linear":
        background = shap.maskers.Independent(features, max_samples=len(features))
        reference = shap.LinearExplainer(last, background).shap_values(features[:50])
    else:
        explainer = shap.TreeExplainer(last, feature_perturbation="tree_path_dependent")
        reference = explainer.shap_values(features[:50], check_additivity=False)
    if reference.ndim == 3:
        reference = reference[np.arange(50), :, classes]
    elif task == "binary":
        reference = reference * np.where(classes == 1, 1, -1)[:, None]
    assert np.abs(own - reference).max() < 1e-6
