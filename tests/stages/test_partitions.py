"""Preprocess and xgboost on a Dask cluster of two workers: a table that fits into neither, and a worker that dies."""

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib import backends, metrics, training
from lib.data import contract, profile
from lib.data.partitions import list_partitions
from lib.errors import DataError, ParameterError
from lib.parameters import Parameters, check_given
from lib.pipelines.base import BasePipeline
from lib.stages import _cluster, preprocess, train
from lib.training import TrainingRequest
from tests.workspaces import parameters_for, table

distributed = pytest.importorskip("distributed", reason='needs make install GROUPS="scale"')

WORKER_MEMORY = 700 * 2**20
ROWS_PER_PART, PARTS, NUMBERS = 25_000, 64, 60


def stage(workspace, **changes):
    parameters = Parameters(check_given(parameters_for(workspace, **changes)))
    backend = backends.connect(parameters)
    return parameters, backend, BasePipeline(parameters, backend)


@contextlib.contextmanager
def two_workers(**given):
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, **given)
    try:
        yield cluster
    finally:
        _cluster.close_cluster(cluster)


def large(file):
    """A table of 64 row groups, larger in memory than a worker may become; returns its size."""
    random, schema, size = np.random.default_rng(0), None, 0
    writer = None
    for _ in range(PARTS):
        numbers = random.normal(size=(ROWS_PER_PART, NUMBERS))
        worth = numbers[:, 0] + 0.5 * numbers[:, 1] + random.normal(size=ROWS_PER_PART)
        columns = {f"number_{place}": numbers[:, place] for place in range(NUMBERS)}
        rows = pa.table({**columns, "bought": np.where(worth > 0, "yes", "no")}, schema=schema)
        writer = writer or pq.ParquetWriter(file, rows.schema)
        writer.write_table(rows)
        size += rows.nbytes
    writer.close()
    return size


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_table_larger_than_a_worker_is_learnt_though_one_dies(tmp_path):
    assert large(tmp_path / "large.parquet") > WORKER_MEMORY
    given = {"data": str(tmp_path / "large.parquet"), "drop_columns": [], "engine": "dask", "test_fraction": 0.05}
    with two_workers(memory_limit=WORKER_MEMORY) as cluster, distributed.Client(cluster) as client:
        parameters, backend, pipeline = stage(
            tmp_path / "workspace", scheduler_address=cluster.scheduler_address, **given
        )
        before = set(client.run(os.getpid).values())
        killed = threading.Thread(target=kill_one_at_work, args=(tmp_path / "workspace", min(before)))
        killed.start()
        done = preprocess.run(pipeline, backend, parameters)
        killed.join()
        assert min(before) not in client.run(os.getpid).values()
        assert done.sizes.loc["train", "rows"] + done.sizes.loc["test", "rows"] == ROWS_PER_PART * PARTS
        learnt = Parameters({**parameters, "train_data": done.train_data})
        sample = train._sampled(done.train_data)
        X, y = sample.drop(columns="bought"), sample["bought"]
        request = TrainingRequest("binary", metrics.get("roc_auc", "binary"), 42, 1)
        function = training.get("xgboost")
        on_parts = train._trained_on_parts(function, X, y, request, {"n_estimators": 40}, learnt)
    in_memory = function(X, y, request, n_estimators=40)
    test = backend.read_table(done.test_data)
    scores = [
        request.metric.score(test["bought"], metrics.predict(model, test.drop(columns="bought"), "binary"))
        for model in (on_parts, in_memory)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=0.02) and scores[0] > 0.8


def kill_one_at_work(workspace, pid):
    """End a worker, as the out-of-memory killer does, once the first part is written."""
    deadline = time.monotonic() + 600
    while not list(workspace.rglob("part-*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_engines_split_alike_and_hold_the_same_contract(tmp_path):
    rows = table(4_000)
    rows.to_parquet(tmp_path / "shop.parquet", row_group_size=500)
    agreed = tmp_path / "shop.contract.yaml"
    contract.write(contract.from_profile(profile.describe(rows)), agreed, "shop", len(rows))
    given = {"data": str(tmp_path / "shop.parquet"), "contract": str(agreed)}
    sides = {}
    with two_workers() as cluster:
        for engine in ("memory", "dask"):
            where = {"engine": engine, "scheduler_address": cluster.scheduler_address}
            parameters, backend, pipeline = stage(tmp_path / engine, **where, **given)
            done = preprocess.run(pipeline, backend, parameters)
            sides[engine] = [set(backend.read_table(uri)["size"]) for uri in (done.train_data, done.test_data)]
        broken = rows.assign(colour=rows["colour"].where(np.arange(len(rows)) % 200 > 0, "blue"))
        broken.to_parquet(tmp_path / "shop.parquet", row_group_size=500)
        with pytest.raises(DataError, match=r"colour: must be one of .*\(20 rows, e\.g\. row 1: 'blue'"):
            preprocess.run(pipeline, backend, parameters)
        parameters, backend, pipeline = stage(tmp_path / "aside", on_violation="quarantine", **where, **given)
        sizes = preprocess.run(pipeline, backend, parameters).sizes["rows"]
    assert sides["memory"] == sides["dask"]
    assert (sizes["quarantined"], sizes["prepared"]) == (20, 4_000 - 20)


def test_no_scheduler_at_the_address_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(_cluster, "_CONNECT_SECONDS", 1)
    with pytest.raises(ParameterError, match="scheduler_address: no Dask scheduler answers at tcp://127.0.0.1:9"):
        with _cluster.connect_client(Parameters({"scheduler_address": "tcp://127.0.0.1:9"})):
            pass


class TestParts:
    def test_text_is_written_as_parquet_in_the_types_of_its_first_rows(self, tmp_path):
        table(50).to_csv(tmp_path / "shop.csv", index=False)
        found = list_partitions(str(tmp_path / "shop.csv"), tmp_path / "scratch")
        pd.testing.assert_frame_equal(found[0].read(["luck"]), table(50).drop(columns="luck"))

    def test_an_encoding_that_is_asked_for_is_taken(self, tmp_path):
        (tmp_path / "shop.csv").write_bytes("miasto,n\nŁódź,1\n".encode("cp1250"))
        found = list_partitions(str(tmp_path / "shop.csv"), tmp_path / "scratch", "cp1250")
        assert found[0].read()["miasto"].tolist() == ["Łódź"]

    def test_codes_in_text_are_refused(self, tmp_path):
        (tmp_path / "shop.csv").write_text("zip,n\n10501,1\n00501,2\n")
        with pytest.raises(DataError, match="zip contain codes such as 00501"):
            list_partitions(str(tmp_path / "shop.csv"), tmp_path / "scratch")

    def test_an_address_is_refused(self, tmp_path):
        with pytest.raises(DataError, match="engine dask reads files that all workers can access"):
            list_partitions("https://example.com/shop.csv", tmp_path)
