"""The fast form of a model: exact, or not used."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from lib.scoring.calibrated_classifier import CalibratedClassifier
from lib.scoring.calibrators import BinaryCurve, ClassCurves, Temperature
from lib.scoring.columns import Column
from lib.scoring.fast_model.boosting import INVERSE_LINKS
from lib.scoring.fast_model.trees import NoBitMasks, Trees
from lib.scoring.model import Model
from lib.scoring.scorer import Scorer
from lib.training.features import TableEncoder

random = np.random.default_rng(0)
ROWS = 700
TABLE = pd.DataFrame(
    {
        "size": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(size=ROWS)),
        "place": random.choice([f"p{at}" for at in range(40)], ROWS),
        "when": pd.date_range("2024-01-01", periods=ROWS, freq="h"),
    }
)
COLUMNS = (
    Column.from_signature({"name": "size", "type": "double", "required": False}, {}),
    Column.from_signature({"name": "place", "type": "string"}, {}),
    Column.from_signature({"name": "when", "type": "datetime"}, {}),
)
BASELINE = {"size": {"minimum": -3.0, "maximum": 3.0}, "place": {"categories": {"p1": 3, "p2": 4}}}


def fitted(classes, **settings):
    """Return a pipeline that was fitted on the table."""
    target = random.integers(0, classes, ROWS) if classes else TABLE["size"].fillna(9) ** 2
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(max_iter=12, random_state=0, **settings)
    return Pipeline([("encoder", TableEncoder("trees", bool(classes), 0)), ("model", model)]).fit(TABLE, target)


def model_of(pipeline):
    rows = TABLE.head(30).assign(when=TABLE["when"].map(pd.Timestamp.isoformat)).replace({np.nan: None})
    return Model(pipeline, COLUMNS, rows.to_dict("records"), BASELINE, "flights", "1")


def table_of(rows):
    return {
        "size": [None if np.isnan(size) else size for size in rows["size"]],
        "place": rows["place"].tolist(),
        "when": [time.isoformat() for time in rows["when"]],
    }


@pytest.mark.parametrize("classes", [0, 2, 4, 12])
@pytest.mark.parametrize("rows", [1, 2, 50, ROWS])
def test_answers_equal_the_models_to_the_last_bit(classes, rows):
    pipeline = fitted(classes)
    scorer = Scorer(model_of(pipeline))
    assert scorer.engine == "fast"
    labels, probabilities = scorer.predict(table_of(TABLE.tail(rows)))
    assert labels.tolist() == pipeline.predict(TABLE.tail(rows)).tolist()
    if classes:
        assert probabilities.tolist() == pipeline.predict_proba(TABLE.tail(rows)).tolist()


@pytest.mark.parametrize(
    "settings", [{}, {"max_leaf_nodes": 32}, {"max_leaf_nodes": 64}, {"max_depth": 1}, {"max_iter": 1}]
)
def test_sums_equal_scikit_learns_for_any_tree_shape(settings):
    values = np.round(random.normal(size=(ROWS, 3)), 1)
    values[random.random(values.shape) < 0.2] = np.nan
    model = HistGradientBoostingRegressor(**{"max_iter": 15, **settings}).fit(values, random.normal(size=ROWS))
    # On the thresholds themselves, beyond them, and missing.
    rows = np.vstack([values, [[np.inf, -np.inf, np.nan]], np.full((1, 3), np.nan)])
    trees = Trees.from_sklearn(model)
    assert np.array_equal(trees(rows), model._raw_predict(rows))
    assert np.array_equal(np.vstack([trees(row[None]) for row in rows[-40:]]), model._raw_predict(rows[-40:]))


def test_probabilities_equal_scipys_for_any_sum():
    for sums in (np.array([[-1e4], [-709.9], [0.0], [1e4]]), np.linspace(-40, 40, 999)[:, None]):
        assert np.array_equal(INVERSE_LINKS["LogitLink"](sums)[:, 1], expit(sums[:, 0]))


def test_constant_target_makes_trees_of_one_leaf():
    values = random.normal(size=(50, 2))
    model = HistGradientBoostingRegressor(max_iter=3).fit(values, np.ones(50))
    assert np.array_equal(Trees.from_sklearn(model)(values), model._raw_predict(values))


def test_too_large_trees_are_run_by_scikit_learn():
    pipeline = fitted(0, max_leaf_nodes=200, min_samples_leaf=1)
    with pytest.raises(NoBitMasks, match="more than 64 leaves"):
        Trees.from_sklearn(pipeline[-1])
    scorer = Scorer(model_of(pipeline))
    assert scorer.engine == "fast"
    assert scorer.predict(table_of(TABLE))[0].tolist() == pipeline.predict(TABLE).tolist()


def test_fast_model_that_differs_is_not_used(monkeypatch, caplog):
    pipeline = fitted(2)
    monkeypatch.setattr(Trees, "_sum_leaves", lambda self, masks: np.zeros((len(masks), 1)))
    caplog.set_level("INFO")
    scorer = Scorer(model_of(pipeline))
    assert scorer.engine == "scikit-learn: there is no fast model, because its answers differ from the model's"
    assert scorer.engine in caplog.text
    assert scorer.predict(table_of(TABLE))[0].tolist() == pipeline.predict(TABLE).tolist()


def test_fast_model_that_fails_is_not_used(monkeypatch):
    monkeypatch.setattr(Trees, "__call__", lambda self, rows: 1 / 0)
    assert "failed on rows that the model itself can score" in Scorer(model_of(fitted(2))).engine


def calibrators(class_count):
    """Return one calibrator of each kind for a number of classes."""
    knots = np.linspace(0, 1, 9)
    curves = [BinaryCurve(knots, knots ** (1 + number / 5) * 0.9 + 0.05) for number in range(class_count)]
    return [Temperature(0.7), curves[1] if class_count == 2 else ClassCurves(tuple(curves))]


@pytest.mark.parametrize("class_count", [2, 4, 12])
@pytest.mark.parametrize("kind", [0, 1])
def test_calibrated_answers_equal_the_models_to_the_last_bit(class_count, kind):
    pipeline = fitted(class_count)
    plain = pipeline.predict_proba(TABLE)
    pipeline.steps[-1] = ("model", CalibratedClassifier(pipeline[-1], calibrators(class_count)[kind]))
    scorer = Scorer(model_of(pipeline))
    assert scorer.engine == "fast"
    for rows in (TABLE, TABLE.head(1)):
        labels, probabilities = scorer.predict(table_of(rows))
        assert np.array_equal(labels, pipeline.predict(rows))
        assert np.array_equal(probabilities, pipeline.predict_proba(rows))
    assert np.allclose(probabilities.sum(axis=1), 1) and not np.allclose(pipeline.predict_proba(TABLE), plain)
    assert np.array_equal(labels, scorer.predict.classes[probabilities.argmax(axis=1)])
