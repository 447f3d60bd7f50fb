"""XGBoost on two workers of a Dask cluster: the same model as in one process, also after a worker died."""

import functools
import os
import signal
import threading
import time

import numpy as np
import pytest
import xgboost

from lib.training._distributed_xgboost import Training, train_booster

distributed = pytest.importorskip("distributed", reason='needs make install GROUPS="scale"')
ROWS, PARTS = 2_000, list("012345")
SETTINGS = {"objective": "binary:logistic", "max_depth": 3}


def make_part(path):
    """Return features and labels; the path is the seed."""
    random = np.random.default_rng(int(path))
    features = random.normal(size=(ROWS, 5)).astype(np.float32)
    return features, (features[:, 0] + 0.3 * random.normal(size=ROWS) > 0).astype(np.float32)


def make_part_and_record_process(path, folder):
    """Return a part, after writing a file named after the worker's process id."""
    (folder / str(os.getpid())).touch()
    return make_part(path)


def accuracy(model):
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    features, labels = make_part(1_000)
    return np.mean((booster.inplace_predict(features) > 0.5) == labels)


@pytest.fixture
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            yield client


def run_when(condition, action):
    """Start a thread that waits for a condition and then runs an action."""

    def wait():
        deadline = time.monotonic() + 300
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_learn_what_one_process_learns(client):
    model = train_booster(client, PARTS, Training(make_part, SETTINGS, rounds=20))
    features, labels = (np.concatenate(arrays) for arrays in zip(*map(make_part, PARTS), strict=True))
    reference = xgboost.train(SETTINGS, xgboost.QuantileDMatrix(features, labels), num_boost_round=20)
    assert accuracy(model) == pytest.approx(accuracy(reference.save_raw("json")), abs=0.02)
    assert accuracy(model) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_training_restarts_when_a_worker_dies(client, tmp_path):
    def kill_one_worker():
        os.kill(int(min(path.name for path in tmp_path.iterdir())), signal.SIGKILL)

    pids_before = set(client.run(os.getpid).values())
    killing = run_when(lambda: len(list(tmp_path.iterdir())) == 2, kill_one_worker)
    encode_part = functools.partial(make_part_and_record_process, folder=tmp_path)
    model = train_booster(client, PARTS, Training(encode_part, SETTINGS, rounds=20))
    killing.join()
    assert len(pids_before & set(client.run(os.getpid).values())) < 2
    assert accuracy(model) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_worker_that_dies_before_training_is_replaced(client):
    # The worker is busy with another task when it gets its part, while the other worker already waits for it.
    worker, pid = min(client.run(os.getpid).items())
    busy = client.submit(distributed.Event("never", client=client).wait, workers=[worker])
    scheduler = client.cluster.scheduler

    def are_both_tasks_processing():
        tasks = [task for key, task in list(scheduler.tasks.items()) if str(key).startswith("train-booster")]
        return len(tasks) == 2 and all(task.state == "processing" for task in tasks)

    killing = run_when(are_both_tasks_processing, lambda: os.kill(pid, signal.SIGKILL))
    model = train_booster(client, PARTS, Training(make_part, SETTINGS, rounds=20))
    killing.join()
    assert pid not in client.run(os.getpid).values()
    assert busy.status != "finished"
    assert accuracy(model) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_error_in_a_part_is_raised_unchanged(client):
    with pytest.raises(ValueError, match="invalid literal"):
        train_booster(client, [*PARTS, "no number"], Training(make_part, SETTINGS, rounds=2))
