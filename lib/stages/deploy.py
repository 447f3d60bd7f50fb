"""Deploy: the version that bears ``production``, as a real-time endpoint that answers as the model does."""

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
from lib.data import tables
from lib.errors import EndpointError, GateError
from lib.stages._answers import Answer, title

if TYPE_CHECKING:
    from lib.backends.base import Backend, EndpointStatus
    from lib.backends.models import ModelVersion
    from lib.metrics import Predictions
    from lib.parameters import Parameters

# The parameters of the use case that this stage reads, beside the common ones: a change of these makes it run anew.
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
    "endpoint_traffic",
    "endpoint_mirror",
    "endpoint_max_error_rate",
    "endpoint_p95_latency_ms",
    "endpoint_watch_minutes",
    "request_log",
    "request_log_columns",
    "request_log_megabytes",
)
_SHOWN_ROWS = 8
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, repr=False)
class Deployment(Answer):
    """Outputs of the stage, and what its notebook shows.

    Attributes
    ----------
    title, verdict : str
    endpoint_url : str
        Where it answers.
    sample_request : str
        URI of a request that it answers, one test row as JSON.
    summary : Table
        Endpoint, version, rows asked, time of an answer.
    answers : Table
        What the endpoint and what the model said of the first rows.
    """

    title: str
    verdict: str
    endpoint_url: str
    sample_request: str
    summary: charts.Table
    answers: charts.Table

    def main_table(self) -> charts.Table:
        """The summary."""
        return self.summary


@dataclass(frozen=True)
class _Asked:
    """A version that serves, and what it and its model said of the test rows."""

    status: EndpointStatus
    answer: dict[str, Any]
    seconds: float
    expected: Predictions


def run(backend: Backend, parameters: Parameters) -> Deployment:
    """Find production by its tag, deploy it, and ask it.

    Returns
    -------
    Deployment

    Raises
    ------
    GateError
        Where no version is in production.
    EndpointError
        Where the endpoint does not come up, or answers otherwise than the model; then what served before serves on.
    """
    import mlflow

    rows = backend.read_table(parameters.test_data).head(parameters.smoke_rows)
    tables.get_column(rows, parameters.target_column, where="the test rows")
    rows = rows.drop(columns=parameters.target_column)
    while True:
        version = _production(backend, parameters)
        try:
            asked = _deployed(backend, parameters, version, rows)
            break
        except EndpointError:
            if _production(backend, parameters).version == version.version:
                raise
            # Another run has put its own version there meanwhile: that one is to be served.
    status, answer = asked.status, asked.answer
    mlflow.log_params({"version": version.version, "endpoint_url": status.url})
    mlflow.log_metric("answer_milliseconds", asked.seconds * 1000)
    summary = {
        "endpoint": parameters.name,
        "URL": status.url,
        "version": version.version,
        "training function": version.tags.get("training_function", ""),
        "test rows asked": len(rows),
        "answers": "all as the model's own",
        "time of the answer": f"{asked.seconds * 1000:.1f} ms for {len(rows)} rows",
    }
    sample = backend.write_json(as_request(rows.head(1)), f"{parameters.name}/sample_request.json")
    return Deployment(
        title=title("Deploy", parameters),
        verdict=(
            f"Version {version.version} answers at {status.url}. "
            f"Its answers to {len(rows)} test rows are the model's own."
        ),
        endpoint_url=status.url,
        sample_request=sample,
        summary=charts.Table({"": summary}),
        answers=_answers(answer, asked.expected),
    )


def _production(backend: Backend, parameters: Parameters) -> ModelVersion:
    version = backend.models(parameters.name).production()
    if version is None:
        raise GateError(
            f"No version of {parameters.name} bears the tag production, so there is nothing to deploy. "
            f"{parameters.decision or 'The evaluate notebook says why.'}"
        )
    return version


def _deployed(backend: Backend, parameters: Parameters, version: ModelVersion, rows: pd.DataFrame) -> _Asked:
    """Have a version serve, unless it does so already, and ask it.

    Raises
    ------
    EndpointError
        As `run` does, and where it is not in production any more when its turn comes: it gets no traffic then.
    """
    folder = backend.tracking.model_folder(version.source, version.sha256)
    expected = _own_answers(backend.tracking.load_model(folder), rows, parameters)
    checked = {}

    def check(url: str, key: str, headers: Mapping[str, str] | None = None) -> None:
        now = _production(backend, parameters).version
        if now != version.version:
            raise EndpointError(f"Version {now} was put into production while version {version.version} came up.")
        started = time.perf_counter()
        answer = ask(url, key, rows, parameters.endpoint_timeout_seconds, headers)
        checked.update(answer=answer, seconds=time.perf_counter() - started)
        compare(answer, expected, parameters.smoke_tolerance)

    endpoint = backend.endpoint(parameters.name)
    status = endpoint.status()
    if status.sha256 == version.sha256 and _is_at(status.url, parameters.endpoint_port):
        check(status.url, endpoint.key())
    else:
        status = endpoint.deploy(folder, version.version, version.sha256, check)
    return _Asked(status, expected=expected, **checked)


def _is_at(url: str, port: int) -> bool:
    """Whether an endpoint runs where it was asked for; port 0 stands for wherever it is."""
    return bool(url) and port in (0, urlparse(url).port)


def as_request(rows: pd.DataFrame) -> dict[str, Any]:
    """Rows as the JSON body that an endpoint takes: missing values as null, dates in ISO 8601."""
    plain = rows.astype(object).where(rows.notna(), None)
    data = [[_plain(value) for value in row] for row in plain.itertuples(index=False, name=None)]
    return {"input_data": {"columns": list(rows.columns), "index": list(range(len(rows))), "data": data}}


def ask(
    url: str, key: str, rows: pd.DataFrame, timeout: float, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Answer of an endpoint to some rows, asked with further headers where a backend needs them.

    Raises
    ------
    EndpointError
        Where it does not answer, or not with 200.
    """
    session = requests.Session()
    # A proxy is for other machines; without this a proxy variable would send 127.0.0.1 through it.
    session.trust_env = urlparse(url).hostname not in _LOOPBACK
    try:
        answer = session.post(
            url,
            data=json.dumps(as_request(rows)),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})},
            timeout=timeout,
        )
    except requests.RequestException as error:
        raise EndpointError(f"The endpoint at {url} did not answer: {error}") from error
    if answer.status_code != 200:
        raise EndpointError(f"The endpoint at {url} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json()


def compare(answer: dict[str, Any], expected: Predictions, tolerance: float = 0) -> None:
    """Compare an endpoint's answer with the model's own predictions; decimal text of JSON loses nothing.

    Parameters
    ----------
    answer : dict
        With ``predictions`` and, of a classifier, ``probabilities`` and ``classes``.
    expected : Predictions
    tolerance : float
        By how much numbers may differ, absolutely and relatively; 0: not in the last bit. Classes never may.

    Raises
    ------
    EndpointError
        With the first row that differs.
    """
    none = np.zeros(len(expected.labels), dtype=bool)
    if expected.probabilities is None:
        got, own = np.asarray(answer["predictions"], dtype=float), expected.labels
        same = np.isclose(got, own, rtol=tolerance, atol=tolerance) if got.shape == own.shape else none
    else:
        got, own = answer["predictions"], expected.labels.tolist()
        same = np.array([one == other for one, other in zip(got, own, strict=True)]) if len(got) == len(own) else none
        probabilities = np.asarray(answer["probabilities"], dtype=float)
        if answer["classes"] != expected.classes.tolist() or probabilities.shape != expected.probabilities.shape:
            raise EndpointError(
                f"The endpoint knows the classes {answer['classes']}, the model {expected.classes.tolist()}."
            )
        same &= np.isclose(probabilities, expected.probabilities, rtol=tolerance, atol=tolerance).all(axis=1)
    if not same.all():
        row = int(np.argmin(same))
        said, meant = got[row] if len(got) > row else "no answer", own[row]
        if expected.probabilities is not None and said == meant:
            said, meant = probabilities[row].tolist(), expected.probabilities[row].tolist()
        raise EndpointError(
            f"The endpoint answers otherwise than the model in {(~same).sum()} of {len(own)} rows; row {row}: "
            f"{said} instead of {meant}. (smoke_tolerance: {tolerance:g} may be between them.)"
        )


def _own_answers(model: Any, rows: pd.DataFrame, parameters: Parameters) -> Predictions:
    """What the model itself says, in one thread as at the endpoint: their number can change the last digits."""
    if hasattr(model, "get_params"):  # it is here, and not asked on a cluster
        from lib.scoring.sklearn_model import use_one_job  # scikit-learn is there already, with the model

        use_one_job(model)
    with threadpoolctl.threadpool_limits(1):
        return metrics.predict(model, rows, parameters.task, parameters.positive_class)


def _answers(answer: dict[str, Any], expected: Predictions) -> charts.Table:
    frame = charts.Table({"the endpoint's answer": answer["predictions"], "the model's own": expected.labels})
    if expected.probabilities is not None:
        for column, one in enumerate(answer["classes"]):
            frame[f"probability of {one}"] = [round(row[column], 4) for row in answer["probabilities"]]
    return frame.rename_axis("row").head(_SHOWN_ROWS)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.date):  # a Timestamp is one as well
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
