"""Column names in composed and decomposed Unicode are the same, in files, parameters and requests."""

import json
import unicodedata

import pandas as pd
import pytest

from lib.parameters import Parameters
from lib.schema.table_schema import TableSchema
from lib.scoring.columns import Column
from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits, parse_request
from lib.tables import frames, schema_reader

COMPOSED = "m\u00e9tier"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
COLUMNS = [Column.from_signature({"name": name, "type": "double"}, {}) for name in (COMPOSED, "x")]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_are_read_with_composed_names(tmp_path, suffix):
    path = tmp_path / f"table.{suffix}"
    table = pd.DataFrame(
        {f" {DECOMPOSED} ": [1, 2, 3], "x": [4, 5, 6], unicodedata.normalize("NFD", "\u00e4"): [7] * 3}
    )
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    frame = frames.read(path, exclude=["\u00e4"])
    assert list(frame.columns) == [COMPOSED, "x"]
    schema = TableSchema.from_dict(frame.attrs[frames.SCHEMA])
    assert list(schema.columns) == [COMPOSED, "x"]
    batch = next(schema_reader.read(schema, [path], max_rows=10, required=[COMPOSED]))
    assert batch.rows.column_names == [COMPOSED, "x", "\u00e4"]


def test_parameters_name_columns_in_either_form():
    parameters = Parameters(
        {"target_column": DECOMPOSED, "drop_columns": [f" {DECOMPOSED}"], "columns": {DECOMPOSED: {"kind": "code"}}}
    )
    assert parameters.target_column == COMPOSED and parameters.drop_columns == [COMPOSED]
    assert parameters.columns == {COMPOSED: {"kind": "code"}}


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{DECOMPOSED: 1, "x": 2}]},
        {"dataframe_records": [{"x": 2, DECOMPOSED: 1}]},
        {"input_data": {"columns": ["x", DECOMPOSED], "data": [[2, 1]]}},
    ],
)
def test_requests_name_columns_in_either_form(body):
    for text in (json.dumps(body), json.dumps(body, ensure_ascii=False)):
        assert parse_request(text.encode(), COLUMNS, Limits()) == ({COMPOSED: [1], "x": [2]}, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{DECOMPOSED: 1, COMPOSED: 1, "x": 2}]},
        {"input_data": {"columns": [COMPOSED, DECOMPOSED, "x"], "data": [[1, 1, 2]]}},
    ],
)
def test_two_spellings_of_a_column_are_refused(body):
    with pytest.raises(RequestError, match="more than once|twice"):
        parse_request(json.dumps(body), COLUMNS, Limits())
