"""A process that imports a module once, and forks a child for each connection.

Notebook kernels, AutoML workers and endpoint workers all spend most of their start on imports. A fork server imports
once. Each child starts in milliseconds and shares the memory of the imported modules.

::

    client.py   starts a server and requests children
    server.py   the program that the server runs, and the protocol
"""

from lib.forkserver.client import ForkedProcess, ForkServer
from lib.forkserver.server import PID, Options

__all__ = ["PID", "ForkServer", "ForkedProcess", "Options"]
