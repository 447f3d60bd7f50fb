"""Errors of the client of a router's control socket."""

import sys

import pytest

from lib.errors import EndpointError
from lib.serving import process
from lib.serving.deploying.control_client import ControlClient, make_control_socket

ROUTER = """
import os, signal, socket, sys
connection, _ = socket.socket(fileno=int(sys.argv[1])).accept()
connection.recv(100)
"""


@pytest.mark.parametrize(
    ("last_line", "ending"),
    [("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"), ("sys.exit(7)", "exit code 7")],
)
def test_error_says_how_the_router_ended(tmp_path, last_line, ending):
    with make_control_socket() as control:
        command = [sys.executable, "-c", ROUTER + last_line, str(control.fileno())]
        pid = process.start(command, tmp_path, tmp_path / "endpoint.log", {}, [control.fileno()])
        with ControlClient(control.getsockname(), pid=pid) as client:
            with pytest.raises(EndpointError, match=rf"the endpoint's process ended \({ending}\)"):
                client.command("state")
