"""The contenders of `benchmarks.automl`, and what one of them does with one table."""

import csv
import os
import pickle
import statistics
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pandas as pd
import psutil
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from lib import automl, cores, metrics, training
from lib.training import TrainingRequest

METRICS = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}
HELD_OUT, SEED, MEMORY_BYTES, ROWS_TIMED = 0.25, 7, 8 * 2**30, 7
# Of a smaller table a quarter is so few rows that luck decides: the part that is held out rotates.
MANY_ROWS = 2_000


def entry_of(name):
    """What the index of the folder says of a table."""
    with (Path(os.environ["MILLRACE_TABLES"]) / "INDEX.tsv").open(encoding="utf-8") as file:
        (entry,) = [one for one in csv.DictReader(file, delimiter="\t") if one["name"] == name]
    return entry


def rotations(name):
    """How many splits of a table a contender is judged on."""
    return 1 if int(entry_of(name)["rows"]) >= MANY_ROWS else int(os.environ.get("MILLRACE_AUTOML_ROTATIONS", "4"))


def rows_of(name, rotation=0):
    """Training and held-out rows of a table of the folder, and of its target, and its task."""
    entry = entry_of(name)
    frame = pd.read_csv(Path(os.environ["MILLRACE_TABLES"]) / entry["file"], sep=entry["separator"])
    ids = entry["id_or_leak_columns"].replace("'", "").split()
    frame = frame.drop(columns=[one for one in ids if one in frame])
    y, classes = frame[entry["target"]], entry["task"] != "regression"
    X = frame.drop(columns=entry["target"])
    if len(X) >= MANY_ROWS:
        parts = train_test_split(X, y, test_size=HELD_OUT, random_state=SEED, stratify=y if classes else None)
    else:
        whole, place = divmod(rotation, round(1 / HELD_OUT))  # over a whole one each row is held out once
        splitter = StratifiedKFold if classes else KFold
        splits = splitter(round(1 / HELD_OUT), shuffle=True, random_state=SEED + whole).split(X, y)
        learnt, held_out = list(splits)[place]
        parts = X.iloc[learnt], X.iloc[held_out], y.iloc[learnt], y.iloc[held_out]
    return [one.reset_index(drop=True) for one in parts], entry["task"]


def engine(name):
    def fit(X, y, X_test, task, seconds):
        request = automl.SearchRequest(
            task=task,
            metric=metrics.get(METRICS[task], task),
            positive_class="",
            seed=SEED,
            threads=cores.available(),
            budget_seconds=seconds,
            max_trials=40,
            families=automl.FAMILIES,
            folds=0,
            validation_fraction=0.0,
            ensemble=True,
            max_latency_ms=0,
            memory_bytes=MEMORY_BYTES,
        )
        return automl.get(name)(X, y, X_test, request, lambda line: None).model

    return fit


def flaml_defaults(X, y, X_test, task, seconds):
    from flaml import AutoML

    model = AutoML()
    kind = "regression" if task == "regression" else "classification"
    model.fit(X, y, task=kind, metric=METRICS[task], time_budget=seconds, seed=SEED, verbose=0)
    return model


def autogluon_defaults(X, y, X_test, task, seconds):
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor(
        label="target of all", problem_type=task, eval_metric=METRICS[task], path=tempfile.mkdtemp(), verbosity=0
    )
    predictor.fit(X.assign(**{"target of all": y}), time_limit=seconds)

    class Model:
        classes_ = None if task == "regression" else pd.Index(predictor.class_labels).to_numpy()

        def predict(self, rows):
            return predictor.predict(rows).to_numpy()

        def predict_proba(self, rows):
            return predictor.predict_proba(rows)[list(self.classes_)].to_numpy()

        def bytes(self):
            return sum(one.stat().st_size for one in Path(predictor.path).rglob("*") if one.is_file())

    return Model()


CONTENDERS = {
    **{name: engine(name) for name in automl.available()},
    "FLAML": flaml_defaults,
    "AutoGluon": autogluon_defaults,
}


def functions(X, X_test, y, y_test, task):
    """Score of each training function by its name."""
    metric = metrics.get(METRICS[task], task)
    request = TrainingRequest(task, metric, SEED, cores.available())
    models = {name: training.get(name)(X, y, request) for name in training.available()}
    return {name: metric.score(y_test, metrics.predict(model, X_test, task)) for name, model in models.items()}


def run(who, table, rotation, seconds, answer):
    """Send what a contender did with a split of a table, as a dictionary."""
    warnings.simplefilter("ignore")
    (X, X_test, y, y_test), task = rows_of(table, rotation)
    if who == "functions":
        answer.send(functions(X, X_test, y, y_test, task))
        return
    metric, peak, done = metrics.get(METRICS[task], task), [0], threading.Event()

    def watch():
        while not done.wait(0.5):
            taken = 0
            for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    taken += one.memory_info().rss
                except psutil.Error:
                    continue  # it has just ended
            peak[0] = max(peak[0], taken)

    threading.Thread(target=watch, daemon=True).start()
    started = time.monotonic()
    model = CONTENDERS[who](X, y, X_test, task, seconds)
    used = time.monotonic() - started
    done.set()
    score = metric.score(y_test, metrics.predict(model, X_test, task))
    times = []
    for row in range(ROWS_TIMED):
        begun = time.perf_counter()
        model.predict(X_test.iloc[row : row + 1])
        times.append(time.perf_counter() - begun)
    size = model.bytes() if hasattr(model, "bytes") else len(pickle.dumps(model))
    told = {"score": score, "seconds": used, "row_ms": statistics.median(times) * 1000, "megabytes": size / 1e6}
    answer.send({**told, "memory_megabytes": peak[0] / 2**20})
