"""The client of a fork server, which starts the server, requests children, and observes them."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lib.forkserver import server
from lib.forkserver.server import LOST, PID, REQUEST, STATUS, Options

_END_SECONDS = 5


@dataclass(frozen=True)
class Ready:
    """The server's announcement that its module is loaded; see `server.Target` for the fields."""

    can_fork: bool
    facts: dict[str, Any]


class Child(NamedTuple):
    """A child that was requested and may not run yet.

    Attributes
    ----------
    connection : socket.socket
        The connection to the child, which first sends its process id (`PID`).
    status_pipe : int
        Descriptor of a pipe that contains the exit code (`STATUS`) when the child has ended; -1 without a pipe.
    """

    connection: socket.socket
    status_pipe: int


class ForkServer:
    """A fork server. This process starts it, and it ends when this process ends.

    Parameters
    ----------
    module : str
        The module that the server imports.
    arguments : sequence of str
        Arguments of the module's ``load``.
    environment : mapping
        All environment variables of the server. ``PYTHONPATH`` has to contain the folder of the module's package.
    log : Path, optional
        File to which the server and its children append their output; by default they share this process's output.
    folder : Path, optional
        Working directory; by default this process's.
    new_session : bool
        Whether the server leads a session, and so a process group, of its own.
    options : Options
        Options of the server's program.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str],
        log: Path | None = None,
        folder: Path | None = None,
        new_session: bool = False,
        options: Options = Options(),  # noqa: B008 (immutable)
    ):
        self._channel, server_end = socket.socketpair()
        output = log.open("ab") if log else None
        options_json = json.dumps(options._asdict())
        try:
            self.process = subprocess.Popen(
                [sys.executable, server.__file__, str(server_end.fileno()), options_json, module, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[server_end.fileno()],
                start_new_session=new_session,
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            server_end.close()
            if output:
                output.close()

    @property
    def has_ended(self) -> bool:
        """Whether the server's process has ended."""
        return self.process.poll() is not None

    def wait_until_ready(self) -> Ready | None:
        """Wait until the module is loaded. Return None if the server ended before that."""
        line = b""
        while not line.endswith(b"\n"):
            part = self._channel.recv(2**20)
            if not part:
                return None
            line += part
        return Ready(**json.loads(line))

    def fork(self, with_status: bool = False) -> Child:
        """Request a child, without waiting for the fork.

        Parameters
        ----------
        with_status : bool
            Whether the server reports the exit code through ``status_pipe``.

        Raises
        ------
        OSError
            If the server has ended.
        """
        connection, child_end = socket.socketpair()
        status_pipe, server_end = os.pipe() if with_status else (-1, -1)
        try:
            descriptors = [child_end.fileno(), server_end] if with_status else [child_end.fileno()]
            socket.send_fds(self._channel, [REQUEST], descriptors)
        except BaseException:
            connection.close()
            if with_status:
                os.close(status_pipe)
            raise
        finally:
            child_end.close()
            if with_status:
                os.close(server_end)
        return Child(connection, status_pipe)

    def close(self) -> None:
        """Close the channel, so that the server ends. Its children continue."""
        self._channel.close()

    def terminate(self) -> None:
        """End the server, and wait until it has ended; kill it if it does not react."""
        self.close()
        if not self.has_ended:
            self.process.terminate()
            try:
                self.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class ForkedProcess:
    """A child of a fork server, with the methods of `subprocess.Popen` that kernel provisioners call.

    Parameters
    ----------
    server : ForkServer

    Attributes
    ----------
    pid : int
        Process id of the child.
    connection : socket.socket
        The connection that the child serves.
    is_lost : bool
        Whether the server ended before the child, so that the exit code cannot be known.

    Raises
    ------
    ConnectionError
        If the server ends before it has forked the child.
    """

    def __init__(self, server: ForkServer):
        self.connection, self._status_pipe = server.fork(with_status=True)
        self._lock = threading.Lock()
        self._exit_code: int | None = None
        self.is_lost = False
        packed_pid = self.connection.recv(PID.size, socket.MSG_WAITALL)
        if len(packed_pid) < PID.size:
            self.close()
            raise ConnectionError("the fork server ended before it forked a process")
        (self.pid,) = PID.unpack(packed_pid)

    def close(self) -> None:
        """Close the connection, and stop observing the process."""
        with self._lock:
            self.connection.close()
            if self._status_pipe >= 0:
                os.close(self._status_pipe)
                self._status_pipe = -1

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        with self._lock:
            if self._exit_code is None and self._wait_for_status(0):
                status = os.read(self._status_pipe, STATUS.size)
                self.is_lost = len(status) < STATUS.size
                self._exit_code = LOST if self.is_lost else STATUS.unpack(status)[0]
            return self._exit_code

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Wait for the end of the process and return its exit code; None after the timeout."""
        if self.poll() is None:
            self._wait_for_status(timeout_seconds)
        return self.poll()

    def _wait_for_status(self, timeout_seconds: float | None) -> bool:
        """Wait until the status pipe is readable, which means that the child or the server has ended.

        Returns
        -------
        bool
            False after the timeout, or if the pipe is closed.
        """
        if self._status_pipe < 0:
            return False
        poll = select.poll()  # `select.select` takes no descriptor above 1023
        poll.register(self._status_pipe, select.POLLIN)
        return bool(poll.poll(None if timeout_seconds is None else 1000 * timeout_seconds))

    def send_signal(self, signum: int) -> None:
        """Send a signal. SIGKILL also reaches the processes that the child started, which are in its process group."""
        if self.poll() is None:
            try:
                os.killpg(self.pid, signum) if signum == signal.SIGKILL else os.kill(self.pid, signum)
            except ProcessLookupError:  # there is no such group until the child has called setsid
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """Kill the process and those it started."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to clean up and end."""
        self.send_signal(signal.SIGTERM)
