"""The model version whose requests are monitored, and what earlier looks have counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import metrics
from lib.errors import DataError
from lib.metrics import find_positive_class
from lib.monitoring.reference import ColumnReference, ModelOutput, make_references
from lib.monitoring.windows import Window
from lib.schema.table_schema import TableSchema
from lib.scoring.model import read_model
from lib.scoring.model_folder import BASELINE_FILE

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.backends.models import ModelVersion
    from lib.parameters import Parameters


@dataclass
class History:
    """The references of a version, and the windows that have ended.

    Attributes
    ----------
    references : dict of str to ColumnReference
    windows : list of Window
    """

    references: dict[str, ColumnReference]
    windows: list[Window] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the history as JSON types."""
        return {
            "references": {name: reference.to_dict() for name, reference in self.references.items()},
            "windows": [window.to_dict() for window in self.windows],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Return the history that `to_dict` described."""
        references = {name: ColumnReference.from_dict(entry) for name, entry in values["references"].items()}
        return cls(references, [Window.from_dict(entry) for entry in values["windows"]])


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

    def predict(self, rows: pd.DataFrame) -> ModelOutput:
        """Return the model's output for rows."""
        task = self._parameters.task
        predictions = metrics.predict(self._estimator, rows, task, self._parameters.positive_class)
        if task == "regression":
            numbers = predictions.labels.astype(float)
            return ModelOutput(numbers, numbers)
        values = predictions.positive_probability if task == "binary" else predictions.labels.astype(str)
        return ModelOutput(values, predictions.class_probabilities)

    def read_outputs(self, rows: pd.DataFrame) -> pd.Series | None:
        """Return the model's output in rows of the request log; None if the log does not have it."""
        is_binary = self._parameters.task == "binary"
        name = f"_probability_{self.positive_class}" if is_binary else "_prediction"
        while name in self.columns:  # the log marks its own columns by one more underscore
            name = "_" + name
        return rows.get(name)

    def make_references(self) -> dict[str, ColumnReference]:
        """Return the reference of each column and of the output, from the baseline and the test rows.

        Raises
        ------
        DataError
            If the registry does not know the test rows of the version, or there are fewer than two.
        """
        uri = self._version.tags.get("test_data")
        if not uri:
            raise DataError(
                f"Version {self.version} of {self._parameters.name} has no tag test_data, so there is no reference. "
                "Promote a version with this release."
            )
        baseline = json.loads((self._folder / BASELINE_FILE).read_text(encoding="utf-8"))
        rows = self._backend.read_table(uri).drop(columns=self._parameters.target_column, errors="ignore")
        if len(rows) < 2:
            raise DataError(f"{uri} has {len(rows)} test rows; monitoring needs at least 2 as its reference.")
        classes = [str(label) for label in self._estimator.classes_] if self._parameters.task == "multiclass" else []
        return make_references(baseline["columns"], rows, self.predict, classes, self._parameters.seed)
