"""The contenders of `benchmarks.automl`, and the measurement of one contender on one table."""

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

PRIMARY_METRICS = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}
HELD_OUT_SHARE, SEED, MEMORY_BYTES, TIMED_ROWS = 0.25, 7, 8 * 2**30, 7
# In smaller tables, the held-out rows are so few that chance decides: the held-out part rotates.
MIN_ROWS_OF_LARGE_TABLE = 2_000


def read_index_entry(table):
    """Return a table's row in the index of the folder."""
    with (Path(os.environ["MILLRACE_TABLES"]) / "INDEX.tsv").open(encoding="utf-8") as file:
        (entry,) = [row for row in csv.DictReader(file, delimiter="\t") if row["name"] == table]
    return entry


def count_rotations(table):
    """Return the number of splits on which contenders are compared."""
    if int(read_index_entry(table)["rows"]) >= MIN_ROWS_OF_LARGE_TABLE:
        return 1
    return int(os.environ.get("MILLRACE_AUTOML_ROTATIONS", "4"))


def read_split(table, rotation=0):
    """Return training features, held-out features, training target and held-out target; and the task."""
    entry = read_index_entry(table)
    frame = pd.read_csv(Path(os.environ["MILLRACE_TABLES"]) / entry["file"], sep=entry["separator"])
    ids_and_leaks = entry["id_or_leak_columns"].replace("'", "").split()
    frame = frame.drop(columns=[column for column in ids_and_leaks if column in frame])
    y, is_classification = frame[entry["target"]], entry["task"] != "regression"
    X = frame.drop(columns=entry["target"])
    if len(X) >= MIN_ROWS_OF_LARGE_TABLE:
        stratify = y if is_classification else None
        parts = train_test_split(X, y, test_size=HELD_OUT_SHARE, random_state=SEED, stratify=stratify)
    else:
        fold_count = round(1 / HELD_OUT_SHARE)
        cycle, fold = divmod(rotation, fold_count)  # each row is held out once per cycle
        splitter = StratifiedKFold if is_classification else KFold
        splits = list(splitter(fold_count, shuffle=True, random_state=SEED + cycle).split(X, y))
        train_rows, held_out_rows = splits[fold]
        parts = X.iloc[train_rows], X.iloc[held_out_rows], y.iloc[train_rows], y.iloc[held_out_rows]
    return [part.reset_index(drop=True) for part in parts], entry["task"]


def make_engine_contender(engine):
    """Return a function that searches with an engine of Millrace."""

    def fit(X, y, X_test, task, seconds):
        request = automl.SearchRequest(
            task=task,
            metric=metrics.get(PRIMARY_METRICS[task], task),
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
        return automl.get(engine)(X, y, X_test, request, lambda line: None).model

    return fit


def fit_flaml(X, y, X_test, task, seconds):
    """Run FLAML with its own defaults."""
    from flaml import AutoML

    model = AutoML()
    flaml_task = "regression" if task == "regression" else "classification"
    model.fit(X, y, task=flaml_task, metric=PRIMARY_METRICS[task], time_budget=seconds, seed=SEED, verbose=0)
    return model


def fit_autogluon(X, y, X_test, task, seconds):
    """Run AutoGluon with its own defaults."""
    from autogluon.tabular import TabularPredictor

    target = "target of the benchmark"  # not a column of any table
    predictor = TabularPredictor(
        label=target, problem_type=task, eval_metric=PRIMARY_METRICS[task], path=tempfile.mkdtemp(), verbosity=0
    )
    predictor.fit(X.assign(**{target: y}), time_limit=seconds)

    class Model:
        classes_ = None if task == "regression" else pd.Index(predictor.class_labels).to_numpy()

        def predict(self, rows):
            return predictor.predict(rows).to_numpy()

        def predict_proba(self, rows):
            return predictor.predict_proba(rows)[list(self.classes_)].to_numpy()

        def size_bytes(self):
            return sum(path.stat().st_size for path in Path(predictor.path).rglob("*") if path.is_file())

    return Model()


CONTENDERS = {
    **{engine: make_engine_contender(engine) for engine in automl.available()},
    "FLAML": fit_flaml,
    "AutoGluon": fit_autogluon,
}


def score_training_functions(X, X_test, y, y_test, task):
    """Return the score of each training function, by name."""
    metric = metrics.get(PRIMARY_METRICS[task], task)
    request = TrainingRequest(task, metric, SEED, cores.available())
    models = {name: training.get(name)(X, y, request) for name in training.available()}
    return {name: metric.score(y_test, metrics.predict(model, X_test, task)) for name, model in models.items()}


class PeakMemory:
    """The peak memory of this process and its children, sampled twice per second in a ``with`` block."""

    def __enter__(self):
        self.bytes, self._stopped = 0, threading.Event()
        threading.Thread(target=self._sample, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._stopped.set()

    def _sample(self):
        while not self._stopped.wait(0.5):
            memory = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    memory += process.memory_info().rss
                except psutil.Error:
                    continue  # it has just ended
            self.bytes = max(self.bytes, memory)


def median_row_ms(model, X):
    """Return the median milliseconds to predict a single row."""
    seconds = []
    for row in range(TIMED_ROWS):
        started = time.perf_counter()
        model.predict(X.iloc[row : row + 1])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


def run(contender, table, rotation, seconds, sender):
    """Send the measurements of a contender on one split of a table, as a dictionary."""
    warnings.simplefilter("ignore")
    (X, X_test, y, y_test), task = read_split(table, rotation)
    if contender == "functions":
        sender.send(score_training_functions(X, X_test, y, y_test, task))
        return
    started = time.monotonic()
    with PeakMemory() as memory:
        model = CONTENDERS[contender](X, y, X_test, task, seconds)
    seconds_used = time.monotonic() - started
    metric = metrics.get(PRIMARY_METRICS[task], task)
    size = model.size_bytes() if hasattr(model, "size_bytes") else len(pickle.dumps(model))
    sender.send(
        {
            "score": metric.score(y_test, metrics.predict(model, X_test, task)),
            "seconds": seconds_used,
            "row_ms": median_row_ms(model, X_test),
            "megabytes": size / 1e6,
            "memory_megabytes": memory.bytes / 2**20,
        }
    )
