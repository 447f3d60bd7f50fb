"""The interface of a backend, and the types it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lib.serving.deploying.status import EndpointStatus

if TYPE_CHECKING:
    import pandas as pd

    from lib.automl import SearchResult
    from lib.backends.models import ModelRegistry
    from lib.backends.tracking import Tracking
    from lib.evaluation.row_division import RowDivision
    from lib.evidence.signing import Signer
    from lib.schema.table_schema import TableSchema
    from lib.scoring.feature_step import FeatureStep
    from lib.tables.schema_source import SchemaSource


@dataclass(frozen=True)
class Check:
    """The result of checking one prerequisite of a run.

    Attributes
    ----------
    name : str
        The prerequisite.
    result : str
        What the check observed or created, and how to fix a failure.
    ok : bool
        Whether a run can proceed.
    """

    name: str
    result: str
    ok: bool = True


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a run.

    Attributes
    ----------
    lines : tuple of str
        The calculation, as lines of text for the user.
    expected_usd : float
        Expected cost in US dollars.
    maximum_usd : float
        Cost in US dollars if every notebook runs until its timeout.
    """

    lines: tuple[str, ...]
    expected_usd: float
    maximum_usd: float


class NotebookExecutor(Protocol):
    """An executor of notebooks.

    Attributes
    ----------
    slots : int
        Maximum number of notebooks executed at the same time.
    remote_runs : dict of list
        Ids of the jobs that executed a notebook elsewhere, by the name of the executed copy.
    """

    slots: int
    remote_runs: dict[str, list[str]]

    def execute(
        self,
        notebook: Path,
        executed: Path,
        parameters: Mapping[str, Any],
        *,
        timeout_minutes: float | None,
        cancelled: threading.Event,
        report: Callable[[str], None],
    ) -> None:
        """Execute a notebook and wait until it ends.

        Parameters
        ----------
        notebook : Path
        executed : Path
            Destination of the executed copy. It is written even if the notebook fails, with the cells that ran.
        parameters : mapping
            Values for the notebook's parameters cell.
        timeout_minutes : float or None
            Time limit, after which the notebook is cancelled; None for no limit.
        cancelled : Event
            Once set, the notebook is cancelled. The call returns when it has ended.
        report : callable
            Receives each progress message.

        Raises
        ------
        StageError
            If the notebook fails, times out or is cancelled.
        """


class Endpoint(Protocol):
    """A real-time endpoint that serves a use case's model."""

    def deploy(
        self, model_folder: Path, version: str, sha256: str, check: Callable[..., object], about: Mapping[str, str]
    ) -> EndpointStatus:
        """Start a model version, check it, and then route traffic to it.

        The endpoint calls ``check(url, key)``; or ``check(url, key, headers)`` if a request header selects the version.
        A local endpoint's page shows ``about``: the ``target``, and the version's ``metric`` and ``score``.
        """

    def exists(self) -> bool:
        """Return whether the endpoint exists, running or not."""

    def status(self) -> EndpointStatus:
        """Return the endpoint's current state."""

    def shift_traffic(self, percent: float, mirror_percent: float) -> EndpointStatus:
        """Set the new version's share of the traffic.

        Parameters
        ----------
        percent : float
            Percentage of requests that the new version answers.
        mirror_percent : float
            Percentage of the other requests that are copied to the new version. The answers to copies are discarded.
        """

    def roll_back(self) -> EndpointStatus:
        """Route all traffic to the previous version."""

    def renew_key(self, name: str) -> str:
        """Replace the ``"primary"`` or ``"secondary"`` key, and return the new key."""

    def stop(self) -> EndpointStatus:
        """Stop the endpoint if it is running."""

    def start(self) -> EndpointStatus:
        """Start a stopped endpoint again, with the version that it served."""

    def enable(self) -> str:
        """Have the endpoint started with the machine, and return how, in a sentence."""

    def logs(self, lines: int) -> str:
        """Return the last lines of the endpoint's log."""

    def key(self) -> str:
        """Return the key that authorizes requests."""


class ModelSearch(Protocol):
    """An AutoML search."""

    def run(
        self,
        train_data: str,
        test_data: str,
        report: Callable[[str], None],
        schema: TableSchema | None = None,
        step: FeatureStep | None = None,
        division: RowDivision | None = None,
    ) -> SearchResult:
        """Search for at most ``automl_budget_minutes``.

        Parameters
        ----------
        train_data : str
            URI of the training rows.
        test_data : str
            URI of the test rows. The search does not use their target; the leaderboard may include their metrics.
        report : callable
            Receives a message for each finished model.
        schema : TableSchema, optional
            How each column is read. Azure's AutoML ignores the schema and infers the column types.
        step : FeatureStep, optional
            The customer's features, fitted; the first step of the result. Azure's AutoML refuses them.
        division : RowDivision, optional
            Groups or times of the training rows, which folds must respect. Azure's AutoML ignores them.
        """


class Backend(Protocol):
    """Compute, artifact stores and endpoints for the stages of a pipeline.

    Attributes
    ----------
    name : str
        The value of the parameter ``backend``.
    tracking : Tracking
        MLflow runs with their metrics and artifacts.
    """

    name: str
    tracking: Tracking

    def prepare(self) -> list[Check]:
        """Find or create the stores and compute that a run needs, and return one check for each."""

    def describe_table(self, uri: str, encoding: str = "") -> str:
        """Describe a table's location for the user; raise DataError if there is no such table."""

    def read_table(
        self,
        uri: str,
        exclude: Collection[str] = (),
        arrow_strings: bool = False,
        encoding: str = "",
        schema_source: SchemaSource | None = None,
    ) -> pd.DataFrame:
        """Read a table from the data store or from a path, with the options of `lib.tables.frames.read`."""

    def write_table(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table to the data store as Parquet and return its URI."""

    def read_json(self, uri: str) -> Any:
        """Read a JSON file from the data store."""

    def write_json(self, value: Any, path: str) -> str:
        """Write a JSON file to the data store and return its URI."""

    def search(self) -> ModelSearch:
        """Return the AutoML search of this use case, which has not started yet."""

    def models(self, name: str) -> ModelRegistry:
        """Return the model registry of a use case."""

    def endpoint(self, name: str) -> Endpoint:
        """Return the endpoint of a use case, running or not."""

    def read_secret(self, name: str) -> str:
        """Return the secret that the parameters call ``keyvault:NAME``.

        Raises
        ------
        ParameterError
            If the backend has no vault, or the vault no such secret.
        """

    def signer(self, name: str) -> Signer:
        """Return a signer with the key that the parameter ``signing_key`` calls ``keyvault:NAME``.

        Raises
        ------
        ParameterError
            If the backend has no vault, or the vault no such key.
        """

    def local_copy(self, uri: str) -> Path:
        """Return a local copy of a file in the data store."""

    def request_log(self, name: str) -> Path | None:
        """Return the folder of the request log of an endpoint; None if this backend stores none."""

    def endpoints(self) -> list[str]:
        """Return the names of all use cases that have an endpoint."""

    def teardown(self, everything: bool) -> list[str]:
        """Remove endpoints, jobs and temporary resources.

        Parameters
        ----------
        everything : bool
            Whether to remove those of all use cases in the workspace, not only those of this use case.

        Returns
        -------
        list of str
            One line for each removed resource.
        """
