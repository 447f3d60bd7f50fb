"""Scoring script of deployments without code: it serves an MLflow model for ``{"input_data": ...}``."""

import json
import os
from pathlib import Path

import mlflow.pyfunc
import pandas as pd

model = None


def init():
    global model
    folder = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")).parent
    model = mlflow.pyfunc.load_model(str(folder))


def run(raw):
    requested = json.loads(raw)["input_data"]
    frame = pd.DataFrame(**requested) if isinstance(requested, dict) else pd.DataFrame(requested)
    return pd.Series(model.predict(frame)).tolist()
