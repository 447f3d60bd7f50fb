"""Batch scoring: the same answers as the endpoint's, and faults by row."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.scoring import batch
from lib.scoring.model import load_model
from lib.scoring.scorer import Scorer
from tests.served_models import ROW


@pytest.fixture(scope="module")
def scorer(models):
    return Scorer(load_model(models / "classifier", "flights", "3"))


@pytest.fixture
def rows():
    return pd.DataFrame([{**ROW, "age": age} for age in (20, 80, 25, 85)])


def test_batch_and_endpoint_give_the_same_answers(scorer, rows):
    expected = scorer.score(json.dumps({"data": rows.to_dict("records")}))
    table = rows.assign(when=pd.to_datetime(rows["when"]), other="x")
    scored = batch.score_rows(scorer, table)
    assert scored.predictions == expected["predictions"] and not scored.faults
    assert np.array(scored.probabilities).T.tolist() == expected["probabilities"]


def test_invalid_row_is_reported_and_others_are_scored(scorer, rows):
    table = rows.astype({"age": object, "member": object})
    table.loc[1, "age"] = "forty"
    table.loc[3, ["age", "member"]] = [None, 7]
    scored = batch.score_rows(scorer, table)
    assert scored.predictions == ["on time", None, "on time", None]
    assert scored.faults[1] == "column 'age': got the text \"forty\", expected a whole number"
    assert "'age': got null" in scored.faults[3] and "'member': got the number 7" in scored.faults[3]
    assert scored.values["age"] == [20, None, 25, None]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_row_that_the_model_cannot_score_is_isolated(scorer, rows):
    table = pd.concat([rows] * 10, ignore_index=True)
    table.loc[[3, 17], "fare"] = 1e300
    scored = batch.score_rows(scorer, table)
    assert sorted(scored.faults) == [3, 17] and "cannot score it" in scored.faults[17]
    assert [row for row, prediction in enumerate(scored.predictions) if prediction is None] == [3, 17]


def test_nullable_column_may_be_absent(scorer, rows):
    without = batch.score_rows(scorer, rows.drop(columns=["fare", "note"]))
    assert not without.faults and without.values["fare"] == [None] * 4
