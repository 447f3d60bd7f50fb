"""Small models, saved as the training stage saves them, and endpoints that are stopped after the tests."""

import http.client
import json
import logging
import urllib.parse
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from lib.backends import model_files
from lib.serving.deploying.endpoint import LocalEndpoint

ROW = {
    "age": 41,
    "fare": 12.5,
    "city": "Oslo",
    "member": True,
    "when": "2024-03-01T10:00:00",
    "note": "by the window",
}
BASELINE = {
    "columns": {
        "age": {"kind": "number", "missing": 0.0, "minimum": 18, "maximum": 89, "mean": 50.0},
        "fare": {"kind": "number", "missing": 0.1, "minimum": 1.25, "maximum": 99.0, "mean": 50.0},
        "city": {"kind": "category", "missing": 0.1, "categories": {"Oslo": 30, "Rome </script>": 30}},
        "member": {"kind": "boolean", "missing": 0.0},
        "when": {"kind": "date", "missing": 0.0, "minimum": "2024-01-01", "maximum": "2024-01-03"},
        "note": {"kind": "text", "missing": 0.2},
    },
    "target": {},
}


def _rows():
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": random.integers(18, 90, 60),
            "fare": random.uniform(1, 99, 60),
            "city": random.choice(["Oslo", "Rome"], 60),
            "member": random.random(60) > 0.5,
            "when": pd.date_range("2024-01-01", periods=60, freq="h"),
            "note": "by the window",
        }
    )
    rows.loc[::7, "fare"] = np.nan
    rows.loc[::9, "city"] = None
    return rows


def _features():
    # 32 bits, as in scikit-learn's trees: 1e300 overflows.
    narrow = FunctionTransformer(np.asarray, kw_args={"dtype": np.float32})
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]),
        (make_pipeline(SimpleImputer(), narrow), ["age", "fare"]),
    )


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Return a folder with the models `classifier` and `regressor`."""
    import mlflow
    from mlflow.models import infer_signature

    folder = tmp_path_factory.mktemp("models")
    rows = _rows()
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    made = {
        "classifier": (LogisticRegression(max_iter=1000), np.where(rows["age"] > 50, "late", "on time")),
        "regressor": (LinearRegression(), rows["age"] / 7.0),
    }
    for name, (estimator, target) in made.items():
        pipeline = make_pipeline(_features(), estimator).fit(rows, target)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.sklearn.save_model(
                pipeline,
                folder / name,
                signature=infer_signature(rows, pipeline.predict(rows)),
                input_example=rows.iloc[1:3],
                serialization_format="cloudpickle",
                pip_requirements=[],
            )
        model_files.add_code(folder / name)
        (folder / name / "baseline.json").write_text(json.dumps(BASELINE))
    return folder


class Client:
    """A client of an endpoint that keeps its connection between requests."""

    def __init__(self, url, key=None):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
        self.path = parts.path
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def ask(self, path=None, body=None, method="POST", **headers):
        """Send a request; return status, content (parsed if it is JSON) and headers."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps({"data": [ROW]}) if body is None and method == "POST" else body
        self.connection.request(method, path or self.path, body, {**self.headers, **headers})
        answer = self.connection.getresponse()
        content = answer.read()
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(content) if is_json else content.decode(), answer.headers


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """Return an endpoint without a deployment."""
    made = LocalEndpoint(tmp_path_factory.mktemp("endpoint"), "flights")
    yield made
    made.stop()
