"""Warnings about values that the model has not seen: in the endpoint's answer and in scored tables."""

import json

import pandas as pd
import pytest

from lib.schema.table_schema import ColumnSchema
from lib.scoring import batch
from lib.scoring.columns import Column
from lib.scoring.model import Model, load_model
from lib.scoring.scorer import Scorer
from lib.scoring.value_warnings import MAX_WARNINGS, ValueWarnings, describe_warning
from tests.served_models import ROW


def warnings_of(kind, statistics, values, signature="double", contract=None, known=None, **schema):
    """Return the warnings about values of one column."""
    column = Column.from_signature(
        {"name": "x", "type": signature, "required": False}, statistics, ColumnSchema("x", kind, **schema)
    )
    assert not list(column.invalid_values(values)), "only valid values get warnings"
    model = Model(None, (column,), baseline={"x": statistics}, contract={"x": contract or {}})
    return ValueWarnings(model, {} if known is None else {"x": known}).find({"x": values})


AGES = {"kind": "number", "minimum": 18.0, "maximum": 89.0}


def test_number_outside_the_training_range_is_named_with_row_column_and_range():
    (warning,) = warnings_of("number", AGES, [18, 89.0, None, 280])
    assert warning == {
        "row": 3,
        "column": "x",
        "code": "outside_training",
        "got": "the number 280",
        "expected": "18 to 89 in training",
        "range": [18.0, 89.0],
    }
    assert describe_warning(warning) == "column 'x': got the number 280, expected 18 to 89 in training"


@pytest.mark.parametrize("value", [17.999, -1e300, 89.5, 10**12])
def test_every_number_outside_the_range_warns(value):
    assert len(warnings_of("number", AGES, [50, value])) == 1


def test_contract_is_named_if_it_is_broken():
    contract = {"minimum": 0, "maximum": 120}
    inside, outside = warnings_of("number", AGES, [100, 121], contract=contract)
    assert inside["code"] == "outside_training" and outside["code"] == "outside_contract"
    assert outside["expected"] == "18 to 89 in training, and at least 0 and at most 120 by the contract"


def test_contract_that_training_does_not_follow_is_ignored():
    # The pipeline has changed the unit, or `on_violation` is `warn`.
    assert warnings_of("number", AGES, [90], contract={"maximum": 8.9})[0]["code"] == "outside_training"


def test_code_for_a_missing_number_is_no_warning():
    assert not warnings_of("number", AGES, [-200.0, None], missing_values=("-200",))


DAYS = {"kind": "date", "minimum": "2024-01-01T06:00:00", "maximum": "2024-01-03T12:00:00"}


@pytest.mark.parametrize(
    "value",
    ["2024-01-01T06:00:00", "2024-01-02", "2024-01-03 12:00:00", "2024-01-03T12:00", "2024-01-03T13:00:00+01:00"],
)
def test_time_in_the_training_range_is_usual(value):
    assert not warnings_of("datetime", DAYS, [value], "datetime")


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01",
        "2024-01-01T05:59:59",
        "2024-01-03 12:00:01",
        "2024-01-03T12:00:00-01:00",
        "1924-01-02",
        "9999-12-31",
    ],
)
def test_time_outside_the_training_range_warns(value):
    (warning,) = warnings_of("datetime", DAYS, [value], "datetime")
    assert warning["range"] == [DAYS["minimum"], DAYS["maximum"]] and value in warning["got"]


def test_times_are_compared_in_the_time_zone_of_the_column():
    days = {"minimum": "2024-01-01T00:00:00+01:00", "maximum": "2024-01-03T00:00:00+01:00"}
    values = ["2024-01-01T00:00:00", "2023-12-31T23:00:00Z", "2023-12-31T22:59:59Z"]
    (warning,) = warnings_of("datetime", days, values, "datetime", time_zone="Europe/Berlin")
    assert warning["row"] == 2


def test_texts_are_compared_as_the_type_that_the_model_reads():
    dates = {"kind": "text", "minimum": "2026-01-31T00:00:00", "maximum": "2026-12-01T00:00:00"}
    values = ["01.02.2026", "30.01.2026", "2026-12-02", None]
    warnings = warnings_of("datetime", dates, values, "string", date_format="%d.%m.%Y")
    assert [warning["row"] for warning in warnings] == [1, 2]
    spans = {"kind": "text", "minimum": 60.0, "maximum": 3600.0}
    warnings = warnings_of("duration", spans, ["00:01:00", "01:00:01"], "string")
    assert [warning["row"] for warning in warnings] == [1]
    prices = {"kind": "text", "minimum": 5.0, "maximum": 1024.5}
    assert [each["row"] for each in warnings_of("number", prices, ["1,024.50", "4"], "string")] == [1]


CITIES = {"kind": "category", "distinct": 2, "categories": {"Oslo": 30, "Rome": 30}}


def test_unseen_category_warns():
    values = ["Oslo", " Rome ", "", None, "NA", "Paris"]
    (warning,) = warnings_of("category", CITIES, values, "string")
    assert (warning["row"], warning["code"]) == (5, "unseen_category")
    assert warning["expected"] == "a category seen in training, such as Oslo, Rome"


def test_encoder_knows_the_categories_of_columns_with_many():
    statistics = {"kind": "text", "distinct": 900, "categories": {"0150": 3}}
    known = {"0150": 1, "0151": 2, "": 0}
    (warning,) = warnings_of("code", statistics, ["0151", "9999"], "string", known=known)
    assert warning["row"] == 1 and warning["expected"].endswith("such as 0150, ...")


def test_category_outside_the_contract_is_named():
    contract = {"categories": ["Oslo", "Rome", "Bern"]}
    seen, unseen = warnings_of("category", CITIES, ["Bern", "Paris"], "string", contract=contract)
    assert seen["code"] == "unseen_category" and unseen["code"] == "outside_contract"


def test_free_text_and_booleans_have_no_warnings():
    assert not warnings_of("text", CITIES, ["by the window"], "string")
    statistics = {"kind": "boolean", "distinct": 1, "categories": {"True": 9}}
    assert not warnings_of("boolean", statistics, [False], "boolean")


@pytest.fixture(scope="module")
def scorer(models):
    return Scorer(load_model(models / "classifier", "flights", "3"))


def test_answer_and_scored_table_have_the_same_warnings(scorer):
    rows = [{**ROW, "when": "2024-01-02"}, {**ROW, "when": "2024-01-02", "age": 280, "fare": 0.5}, ROW]
    answer = scorer.score(json.dumps({"data": rows}))
    assert [(each["row"], each["column"]) for each in answer["warnings"]] == [(1, "age"), (1, "fare"), (2, "when")]
    assert answer["warning_count"] == 3
    scored = batch.score_rows(scorer, pd.DataFrame(rows))
    texts = {}
    for warning in answer["warnings"]:
        texts.setdefault(warning["row"], []).append(describe_warning(warning))
    assert scored.warnings == {row: "; ".join(clauses) for row, clauses in texts.items()}
    table = batch.to_arrow(scored, scorer)
    assert table.column_names[-2:] == ["warnings", "fault"]
    assert table.column("warnings").to_pylist() == [None, scored.warnings[1], scored.warnings[2]]


def test_usual_row_has_the_answer_of_earlier_releases(scorer):
    answer = scorer.score(json.dumps({"data": [{**ROW, "when": "2024-01-02"}]}))
    assert set(answer) == {"predictions", "probabilities", "classes", "model"}


def test_long_list_of_warnings_is_cut(scorer):
    answer = scorer.score(json.dumps({"data": [{**ROW, "age": 280}] * (MAX_WARNINGS + 1)}))
    assert len(answer["warnings"]) == MAX_WARNINGS and answer["warning_count"] == 2 * (MAX_WARNINGS + 1)
    assert {each["column"] for each in answer["warnings"]} == {"age"}


@pytest.mark.parametrize("value", ["banana", "2024-02-30", "31.12.2024"])
def test_date_that_cannot_be_read_is_an_error(scorer, value):
    scored = batch.score_rows(scorer, pd.DataFrame([{**ROW, "when": value}]))
    assert f"column 'when': got the text \"{value}\", expected a date" in scored.faults[0]
    assert scored.predictions == [None] and not scored.warnings
