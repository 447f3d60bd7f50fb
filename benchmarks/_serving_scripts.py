"""Programs that the serving benchmark runs in processes of their own."""

SCORE_SCRIPT = """
import json
import os

import mlflow.sklearn
import pandas as pd


def init():
    global model
    model = mlflow.sklearn.load_model(os.environ["AZUREML_MODEL_DIR"])


def run(raw):
    rows = pd.DataFrame(json.loads(raw)["data"])
    rows["scheduled_departure"] = pd.to_datetime(rows["scheduled_departure"])
    return model.predict(rows).tolist()
"""
DEPLOY_SCRIPT = """
import sys

from lib.serving.deploying.endpoint import RequestLogSettings, LocalEndpoint

LocalEndpoint(sys.argv[1], "flights").deploy(sys.argv[2], "1", request_log=RequestLogSettings())
"""
PREDICT_SCRIPT = """
import statistics
import sys
import time

from lib.scoring.model import load_model
from lib.scoring.sklearn_model import make_frame, use_one_thread

model = load_model(sys.argv[1])
use_one_thread(model.estimator)
row = make_frame({name: [value] for name, value in model.example.items()}, model.columns)
times = []
for _ in range(500):
    started = time.perf_counter()
    model.estimator.predict(row)
    times.append(time.perf_counter() - started)
print(1000 * statistics.median(times))
"""
