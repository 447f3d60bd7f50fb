"""A process that imports a module once, and then forks a child for each connection.

Notebook kernels, AutoML workers and endpoint workers all spend most of their start on imports. A fork server does that
work once; each child starts in milliseconds and shares the memory of what is loaded.

This file has two halves. `ForkServer` starts a server and asks it for children. Run as a script, by its path, the file
*is* the server::

    python -P lib/forkserver.py <channel> <module> [argument ...]

It imports nothing but the standard library, and ``-P`` keeps ``lib/`` off ``sys.path``. So ``PYTHONPATH`` alone decides
which code the module comes from: a model's worker runs the code that was saved with the model, not this checkout's.

The protocol, over the Unix socket ``channel``:

1. The server imports ``module`` and calls ``module.load(*arguments)``, which returns a `Target`.
2. The server sends one line of JSON: ``{"forks": bool, "facts": {...}}``.
3. For each child the parent sends one byte with one or two descriptors attached: its connection and, optionally,
   a pipe for its exit status. The child writes its process id on the connection (`PID`) and calls ``Target.serve``.
4. When a child ends, the server writes its exit code to the pipe (`STATUS`), negative for a signal.
5. The server exits when the channel is closed. A child has to end when its connection is closed.

If ``forks`` is false, there are no children: the server itself serves one connection after the other.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

PID = struct.Struct("!I")
STATUS = struct.Struct("!i")
# The exit code of a child whose server died before it could report one.
LOST = 255
_REQUEST = b"f"


class Target(Protocol):
    """The object that a module's ``load`` returns; it does the work of a child.

    Attributes
    ----------
    forks : bool
        Whether forking is safe. A process with threads must not fork: a lock that another thread holds at that moment
        stays locked in the child forever.
    facts : dict
        JSON-serializable information for the parent.
    """

    forks: bool
    facts: dict[str, Any]

    def before_fork(self) -> None:
        """Prepare for the next child, in the server."""

    def serve(self, connection: socket.socket) -> None:
        """Serve a connection until it is closed, in the child."""


# The parent's half


@dataclass(frozen=True)
class Ready:
    """The server's announcement that its module is loaded; see `Target` for the fields."""

    forks: bool
    facts: dict[str, Any]


class ForkServer:
    """A fork server, started by this process; it ends when this process does.

    Parameters
    ----------
    module : str
        The module that the server imports.
    arguments : sequence of str
        Arguments of the module's ``load``.
    environment : mapping
        All environment variables of the server. ``PYTHONPATH`` has to lead to the module.
    log : Path, optional
        File to which the server and its children append their output; by default they share this process's output.
    folder : Path, optional
        Working directory; by default this process's.
    new_session : bool
        Whether the server leads a session, and so a process group, of its own.
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
    ):
        self._channel, theirs = socket.socketpair()
        output = log.open("ab") if log else None
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno()), module, *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=new_session,
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
            if output:
                output.close()

    @property
    def has_ended(self) -> bool:
        """Whether the server's process has ended."""
        return self.process.poll() is not None

    def wait_until_ready(self) -> Ready | None:
        """Wait until the module is loaded; None if the server ended instead."""
        line = b""
        while not line.endswith(b"\n"):
            part = self._channel.recv(2**20)
            if not part:
                return None
            line += part
        return Ready(**json.loads(line))

    def fork(self, with_status: bool = False) -> tuple[socket.socket, int]:
        """Ask for a child.

        Parameters
        ----------
        with_status : bool
            Whether the server reports the child's exit code.

        Returns
        -------
        connection : socket
            The connection to the child. The first thing to read is its process id (`PID`), once it is running.
        status : int
            Descriptor from which the exit code can be read (`STATUS`) when the child has ended; -1 without one.

        Raises
        ------
        OSError
            If the server has ended.
        """
        ours, theirs = socket.socketpair()
        status, status_theirs = os.pipe() if with_status else (-1, -1)
        try:
            descriptors = [theirs.fileno(), status_theirs] if with_status else [theirs.fileno()]
            socket.send_fds(self._channel, [_REQUEST], descriptors)
        except BaseException:
            ours.close()
            if with_status:
                os.close(status)
            raise
        finally:
            theirs.close()
            if with_status:
                os.close(status_theirs)
        return ours, status

    def close(self) -> None:
        """Let the server end: it notices that the channel is closed. Its children go on."""
        self._channel.close()

    def terminate(self) -> None:
        """End the server, and wait until it has ended."""
        self.close()
        if not self.has_ended:
            self.process.terminate()
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
    connection : socket
        The connection that the child serves.
    """

    def __init__(self, server: ForkServer):
        self.connection, self._status = server.fork(with_status=True)
        self._lock = threading.Lock()
        self._code: int | None = None
        answer = self.connection.recv(PID.size, socket.MSG_WAITALL)
        if len(answer) < PID.size:
            self.close()
            raise ConnectionError("the fork server ended before it forked a process")
        (self.pid,) = PID.unpack(answer)

    def close(self) -> None:
        """Close the connection, and stop observing the process."""
        with self._lock:
            self.connection.close()
            if self._status >= 0:
                os.close(self._status)
                self._status = -1

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        with self._lock:
            if self._code is None and self._has_ended(0):
                content = os.read(self._status, STATUS.size)
                self._code = STATUS.unpack(content)[0] if len(content) == STATUS.size else LOST
            return self._code

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Wait for the end of the process and return its exit code; None after the timeout."""
        if self.poll() is None:
            self._has_ended(timeout_seconds)
        return self.poll()

    def _has_ended(self, timeout_seconds: float | None) -> bool:
        """Wait until the status pipe can be read: there is an exit code, or the server has ended."""
        return self._status >= 0 and bool(select.select([self._status], [], [], timeout_seconds)[0])

    def send_signal(self, signum: int) -> None:
        """Send a signal; SIGKILL goes to the whole process group, and so to processes that the child started."""
        if self.poll() is None:
            try:
                # Before it has called setsid the child has no group of its own.
                os.killpg(self.pid, signum) if signum == signal.SIGKILL else os.kill(self.pid, signum)
            except ProcessLookupError:
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End the process and those it started at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the process to clean up and end."""
        self.send_signal(signal.SIGTERM)


# The server's half


class _Server:
    """The loop of the server's process."""

    def __init__(self, channel: socket.socket, target: Target):
        self._channel, self._target = channel, target
        self._children: dict[int, int] = {}  # process id -> descriptor of the status pipe, or -1
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> None:
        """Fork a child for each request, until the parent is gone."""
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)  # without a handler, nothing is written to wake us
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._channel, self._wake_read], [], [])
            if self._wake_read in readable:
                os.read(self._wake_read, 4096)
                self._report_ended_children()
            if self._channel in readable:
                try:
                    message, descriptors, _, _ = socket.recv_fds(self._channel, len(_REQUEST), 2)
                except ConnectionResetError:  # the client ended without reading everything
                    return
                if not message:
                    return
                self._answer(socket.socket(fileno=descriptors[0]), descriptors[1] if len(descriptors) > 1 else -1)

    def _answer(self, connection: socket.socket, status: int) -> None:
        if not self._target.forks:
            _report(status, _serve(self._target, connection))
            return
        try:
            _without_collecting(self._target.before_fork)
            pid = os.fork()
        except Exception:
            traceback.print_exc()
            connection.close()
            _report(status, LOST)
            return
        if pid == 0:
            self._be_child(connection, status)
        self._children[pid] = status
        connection.close()

    def _be_child(self, connection: socket.socket, status: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._channel.close()
            pipes = [self._wake_read, self._wake_write, status, *self._children.values()]
            for descriptor in (descriptor for descriptor in pipes if descriptor >= 0):
                os.close(descriptor)
            code = _serve(self._target, connection)
        finally:
            os._exit(code)  # cleaning up is the server's business

    def _report_ended_children(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                _report(self._children.pop(pid), os.waitstatus_to_exitcode(status))


def _serve(target: Target, connection: socket.socket) -> int:
    """Serve a connection, and return the exit code with which Python would end after the same result."""
    try:
        with connection:
            connection.sendall(PID.pack(os.getpid()))
            target.serve(connection)
        return 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
    except (BrokenPipeError, ConnectionResetError):
        return 0  # the parent closed the connection while an answer was under way
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 1


def _report(status: int, code: int) -> None:
    """Write an exit code to a status pipe, if there is one."""
    if status >= 0:
        try:
            os.write(status, STATUS.pack(code))
        except BrokenPipeError:
            pass  # nobody reads it any more
        os.close(status)


def _without_collecting(load: Any, *arguments: str) -> Any:
    """Call a function without garbage collection, then freeze what it loaded.

    Collecting would look through thousands of modules and find no garbage. Frozen objects are never looked at again,
    so that children do not copy their memory pages.
    """
    gc.disable()
    try:
        return load(*arguments)
    finally:
        gc.freeze()
        gc.enable()


def main() -> None:
    """Be a fork server."""
    descriptor, module, *arguments = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the parent
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)  # programs that the module starts must not hold it open

    def load(*arguments: str) -> Target:
        return importlib.import_module(module).load(*arguments)

    target: Target = _without_collecting(load, *arguments)
    channel.sendall(json.dumps({"forks": target.forks, "facts": target.facts}).encode() + b"\n")
    _Server(channel, target).run()


if __name__ == "__main__":
    main()
