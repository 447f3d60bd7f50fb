"""Preprocess and xgboost on a Dask cluster: a table larger than a worker's memory, and a worker that is killed."""

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

from lib import backends, metrics
from lib.errors import DataError, ParameterError
from lib.parameters import Parameters, check_given
from lib.pipelines.base import BasePipeline
from lib.schema.table_schema import TableSchema
from lib.stages import _cluster, preprocess, train
from lib.tables import frames, sources
from lib.tables.files.partitions import list_partitions, read_sample
from lib.tables.quality import contract, profile
from lib.training import TrainingRequest, xgboost
from tests.workspaces import parameters_for, table

distributed = pytest.importorskip("distributed", reason='needs make install GROUPS="scale"')

WORKER_MEMORY = 700 * 2**20
ROWS_PER_GROUP, GROUPS, NUMERIC_COLUMNS = 25_000, 64, 60


def connect(workspace, **changes):
    """Return the parameters, backend and pipeline of a use case in a workspace."""
    parameters = Parameters(check_given(parameters_for(workspace, **changes)))
    backend = backends.connect(parameters)
    return parameters, backend, BasePipeline(parameters, backend)


@contextlib.contextmanager
def two_workers(**options):
    """Start a cluster of two workers, and close it afterwards."""
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, **options)
    try:
        yield cluster
    finally:
        _cluster.close_cluster(cluster)


def write_large_table(file):
    """Write a table of 64 row groups that exceeds a worker's memory, and return its size in bytes."""
    random, schema, size = np.random.default_rng(0), None, 0
    writer = None
    for _ in range(GROUPS):
        numbers = random.normal(size=(ROWS_PER_GROUP, NUMERIC_COLUMNS))
        score = numbers[:, 0] + 0.5 * numbers[:, 1] + random.normal(size=ROWS_PER_GROUP)
        columns = {f"number_{column}": numbers[:, column] for column in range(NUMERIC_COLUMNS)}
        rows = pa.table({**columns, "bought": np.where(score > 0, "yes", "no")}, schema=schema)
        writer = writer or pq.ParquetWriter(file, rows.schema)
        writer.write_table(rows)
        size += rows.nbytes
    writer.close()
    return size


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_table_larger_than_a_worker_survives_a_killed_worker(tmp_path):
    assert write_large_table(tmp_path / "large.parquet") > WORKER_MEMORY
    changes = {"data": str(tmp_path / "large.parquet"), "drop_columns": [], "engine": "dask", "test_fraction": 0.05}
    with two_workers(memory_limit=WORKER_MEMORY) as cluster, distributed.Client(cluster) as client:
        parameters, backend, pipeline = connect(
            tmp_path / "workspace", scheduler_address=cluster.scheduler_address, **changes
        )
        pids = set(client.run(os.getpid).values())
        killer = threading.Thread(target=kill_worker_at_work, args=(tmp_path / "workspace", min(pids)))
        killer.start()
        result = preprocess.run(pipeline, backend, parameters)
        killer.join()
        assert min(pids) not in client.run(os.getpid).values()
        assert result.sizes.loc["train", "rows"] + result.sizes.loc["test", "rows"] == ROWS_PER_GROUP * GROUPS
        sample = train._read_sample(result.train_data)
        X, y = sample.drop(columns="bought"), sample["bought"]
        request = TrainingRequest("binary", metrics.get("roc_auc", "binary"), 42, 1)
        parts = [str(path) for path in sources.list_files(result.train_data)]
        on_parts = xgboost.train_on_parts(X, y, request, client, parts, n_estimators=40)
    in_memory = xgboost.train(X, y, request, n_estimators=40)
    test = backend.read_table(result.test_data)
    scores = [
        request.metric.score(test["bought"], metrics.predict(model, test.drop(columns="bought"), "binary"))
        for model in (on_parts, in_memory)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=0.02) and scores[0] > 0.8


def kill_worker_at_work(workspace, pid):
    """Kill a worker, as the out-of-memory killer does, once the first partition is written."""
    deadline = time.monotonic() + 600
    while not list(workspace.rglob("part-*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_engines_agree_on_split_and_contract(tmp_path):
    rows = table(4_000)
    rows.to_parquet(tmp_path / "shop.parquet", row_group_size=500)
    contract_file = tmp_path / "shop.contract.yaml"
    contract_file.write(contract.from_profile(profile.describe(rows)), contract_file, "shop", len(rows))
    changes = {"data": str(tmp_path / "shop.parquet"), "contract": str(contract_file)}
    sides, schemas = {}, {}
    with two_workers() as cluster:
        for engine in ("memory", "dask"):
            cluster_parameters = {"engine": engine, "scheduler_address": cluster.scheduler_address}
            parameters, backend, pipeline = connect(tmp_path / engine, **cluster_parameters, **changes)
            result = preprocess.run(pipeline, backend, parameters)
            schemas[engine] = backend.read_json(result.baseline)["feature_schema"]
            sides[engine] = [set(backend.read_table(uri)["size"]) for uri in (result.train_data, result.test_data)]
        broken = rows.assign(colour=rows["colour"].where(np.arange(len(rows)) % 200 > 0, "blue"))
        broken.to_parquet(tmp_path / "shop.parquet", row_group_size=500)
        with pytest.raises(DataError, match=r"colour: must be one of .*\(20 rows, e\.g\. row 1: 'blue'"):
            preprocess.run(pipeline, backend, parameters)
        parameters, backend, pipeline = connect(
            tmp_path / "quarantine", on_violation="quarantine", **cluster_parameters, **changes
        )
        sizes = preprocess.run(pipeline, backend, parameters).sizes["rows"]
    assert sides["memory"] == sides["dask"]
    assert schemas["memory"] == schemas["dask"]
    assert (sizes["quarantined"], sizes["prepared"]) == (20, 4_000 - 20)


def test_unreachable_scheduler_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(_cluster, "_CONNECT_SECONDS", 1)
    with pytest.raises(ParameterError, match="scheduler_address: no Dask scheduler answers at tcp://127.0.0.1:9"):
        with _cluster.connect_client(Parameters({"scheduler_address": "tcp://127.0.0.1:9"})):
            pass


def schema_of(file, encoding=""):
    return TableSchema.from_dict(read_sample(str(file), encoding=encoding).attrs[frames.SCHEMA])


class TestListPartitions:
    def test_csv_keeps_its_values_and_types(self, tmp_path):
        table(50).to_csv(tmp_path / "shop.csv", index=False)
        schema = schema_of(tmp_path / "shop.csv")
        partitions = list_partitions(str(tmp_path / "shop.csv"), tmp_path / "scratch", schema)
        pd.testing.assert_frame_equal(partitions[0].read(["luck"]), table(50).drop(columns="luck"))

    def test_encoding_parameter_is_used(self, tmp_path):
        (tmp_path / "shop.csv").write_bytes("miasto,n\nŁódź,1\n".encode("cp1250"))
        schema = schema_of(tmp_path / "shop.csv", "cp1250")
        partitions = list_partitions(str(tmp_path / "shop.csv"), tmp_path / "scratch", schema, "cp1250")
        assert partitions[0].read()["miasto"].tolist() == ["Łódź"]

    def test_codes_keep_their_leading_zeros(self, tmp_path):
        (tmp_path / "shop.csv").write_text("zip,n\n10501,1\n00501,2\n")
        schema = schema_of(tmp_path / "shop.csv")
        partitions = list_partitions(str(tmp_path / "shop.csv"), tmp_path / "scratch", schema)
        assert partitions[0].read()["zip"].tolist() == ["10501", "00501"]

    def test_url_is_rejected(self, tmp_path):
        with pytest.raises(DataError, match="engine dask reads files that all workers can access"):
            read_sample("https://example.com/shop.csv")
