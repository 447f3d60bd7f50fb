"""The model of a folder, loaded without importing mlflow.

Importing mlflow takes longer than everything else a start does, and of all it offers a scikit-learn
model needs one line, so the folder's own file ``MLmodel`` is read here.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from lib.scoring.columns import KINDS, Column
from lib.scoring.model_folder import BASELINE_FILE, ModelError, digest, find, use_code

# The reader in C is not in every build of PyYAML.
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Model:
    """A loaded model and what its folder says about it.

    Attributes
    ----------
    estimator : sklearn.base.BaseEstimator or None
        Takes the raw columns as a DataFrame. None where only the folder was read.
    columns : tuple of Column
        The inputs, in the order of the signature.
    examples : list of dict
        Real rows of the test set, by column, as they would stand in a request.
    baseline : dict
        Training statistics by column; empty where the folder has none.
    name, version : str or None
        Under which the registry knows the model.
    """

    estimator: Any
    columns: tuple[Column, ...]
    examples: list[dict[str, Any]] = field(default_factory=list)
    baseline: dict[str, dict] = field(default_factory=dict)
    name: str | None = None
    version: str | None = None

    @property
    def example(self) -> dict[str, Any] | None:
        """One real row."""
        return self.examples[0] if self.examples else None


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
    ModelError
        With the reason.
    """
    model = read(folder, name, version, sha256)
    folder = find(folder)
    use_code(folder)
    return with_estimator(model, folder)


def with_estimator(model: Model, folder: Path) -> Model:
    """The model of which `read` has read the folder, unpickled."""
    flavor = _flavor(_described(folder))
    path = folder / _file(flavor)
    if flavor.get("serialization_format") == "skops":
        import skops.io

        return replace(model, estimator=skops.io.load(path, trusted=flavor.get("skops_trusted_types") or []))
    with path.open("rb") as file:
        return replace(model, estimator=pickle.load(file))


def pickled(folder: Path) -> Path:
    """File that holds the estimator of a model folder."""
    return folder / _file(_flavor(_described(folder)))


def read(folder: str | Path, name: str | None = None, version: str | None = None, sha256: str | None = None) -> Model:
    """What a model's folder says about it; nothing of it is unpickled or imported.

    Parameters and errors are those of `load`.
    """
    folder = find(folder)
    if sha256 is not None and digest(folder) != sha256:
        raise ModelError(
            f"The model in {folder} is not the one that was registered: its SHA-256 is {digest(folder)}, the "
            f"registry says {sha256}. Nothing of it was loaded; register the model again."
        )
    described = _described(folder)
    baseline = _baseline(folder)
    columns = _columns(described, baseline)
    return Model(None, columns, _examples(folder, described, columns), baseline, name, version)


def _columns(described: dict, baseline: dict[str, dict]) -> tuple[Column, ...]:
    signature = described.get("signature") or {}
    inputs = json.loads(signature.get("inputs") or "[]")
    if not inputs or any("name" not in one for one in inputs):
        raise ModelError(
            "The model's signature names no columns, so requests could not be checked. "
            "Save it with a signature inferred from a DataFrame: mlflow.models.infer_signature(rows, predictions)."
        )
    strange = [f"{one['name']} ({one['type']})" for one in inputs if one["type"] not in KINDS]
    if strange:
        raise ModelError(
            f"Columns of these types cannot be asked for: {', '.join(strange)}. Known: {', '.join(KINDS)}."
        )
    return tuple(Column.from_signature(one, baseline.get(one["name"], {})) for one in inputs)


def _described(folder: Path) -> dict:
    return yaml.load((folder / "MLmodel").read_text(encoding="utf-8"), _YAML)


def _flavor(described: dict) -> dict:
    flavors = described.get("flavors", {})
    if "sklearn" not in flavors:
        raise ModelError(f"Only scikit-learn models are served; this one has the flavors {', '.join(flavors)}.")
    return flavors["sklearn"]


def _file(flavor: dict) -> str:
    return flavor.get("pickled_model", "model.pkl")


def _examples(folder: Path, described: dict, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    said = described.get("saved_input_example_info") or {}
    path = folder / said.get("artifact_path", "input_example.json")
    if said.get("pandas_orient", "split") != "split" or not path.is_file():
        return []
    # MLflow writes missing numbers as NaN, which is no JSON.
    table = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    rows = [dict(zip(table["columns"], values, strict=True)) for values in table.get("data") or []]
    rows = [{column.name: row.get(column.name) for column in columns} for row in rows]
    # Of a column of mixed types, a row may hold what no request may send.
    return [row for row in rows if not any(list(column.misfits([row[column.name]])) for column in columns)]


def _baseline(folder: Path) -> dict[str, dict]:
    path = folder / BASELINE_FILE
    return json.loads(path.read_text(encoding="utf-8")).get("columns", {}) if path.is_file() else {}
