"""The model folder: found, hashed, and run with its own code."""

import json
import pickle
import shutil
import subprocess
import sys
import types

import pytest

from lib.scoring.model import load
from lib.scoring.model_folder import ModelError, digest, find

# The models are saved once for all files of this folder, so these stay on one worker.

FROZEN = """
class Frozen:
    def predict(self, rows):
        from lib.training.frozen_words import WORDS
        return [WORDS] * len(rows)

    def get_params(self):
        return {}

    def set_params(self):
        return self
"""


def test_digest_is_of_names_and_contents(models, tmp_path):
    shutil.copytree(models / "classifier", tmp_path / "model")
    first = digest(tmp_path / "model")
    assert first == digest(models / "classifier") and len(first) == 64
    (tmp_path / "model" / "__pycache__").mkdir()
    (tmp_path / "model" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (tmp_path / "model" / "registered_model_meta").write_text("model_name: flights")
    assert digest(tmp_path / "model") == first
    (tmp_path / "model" / "baseline.json").rename(tmp_path / "model" / "baseline2.json")
    assert digest(tmp_path / "model") != first


def test_model_is_found_here_or_below(models, tmp_path):
    assert find(models / "classifier") == models / "classifier"
    shutil.copytree(models / "classifier", tmp_path / "7" / "model")
    assert find(tmp_path) == tmp_path / "7" / "model"
    with pytest.raises(ModelError, match="several models"):
        find(models)
    with pytest.raises(ModelError, match="no file named MLmodel"):
        find(tmp_path / "nothing")


def test_other_hash_is_refused_before_anything_is_loaded(models, tmp_path):
    shutil.copytree(models / "classifier", tmp_path / "model")
    (tmp_path / "model" / "model.pkl").write_bytes(b"no pickle, and nobody should notice")
    with pytest.raises(ModelError, match="not the one that was registered"):
        load(tmp_path / "model", sha256=digest(models / "classifier"))


def test_model_without_a_signature_is_refused(models, tmp_path):
    shutil.copytree(models / "classifier", tmp_path / "model")
    lines = (tmp_path / "model" / "MLmodel").read_text().split("\nsignature:")[0]
    (tmp_path / "model" / "MLmodel").write_text(lines + "\n")
    with pytest.raises(ModelError, match="infer_signature"):
        load(tmp_path / "model")


def test_baseline_and_example_are_optional(models, tmp_path):
    shutil.copytree(models / "classifier", tmp_path / "model")
    (tmp_path / "model" / "baseline.json").unlink()
    (tmp_path / "model" / "input_example.json").unlink()
    model = load(tmp_path / "model", "flights", "1")
    assert (model.baseline, model.example) == ({}, None)
    assert [column.name for column in model.columns if column.nullable] == ["fare", "city"]


def test_model_runs_with_the_code_it_was_trained_with(tmp_path):
    """`lib` of the work tree knows neither module; the server around the model is the work tree's."""
    module = types.ModuleType("lib.training.frozen_estimator")
    exec(FROZEN, module.__dict__)
    sys.modules[module.__name__] = module
    try:
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(module.Frozen()))
    finally:
        del sys.modules[module.__name__]
    code = tmp_path / "code" / "lib" / "training"
    code.mkdir(parents=True)
    (code / "frozen_estimator.py").write_text(FROZEN)
    (code / "frozen_words.py").write_text("WORDS = 'as trained'")
    described = {
        "flavors": {"sklearn": {"pickled_model": "model.pkl"}},
        "signature": {"inputs": json.dumps([{"type": "double", "name": "x", "required": True}])},
    }
    (tmp_path / "MLmodel").write_text(json.dumps(described))
    script = (
        "import sys, lib.scoring.score as score\n"
        "scorer = score.Scorer(score.load(sys.argv[1]))\n"
        'print(scorer.score(\'{"data": [{"x": 1}]}\')["predictions"])\n'
        "import lib.scoring.worker\n"
        "print([name for name in sys.modules if name.startswith('lib.') and not name.startswith('lib.serving')])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    # The server is still found, and it brought nothing of the work tree's `lib` along.
    expected = ["lib.training", "lib.training.frozen_estimator", "lib.training.frozen_words"]
    assert ran.stdout == f"['as trained']\n{expected}\n", ran.stderr
