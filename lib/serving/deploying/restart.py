"""Starting and stopping an endpoint of this machine by its folder alone, as the system does when it starts.

::

    python -m lib.serving.deploying.restart <folder> <name> start|stop
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lib.errors import EndpointError
from lib.serving.deploying.endpoint import LocalEndpoint


def main() -> None:
    """Start or stop an endpoint. This is the entry point of a systemd unit."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.deploying.restart")
    parser.add_argument("folder", type=Path, help="the endpoint's folder")
    parser.add_argument("name", help="the endpoint's name")
    parser.add_argument("action", choices=("start", "stop"))
    arguments = parser.parse_args()
    endpoint = LocalEndpoint(arguments.folder, arguments.name)
    try:
        status = endpoint.start() if arguments.action == "start" else endpoint.stop()
    except EndpointError as error:
        sys.exit(str(error))
    print(f"{status.name}: {status.state} {status.url}")


if __name__ == "__main__":
    main()
