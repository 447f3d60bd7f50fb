"""A model, read from its MLflow folder without importing MLflow, which would take longer than the rest of a start."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from lib.schema.table_schema import FEATURE_SCHEMA, TABLE_SCHEMA, TableSchema
from lib.scoring import earlier_columns
from lib.scoring.columns import Column
from lib.scoring.intervals import COVERAGE, Coverage, from_json
from lib.scoring.model_folder import BASELINE_FILE, ModelError, find_model_folder, verify
from lib.scoring.schema_kinds import SIGNATURE_TYPES

# The key in the baseline of what reasons need; see `Model`.
EXPLANATION = "explanation"
# PyYAML may be built without its fast loader in C.
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Model:
    """A model with the information of its folder.

    Attributes
    ----------
    estimator : sklearn.base.BaseEstimator or None
        The fitted pipeline, which takes the raw columns as a DataFrame; None if only the description was read.
    columns : tuple of Column
        The inputs, in the order of the signature.
    examples : list of dict
        Some rows of the test set, each with a value by column as in a request.
    baseline : dict
        Statistics of the training data by column; empty if the folder has no baseline.
    table_schema : TableSchema or None
        Schema of the table that the model was trained on; None if the folder has none.
    feature_schema : TableSchema
        Schema of the prepared columns, which are the model's inputs.
    name, version : str or None
        Name and version in the registry.
    coverage : PredictionIntervals, PredictionSets or None
        Intervals or sets with a guaranteed coverage; None if the model was trained without them.
    contract : dict
        Limits of the data contract by column: ``minimum``, ``maximum`` and ``categories``.
    explanation : dict or None
        What reasons need besides the estimator: ``positive_column``, the position of the positive class, and
        ``feature_means``, the means of a linear model's features in training. None if it was not stored.
    mlflow_version : str
        The version of MLflow that wrote the folder.
    saved_on : str
        The day on which the folder was written, in UTC, such as ``2026-11-30``; empty if unknown.
    """

    estimator: Any
    columns: tuple[Column, ...]
    examples: list[dict[str, Any]] = field(default_factory=list)
    baseline: dict[str, dict] = field(default_factory=dict)
    table_schema: TableSchema | None = None
    feature_schema: TableSchema = field(default_factory=lambda: TableSchema({}))
    name: str | None = None
    version: str | None = None
    coverage: Coverage | None = None
    contract: dict[str, dict] = field(default_factory=dict)
    explanation: dict[str, Any] | None = None
    mlflow_version: str = ""
    saved_on: str = ""

    @property
    def example(self) -> dict[str, Any] | None:
        """The first of the example rows; None if there are none."""
        return self.examples[0] if self.examples else None


def load_model(
    folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None
) -> Model:
    """Load the model of a folder with its estimator, whose classes are imported from ``sys.path``.

    Parameters
    ----------
    folder : path
        The model folder, or one above it.
    name, version : str, optional
        Name and version of the model, which every answer repeats.
    sha256 : str, optional
        The expected result of `compute_digest`. If the folder has another digest, nothing in it is unpickled.

    Raises
    ------
    ModelError
        If the folder cannot be served; the message states the reason.
    """
    return load_estimator(read_model(folder, name, version, sha256), find_model_folder(folder))


def load_estimator(model: Model, folder: Path) -> Model:
    """Return a copy of a model with the estimator loaded from the model's folder."""
    flavor = _sklearn_flavor(_read_mlmodel(folder))
    path = folder / _estimator_file_name(flavor)
    if flavor.get("serialization_format") == "skops":
        import skops.io

        return replace(model, estimator=skops.io.load(path, trusted=flavor.get("skops_trusted_types") or []))
    with path.open("rb") as file:
        return replace(model, estimator=pickle.load(file))


def find_estimator_file(folder: Path) -> Path:
    """Return the file that holds the estimator of a model folder."""
    return folder / _estimator_file_name(_sklearn_flavor(_read_mlmodel(folder)))


def read_model(
    folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None
) -> Model:
    """Read a model without its estimator; nothing in the folder is unpickled or imported.

    Parameters and errors are those of `load_model`.
    """
    folder = find_model_folder(folder)
    if sha256 is not None:
        verify(folder, sha256)
    description = _read_mlmodel(folder)
    baseline_file = _read_baseline_file(folder)
    baseline = baseline_file.get("columns", {})
    table_schema = TableSchema.from_dict(baseline_file[TABLE_SCHEMA]) if baseline_file.get(TABLE_SCHEMA) else None
    if FEATURE_SCHEMA in baseline_file:
        feature_schema = TableSchema.from_dict(baseline_file[FEATURE_SCHEMA])
    else:
        feature_schema = earlier_columns.read_schema(folder)
    columns = _make_columns(description, baseline, feature_schema)
    examples = _read_examples(folder, description, columns)
    coverage = from_json(baseline_file[COVERAGE]) if COVERAGE in baseline_file else None
    return Model(
        None,
        columns,
        examples,
        baseline,
        table_schema,
        feature_schema,
        name,
        version,
        coverage,
        baseline_file.get("contract", {}),
        baseline_file.get(EXPLANATION),
        str(description.get("mlflow_version") or ""),
        str(description.get("utc_time_created") or "")[: len("2026-11-30")],
    )


def is_explained(folder: Path) -> bool:
    """Return whether a model folder has what reasons or the coverage need, which earlier releases did not store."""
    stored = _read_baseline_file(find_model_folder(folder))
    return bool({COVERAGE, EXPLANATION} & stored.keys())


def _make_columns(description: dict, baseline: dict[str, dict], schema: TableSchema) -> tuple[Column, ...]:
    signature = description.get("signature") or {}
    inputs = json.loads(signature.get("inputs") or "[]")
    if not inputs or any("name" not in entry for entry in inputs):
        raise ModelError(
            "The model's signature names no columns, so requests could not be checked. "
            "Save it with a signature inferred from a DataFrame: mlflow.models.infer_signature(rows, predictions)."
        )
    unsupported = [f"{entry['name']} ({entry['type']})" for entry in inputs if entry["type"] not in SIGNATURE_TYPES]
    if unsupported:
        raise ModelError(
            f"The model has columns of types that requests do not support: {', '.join(unsupported)}. Supported "
            f"types: {', '.join(SIGNATURE_TYPES)}."
        )
    return tuple(
        Column.from_signature(entry, baseline.get(entry["name"], {}), schema.columns.get(entry["name"]))
        for entry in inputs
    )


def _read_mlmodel(folder: Path) -> dict:
    """Return the content of ``MLmodel``, MLflow's description of a model."""
    return yaml.load((folder / "MLmodel").read_text(encoding="utf-8"), _YAML_LOADER)


def _sklearn_flavor(description: dict) -> dict:
    flavors = description.get("flavors", {})
    if "sklearn" not in flavors:
        raise ModelError(f"Only scikit-learn models can be served; this one has the flavors {', '.join(flavors)}.")
    return flavors["sklearn"]


def _estimator_file_name(flavor: dict) -> str:
    return flavor.get("pickled_model", "model.pkl")


def _read_examples(folder: Path, description: dict, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    info = description.get("saved_input_example_info") or {}
    path = folder / info.get("artifact_path", "input_example.json")
    if info.get("pandas_orient", "split") != "split" or not path.is_file():
        return []
    # MLflow writes missing numbers as NaN, which is not valid JSON.
    table = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    rows = [dict(zip(table["columns"], values, strict=True)) for values in table.get("data") or []]
    rows = [{column.name: row.get(column.name) for column in columns} for row in rows]
    # An example row may contain values that are invalid in a request, if a column has mixed types.
    return [row for row in rows if all(_is_valid(column, row[column.name]) for column in columns)]


def _is_valid(column: Column, value: Any) -> bool:
    return next(column.invalid_values([value]), None) is None


def _read_baseline_file(folder: Path) -> dict[str, Any]:
    path = folder / BASELINE_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
