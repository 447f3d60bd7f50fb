"""The model version whose requests are monitored."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.errors import DataError
from lib.metrics import Predictions, find_positive_class
from lib.monitoring.reference import ERROR, ColumnReference, ModelOutput, make_number_reference, make_references
from lib.monitoring.seasons import RowSeasons
from lib.schema.table_schema import TableSchema
from lib.scoring.model import read_model
from lib.scoring.model_folder import BASELINE_FILE

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.backends.models import ModelVersion
    from lib.parameters import Parameters


class ServedModel:
    """A model version, and the output of it that is monitored.

    The output is a number, the probability of the positive class, or the name of a class.

    Parameters
    ----------
    backend : Backend
    version : ModelVersion
    parameters : Parameters
        ``task``, ``positive_class``, ``target_column`` and ``seed``.
    """

    def __init__(self, backend: Backend, version: ModelVersion, parameters: Parameters):
        self._backend, self._version, self._parameters = backend, version, parameters
        self._folder = backend.tracking.model_folder(version.source, version.sha256)
        self._description = read_model(self._folder)

    @property
    def version(self) -> str:
        """The number of the version, as text."""
        return self._version.version

    @property
    def key(self) -> str:
        """Text that changes with everything that the references depend on."""
        output = "" if self.positive_class is None else f" {self.positive_class}"
        return f"{self.version} {self._version.sha256} {self._parameters.task}{output}"

    @property
    def columns(self) -> list[str]:
        """The columns that the model needs."""
        return [column.name for column in self._description.columns]

    @property
    def lenient_schema(self) -> TableSchema | None:
        """The schema of the model's table, in which every column may be absent; None if the model has none."""
        schema = self._description.table_schema
        if schema is None:
            return None
        return replace(
            schema, columns={name: replace(column, optional=True) for name, column in schema.columns.items()}
        )

    @cached_property
    def _estimator(self) -> Any:
        return self._backend.tracking.load_model(self._folder)

    @cached_property
    def positive_class(self) -> Any:
        """The positive class of a binary task; None for other tasks."""
        if self._parameters.task != "binary":
            return None
        return find_positive_class(self._estimator.classes_, self._parameters.positive_class)

    def predict(self, rows: pd.DataFrame) -> Predictions:
        """Return the model's predictions for rows."""
        return metrics.predict(self._estimator, rows, self._parameters.task, self._parameters.positive_class)

    def _predict_output(self, rows: pd.DataFrame) -> ModelOutput:
        return self._to_output(self.predict(rows))

    def _to_output(self, predictions: Predictions) -> ModelOutput:
        """Return what is monitored of predictions."""
        if self._parameters.task == "regression":
            numbers = predictions.labels.astype(float)
            return ModelOutput(numbers, numbers)
        is_binary = self._parameters.task == "binary"
        values = predictions.positive_probability if is_binary else predictions.labels.astype(str)
        return ModelOutput(values, predictions.class_probabilities)

    def read_outputs(self, predictions: Predictions) -> np.ndarray:
        """Return the values to monitor of the predictions in the request log."""
        return self._to_output(predictions).values

    def read_predictions(self, rows: pd.DataFrame) -> Predictions | None:
        """Return the predictions in rows of the request log; None if the log does not have them."""
        labels = self._read_column(rows, "_prediction")
        if labels is None:
            return None
        if self._parameters.task == "regression":
            return Predictions(labels.to_numpy(dtype=float), rows=rows)
        classes = np.asarray(self._estimator.classes_)
        columns = [self._read_column(rows, f"_probability_{label}") for label in classes]
        probabilities = [column.to_numpy(dtype=float) for column in columns if column is not None]
        if len(probabilities) < len(classes):
            return None
        names = {str(label): label for label in classes.tolist()}
        predicted = np.array([names.get(str(label), label) for label in labels], dtype=classes.dtype)
        return Predictions(predicted, np.column_stack(probabilities), classes, self.positive_class, rows=rows)

    def _read_column(self, rows: pd.DataFrame, name: str) -> pd.Series | None:
        return rows.get(self.name_in_log(name))

    def name_in_log(self, name: str) -> str:
        """Return the name of the log's own column, which has more underscores if the model has such a column, too."""
        while name in self.columns:
            name = "_" + name
        return name

    def to_truth(self, labels: pd.Series) -> np.ndarray:
        """Return labels of the type that the model predicts.

        Raises
        ------
        DataError
            If a label of a classification is not a class of the model, or one of a regression is not a number.
        """
        if self._parameters.task == "regression":
            numbers = pd.to_numeric(labels, errors="coerce")
            if numbers.isna().any():
                raise DataError(
                    f"labels: {labels[numbers.isna()].iloc[0]!r} is not a number, but the task is regression."
                )
            return numbers.to_numpy(dtype=float)
        classes = np.asarray(self._estimator.classes_)
        names = {_normalize_class(label): label for label in classes.tolist()}
        texts = labels.map(_normalize_class)
        if unknown := sorted(set(texts) - names.keys()):
            raise DataError(f"labels: {unknown[0]!r} is not a class of the model. It knows {', '.join(names)}.")
        return np.array([names[text] for text in texts], dtype=classes.dtype)

    def measure_errors(self, predictions: Predictions, truth: np.ndarray) -> np.ndarray:
        """Return how wrong each prediction was: the residual, or one minus the probability of the true class."""
        if self._parameters.task == "regression":
            return truth - predictions.labels
        positions = pd.Index(predictions.class_names).get_indexer(pd.Index(truth))
        return 1 - predictions.class_probabilities[np.arange(len(truth)), positions]

    @cached_property
    def test_rows(self) -> tuple[pd.DataFrame, np.ndarray]:
        """The test rows of the version without the target, and their true values.

        Raises
        ------
        DataError
            If the registry does not know the test rows of the version, or there are fewer than two.
        """
        uri, target = self._version.tags.get("test_data"), self._parameters.target_column
        if not uri:
            raise DataError(
                f"Version {self.version} of {self._parameters.name} has no tag test_data, so there is no reference. "
                "Promote a version with this release."
            )
        rows = self._backend.read_table(uri)
        if target not in rows.columns:
            raise DataError(f"{uri} has no column {target!r}, the target_column. Were the parameters changed?")
        rows = rows.dropna(subset=target)
        if len(rows) < 2:
            raise DataError(f"{uri} has {len(rows)} test rows; monitoring needs at least 2 as its reference.")
        return rows.drop(columns=target), self.to_truth(rows[target])

    def make_references(self, season: RowSeasons | None = None) -> dict[str, ColumnReference]:
        """Return the reference of each column, of the output and of the error, from the baseline and the test rows.

        Parameters
        ----------
        season : RowSeasons, optional
            The season of each test row; without it, seasons are not compared.

        Raises
        ------
        DataError
            If the version has no baseline or no test rows.
        """
        path = self._folder / BASELINE_FILE
        if not path.is_file():
            raise DataError(
                f"Version {self.version} of {self._parameters.name} has no {BASELINE_FILE}, so there is nothing to "
                "compare with. Train and promote a version with this release."
            )
        baseline = json.loads(path.read_text(encoding="utf-8"))
        rows, truth = self.test_rows
        seed = self._parameters.seed
        classes = [str(label) for label in self._estimator.classes_] if self._parameters.task == "multiclass" else []
        references = make_references(baseline["columns"], rows, self._predict_output, classes, seed)
        errors = self.measure_errors(self.predict(rows), truth)
        return {**references, ERROR: make_number_reference(errors, seed)}


def _normalize_class(label: Any) -> str:
    """Return a class as text, so that 1, 1.0 and "1" are the same class."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label).strip()
