"""Start a loopback Azure by hand: ``python -m tests.azure.loopback [folder]``."""

import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path

from . import LoopbackAzure, names


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "loopback-azure").absolute()
    folder.mkdir(parents=True)
    requested = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: requested.set())
    with LoopbackAzure(folder / "state", folder / "journal.jsonl") as azure:
        azure.warm_up()
        home = folder / "home"
        home.mkdir()
        added = azure.environment(home).items() - os.environ.items()
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(added)]
        (folder / "environment.sh").write_text("".join(lines))
        config = {
            "subscription_id": names.SUBSCRIPTION, "resource_group": names.RESOURCE_GROUP,
            "workspace_name": names.WORKSPACE,
        }  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config))
        print(f"source {folder / 'environment.sh'}\ntail -f {folder / 'journal.jsonl'}", flush=True)
        requested.wait()


main()
