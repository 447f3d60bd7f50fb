"""The workers of a version: what dies is replaced, what hangs is ended, and nothing stops the supervision."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from lib.forkserver import PID
from lib.scoring import wire_protocol
from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.server import pool as pool_module
from lib.serving.server.loader import LoadedModel, LoadError
from lib.serving.server.pool import MAX_WAITING_REQUESTS, WorkerPool
from lib.serving.server.watchdog import Watchdog
from tests.processes import has_ended


class FakeLoader:
    """A loader whose workers are threads that answer b"ok"; bodies tell them to wait, to die, or to hang.

    Attributes
    ----------
    pid : int
        The process id that workers tell.
    forked : int
        Number of workers so far.
    """

    def __init__(self):
        self.has_ended = False
        self.forked = 0
        self.starts = 0
        self.pid = None
        self.ended = False
        self.start_error = None
        self.held = []  # the workers' ends of connections that a child of a worker holds

    async def start(self):
        self.starts += 1
        if self.start_error:
            raise self.start_error
        self.has_ended = False
        return LoadedModel(None, "fast", True)

    def fork(self):
        if self.has_ended:
            return None
        self.forked += 1
        own, worker = socket.socketpair()
        own.setblocking(False)
        threading.Thread(target=self._serve, args=[worker], daemon=True).start()
        return own

    async def end(self):
        self.ended = True

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            connection.sendall(PID.pack(self.pid or _gone_pid()))
            with connection.makefile("rb") as file:
                while (body := wire_protocol.read_request(file)) is not None:
                    if body == b"die":
                        break
                    if body == b"hang":
                        self.held.append(connection)
                        return
                    if body.startswith(b"wait"):
                        time.sleep(float(body[4:]))
                    connection.sendall(wire_protocol.pack_answer(Answer(200, False, b"ok")))
        connection.close()


def _gone_pid():
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


GONE = _gone_pid()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a coroutine function with a started pool and its loader."""
    monkeypatch.setattr(pool_module, "read_model", lambda *_: None)
    monkeypatch.setattr(pool_module, "CHECK_INTERVAL_SECONDS", 0.05)

    def run_test(test, timeout_seconds=0.4, workers=2):
        async def with_pool():
            pool = WorkerPool(tmp_path, "model", "1", None, workers, timeout_seconds, tmp_path / "log")
            loader = pool._loader = FakeLoader()
            loader.pid = GONE
            await pool.start()
            try:
                await test(pool, loader)
            finally:
                await pool.end(0)
                for connection in loader.held:
                    connection.close()

        asyncio.run(asyncio.wait_for(with_pool(), 30))

    return run_test


async def until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_worker_that_is_gone_while_a_child_holds_its_socket_is_replaced(run):
    """The process id belongs to nobody; killing it used to end the supervision for ever."""

    async def test(pool, loader):
        for round_number in (1, 2, 3):
            answer = await pool.submit(b"hang")
            assert answer.status == 504
            await until(lambda: len(pool.pids) == 2)
            assert (await pool.submit(b"x")).content == b"ok" and loader.forked >= 2 + round_number
        assert pool.trouble == ""

    run(test)


def test_request_during_which_two_workers_die_is_given_up(run):
    async def test(pool, loader):
        answer = await pool.submit(b"die")
        assert answer.status == 500 and b"twice" in answer.content
        assert (await pool.submit(b"x")).content == b"ok"
        await until(lambda: len(pool.pids) == 2)
        assert loader.forked == 4 and pool.deaths == 2  # a request kills two workers, not two hundred

    run(test, timeout_seconds=5)


def test_requests_behind_a_deadly_one_are_answered(run):
    async def test(pool, loader):
        answers = await asyncio.gather(pool.submit(b"die"), *(pool.submit(b"x") for _ in range(20)))
        assert answers[0].status == 500 and {answer.status for answer in answers[1:]} == {200}

    run(test, timeout_seconds=5, workers=1)


def test_request_behind_a_slow_one_has_its_own_time(run):
    async def test(pool, loader):
        first, second = pool.submit(b"wait0.3"), pool.submit(b"wait0.3")
        assert [(await first).status, (await second).status] == [200, 200]

    run(test, timeout_seconds=0.5, workers=1)


def test_too_many_waiting_requests_are_refused(run):
    async def test(pool, loader):
        first = [pool.submit(b"wait1") for _ in range(4)]
        waiting = [pool.submit(b"x") for _ in range(MAX_WAITING_REQUESTS)]
        with pytest.raises(RequestError) as refused:
            pool.submit(b"x")
        assert refused.value.status == 429
        assert {answer.status for answer in await asyncio.gather(*first, *waiting)} == {200}

    run(test, timeout_seconds=20)


def test_too_many_waiting_bytes_are_refused(run, monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_WAITING_BYTES", 100)

    async def test(pool, loader):
        requests = [pool.submit(b"wait0.3") for _ in range(4)] + [pool.submit(b"x" * 60), pool.submit(b"x" * 60)]
        with pytest.raises(RequestError, match="waiting already"):
            pool.submit(b"x")
        await asyncio.gather(*requests)
        assert (await pool.submit(b"x")).status == 200

    run(test, timeout_seconds=5)


def test_request_that_no_worker_takes_in_time_is_given_up(run):
    async def test(pool, loader):
        busy = [pool.submit(b"hang") for _ in range(2)]
        late = pool.submit(b"hang"), pool.submit(b"hang"), pool.submit(b"hang")
        assert {(await answer).status for answer in (*busy, *late)} <= {503, 504}

    run(test)


def test_dead_loader_is_started_again_while_requests_time_out(run):
    async def test(pool, loader):
        loader.start_error = LoadError("the disk is full")
        loader.has_ended = True
        answer = await pool.submit(b"hang")
        assert answer.status == 504
        await until(lambda: "the disk is full" in pool.trouble)
        loader.start_error = None
        await until(lambda: not pool.trouble)
        await until(lambda: len(pool.pids) == 2)
        assert (await pool.submit(b"x")).status == 200

    run(test)


def test_hung_worker_and_its_children_are_killed_at_the_end(run):
    hung = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess as s; p = s.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()",
        ],
        process_group=0,
        stdout=subprocess.PIPE,
    )
    child = int(hung.stdout.readline())

    async def test(pool, loader):
        loader.pid = hung.pid
        for worker in list(pool._workers):
            worker.pid = hung.pid
        answers = [pool.submit(b"hang") for _ in range(3)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await pool.end(0.2)
        assert time.monotonic() - began < 2 and loader.ended
        assert {(await answer).status for answer in answers} == {503}

    run(test, timeout_seconds=60)
    assert hung.wait(10) == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while not has_ended(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_idle_pool_ends_at_once(run):
    async def test(pool, loader):
        began = time.monotonic()
        await pool.end(10)
        assert time.monotonic() - began < 1 and loader.ended

    run(test)


def test_watchdog_survives_every_error_and_says_so(caplog):
    outcomes = iter([ProcessLookupError("no such process"), ValueError(), None, KeyError("x"), None])
    troubles = []

    async def check():
        if (error := next(outcomes)) is not None:
            raise error

    async def repeat():
        watchdog = Watchdog("test", check, 0.001, 0.01)
        for _ in range(5):
            await watchdog.check_once()
            troubles.append(watchdog.trouble)

    asyncio.run(repeat())
    assert troubles == ["test: no such process", "test: ValueError()", "", "test: 'x'", ""]
    assert len([record for record in caplog.records if record.exc_info]) == 3


def test_watchdog_waits_longer_after_each_failure():
    moments = []

    async def check():
        moments.append(time.monotonic())
        raise OSError("again")

    async def repeat():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(Watchdog("test", check, 0.02, 0.16).run(), 1)

    asyncio.run(repeat())
    pauses = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
    assert pauses[0] < pauses[2] and 4 <= len(moments) <= 10 and os.getpid()
