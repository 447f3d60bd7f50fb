"""An exported folder: what it contains, what is refused, and that it serves the same answers elsewhere."""

import ast
import contextlib
import errno
import importlib.metadata
import json
import os
import pickle
import re
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from lib import storage_errors
from lib.backends import model_code
from lib.commands import main
from lib.errors import DataError, StageError, StorageError
from lib.evidence.sbom import Pin, normalize_name, parse_lock
from lib.exporting import folder as folder_module
from lib.exporting import model_packages, requirements
from lib.exporting.folder import SERVER_MODULES, write_folder
from lib.scoring.model_folder import compute_digest
from lib.serving.exported import Export
from tests.served_models import ROW, Client

# Packages that are imported only if they are installed, or by models that bring them along.
OPTIONAL = {"opentelemetry", "xgboost", "catboost", "lightgbm", "skops", "azureml_inference_server_http"}
BODY = json.dumps({"data": [ROW, {**ROW, "age": 280}], "reasons": 2}).encode()


def describe(model):
    return Export(
        name="flights",
        version="7",
        sha256=compute_digest(model),
        about={"target": "late", "metric": "auc", "score": "0.9"},
        workers=1,
        timeout_seconds=120,
        allowed_hosts=["shop.example"],
        request_log={"on": False, "columns": [], "megabytes": 10},
    )


@pytest.fixture
def exported(models, tmp_path):
    """Return an exported folder."""
    target = tmp_path / "elsewhere" / "served"
    write_folder(target, models / "classifier", describe(models / "classifier"))
    return target


def imported_packages(folder):
    """Return the top-level modules that source files import, also in functions."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"lib", "__future__"}


def run_program(folder, *arguments, python=sys.executable):
    """Run ``serve.py`` without this process's variables and working directory."""
    command = [python, str(folder / "serve.py"), *arguments]
    environment = {"PATH": os.defpath, "HOME": str(folder.parent)}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=240, check=False)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def serving(folder, python=sys.executable):
    """Serve an exported folder in the background, and yield a client with a key."""
    port = free_port()
    try:
        started = run_program(folder, "start", "--port", str(port), python=python)
        assert started.returncode == 0, started.stderr
        assert f"http://127.0.0.1:{port}/score version 7" in started.stdout
        yield Client(f"http://127.0.0.1:{port}/score", run_program(folder, "key", python=python).stdout.strip())
    finally:
        run_program(folder, "stop", python=python)


def test_export_contains_exactly_the_listed_files(exported):
    names = {"LICENSE", "README.md", "export.json", "lib", "model", "pyproject.toml", "requirements.txt", "serve.py"}
    assert {path.name for path in exported.iterdir()} == names
    assert stat.S_IMODE(exported.stat().st_mode) == 0o700
    assert {path.name for path in (exported / "lib").iterdir()} == set(SERVER_MODULES)
    assert not list(exported.rglob("keys.json*")) and not list(exported.rglob("*.pyc"))
    assert compute_digest(exported / "model") == json.loads((exported / "export.json").read_text())["sha256"]
    assert not list(exported.parent.glob(".*")), "nothing unfinished is left"


def test_server_imports_nothing_that_is_not_exported(exported):
    modules = {
        ".".join(file.relative_to(exported).with_suffix("").parts).removesuffix(".__init__")
        for file in (exported / "lib").rglob("*.py")
    }
    assert model_code.add_imported_modules(modules) == modules


def test_requirements_have_what_server_and_model_code_import(exported):
    pins = parse_lock((exported / "requirements.txt").read_text())
    assert all(pin.hashes for pin in pins)
    names = {normalize_name(pin.name) for pin in pins}
    distributions = importlib.metadata.packages_distributions()
    for module in imported_packages(exported) - OPTIONAL:
        assert names.intersection(map(normalize_name, distributions[module])), module
    assert "mlflow" not in names and "papermill" not in names and "matplotlib" not in names


def test_readme_asks_with_an_example_of_the_model(exported):
    text = (exported / "README.md").read_text()
    body = json.loads(re.search(r"-d '(.*)'$", text, re.MULTILINE)[1])
    assert set(body["data"][0]) == set(ROW)
    assert "serve.py key" in text and compute_digest(exported / "model") in text


@pytest.mark.parametrize("content", ["file", "folder", "link"])
def test_target_that_is_not_an_empty_folder_is_refused(models, tmp_path, content):
    target = tmp_path / "served"
    if content == "file":
        target.write_text("mine")
    elif content == "link":
        target.symlink_to(tmp_path)
    else:
        target.mkdir()
        (target / ".hidden").write_text("mine")
    with pytest.raises(DataError, match="--to: .*served is not a folder|--to: the folder .*served is not empty"):
        write_folder(target, models / "classifier", describe(models / "classifier"))
    assert target.is_file() or target.is_symlink() or (target / ".hidden").read_text() == "mine"


def test_empty_target_folder_is_used(models, tmp_path):
    (tmp_path / "served").mkdir()
    write_folder(tmp_path / "served", models / "classifier", describe(models / "classifier"))
    assert (tmp_path / "served" / "serve.py").is_file()


@pytest.mark.parametrize("change", ["model.pkl", "code/lib/scoring/scorer.py", "baseline.json", "added.py"])
def test_changed_model_is_not_exported(models, tmp_path, change):
    export = describe(models / "classifier")
    changed = tmp_path / "changed"
    shutil.copytree(models / "classifier", changed)
    with (changed / change).open("ab") as file:
        file.write(b" ")
    with pytest.raises(StageError, match="Version 7 was not exported. The model in .* is not the one that"):
        write_folder(tmp_path / "served", changed, export)
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]


def test_full_disk_leaves_nothing_and_is_told(models, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "served"))

    monkeypatch.setattr(folder_module, "write_requirements", fail)
    with pytest.raises(StorageError, match="There is no space left"), storage_errors.explained():
        write_folder(tmp_path / "served", models / "classifier", describe(models / "classifier"))
    assert not list(tmp_path.iterdir())


def test_export_without_version_in_production_is_refused(workspace, tmp_path, capsys):
    arguments = ["endpoint", "export", "shop", "-p", f"workspace={workspace}", "--to", str(tmp_path / "served")]
    assert main(arguments) == 3
    assert "No version of shop has the tag production" in capsys.readouterr().err
    assert main([*arguments, "--version", "7"]) == 2
    assert "There is no version '7' in the model shop" in capsys.readouterr().err
    assert main(arguments[:-2]) == 2
    assert "endpoint export shop --to DIR" in capsys.readouterr().err
    assert not (tmp_path / "served").exists()


class TestRequirements:
    LOCK = (
        "numpy=={numpy} \\\n    --hash=sha256:" + "a" * 64 + "\n    # via pandas\n"
        "pandas=={pandas} ; sys_platform == 'linux' \\\n    --hash=sha256:" + "b" * 64 + "\n    # via millrace\n"
        "jupyter==1.0 \\\n    --hash=sha256:" + "c" * 64 + "\n    # via millrace\n"
    )

    def lock(self, **versions):
        installed = {name: importlib.metadata.version(name) for name in ("numpy", "pandas")}
        return self.LOCK.format(**{**installed, **versions})

    def test_needed_packages_keep_markers_and_hashes(self):
        text = requirements.write_requirements({"Pandas"}, self.lock())
        pins = {pin.name: pin for pin in parse_lock(text)}
        assert set(pins) == {"numpy", "pandas"}
        assert (pins["pandas"].marker, pins["pandas"].hashes) == ("sys_platform == 'linux'", ["b" * 64])

    def test_package_outside_the_lock_is_pinned_without_hashes(self):
        text = requirements.write_requirements({"pandas", "pytest"}, self.lock())
        assert f"\npytest=={importlib.metadata.version('pytest')}\n" in text
        assert "--hash" not in text and "# Without hashes, because these packages are not in the project's" in text

    def test_other_installed_version_is_refused(self):
        with pytest.raises(DataError, match=r"numpy \S+ instead of 0.1"):
            requirements.write_requirements({"pandas"}, self.lock(numpy="0.1"))

    def test_packages_that_need_each_other_end(self):
        pins = [Pin("a", "1", "", [], ["b"]), Pin("b", "1", "", [], ["a"])]
        assert [pin.name for pin in requirements.select_pins(pins, {"b"})] == ["a", "b"]


class TestModelPackages:
    def find(self, monkeypatch, tmp_path, content, name="model.pkl"):
        (tmp_path / name).write_bytes(content)
        monkeypatch.setattr(model_packages, "find_estimator_file", lambda folder: folder / name)
        return model_packages.find_model_packages(tmp_path)

    @pytest.mark.parametrize("protocol", [0, 2, 5])
    def test_class_in_a_pickle_names_its_package(self, monkeypatch, tmp_path, protocol):
        content = pickle.dumps({"path": pytest.MarkDecorator}, protocol=protocol)
        assert "pytest" in self.find(monkeypatch, tmp_path, content)

    def test_pickle_within_a_pickle_counts(self, monkeypatch, tmp_path):
        content = pickle.dumps([b"\x80no pickle", pickle.dumps(pytest.MarkDecorator)])
        assert self.find(monkeypatch, tmp_path, content) == {"pytest"}

    def test_imports_of_own_code_count(self, monkeypatch, tmp_path):
        source = tmp_path / "code" / "custom" / "features" / "mine.py"
        source.parent.mkdir(parents=True)
        source.write_text("def make():\n    from hypothesis.strategies import text\n")
        assert self.find(monkeypatch, tmp_path, pickle.dumps(1)) == {"hypothesis"}


def test_exported_folder_gives_the_same_answers(exported, models, endpoint):
    status = endpoint.deploy(models / "classifier", "7", sha256=compute_digest(models / "classifier"))
    expected = Client(status.url, endpoint.keys()["primary"]).ask(body=BODY)
    assert expected[0] == 200
    with serving(exported) as client:
        assert client.ask(body=BODY)[:2] == expected[:2]
        assert client.headers["Authorization"] != f"Bearer {endpoint.keys()['primary']}", "keys do not travel"
        page = client.ask("/", method="GET")[1]
        assert "serve.py key" in page and "run_all.py" not in page
        assert client.ask("/", method="GET", Host="shop.example")[0] == 200
        again = run_program(exported)
        assert again.returncode == 1 and "is served already" in again.stderr
    with (exported / "model" / "model.pkl").open("ab") as file:
        file.write(b" ")
    refused = run_program(exported, "start", "--port", "0")
    assert refused.returncode == 1
    assert "is not the one that was registered" in refused.stderr


@pytest.mark.slow
def test_clean_environment_gives_the_same_answers(exported, models, endpoint):
    """Serve from a new virtual environment that has the exported requirements and nothing else."""
    status = endpoint.deploy(models / "classifier", "7", sha256=compute_digest(models / "classifier"))
    expected = Client(status.url, endpoint.keys()["primary"]).ask(body=BODY)
    environment = exported.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = str(environment / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]
    subprocess.run([*install, str(exported / "requirements.txt")], check=True)
    code = f"import sys; sys.path.insert(0, {str(exported)!r}); import lib; print(lib.__file__)"
    found = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.startswith(str(exported)), "the checkout is not importable"
    with serving(exported, python) as client:
        assert client.ask(body=BODY)[:2] == expected[:2]
