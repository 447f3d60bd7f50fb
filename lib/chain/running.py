"""Run what a plan says: round by round, side by side within a round, tried again where that is asked for."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lib import backends, cores
from lib.chain import contracts, fingerprint, pages, plan
from lib.chain import record as records
from lib.chain.contracts import RUN_NAME
from lib.chain.failures import Interrupted, StageFailed
from lib.chain.notebooks import OVERRIDES, USE_CASE
from lib.chain.plan import Execution
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.errors import MillraceError
from lib.parameters import Parameters
from lib.paths import ROOT, display_path

if TYPE_CHECKING:
    from lib.backends.base import NotebookExecutor
    from lib.chain.reuse import Earlier, Reuse

_TICK_SECONDS = 0.5


def run(
    executions: Sequence[Execution],
    values: Mapping[str, Any],
    record: RunRecord,
    progress: Progress,
    reuse: Reuse | None = None,
) -> dict[str, Any]:
    """Execute notebooks; what the record says is done is not done again.

    Parameters
    ----------
    executions : sequence of Execution
    values : mapping
        The parameters; what notebooks hand on is laid over them.
    record : RunRecord
    progress : Progress
    reuse : Reuse, optional
        Gives what an earlier run has done already.

    Returns
    -------
    dict
        Parameters and everything that was handed on.

    Raises
    ------
    StageFailed
        Where a notebook did.
    Interrupted
        After the kernels have ended.
    """
    from lib.chain import forking

    fork = values["fork_kernels"] and forking.available()
    rounds = plan.rounds(executions)
    with _interruptible():
        try:
            if fork:
                forking.kernels.prepare(1)  # its imports overlap ours
            parameters = Parameters({**values, RUN_NAME: record.name})
            elsewhere = backends.executors(parameters, [one.notebook.stage for one in executions])
            runner = _Runner(executions, parameters, elsewhere, record, progress, fork, reuse)
            for together, following in zip(rounds, [*rounds[1:], []], strict=True):
                runner.round(together, following)
            return runner.values
        finally:
            forking.kernels.close()


class _Runner:
    """State of a run: what is known so far, and whether it is to stop."""

    def __init__(
        self,
        executions: Sequence[Execution],
        values: Parameters,
        elsewhere: Mapping[str, NotebookExecutor],
        record: RunRecord,
        progress: Progress,
        fork: bool,
        reuse: Reuse | None,
    ):
        from lib.chain.executor import Cancelled, KernelExecutor

        # A notebook loads what was checked here: the file of resolved parameters in the run folder.
        use_case = display_path(record.folder / records.PARAMETERS)
        self.values: dict[str, Any] = {**values, USE_CASE: use_case, OVERRIDES: {}}
        self._executions = executions
        self._parameters = values
        self._record = record
        self._progress = progress
        self._reuse = reuse
        self._fork = fork
        self._fingerprints = fingerprint.Fingerprints()
        self._elsewhere = elsewhere
        self._here = KernelExecutor(values.max_parallel or cores.available(), fork)
        self._cancelled = Cancelled()
        self._failed = False

    def round(self, together: Sequence[Execution], following: Sequence[Execution]) -> None:
        """Run the executions of one notebook, and take over what they hand on.

        Once one fails, no other begins; those that run already run to their end, so that nothing they did is lost.
        """
        executor = self._executor(together)
        share = self._threads(together, executor)
        with ThreadPoolExecutor(executor.places, thread_name_prefix="notebook") as pool:
            futures: list[Future] = []
            try:  # an interrupt may come before the wait, and has to end what has begun
                for one in together:
                    futures.append(pool.submit(self._one, one, executor, share))
                self._prepare(together, following)
                _wait(futures)
            except KeyboardInterrupt:
                self._stop(futures)
                raise Interrupted from None
        failed = [error for future in futures if (error := future.exception())]
        if failed:
            raise _together(failed)
        self.values |= functools.reduce(plan.joined, [future.result() for future in futures], {})

    def _one(self, execution: Execution, executor: NotebookExecutor, share: Mapping[str, int]) -> dict[str, Any]:
        """What an execution hands on; nothing where another one failed before it began."""
        if self._failed:
            return {}
        try:
            return self._handed_on(execution, executor, share)
        except BaseException:
            self._failed = True
            raise

    def _executor(self, together: Sequence[Execution]) -> NotebookExecutor:
        return self._elsewhere.get(together[0].notebook.stage, self._here)

    def _threads(self, together: Sequence[Execution], executor: NotebookExecutor) -> dict[str, int]:
        """Threads that each may use, so that those which run side by side here do not fight for the cores."""
        at_once = min(executor.places, len(together))
        if executor is not self._here or at_once == 1:
            return {}
        return {"threads": max(1, (self._parameters.threads or cores.available()) // at_once)}

    def _prepare(self, together: Sequence[Execution], following: Sequence[Execution]) -> None:
        """Fork kernels ahead while these run: for those of this round that wait for a place, or for the next round."""
        if self._fork:
            from lib.chain import forking

            waiting = len(together) - self._here.places
            forking.kernels.prepare(1 if waiting > 0 else min(len(following), self._here.places))

    def _handed_on(self, execution: Execution, executor: NotebookExecutor, share: Mapping[str, int]) -> dict[str, Any]:
        """What an execution hands on: earlier in this run, in another run, or now."""
        done = self._record.outputs(execution.label)
        if done is not None:
            self._progress.skip(execution.label, "done before")
            return done
        given = execution.given(self.values)
        depends_on = self._fingerprints.begin(execution.notebook, execution.depends_on(self.values))
        if self._reuse and (earlier := self._reuse.find(execution.label, depends_on.result())):
            return self._take(execution, earlier)
        given |= {name: value for name, value in share.items() if name in given}
        if OVERRIDES in given:
            given[OVERRIDES] = {name: value for name, value in share.items() if name in execution.notebook.reads}
        attempts = 1 + self._parameters.retries.get(execution.notebook.stage, 0)
        while True:
            if self._cancelled.is_set():
                raise Interrupted
            attempts -= 1
            try:
                return self._execute(execution, given, executor, depends_on)
            except StageFailed as error:
                if not attempts or not error.may_pass:
                    raise
                self._progress.say(execution.label, f"{str(error).splitlines()[0]} It is tried again.")

    def _take(self, execution: Execution, earlier: Earlier) -> dict[str, Any]:
        """Take over what an earlier run has done, its executed notebook included."""
        entry = self._record.begin(execution.label, execution.file_name)
        executed = self._record.folder / execution.file_name
        shutil.copyfile(earlier.notebook, executed)
        pages.finish(execution.notebook.path, executed, self._executions)
        facts = {"outputs": earlier.outputs, "depends_on": earlier.depends_on, "kept": earlier.kept}
        self._record.end(entry, records.REUSED, reused_from=earlier.run, **facts)
        self._progress.skip(execution.label, f"as in {earlier.run}")
        return earlier.outputs

    def _execute(
        self, execution: Execution, given: Mapping[str, Any], executor: NotebookExecutor, depends_on: Future
    ) -> dict[str, Any]:
        """One attempt, and its entry in the record."""
        from lib.outputs import read

        stage, label = execution.notebook.stage, execution.label
        executed = self._record.folder / execution.file_name
        entry = self._record.begin(label, execution.file_name)
        started = time.perf_counter()

        def end(status: str, **facts: Any) -> None:
            self._record.end(entry, status, seconds=round(time.perf_counter() - started, 3), **facts)

        with self._progress.line(label):
            try:
                executor.execute(
                    execution.notebook.path,
                    executed,
                    given,
                    timeout_minutes=self._parameters.timeout_minutes.get(stage),
                    cancelled=self._cancelled,
                    say=lambda text: self._progress.say(label, text),
                )
                handed_on = read(str(executed))
                contracts.check_outputs(execution.notebook, executed, handed_on)
            except BaseException as error:
                failure = self._as_failure(error)
                end(getattr(failure, "status", records.FAILED), error=str(failure) or type(failure).__name__)
                raise failure from error.__cause__
            finally:
                pages.finish(execution.notebook.path, executed, self._executions)
        kept = fingerprint.contents(handed_on)
        end(records.SUCCEEDED, outputs=handed_on, depends_on=depends_on.result(), kept=kept)
        return handed_on

    def _as_failure(self, error: BaseException) -> BaseException:
        """What an execution ended by, as the chain tells it; an executor elsewhere has errors of its own."""
        if self._cancelled.is_set():
            return Interrupted()
        if isinstance(error, MillraceError) and not isinstance(error, StageFailed):
            return StageFailed(str(error), exit_code=error.exit_code)
        return error

    def _stop(self, futures: Sequence[Future]) -> None:
        """End what runs: so that each notebook can say so, or, at a second Ctrl-C, at once."""
        self._failed = True
        self._cancelled.set()
        while not all(future.done() for future in futures):
            try:
                _wait(futures)
            except KeyboardInterrupt:
                self._cancelled.at_once = True


def _wait(futures: Sequence[Future]) -> None:
    """Wait until all are done, a moment at a time: Python may hear of a signal only when a wait ends."""
    while wait(futures, timeout=_TICK_SECONDS).not_done:
        pass


def _together(failed: Sequence[BaseException]) -> BaseException:
    """The first failure, with what else failed at the same time."""
    first, *others = failed
    if others and isinstance(first, StageFailed):
        return StageFailed("\n\n".join(str(one) for one in failed), first.status, first.exit_code)
    return first


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM counts as Ctrl-C meanwhile, and kernels find ``lib`` whatever folder they start in.

    SIGINT is set too: a shell starts what it puts into the background with SIGINT ignored.
    """

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGINT, signal.SIGTERM)}
    path = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in path.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), path]))
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
