"""The real programs behind the routes: Azurite, an MLflow server, and the Python that jobs and endpoints run on."""

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
    """A child with a process group and a log of its own."""

    def __init__(self, command: list[str], log: Path, cwd: Path, environment: dict[str, str]):
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

        reaper.tell(f"+{self.popen.pid}")

    def stop(self, grace_seconds: float = 5) -> None:
        """End the group: asked first, then killed, and the children of a parent that is gone as well."""
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, grace_seconds)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
        reaper.tell(f"-{self.popen.pid}")

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, ready, what: str, seconds: float = START_SECONDS):
        """The first true answer of ``ready()``; an error with the log where the process ends or is too slow."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            if self.popen.poll() is not None:
                raise RuntimeError(f"{what} ended with {self.popen.returncode}:\n{self.text()[-3000:]}")
            time.sleep(0.1)
        raise RuntimeError(f"{what} was not ready after {seconds} s:\n{self.text()[-3000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int, path: str = "/") -> bool:
    """Whether a server on loopback answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def own_environment() -> dict[str, str]:
    """This process's environment without what would lead a child past the loopback Azure or out of it."""
    dropped = re.compile(r".*_proxy|AZURE.*|MLFLOW_.*|PYTEST.*|PYTHONPATH|IDENTITY_.*|MSI_.*", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not dropped.fullmatch(name)}


class Server:
    """Started by the first who needs it, and waited for by the first who asks for its port."""

    what = ""

    def start(self) -> Process:
        raise NotImplementedError

    def listening(self) -> int:
        """Port, once it answers; 0 before."""
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
            self.folder / "azurite.log", self.folder, own_environment() | {"AZURITE_ACCOUNTS": self.accounts},
        )  # fmt: skip

    def listening(self) -> int:
        match = re.search(r"listens on http://[\d.]+:(\d+)", self.process.text())
        return int(match[1]) if match else 0


def azurite_installed() -> Path:
    """Folder of the pinned Azurite, installed on first use into this Python's environment."""
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
    """A real ``mlflow server`` on SQLite: MLflow's own rules for runs, searches and the registry."""

    what = "mlflow server"

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def chosen(self) -> int:
        return free_port()

    def start(self) -> Process:
        database = f"sqlite:///{self.folder / 'mlflow.db'}"
        settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return Process(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.chosen),
             "--workers", "1", "--backend-store-uri", database, "--no-serve-artifacts",
             "--default-artifact-root", str(self.folder)],
            self.folder / "mlflow.log", self.folder, own_environment() | settings,
        )  # fmt: skip

    def listening(self) -> int:
        return self.chosen if answers(self.chosen, "/health") else 0


def image_python(folder: Path) -> Path:
    """The Python of an image: every package of this environment, and none of this checkout.

    Packages are on its path as they are, and the .pth files among them are not read, so that ``lib`` comes from what
    was uploaded or not at all.
    """
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    packages = next(folder.glob("lib/python3*/site-packages"))
    own = Path(__file__).with_name("image_packages")  # what Azure's images hold and this environment does not
    (packages / "image.pth").write_text(f"{sysconfig.get_path('purelib')}\n{own}\n")
    return folder / "bin" / "python"
