"""A small table with many kinds of difficult columns."""

import datetime
import os
import types

# Set before OpenMP starts: on a busy machine its threads wait seconds for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from lib.training import TrainingRequest

LABELS = {"binary": ["no", "yes"], "multiclass": ["high", "low", "middle"]}


def nasty_table(task: str, rows: int = 240, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Return a table of difficult columns, and a target that depends on a number, a category and a date."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    colour = rng.choice(["red", "green", "blue"], rows)
    days = rng.integers(0, 700, rows)
    when = pd.Timestamp("2023-01-01") + pd.to_timedelta(days, unit="D") + pd.to_timedelta(days % 24, unit="h")

    def some_missing(values, kind=object, missing=None):
        values = pd.Series(values, dtype=kind)
        values[rng.random(rows) < 0.2] = missing
        return values

    X = pd.DataFrame(
        {
            "size": size,
            "with infinity": np.where(rng.random(rows) < 0.1, np.inf, size),
            "huge": rng.choice([1e300, -1e300, 1.0, 2.0], rows),
            "Temperature(°C)": some_missing(rng.normal(size=rows), "float64", np.nan),
            "a[b]<c": rng.integers(0, 5, rows),
            "whole, some missing": some_missing(rng.integers(0, 5, rows), "Int64", pd.NA),
            "flag": rng.random(rows) < 0.5,
            "flag, some missing": some_missing(rng.random(rows) < 0.5, "boolean", pd.NA),
            "flag as object": some_missing(rng.random(rows) < 0.5),
            "mixed": rng.choice(np.array([1, "2", 3.5, "1e3", "$7.25", "1,024.50"], dtype=object), rows),
            "colour": colour,
            "colour, some missing": some_missing(colour),
            "colour as category": pd.Categorical(colour),
            "grade as category": pd.Categorical(rng.integers(1, 4, rows)),
            "text type": some_missing(colour, "string", pd.NA),
            "zip": [f"{code:05d}" for code in rng.integers(0, 90, rows)],
            "note": [f"the parcel number {n} was {c} and came late" for n, c in enumerate(colour)],
            "when": when,
            "when, some missing": some_missing(when, "datetime64[ns]", pd.NaT),
            "when in Berlin": when.tz_localize("UTC").tz_convert("Europe/Berlin"),
            "when as text": when.strftime("%Y-%m-%d"),
            "day": [moment.date() for moment in when],
            "id": [f"N{n}A" for n in range(rows)],
            "constant": 1,
            "constant text": "same",
            "all missing": np.nan,
            "all None": None,
            "nearly all missing": [1.0] + [np.nan] * (rows - 1),
        }
    )
    score = 2 * size + 2 * (colour == "red") + days / 300 + 0.3 * rng.normal(size=rows)
    if task == "regression":
        return X, pd.Series(score, name="score")
    classes = len(LABELS[task])
    return X, pd.Series(np.array(LABELS[task])[pd.qcut(score, classes, labels=False)], dtype=object, name="class")


def request_for(task: str, seed: int = 0, threads: int = 1) -> TrainingRequest:
    """Return a training request like the train stage's."""
    metric = types.SimpleNamespace(name="r2" if task == "regression" else "accuracy")
    return TrainingRequest(task=task, metric=metric, seed=seed, threads=threads)


def as_request_rows(X: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as a JSON request contains them: dates as text, missing values as None."""

    def to_json_value(value):
        if value is None or value is pd.NA or value is pd.NaT or value != value:
            return None
        if isinstance(value, (datetime.date, pd.Timestamp)):
            return value.isoformat()
        return value.item() if isinstance(value, np.generic) else value

    return pd.DataFrame(
        [{name: to_json_value(value) for name, value in row.items()} for row in X.astype(object).to_dict("records")]
    )
