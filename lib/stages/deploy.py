"""The deploy stage: serves the production version at a real-time endpoint, and tests its answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import pandas as pd
import threadpoolctl

from lib import charts, metrics
from lib.backends import model_files
from lib.errors import EndpointError, GateError, format_count
from lib.scoring.model import read_model
from lib.stages._endpoint_answers import build_request, check_answer, query_endpoint
from lib.stages._results import StageResult, make_title
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
    "endpoint_allowed_hosts",
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


@dataclass(frozen=True, repr=False)
class Deployment(StageResult):
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
    facts : mapping
        Version, URL, and the response time of one request.
    """

    title: str
    verdict: str
    endpoint_url: str
    sample_request: str
    summary: charts.Table
    answers: charts.Table
    facts: Mapping[str, Any] = field(default_factory=dict)

    def main_table(self) -> charts.Table:
        """Return the summary."""
        return self.summary


@dataclass(frozen=True)
class _SmokeTest:
    """The result of a passed smoke test: the endpoint's answer equals the model's own predictions.

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
    """Deploy the production version, and check that it answers some test rows with the model's own predictions.

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
        "response time": f"{milliseconds:.1f} ms for {format_count(len(rows), 'row')}",
    }
    charts.label(summary_table := charts.Table({"": summary}), "Deployment")
    charts.label(
        answers := _make_comparison_table(smoke_test.answer, smoke_test.expected),
        "Answers of the endpoint and the model's own predictions",
    )
    return Deployment(
        title=make_title("Deploy", parameters),
        verdict=(
            f"Version {version.version} is deployed at {url}. "
            f"Its answers to {format_count(len(rows), 'test row')} equal the model's own predictions."
        ),
        endpoint_url=url,
        sample_request=_write_sample_request(backend, parameters, version, rows),
        summary=summary_table,
        answers=answers,
        facts={
            "version": version.version,
            "model_sha256": version.sha256,
            "url": url,
            "milliseconds": milliseconds,
            "rows": len(rows),
        },
    )


def _write_sample_request(backend: Backend, parameters: Parameters, version: ModelVersion, rows: pd.DataFrame) -> str:
    """Write a request with a synthetic row, or with a test row if ``show_rows`` allows it, and return its URI."""
    if not parameters.show_rows:
        example = read_model(backend.tracking.model_folder(version.source, version.sha256)).example
        rows = pd.DataFrame([example]) if example else rows.head(0)
    return backend.write_json(build_request(rows.head(1)), f"{parameters.name}/sample_request.json")


def _deploy_production(backend: Backend, parameters: Parameters, rows: pd.DataFrame) -> tuple[ModelVersion, _SmokeTest]:
    """Deploy and test the production version; start over if another run promotes a version meanwhile."""
    while True:
        version = _get_production_version(backend, parameters)
        try:
            return version, _deploy_version(backend, parameters, version, rows)
        except EndpointError:
            if _get_production_version(backend, parameters).version == version.version:
                raise


def _get_production_version(backend: Backend, parameters: Parameters) -> ModelVersion:
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
        If the endpoint does not start, its answers differ from the model's predictions, or another version was
        promoted meanwhile. The new deployment then gets no traffic.
    """
    folder = backend.tracking.model_folder(version.source, version.sha256)
    model = backend.tracking.load_model(folder)
    with model_files.explain_incompatibility(folder):
        expected = _predict_offline(model, rows, parameters)
    measured: dict[str, Any] = {}

    def check(url: str, key: str, headers: Mapping[str, str] | None = None) -> None:
        current = _get_production_version(backend, parameters).version
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
    if status.sha256 == version.sha256 and _is_on_port(status.url, parameters.endpoint_port):
        check(status.url, endpoint.key())
    else:
        status = endpoint.deploy(folder, version.version, version.sha256, check, describe_version(version, parameters))
    return _SmokeTest(status, expected=expected, **measured)


def describe_version(version: ModelVersion, parameters: Parameters) -> dict[str, str]:
    """Return the facts about a version that the endpoint's page shows."""
    metric = version.tags.get("primary_metric", "")
    return {
        "target": parameters.target_column,
        "metric": metric,
        "score": version.tags.get(metric, ""),
    }


def _is_on_port(url: str, port: int) -> bool:
    """Return whether an endpoint is running on this port; port 0 accepts any port."""
    return bool(url) and port in (0, urlparse(url).port)


def _predict_offline(model: Any, rows: pd.DataFrame, parameters: Parameters) -> Predictions:
    """Return the model's own predictions, computed in one thread as at the endpoint.

    The number of threads can change the last digits of a prediction.
    """
    if hasattr(model, "get_params"):  # a local scikit-learn model, not the proxy of a model that runs on a cluster
        from lib.scoring.sklearn_model import use_one_job  # loading the model has already imported scikit-learn

        use_one_job(model)
    with threadpoolctl.threadpool_limits(1):
        return metrics.predict(model, rows, parameters.task, parameters.positive_class)


def _make_comparison_table(answer: Mapping[str, Any], expected: Predictions) -> charts.Table:
    """Return a table of the endpoint's and the model's predictions for the first rows."""
    table = charts.Table({"endpoint": answer["predictions"], "model": expected.labels})
    if expected.probabilities is not None:
        for column, label in enumerate(answer["classes"]):
            table[f"probability of {label}"] = [round(row[column], 4) for row in answer["probabilities"]]
    return table.rename_axis("row").head(_DISPLAYED_ROWS)
