"""The papermill engine: called directly, by name from Python, and from papermill's command line."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path

import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from lib import outputs
from lib.chain import engine, forking, kernel_pool
from lib.chain.engine import AtomicFileHandler, WrappingTranslator
from lib.paths import ROOT
from tests.chain.small_notebooks import code_of, errors_of, notebook

PARENT = "import psutil, os\nparent = psutil.Process().parent().cmdline()"


@pytest.fixture
def written(tmp_path):
    """Write a notebook and return its path."""

    def write(*cells, **contract):
        notebook(tmp_path / "notebooks", "01_setup.ipynb", *cells, **contract)
        return tmp_path / "notebooks" / "01_setup.ipynb"

    return write


class TestExecute:
    @pytest.mark.parametrize(("fork", "forked"), [(True, forking.is_available()), (False, False)])
    def test_kernel_is_forked_if_requested(self, written, tmp_path, fork, forked):
        path = written(PARENT, outputs="forked='forkserver/server' in ' '.join(parent)")
        engine.execute(path, tmp_path / "out.ipynb", {}, ROOT, fork=fork)
        assert outputs.read(str(tmp_path / "out.ipynb"))["forked"] is forked

    def test_parameters_and_folder_reach_the_kernel(self, written, tmp_path):
        before = os.getcwd()
        path = written("import os", parameters="seed: int = 0  # any", outputs="value=[seed, os.getcwd()]")
        engine.execute(path, tmp_path / "out.ipynb", {"seed": 7}, tmp_path)
        assert outputs.read(str(tmp_path / "out.ipynb"))["value"] == [7, str(tmp_path)]
        assert os.getcwd() == before

    def test_error_of_a_cell_is_raised(self, written, tmp_path):
        with pytest.raises(PapermillExecutionError, match="too hot"):
            engine.execute(written("raise ValueError('too hot')"), tmp_path / "out.ipynb", {}, ROOT)
        (error,) = errors_of(code_of(tmp_path / "out.ipynb"))[-1:]
        assert error["evalue"] == "too hot"

    @pytest.mark.skipif(not forking.is_available(), reason="kernels are forked on Linux only")
    def test_new_process_replaces_a_kernel_that_does_not_start(self, written, tmp_path, monkeypatch, capfd):
        monkeypatch.setattr(kernel_pool.ForkedKernel, "begin", lambda kernel, folder, environment: kernel.kill())
        engine.execute(written(outputs="answer=42"), tmp_path / "out.ipynb", {}, ROOT)
        assert outputs.read(str(tmp_path / "out.ipynb")) == {"answer": 42}
        assert "Starting a new process instead" in capfd.readouterr().err

    def test_kernel_that_dies_in_a_cell_is_not_replaced(self, written, tmp_path, capfd):
        ran = tmp_path / "ran"
        dies = f"import os\nwith open({str(ran)!r}, 'a') as file:\n    file.write('x')\nos._exit(3)"
        with pytest.raises(RuntimeError, match="Kernel died"):
            engine.execute(written(dies), tmp_path / "out.ipynb", {}, ROOT)
        assert ran.read_text() == "x"
        assert "Starting a new process" not in capfd.readouterr().err

    def test_parallel_notebooks_have_separate_sockets(self, written, tmp_path):
        """jupyter_client's default, ``kernel-ipc-1`` in the current folder, would be the same for all chains there."""
        where = "import ipykernel, json\nfile = ipykernel.get_connection_file()\nip = json.load(open(file))['ip']"
        path = written(where, outputs="file=file, ip=ip")

        def run(name):
            engine.execute(path, tmp_path / name, {}, ROOT)
            return outputs.read(str(tmp_path / name))

        with ThreadPoolExecutor(3) as pool:
            values = list(pool.map(run, ["a.ipynb", "b.ipynb", "c.ipynb"]))
        assert len({value["ip"] for value in values}) == 3
        for value in values:
            assert value["ip"].startswith(os.path.dirname(value["file"])) and os.path.isabs(value["ip"])


class TestPlainPapermill:
    def test_engine_is_found_by_papermill_in_python(self, written, tmp_path):
        engine._register()
        papermill.execute_notebook(
            str(written(PARENT, parameters="seed: int = 0  # any", outputs="value=[seed, *parent]")),
            str(tmp_path / "out.ipynb"),
            {"seed": 7},
            engine_name="millrace",
            progress_bar=False,
        )
        seed, *parent = outputs.read(str(tmp_path / "out.ipynb"))["value"]
        assert seed == 7 and ("forkserver/server" in " ".join(parent)) is forking.is_available()

    def test_engine_is_found_by_the_papermill_command(self, written, tmp_path):
        if not [
            entry_point for entry_point in entry_points(group="papermill.engine") if entry_point.name == "millrace"
        ]:
            pytest.skip("the project is not installed here with its entry points (make installs it)")
        path = written(PARENT, parameters="seed: int = 0  # any", outputs="value=[seed, *parent]")
        done = subprocess.run(
            [Path(sys.executable).with_name("papermill"), "--engine", "millrace", path, "out.ipynb", "-p", "seed", "7"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, done.stderr
        seed, *parent = outputs.read(str(tmp_path / "out.ipynb"))["value"]
        assert seed == 7 and ("forkserver/server" in " ".join(parent)) is forking.is_available()

    @pytest.mark.parametrize("first", ["papermill", "lib.chain.running"])
    def test_import_order_with_papermill_does_not_matter(self, first):
        """papermill loads the engines of entry points while it is being imported."""
        program = f"import {first}\nfrom lib.chain.engine import MillraceEngine\nimport papermill, lib.chain.executor"
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr


class TestAtomicFileHandler:
    def test_write_leaves_no_other_file(self, tmp_path):
        AtomicFileHandler().write("all of it", str(tmp_path / "out.ipynb"))
        assert (tmp_path / "out.ipynb").read_text() == "all of it"
        assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]

    def test_interrupted_write_keeps_the_old_file(self, tmp_path, monkeypatch):
        out = tmp_path / "out.ipynb"
        out.write_text("before")
        monkeypatch.setattr(os, "replace", lambda part, path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            AtomicFileHandler().write("after", str(out))
        assert out.read_text() == "before"

    def test_failed_write_keeps_the_old_file(self, tmp_path, monkeypatch):
        out = tmp_path / "out.ipynb"
        out.write_text("before")
        with pytest.raises(UnicodeEncodeError):
            AtomicFileHandler().write("half \ud800", str(out))
        assert out.read_text() == "before"

    def test_running_notebook_can_always_be_read(self, written, tmp_path):
        """papermill writes the notebook after each cell."""
        path = written(*[f"text{number} = 'x' * 100_000\nprint(text{number})" for number in range(6)])
        out, done, read = tmp_path / "out.ipynb", threading.Event(), []

        def read_repeatedly():
            while not done.is_set():
                if out.exists():
                    read.append(len(json.loads(out.read_text())["cells"]))

        reader = ThreadPoolExecutor(1).submit(read_repeatedly)
        engine.execute(path, out, {}, ROOT)
        done.set()
        reader.result(timeout=60)
        assert read and set(read) <= {9, 10}

    def test_handler_is_used_for_absolute_paths(self, tmp_path, written):
        engine.execute(written("1"), tmp_path / "out.ipynb", {}, ROOT)
        from papermill.iorw import papermill_io

        assert isinstance(papermill_io.get_handler(str(tmp_path / "out.ipynb")), AtomicFileHandler)


class TestTranslator:
    @pytest.mark.parametrize("value", [[], ["a", "b"], ["x" * 30] * 5, [1, [2, {"ü": None}]], [["y" * 90], 2.5, True]])
    def test_lists_keep_their_value(self, value):
        assert eval(WrappingTranslator.translate(value)) == value

    def test_long_lists_have_one_line_per_item(self):
        text = WrappingTranslator.translate([f"column number {number}" for number in range(40)])
        assert len(text.splitlines()) == 42
        assert max(map(len, text.splitlines())) < 80
