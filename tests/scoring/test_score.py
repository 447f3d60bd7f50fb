"""The entry script, also under Azure ML's own server, in a process of its own because that server changes globals."""

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest

from lib.scoring import score
from lib.scoring.request_error import RequestError
from tests.bad_bodies import bodies
from tests.served_models import ROW

SCRIPT = """
import base64, json, sys
from azureml_inference_server_http.server.create_app import create

client = create().test_client()
answers = []
for body in json.load(sys.stdin):
    answer = client.post("/score", data=base64.b64decode(body), content_type="application/json")
    answers.append([answer.status_code, answer.get_json()])
print("ANSWERS" + json.dumps(answers))
"""
has_server = importlib.util.find_spec("azureml_inference_server_http") is not None


def test_init_and_run(models, monkeypatch):
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(models / "classifier"))
    monkeypatch.setattr(score, "_CODE_FOLDER", models / "classifier" / "code")
    score.init()
    assert score.run(json.dumps({"data": [ROW]}))["predictions"] == ["on time"]
    if not has_server:
        with pytest.raises(RequestError, match="no rows"):
            score.run('{"data": []}')


@pytest.mark.skipif(not has_server, reason="azureml-inference-server-http is not installed")
def test_answers_are_the_same_under_azure_mls_server(models, tmp_path):
    mounted = tmp_path / "flights" / "12"
    mounted.mkdir(parents=True)
    (mounted / "model").symlink_to(models / "classifier")
    shutil.copytree(models / "classifier" / "code", tmp_path / "app")
    variables = {
        "AML_APP_ROOT": str(tmp_path / "app"),
        "AZUREML_ENTRY_SCRIPT": "lib/scoring/score.py",
        "AZUREML_MODEL_DIR": str(mounted),
        "AML_APP_INSIGHTS_ENABLED": "false",
    }
    corpus = {**bodies(), "good": (json.dumps({"data": [ROW]}).encode(), 200)}
    requests = json.dumps([base64.b64encode(body).decode() for body, _ in corpus.values()])
    command = [sys.executable, "-c", SCRIPT]
    ran = subprocess.run(
        command,
        input=requests,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    answers = json.loads(ran.stdout.partition("ANSWERS")[2].splitlines()[0])
    for (name, (_, expected)), (status, _) in zip(corpus.items(), answers, strict=True):
        assert (name, status) == (name, expected)
    good = answers[-1][1]
    assert good["predictions"] == ["on time"] and good["model"] == {"name": "flights", "version": "12"}
