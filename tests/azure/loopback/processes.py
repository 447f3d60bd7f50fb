"""The processes of the loopback: Azurite, an MLflow server, and the Python of jobs and endpoints."""

import contextlib
import fcntl
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from functools import cached_property
from pathlib import Path

from . import reaper

START_SECONDS = 180


class Process:
    """A child process with its own process group and log."""

    def __init__(self, command: list[str], log: Path, cwd: Path, environment: dict[str, str]):
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

        reaper.report(f"+{self.popen.pid}")

    def stop(self, grace_seconds: float = 5) -> None:
        """Terminate the process group, then kill what is left of it, including orphans."""
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, grace_seconds)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
        reaper.report(f"-{self.popen.pid}")

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, ready, what: str, seconds: float = START_SECONDS):
        """Poll ``ready()`` and return its first true result; raise an error if the process ends or is too slow."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            if self.popen.poll() is not None:
                raise RuntimeError(f"{what} ended with {self.popen.returncode}:\n{self.read_log()[-3000:]}")
            time.sleep(0.1)
        raise RuntimeError(f"{what} was not ready after {seconds} s:\n{self.read_log()[-3000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_responding(port: int, path: str = "/") -> bool:
    """Return whether a local server responds with status 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def base_environment() -> dict[str, str]:
    """Return this process's environment without variables that would let a child bypass the loopback."""
    dropped = re.compile(r".*_proxy|AZURE.*|MLFLOW_.*|PYTEST.*|PYTHONPATH|IDENTITY_.*|MSI_.*", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not dropped.fullmatch(name)}


class Server:
    """A server that is started on first use; reading its port waits until it is ready."""

    what = ""

    def start(self) -> Process:
        raise NotImplementedError

    def listening(self) -> int:
        """Return the port when the server responds, otherwise 0."""
        raise NotImplementedError

    @cached_property
    def process(self) -> Process:
        return self.start()

    @cached_property
    def port(self) -> int:
        return self.process.wait_for(self.listening, self.what)

    def stop(self) -> None:
        if "process" in vars(self):
            self.process.stop()


class Azurite(Server):
    """Microsoft's own emulator of the blob service, from npm."""

    what = "Azurite"

    def __init__(self, folder: Path, account: str, key: str):
        self.folder, self.accounts = folder, f"{account}:{key}"

    def start(self) -> Process:
        script = azurite_installed() / "node_modules/azurite/dist/src/blob/main.js"
        return Process(
            # Telemetry would go to Application Insights; newer api-versions than it knows are served all the same.
            ["node", str(script), "--blobHost", "127.0.0.1", "--blobPort", "0", "--location",
             str(self.folder / "blobs"), "--silent", "--loose", "--skipApiVersionCheck", "--disableTelemetry"],
            self.folder / "azurite.log", self.folder, base_environment() | {"AZURITE_ACCOUNTS": self.accounts},
        )  # fmt: skip

    def listening(self) -> int:
        match = re.search(r"listens on http://[\d.]+:(\d+)", self.process.read_log())
        return int(match[1]) if match else 0


def azurite_installed() -> Path:
    """Return the folder of the pinned Azurite; install it into this Python's environment on first use."""
    source = Path(__file__).with_name("azurite")
    folder = Path(sys.prefix) / "azurite"
    lock = folder.with_suffix(".lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = folder / "installed.json"
        wanted = (source / "package-lock.json").read_text()
        if not (done.exists() and done.read_text() == wanted):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
            subprocess.run(command, cwd=folder, check=True, timeout=600, stdout=subprocess.DEVNULL)
            done.write_text(wanted)
    return folder


class MlflowServer(Server):
    """An ``mlflow server`` on SQLite."""

    what = "mlflow server"

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def chosen_port(self) -> int:
        return free_port()

    def start(self) -> Process:
        database = f"sqlite:///{self.folder / 'mlflow.db'}"
        settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return Process(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.chosen_port),
             "--workers", "1", "--backend-store-uri", database, "--no-serve-artifacts",
             "--default-artifact-root", str(self.folder)],
            self.folder / "mlflow.log", self.folder, base_environment() | settings,
        )  # fmt: skip

    def listening(self) -> int:
        return self.chosen_port if is_responding(self.chosen_port, "/health") else 0


def image_python(folder: Path) -> Path:
    """Create the Python of an image, with all packages of this environment but without this checkout.

    The .pth files of the packages are not processed, so that ``lib`` can only come from uploaded files.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    packages = next(folder.glob("lib/python3*/site-packages"))
    image_packages = Path(__file__).with_name(
        "image_packages"
    )  # packages of Azure's images that are not in this environment
    (packages / "image.pth").write_text(f"{sysconfig.get_path('purelib')}\n{image_packages}\n")
    return folder / "bin" / "python"
