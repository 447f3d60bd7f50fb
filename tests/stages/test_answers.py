"""Requests to an endpoint, and the comparison of its answers with the model's own predictions."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
import requests

from lib.errors import EndpointError
from lib.metrics import Predictions
from lib.stages import deploy
from lib.stages.deploy import as_request, compare


def request_cells(rows):
    """Return the cells of a request after a round trip through JSON."""
    return json.loads(json.dumps(as_request(rows), allow_nan=False))["input_data"]["data"]


class TestRequest:
    def test_request_contains_columns_index_and_data(self):
        rows = pd.DataFrame({"b": [1, 2], "a c": ["x", "y"]}, index=[17, 4])
        assert as_request(rows) == {
            "input_data": {"columns": ["b", "a c"], "index": [0, 1], "data": [[1, "x"], [2, "y"]]}
        }

    @pytest.mark.parametrize(
        "values",
        [
            pd.Series([np.nan]),
            pd.Series([None], dtype=object),
            pd.Series([pd.NaT], dtype="datetime64[ns]"),
            pd.Series([pd.NA], dtype="Int64"),
            pd.Series([pd.NA], dtype="boolean"),
            pd.Series([pd.NA], dtype="string"),
            pd.Series([None], dtype="category"),
        ],
        ids=lambda values: str(values.dtype),
    )
    def test_missing_values_are_null(self, values):
        assert request_cells(pd.DataFrame({"a": values, "b": 1})) == [[None, 1]]

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (pd.Series([3, 4], dtype="int32"), [3, 4]),
            (pd.Series([0.1, 2], dtype="float64"), [0.1, 2.0]),
            (pd.Series([True, False]), [True, False]),
            (pd.Series([1, None], dtype="Int64"), [1, None]),
            (pd.Series(["7", "x"]), ["7", "x"]),
            (pd.Categorical([1, 2]), [1, 2]),
            (pd.Series([np.int64(1), np.float32(0.5)], dtype=object), [1, 0.5]),
            (pd.to_datetime(["2024-01-01", "2024-01-02"]), ["2024-01-01T00:00:00", "2024-01-02T00:00:00"]),
            (pd.to_datetime(["2024-01-01T08:30"]).tz_localize("UTC"), ["2024-01-01T08:30:00+00:00"]),
            (pd.Series([datetime.date(2024, 1, 1), None], dtype=object), ["2024-01-01", None]),
        ],
        ids=lambda value: str(value) if isinstance(value, list) else "",
    )
    def test_values_become_json_types(self, values, expected):
        cells = [row[0] for row in request_cells(pd.DataFrame({"a": values}))]
        assert cells == expected and [type(cell) for cell in cells] == [type(value) for value in expected]

    def test_columns_of_different_types_keep_their_types(self):
        rows = pd.DataFrame({"whole": [1], "decimal": [1.5], "flag": [True], "text": ["a"]})
        assert request_cells(rows) == [[1, 1.5, True, "a"]]


PREDICTIONS = Predictions(
    np.array(["no", "yes", "no"], dtype=object),
    np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
    np.array(["no", "yes"], dtype=object),
    "yes",
)
NUMBERS = Predictions(np.array([1.0, 2e6, -0.5]))


def make_answer(expected=PREDICTIONS, **changed):
    """Return an endpoint's answer that equals the model's predictions except for the changes, decoded from JSON."""
    answer = {"predictions": expected.labels.tolist()}
    if expected.probabilities is not None:
        answer |= {"probabilities": expected.probabilities.tolist(), "classes": expected.classes.tolist()}
    return json.loads(json.dumps({**answer, **changed}))


class TestCompare:
    def test_equal_answers_pass(self):
        compare(make_answer(), PREDICTIONS)
        compare(make_answer(NUMBERS), NUMBERS)

    @pytest.mark.parametrize("labels", [[0, 1], [False, True], [1.0, 2.0]])
    def test_equal_classes_of_any_type_pass(self, labels):
        expected = Predictions(np.array(labels), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array(labels), labels[1])
        compare(make_answer(expected), expected)

    def test_one_bit_fails_unless_within_the_tolerance(self):
        almost_equal = make_answer(probabilities=np.nextafter(PREDICTIONS.probabilities, 1).tolist())
        with pytest.raises(EndpointError, match=r"in 3 of 3 rows; row 0: \[0.9\d+, 0.1\d+\] instead of \[0.9, 0.1\]"):
            compare(almost_equal, PREDICTIONS)
        compare(almost_equal, PREDICTIONS, 1e-12)
        almost_equal = make_answer(NUMBERS, predictions=np.nextafter(NUMBERS.labels, 0).tolist())
        with pytest.raises(EndpointError, match="in 3 of 3 rows.*smoke_tolerance: 0 may be"):
            compare(almost_equal, NUMBERS)
        compare(almost_equal, NUMBERS, 1e-12)
        with pytest.raises(EndpointError, match="row 0: yes instead of no"):
            compare(make_answer(predictions=["yes", "yes", "no"]), PREDICTIONS, 0.01)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"predictions": ["no", "yes", "yes"]}, "in 1 of 3 rows; row 2: yes instead of no"),
            ({"predictions": ["yes", "no", "yes"]}, "in 3 of 3 rows; row 0: yes instead of no"),
            ({"probabilities": [[0.9, 0.1], [0.2, 0.8], [0.6001, 0.3999]]}, "in 1 of 3 rows; row 2"),
            ({"probabilities": [[0.9, 0.1], [None, 0.8], [0.6, 0.4]]}, "in 1 of 3 rows; row 1"),
            ({"predictions": ["no", "yes"]}, "in 3 of 3 rows"),
            ({"predictions": []}, "row 0: no answer instead of no"),
            ({"classes": ["yes", "no"]}, r"knows the classes \['yes', 'no'\], the model \['no', 'yes'\]"),
            ({"probabilities": [[0.9], [0.2], [0.6]]}, "knows the classes"),
        ],
    )
    def test_a_different_class_fails(self, changed, message):
        with pytest.raises(EndpointError, match=message):
            compare(make_answer(**changed), PREDICTIONS)

    @pytest.mark.parametrize(
        ("predictions", "message"),
        [
            ([1.0, 2e6 + 10, -0.5], "in 1 of 3 rows; row 1: 2000010.0 instead of 2000000.0"),
            ([1.0, None, -0.5], "in 1 of 3 rows; row 1: nan"),
            ([1.0, 2e6], "in 3 of 3 rows; row 0"),
            ([], "row 0: no answer instead of 1.0"),
        ],
    )
    def test_a_different_number_fails(self, predictions, message):
        with pytest.raises(EndpointError, match=message):
            compare(make_answer(NUMBERS, predictions=predictions), NUMBERS)


class TestAsk:
    rows = pd.DataFrame({"a": [1.5, np.nan]})

    @pytest.fixture
    def sent(self, monkeypatch):
        """The request that was sent; `status` sets the status code of the answer."""
        sent = {"status": 200}

        def post(session, url, data, headers, timeout):
            sent.update(url=url, body=json.loads(data), headers=headers, timeout=timeout, proxies=session.trust_env)
            response = requests.Response()
            response.status_code, response._content = sent["status"], b'{"predictions": [1, 2]}'
            return response

        monkeypatch.setattr(requests.Session, "post", post)
        return sent

    def test_ask_sends_rows_and_key_and_returns_the_answer(self, sent):
        assert deploy.ask("http://127.0.0.1:1/score", "secret", self.rows, 7) == {"predictions": [1, 2]}
        assert sent["body"]["input_data"]["data"] == [[1.5], [None]]
        assert sent["headers"]["Authorization"] == "Bearer secret" and sent["timeout"] == 7

    @pytest.mark.parametrize(
        ("url", "proxies"), [("http://127.0.0.1:1/score", False), ("https://a.example/score", True)]
    )
    def test_proxy_is_used_for_other_machines_only(self, sent, url, proxies):
        deploy.ask(url, "secret", self.rows, 7)
        assert sent["proxies"] is proxies

    def test_an_error_status_is_reported(self, sent):
        sent["status"] = 422
        with pytest.raises(EndpointError, match="answered 422: .*predictions"):
            deploy.ask("http://127.0.0.1:1/score", "secret", self.rows, 7)

    def test_unreachable_endpoint_error_does_not_contain_the_key(self):
        with pytest.raises(EndpointError, match="at http://127.0.0.1:1/score did not answer") as error:
            deploy.ask("http://127.0.0.1:1/score", "secret", self.rows, 2)
        assert "secret" not in str(error.value)
