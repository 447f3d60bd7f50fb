"""The limits of the worker pool and of the router."""

from pathlib import Path

from lib.serving.server import pool
from lib.serving.server.pool import WorkerPool


def test_limits_have_their_documented_values():
    assert (pool.MAX_WAITING_REQUESTS, pool.MAX_WAITING_BYTES, pool.MAX_DEATHS) == (1000, 256 * 2**20, 2)
    assert (pool.MAX_RESTART_PAUSE_SECONDS, pool.END_PATIENCE_SECONDS) == (30, 10)
    assert (pool.CHECK_INTERVAL_SECONDS, pool.MAX_REQUESTS_PER_WORKER) == (0.5, 2)


def test_pool_that_has_not_started_tells_so():
    idle = WorkerPool(Path("1-a"), "model", "1", None, 2, 10, Path("log"), {"target": "late"})
    assert (idle.about, idle.engine, idle.deaths, idle.pids, idle.has_worker) == ({"target": "late"}, "", 0, [], False)
    assert (idle.waiting_count, idle.active_count, idle.read_value_counts()) == (0, 0, {})
    assert WorkerPool(Path("1-a"), "model", "1", None, 2, 10, Path("log")).about == {}
