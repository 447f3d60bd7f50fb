"""The same rows as CSV, Parquet and JSON get the predictions that the model gives for its training table."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from lib.backends import model_files
from lib.commands import score as score_command
from lib.schema.table_schema import FEATURE_SCHEMA, TABLE_SCHEMA
from lib.scoring import batch
from lib.scoring.model import load_model
from lib.scoring.scorer import Scorer
from lib.scoring.sklearn_model import SklearnModel
from lib.stages._endpoint_answers import build_request
from lib.tables import cleaning, frames, schema_reader
from lib.tables.feature_schema import derive_feature_schema
from lib.training import TrainingRequest, fit_pipeline

ROWS = 240


def _table():
    """A table with every kind of column, and a target that depends on all of them."""
    random = np.random.default_rng(0)
    hours = pd.to_timedelta(random.integers(0, 24 * 700, ROWS), unit="h")
    moments = pd.Series(pd.Timestamp("2023-01-01") + hours)
    ends = moments.to_numpy().astype("datetime64[D]").astype("datetime64[us]")
    ends[::3] = np.datetime64("9999-12-31", "us")
    ends[1::30] = np.datetime64("0001-01-01", "us")
    table = pd.DataFrame(
        {
            "size": random.normal(size=ROWS),
            "rooms": pd.array(random.integers(1, 9, ROWS), dtype="Int64"),
            "member": random.random(ROWS) > 0.5,
            "city": random.choice(["Oslo", "Orl\u00e9ans", "Ulm"], ROWS),
            "code": random.choice(["1E2", "V57", "007", "250.1"], ROWS),
            "seen": moments,
            "called": moments.dt.tz_localize("UTC").dt.tz_convert("America/New_York"),
            "valid_to": ends,
            "since": moments.dt.strftime("%d.%m.%Y"),
            "day": moments.dt.date,
            "took": pd.to_timedelta(random.integers(60, 9000, ROWS), unit="s"),
            "at": [datetime.time(hour) for hour in random.integers(0, 24, ROWS)],
            "price": [decimal.Decimal(int(cents)).scaleb(-2) for cents in random.integers(100, 9999, ROWS)],
        }
    )
    table.loc[::7, "size"] = np.nan
    table.loc[::11, "rooms"] = pd.NA
    table.loc[::13, "city"] = None
    table.loc[::17, "since"] = "unknown"
    signals = [
        table["size"].fillna(0) > 0,
        table["called"].dt.hour < 12,
        table["valid_to"] > "2100-01-01",
        table["took"].dt.total_seconds() > 4000,
        moments.dt.day > 15,
        table["member"],
    ]
    score = sum(signal.astype(int) for signal in signals)
    return table, pd.Series(np.where(score >= 3, "yes", "no"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the training table, the model's own probabilities for it, and the model's folder."""
    folder = tmp_path_factory.mktemp("round_trip")
    table, target = _table()
    table.to_parquet(folder / "train.parquet")
    frame = frames.read(folder / "train.parquet")
    schema = frame.attrs[frames.SCHEMA]
    prepared, kinds = cleaning.to_json_types(frame)
    features = derive_feature_schema(schema, prepared, durations=cleaning.find_durations(kinds))
    request = TrainingRequest("binary", None, seed=0, threads=1, schema=features)
    model = fit_pipeline(HistGradientBoostingClassifier(max_iter=30, random_state=0), prepared, target, request)
    model_files.save(model, folder / "model", prepared.head(20), prepared)
    baseline = {"columns": {}, TABLE_SCHEMA: schema, FEATURE_SCHEMA: features.to_dict()}
    (folder / "model" / "baseline.json").write_text(json.dumps(baseline))
    return table, prepared, model.predict_proba(prepared), folder / "model"


@pytest.fixture(scope="module")
def scorer(trained):
    return Scorer(load_model(trained[3], "round_trip", "1"))


def _score_file(scorer, path):
    schema = score_command._table_schema(scorer.model, [path], "")
    scored = [
        batch.score_rows(scorer, schema_reader.to_frame(part))
        for part in schema_reader.read(schema, [path], max_rows=100)
    ]
    faults = [fault for part in scored for fault in part.faults.values()]
    return np.concatenate([np.array(part.probabilities, dtype=float).T for part in scored]), faults


def test_every_kind_of_column_is_used(trained):
    encoder = load_model(trained[3]).estimator[0]
    assert set(encoder.columns_) == set(trained[0].columns), encoder.excluded_


def test_request_gets_the_answer_of_training(trained, scorer):
    assert scorer.engine == "fast"
    body = json.dumps(build_request(trained[1]))
    for predict in (scorer.predict, SklearnModel(load_model(trained[3]).estimator, scorer.model.columns)):
        scorer.predict = predict
        np.testing.assert_array_equal(scorer.score(body)["probabilities"], trained[2])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scored_file_gets_the_answers_of_training(trained, scorer, tmp_path, suffix):
    path = tmp_path / f"rows.{suffix}"
    trained[0].to_csv(path, index=False) if suffix == "csv" else trained[0].to_parquet(path)
    probabilities, faults = _score_file(scorer, path)
    assert not faults
    np.testing.assert_array_equal(probabilities, trained[2])


def test_other_spellings_of_the_same_values_get_the_same_answers(trained, scorer, tmp_path):
    table = trained[0].assign(
        city=trained[0]["city"].str.normalize("NFD").map(lambda text: f" {text} ", na_action="ignore"),
        member=trained[0]["member"].map({True: "TRUE", False: "0"}),
        called=trained[0]["called"].dt.tz_convert("Asia/Kolkata"),
        since=pd.to_datetime(trained[0]["since"], format="%d.%m.%Y", errors="coerce").dt.strftime("%Y-%m-%d"),
    )
    table["since"] = table["since"].fillna("unknown")
    table.to_csv(tmp_path / "rows.csv", index=False)
    probabilities, faults = _score_file(scorer, tmp_path / "rows.csv")
    assert not faults
    np.testing.assert_array_equal(probabilities, trained[2])


@pytest.mark.parametrize("text", ["rubbish", "2023-02-30", "12/31/2023"])
def test_unreadable_date_is_a_fault_with_row_column_and_format(trained, scorer, tmp_path, text):
    table = trained[0].copy()
    table.loc[3, "since"] = text
    table.to_csv(tmp_path / "rows.csv", index=False)
    _, faults = _score_file(scorer, tmp_path / "rows.csv")
    assert len(faults) == 1 and "'since'" in faults[0] and text in faults[0] and "dd.mm.yyyy" in faults[0]
