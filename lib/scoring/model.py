"""The model of a folder, loaded without importing MLflow.

Importing MLflow takes longer than everything else in a start, and serving needs only two of its files: ``MLmodel``, the
description, and the pickled estimator. So they are read here.
"""

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
from lib.scoring.model_folder import BASELINE_FILE, ModelError, digest, find
from lib.scoring.schema_kinds import SIGNATURE_TYPES

# PyYAML may be built without its reader in C.
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Model:
    """A model and its folder's description of it.

    Attributes
    ----------
    estimator : sklearn.base.BaseEstimator or None
        The fitted pipeline, which takes the raw columns as a DataFrame; None if only the description was read.
    columns : tuple of Column
        The inputs, in the order of the signature.
    examples : list of dict
        Real rows of the test set, by column, as a request would contain them.
    baseline : dict
        Training statistics by column; empty if the folder has none.
    table_schema : TableSchema or None
        How the table that the model learned from is read; None if the folder has none.
    feature_schema : TableSchema
        How the columns of the prepared table are read, which are the model's inputs.
    name, version : str or None
        Name and version in the registry.
    """

    estimator: Any
    columns: tuple[Column, ...]
    examples: list[dict[str, Any]] = field(default_factory=list)
    baseline: dict[str, dict] = field(default_factory=dict)
    table_schema: TableSchema | None = None
    feature_schema: TableSchema = field(default_factory=lambda: TableSchema({}))
    name: str | None = None
    version: str | None = None

    @property
    def example(self) -> dict[str, Any] | None:
        """One real row, if there is any."""
        return self.examples[0] if self.examples else None


def load(folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None) -> Model:
    """Load the model of a folder. The Python classes in its pickle are imported from ``sys.path``.

    Parameters
    ----------
    folder : path
        The model folder, or one above it.
    name, version : str, optional
        Repeated in every answer.
    sha256 : str, optional
        The expected :func:`digest`; a folder with another one is not unpickled.

    Raises
    ------
    ModelError
        If the folder cannot be served, with the reason.
    """
    return with_estimator(read(folder, name, version, sha256), find(folder))


def with_estimator(model: Model, folder: Path) -> Model:
    """Return a copy of a model with its estimator, which was not loaded yet."""
    flavor = _sklearn_flavor(_description(folder))
    path = folder / _estimator_file_name(flavor)
    if flavor.get("serialization_format") == "skops":
        import skops.io

        return replace(model, estimator=skops.io.load(path, trusted=flavor.get("skops_trusted_types") or []))
    with path.open("rb") as file:
        return replace(model, estimator=pickle.load(file))


def estimator_file(folder: Path) -> Path:
    """Return the file that holds the estimator of a model folder."""
    return folder / _estimator_file_name(_sklearn_flavor(_description(folder)))


def read(folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None) -> Model:
    """Read a model's description; nothing in the folder is unpickled or imported.

    Parameters and errors are those of `load`.
    """
    folder = find(folder)
    if sha256 is not None and (actual := digest(folder)) != sha256:
        raise ModelError(
            f"The model in {folder} is not the one that was registered: its SHA-256 is {actual}, the registry's is "
            f"{sha256}. Nothing was loaded; register the model again."
        )
    description = _description(folder)
    stored = _stored_baseline(folder)
    baseline = stored.get("columns", {})
    table_schema = TableSchema.from_dict(stored[TABLE_SCHEMA]) if stored.get(TABLE_SCHEMA) else None
    if FEATURE_SCHEMA in stored:
        feature_schema = TableSchema.from_dict(stored[FEATURE_SCHEMA])
    else:
        feature_schema = earlier_columns.read(folder)
    columns = _columns(description, baseline, feature_schema)
    examples = _examples(folder, description, columns)
    return Model(None, columns, examples, baseline, table_schema, feature_schema, name, version)


def _columns(description: dict, baseline: dict[str, dict], schema: TableSchema) -> tuple[Column, ...]:
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


def _description(folder: Path) -> dict:
    return yaml.load((folder / "MLmodel").read_text(encoding="utf-8"), _YAML)


def _sklearn_flavor(description: dict) -> dict:
    flavors = description.get("flavors", {})
    if "sklearn" not in flavors:
        raise ModelError(f"Only scikit-learn models can be served; this one has the flavors {', '.join(flavors)}.")
    return flavors["sklearn"]


def _estimator_file_name(flavor: dict) -> str:
    return flavor.get("pickled_model", "model.pkl")


def _examples(folder: Path, description: dict, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    info = description.get("saved_input_example_info") or {}
    path = folder / info.get("artifact_path", "input_example.json")
    if info.get("pandas_orient", "split") != "split" or not path.is_file():
        return []
    # MLflow writes missing numbers as NaN, which is not valid JSON.
    table = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    rows = [dict(zip(table["columns"], values, strict=True)) for values in table.get("data") or []]
    rows = [{column.name: row.get(column.name) for column in columns} for row in rows]
    # A column of mixed types can contain values that are invalid in a request.
    return [row for row in rows if not any(list(column.invalid_values([row[column.name]])) for column in columns)]


def _stored_baseline(folder: Path) -> dict[str, Any]:
    path = folder / BASELINE_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
