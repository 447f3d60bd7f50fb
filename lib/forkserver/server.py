"""The program of a fork server, and the protocol between it and its client.

::

    python lib/forkserver/server.py <channel> <options> <module> [argument ...]

The program imports the standard library only, and removes this folder from ``sys.path``. Thus ``PYTHONPATH`` alone
decides where the module comes from: a model's worker runs the code that was saved with the model, not the code of this
checkout.

The protocol, over the Unix socket whose descriptor is ``channel``:

1. The server imports ``module`` and calls ``module.load(*arguments)``, which returns a `Target`.
2. The server sends one line of JSON: ``{"can_fork": bool, "facts": {...}}``.
3. For each child the client sends `REQUEST` with one or two descriptors attached: the child's connection and,
   optionally, a pipe for its exit code. The child sends its process id (`PID`) on the connection and calls
   ``Target.serve``.
4. When a child ends, the server writes its exit code (`STATUS`) to the pipe, negative for a signal.
5. The server exits when the channel is closed. A child has to end when its connection is closed.

If ``can_fork`` is false, there are no children: the server itself serves one connection after the other.

``options`` is the JSON of :class:`Options`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

REQUEST = b"f"
PID = struct.Struct("!I")
STATUS = struct.Struct("!i")
# The exit code of a child whose server ended before it could report one.
LOST = 255
_GRACE_SECONDS = 2.0  # for children to end by themselves
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, see prctl(2)

Result = TypeVar("Result")


class Options(NamedTuple):
    """Options of a server.

    Attributes
    ----------
    code : str
        Folder from which only source files are imported; empty if there is none.
    bytecode : str
        Folder for the compiled code of `code`. Compiled code beside the source files is never used.
    ends_children : bool
        Whether the server ends when its parent dies, even while it loads the module, and then ends its children.
    """

    code: str = ""
    bytecode: str = ""
    ends_children: bool = False


class Target(Protocol):
    """The object that a module's ``load`` returns; it does the work of a child.

    Attributes
    ----------
    can_fork : bool
        Whether forking is safe. A process with threads must not fork, because a lock that another thread holds during
        the fork stays locked in the child forever.
    facts : dict
        JSON-serializable information for the client.
    """

    can_fork: bool
    facts: dict[str, Any]

    def before_fork(self) -> None:
        """Prepare for the next child, in the server."""

    def serve(self, connection: socket.socket) -> None:
        """Serve a connection until it is closed, in the child."""


class Server:
    """The loop of the server's process.

    Parameters
    ----------
    channel : socket.socket
        The connection to the client.
    target : Target
    ends_children : bool
        Whether the children are ended when the channel is closed.
    """

    def __init__(self, channel: socket.socket, target: Target, ends_children: bool = False):
        self._channel, self._target, self._ends_children = channel, target, ends_children
        self._can_fork = can_fork(target)
        self._status_pipes: dict[int, int] = {}  # by process id of the running children; -1 without a pipe
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> None:
        """Fork a child for each request, until the client closes the channel."""
        try:
            self._serve_requests()
        finally:
            if self._ends_children:
                self._end_children()

    def _serve_requests(self) -> None:
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        # Python writes to the wake-up pipe only for signals that have a handler.
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._channel, self._wake_read], [], [])
            if self._wake_read in readable:
                os.read(self._wake_read, 4096)
                self._report_ended_children()
            if self._channel in readable:
                try:
                    request, descriptors, _, _ = socket.recv_fds(self._channel, len(REQUEST), 2)
                except ConnectionResetError:  # the client ended without reading everything
                    return
                if not request:
                    return
                self._start_child(socket.socket(fileno=descriptors[0]), descriptors[1] if len(descriptors) > 1 else -1)

    def _start_child(self, connection: socket.socket, status_pipe: int) -> None:
        """Fork a child that serves a connection. If the target must not fork, serve the connection in this process."""
        if not self._can_fork:
            _report(status_pipe, _serve(self._target, connection))
            return
        try:
            _without_gc(self._target.before_fork)
            pid = os.fork()
        except Exception:
            traceback.print_exc()
            connection.close()
            _report(status_pipe, LOST)
            return
        if pid == 0:
            self._run_child(connection, status_pipe)
        self._status_pipes[pid] = status_pipe
        connection.close()

    def _run_child(self, connection: socket.socket, status_pipe: int) -> NoReturn:
        """In the child, close the server's descriptors, reset its signal handlers, serve a connection, and exit."""
        exit_code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._channel.close()
            if self._ends_children:
                os.setpgid(0, 0)  # so that processes that the child starts can be killed with it
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            pipes = [self._wake_read, self._wake_write, status_pipe, *self._status_pipes.values()]
            for descriptor in (descriptor for descriptor in pipes if descriptor >= 0):
                os.close(descriptor)
            exit_code = _serve(self._target, connection)
        finally:
            os._exit(exit_code)  # without the exit handlers, which belong to the server

    def _end_children(self) -> None:
        """Give the children time to end, then kill the process groups of the others."""
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._status_pipes and time.monotonic() < deadline:
            time.sleep(0.02)
            self._report_ended_children()
        for pid in self._status_pipes:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has just ended

    def _report_ended_children(self) -> None:
        """Report the exit code of each child that has ended."""
        for pid in list(self._status_pipes):
            ended_pid, wait_status = os.waitpid(pid, os.WNOHANG)
            if ended_pid:
                _report(self._status_pipes.pop(pid), os.waitstatus_to_exitcode(wait_status))


def can_fork(target: Target) -> bool:
    """Return whether forking is safe. In the code of older models, the attribute is called ``forks``."""
    return getattr(target, "can_fork", getattr(target, "forks", False))


def _serve(target: Target, connection: socket.socket) -> int:
    """Send the process id, serve the connection, and return the exit code that Python would use for the outcome."""
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
        return 0  # the client closed the connection before it had received everything
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 1


def _report(status_pipe: int, exit_code: int) -> None:
    """Write an exit code to a status pipe, if there is one, and close the pipe."""
    if status_pipe >= 0:
        try:
            os.write(status_pipe, STATUS.pack(exit_code))
        except BrokenPipeError:
            pass  # the client has closed the pipe
        os.close(status_pipe)


def _without_gc(function: Callable[[], Result]) -> Result:
    """Call a function without garbage collection, then freeze all objects.

    A collection would visit the objects of thousands of modules and find no garbage. The collector ignores frozen
    objects, so that children do not copy their memory pages.
    """
    gc.disable()
    try:
        return function()
    finally:
        gc.freeze()
        gc.enable()


def _import_sources_only(code: str, bytecode: str) -> None:
    """Call `source_imports.import_sources_only`, from the file beside this one rather than from ``PYTHONPATH``."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "source_imports.py")
    specification = importlib.util.spec_from_file_location("source_imports", path)
    assert specification is not None and specification.loader is not None  # the file exists
    source_imports = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(source_imports)
    source_imports.import_sources_only(code, bytecode)


def _set_parent_death_signal(signum: int) -> None:
    """Have the kernel send a signal to this process when its parent dies; 0 for none. Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signum, 0, 0, 0)


def _is_closed(channel: socket.socket) -> bool:
    """Return whether the client has closed the channel."""
    readable, _, _ = select.select([channel], [], [], 0)
    return bool(readable) and not channel.recv(1, socket.MSG_PEEK)


def main() -> None:
    """Run a fork server. This is the entry point of the server's process."""
    # Not with the option -P, which children would pass on to the processes that they start.
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != folder]
    descriptor, options_json, module, *arguments = sys.argv[1:]
    options = Options(**json.loads(options_json))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the client
    # A copy has the lowest free number, since `select` takes none above 1023. It is not inheritable: programs that the
    # module starts must not hold the channel open.
    channel = socket.socket(fileno=os.dup(int(descriptor)))
    os.close(int(descriptor))
    if options.ends_children:
        os.setpgid(0, 0)
        _set_parent_death_signal(signal.SIGKILL)
        if _is_closed(channel):  # the parent died before the signal was set
            return
    if options.code:
        _import_sources_only(options.code, options.bytecode)
    target: Target = _without_gc(lambda: importlib.import_module(module).load(*arguments))
    channel.sendall(json.dumps({"can_fork": can_fork(target), "facts": target.facts}).encode() + b"\n")
    if options.ends_children:
        _set_parent_death_signal(0)  # from now on, the server notices that the channel is closed
        if can_fork(target):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it first ends its children
    Server(channel, target, options.ends_children).run()


if __name__ == "__main__":
    main()
