"""Requests to an endpoint, and the comparison of its answers with the model's own predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import requests

from lib.errors import EndpointError, format_count
from lib.scoring.cells import json_value

if TYPE_CHECKING:
    from lib.metrics import Predictions

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


def build_request(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the JSON body of a scoring request: missing values as null, dates in ISO 8601.

    Parameters
    ----------
    rows : DataFrame

    Returns
    -------
    dict

    Examples
    --------
    >>> build_request(pd.DataFrame({"size": [1.5, None]}))
    {'input_data': {'columns': ['size'], 'index': [0, 1], 'data': [[1.5], [None]]}}
    """
    cells = rows.astype(object).where(rows.notna(), None)
    data = [[json_value(value) for value in row] for row in cells.itertuples(index=False, name=None)]
    return {"input_data": {"columns": list(rows.columns), "index": list(range(len(rows))), "data": data}}


def query_endpoint(
    url: str, key: str, rows: pd.DataFrame, timeout: float, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Send rows to an endpoint and return its answer.

    Parameters
    ----------
    url, key : str
        The scoring URL and the key that authorizes the request.
    rows : DataFrame
    timeout : float
        Time limit in seconds.
    headers : mapping, optional
        Additional headers that the backend needs.

    Returns
    -------
    dict
        The decoded JSON.

    Raises
    ------
    EndpointError
        If the endpoint does not respond, or responds with a status other than 200.
    """
    session = requests.Session()
    # HTTP_PROXY must not apply to requests to this machine.
    session.trust_env = urlparse(url).hostname not in _LOOPBACK_HOSTS
    try:
        response = session.post(
            url,
            data=json.dumps(build_request(rows)),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})},
            timeout=timeout,
        )
    except requests.RequestException as error:
        raise EndpointError(f"The endpoint at {url} did not answer: {error}") from error
    if response.status_code != 200:
        raise EndpointError(f"The endpoint at {url} answered {response.status_code}: {response.text[:500]}")
    return response.json()


def check_answer(answer: Mapping[str, Any], expected: Predictions, tolerance: float = 0) -> None:
    """Check that an endpoint's answer equals the model's own predictions.

    JSON keeps every bit of a float, so the comparison can be exact.

    Parameters
    ----------
    answer : mapping
        The decoded JSON: ``predictions``; for a classification also ``probabilities`` and ``classes``.
    expected : Predictions
        The model's own predictions.
    tolerance : float
        Absolute and relative tolerance of numbers; 0 requires bit-identical answers. Classes must always be equal.

    Raises
    ------
    EndpointError
        If the answer differs from the predictions. The message gives the first row that differs.
    """
    if expected.probabilities is None:
        is_equal = _match_numbers(answer["predictions"], expected.labels, tolerance)
    else:
        is_equal = _match_labels(answer["predictions"], expected.labels.tolist())
        is_equal &= _match_probabilities(answer, expected, tolerance)
    if not is_equal.all():
        row = int(np.argmin(is_equal))
        received, offline = _get_values_at(row, answer, expected)
        raise EndpointError(
            f"The endpoint's answers differ from the model's own predictions in {(~is_equal).sum()} of "
            f"{format_count(len(is_equal), 'row')}; "
            f"row {row}: {received} instead of {offline}. If the values differ only by rounding, raise smoke_tolerance "
            f"(now {tolerance:g})."
        )


def _match_numbers(received: list[float | None], offline: np.ndarray, tolerance: float) -> np.ndarray:
    """Return for each row whether two predicted numbers are close; False for all rows if the row counts differ."""
    numbers = np.asarray(received, dtype=float)
    if numbers.shape != offline.shape:
        return np.zeros(len(offline), dtype=bool)
    return np.isclose(numbers, offline, rtol=tolerance, atol=tolerance)


def _match_labels(received: list[Any], offline: list[Any]) -> np.ndarray:
    """Return for each row whether two predicted labels are equal; False for all rows if the row counts differ."""
    if len(received) != len(offline):
        return np.zeros(len(offline), dtype=bool)
    return np.array(
        [label == offline_label for label, offline_label in zip(received, offline, strict=True)], dtype=bool
    )


def _match_probabilities(answer: Mapping[str, Any], expected: Predictions, tolerance: float) -> np.ndarray:
    """Return for each row whether the endpoint's and the model's probabilities are close in all classes.

    Raises
    ------
    EndpointError
        If the classes or the shapes of the probabilities differ.
    """
    if answer["classes"] != expected.class_names:
        raise EndpointError(
            f"The endpoint answers with the classes {answer['classes']}; expected {expected.class_names}."
        )
    received, offline = np.asarray(answer["probabilities"], dtype=float), expected.class_probabilities
    if received.shape != offline.shape:
        raise EndpointError(f"The endpoint's probabilities have the shape {received.shape}; expected {offline.shape}.")
    return np.all(np.isclose(received, offline, rtol=tolerance, atol=tolerance), axis=1)


def _get_values_at(row: int, answer: Mapping[str, Any], expected: Predictions) -> tuple[Any, Any]:
    """Return the endpoint's and the model's label for a row, or their probabilities if the two labels are equal."""
    predictions, offline = answer["predictions"], expected.labels[row]
    if row >= len(predictions):
        return "no answer", offline
    if expected.probabilities is None:
        return np.asarray(predictions, dtype=float)[row], offline  # converts null to NaN
    if predictions[row] != offline:
        return predictions[row], offline
    probabilities = np.asarray(answer["probabilities"], dtype=float)
    return probabilities[row].tolist(), expected.probabilities[row].tolist()
