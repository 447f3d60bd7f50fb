"""Model folders with planted files: nothing foreign runs, and the message names the file."""

import importlib.util
import os
import py_compile
import shutil
import socket
import subprocess
import sys

import pytest

from lib.scoring.model_folder import ModelError, compute_digest, copy_verified, list_files, verify, write_sums
from lib.serving import model_process

PLANTED = "import pathlib, os\npathlib.Path(os.environ['PROOF']).write_text('it ran')\n"
ROLES = {
    "pickle": "model.pkl",
    "code": "code/lib/scoring/worker.py",
    "fast model": "fast_model.pickle",
    "baseline": "baseline.json",
    "description": "MLmodel",
}


@pytest.fixture
def folder(models, tmp_path):
    """Return a sealed copy of a model folder."""
    copy = tmp_path / "model"
    shutil.copytree(models / "classifier", copy)
    (copy / "fast_model.pickle").write_bytes(b"stands for a fast model")
    write_sums(copy)
    return copy


@pytest.fixture
def sha256(folder):
    return compute_digest(folder)


@pytest.fixture
def proof(tmp_path, monkeypatch):
    """Return a file that planted code writes."""
    monkeypatch.setenv("PROOF", str(tmp_path / "proof"))
    return tmp_path / "proof"


def plant_bytecode(source, code=PLANTED):
    """Write compiled code that Python runs in place of a source file, without comparing it with the source."""
    foreign = source.parent / "foreign.txt"
    foreign.write_text(code)
    compiled = importlib.util.cache_from_source(str(source))
    py_compile.compile(str(foreign), compiled, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    foreign.unlink()


@pytest.mark.parametrize("file", ROLES.values(), ids=ROLES)
def test_swapped_file_is_refused_by_its_name(folder, sha256, tmp_path, file):
    (folder / file).write_bytes((folder / file).read_bytes() + b"\n")
    for refuse in (lambda: verify(folder, sha256), lambda: copy_verified(folder, tmp_path / "copy", sha256)):
        with pytest.raises(ModelError, match=f"not the one that was registered: {file} was changed"):
            refuse()
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", ["code/sklearn/__init__.py", "code/sitecustomize.py", "code/lib/scoring/worker.so"])
def test_surplus_file_is_refused_by_its_name(folder, sha256, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(PLANTED)
    with pytest.raises(ModelError, match=f"{name} was added"):
        verify(folder, sha256)


def test_missing_file_and_new_sums_are_refused(folder, sha256):
    (folder / "baseline.json").unlink()
    with pytest.raises(ModelError, match="baseline.json is missing"):
        verify(folder, sha256)
    write_sums(folder)  # as a careful attacker does
    with pytest.raises(ModelError, match="SHA256SUMS was replaced"):
        verify(folder, sha256)


def link_folder(folder, elsewhere):
    (folder / "code" / "sklearn").symlink_to(elsewhere)


def link_file(folder, elsewhere):
    (folder / "code" / "numpy.py").symlink_to(elsewhere / "__init__.py")


def dangling_link(folder, elsewhere):
    (folder / "code" / "gone").symlink_to(elsewhere / "gone")


def link_in_place_of_the_pickle(folder, elsewhere):
    (folder / "model.pkl").replace(elsewhere / "model.pkl")
    (folder / "model.pkl").symlink_to(elsewhere / "model.pkl")


def pipe(folder, elsewhere):
    os.mkfifo(folder / "code" / "pipe")


def unix_socket(folder, elsewhere):
    with socket.socket(socket.AF_UNIX) as listener:
        directory = os.open(folder, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{directory}/socket")
        os.close(directory)


def bytecode(folder, elsewhere):
    plant_bytecode(folder / "code" / "lib" / "scoring" / "worker.py")


def sourceless_bytecode(folder, elsewhere):
    (folder / "code" / "sklearn.pyc").write_bytes(b"")


def name_with_a_line_break(folder, elsewhere):
    (folder / "code" / "a\nb").write_text("")


@pytest.mark.parametrize(
    "plant",
    [
        link_folder,
        link_file,
        dangling_link,
        link_in_place_of_the_pickle,
        pipe,
        unix_socket,
        bytecode,
        sourceless_bytecode,
        name_with_a_line_break,
    ],
    ids=lambda plant: plant.__name__,
)
def test_anything_but_a_file_is_refused(folder, sha256, tmp_path, plant):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "__init__.py").write_text(PLANTED)
    plant(folder, elsewhere)
    for refuse in (list_files, compute_digest, lambda path: verify(path, sha256)):
        with pytest.raises(ModelError, match="Nothing of the model was loaded. Delete"):
            refuse(folder)
    with pytest.raises(ModelError):
        copy_verified(folder, tmp_path / "copy", sha256)


def test_download_note_of_mlflow_is_accepted_at_the_top_only(folder, sha256, tmp_path):
    (folder / "registered_model_meta").write_text("model_name: flights")
    copy_verified(folder, tmp_path / "copy", sha256)
    assert not (tmp_path / "copy" / "registered_model_meta").exists()
    (folder / "code" / "registered_model_meta").mkdir()
    (folder / "code" / "registered_model_meta" / "__init__.py").write_text(PLANTED)
    with pytest.raises(ModelError, match="code/registered_model_meta/__init__.py was added"):
        verify(folder, sha256)


def test_copy_is_for_its_owner_only(folder, sha256, tmp_path):
    copy_verified(folder, tmp_path / "copy", sha256)
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    assert compute_digest(tmp_path / "copy") == sha256


def test_worker_runs_sources_only(folder, tmp_path, proof, monkeypatch):
    """Even compiled code that is planted after the check does not run."""
    copy_verified(folder, tmp_path / "copy", None)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    code = tmp_path / "copy" / "code" / "lib" / "scoring"
    plant_bytecode(code / "worker.py")
    (code / "scorer.so").write_bytes(b"not a library: importing it would fail")
    server = model_process.start(tmp_path / "copy", "lib.scoring.worker", "f", "1", bytecode=tmp_path / "bytecode")
    try:
        assert server.wait_until_ready() is not None
    finally:
        server.terminate()
    assert not proof.exists() and list((tmp_path / "bytecode").rglob("worker.*.pyc"))
    assert not list(code.glob("__pycache__/scorer*"))


SCORE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from lib.scoring import score
try:
    score.init()
    print("LOADED")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("plant", "outcome"),
    [
        (None, "LOADED"),
        (link_folder, "ModelError .*code/sklearn: a link"),
        (bytecode, "ModelError .*__pycache__: compiled Python code"),
        (lambda folder, _: (folder / "model.pkl").write_bytes(b"x"), "ModelError .*model.pkl was changed"),
        (lambda folder, _: (folder / "baseline.json").write_text("{}"), "ModelError .*baseline.json was changed"),
    ],
    ids=["untouched", "link", "bytecode", "pickle", "baseline"],
)
def test_azure_entry_script_refuses_a_changed_model(folder, sha256, tmp_path, proof, plant, outcome):
    import re

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "__init__.py").write_text(PLANTED)
    shutil.copytree(folder / "code", tmp_path / "app")
    if plant is not None:
        plant(folder, elsewhere)
    environment = {
        **os.environ,
        "AZUREML_MODEL_DIR": str(folder),
        "MILLRACE_MODEL_SHA256": sha256,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "",
    }
    command = [sys.executable, "-P", "-c", SCORE, str(tmp_path / "app")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert re.search(outcome, ran.stdout), ran.stdout + ran.stderr
    assert not proof.exists()


def test_azure_entry_script_refuses_other_code(folder, sha256, tmp_path):
    shutil.copytree(folder / "code", tmp_path / "app")
    (tmp_path / "app" / "sklearn.py").write_text("")
    environment = {**os.environ, "AZUREML_MODEL_DIR": str(folder), "MILLRACE_MODEL_SHA256": sha256, "PYTHONPATH": ""}
    command = [sys.executable, "-P", "-c", SCORE, str(tmp_path / "app")]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert "is not the code of the model: sklearn.py differ" in ran.stdout
