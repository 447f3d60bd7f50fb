"""What every backend can do, and the small things it answers with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from lib.automl import SearchResult
    from lib.backends.models import ModelRegistry
    from lib.backends.tracking import Tracking


@dataclass(frozen=True)
class Check:
    """One line of the setup's table.

    Attributes
    ----------
    what : str
        What was looked at.
    found : str
        What was found or made.
    ok : bool
        Whether a run can go on with it.
    """

    what: str
    found: str
    ok: bool = True


@dataclass(frozen=True)
class EndpointStatus:
    """How an endpoint is.

    Attributes
    ----------
    name : str
    state : str
        In words: ``"running"``, ``"stopped"``, ``"died"`` and the like.
    url : str
        To POST rows to; empty unless it runs.
    version : str
        Version of the model it serves, or served last.
    sha256 : str
        Of that model's files.
    detail : str
        Process, start, log: whatever helps a person.
    """

    name: str
    state: str
    url: str = ""
    version: str = ""
    sha256: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Estimate:
    """What a run may cost, before it starts.

    Attributes
    ----------
    lines : tuple of str
        How it comes about, for people.
    expected, at_most : float
        In US dollars; the second if every notebook ran until its time is up.
    """

    lines: tuple[str, ...]
    expected: float
    at_most: float


class NotebookExecutor(Protocol):
    """Executes notebooks elsewhere than at the orchestrator.

    Attributes
    ----------
    slots : int
        How many it can execute at once.
    """

    slots: int

    def execute(
        self,
        notebook: Path,
        executed: Path,
        parameters: Mapping[str, Any],
        *,
        timeout_minutes: float | None,
        cancelled: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        """Execute a notebook, and wait for it.

        Parameters
        ----------
        notebook, executed : Path
            The notebook, and where its copy with outputs goes; after a failure too, as far as it came.
        parameters : mapping
            Those that its parameters cell names.
        timeout_minutes : float or None
            After which it is cancelled; None for no limit of the user's.
        cancelled : Event
            Once set, the notebook is cancelled there; the call returns when it has ended.
        say : callable
            Gets a line whenever there is progress to tell.

        Raises
        ------
        StageError
            With what went wrong and what to do.
        """


class Endpoint(Protocol):
    """A real-time endpoint that serves one model version of a use case."""

    def deploy(self, model_folder: Path, version: str, sha256: str, check: Callable[..., object]) -> EndpointStatus:
        """Bring a version up, let ``check(url, key)`` ask it, and only then give it the traffic.

        Where the address alone does not say which version is asked, ``check`` gets the ``headers`` that do, too.
        """

    def status(self) -> EndpointStatus:
        """How it is now."""

    def shift_traffic(self, percent: float, mirror: float) -> EndpointStatus:
        """Change the share of a new version: of the requests it answers, and of the others it is asked as well."""

    def roll_back(self) -> EndpointStatus:
        """Give all traffic back to the version before."""

    def renew_key(self, name: str) -> str:
        """Replace the key of that name, primary or secondary, and return the new one."""

    def stop(self) -> EndpointStatus:
        """Stop it; what was not running stays so."""

    def logs(self, lines: int) -> str:
        """The last lines it logged."""

    def key(self) -> str:
        """The key that its clients send."""


class ModelSearch(Protocol):
    """A search over many models."""

    def run(self, train_data: str, test_data: str, report: Callable[[str], None]) -> SearchResult:
        """Search within ``automl_budget_minutes``.

        Parameters
        ----------
        train_data, test_data : str
            URIs of the rows. What is searched never sees the target of the test rows; the leaderboard may tell
            metrics of them.
        report : callable
            Gets a line for each model that is done.
        """


class Backend(Protocol):
    """Where stages run and artifacts live.

    Attributes
    ----------
    name : str
        As in the parameter ``backend``.
    tracking : Tracking
        Runs, their metrics and artifacts, in MLflow.
    """

    name: str
    tracking: Tracking

    def checks(self) -> list[Check]:
        """Find or make what a run needs: stores, compute; a line for each."""

    def find_table(self, uri: str, encoding: str = "") -> str:
        """Where a table is, for people; DataError where it is not."""

    def read_table(
        self, uri: str, without: Collection[str] = (), arrow_texts: bool = False, encoding: str = ""
    ) -> pd.DataFrame:
        """Read a table from the data store, or the one that a parameter names, as `lib.data.tables.read` does."""

    def write_table(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table to the data store as Parquet, and return its URI."""

    def read_json(self, uri: str) -> Any:
        """Read JSON from the data store."""

    def write_json(self, value: Any, path: str) -> str:
        """Write JSON to the data store, and return its URI."""

    def search(self) -> ModelSearch:
        """AutoML for the parameters of this notebook."""

    def models(self, name: str) -> ModelRegistry:
        """Versions of a use case's model."""

    def endpoint(self, name: str) -> Endpoint:
        """Endpoint of a use case, whether it runs or not."""

    def local_copy(self, uri: str) -> Path:
        """File on this machine with what the data store holds."""

    def endpoints(self) -> list[str]:
        """Names of the endpoints there are."""

    def teardown(self, everything: bool) -> list[str]:
        """End the use case's endpoint and jobs, or those of all, and what runs made for them; a line for each."""
