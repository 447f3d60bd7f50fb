"""A scikit-learn pipeline as MLflow's folder of files, written and read."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.paths import ROOT

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
_ENVIRONMENT = ROOT / "environment.yml"


def save(model: Any, folder: Path, sample: pd.DataFrame, features: pd.DataFrame) -> None:
    """Write a pipeline with its signature, an example and the code.

    Parameters
    ----------
    model : Pipeline
    folder : Path
        Made by this.
    sample : DataFrame of shape (few rows, columns)
        Raw columns; the input example.
    features : DataFrame of shape (rows, columns)
        All rows there are. They tell a column's type, and whether a request may leave it out.
    """
    import mlflow

    with _quiet():
        mlflow.sklearn.save_model(
            model,
            str(folder),
            signature=_signature(features, sample, model.predict(sample)),
            input_example=sample,
            serialization_format="cloudpickle",
            pip_requirements=[],
            code_paths=[str(ROOT / "lib")],
        )
    # The environment of clusters and endpoints. Given to save_model, each of its pins would be looked up: 3 s.
    shutil.copy(_ENVIRONMENT, folder / "conda.yaml")
    (folder / "requirements.txt").write_text("\n".join(_pins()) + "\n", encoding="utf-8")


def add_fast_model(model: Any, folder: Path) -> None:
    """Add the form of a pipeline in which an endpoint starts and answers faster, where it has one.

    Parameters
    ----------
    model : Pipeline
    folder : Path
        As `save` wrote it, and with the baseline, of which rows are drawn to compare both.
    """
    from lib.scoring.fast_model import file
    from lib.scoring.fast_model.form import NoFastModel
    from lib.scoring.model import read
    from lib.scoring.model_folder import ModelError

    try:
        file.keep(folder, dataclasses.replace(read(folder), estimator=model))
    except (NoFastModel, ModelError) as reason:
        log.info("No compiled form is kept: %s.", reason)


def load(folder: Path) -> Any:
    """Read the pipeline of a folder, which runs what is in it: compare its SHA-256 first."""
    import mlflow

    path = list(sys.path)
    try:
        with _quiet():
            return mlflow.sklearn.load_model(str(folder))
    finally:
        # MLflow puts the model's own code first, where later imports would find an older `lib`.
        sys.path[:] = path


def _pins() -> list[str]:
    """Pinned packages of the environment, as pip takes them."""
    dependencies = yaml.safe_load(_ENVIRONMENT.read_text(encoding="utf-8"))["dependencies"]
    return next(one["pip"] for one in dependencies if isinstance(one, dict))


def _signature(features: pd.DataFrame, sample: pd.DataFrame, answers: Any) -> Any:
    """Signature with whole numbers as doubles: a column of them cannot say that one is missing."""
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema
    from pandas.api import types

    def kind(values: pd.Series) -> str:
        # Booleans of which some are missing come back from Parquet as objects.
        if types.infer_dtype(values, skipna=True) == "boolean":
            return "boolean"
        if types.is_numeric_dtype(values.dtype):
            return "double"
        return "datetime" if types.is_datetime64_any_dtype(values.dtype) else "string"

    optional = features.isna().any()
    inputs = Schema([ColSpec(kind(values), name, required=not optional[name]) for name, values in features.items()])
    with _quiet():
        outputs = infer_signature(sample, answers).outputs
    return ModelSignature(inputs=inputs, outputs=outputs)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Errors only, for calls whose warnings are known: pickles are guarded by their SHA-256."""
    import warnings

    of_mlflow = logging.getLogger("mlflow")
    level = of_mlflow.level
    of_mlflow.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        of_mlflow.setLevel(level)
