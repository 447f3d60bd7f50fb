"""Requests: the values that reach the model, and the errors of invalid ones."""

import datetime
import json

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies

from lib.schema.iso_datetimes import PATTERN, DatetimeParser
from lib.scoring.model import load_model
from lib.scoring.records import RecordParser
from lib.scoring.request_error import MAX_FAULTS, RequestError
from lib.scoring.requests import Limits, RequestParser, parse_request
from lib.scoring.scorer import Scorer
from lib.scoring.sklearn_model import make_frame
from tests.bad_bodies import NAMES, VALUES, WRONG_VALUES, bodies
from tests.served_models import ROW

# The models are saved once for all files of this folder, so these stay on one worker.

BODIES = bodies()


@pytest.fixture(scope="module")
def scorer(models):
    return Scorer(load_model(models / "classifier", "flights", "3"))


def refused(scorer, payload):
    with pytest.raises(RequestError) as caught:
        scorer.score(payload if isinstance(payload, bytes | str) else json.dumps(payload))
    return caught.value


def test_there_are_200_bad_bodies():
    assert len(BODIES) >= 200


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("name", BODIES)
def test_bad_body_never_reaches_the_model(scorer, name, monkeypatch):
    body, status = BODIES[name]
    seen = []
    if "1e300" not in name and "-1e308" not in name and "400 digits" not in name:
        monkeypatch.setattr(scorer, "answer_values", seen.append)
    refusal = refused(scorer, body)
    assert (refusal.status, seen) == (status, [])
    assert refusal.message and len(json.dumps(refusal.content(), allow_nan=False)) < 20_000


@pytest.mark.parametrize("column", WRONG_VALUES)
def test_error_names_row_column_value_and_expectation(scorer, column):
    refusal = refused(scorer, {"data": [ROW, {**ROW, column: ["x"]}]})
    (fault,) = refusal.faults
    assert (fault["row"], fault["column"], fault["got"]) == (1, column, "a list of 1")
    assert fault["expected"] and str(fault["expected"]) in refusal.message


def test_all_faults_are_reported_up_to_a_limit(scorer):
    both = refused(scorer, {"data": [{**ROW, "age": "x", "member": 1}]})
    assert [fault["column"] for fault in both.faults] == ["age", "member"]
    assert len(refused(scorer, {"data": [{**ROW, "age": "x"}] * 500}).faults) == MAX_FAULTS


def test_unknown_column_suggests_the_nearest_name(scorer):
    refusal = refused(scorer, {"data": [{**ROW, "farre": 1}]})
    assert "did you mean 'fare'" in refusal.message


@pytest.mark.parametrize(
    "payload",
    [
        {"data": [ROW, ROW]},
        {"input_data": [ROW, ROW]},
        {"dataframe_records": [ROW, ROW]},
        {"input_data": {"columns": NAMES, "index": ["a", "b"], "data": [VALUES, VALUES]}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": [VALUES[::-1]] * 2}},
    ],
)
def test_every_shape_gets_the_models_answer(scorer, payload):
    answer = scorer.score(json.dumps(payload))
    rows = pd.DataFrame([ROW, ROW]).astype({"when": "datetime64[ns]"})
    assert answer["predictions"] == scorer.model.estimator.predict(rows).tolist()
    assert answer["probabilities"] == scorer.model.estimator.predict_proba(rows).tolist()
    assert answer["classes"] == ["late", "on time"]
    assert answer["model"] == {"name": "flights", "version": "3"}


def test_answers_are_in_the_order_of_the_rows(scorer):
    ages = [20, 80, 25, 85]
    answer = scorer.score(json.dumps({"data": [{**ROW, "age": age} for age in ages]}))
    assert answer["predictions"] == ["on time", "late", "on time", "late"]


def test_regression_has_no_probabilities(models):
    answer = Scorer(load_model(models / "regressor")).score(json.dumps({"data": [{**ROW, "when": "2024-01-02"}]}))
    assert answer["predictions"] == pytest.approx([ROW["age"] / 7])
    assert answer.keys() == {"predictions", "model"}


def test_unseen_category_is_answered(scorer):
    assert scorer.score(json.dumps({"data": [{**ROW, "city": "Tromsø"}]}))["predictions"]


def test_null_is_valid_if_training_had_missing_values(scorer):
    # fare and city by the signature, note by the baseline alone
    nulls = {**ROW, "fare": None, "city": None, "note": None}
    without = {key: value for key, value in nulls.items() if value is not None}
    assert scorer.score(json.dumps({"data": [nulls]})) == scorer.score(json.dumps({"data": [without]}))


def test_values_arrive_as_in_training(scorer):
    table = {name: [value, None if name in ("fare", "city", "note") else value] for name, value in ROW.items()}
    rows = make_frame(table, scorer.model.columns)
    assert [str(kind) for kind in rows.dtypes] == ["int64", "float64", "object", "bool", "datetime64[ns]", "object"]
    assert np.isnan(rows["fare"][1]) and rows["city"][1] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-01", "2024-03-01"),
        ("2024-03-01 10:00", "2024-03-01T10:00"),
        ("2024-03-01T10:00:00.123456789", "2024-03-01T10:00:00.123456"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
        ("2024-03-01T10:00:00Z", "2024-03-01T10:00"),
        ("2024-03-01T10:00+02:00", "2024-03-01T08:00"),
    ],
)
def test_dates_are_iso_and_zones_become_utc(scorer, text, expected):
    column = next(column for column in scorer.model.columns if column.name == "when")
    assert not list(column.invalid_values([text]))
    assert column.kind.to_array([text])[0] == np.datetime64(expected)


def test_models_own_example_is_answered(scorer):
    assert scorer.score(json.dumps({"data": [scorer.model.example]}))["predictions"]


MOMENTS = strategies.from_regex(PATTERN, fullmatch=True) | strategies.datetimes(
    datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29), timezones=strategies.none() | strategies.timezones()
).map(datetime.datetime.isoformat)


@hypothesis.given(MOMENTS)
@hypothesis.settings(deadline=None)
def test_datetimes_equal_those_of_pandas(text):
    parser = DatetimeParser()
    try:
        expected = pd.Timestamp(text).floor("us").as_unit("us")
    except ValueError:
        assert not parser.is_valid(text)
        return
    if expected.year < 1:  # which Python's own dates lack
        assert not parser.is_valid(text)
        return
    expected = expected if expected.tzinfo is None else expected.tz_convert("UTC").tz_localize(None)
    assert parser.is_valid(text)
    expected_values = [expected.asm8.view("i8"), np.iinfo(np.int64).min]
    assert parser.to_local_times([text, None]).astype(np.int64).tolist() == expected_values


def outcome(columns, read, *arguments):
    """Return the checked values and the number of reasons, or the error."""
    try:
        table, reason_count = read(*arguments)
        return {column.name: column.kind.to_array(table[column.name]).tolist() for column in columns}, reason_count
    except RequestError as refusal:
        return refusal.status, refusal.content()


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("shape", ["data", "dataframe_records"])
def test_fast_parser_reads_what_the_careful_one_reads(scorer, shape, rows):
    columns, limits = scorer.model.columns, Limits()
    body = json.dumps({shape: [{**ROW, "fare": 7, "city": None}, ROW, {**ROW, "age": 5}][:rows]}).encode()
    quick = RecordParser(columns).parse(body, limits.rows)
    assert quick == parse_request(body, columns, limits) and list(quick[0]) == list(ROW)
    # With white space anywhere, and never where a key comes twice.
    assert RecordParser(columns).parse(json.dumps(json.loads(body), indent=3).encode(), limits.rows) == quick
    for twice in (b'"age": 41, "age"', b'"age" :41,\n"age"', b'"city": "x", "age"'):
        doubled = body.replace(b'"age"', twice, 1)
        assert RecordParser(columns).parse(doubled, limits.rows) is None
        assert outcome(columns, RequestParser(columns, limits).parse, doubled)[1]["error"]["code"] == "duplicate_key"
    both = body[:-1] + b", " + json.dumps({"data": [ROW]})[1:].encode()
    assert outcome(columns, RequestParser(columns, limits).parse, both)[0] == 400


@hypothesis.given(strategies.data())
@hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
def test_both_parsers_agree_on_any_request(scorer, data):
    strange = strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats()
    strange |= strategies.text()
    value = strategies.sampled_from([*ROW.values(), 1e300, 2**63, -(2**63), 5.0, "2024-03-01", ""]) | strange
    row = strategies.dictionaries(strategies.sampled_from([*ROW, "other"]), value) | strategies.just(ROW)
    row |= strategies.fixed_dictionaries({name: strategies.just(of_row) | value for name, of_row in ROW.items()})
    request = {"data": data.draw(strategies.lists(row, max_size=3))}
    reasons = data.draw(strategies.just("absent") | strategies.sampled_from([0, 3, 100, 101, -1, 2.0]) | strange)
    body = json.dumps(request if reasons == "absent" else {**request, "reasons": reasons}).encode()
    columns, limits = scorer.model.columns, Limits()
    quick, careful = RequestParser(columns, limits).parse, parse_request
    # As text, since a missing number is not equal to itself.
    assert repr(outcome(columns, quick, body)) == repr(outcome(columns, careful, body, columns, limits))
