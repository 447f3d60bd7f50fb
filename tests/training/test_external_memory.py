"""XGBoost on two workers of a Dask cluster: it learns what it learns here, and begins again where one dies."""

import functools
import os
import signal
import threading
import time

import numpy as np
import pytest
import xgboost

from lib.training._external_memory import Fit, boosted

distributed = pytest.importorskip("distributed", reason='needs make install GROUPS="scale"')
ROWS, PLACES = 2_000, list("012345")
GIVEN = {"objective": "binary:logistic", "max_depth": 3}


def part(path):
    random = np.random.default_rng(int(path))
    features = random.normal(size=(ROWS, 5)).astype(np.float32)
    return features, (features[:, 0] + 0.3 * random.normal(size=ROWS) > 0).astype(np.float32)


def noted(path, folder):
    """The part, after the worker has said which process it is."""
    (folder / str(os.getpid())).touch()
    return part(path)


def accuracy(model):
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    features, labels = part(1_000)
    return np.mean((booster.inplace_predict(features) > 0.5) == labels)


@pytest.fixture
def client():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            yield client


def once(true, then):
    """Thread that does something once something else is true."""

    def wait():
        deadline = time.monotonic() + 300
        while not true() and time.monotonic() < deadline:
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_workers_learn_what_one_learns(client):
    made = boosted(client, PLACES, Fit(part, GIVEN, rounds=20))
    features, labels = (np.concatenate(one) for one in zip(*map(part, PLACES), strict=True))
    alone = xgboost.train(GIVEN, xgboost.QuantileDMatrix(features, labels), num_boost_round=20)
    assert accuracy(made) == pytest.approx(accuracy(alone.save_raw("json")), abs=0.02)
    assert accuracy(made) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_that_dies_at_work_makes_the_others_begin_again(client, tmp_path):
    def end_one():
        os.kill(int(min(one.name for one in tmp_path.iterdir())), signal.SIGKILL)

    before = set(client.run(os.getpid).values())
    killing = once(lambda: len(list(tmp_path.iterdir())) == 2, end_one)
    made = boosted(client, PLACES, Fit(functools.partial(noted, folder=tmp_path), GIVEN, rounds=20))
    killing.join()
    assert len(before & set(client.run(os.getpid).values())) < 2
    assert accuracy(made) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_that_dies_before_it_begins_is_not_waited_for(client):
    # Busy with something else when it gets its task, while the other waits for it already.
    first, pid = min(client.run(os.getpid).items())
    busy = client.submit(distributed.Event("never", client=client).wait, workers=[first])
    scheduler = client.cluster.scheduler

    def other_waits():
        tasks = [task for key, task in list(scheduler.tasks.items()) if str(key).startswith("boosted")]
        return len(tasks) == 2 and all(task.state == "processing" for task in tasks)

    killing = once(other_waits, lambda: os.kill(pid, signal.SIGKILL))
    made = boosted(client, PLACES, Fit(part, GIVEN, rounds=20))
    killing.join()
    assert pid not in client.run(os.getpid).values() and busy.status != "finished"
    assert accuracy(made) > 0.85


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_error_in_a_part_is_raised_as_it_is(client):
    with pytest.raises(ValueError, match="invalid literal"):
        boosted(client, [*PLACES, "no number"], Fit(part, GIVEN, rounds=2))
