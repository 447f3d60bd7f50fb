"""Requests to an endpoint, and the comparison of its answers with the model's own predictions."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest
import requests

from lib.errors import EndpointError
from lib.metrics import Predictions
from lib.stages._endpoint_answers import build_request, check_answer, query_endpoint


def values_of(rows):
    """Return the cells of a request after a round trip through JSON."""
    return json.loads(json.dumps(build_request(rows), allow_nan=False))["input_data"]["data"]


class TestRequest:
    def test_has_columns_index_and_data(self):
        rows = pd.DataFrame({"b": [1, 2], "a c": ["x", "y"]}, index=[17, 4])
        assert build_request(rows) == {
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
        assert values_of(pd.DataFrame({"a": values, "b": 1})) == [[None, 1]]

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
        sent = [row[0] for row in values_of(pd.DataFrame({"a": values}))]
        assert sent == expected and [type(value) for value in sent] == [type(value) for value in expected]

    def test_columns_of_mixed_types_keep_their_types(self):
        rows = pd.DataFrame({"whole": [1], "decimal": [1.5], "flag": [True], "text": ["a"]})
        assert values_of(rows) == [[1, 1.5, True, "a"]]


OWN = Predictions(
    np.array(["no", "yes", "no"], dtype=object),
    np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
    np.array(["no", "yes"], dtype=object),
    "yes",
)
NUMBERS = Predictions(np.array([1.0, 2e6, -0.5]))


def answer(own=OWN, **changes):
    """Return the answer of an endpoint that agrees with the model except for some changes, after JSON."""
    same = {"predictions": own.labels.tolist()}
    if own.probabilities is not None:
        same |= {"probabilities": own.probabilities.tolist(), "classes": own.classes.tolist()}
    return json.loads(json.dumps({**same, **changes}))


class TestCheckAnswer:
    def test_equal_answers_pass(self):
        check_answer(answer(), OWN)
        check_answer(answer(NUMBERS), NUMBERS)

    @pytest.mark.parametrize("labels", [[0, 1], [False, True], [1.0, 2.0]])
    def test_equal_classes_of_any_type_pass(self, labels):
        own = Predictions(np.array(labels), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array(labels), labels[1])
        check_answer(answer(own), own)

    def test_difference_in_the_last_bit_needs_a_tolerance(self):
        nearly = answer(probabilities=np.nextafter(OWN.probabilities, 1).tolist())
        with pytest.raises(EndpointError, match=r"in 3 of 3 rows; row 0: \[0.9\d+, 0.1\d+\] instead of \[0.9, 0.1\]"):
            check_answer(nearly, OWN)
        check_answer(nearly, OWN, 1e-12)
        nearly = answer(NUMBERS, predictions=np.nextafter(NUMBERS.labels, 0).tolist())
        with pytest.raises(EndpointError, match="in 3 of 3 rows.*smoke_tolerance .now 0."):
            check_answer(nearly, NUMBERS)
        check_answer(nearly, NUMBERS, 1e-12)
        with pytest.raises(EndpointError, match="row 0: yes instead of no"):
            check_answer(answer(predictions=["yes", "yes", "no"]), OWN, 0.01)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"predictions": ["no", "yes", "yes"]}, "in 1 of 3 rows; row 2: yes instead of no"),
            ({"predictions": ["yes", "no", "yes"]}, "in 3 of 3 rows; row 0: yes instead of no"),
            ({"probabilities": [[0.9, 0.1], [0.2, 0.8], [0.6001, 0.3999]]}, "in 1 of 3 rows; row 2"),
            ({"probabilities": [[0.9, 0.1], [None, 0.8], [0.6, 0.4]]}, "in 1 of 3 rows; row 1"),
            ({"predictions": ["no", "yes"]}, "in 3 of 3 rows"),
            ({"predictions": []}, "row 0: no answer instead of no"),
            ({"classes": ["yes", "no"]}, r"the classes \['yes', 'no'\]; expected \['no', 'yes'\]"),
            ({"probabilities": [[0.9], [0.2], [0.6]]}, r"probabilities have the shape \(3, 1\); expected \(3, 2\)"),
        ],
    )
    def test_wrong_class_or_probability_raises(self, changes, message):
        with pytest.raises(EndpointError, match=message):
            check_answer(answer(**changes), OWN)

    @pytest.mark.parametrize(
        ("predictions", "message"),
        [
            ([1.0, 2e6 + 10, -0.5], "in 1 of 3 rows; row 1: 2000010.0 instead of 2000000.0"),
            ([1.0, None, -0.5], "in 1 of 3 rows; row 1: nan"),
            ([1.0, 2e6], "in 3 of 3 rows; row 0"),
            ([], "row 0: no answer instead of 1.0"),
        ],
    )
    def test_wrong_number_raises(self, predictions, message):
        with pytest.raises(EndpointError, match=message):
            check_answer(answer(NUMBERS, predictions=predictions), NUMBERS)


class TestQueryEndpoint:
    rows = pd.DataFrame({"a": [1.5, np.nan]})

    @pytest.fixture
    def sent(self, monkeypatch):
        """Return the request that was sent; set ``status`` to change the endpoint's status code."""
        sent = {"status": 200}

        def post(session, url, data, headers, timeout):
            sent.update(url=url, body=json.loads(data), headers=headers, timeout=timeout, proxies=session.trust_env)
            response = requests.Response()
            response.status_code, response._content = sent["status"], b'{"predictions": [1, 2]}'
            return response

        monkeypatch.setattr(requests.Session, "post", post)
        return sent

    def test_sends_rows_and_key_and_returns_the_answer(self, sent):
        assert query_endpoint("http://127.0.0.1:1/score", "secret", self.rows, 7) == {"predictions": [1, 2]}
        assert sent["body"]["input_data"]["data"] == [[1.5], [None]]
        assert sent["headers"]["Authorization"] == "Bearer secret" and sent["timeout"] == 7

    @pytest.mark.parametrize(
        ("url", "proxies"), [("http://127.0.0.1:1/score", False), ("https://a.example/score", True)]
    )
    def test_proxy_is_ignored_for_this_machine(self, sent, url, proxies):
        query_endpoint(url, "secret", self.rows, 7)
        assert sent["proxies"] is proxies

    def test_status_other_than_200_raises(self, sent):
        sent["status"] = 422
        with pytest.raises(EndpointError, match="answered 422: .*predictions"):
            query_endpoint("http://127.0.0.1:1/score", "secret", self.rows, 7)

    def test_error_message_omits_the_key(self):
        with pytest.raises(EndpointError, match="at http://127.0.0.1:1/score did not answer") as error:
            query_endpoint("http://127.0.0.1:1/score", "secret", self.rows, 2)
        assert "secret" not in str(error.value)
