"""A small table, pipelines on it, and workspaces in which the stages before have run already."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from lib import backends
from lib.charts import Chart
from lib.parameters import Parameters, check_given, load
from lib.pipelines import get_pipeline
from tests.once import build_once

NAME = "small-shop"
ROWS = 240
RIVALS = {"by_luck": "luck", "by_size": "size"}
_BASE = load([]).values


def table(rows=ROWS, seed=0):
    """Customers: `size` tells most about `bought` and `price`, `colour` a little, `luck` nothing."""
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    colour = random.choice(["green", "red"], rows)
    worth = size + 0.8 * (colour == "red") + random.normal(scale=0.7, size=rows)
    frame = pd.DataFrame({"size": size, "luck": random.normal(size=rows), "colour": colour})
    frame.loc[::9, "luck"] = np.nan
    return frame.assign(bought=np.where(worth > 0.4, "yes", "no"), price=100 + 10 * worth)


def parameters_for(workspace, **changes):
    """Everything a notebook could hold, on the small table in a workspace."""
    data = Path(workspace) / "shop.csv"
    if "data" not in changes and not data.exists():
        table().to_csv(data, index=False)
    from_the_chain = dict.fromkeys(("train_data", "test_data", "baseline", "decision", "run_name"), "")
    return {
        **_BASE,
        **from_the_chain,
        "candidates": [],
        "training_function": "linear",
        "name": NAME,
        "data": str(data),
        "target_column": "bought",
        "drop_columns": ["price"],
        "task": "binary",
        "primary_metric": "roc_auc",
        "workspace": str(workspace),
        **changes,
    }


def pipeline_in(workspace, kind=None, **changes):
    """Pipeline as a notebook gets it, or of a child class that no file holds."""
    values = parameters_for(workspace, **changes)
    if kind is None:
        return get_pipeline(**values)
    given = Parameters(check_given(values))
    return kind(given, backends.connect(given))


def publish(pipeline, **values):
    """End a stage as its notebook does, less the scraps: there is no notebook."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lib.outputs.glue", lambda values: None)
        pipeline.publish_outputs(**values)


def preprocess(pipeline):
    """Preprocess and hand on."""
    done = pipeline.preprocess()
    publish(pipeline, train_data=done.train_data, test_data=done.test_data, baseline=done.baseline)
    return done


def model_of(*columns, task="binary"):
    """Estimator that sees nothing but some of the numbers."""
    learner = LinearRegression() if task == "regression" else LogisticRegression()
    return make_pipeline(make_column_transformer((SimpleImputer(), list(columns))), learner)


def log_candidate(pipeline, name, *columns, model=None):
    """Run of a training function, in a fraction of the train stage's time.

    Its model learns from some of the numbers, or is the one that is given.
    """
    import mlflow

    backend, parameters = pipeline.backend, pipeline.parameters
    handed_on = ("train_data", "test_data", "baseline")
    newest = {one: backend.tracking.newest_output(parameters.name, "preprocess", one) for one in handed_on}
    train = backend.read_table(newest["train_data"])
    X, y = train.drop(columns=parameters.target_column), train[parameters.target_column]
    model = (model or model_of(*columns, task=parameters.task)).fit(X, y)
    with quick_logging(), backend.tracking.run(parameters.name, "train", name, {}) as run_id:
        made_with = {"target_column": parameters.target_column, "task": parameters.task}
        mlflow.log_params(
            {"training_function": name, **made_with, **{one: newest[one] for one in ("train_data", "test_data")}}
        )
        backend.tracking.log_model(model, X.head(3), X, backend.read_json(newest["baseline"]))
    return run_id


@contextlib.contextmanager
def quick_logging():
    """Log charts without painting them, and open databases without comparing their schema: both take longest."""

    def log_name_of_chart(tracking, chart, name):
        import mlflow

        assert isinstance(chart, Chart)
        mlflow.log_text("", f"charts/{name}.png")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.store.db.utils._verify_schema", lambda engine: None)
        patch.setattr("lib.backends.tracking.Tracking.log_chart", log_name_of_chart)
        yield


@pytest.fixture
def quick():
    """`quick_logging` during a test."""
    with quick_logging():
        yield


def versions_of(pipeline):
    """Versions in the registry, as text, and the one that bears the tag or None."""
    versions = pipeline.backend.models(pipeline.parameters.name).versions()
    tagged = [one.version for one in versions if "production" in one.tags]
    assert len(tagged) < 2
    return [one.version for one in versions], tagged[0] if tagged else None


def copied(template, folder):
    """Copy of a workspace that knows where it is: the addresses in its database are those of the copy."""
    shutil.copytree(template, folder)
    connection = sqlite3.connect(folder / "mlflow.db")
    with connection:
        for name, column in _ADDRESSES:
            connection.execute(f"UPDATE {name} SET {column} = replace({column}, ?, ?)", (f"{template}/", f"{folder}/"))
    connection.close()
    return folder


_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("params", "value"),
    ("tags", "value"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("model_version_tags", "value"),
)


class _Templates:
    """Workspaces in which a stage, and those before it, have run; each is made once."""

    def __init__(self, request, tmp_path_factory):
        self._request, self._factory = request, tmp_path_factory

    def after(self, stage):
        """Workspace after a stage."""
        return build_once(self._factory, stage, getattr(self, f"_{stage}"))

    def _preprocess(self, folder):
        shutil.copytree(self._request.getfixturevalue("empty_workspace"), folder)
        preprocess(pipeline_in(folder))

    def _rivals(self, folder):
        pipeline = pipeline_in(copied(self.after("preprocess"), folder))
        for name, column in RIVALS.items():
            log_candidate(pipeline, name, column)

    def _train(self, folder):
        pipeline = pipeline_in(copied(self.after("preprocess"), folder))
        with quick_logging():
            publish(pipeline, candidates=[pipeline.train().run_id])

    def _evaluate(self, folder):
        pipeline = pipeline_in(copied(self.after("train"), folder))
        with quick_logging():
            publish(pipeline, decision=pipeline.evaluate().decision)


@pytest.fixture
def copy_after(request, tmp_path_factory, tmp_path):
    """Copy of a workspace in which a stage has run, for one test."""
    return lambda stage: copied(_Templates(request, tmp_path_factory).after(stage), tmp_path / "workspace")


@pytest.fixture
def prepared(copy_after):
    """Workspace in which preprocess has run."""
    return copy_after("preprocess")


@pytest.fixture
def with_rivals(copy_after):
    """Workspace with a candidate that guesses by luck and one that knows the size."""
    return copy_after("rivals")


@pytest.fixture
def trained(copy_after):
    """Workspace in which the linear function is trained."""
    return copy_after("train")


@pytest.fixture
def with_champion(copy_after):
    """Workspace in which the linear function's model is version 1 and in production."""
    return copy_after("evaluate")
