"""The model folder: found, hashed, and served by the code that was saved with it."""

import json
import os
import pickle
import shutil
import sys
import types

import pytest

from lib.backends import model_code, model_files
from lib.scoring import wire_protocol
from lib.scoring.model import load_model
from lib.scoring.model_folder import ModelError, compute_digest, find_code_folder, find_model_folder
from lib.serving import model_process

# A training function of an earlier release, with a class that this checkout does not have.
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
# A worker that also tells which modules of lib it has imported, and from where.
SPY = """
import sys

from lib.scoring import worker


def load(*arguments):
    target = worker.load(*arguments)
    target.facts["files"] = sorted(
        module.__file__ for name, module in sys.modules.items() if name == "lib" or name.startswith("lib.")
    )
    target.facts["path"] = sys.path
    return target
"""


@pytest.fixture
def folder(models, tmp_path):
    """Return a copy of a model folder."""
    shutil.copytree(models / "classifier", tmp_path / "model")
    return tmp_path / "model"


def test_digest_covers_names_and_contents(models, folder):
    first = compute_digest(folder)
    assert first == compute_digest(models / "classifier") and len(first) == 64
    (folder / "baseline.json").rename(folder / "baseline2.json")
    assert compute_digest(folder) != first


def test_model_is_found_here_or_below(models, tmp_path):
    assert find_model_folder(models / "classifier") == models / "classifier"
    shutil.copytree(models / "classifier", tmp_path / "7" / "model")
    assert find_model_folder(tmp_path) == tmp_path / "7" / "model"
    with pytest.raises(ModelError, match="several models"):
        find_model_folder(models)
    with pytest.raises(ModelError, match="no file named MLmodel"):
        find_model_folder(tmp_path / "nothing")


def test_wrong_digest_is_refused_before_unpickling(models, folder):
    (folder / "model.pkl").write_bytes(b"not a pickle, which nobody should notice")
    with pytest.raises(ModelError, match="not the one that was registered"):
        load_model(folder, sha256=compute_digest(models / "classifier"))


def test_model_without_signature_is_refused(folder):
    lines = (folder / "MLmodel").read_text().split("\nsignature:")[0]
    (folder / "MLmodel").write_text(lines + "\n")
    with pytest.raises(ModelError, match="infer_signature"):
        load_model(folder)


def test_baseline_and_example_are_optional(folder):
    (folder / "baseline.json").unlink()
    (folder / "input_example.json").unlink()
    model = load_model(folder, "flights", "1")
    assert (model.baseline, model.example) == ({}, None)
    assert [column.name for column in model.columns if column.nullable] == ["fare", "city"]


def test_model_without_scoring_code_is_refused(folder):
    (folder / "code" / "lib" / "scoring" / "wire_protocol.py").unlink()
    with pytest.raises(ModelError, match=r"saved by an earlier release.*Run the chain again"):
        find_code_folder(folder)


def test_other_protocol_version_is_refused():
    model_process.check_protocol({"protocol": wire_protocol.VERSION})
    with pytest.raises(ModelError, match="uses version 0 .*Run the chain again"):
        model_process.check_protocol({"protocol": 0})


@pytest.fixture
def frozen_model(tmp_path):
    """Return the folder of a model whose code is not this checkout's."""
    module = types.ModuleType("lib.training.frozen_estimator")
    exec(FROZEN, module.__dict__)
    sys.modules[module.__name__] = module
    try:
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(module.Frozen()))
    finally:
        del sys.modules[module.__name__]
    description = {
        "flavors": {"sklearn": {"pickled_model": "model.pkl"}},
        "signature": {"inputs": json.dumps([{"type": "double", "name": "x", "required": True}])},
    }
    (tmp_path / "MLmodel").write_text(json.dumps(description))
    model_files.add_code(tmp_path)
    code = tmp_path / "code" / "lib" / "training"
    (code / "frozen_estimator.py").write_text(FROZEN)
    (code / "frozen_words.py").write_text("WORDS = 'as trained'")
    (tmp_path / "code" / "lib" / "spy.py").write_text(SPY)
    return tmp_path


def test_worker_runs_only_the_code_saved_with_its_model(frozen_model, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # of the parent, which the worker must not inherit
    server = model_process.start(frozen_model, "lib.spy", "flights", "1", bytecode=frozen_model / "bytecode")
    try:
        facts = server.wait_until_ready().facts
        connection, _ = server.fork()
        with connection:
            connection.sendall(wire_protocol.pack_request(b'{"data": [{"x": 1}]}'))
            buffer = bytearray()
            while not (answers := list(wire_protocol.take_answers(buffer[4:]))):  # after the process id
                buffer += connection.recv(2**16)
    finally:
        server.terminate()
    assert json.loads(answers[0].content)["predictions"] == ["as trained"]
    code = str(frozen_model / "code")
    assert len(facts["files"]) > 10 and all(file.startswith(code) for file in facts["files"])
    assert facts["path"][0] == code and not any(entry.endswith("/lib") for entry in facts["path"])


class TestCodeOfAModel:
    def test_pickle_names_its_modules(self, tmp_path):
        from lib.training.features import TableEncoder

        (tmp_path / "model.pkl").write_bytes(pickle.dumps({"matplotlib.figure": TableEncoder("trees", True, 0)}))
        assert model_code.modules_named_in(tmp_path / "model.pkl") == {"lib.training.features.encoder"}

    def test_imports_are_followed(self):
        modules = model_code.add_imported_modules({"lib.training.extra_trees"})
        assert {"lib.training", "lib.training.random_forest", "lib.catalogue"} <= modules
        assert "lib.metrics" not in modules  # imported for type checkers only

    def test_only_needed_modules_are_saved(self, folder):
        saved = {path.relative_to(folder / "code" / "lib").as_posix() for path in folder.rglob("code/**/*.py")}
        assert {"scoring/worker.py", "schema/datetimes.py", "training/features/encoder.py"} <= saved
        assert not {path for path in saved if path.startswith(("serving/", "backends/", "data/"))}
        assert (folder / "code" / "lib" / "training" / "__init__.py").read_text() == ""
