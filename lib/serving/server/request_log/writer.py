"""The process that writes the request log: Parquet files by day, for monitoring.

::

    <endpoint>/requests/day=2026-11-22/v3-<time>.parquet

Each row of a request becomes a row of a file, with the model's columns and, marked by an underscore, ``_time`` (UTC),
``_latency_ms`` and ``_request_id`` of the request, ``_version``, ``_prediction`` and, for classifiers,
``_probability_<class>``. ``pandas.read_parquet`` reads the whole folder as one table.
"""

from __future__ import annotations

import argparse
import contextlib
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

from lib.scoring.model import Model, read_model
from lib.scoring.requests import Limits, RequestParser
from lib.serving.server.request_log import framing

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("lib.serving")
FLUSH_ROWS = 20_000
# Rows that are kept in memory while they cannot be written.
MAX_BUFFERED_ROWS = 100_000
FLUSH_SECONDS = 5
READ_BYTES = 2**20
MAX_QUEUED_READS = 16
# After a short read, pause, so that many small requests are read together.
SHORT_READ_BYTES, PAUSE_SECONDS = 2**16, 0.05
MAX_FILES_PER_DAY = 24  # of one version; then they are merged
MAX_VERSION_LENGTH = 40


class RowBuffer:
    """Rows of one deployment and day, in a list for each column, until they are written to a file.

    Parameters
    ----------
    model : Model
        The deployment's model.
    columns : list of str
        Columns of the model to log; empty for all.
    """

    def __init__(self, model: Model, columns: list[str]):
        self._parse = RequestParser(model.columns, Limits()).parse
        self._columns = [column for column in model.columns if not columns or column.name in columns]
        self._values: dict[str, list] = {column.name: [] for column in self._columns}
        # For each request: time in microseconds since 1970, latency in milliseconds, id, number of rows.
        self._requests: list[tuple[int, float, str, int]] = []
        self._predictions: list = []
        self._probabilities: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._predictions)

    def add(self, timestamp: float, latency_ms: float, request_id: str, body: bytes, content: bytes) -> None:
        """Add the rows of an answered request.

        Parameters
        ----------
        timestamp : float
            Seconds since 1970.
        latency_ms : float
        request_id : str
            The id that the answer returned.
        body, content : bytes
            The request and the answer, as JSON.
        """
        (values, _), answer = self._parse(body), msgspec.json.decode(content)
        for column in self._columns:
            self._values[column.name] += values[column.name]
        self._requests.append((int(timestamp * 1e6), latency_ms, request_id, len(answer["predictions"])))
        self._predictions += answer["predictions"]
        for index, label in enumerate(answer.get("classes") or ()):
            probabilities = [row[index] for row in answer["probabilities"]]
            self._probabilities.setdefault(f"_probability_{label}", []).extend(probabilities)

    def to_table(self, version: str) -> pa.Table:
        """Return the rows as a table."""
        import pyarrow as pa

        arrays = {column.name: column.to_arrow(self._values[column.name]) for column in self._columns}
        times, latencies, identifiers, rows = map(np.array, zip(*self._requests, strict=True))
        extra = {
            "_time": pa.array(np.repeat(times, rows), type=pa.timestamp("us", tz="UTC")),
            "_latency_ms": pa.array(np.repeat(latencies, rows)),
            "_request_id": pa.array(np.repeat(identifiers, rows)),
            "_version": pa.repeat(version, len(self)),
            "_prediction": pa.array(self._predictions),
        }
        extra |= {name: pa.array(values, type=pa.float64()) for name, values in self._probabilities.items()}
        for name, array in extra.items():
            while name in arrays:  # the model has a column of this name
                name = "_" + name
            arrays[name] = array
        return pa.table(arrays)


class RequestLogWriter:
    """Writer of the request log's files.

    Parameters
    ----------
    folder : Path
        The endpoint's folder.
    columns : list of str
        Columns of the model to log; empty for all.
    megabytes : float
        Maximum size of all files together; beyond it, the oldest files are deleted.

    Attributes
    ----------
    trouble : str
        The latest error of `flush`; empty if it succeeded.
    dropped_rows : int
        Number of rows that were dropped because they could not be written for long.
    """

    def __init__(self, folder: Path, columns: list[str], megabytes: float):
        self.folder, self.columns, self.max_bytes = folder, columns, megabytes * 2**20
        self._models: dict[str, Model] = {}
        self._buffers: dict[tuple[str, str, str], RowBuffer] = {}  # by day, version and deployment
        self.trouble = ""
        self.dropped_rows = 0

    def add(self, metadata: list, body: bytes, content: bytes) -> None:
        """Add a request to the rows that the next `flush` writes.

        Parameters
        ----------
        metadata : list
            Time in seconds since 1970, latency in milliseconds, version, deployment, id of the request.
        body, content : bytes
            The request and the answer, as JSON.
        """
        timestamp, latency_ms, version, deployment, request_id = metadata
        key = time.strftime("%Y-%m-%d", time.gmtime(timestamp)), version, deployment
        if key not in self._buffers:
            self._buffers[key] = RowBuffer(self._model(deployment), self.columns)
        self._buffers[key].add(timestamp, latency_ms, request_id, body, content)
        if len(self._buffers[key]) >= FLUSH_ROWS and not self.trouble:
            self.flush()

    def flush(self) -> None:
        """Write all buffered rows, merge small files, and delete the oldest files beyond the size limit.

        Rows that cannot be written, because the disk is full or the folder cannot be written to, stay in memory for the
        next call. If they become too many, the oldest are dropped and counted.
        """
        self.trouble = ""
        for key, rows in list(self._buffers.items()):
            day, version, _ = key
            try:
                self._write_rows(rows, day, version)
                del self._buffers[key]
            except OSError as error:  # pyarrow's errors of writing are of this type, too
                self._note(f"rows cannot be written: {error}")
        try:
            self._delete_oldest()
        except OSError as error:
            self._note(f"old files cannot be deleted: {error}")
        while sum(map(len, self._buffers.values())) > MAX_BUFFERED_ROWS:
            self.dropped_rows += len(self._buffers.pop(next(iter(self._buffers))))

    def state(self) -> dict[str, Any]:
        """Return the state that the router shows: the latest error, and the number of dropped rows."""
        return {"trouble": self.trouble, "dropped_rows": self.dropped_rows}

    def _write_rows(self, rows: RowBuffer, day: str, version: str) -> None:
        folder = self.folder / "requests" / f"day={day}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in version)
        name = name[:MAX_VERSION_LENGTH]
        _write(rows.to_table(version), folder / f"v{name}-{time.time_ns()}.parquet")
        files = sorted(folder.glob(f"v{name}-*.parquet"))
        if len(files) >= MAX_FILES_PER_DAY:
            try:
                _merge(files)
            except OSError as error:  # the rows are written; the files are merged another time
                self._note(f"files cannot be merged: {error}")

    def _note(self, trouble: str) -> None:
        self.trouble = f"The request log in {self.folder / 'requests'}: {trouble}"
        log.error("%s", self.trouble)

    def _delete_oldest(self) -> None:
        files = sorted((self.folder / "requests").glob("day=*/*.parquet"), key=lambda file: file.stat().st_mtime_ns)
        size = sum(file.stat().st_size for file in files)
        for file in files:
            if size <= self.max_bytes:
                break
            size -= file.stat().st_size
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()

    def _model(self, deployment: str) -> Model:
        if deployment not in self._models:
            self._models[deployment] = read_model(self.folder / "deployments" / deployment)
        return self._models[deployment]


def _write(table: pa.Table, path: Path) -> None:
    """Write a file completely or not at all."""
    import pyarrow.parquet as pq

    part = path.with_suffix(".part")
    try:
        pq.write_table(table, part, compression="zstd")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _merge(files: list[Path]) -> None:
    """Merge files into the last of them. A reader may see rows twice while the other files are being deleted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    merged = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files], promote_options="permissive")
    _write(merged, files[-1])
    for file in files[:-1]:
        file.unlink()


def run(source: socket.socket, writer: RequestLogWriter) -> None:
    """Write requests from a socket until the router closes it, and send the writer's state back when it changes."""
    reads: queue.Queue[list[list[bytes]] | None] = queue.Queue(maxsize=MAX_QUEUED_READS)
    threading.Thread(target=_read, args=(source, reads), daemon=True).start()
    flushed_at = time.monotonic()
    requests: list[list[bytes]] | None = []
    sent_state = writer.state()
    while requests is not None:
        try:
            requests = reads.get(timeout=max(0.0, flushed_at + FLUSH_SECONDS - time.monotonic()))
        except queue.Empty:
            requests = []
        for metadata, body, content in requests or ():
            try:
                writer.add(json.loads(metadata), body, content)
            except Exception:
                log.exception("A request could not be logged.")
        if requests is None or time.monotonic() >= flushed_at + FLUSH_SECONDS:
            try:
                writer.flush()
            except Exception:
                log.exception("The request log could not be written.")
            flushed_at = time.monotonic()
        if (state := writer.state()) != sent_state:
            with contextlib.suppress(OSError):  # the router has ended
                source.sendall(json.dumps(state).encode() + b"\n")
            sent_state = state


def _read(source: socket.socket, reads: queue.Queue[list[list[bytes]] | None]) -> None:
    """Read requests from the router in a thread, and put those of each read into a queue; None marks the end."""
    buffer = bytearray()
    while data := source.recv(READ_BYTES):
        buffer += data
        reads.put(list(framing.take(buffer)))
        if len(data) < SHORT_READ_BYTES:
            time.sleep(PAUSE_SECONDS)
    reads.put(None)


def main() -> None:
    """Write the request log of an endpoint. This is the entry point of the log writer's process."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.server.request_log.writer")
    parser.add_argument("folder", type=Path, help="the endpoint's folder")
    parser.add_argument("--source", type=int, required=True, help="descriptor of the socket to the router")
    parser.add_argument("--megabytes", type=float, required=True, help="maximum size of all files together")
    parser.add_argument("--columns", nargs="*", default=[], help="columns of the model to log; by default all")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    os.nice(15)  # clients that wait for an answer come first
    import pyarrow.parquet  # noqa: F401 (takes half a second, spent before the first request)

    with socket.socket(fileno=arguments.source) as source:
        run(source, RequestLogWriter(arguments.folder, arguments.columns, arguments.megabytes))


if __name__ == "__main__":
    main()
