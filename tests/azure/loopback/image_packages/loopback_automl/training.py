"""An AutoML job: it trains a few models on the run's dataset, and writes each when it is scored.

``python -m loopback_automl.training settings.json`` writes ``<iteration>/outputs/...`` and then
``<iteration>/result.json``.
"""

import json
import pickle
import sys
import time
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
import yaml
from mlflow.models import infer_signature
from sklearn import metrics
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)  # fmt: skip
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .model import DataTransformer

CANDIDATES = {
    "classification": {
        "LogisticRegression": lambda: LogisticRegression(max_iter=200),
        "RandomForest": lambda: RandomForestClassifier(30, random_state=0),
        "LightGBM": lambda: HistGradientBoostingClassifier(max_iter=50, random_state=0),
        "ExtremeRandomTrees": lambda: ExtraTreesClassifier(30, random_state=0),
    },
    "regression": {
        "ElasticNet": lambda: Ridge(),
        "RandomForest": lambda: RandomForestRegressor(30, random_state=0),
        "LightGBM": lambda: HistGradientBoostingRegressor(max_iter=50, random_state=0),
        "ExtremeRandomTrees": lambda: ExtraTreesRegressor(30, random_state=0),
    },
}  # fmt: skip


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    if settings.get("training_files"):  # SDK version 2
        frame = pd.concat(map(pd.read_parquet, settings["training_files"]))
    else:
        frame = read_dataset(settings["training_data"])
    label = settings["label_column_name"]
    frame = frame[frame[label].notna()]
    rows, target = frame.drop(columns=label), frame[label]
    if settings.get("validation_data"):
        validation = read_dataset(settings["validation_data"])
        parts = rows, validation.drop(columns=label), target, validation[label]
    else:
        stratify = target if settings["task_type"] == "classification" else None
        parts = train_test_split(rows, target, test_size=0.2, random_state=0, stratify=stratify)
    allowed, blocked = settings["allowed"], settings["blocked"]
    known = CANDIDATES[settings["task_type"]].items()
    candidates = [(name, make) for name, make in known if (not allowed or name in allowed) and name not in blocked]
    for iteration in range(min(settings["iterations"], len(candidates))):
        algorithm, make = candidates[iteration]
        started = time.monotonic()
        model = make_pipeline(DataTransformer(), StandardScaler(), make()).fit(parts[0], parts[2])
        scores = (classification if settings["task_type"] == "classification" else regression)(
            model, parts[1], parts[3]
        )
        folder = Path(str(iteration))
        write(model, rows.head(50), folder / "outputs", settings["save_mlflow"])
        result = {"algorithm": algorithm, "metrics": scores, "fit_seconds": time.monotonic() - started}
        (folder / "result.tmp").write_text(json.dumps(result))
        (folder / "result.tmp").rename(folder / "result.json")
        print(f"{algorithm}: {scores}", flush=True)


def read_dataset(identifier: str) -> pd.DataFrame:
    """Read a dataset of SDK version 1."""
    from azureml.core import Dataset, Run

    return Dataset.get_by_id(Run.get_context().experiment.workspace, identifier).to_pandas_dataframe()


def classification(model, rows, target) -> dict[str, float]:
    predicted, probabilities = model.predict(rows), model.predict_proba(rows)
    classes = list(model.classes_)
    known = np.asarray([[value == name for name in classes] for value in target], dtype=int)
    return {
        "accuracy": metrics.accuracy_score(target, predicted),
        "AUC_weighted": metrics.roc_auc_score(known, probabilities, average="weighted"),
        "AUC_macro": metrics.roc_auc_score(known, probabilities, average="macro"),
        "average_precision_score_weighted": metrics.average_precision_score(known, probabilities, average="weighted"),
        "balanced_accuracy": metrics.balanced_accuracy_score(target, predicted),
        "f1_score_macro": metrics.f1_score(target, predicted, average="macro"),
        "f1_score_weighted": metrics.f1_score(target, predicted, average="weighted"),
        "log_loss": metrics.log_loss(target, probabilities, labels=classes),
        "norm_macro_recall": metrics.balanced_accuracy_score(target, predicted, adjusted=True),
        "precision_score_weighted": metrics.precision_score(target, predicted, average="weighted", zero_division=0),
    }


def regression(model, rows, target) -> dict[str, float]:
    predicted = model.predict(rows)
    spread = float(target.max() - target.min()) or 1.0
    root = float(metrics.mean_squared_error(target, predicted)) ** 0.5
    absolute = float(metrics.mean_absolute_error(target, predicted))
    ranks = np.argsort(np.argsort(target)), np.argsort(np.argsort(predicted))
    return {
        "r2_score": float(metrics.r2_score(target, predicted)), "root_mean_squared_error": root,
        "normalized_root_mean_squared_error": root / spread, "mean_absolute_error": absolute,
        "normalized_mean_absolute_error": absolute / spread,
        "spearman_correlation": float(np.corrcoef(*ranks)[0, 1]),
    }  # fmt: skip


def write(model, example, folder: Path, save_mlflow: bool) -> None:
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = ["azureml-inference-server-http", "loopback-automl-runtime"]
    conda = {"name": "automl", "dependencies": [f"python={version}", {"pip": packages}]}
    (folder / "conda_env_v_1_0_0.yml").write_text(yaml.safe_dump(conda))
    (folder / "scoring_file_v_2_0_0.py").write_text(SCORING)
    if save_mlflow:
        signature = infer_signature(example, model.predict(example))
        mlflow.sklearn.save_model(
            model, folder / "mlflow-model", conda_env=conda, signature=signature, serialization_format="cloudpickle"
        )


SCORING = """import json, os, pickle
from pathlib import Path

import pandas as pd


def init():
    global model
    model = pickle.loads(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl")).read_bytes())


def run(raw):
    return {"Results": model.predict(pd.DataFrame(json.loads(raw)["Inputs"]["data"])).tolist()}
"""

main()
