"""A forked kernel behaves like a cold one, and large or numerous outputs arrive whole, in either."""

import subprocess
import sys

import pytest

from lib import outputs
from lib.chain import engine, failures, forking, kernel_pool
from lib.chain.executor import Cancellation, KernelExecutor
from lib.paths import ROOT
from tests.chain.kernel_battery import CELLS
from tests.chain.small_notebooks import code_of, notebook
from tests.processes import has_ended

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not forking.is_available(), reason="kernels are forked on Linux only"),
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Return the results of the battery and the outputs of its cells, by whether the kernel was forked."""
    results = {}
    for fork in (True, False):
        folder = tmp_path_factory.mktemp("battery") / "notebooks"
        first = f"import os, subprocess, sys\nseen = {{}}\nexit_file = {str(folder / 'exit')!r}"
        notebook(folder, "01_setup.ipynb", first, *CELLS.values(), outputs="seen=seen, drawn=drawn")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GREETING", "hello")
            patch.setenv("PYTHONPATH", str(ROOT))
            engine.execute(folder / "01_setup.ipynb", folder / "out.ipynb", {}, folder, fork=fork)
        kernel_pool.kernels.close()
        published = outputs.read(str(folder / "out.ipynb"))
        published["outputs"] = dict(zip(CELLS, code_of(folder / "out.ipynb")[3:], strict=False))
        published["ran exit functions"] = (folder / "exit").exists()
        published["seen"]["folder"] = [path == str(folder) for path in published["seen"]["folder"]]
        results[fork] = published
    return results


def test_both_kernels_give_the_same_results(executed):
    forked, cold = executed[True]["seen"], executed[False]["seen"]
    assert forked == cold
    assert forked["pool"] == forked["process pool"] == forked["loky"] == [0, 5, 10, 15]
    assert forked["pools"] == [1] and forked["folder"] == [True] * 3


def test_both_kernels_run_exit_functions(executed):
    assert executed[True]["ran exit functions"] and executed[False]["ran exit functions"]


def test_random_numbers_differ(executed):
    assert not set(executed[True]["drawn"]) & set(executed[False]["drawn"])


@pytest.mark.parametrize("name", CELLS)
def test_both_kernels_show_the_same_kinds_of_output(executed, name):
    def kinds(fork):
        return [
            (output["output_type"], output.get("name"), sorted(output.get("data", {})))
            for output in executed[fork]["outputs"][name]["outputs"]
        ]

    assert sorted(map(str, kinds(True))) == sorted(map(str, kinds(False)))


@pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
def test_many_displays_arrive_whole(tmp_path, fork):
    cells = ["for number in range(20_000): display(number)", "print('after')"]
    notebook(tmp_path, "01_setup.ipynb", *cells)
    engine.execute(tmp_path / "01_setup.ipynb", tmp_path / "out.ipynb", {}, tmp_path, fork=fork)
    displays, after = (cell["outputs"] for cell in code_of(tmp_path / "out.ipynb")[2:4])
    assert ["".join(output["data"]["text/plain"]) for output in displays] == list(map(str, range(20_000)))
    assert "".join(after[0]["text"]) == "after\n"


def test_script_without_a_main_guard_is_run_once(tmp_path):
    notebook(tmp_path, "01_setup.ipynb", "answer = 42")
    (tmp_path / "script.py").write_text(
        "import papermill\nprint('run', flush=True)\nfrom lib.chain.engine import _register\n_register()\n"
        "papermill.execute_notebook('01_setup.ipynb', 'out.ipynb', engine_name='millrace', progress_bar=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["run"]


@pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
@pytest.mark.parametrize("name", ["with {braces}", "Straße 日本"])
def test_paths_may_contain_any_character(tmp_path, name, fork):
    folder = tmp_path / name
    notebook(folder, "01_setup.ipynb", "import os", outputs="folder=os.getcwd()")
    engine.execute(folder / "01_setup.ipynb", folder / "out {1}.ipynb", {}, folder, fork=fork)
    assert outputs.read(str(folder / "out {1}.ipynb"))["folder"] == str(folder)


@pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
def test_home_may_be_unwritable(tmp_path, fork):
    notebook(tmp_path, "01_setup.ipynb", outputs="answer=42")
    program = (
        "import pathlib, sys\nfrom lib.chain import engine\nfolder = pathlib.Path(sys.argv[1])\n"
        f"engine.execute(folder / '01_setup.ipynb', folder / 'out.ipynb', {{}}, folder, fork={fork})"
    )
    environment = {"PYTHONPATH": str(ROOT), "HOME": "/dev/null/home", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert outputs.read(str(tmp_path / "out.ipynb")) == {"answer": 42}


@pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
def test_child_processes_end_with_a_successful_kernel(tmp_path, fork):
    import psutil

    start = (
        "import subprocess\nmember = subprocess.Popen(['sleep', '3600'])\n"
        "outsider = subprocess.Popen(['sleep', '3600'], start_new_session=True)"
    )
    notebook(tmp_path, "01_setup.ipynb", start, outputs="pids=[member.pid, outsider.pid]")
    KernelExecutor(1, fork).execute(
        tmp_path / "01_setup.ipynb",
        tmp_path / "out.ipynb",
        {},
        timeout_minutes=None,
        cancelled=Cancellation(),
        report=print,
    )
    kernel_pool.kernels.close()
    member, outsider = outputs.read(str(tmp_path / "out.ipynb"))["pids"]
    assert has_ended(member) and not has_ended(outsider)
    psutil.Process(outsider).kill()


@pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
def test_quit_fails_the_stage(tmp_path, fork):
    notebook(tmp_path, "01_setup.ipynb", "quit()", "after = 1")
    with pytest.raises(failures.StageFailed, match="kernel"):
        KernelExecutor(1, fork).execute(
            tmp_path / "01_setup.ipynb",
            tmp_path / "out.ipynb",
            {},
            timeout_minutes=None,
            cancelled=Cancellation(),
            report=print,
        )
