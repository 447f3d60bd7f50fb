"""A small table, pipelines that use it, and workspaces in which some stages have already run."""

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
    """Return customers; `bought` and `price` depend strongly on `size`, weakly on `colour`, and not on `luck`."""
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    colour = random.choice(["green", "red"], rows)
    worth = size + 0.8 * (colour == "red") + random.normal(scale=0.7, size=rows)
    frame = pd.DataFrame({"size": size, "luck": random.normal(size=rows), "colour": colour})
    frame.loc[::9, "luck"] = np.nan
    return frame.assign(bought=np.where(worth > 0.4, "yes", "no"), price=100 + 10 * worth)


def parameters_for(workspace, **changes):
    """Return all parameters of a notebook, for the small table in a workspace."""
    data = Path(workspace) / "shop.csv"
    if "data" not in changes and not data.exists():
        table().to_csv(data, index=False)
    stage_inputs = dict.fromkeys(("train_data", "test_data", "baseline", "decision", "run_name"), "")
    return {
        **_BASE,
        **stage_inputs,
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


def pipeline_in(workspace, pipeline_class=None, **changes):
    """Return the pipeline of a notebook, or one of a class that is defined in a test."""
    values = parameters_for(workspace, **changes)
    if pipeline_class is None:
        return get_pipeline(**values)
    parameters = Parameters(check_given(values))
    return pipeline_class(parameters, backends.connect(parameters))


def publish(pipeline, **values):
    """Publish the outputs of a stage as its notebook does, but without scraps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lib.outputs.glue", lambda values: None)
        patch.setattr("lib.outputs.publish_evidence", lambda evidence: None)
        patch.setattr("lib.stages._results.StageResult.describe", lambda result: {})  # it would draw the charts
        pipeline.publish_outputs(**values)


def preprocess(pipeline):
    """Run preprocess and publish its outputs."""
    result = pipeline.preprocess()
    publish(pipeline, train_data=result.train_data, test_data=result.test_data, baseline=result.baseline)
    return result


def model_of(*columns, task="binary"):
    """Return an unfitted model of some numeric columns."""
    learner = LinearRegression() if task == "regression" else LogisticRegression()
    return make_pipeline(make_column_transformer((SimpleImputer(), list(columns))), learner)


def log_candidate(pipeline, name, *columns, model=None):
    """Log a candidate as the train stage does, but faster, and return its run id.

    Parameters
    ----------
    pipeline : BasePipeline
        Has run preprocess.
    name : str
        Name of the training function.
    *columns : str
        Numeric columns that the model learns from.
    model : estimator, optional
        A model to fit instead.
    """
    import mlflow

    backend, parameters = pipeline.backend, pipeline.parameters
    names = ("train_data", "test_data", "baseline")
    inputs = {key: backend.tracking.newest_output(parameters.name, "preprocess", key) for key in names}
    train = backend.read_table(inputs["train_data"])
    X, y = train.drop(columns=parameters.target_column), train[parameters.target_column]
    model = (model or model_of(*columns, task=parameters.task)).fit(X, y)
    with quick_logging(), backend.tracking.run(parameters.name, "train", name, {}) as run_id:
        mlflow.log_params(
            {
                "training_function": name,
                "target_column": parameters.target_column,
                "task": parameters.task,
                "train_data": inputs["train_data"],
                "test_data": inputs["test_data"],
            }
        )
        backend.tracking.log_model(model, X.head(3), X, backend.read_json(inputs["baseline"]))
    return run_id


@contextlib.contextmanager
def quick_logging():
    """Skip the slowest steps: rendering charts, and comparing the schema of databases that are opened."""

    def log_empty_chart(tracking, chart, name):
        import mlflow

        assert isinstance(chart, Chart)
        mlflow.log_text("", f"charts/{name}.png")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.store.db.utils._verify_schema", lambda engine: None)
        patch.setattr("lib.backends.tracking.Tracking.log_chart", log_empty_chart)
        yield


@pytest.fixture
def quick():
    """Apply `quick_logging` to a test."""
    with quick_logging():
        yield


def versions_of(pipeline):
    """Return the registered versions, and the production version or None."""
    versions = pipeline.backend.models(pipeline.parameters.name).versions()
    tagged = [version.version for version in versions if "production" in version.tags]
    assert len(tagged) < 2
    return [version.version for version in versions], tagged[0] if tagged else None


def copy_workspace(template, folder):
    """Copy a workspace, and replace its path in the copy's database."""
    shutil.copytree(template, folder)
    connection = sqlite3.connect(folder / "mlflow.db")
    with connection:
        for name, column in _PATH_COLUMNS:
            connection.execute(f"UPDATE {name} SET {column} = replace({column}, ?, ?)", (f"{template}/", f"{folder}/"))
    connection.close()
    return folder


_PATH_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("params", "value"),
    ("tags", "value"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("model_version_tags", "value"),
)


class _Templates:
    """Workspaces in which all stages up to a given one have run; each is built once."""

    def __init__(self, request, tmp_path_factory):
        self._request, self._factory = request, tmp_path_factory

    def after(self, stage):
        """Return the workspace after a stage."""
        return build_once(self._factory, stage, getattr(self, f"_{stage}"))

    def _preprocess(self, folder):
        shutil.copytree(self._request.getfixturevalue("empty_workspace"), folder)
        preprocess(pipeline_in(folder))

    def _rivals(self, folder):
        pipeline = pipeline_in(copy_workspace(self.after("preprocess"), folder))
        for name, column in RIVALS.items():
            log_candidate(pipeline, name, column)

    def _train(self, folder):
        pipeline = pipeline_in(copy_workspace(self.after("preprocess"), folder))
        with quick_logging():
            publish(pipeline, candidates=[pipeline.train().run_id])

    def _evaluate(self, folder):
        pipeline = pipeline_in(copy_workspace(self.after("train"), folder))
        with quick_logging():
            publish(pipeline, decision=pipeline.evaluate().decision)


@pytest.fixture
def copy_after(request, tmp_path_factory, tmp_path):
    """Return a function that copies the workspace after a stage; a test may call it once."""
    return lambda stage: copy_workspace(_Templates(request, tmp_path_factory).after(stage), tmp_path / "workspace")


@pytest.fixture
def prepared(copy_after):
    """Return a workspace in which preprocess has run."""
    return copy_after("preprocess")


@pytest.fixture
def with_rivals(copy_after):
    """Return a workspace with a candidate trained on `luck` and one trained on `size`."""
    return copy_after("rivals")


@pytest.fixture
def trained(copy_after):
    """Return a workspace in which `linear` has been trained."""
    return copy_after("train")


@pytest.fixture
def with_champion(copy_after):
    """Return a workspace in which the model of `linear` is version 1, in production."""
    return copy_after("evaluate")
