"""Writing and reading a scikit-learn pipeline as an MLflow model folder."""

from __future__ import annotations

import contextlib
import dataclasses
import filecmp
import logging
import pickle
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.backends import model_code, python_packages
from lib.errors import DataError
from lib.extensions import CUSTOM_PACKAGE
from lib.invocation import command, version
from lib.paths import ROOT

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

log = logging.getLogger(__name__)
_MAX_MESSAGE_CHARACTERS = 300
_VERSION_KEY = "millrace_version"  # in the metadata of MLmodel


class IncompatibleModelError(DataError):
    """A model that this release cannot load or score with, because another release saved it.

    Parameters
    ----------
    folder : Path
        The model folder.
    error : Exception
        The error that loading or scoring raised.

    Attributes
    ----------
    reason : str
        What is wrong with the model: ``"was saved by Millrace 0.1.0 on 2026-11-28 and ..."``.
    """

    def __init__(self, folder: Path, error: Exception):
        self.reason = (
            f"was saved by {describe_writer(folder)} and does not work with this release, Millrace {version()} "
            f"({_short_message(error)})"
        )
        super().__init__(
            f"The model in {folder} {self.reason}. Train it again: {command('--from', 'train')}",
        )


def save(model: Any, folder: Path, sample: pd.DataFrame, features: pd.DataFrame) -> None:
    """Write a pipeline as a model folder, with its signature, an input example and its code.

    Parameters
    ----------
    model : Pipeline
        The fitted pipeline.
    folder : Path
        The model folder, which must not exist.
    sample : DataFrame of shape (n_samples, n_columns)
        A few rows of raw columns; the input example.
    features : DataFrame of shape (n_rows, n_columns)
        All training rows. They determine the type of each column and whether a request may omit it.
    """
    import mlflow

    with _silence_mlflow(), _custom_code_by_value(), tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / "lib"
        code.mkdir()  # with this empty folder, MLflow records in MLmodel that there is code; `add_code` writes the code
        mlflow.sklearn.save_model(
            model,
            str(folder),
            signature=_make_signature(features, sample, model.predict(sample)),
            input_example=sample,
            serialization_format="cloudpickle",
            pip_requirements=[],
            code_paths=[str(code)],
            metadata={_VERSION_KEY: version()},
        )
    add_code(folder)
    # The packages of clusters and endpoints are copied, because MLflow would look up each package, which is slow.
    (folder / "conda.yaml").write_text(python_packages.conda_specification(), encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join(_pinned_requirements()) + "\n", encoding="utf-8")


def add_code(folder: Path) -> None:
    """Add the code that serves a model to its folder."""
    from lib.scoring.model import find_estimator_file

    model_code.write(folder, find_estimator_file(folder))


def add_fast_model(model: Any, folder: Path) -> None:
    """Add a fast model to the folder of a pipeline, if the pipeline can be converted to one.

    Parameters
    ----------
    model : Pipeline
        The fitted pipeline.
    folder : Path
        The folder that `save` wrote. It also contains the baseline, from which the rows that compare the two are drawn.
    """
    from lib.scoring.fast_model.file import write_fast_model
    from lib.scoring.fast_model.form import NoFastModel
    from lib.scoring.model import read_model
    from lib.scoring.model_folder import ModelError

    try:
        write_fast_model(folder, dataclasses.replace(read_model(folder), estimator=model))
    except (NoFastModel, ModelError) as reason:
        log.info("No fast model is saved: %s.", reason)


def load(folder: Path) -> Any:
    """Load the pipeline of a model folder. This runs code from the folder, so verify the folder's SHA-256 first.

    Raises
    ------
    IncompatibleModelError
        If the pickle refers to modules or classes that this release does not have.
    """
    import mlflow

    original_path = list(sys.path)
    try:
        with _silence_mlflow():
            return mlflow.sklearn.load_model(str(folder))
    except (ImportError, AttributeError, pickle.UnpicklingError) as error:
        raise IncompatibleModelError(folder, error) from error
    finally:
        # MLflow puts the model's code first on the path, where later imports would find an older `lib`.
        sys.path[:] = original_path


@contextlib.contextmanager
def explain_incompatibility(folder: Path) -> Iterator[None]:
    """Raise an `IncompatibleModelError` if a model fails inside the ``with`` block and another release saved it.

    A model whose classes have other attributes in this release is loaded without an error, but fails in ``predict``.

    Parameters
    ----------
    folder : Path
        The model folder.
    """
    try:
        yield
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        if _has_current_code(folder):
            raise
        raise IncompatibleModelError(folder, error) from error


def describe_writer(folder: Path) -> str:
    """Return the release that saved a model, and the date: ``"Millrace 0.1.0 on 2026-11-28"``."""
    description = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    written_version = (description.get("metadata") or {}).get(_VERSION_KEY)
    date = str(description.get("utc_time_created", ""))[:10]
    writer = f"Millrace {written_version}" if written_version else "an earlier release of Millrace"
    return f"{writer} on {date}" if date else writer


def _has_current_code(folder: Path) -> bool:
    """Return whether the code that was saved with a model is equal to that of this checkout."""
    code = folder / "code"
    files = [path.relative_to(code) for path in (code / "lib").rglob("*.py") if path.stat().st_size]
    return bool(files) and not any(filecmp.cmpfiles(code, ROOT, map(str, files), shallow=False)[1:])


def _short_message(error: Exception) -> str:
    """Return an error's type and message, truncated if the message is long."""
    reason = f"{type(error).__name__}: {error}"
    return reason if len(reason) <= _MAX_MESSAGE_CHARACTERS else f"{reason[:_MAX_MESSAGE_CHARACTERS]} ..."


def _pinned_requirements() -> list[str]:
    """Return the pinned packages of ``environment.yml`` as pip requirements."""
    dependencies = yaml.safe_load(python_packages.conda_specification())["dependencies"]
    return next(entry["pip"] for entry in dependencies if isinstance(entry, dict))


def _make_signature(features: pd.DataFrame, sample: pd.DataFrame, predictions: Any) -> ModelSignature:
    """Return the signature of a model; integers become doubles, since an integer column cannot have missing values."""
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema
    from pandas.api import types

    def column_type(values: pd.Series) -> str:
        """Return MLflow's name of a column's type."""
        # Booleans with missing values come back from Parquet as objects.
        if types.infer_dtype(values, skipna=True) == "boolean":
            return "boolean"
        if types.is_numeric_dtype(values.dtype):
            return "double"
        return "datetime" if types.is_datetime64_any_dtype(values.dtype) else "string"

    has_missing = features.isna().any()
    inputs = Schema(
        [ColSpec(column_type(values), name, required=not has_missing[name]) for name, values in features.items()]
    )
    with _silence_mlflow():
        outputs = infer_signature(sample, predictions).outputs
    return ModelSignature(inputs=inputs, outputs=outputs)


@contextlib.contextmanager
def _custom_code_by_value() -> Iterator[None]:
    """Pickle functions and classes of ``custom/`` by value inside a ``with`` block.

    A model keeps the code that it was trained with, even after an edit of the module: a champion is then compared with
    the features that it was tested with. https://github.com/cloudpipe/cloudpickle#overriding-pickles-serialization
    """
    import cloudpickle

    package = sys.modules.get(CUSTOM_PACKAGE)
    if package is None:
        yield
        return
    cloudpickle.register_pickle_by_value(package)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(package)


@contextlib.contextmanager
def _silence_mlflow() -> Iterator[None]:
    """Silence MLflow's warnings about pickles: their SHA-256 is verified before they are loaded."""
    import warnings

    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
