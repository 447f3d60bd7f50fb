"""What was asked and answered, kept for monitoring: Parquet files by day, written by a process of their own.

::

    <endpoint>/requests/day=2026-11-22/v3-<time>.parquet

A row of a file is a row that was asked: the model's columns, and beside them, with an underscore before their names,
``_time`` (UTC), ``_latency_ms`` of its request, ``_version``, ``_prediction`` and, of a classifier,
``_probability_<class>``.
``pandas.read_parquet`` reads the folder as one table.

What is taken stays as plain lists until it is written: to make an Arrow table of each request took longer than to
answer it, and what this process does, the workers feel on a machine of few cores.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lib.scoring.model import Model, read
from lib.scoring.requests import Limits, Reader
from lib.serving.server.request_log import framing

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("lib.serving")
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 5
READ_BYTES = 2**20
# How many times that may wait to be taken.
MOST_READ = 16
# Less than this at once, and there is time for more to come.
FEW_BYTES, NAP_SECONDS = 2**16, 0.05
# A day's files of one version are joined when there are this many.
MOST_FILES = 24


class Rows:
    """Rows of one deployment and day, column by column, until they are written.

    Parameters
    ----------
    model : Model
        What the deployment's folder says of it.
    columns : list of str
        Of the model that are kept; empty: all.
    """

    def __init__(self, model: Model, columns: list[str]):
        self._read = Reader(model.columns, Limits()).read
        self._kept = [column for column in model.columns if not columns or column.name in columns]
        self._values: dict[str, list] = {column.name: [] for column in self._kept}
        # Of each request: when in microseconds, milliseconds of its answer, and its rows.
        self._requests: list[tuple[int, float, int]] = []
        self._predictions: list = []
        self._probabilities: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._predictions)

    def take(self, moment: float, milliseconds: float, body: bytes, content: bytes) -> None:
        """Add the rows of a request that was answered."""
        values, answer = self._read(body), msgspec.json.decode(content)
        for column in self._kept:
            self._values[column.name] += values[column.name]
        self._requests.append((int(moment * 1e6), milliseconds, len(answer["predictions"])))
        self._predictions += answer["predictions"]
        for place, one in enumerate(answer.get("classes") or ()):
            chances = [row[place] for row in answer["probabilities"]]
            self._probabilities.setdefault(f"_probability_{one}", []).extend(chances)

    def table(self, version: str) -> pa.Table:
        """The rows as they are written."""
        import pyarrow as pa

        arrays = {column.name: column.arrow(self._values[column.name]) for column in self._kept}
        times, latencies, rows = map(np.array, zip(*self._requests, strict=True))
        extra = {
            "_time": pa.array(np.repeat(times, rows), type=pa.timestamp("us", tz="UTC")),
            "_latency_ms": pa.array(np.repeat(latencies, rows)),
            "_version": pa.repeat(version, len(self)),
            "_prediction": pa.array(self._predictions),
        }
        extra |= {name: pa.array(chances, type=pa.float64()) for name, chances in self._probabilities.items()}
        for name, array in extra.items():
            while name in arrays:  # a column of the model bears it
                name = "_" + name
            arrays[name] = array
        return pa.table(arrays)


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
        self._taken: dict[tuple[str, str, str], Rows] = {}

    def take(self, about: list, body: bytes, content: bytes) -> None:
        """Turn a request into rows, to be written with the next ones."""
        moment, milliseconds, version, deployment = about
        key = time.strftime("%Y-%m-%d", time.gmtime(moment)), version, deployment
        if key not in self._taken:
            self._taken[key] = Rows(self._model(deployment), self.columns)
        self._taken[key].take(moment, milliseconds, body, content)
        if sum(map(len, self._taken.values())) >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken, join small files, and let the oldest go."""
        taken, self._taken = self._taken, {}
        for (day, version, _), rows in taken.items():
            folder = self.folder / "requests" / f"day={day}"
            folder.mkdir(parents=True, exist_ok=True)
            name = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in version)[:40]
            _write(rows.table(version), folder / f"v{name}-{time.time_ns()}.parquet")
            files = sorted(folder.glob(f"v{name}-*.parquet"))
            if len(files) >= MOST_FILES:
                _join(files)
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


def run(source: socket.socket, recorder: Recorder) -> None:
    """Take requests until the router hangs up."""
    taken: queue.Queue[list[list[bytes]] | None] = queue.Queue(maxsize=MOST_READ)
    threading.Thread(target=_read, args=(source, taken), daemon=True).start()
    written, requests = time.monotonic(), []
    while requests is not None:
        try:
            requests = taken.get(timeout=max(0.0, written + FLUSH_SECONDS - time.monotonic()))
        except queue.Empty:
            requests = []
        for about, body, content in requests or ():
            try:
                recorder.take(json.loads(about), body, content)
            except Exception:
                log.exception("A request could not be kept.")
        if requests is None or time.monotonic() >= written + FLUSH_SECONDS:
            recorder.flush()
            written = time.monotonic()


def _read(source: socket.socket, taken: queue.Queue) -> None:
    buffer = bytearray()
    while data := source.recv(READ_BYTES):
        buffer += data
        taken.put(list(framing.take(buffer)))
        if len(data) < FEW_BYTES:
            time.sleep(NAP_SECONDS)  # to wake for each of many small requests would take a core's time from the workers
    taken.put(None)


def main() -> None:
    """Keep requests until told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.server.request_log.writer")
    parser.add_argument("folder", type=Path, help="of the endpoint")
    parser.add_argument("--source", type=int, required=True, help="descriptor of the socket to the router")
    parser.add_argument("--megabytes", type=float, required=True, help="what all files may take")
    parser.add_argument("--columns", nargs="*", default=[], help="of the model that are kept; none: all")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    os.nice(15)  # whoever waits for an answer comes first
    import pyarrow.parquet  # noqa: F401 (half a second of work, done before there is any other)

    with socket.socket(fileno=given.source) as source:
        run(source, Recorder(given.folder, given.columns, given.megabytes))


if __name__ == "__main__":
    main()
