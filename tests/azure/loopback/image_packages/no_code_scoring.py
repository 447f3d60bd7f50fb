"""Entry script of a deployment that brings none: an MLflow model, asked by ``{"input_data": ...}``."""

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
    asked = json.loads(raw)["input_data"]
    frame = pd.DataFrame(**asked) if isinstance(asked, dict) else pd.DataFrame(asked)
    return pd.Series(model.predict(frame)).tolist()
