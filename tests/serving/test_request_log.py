"""The request log: what cannot be written is kept, told, and written later."""

import asyncio
import json
import shutil
import socket
import threading
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from lib.scoring.scorer import Scorer
from lib.serving.server.request_log import framing, writer
from lib.serving.server.request_log.client import RequestLogClient
from lib.serving.server.request_log.writer import RequestLogWriter, run
from tests.served_models import ROW

NOON = 1_780_000_000.0


@pytest.fixture
def log(models, tmp_path):
    """Return a writer of an endpoint with one deployment."""
    shutil.copytree(models / "classifier", tmp_path / "deployments" / "1-a" / "model")
    return RequestLogWriter(tmp_path, [], 100)


@pytest.fixture(scope="module")
def request_and_answer(models):
    body = json.dumps({"data": [ROW]}).encode()
    return body, json.dumps(Scorer.from_folder(models / "classifier", "m", "1").score(body)).encode()


def add(log, request_and_answer, times=1, day=0):
    for _ in range(times):
        log.add([NOON + 86_400 * day, 1.5, "1", "1-a", "id-1"], *request_and_answer)


def written_rows(log):
    return sum(len(pd.read_parquet(file)) for file in log.folder.glob("requests/day=*/*.parquet"))


def block(log):
    """Make the folder of the log impossible to create, for root as well."""
    (log.folder / "requests").write_text("a file in place of the folder")


def test_rows_are_kept_while_the_folder_cannot_be_written(log, request_and_answer):
    block(log)
    add(log, request_and_answer, 3)
    log.flush()
    assert "rows cannot be written" in log.state()["trouble"]
    add(log, request_and_answer, 2)
    log.flush()
    (log.folder / "requests").unlink()
    log.flush()
    assert written_rows(log) == 5 and log.state() == {"trouble": "", "dropped_rows": 0}


def test_full_disk_leaves_no_unfinished_file_and_loses_nothing(log, request_and_answer, monkeypatch):
    import pyarrow.parquet as pq

    write_table = pq.write_table

    def run_out_of_space(table, path, **options):
        path.write_bytes(b"PAR1 and half of the rows")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", run_out_of_space)
    add(log, request_and_answer, 4)
    log.flush()
    assert "No space left" in log.state()["trouble"]
    assert not [path for path in log.folder.glob("requests/**/*") if path.is_file()]
    monkeypatch.setattr(pq, "write_table", write_table)
    log.flush()
    assert written_rows(log) == 4 and not log.state()["trouble"]


def test_one_day_that_cannot_be_written_does_not_keep_others(log, request_and_answer):
    add(log, request_and_answer, 1)
    log.flush()
    blocked = log.folder / "requests" / time.strftime("day=%Y-%m-%d", time.gmtime(NOON + 86_400))
    blocked.write_text("")
    add(log, request_and_answer, 2, day=1)
    add(log, request_and_answer, 3, day=2)
    log.flush()
    assert written_rows(log) == 4 and log.state()["trouble"]
    blocked.unlink()
    log.flush()
    assert written_rows(log) == 6


def test_rows_kept_in_memory_are_bounded_and_counted(log, request_and_answer, monkeypatch):
    monkeypatch.setattr(writer, "MAX_BUFFERED_ROWS", 10)
    block(log)
    for day in range(4):
        add(log, request_and_answer, 5, day=day)
        log.flush()
    assert log.state()["dropped_rows"] == 10
    (log.folder / "requests").unlink()
    log.flush()
    assert written_rows(log) == 10


def test_failed_merge_loses_nothing(log, request_and_answer, monkeypatch):
    monkeypatch.setattr(writer, "MAX_FILES_PER_DAY", 2)

    def fail(files):
        raise OSError("the disk is full")

    merge = writer._merge
    monkeypatch.setattr(writer, "_merge", fail)
    for _ in range(3):
        add(log, request_and_answer)
        log.flush()
    assert written_rows(log) == 3 and "cannot be merged" in log.state()["trouble"]
    monkeypatch.setattr(writer, "_merge", merge)
    add(log, request_and_answer)
    log.flush()
    assert written_rows(log) == 4 and len(list(log.folder.glob("requests/day=*/*.parquet"))) == 1


def test_router_learns_the_trouble_and_its_end(log, request_and_answer, monkeypatch):
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.1)
    own, router = socket.socketpair()
    client = RequestLogClient(log.folder)
    client._settings, client._transport = {"on": True}, object()
    block(log)
    thread = threading.Thread(target=run, args=[own, log])
    thread.start()
    metadata = json.dumps([NOON, 1.5, "1", "1-a", "id-1"]).encode()
    router.sendall(framing.pack(metadata, *request_and_answer))
    client.data_received(router.recv(1))  # also in pieces
    client.data_received(router.recv(2**16))
    assert "rows cannot be written" in client.trouble
    (log.folder / "requests").unlink()
    client.data_received(router.recv(2**16))
    assert client.trouble == "" and client.state()["dropped_rows"] == 0
    router.close()
    thread.join(10)
    own.close()
    assert not thread.is_alive() and written_rows(log) == 1


def test_log_without_process_is_told(tmp_path):
    client = RequestLogClient(tmp_path)
    assert client.trouble == ""
    client._settings = {"on": True}
    assert "does not run" in client.trouble


def test_requests_are_sent_together_and_none_is_lost_at_the_end(tmp_path):
    """One write wakes the writer once; what has been logged is sent before the connection closes."""
    written = []

    class Transport:
        is_closed = False

        def get_write_buffer_size(self):
            return 0

        def write(self, data):
            assert not self.is_closed
            written.append(data)

        def close(self):
            self.is_closed = True

    async def log_requests(ends):
        client = RequestLogClient(tmp_path)
        client._settings, client._transport = {"on": True}, Transport()
        answer = SimpleNamespace(
            seconds=0.001,
            pool=SimpleNamespace(version="1", folder=tmp_path / "1-a"),
            answer=SimpleNamespace(content=b"{}"),
        )
        for number in range(5):
            client.log(b"{}", answer, f"id-{number}")
        assert not written
        if ends:
            await client.close()
        else:
            deadline = time.monotonic() + 120
            while not written and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
        return client.counts

    for ends in (True, False):
        written.clear()
        assert asyncio.run(log_requests(ends)) == {"sent": 5, "dropped": 0}
        assert len(written) == 1
        assert [json.loads(frame[0])[4] for frame in framing.take(bytearray(written[0]))] == [
            f"id-{number}" for number in range(5)
        ]
