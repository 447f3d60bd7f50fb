"""The contract of training functions, tested over every function in lib/training."""

import ast
import inspect
import re
import warnings

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import Pipeline

from lib import training
from lib.errors import InputError
from lib.training.features import FeatureError
from tests.nasty_tables import LABELS, as_request_rows, nasty_table, request_for

TASKS = ("binary", "multiclass", "regression")
NAMES = training.available(is_bundled=True)
TRAINED_ROWS = 180
# Fewer trees and rounds are enough to test the contract.
QUICK = {"n_estimators": 25, "max_iter": 40, "max_iter_small": 40, "learning_rate": 0.2}


def train_quickly(name, X, y, request):
    """Train with those hyperparameters of ``QUICK`` that the function takes."""
    function = training.get(name)
    known = inspect.signature(function).parameters
    return function(X, y, request, **{key: value for key, value in QUICK.items() if key in known})


@pytest.fixture(scope="module")
def trained():
    """Train each function once per task on the nasty table, with warnings as errors."""
    fitted = {}

    def train(name, task):
        if (name, task) not in fitted:
            X, y = nasty_table(task)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                pipeline = train_quickly(name, X[:TRAINED_ROWS], y[:TRAINED_ROWS], request_for(task))
            fitted[name, task] = pipeline, X[TRAINED_ROWS:], y[TRAINED_ROWS:]
        return fitted[name, task]

    return train


@pytest.fixture(autouse=True)
def no_warnings():
    """Turn warnings into errors: they would appear in executed notebooks."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def predict_numbers(pipeline, X):
    """Return probabilities, or the predictions of a regression."""
    return pipeline.predict_proba(X) if hasattr(pipeline, "predict_proba") else pipeline.predict(X)


def test_documented_functions_exist():
    assert {"linear", "random_forest", "gradient_boosting", "xgboost", "extra_trees"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_hyperparameters_have_types_and_literal_defaults(name):
    parameters = list(inspect.signature(training.get(name)).parameters.values())
    assert [parameter.name for parameter in parameters[:3]] == ["X", "y", "request"]
    for parameter in parameters[3:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.annotation is not inspect.Parameter.empty
        assert ast.literal_eval(repr(parameter.default)) == parameter.default


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
class TestNastyTable:
    def test_function_learns(self, trained, name, task):
        pipeline, X, y = trained(name, task)
        assert isinstance(pipeline, Pipeline)
        predicted = pipeline.predict(X)
        if task == "regression":
            assert r2_score(y, predicted) > 0.5
        else:
            assert accuracy_score(y, predicted) > {"binary": 0.75, "multiclass": 0.6}[task]

    def test_labels_and_probabilities_match_the_classes(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        predicted = pipeline.predict(X)
        assert predicted.shape == (len(X),)
        if task == "regression":
            assert predicted.dtype.kind == "f" and np.isfinite(predicted).all()
            return
        probabilities = pipeline.predict_proba(X)
        assert list(pipeline.classes_) == LABELS[task]
        assert probabilities.shape == (len(X), len(LABELS[task]))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-12)
        assert list(pipeline.classes_[probabilities.argmax(axis=1)]) == list(predicted)

    def test_request_rows_get_the_predictions_of_table_rows(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        rows = as_request_rows(X)
        assert rows["when"].map(type).eq(str).all()
        np.testing.assert_allclose(predict_numbers(pipeline, rows), predict_numbers(pipeline, X), rtol=1e-9)
        single = np.concatenate([predict_numbers(pipeline, as_request_rows(X.iloc[[row]])) for row in range(3)])
        np.testing.assert_allclose(single, predict_numbers(pipeline, X[:3]), rtol=1e-6)

    def test_column_order_and_extra_columns_are_ignored(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        shuffled = X[X.columns[::-1]].assign(extra="never seen")
        np.testing.assert_array_equal(predict_numbers(pipeline, shuffled), predict_numbers(pipeline, X))

    def test_missing_and_unseen_values_are_accepted(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        all_none = pd.DataFrame([dict.fromkeys(X.columns)])
        assert np.isfinite(predict_numbers(pipeline, all_none)).all()
        unseen = X[:3].assign(
            **{
                "colour": "ultraviolet",
                "zip": "99999",
                "grade as category": 7,
                "note": "¡!",
                "mixed": "n/a",
                "day": "?",
            }
        )
        assert np.isfinite(predict_numbers(pipeline, unseen)).all()
        assert np.isfinite(predict_numbers(pipeline, X[:3].assign(size=np.inf, flag=None))).all()

    def test_missing_column_is_named(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        with pytest.raises(FeatureError, match=re.escape("Temperature(°C)")):
            pipeline.predict(X.drop(columns="Temperature(°C)"))

    def test_columns_without_information_are_not_needed(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        uninformative = ["constant", "constant text", "all missing", "all None"]
        np.testing.assert_array_equal(
            predict_numbers(pipeline, X.drop(columns=uninformative)), predict_numbers(pipeline, X)
        )

    def test_same_seed_gives_the_same_model_on_more_threads(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        X_again, y = nasty_table(task)
        twin = train_quickly(name, X_again[:TRAINED_ROWS], y[:TRAINED_ROWS], request_for(task, threads=2))
        np.testing.assert_array_equal(predict_numbers(twin, X), predict_numbers(pipeline, X))

    def test_pipeline_can_be_pickled_and_cloned(self, trained, name, task):
        pipeline, X, _ = trained(name, task)
        restored = cloudpickle.loads(cloudpickle.dumps(pipeline))
        np.testing.assert_array_equal(predict_numbers(restored, X), predict_numbers(pipeline, X))
        X_again, y = nasty_table(task)
        refitted = clone(pipeline).fit(X_again[:TRAINED_ROWS], y[:TRAINED_ROWS])
        np.testing.assert_allclose(predict_numbers(refitted, X), predict_numbers(pipeline, X), rtol=1e-6)

    def test_training_does_not_change_the_table(self, name, task):
        X, y = nasty_table(task, rows=60)
        before = X.copy(deep=True)
        train_quickly(name, X, y, request_for(task)).predict(X)
        pd.testing.assert_frame_equal(X, before)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(["no", "yes"]),
        pd.Series([1, 2]),
        pd.Series([False, True]),
        pd.Series([0, 1], dtype="Int64"),
        pd.Series([False, True], dtype="boolean"),
        pd.Series(["a", "b"], dtype="string"),
        pd.Series([3, 5], dtype="category"),
    ],
    ids=lambda labels: str(labels.dtype),
)
@pytest.mark.parametrize("name", NAMES)
def test_labels_keep_their_type(name, labels):
    X, y = nasty_table("binary", rows=60)
    X = X[["size", "colour"]]
    y = labels.iloc[(y == "yes").astype(int)].reset_index(drop=True)
    predicted = train_quickly(name, X, y, request_for("binary")).predict(X)
    assert set(predicted) <= set(labels)
    assert type(predicted.tolist()[0]) is type(labels.tolist()[0])


@pytest.mark.parametrize("name", NAMES)
def test_class_with_one_row_is_learned(name):
    X, y = nasty_table("multiclass", rows=120)
    y = y.copy()
    y.iloc[17] = "superb"
    pipeline = training.get(name)(X, y, request_for("multiclass"))
    assert list(pipeline.classes_) == ["high", "low", "middle", "superb"]
    assert pipeline.predict_proba(X).shape == (120, 4)


@pytest.mark.parametrize("name", NAMES)
def test_more_columns_than_rows_are_accepted(name):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 100))).add_prefix("x")
    y = pd.Series(np.where(X["x0"] > 0, "up", "down"))
    assert set(training.get(name)(X, y, request_for("binary")).predict(X)) == {"up", "down"}


def test_new_file_in_the_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "my_own.py").write_text(
        "from sklearn.dummy import DummyClassifier\n"
        "from sklearn.pipeline import make_pipeline\n"
        "def train(X, y, request, *, strategy='prior'):\n"
        "    return make_pipeline(DummyClassifier(strategy=strategy)).fit(X, y)\n"
    )
    monkeypatch.setattr(training, "__path__", [*training.__path__, str(tmp_path)])
    assert "my_own" in training.available()
    X, y = nasty_table("binary", rows=60)
    assert training.get("my_own")(X, y, request_for("binary")).predict(X[:1]) in (["no"], ["yes"])
    with pytest.raises(InputError, match="Did you mean 'my_own'"):
        training.get("my_owm")
