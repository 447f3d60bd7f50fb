"""Running: whatever ends a notebook, the record, the message and the notebook itself say so."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from jupyter_client.provisioning import LocalProvisioner

from lib import outputs
from lib.chain import engine, forking, notebooks, plan, record, running
from lib.chain.progress import Progress
from lib.parameters import Parameters
from lib.paths import ROOT


def notebook(folder, name, *cells, parameters="", hand_on=""):
    """Write a notebook of code cells, the first of them its parameters."""
    sources = [
        (parameters, ["parameters"]),
        (
            "import types\nfrom lib import outputs\n"
            "mine = types.SimpleNamespace(hand_on=lambda **all: outputs.glue(all))",
            [],
        ),
        *[(cell, []) for cell in cells],
        (f"mine.hand_on({hand_on})", []),
    ]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{i}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for i, (source, tags) in enumerate(sources)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


@pytest.fixture
def chain(tmp_path):
    """Run the notebooks of a folder, and return the record and what they handed on."""

    def run(**values):
        parameters = Parameters({"training_functions": ["one", "two"], "fork_kernels": True, **values})
        steps = plan.steps(notebooks.all_of(tmp_path / "notebooks"), parameters)
        kept = record.RunRecord(tmp_path / "runs", "example", parameters)
        run.folder = kept.folder
        return running.run(steps, parameters, kept, Progress(len(steps)))

    return run


def state_of(folder):
    return json.loads((folder / "run.json").read_text())["stages"]


def executed(folder, name):
    cells = json.loads((folder / name).read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def error_of(cells):
    return [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


def test_what_one_notebook_hands_on_the_next_one_gets(chain, tmp_path):
    folder = tmp_path / "notebooks"
    notebook(folder, "01_setup.ipynb", parameters="start: int = 0  # first", hand_on="middle=start + 1")
    notebook(folder, "02_train.ipynb", parameters="middle: int = 0  # second", hand_on="last=middle * 10")
    assert chain(start=4)["last"] == 50
    assert [stage["status"] for stage in state_of(chain.folder)] == ["succeeded", "succeeded"]


def test_a_notebook_runs_once_for_each_training_function_and_their_lists_are_joined(chain, tmp_path):
    folder = tmp_path / "notebooks"
    notebook(
        folder,
        "03_train.ipynb",
        parameters='training_function: str = ""  # which',
        hand_on="candidates=[training_function]",
    )
    assert chain()["candidates"] == ["one", "two"]
    assert {one.name for one in chain.folder.glob("*.ipynb")} == {"03_train-one.ipynb", "03_train-two.ipynb"}


@pytest.mark.parametrize("fork", [True, False])
def test_a_notebook_that_raises_ends_the_run_with_its_message_its_path_and_its_cell(chain, tmp_path, fork):
    notebook(tmp_path / "notebooks", "01_setup.ipynb", "raise ValueError('too hot')")
    with pytest.raises(running.StepFailed) as failed:
        chain(fork_kernels=fork)
    assert "ValueError: too hot" in str(failed.value)
    assert "01_setup.ipynb" in str(failed.value) and "raise ValueError('too hot')" in str(failed.value)
    assert failed.value.exit_code == 1
    assert error_of(executed(chain.folder, "01_setup.ipynb"))[0]["evalue"] == "too hot"
    assert state_of(chain.folder)[0]["status"] == "failed"


def test_an_error_about_the_input_ends_with_its_own_exit_code_and_without_a_traceback(chain, tmp_path):
    notebook(
        tmp_path / "notebooks", "01_setup.ipynb", "from lib.errors import DataError\nraise DataError('no such column')"
    )
    with pytest.raises(running.StepFailed) as failed:
        chain()
    assert failed.value.exit_code == 2
    assert str(failed.value).startswith("no such column")


def test_a_held_gate_is_no_failure(chain, tmp_path):
    notebook(
        tmp_path / "notebooks", "01_setup.ipynb", "from lib.errors import GateError\nraise GateError('not good enough')"
    )
    with pytest.raises(running.StepFailed) as failed:
        chain()
    assert (failed.value.exit_code, failed.value.status) == (3, "held")


def test_a_killed_kernel_is_named_in_the_notebook_with_the_cells_that_never_ran(chain, tmp_path):
    notebook(
        tmp_path / "notebooks", "01_setup.ipynb", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "after = 1"
    )
    with pytest.raises(running.StepFailed, match="kernel died"):
        chain()
    cells = executed(chain.folder, "01_setup.ipynb")
    assert error_of(cells)[0]["ename"] == "KernelDied"
    assert [cell["metadata"]["papermill"]["status"] for cell in cells[-3:]] == ["failed", "pending", "pending"]


def test_a_cell_that_exits_is_no_success(chain, tmp_path):
    notebook(tmp_path / "notebooks", "01_setup.ipynb", "import sys\nsys.exit(0)", hand_on="late=1")
    with pytest.raises(running.StepFailed, match="without handing on late"):
        chain()
    assert state_of(chain.folder)[0]["status"] == "failed"


def test_an_interrupt_reaches_the_cell_and_leaves_no_kernel(chain, tmp_path):
    started = tmp_path / "started"
    notebook(
        tmp_path / "notebooks",
        "01_setup.ipynb",
        f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(600)",
    )

    def interrupt_once_it_sleeps():
        deadline = time.monotonic() + 300
        while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_once_it_sleeps, daemon=True).start()
    with pytest.raises(running.Interrupted):
        chain()
    assert state_of(chain.folder)[0]["status"] == "interrupted"
    assert error_of(executed(chain.folder, "01_setup.ipynb"))[0]["ename"] == "KeyboardInterrupt"
    kernel = int(started.read_text())
    assert not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == psutil.STATUS_ZOMBIE


def test_a_forked_kernel_trains_with_all_cores_and_draws_its_own_random_numbers(chain, tmp_path):
    """What the fork server preloads must not have started threads that a fork loses."""
    train = (
        "import numpy as np\nfrom sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier\n"
        "X = np.random.default_rng(0).normal(size=(3000, 8)); y = (X[:, 0] > 0).astype(int)\n"
        "trees = HistGradientBoostingClassifier(max_iter=20).fit(X, y)\n"
        "forest = RandomForestClassifier(20, n_jobs=-1).fit(X, y)\n"
        "product = float((X @ X.T).sum())\nimport pyarrow as pa, pyarrow.compute as pc\n"
        "total = pc.sum(pa.array(X[:, 0])).as_py()\n"
        "score, drawn = float(trees.score(X, y) * forest.score(X, y)), float(np.random.rand())"
    )
    for name in ("01_setup.ipynb", "02_train.ipynb"):
        number = name[1]
        notebook(tmp_path / "notebooks", name, train, hand_on=f"score{number}=score, drawn{number}=drawn")
    values = chain()
    assert values["score1"] > 0.9 and values["score2"] > 0.9
    assert values["drawn1"] != values["drawn2"]


def test_a_chain_that_is_killed_takes_its_kernel_and_its_fork_server_with_it(tmp_path):
    started = tmp_path / "started"
    sleep = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(600)"
    notebook(tmp_path / "notebooks", "01_setup.ipynb", sleep)
    program = (
        "import sys, pathlib\nfrom lib.chain import engine, forking\n"
        "if __name__ == '__main__':\n"
        "    forking.register(True); forking.preload()\n"
        f"    folder = pathlib.Path({str(tmp_path)!r})\n"
        "    engine.execute(folder / 'notebooks' / '01_setup.ipynb', folder / 'out.ipynb', {})\n"
    )
    (tmp_path / "chain.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, str(tmp_path / "chain.py")], cwd=ROOT, env=environment)
    deadline = time.monotonic() + 240
    while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    kernel = psutil.Process(int(started.read_text()))
    server = kernel.parent()
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs([kernel, server], timeout=30)
    assert not alive


def test_a_forked_kernel_that_never_gets_ready_is_replaced_by_a_cold_one(chain, tmp_path, monkeypatch, capfd):
    notebook(tmp_path / "notebooks", "01_setup.ipynb", hand_on="answer=42")

    async def launch_nothing(provisioner, cmd, **options):
        return await LocalProvisioner.launch_kernel(provisioner, [sys.executable, "-c", "pass"], **options)

    monkeypatch.setattr(forking.ForkProvisioner, "launch_kernel", launch_nothing)
    assert chain()["answer"] == 42
    assert "a cold one is started instead" in capfd.readouterr().err


def test_notebooks_that_run_at_once_have_sockets_of_their_own(tmp_path):
    """jupyter_client's own names for them, ``kernel-ipc-1`` in the current folder, are taken by every chain there."""
    where = "import ipykernel, json\nfile = ipykernel.get_connection_file()\nip = json.load(open(file))['ip']"
    notebook(tmp_path / "notebooks", "01_setup.ipynb", where, hand_on="file=file, ip=ip")

    def run(name):
        engine.execute(tmp_path / "notebooks" / "01_setup.ipynb", tmp_path / name, {})
        return outputs.read(str(tmp_path / name))

    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(run, ["a.ipynb", "b.ipynb", "c.ipynb"]))
    assert len({one["ip"] for one in told}) == 3
    for one in told:
        assert one["ip"].startswith(os.path.dirname(one["file"])) and os.path.isabs(one["ip"])
        assert not os.path.exists(os.path.dirname(one["file"]))
