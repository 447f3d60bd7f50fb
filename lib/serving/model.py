"""The model of a folder, loaded without importing mlflow.

Importing mlflow takes longer than everything else a start does, and of all it offers a scikit-learn
model needs one line, so the folder's own file ``MLmodel`` is read here.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lib.serving.columns import KINDS, Column
from lib.serving.model_folder import ModelRefused, digest, find, use_code

BASELINE_FILE = "baseline.json"


@dataclass(frozen=True)
class Model:
    """A loaded model and what its folder says about it.

    Attributes
    ----------
    estimator : sklearn.base.BaseEstimator
        Takes the raw columns as a DataFrame.
    columns : tuple of Column
        The inputs, in the order of the signature.
    example : dict or None
        One real row, by column, as it would stand in a request.
    baseline : dict
        Training statistics by column; empty where the folder has none.
    name, version : str or None
        Under which the registry knows the model.
    """

    estimator: Any
    columns: tuple[Column, ...]
    example: dict[str, Any] | None = None
    baseline: dict[str, dict] = field(default_factory=dict)
    name: str | None = None
    version: str | None = None


def load(folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None) -> Model:
    """Load the model of a folder.

    Parameters
    ----------
    folder : path
        The model folder, or one above it.
    name, version : str, optional
        Said in every answer.
    sha256 : str, optional
        What :func:`digest` must say; otherwise nothing of the folder is unpickled or imported.

    Raises
    ------
    ModelRefused
        With the reason.
    """
    folder = find(folder)
    if sha256 is not None and digest(folder) != sha256:
        raise ModelRefused(
            f"The model in {folder} is not the one that was registered: its SHA-256 is {digest(folder)}, the "
            f"registry says {sha256}. Nothing of it was loaded; register the model again."
        )
    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    baseline = _baseline(folder)
    columns = _columns(described, baseline)
    use_code(folder)
    return Model(_estimator(folder, described), columns, _example(folder, described, columns), baseline, name, version)


def _columns(described: dict, baseline: dict[str, dict]) -> tuple[Column, ...]:
    signature = described.get("signature") or {}
    inputs = json.loads(signature.get("inputs") or "[]")
    if not inputs or any("name" not in one for one in inputs):
        raise ModelRefused(
            "The model's signature names no columns, so requests could not be checked. "
            "Save it with a signature inferred from a DataFrame: mlflow.models.infer_signature(rows, predictions)."
        )
    strange = [f"{one['name']} ({one['type']})" for one in inputs if one["type"] not in KINDS]
    if strange:
        raise ModelRefused(
            f"Columns of these types cannot be asked for: {', '.join(strange)}. Known: {', '.join(KINDS)}."
        )
    return tuple(Column.of(one, baseline.get(one["name"], {})) for one in inputs)


def _estimator(folder: Path, described: dict) -> Any:
    flavors = described.get("flavors", {})
    if "sklearn" not in flavors:
        raise ModelRefused(f"Only scikit-learn models are served; this one has the flavors {', '.join(flavors)}.")
    flavor = flavors["sklearn"]
    path = folder / flavor.get("pickled_model", "model.pkl")
    if flavor.get("serialization_format") == "skops":
        import skops.io

        return skops.io.load(path, trusted=flavor.get("skops_trusted_types") or [])
    with path.open("rb") as file:
        return pickle.load(file)


def _example(folder: Path, described: dict, columns: tuple[Column, ...]) -> dict[str, Any] | None:
    said = described.get("saved_input_example_info") or {}
    path = folder / said.get("artifact_path", "input_example.json")
    if said.get("pandas_orient", "split") != "split" or not path.is_file():
        return None
    # MLflow writes missing numbers as NaN, which is no JSON.
    table = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    if not table.get("data"):
        return None
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    return {column.name: row.get(column.name) for column in columns}


def _baseline(folder: Path) -> dict[str, dict]:
    path = folder / BASELINE_FILE
    return json.loads(path.read_text(encoding="utf-8")).get("columns", {}) if path.is_file() else {}
