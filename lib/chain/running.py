"""Execution of a plan: stage by stage, the executions of one stage in parallel, with retries where requested."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from lib import backends, cores
from lib.chain import contracts, fingerprint, pages, plan, stage_log
from lib.chain import record as records
from lib.chain.contracts import RUN_NAME
from lib.chain.environment import chain_environment
from lib.chain.failures import Interrupted, StageFailed
from lib.chain.heartbeat import heartbeat
from lib.chain.notebooks import OVERRIDES, USE_CASE
from lib.chain.plan import Execution
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.errors import MillraceError
from lib.parameters import Parameters
from lib.paths import display_path

if TYPE_CHECKING:
    from lib.backends.base import NotebookExecutor
    from lib.chain.reuse import EarlierExecution, Reuse

_POLL_SECONDS = 0.5


def run(
    executions: Sequence[Execution],
    values: Mapping[str, Any],
    record: RunRecord,
    progress: Progress,
    reuse: Reuse | None = None,
) -> dict[str, Any]:
    """Execute notebooks, except those that the record shows as finished.

    Parameters
    ----------
    executions : sequence of Execution
    values : mapping
        The parameters; outputs of notebooks are merged into a copy.
    record : RunRecord
    progress : Progress
    reuse : Reuse, optional
        Earlier runs whose results may be reused.

    Returns
    -------
    dict
        Parameters and all outputs.

    Raises
    ------
    StageFailed
        If a notebook fails.
    Interrupted
        On Ctrl-C or SIGTERM, after all kernels have ended.
    """
    from lib.chain import forking

    fork = values["fork_kernels"] and forking.available()
    stages = plan.group_by_stage(executions)
    with chain_environment(), heartbeat(record):
        try:
            if fork:
                forking.kernels.prepare(1)  # imports while this process imports
            parameters = Parameters({**values, RUN_NAME: record.name})
            remote_executors = backends.remote_executors(
                parameters, [execution.notebook.stage for execution in executions]
            )
            runner = _Runner(executions, parameters, remote_executors, record, progress, fork, reuse)
            for stage, next_stage in zip(stages, [*stages[1:], []], strict=True):
                runner.run_stage(stage, next_stage)
            return runner.values
        finally:
            forking.kernels.close()


class _Runner:
    """State of a run: the values known so far, and whether the run is to stop.

    Parameters
    ----------
    parameters : Parameters
    remote_executors : mapping
        By stage, for those that the backend executes elsewhere.
    record : RunRecord
    progress : Progress
    fork : bool
        Whether to fork kernels.
    reuse : Reuse or None
    """

    def __init__(
        self,
        executions: Sequence[Execution],
        parameters: Parameters,
        remote_executors: Mapping[str, NotebookExecutor],
        record: RunRecord,
        progress: Progress,
        fork: bool,
        reuse: Reuse | None,
    ):
        from lib.chain.executor import Cancellation, KernelExecutor

        # A notebook loads exactly what was checked: the resolved parameters in the run folder.
        use_case = display_path(record.folder / records.PARAMETERS)
        self.values: dict[str, Any] = {**parameters, USE_CASE: use_case, OVERRIDES: {}}
        self._executions = executions
        self._parameters = parameters
        self._record = record
        self._progress = progress
        self._reuse = reuse
        self._fork = fork
        self._fingerprints = fingerprint.Fingerprints()
        self._remote_executors = remote_executors
        self._local_executor = KernelExecutor(parameters.max_parallel_notebooks or cores.available(), fork)
        self._cancelled = Cancellation()
        self._has_failed = False

    def run_stage(self, executions: Sequence[Execution], next_executions: Sequence[Execution]) -> None:
        """Run the executions of one stage and merge their outputs.

        After a failure no further execution starts; those that run already continue to their end, so that their work
        is not lost.
        """
        executor = self._remote_executors.get(executions[0].notebook.stage, self._local_executor)
        threads = self._thread_limit(executions, executor)
        with ThreadPoolExecutor(executor.slots, thread_name_prefix="notebook") as pool:
            futures: list[Future[dict[str, Any]]] = []
            try:  # an interrupt while executions are submitted has to stop them, too
                for execution in executions:
                    futures.append(pool.submit(self._run_unless_failed, execution, executor, threads))
                self._prepare_kernels(executions, next_executions)
                _wait(futures)
            except KeyboardInterrupt:
                self._stop(futures)
                raise Interrupted from None
        errors = [error for future in futures if (error := future.exception())]
        if errors:
            raise _combine(errors)
        outputs: dict[str, Any] = {}
        for future in futures:
            outputs = plan.merge_outputs(outputs, future.result())
        self.values |= outputs

    def _run_unless_failed(
        self, execution: Execution, executor: NotebookExecutor, threads: Mapping[str, int]
    ) -> dict[str, Any]:
        if self._has_failed:
            return {}
        try:
            return self._outputs(execution, executor, threads)
        except BaseException:
            self._has_failed = True
            raise

    def _thread_limit(self, executions: Sequence[Execution], executor: NotebookExecutor) -> dict[str, int]:
        """Return ``threads`` for executions that share this machine's cores; empty if the limit stays as it is."""
        parallel = min(executor.slots, len(executions))
        if executor is not self._local_executor or parallel == 1:
            return {}
        return {"threads": max(1, (self._parameters.threads or cores.available()) // parallel)}

    def _prepare_kernels(self, executions: Sequence[Execution], next_executions: Sequence[Execution]) -> None:
        """Fork kernels ahead of time: for executions that wait for a slot, otherwise for the next stage."""
        if self._fork:
            from lib.chain import forking

            slots = self._local_executor.slots
            is_waiting = len(executions) > slots
            forking.kernels.prepare(1 if is_waiting else min(len(next_executions), slots))

    def _outputs(self, execution: Execution, executor: NotebookExecutor, threads: Mapping[str, int]) -> dict[str, Any]:
        """Return the outputs of an execution: from this run's record, from an earlier run, or by executing it."""
        finished = self._record.outputs(execution.label)
        if finished is not None:
            self._progress.skip(execution.label, "finished before")
            return finished
        values = execution.select_parameters(self.values)
        current = self._fingerprints.start(execution.notebook, execution.result_dependencies(self.values))
        if self._reuse and (earlier := self._reuse.find(execution.label, current.result())):
            return self._copy(execution, earlier)
        values |= {name: value for name, value in threads.items() if name in values}
        if OVERRIDES in values:
            values[OVERRIDES] = {name: value for name, value in threads.items() if name in execution.notebook.reads}
        retries = self._parameters.retries.get(execution.notebook.stage, 0)
        while True:
            if self._cancelled.is_set():
                raise Interrupted
            try:
                return self._execute(execution, values, executor, current)
            except StageFailed as error:
                if not retries or not error.is_retryable:
                    raise
                retries -= 1
                self._progress.note(execution.label, f"{str(error).splitlines()[0]} Trying again.")

    def _copy(self, execution: Execution, earlier: EarlierExecution) -> dict[str, Any]:
        """Copy an earlier execution, with its executed notebook, into this run."""
        entry = self._record.begin(execution.label, execution.file_name)
        executed = self._record.folder / execution.file_name
        shutil.copyfile(earlier.notebook, executed)
        pages.finish(execution.notebook.path, executed, self._executions)
        self._record.end(
            entry,
            records.REUSED,
            reused_from=earlier.run,
            outputs=earlier.outputs,
            fingerprint=earlier.fingerprint,
            file_hashes=earlier.file_hashes,
        )
        self._progress.skip(execution.label, f"same as in {earlier.run}")
        return earlier.outputs

    def _execute(
        self,
        execution: Execution,
        values: Mapping[str, Any],
        executor: NotebookExecutor,
        current: Future[dict[str, str]],
    ) -> dict[str, Any]:
        """Execute a notebook once, record it, and return its outputs."""
        from lib.outputs import read

        stage, label = execution.notebook.stage, execution.label
        executed = self._record.folder / execution.file_name
        entry = self._record.begin(label, execution.file_name)
        started = time.perf_counter()

        def end(status: str, **facts: Any) -> None:
            self._record.end(entry, status, seconds=round(time.perf_counter() - started, 3), **facts)

        with self._progress.running(label):
            try:
                executor.execute(
                    execution.notebook.path,
                    executed,
                    values,
                    timeout_minutes=self._parameters.timeout_minutes.get(stage),
                    cancelled=self._cancelled,
                    report=lambda text: self._progress.note(label, text),
                )
                outputs = read(str(executed))
                contracts.check_outputs(execution.notebook, executed, outputs)
            except BaseException as error:
                failure = self._as_failure(error)
                end(getattr(failure, "status", records.FAILED), error=str(failure) or type(failure).__name__)
                raise failure from error.__cause__
            finally:
                pages.finish(execution.notebook.path, executed, self._executions)
                log = stage_log.write_log(executed)
                stage_log.print_group(label, log, has_failed=entry["status"] != records.RUNNING)
        hashes = fingerprint.hash_files(outputs)
        end(records.SUCCEEDED, outputs=outputs, fingerprint=current.result(), file_hashes=hashes)
        return outputs

    def _as_failure(self, error: BaseException) -> BaseException:
        """Return the error in the chain's own terms: Interrupted, StageFailed, or unchanged."""
        if self._cancelled.is_set():
            return Interrupted()
        if isinstance(error, MillraceError) and not isinstance(error, StageFailed):
            return StageFailed(str(error), exit_code=error.exit_code)
        return error

    def _stop(self, futures: Sequence[Future]) -> None:
        """Stop all executions and wait for them to end; a second Ctrl-C skips their grace period."""
        self._has_failed = True
        self._cancelled.set()
        while not all(future.done() for future in futures):
            try:
                _wait(futures)
            except KeyboardInterrupt:
                self._cancelled.at_once = True


def _wait(futures: Sequence[Future]) -> None:
    """Wait until all are done, in short steps: Python handles a signal only when a wait ends."""
    while wait(futures, timeout=_POLL_SECONDS).not_done:
        pass


def _combine(errors: Sequence[BaseException]) -> BaseException:
    """Return the first error, with the messages of those that happened at the same time."""
    first, *others = errors
    if others and isinstance(first, StageFailed):
        return StageFailed("\n\n".join(str(error) for error in errors), first.status, first.exit_code)
    return first
