"""The deploy stage: serves the production version at a real-time endpoint, and tests its answers."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import requests
import threadpoolctl

from lib import charts, metrics
from lib.errors import EndpointError, GateError
from lib.stages._answers import Answer, title
from lib.tables import frames

if TYPE_CHECKING:
    from lib.backends.base import Backend, EndpointStatus
    from lib.backends.models import ModelVersion
    from lib.metrics import Predictions
    from lib.parameters import Parameters

# The use-case parameters that this stage may read, besides the common ones. Changing one of them reruns the stage.
PARAMETERS = (
    "target_column",
    "task",
    "positive_class",
    "smoke_rows",
    "smoke_tolerance",
    "endpoint_host",
    "endpoint_port",
    "endpoint_timeout_seconds",
    "endpoint_workers",
    "endpoint_traffic_percent",
    "endpoint_mirror_percent",
    "endpoint_max_error_rate",
    "endpoint_p95_latency_ms",
    "endpoint_watch_minutes",
    "request_log",
    "request_log_columns",
    "request_log_megabytes",
)
_DISPLAYED_ROWS = 8
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, repr=False)
class Deployment(Answer):
    """The outputs of the deploy stage, and the tables of its notebook.

    Attributes
    ----------
    title, verdict : str
    endpoint_url : str
        The scoring URL of the endpoint.
    sample_request : str
        URI of an example request: one test row as JSON.
    summary : Table
        Endpoint, version, number of test rows and response time.
    answers : Table
        Predictions of the endpoint and of the model for the first test rows.
    """

    title: str
    verdict: str
    endpoint_url: str
    sample_request: str
    summary: charts.Table
    answers: charts.Table

    def main_table(self) -> charts.Table:
        """Return the summary."""
        return self.summary


@dataclass(frozen=True)
class _SmokeTest:
    """The endpoint's answer to the test rows, equal to the model's own predictions.

    Attributes
    ----------
    status : EndpointStatus
    answer : dict
        The endpoint's answer.
    seconds : float
        Response time of the request.
    expected : Predictions
        The model's own predictions.
    """

    status: EndpointStatus
    answer: dict[str, Any]
    seconds: float
    expected: Predictions


def run(backend: Backend, parameters: Parameters) -> Deployment:
    """Deploy the production version, and compare its answers to some test rows with the model's own predictions.

    Returns
    -------
    Deployment

    Raises
    ------
    GateError
        If no version is in production.
    EndpointError
        If the endpoint does not start, or its answers differ from the model's predictions. The version that was
        deployed before keeps serving.
    """
    import mlflow

    rows = backend.read_table(parameters.test_data).head(parameters.smoke_rows)
    frames.get_column(rows, parameters.target_column, where="the test rows")
    rows = rows.drop(columns=parameters.target_column)
    version, smoke_test = _deploy_production(backend, parameters, rows)
    url, milliseconds = smoke_test.status.url, smoke_test.seconds * 1000
    mlflow.log_params({"version": version.version, "endpoint_url": url})
    mlflow.log_metric("answer_milliseconds", milliseconds)
    summary = {
        "endpoint": parameters.name,
        "URL": url,
        "version": version.version,
        "training function": version.tags.get("training_function", ""),
        "test rows": len(rows),
        "answers": "all equal to the model's own predictions",
        "response time": f"{milliseconds:.1f} ms for {len(rows)} rows",
    }
    return Deployment(
        title=title("Deploy", parameters),
        verdict=(
            f"Version {version.version} is deployed at {url}. "
            f"Its answers to {len(rows)} test rows equal the model's own predictions."
        ),
        endpoint_url=url,
        sample_request=backend.write_json(build_request(rows.head(1)), f"{parameters.name}/sample_request.json"),
        summary=charts.Table({"": summary}),
        answers=_comparison_table(smoke_test.answer, smoke_test.expected),
    )


def _deploy_production(backend: Backend, parameters: Parameters, rows: pd.DataFrame) -> tuple[ModelVersion, _SmokeTest]:
    """Deploy and test the production version; start over if another run promotes a version meanwhile."""
    while True:
        version = _production_version(backend, parameters)
        try:
            return version, _deploy_version(backend, parameters, version, rows)
        except EndpointError:
            if _production_version(backend, parameters).version == version.version:
                raise


def _production_version(backend: Backend, parameters: Parameters) -> ModelVersion:
    version = backend.models(parameters.name).production()
    if version is None:
        raise GateError(
            f"No version of {parameters.name} has the tag production, so there is nothing to deploy. "
            f"{parameters.decision or 'Run the evaluate notebook first.'}"
        )
    return version


def _deploy_version(backend: Backend, parameters: Parameters, version: ModelVersion, rows: pd.DataFrame) -> _SmokeTest:
    """Deploy a version unless the endpoint serves it already, and test it.

    Raises
    ------
    EndpointError
        As `run` does, and if the version is no longer in production when it is tested. It then gets no traffic.
    """
    folder = backend.tracking.model_folder(version.source, version.sha256)
    expected = _predict_offline(backend.tracking.load_model(folder), rows, parameters)
    measured: dict[str, Any] = {}

    def check(url: str, key: str, headers: Mapping[str, str] | None = None) -> None:
        current = _production_version(backend, parameters).version
        if current != version.version:
            raise EndpointError(
                f"Version {current} was promoted while version {version.version} was being deployed. Deploy again."
            )
        started = time.perf_counter()
        answer = query_endpoint(url, key, rows, parameters.endpoint_timeout_seconds, headers)
        measured.update(answer=answer, seconds=time.perf_counter() - started)
        check_answer(answer, expected, parameters.smoke_tolerance)

    endpoint = backend.endpoint(parameters.name)
    status = endpoint.status()
    if status.sha256 == version.sha256 and _uses_port(status.url, parameters.endpoint_port):
        check(status.url, endpoint.key())
    else:
        status = endpoint.deploy(folder, version.version, version.sha256, check)
    return _SmokeTest(status, expected=expected, **measured)


def _uses_port(url: str, port: int) -> bool:
    """Return whether an endpoint is running on this port; port 0 accepts any port."""
    return bool(url) and port in (0, urlparse(url).port)


def _predict_offline(model: Any, rows: pd.DataFrame, parameters: Parameters) -> Predictions:
    """Return the model's own predictions.

    They are computed in one thread, as at the endpoint: the number of threads can change the last digits.
    """
    if hasattr(model, "get_params"):  # a local scikit-learn model, not the proxy of a model that runs on a cluster
        from lib.scoring.sklearn_model import use_one_job  # loading the model has already imported scikit-learn

        use_one_job(model)
    with threadpoolctl.threadpool_limits(1):
        return metrics.predict(model, rows, parameters.task, parameters.positive_class)


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
    data = [[_to_json_value(value) for value in row] for row in cells.itertuples(index=False, name=None)]
    return {"input_data": {"columns": list(rows.columns), "index": list(range(len(rows))), "data": data}}


def _to_json_value(value: Any) -> Any:
    """Return a cell as a value that the json module can write."""
    if isinstance(value, datetime.date):  # includes datetime and Timestamp
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


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
        If there is no response, or its status is not 200.
    """
    session = requests.Session()
    # Otherwise HTTP_PROXY would also apply to this machine.
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

    JSON preserves every bit of a float, so that the comparison can be exact.

    Parameters
    ----------
    answer : mapping
        ``predictions``, and ``probabilities`` and ``classes`` of a classification.
    expected : Predictions
        The model's own predictions.
    tolerance : float
        Absolute and relative tolerance of numbers; 0 requires bit-identical answers. Classes must always be equal.

    Raises
    ------
    EndpointError
        If they differ. The message gives the first row that differs.
    """
    if expected.probabilities is None:
        same = _match_numbers(answer["predictions"], expected.labels, tolerance)
    else:
        same = _match_labels(answer["predictions"], expected.labels.tolist())
        same &= _match_probabilities(answer, expected, tolerance)
    if not same.all():
        row = int(np.argmin(same))
        received, own = _values_at(row, answer, expected)
        raise EndpointError(
            f"The endpoint's answers differ from the model's own predictions in {(~same).sum()} of {len(same)} rows; "
            f"row {row}: {received} instead of {own}. If only rounding differs, raise smoke_tolerance (now "
            f"{tolerance:g})."
        )


def _match_numbers(received: list[float | None], own: np.ndarray, tolerance: float) -> np.ndarray:
    """Return for each row whether the numbers match; no row matches if the number of rows differs."""
    numbers = np.asarray(received, dtype=float)
    if numbers.shape != own.shape:
        return np.zeros(len(own), dtype=bool)
    return np.isclose(numbers, own, rtol=tolerance, atol=tolerance)


def _match_labels(received: list[Any], own: list[Any]) -> np.ndarray:
    """Return for each row whether the labels match; no row matches if the number of rows differs."""
    if len(received) != len(own):
        return np.zeros(len(own), dtype=bool)
    return np.array([label == own_label for label, own_label in zip(received, own, strict=True)], dtype=bool)


def _match_probabilities(answer: Mapping[str, Any], expected: Predictions, tolerance: float) -> np.ndarray:
    """Return for each row whether the probabilities match.

    Raises
    ------
    EndpointError
        If the classes or the number of probabilities differ, so that rows cannot be compared.
    """
    if answer["classes"] != expected.class_names:
        raise EndpointError(
            f"The endpoint's classes are {answer['classes']}; the model's own are {expected.class_names}."
        )
    received, own = np.asarray(answer["probabilities"], dtype=float), expected.class_probabilities
    if received.shape != own.shape:
        raise EndpointError(f"The endpoint's probabilities have the shape {received.shape}; expected {own.shape}.")
    return np.all(np.isclose(received, own, rtol=tolerance, atol=tolerance), axis=1)


def _values_at(row: int, answer: Mapping[str, Any], expected: Predictions) -> tuple[Any, Any]:
    """Return the endpoint's and the model's values for a row: the labels, or the probabilities if the labels agree."""
    predictions, own = answer["predictions"], expected.labels[row]
    if row >= len(predictions):
        return "no answer", own
    if expected.probabilities is None:
        return np.asarray(predictions, dtype=float)[row], own  # null becomes NaN
    if predictions[row] != own:
        return predictions[row], own
    probabilities = np.asarray(answer["probabilities"], dtype=float)
    return probabilities[row].tolist(), expected.probabilities[row].tolist()


def _comparison_table(answer: Mapping[str, Any], expected: Predictions) -> charts.Table:
    """Return the predictions of the endpoint and of the model for the first rows."""
    table = charts.Table({"endpoint": answer["predictions"], "model": expected.labels})
    if expected.probabilities is not None:
        for column, label in enumerate(answer["classes"]):
            table[f"probability of {label}"] = [round(row[column], 4) for row in answer["probabilities"]]
    return table.rename_axis("row").head(_DISPLAYED_ROWS)
