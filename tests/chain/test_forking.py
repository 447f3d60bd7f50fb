"""Forked kernels: forked in advance, equivalent to cold ones, and cleaned up."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning import LocalProvisioner

from lib.chain import forking, kernel_pool, preload
from lib.chain.forking import ForkProvisioner
from lib.chain.kernel_pool import ForkedKernel, KernelPool
from lib.paths import ROOT
from tests.chain.small_notebooks import wait_for
from tests.processes import has_ended

pytestmark = pytest.mark.skipif(not forking.is_available(), reason="kernels are forked on Linux only")
_SECONDS = 120


@pytest.fixture
def own(monkeypatch):
    """Return kernels that no other test uses."""
    kernels = KernelPool()
    monkeypatch.setattr(kernel_pool, "kernels", kernels)
    yield kernels
    kernels.close()


def kernel_spec(**changes):
    given = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    provisioner = {"kernel_provisioner": {"provisioner_name": forking.NAME}}
    return KernelSpec(display_name="Python", metadata=provisioner, **{**given, **changes})


def manager_of(spec=None):
    forking.register()
    manager = AsyncKernelManager()
    manager._kernel_spec = spec or kernel_spec()
    return manager


async def answer_of(client, code):
    """Execute code, and return what it prints, or else its status."""
    printed = []

    def note(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = await client.execute_interactive(code, output_hook=note, timeout=_SECONDS)
    return "".join(printed).strip() or reply["content"]["status"]


def with_kernel(use, spec=None, **options):
    """Start a kernel through jupyter_client, use it, and shut it down."""

    async def run():
        manager = manager_of(spec)
        await manager.start_kernel(**options)
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=_SECONDS)
            return await use(manager, client)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    return asyncio.run(run())


class TestSpares:
    def test_taken_spare_is_replaced(self, own):
        own.prepare(1)
        spare = own._spares[0].result()
        taken = own.take(kernel_pool.ARGUMENTS).result()
        other = own._spares[0].result()
        assert taken is spare and other is not taken
        assert taken.poll() is None and other.poll() is None
        own.end(taken)

    def test_every_taken_spare_is_replaced(self, own):
        own.prepare(1)
        first = own.take(kernel_pool.ARGUMENTS).result()
        second = own._spares[0].result()
        assert own.take(kernel_pool.ARGUMENTS).result() is second and len(own._spares) == 1
        for kernel in (first, second):
            own.end(kernel)

    def test_number_of_spares_is_limited(self, own):
        own.prepare(2)
        own.prepare(2)
        own.prepare(1)
        assert len(own._spares) == 2

    def test_spare_with_other_arguments_is_not_taken(self, own):
        own.prepare(1)
        spare = own._spares[0].result()
        other = own.take(("--IPKernelApp.log_level=INFO",)).result()
        assert other is not spare and len(own._spares) == 1
        own.end(other)

    def test_notebook_takes_a_spare(self, own):
        own.prepare(1)
        spare = own._spares[0].result().pid

        async def pid(manager, client):
            return int(await answer_of(client, "import os\nprint(os.getpid())"))

        assert with_kernel(pid, extra_arguments=list(kernel_pool.ARGUMENTS)) == spare

    def test_close_leaves_no_process_and_no_folder(self, own):
        before = set(Path(tempfile.gettempdir()).glob("kernel-*"))
        own.prepare(2)
        taken = own.take(kernel_pool.ARGUMENTS).result()
        taken.begin(os.getcwd(), dict(os.environ))
        pids = [taken.pid, own._spares[0].result().pid]
        folders = set(Path(tempfile.gettempdir()).glob("kernel-*")) - before
        assert {Path(taken.connection_file).parent} < folders
        own.end(taken)
        own.close()
        assert [has_ended(pid) for pid in pids] == [True, True]
        assert not [kernel for kernel in (taken,) if Path(kernel.connection_file).exists()]
        assert not own._spares

    def test_kernel_that_does_not_end_in_time_is_killed(self, own, monkeypatch):
        monkeypatch.setattr(kernel_pool, "GRACE_SECONDS", 0)
        taken = own.take(kernel_pool.ARGUMENTS).result()
        own.end(taken)
        own.close()
        assert has_ended(taken.pid) and taken.poll() == -signal.SIGKILL

    def test_failed_fork_does_not_prevent_close(self, own, monkeypatch):
        def fail(*arguments):
            raise OSError("no process left")

        monkeypatch.setattr(kernel_pool, "ForkedKernel", fail)
        own.prepare(1)
        own.close()
        assert not own._spares

    def test_kernel_can_be_forked_after_close(self, own):
        own.prepare(1)
        own.close()
        kernel = own.take(kernel_pool.ARGUMENTS).result()
        assert kernel.poll() is None
        own.end(kernel)


def test_kernel_is_ended_once(own, monkeypatch):
    """A file descriptor that is closed twice may belong to another file the second time."""
    ends, unwatched = [], ForkedKernel.end
    monkeypatch.setattr(ForkedKernel, "end", lambda kernel: (ends.append(kernel.pid), unwatched(kernel)))

    async def nothing(manager, client):
        manager.provisioner.release_kernels()  # as MillraceClient does before jupyter_client cleans up

    with_kernel(nothing)
    own.close()
    assert len(ends) == 1


class TestKernel:
    def test_kernel_gets_folder_and_environment(self, own, tmp_path):
        async def describe(manager, client):
            return await answer_of(
                client, "import os\nprint(os.getcwd(), os.environ['GREETING'], 'HOME' in os.environ)"
            )

        environment = {"GREETING": "hello", "PATH": os.environ["PATH"]}
        assert with_kernel(describe, cwd=str(tmp_path), env=environment) == f"{tmp_path} hello False"

    def test_restarted_kernel_keeps_its_sockets(self, own):
        async def restart(manager, client):
            before = manager.get_connection_info()
            first = int(await answer_of(client, "import os\nvalue = 1\nprint(os.getpid())"))
            await manager.restart_kernel(now=True)
            await client.wait_for_ready(timeout=_SECONDS)
            second = int(await answer_of(client, "import os\nprint(os.getpid())"))
            assert await answer_of(client, "print('value' in globals())") == "False"
            assert {**before} == {**manager.get_connection_info()}
            assert first != second and await manager.is_alive()
            return first, second

        pids = with_kernel(restart)
        own.close()
        assert [has_ended(pid) for pid in pids] == [True, True]

    def test_interrupt_ends_the_cell_but_not_the_kernel(self, own, tmp_path):
        started = tmp_path / "started"

        async def interrupt(manager, client):
            code = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(3600)"
            running = asyncio.ensure_future(client.execute_interactive(code, output_hook=print, timeout=_SECONDS))
            while not started.exists():
                await asyncio.sleep(0.02)
            await manager.interrupt_kernel()
            reply = await running
            assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "KeyboardInterrupt")
            return await answer_of(client, "print(6 * 7)")

        assert with_kernel(interrupt) == "42"

    def test_exit_functions_of_user_code_are_run(self, own, tmp_path):
        last = f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'last')!r}).touch)"

        async def leave(manager, client):
            await answer_of(client, last)
            manager.provisioner.release_kernels()

        with_kernel(leave)
        own.close()
        assert (tmp_path / "last").exists()

    def test_kernel_has_its_own_process_group(self, own):
        async def group(manager, client):
            return int(await answer_of(client, "import os\nprint(os.getpgid(0))"))

        assert with_kernel(group) != os.getpgid(0)

    def test_exit_code_is_reported(self, own):
        async def die(manager, client):
            client.execute("import os\nos._exit(3)")
            return await asyncio.wait_for(manager.provisioner.wait(), _SECONDS), await manager.is_alive()

        assert with_kernel(die) == (3, False)

    def test_sockets_are_private(self, own):
        async def where(manager, client):
            file = Path(await answer_of(client, "import ipykernel\nprint(ipykernel.get_connection_file())"))
            info = json.loads(file.read_text())
            assert len(info["key"]) >= 32
            return info["transport"], file.parent.stat().st_mode & 0o077

        assert with_kernel(where) == ("ipc", 0)

    def test_long_socket_path_falls_back_to_tcp(self, own, tmp_path, monkeypatch):
        deep = tmp_path / ("d" * 80)
        deep.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(deep))

        async def transport(manager, client):
            return manager.provisioner.connection_info["transport"], await answer_of(client, "print(6 * 7)")

        assert with_kernel(transport) == ("tcp", "42")


class TestOtherKernels:
    """Kernels that cannot be forked are started by jupyter_client."""

    async def _is_cold(self, manager, client):
        assert isinstance(manager.provisioner, ForkProvisioner)
        assert not isinstance(manager.provisioner.process, ForkedKernel)
        return int(await answer_of(client, "import os\nprint(os.getpid())")) == manager.provisioner.pid

    def test_other_python_is_started(self, own, tmp_path):
        other = tmp_path / "python3.99"
        other.symlink_to(sys.executable)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        argv = [str(other), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        assert with_kernel(self._is_cold, spec=kernel_spec(argv=argv), env=environment)

    def test_other_kernel_is_started(self, own, tmp_path):
        program = tmp_path / "my_kernel.py"
        program.write_text("from ipykernel.kernelapp import launch_new_instance\nlaunch_new_instance()")
        argv = [sys.executable, str(program), "-f", "{connection_file}"]
        assert with_kernel(self._is_cold, spec=kernel_spec(argv=argv))

    def test_kernel_is_started_where_forking_is_unavailable(self, own, monkeypatch):
        monkeypatch.setattr(forking, "is_available", lambda: False)
        assert with_kernel(self._is_cold)

    def test_started_kernel_forks_nothing(self, own, monkeypatch):
        monkeypatch.setattr(forking, "is_available", lambda: False)
        with_kernel(self._is_cold)
        assert own._fork_executor is None


def test_jupyter_client_finds_the_provisioner():
    from jupyter_client.provisioning import KernelProvisionerFactory

    forking.register()
    forking.register()
    provisioner = KernelProvisionerFactory.instance().create_provisioner_instance("id", kernel_spec(), manager_of())
    assert type(provisioner) is ForkProvisioner and isinstance(provisioner, LocalProvisioner)


class TestPreload:
    PROGRAM = (
        "import os, sys, threading\nfrom lib.chain import preload\n"
        "target = preload.load()\n"
        "print([name for name in preload.FIRST_STAGE_MODULES if name not in sys.modules], 'sklearn' in sys.modules)\n"
        "target.before_fork()\nprint('sklearn' in sys.modules)\ntarget.before_fork()\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')))\n"
        "print([name for name in preload.FIRST_STAGE_MODULES + preload.LATER_MODULES if name not in sys.modules])\n"
        "descriptors = [f'/proc/self/fd/{name}' for name in os.listdir('/proc/self/fd') if int(name) > 2]\n"
        "print([os.readlink(descriptor) for descriptor in descriptors if os.path.exists(descriptor)])"
    )

    def test_preload_starts_no_thread_and_keeps_no_file_open(self, tmp_path):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [sys.executable, "-c", self.PROGRAM],
            capture_output=True,
            text=True,
            timeout=280,
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        first, at_first_fork, threads, missing, opened = done.stdout.splitlines()
        # What takes long, and no first stage needs, waits for the second fork.
        assert (first, at_first_fork) == ("[] False", "False")
        assert threads.split()[0] == "1"
        assert missing == "[]"
        assert not [path for path in eval(opened) if path.startswith("/") and not path.startswith(("/proc", "/dev"))]
        assert list(tmp_path.iterdir()) == []

    def test_preloaded_modules_exist(self):
        """A missing module would be skipped silently."""
        import importlib.util

        assert [
            name
            for name in preload.FIRST_STAGE_MODULES + preload.LATER_MODULES
            if importlib.util.find_spec(name) is None
        ] == []


def test_forked_kernel_trains_in_parallel_with_own_seed(chain):
    """A preloaded module must not have started threads, which a fork would lose."""
    train = (
        "import numpy as np\nfrom sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier\n"
        "X = np.random.default_rng(0).normal(size=(3000, 8)); y = (X[:, 0] > 0).astype(int)\n"
        "trees = HistGradientBoostingClassifier(max_iter=20).fit(X, y)\n"
        "forest = RandomForestClassifier(20, n_jobs=-1).fit(X, y)\n"
        "product = float((X @ X.T).sum())\nimport pyarrow as pa, pyarrow.compute as pc\n"
        "total = pc.sum(pa.array(X[:, 0])).as_py()\nimport xgboost\n"
        "boosted = xgboost.XGBClassifier(n_estimators=5, n_jobs=-1).fit(X, y)\n"
        "score = float(trees.score(X, y) * forest.score(X, y) * boosted.score(X, y))\ndrawn = float(np.random.rand())"
    )
    for number, name in ((1, "01_setup.ipynb"), (2, "02_train.ipynb")):
        chain.write(name, train, outputs=f"score{number}=score, drawn{number}=drawn")
    with pytest.MonkeyPatch.context() as patch:  # no notebook reads their outputs
        patch.setattr("lib.chain.contracts.find_notebook_faults", lambda notebooks: [])
        values = chain.run()
    assert values["score1"] > 0.9 and values["score2"] > 0.9
    assert values["drawn1"] != values["drawn2"]


class TestEndOfTheChain:
    PROGRAM = (
        "import os, pathlib, sys, time\nfrom lib.chain import forking, kernel_pool\n"
        "if __name__ == '__main__':\n"
        "    kernel_pool.kernels.prepare(2)\n"
        "    taken = kernel_pool.kernels.take(kernel_pool.ARGUMENTS).result()\n"
        "    taken.begin(os.getcwd(), dict(os.environ))\n"
        "    print(taken.pid, kernel_pool.kernels._spares[0].result().pid, flush=True)\n"
        "    {end}\n"
    )

    def run(self, tmp_path, end):
        (tmp_path / "chain.py").write_text(self.PROGRAM.format(end=end))
        return subprocess.Popen(
            [sys.executable, str(tmp_path / "chain.py")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def test_killed_chain_ends_its_kernels_and_fork_server(self, tmp_path):
        process = self.run(tmp_path, "time.sleep(3600)")
        kernels = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        server = kernels[0].parent()
        process.kill()
        process.communicate()
        _, living = psutil.wait_procs([*kernels, server], timeout=_SECONDS)
        assert not living

    def test_finished_chain_leaves_no_process_and_no_folder(self, tmp_path):
        process = self.run(tmp_path, "kernel_pool.kernels.end(taken)")
        pids = [int(pid) for pid in process.stdout.readline().split()]
        process.communicate(timeout=_SECONDS)
        assert process.returncode == 0
        wait_for(lambda: all(has_ended(pid) for pid in pids), "the kernels' end")
        assert list(tmp_path.glob("kernel-*")) == []


def test_sigterm_ends_a_kernel_as_any_other_process(own, tmp_path):
    last = f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'last')!r}).touch)"

    async def terminate(manager, client):
        await answer_of(client, last)
        os.kill(manager.provisioner.pid, signal.SIGTERM)
        return await asyncio.wait_for(manager.provisioner.wait(), _SECONDS)

    assert with_kernel(terminate) == -signal.SIGTERM
    assert not (tmp_path / "last").exists()


def test_kernels_can_be_forked_from_several_threads(own):
    taken = []

    def take():
        taken.append(own.take(kernel_pool.ARGUMENTS).result())

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({kernel.pid for kernel in taken}) == 4
    assert len({kernel.connection_file for kernel in taken}) == 4
    for kernel in taken:
        own.end(kernel)


@pytest.mark.parametrize(
    ("signum", "calls"),
    [(signal.SIGINT, [("kill", 123, signal.SIGINT)]), (signal.SIGTERM, [("killpg", 123, signal.SIGTERM)])],
)
def test_only_the_kernel_is_interrupted_not_its_children(monkeypatch, signum, calls):
    sent = []
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.append(("kill", *arguments)))
    monkeypatch.setattr(os, "killpg", lambda *arguments: sent.append(("killpg", *arguments)))
    provisioner = ForkProvisioner()
    provisioner.process, provisioner.pid, provisioner.pgid = SimpleNamespace(pid=123), 123, 123
    asyncio.run(provisioner.send_signal(signum))
    assert sent == calls
    provisioner.process = None  # otherwise its destructor would wait for the process
