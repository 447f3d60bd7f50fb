"""What was asked and answered, kept for monitoring: Parquet files by day, written by a process of their own.

::

    <endpoint>/requests/day=2026-11-22/v3-<time>.parquet

A row of a file is a row that was asked: the model's columns, and beside them, with an underscore before their names,
``_time`` (UTC), ``_latency_ms`` of its request, ``_version``, ``_prediction`` and, of a classifier,
``_probability_<class>``.
``pandas.read_parquet`` reads the folder as one table.

The router hands a request on once its answer is sent, and only where what it handed on before has been taken: else
the request is dropped and counted. So however slow the disk is, no answer waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import queue
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from lib.paths import ROOT
from lib.serving.model import Model, read
from lib.serving.requests import Limits, read_table
from lib.serving.traffic import Answered

log = logging.getLogger("lib.serving")
# Lengths of what follows: when, by whom and how fast; the body; the answer.
HEAD = struct.Struct("!III")
MOST_PENDING_BYTES = 8 * 2**20
PAUSE_SECONDS = 10
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 5
END_SECONDS = 5
# A day's files of one version are joined when there are this many.
MOST_FILES = 24


class Keeper(asyncio.Protocol):
    """The router's side: hands requests on, or drops them.

    Parameters
    ----------
    folder : Path
        Of the endpoint.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._wanted: dict[str, Any] = {"on": False}
        self._lost_at = 0.0
        self._starting: asyncio.Task | None = None
        self.counts = {"handed_on": 0, "dropped": 0}

    async def use(self, wanted: dict[str, Any]) -> None:
        """Keep requests from now on, or no more: ``on``, ``columns`` (empty: all) and ``megabytes``."""
        asked = {key: wanted[key] for key in ("on", "columns", "megabytes") if key in wanted}
        if asked == self._wanted and self._transport is not None:
            return
        self._wanted = asked
        if self._transport is not None:
            self._transport.close()  # that process writes what it has, and ends by itself
            self._transport = None
        if self._wanted["on"]:
            await self._start()

    def keep(self, body: bytes, answered: Answered) -> None:
        """Hand a request on, or drop it: never wait."""
        if not self._wanted["on"]:
            return
        if self._transport is None or self._transport.get_write_buffer_size() > MOST_PENDING_BYTES:
            self.counts["dropped"] += 1
            if self._transport is None and self._starting is None and time.monotonic() > self._lost_at + PAUSE_SECONDS:
                self._starting = asyncio.ensure_future(self._start())
            return
        about = [time.time(), 1000 * answered.seconds, answered.pool.version, answered.pool.folder.name]
        told = json.dumps(about).encode()
        content = answered.answer.content
        self._transport.write(b"".join([HEAD.pack(len(told), len(body), len(content)), told, body, content]))
        self.counts["handed_on"] += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process is there, or will be; until then the socket holds what it is sent."""
        self._transport = transport
        transport.set_write_buffer_limits(high=2 * MOST_PENDING_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has died, or was told to end."""
        if self._transport is None or self._transport.is_closing():
            self._transport, self._lost_at = None, time.monotonic()

    async def end(self) -> None:
        """Let the process write what it has, and end; where that takes long, it does so without this one."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_SECONDS)

    async def _start(self) -> None:
        try:
            ours, theirs = socket.socketpair()
            command = [
                sys.executable,
                "-m",
                "lib.serving.recorder",
                str(self._folder),
                "--source",
                str(theirs.fileno()),
            ]
            command += ["--megabytes", str(self._wanted["megabytes"]), "--columns", *self._wanted["columns"]]
            with theirs, (self._folder / "endpoint.log").open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                )
            ours.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        finally:
            self._starting = None


class Recorder:
    """Writes rows to files.

    Parameters
    ----------
    folder : Path
        Of the endpoint.
    columns : list of str
        Of the model that are kept; empty: all.
    megabytes : float
        What all files may take; beyond it the oldest go.
    """

    def __init__(self, folder: Path, columns: list[str], megabytes: float):
        self.folder, self.columns, self.most = folder, columns, megabytes * 2**20
        self._models: dict[str, Model] = {}
        self._tables: dict[tuple[str, str], list] = {}
        self._rows = 0

    def take(self, about: list, body: bytes, content: bytes) -> None:
        """Turn a request into rows, to be written with the next ones."""
        import pyarrow as pa

        moment, milliseconds, version, deployment = about
        model = self._model(deployment)
        values = read_table(body, model.columns, Limits())
        answer = json.loads(content)
        kept = [column for column in model.columns if not self.columns or column.name in self.columns]
        rows = len(answer["predictions"])
        arrays = {column.name: column.arrow(values[column.name]) for column in kept}
        extra = {
            "_time": pa.array([int(moment * 1e6)] * rows, type=pa.timestamp("us", tz="UTC")),
            "_latency_ms": pa.array([milliseconds] * rows, type=pa.float64()),
            "_version": pa.array([version] * rows, type=pa.string()),
            "_prediction": pa.array(answer["predictions"]),
        }
        for place, one in enumerate(answer.get("classes") or []):
            extra[f"_probability_{one}"] = pa.array([row[place] for row in answer["probabilities"]], type=pa.float64())
        for name, array in extra.items():
            while name in arrays:  # a column of the model bears it
                name = "_" + name
            arrays[name] = array
        day = time.strftime("%Y-%m-%d", time.gmtime(moment))
        self._tables.setdefault((day, version), []).append(pa.table(arrays))
        self._rows += rows
        if self._rows >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken, join small files, and let the oldest go."""
        import pyarrow as pa

        for (day, version), tables in self._tables.items():
            folder = self.folder / "requests" / f"day={day}"
            folder.mkdir(parents=True, exist_ok=True)
            name = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in version)[:40]
            _write(pa.concat_tables(tables, promote_options="permissive"), folder / f"v{name}-{time.time_ns()}.parquet")
            files = sorted(folder.glob(f"v{name}-*.parquet"))
            if len(files) >= MOST_FILES:
                _join(files)
        self._tables, self._rows = {}, 0
        self._let_go()

    def _let_go(self) -> None:
        files = sorted((self.folder / "requests").glob("day=*/*.parquet"), key=lambda file: file.stat().st_mtime_ns)
        size = sum(file.stat().st_size for file in files)
        for file in files:
            if size <= self.most:
                break
            size -= file.stat().st_size
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()

    def _model(self, deployment: str) -> Model:
        if deployment not in self._models:
            self._models[deployment] = read(self.folder / "deployments" / deployment)
        return self._models[deployment]


def _write(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    part = path.with_suffix(".part")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


def _join(files: list[Path]) -> None:
    """One file of several; the last keeps its name, so that no reader finds rows twice for longer than a moment."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files], promote_options="permissive")
    _write(whole, files[-1])
    for file in files[:-1]:
        file.unlink()


def run(source: BinaryIO, recorder: Recorder) -> None:
    """Take requests until the router hangs up."""
    taken: queue.Queue[list[bytes] | None] = queue.Queue(maxsize=100)
    threading.Thread(target=_read, args=(source, taken), daemon=True).start()
    written, pieces = time.monotonic(), []
    while pieces is not None:
        try:
            pieces = taken.get(timeout=max(0.0, written + FLUSH_SECONDS - time.monotonic()))
            if pieces is not None:
                recorder.take(json.loads(pieces[0]), *pieces[1:])
        except queue.Empty:
            pieces = []
        except Exception:
            log.exception("A request could not be kept.")
        if pieces is None or time.monotonic() >= written + FLUSH_SECONDS:
            recorder.flush()
            written = time.monotonic()


def _read(source: BinaryIO, taken: queue.Queue) -> None:
    while len(head := source.read(HEAD.size)) == HEAD.size:
        taken.put([source.read(length) for length in HEAD.unpack(head)])
    taken.put(None)


def main() -> None:
    """Keep requests until told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.recorder")
    parser.add_argument("folder", type=Path, help="of the endpoint")
    parser.add_argument("--source", type=int, required=True, help="descriptor of the socket to the router")
    parser.add_argument("--megabytes", type=float, required=True, help="what all files may take")
    parser.add_argument("--columns", nargs="*", default=[], help="of the model that are kept; none: all")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    os.nice(15)  # whoever waits for an answer comes first
    with socket.socket(fileno=given.source) as connection, connection.makefile("rb") as source:
        run(source, Recorder(given.folder, given.columns, given.megabytes))


if __name__ == "__main__":
    main()
