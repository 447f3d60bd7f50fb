"""Values of a request, accepted and converted by the table schema."""

import json

import numpy as np
import pytest

from lib.schema.table_schema import ColumnSchema
from lib.scoring import earlier_columns
from lib.scoring.columns import Column
from lib.scoring.records import RecordParser

NUMBER_WITH_CODE = ColumnSchema("a", "number", missing_values=("-200", "?"))
CATEGORY = ColumnSchema("a", "category", missing_values=("?",), not_missing=("NA",))


def column(signature_type, schema, required=False):
    return Column.from_signature({"name": "a", "type": signature_type, "required": required}, {}, schema)


def refused(column, values):
    return [value for _, value in column.invalid_values(values)]


def test_numeric_codes_are_missing_in_every_form():
    nullable = column("double", NUMBER_WITH_CODE)
    assert "-200.0 if it is missing" in nullable.expected and not refused(nullable, [-200, 1.5, None])
    for array in (nullable.kind.to_array([-200, 1.5]), nullable.to_pandas([-200, 1.5])):
        np.testing.assert_array_equal(array, [np.nan, 1.5])
    assert nullable.to_arrow([-200, 1.5]).to_pylist() == [None, 1.5]
    required = column("double", NUMBER_WITH_CODE, required=True)
    assert refused(required, [-200, 1.5]) == [-200]
    assert RecordParser([required]).parse(b'{"data":[{"a":-200}]}', 10) is None


def test_words_that_files_read_as_missing_are_missing():
    nullable = column("string", CATEGORY)
    assert nullable.to_pandas(["?", "n/a", "NA", "Oslo"]).tolist() == [None, None, "NA", "Oslo"]
    assert not refused(nullable, ["?", "n/a", "NA", None])
    required = column("string", CATEGORY, required=True)
    assert refused(required, ["?", "n/a", "NA", "Oslo", ["?"]]) == ["?", "n/a", ["?"]]


@pytest.mark.parametrize(("signature_type", "order"), [("string", ("S", "M")), ("double", ("1", "2.5"))])
def test_ordered_categories_outside_the_order_are_refused(signature_type, order):
    ordered = column(signature_type, ColumnSchema("a", "ordered", order=order))
    known, unknown = (list(order), ["L", 1]) if signature_type == "string" else ([1, 1.0, 2.5], [3, "1", True])
    assert not refused(ordered, [*known, None]) and refused(ordered, unknown) == unknown
    assert ordered.json_schema["enum"] == [*(order if signature_type == "string" else (1.0, 2.5)), None]


def test_durations_that_are_text_become_seconds():
    duration = column("string", ColumnSchema("a", "duration"))
    assert refused(duration, ["01:30", "soon", 90, None]) == ["soon", 90]
    np.testing.assert_array_equal(duration.kind.to_array(["01:30", None, "x" * 99]), [5400, np.nan, np.nan])
    assert duration.to_pandas(["01:30"]).tolist() == ["01:30"]


def test_numbers_that_are_text_must_be_numbers():
    number = column("string", ColumnSchema("a", "number"))
    assert refused(number, ["$1,024.50", "7", "seven", None]) == ["seven"]


def test_model_of_an_earlier_release_keeps_its_formats(tmp_path):
    assert earlier_columns.read_schema(tmp_path).columns == {}
    content = {
        "since": {"date_format": "%d.%m.%Y", "missing_codes": ["unknown"]},
        "called": {"time_zone": "Europe/Berlin", "unit": "us"},
        "took": {"converted_from": "duration"},
    }
    (tmp_path / "columns.json").write_text(json.dumps(content))
    columns = earlier_columns.read_schema(tmp_path).columns
    assert columns["since"] == ColumnSchema("since", "datetime", date_format="%d.%m.%Y", missing_values=("unknown",))
    assert columns["called"] == ColumnSchema("called", "datetime", time_zone="Europe/Berlin", datetime_unit="us")
    assert column("double", columns["took"]).kind.name == "seconds"
