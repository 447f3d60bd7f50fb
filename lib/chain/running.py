"""Execution of a plan, stage by stage. The executions of one stage run in parallel, and are retried if requested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from lib import backends, cores
from lib.chain import plan, secret_search
from lib.chain import record as records
from lib.chain.contracts import RUN_NAME
from lib.chain.environment import chain_environment
from lib.chain.execution_runner import ExecutionRunner
from lib.chain.failures import Interrupted, StageFailed
from lib.chain.heartbeat import heartbeat
from lib.chain.notebooks import OVERRIDES, USE_CASE
from lib.chain.plan import Execution
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.parameters import Parameters
from lib.paths import display_path

if TYPE_CHECKING:
    from lib.backends.base import NotebookExecutor
    from lib.chain.reuse import EarlierResults

_POLL_SECONDS = 0.5


def run(
    executions: Sequence[Execution],
    values: Mapping[str, Any],
    record: RunRecord,
    progress: Progress,
    earlier_results: EarlierResults | None = None,
) -> dict[str, Any]:
    """Execute notebooks, except those that the record shows as finished.

    Parameters
    ----------
    executions : sequence of Execution
    values : mapping
        The parameters, by name.
    record : RunRecord
    progress : Progress
    earlier_results : EarlierResults, optional
        Results of earlier runs that may be reused; by default every notebook is executed.

    Returns
    -------
    dict
        The parameters and all outputs, by name.

    Raises
    ------
    StageFailed
        If a notebook fails.
    Interrupted
        On Ctrl-C or SIGTERM, after all kernels have ended.
    """
    from lib.chain import forking, kernel_pool

    fork = values["fork_kernels"] and forking.is_available()
    stages = plan.group_by_stage(executions)
    with chain_environment(), heartbeat(record):
        try:
            secret_search.remember_secrets(Parameters(values))
            if fork:
                kernel_pool.kernels.prepare(1)  # the fork server imports its modules while this process does
            parameters = Parameters({**values, RUN_NAME: record.name})
            stage_names = [execution.notebook.stage for execution in executions]
            remote_executors = backends.remote_executors(parameters, stage_names)
            runner = _Runner(executions, parameters, remote_executors, record, progress, fork, earlier_results)
            for stage, next_stage in zip(stages, [*stages[1:], []], strict=True):
                runner.run_stage(stage, next_stage)
                runner.search_for_secrets(stage)
            return runner.values
        finally:
            kernel_pool.kernels.close()


class _Runner:
    """The state of a run: the values known so far, and whether the run has to stop.

    Parameters
    ----------
    executions : sequence of Execution
        All executions of the run.
    parameters : Parameters
    remote_executors : mapping of NotebookExecutor
        By stage, for the stages that the backend does not execute on this machine.
    record : RunRecord
    progress : Progress
    fork : bool
        Whether to fork kernels.
    earlier_results : EarlierResults or None
        Results that may be reused.
    """

    def __init__(
        self,
        executions: Sequence[Execution],
        parameters: Parameters,
        remote_executors: Mapping[str, NotebookExecutor],
        record: RunRecord,
        progress: Progress,
        fork: bool,
        earlier_results: EarlierResults | None,
    ):
        from lib.chain.executor import Cancellation, KernelExecutor

        # A notebook loads exactly what was checked: the resolved parameters in the run folder.
        use_case = display_path(record.folder / records.PARAMETERS)
        self.values: dict[str, Any] = {**parameters, USE_CASE: use_case, OVERRIDES: {}}
        self._parameters = parameters
        self._record = record
        self._fork = fork
        self._remote_executors = remote_executors
        self._local_executor = KernelExecutor(parameters.max_parallel_notebooks or cores.available(), fork)
        self._cancelled = Cancellation()
        self._has_failed = False
        self._execution_runner = ExecutionRunner(
            executions, parameters, record, progress, self._cancelled, earlier_results
        )

    def run_stage(self, executions: Sequence[Execution], next_executions: Sequence[Execution]) -> None:
        """Run the executions of one stage and merge their outputs.

        After a failure no further execution starts. Executions that are already running continue, so that their work is
        not lost.
        """
        if self._fork:
            from lib.chain import kernel_pool

            kernel_pool.replace_outdated_server()
        self._execution_runner.begin_stage(executions)
        executor = self._remote_executors.get(executions[0].notebook.stage, self._local_executor)
        threads = self._limit_threads(executions, executor)
        with ThreadPoolExecutor(executor.slots, thread_name_prefix="notebook") as pool:
            futures: list[Future[dict[str, Any]]] = []
            try:  # an interrupt has to stop the executions that are already submitted, too
                for execution in executions:
                    futures.append(pool.submit(self._run_unless_failed, execution, executor, threads))
                self._prepare_kernels(executions, next_executions)
                _wait_for_all(futures)
            except KeyboardInterrupt:
                self._stop_all(futures)
                raise Interrupted from None
        errors = [error for future in futures if (error := future.exception())]
        if errors:
            raise _combine_errors(errors)
        outputs: dict[str, Any] = {}
        for future in futures:
            outputs = plan.merge_outputs(outputs, future.result())
        self.values |= outputs

    def search_for_secrets(self, executions: Sequence[Execution]) -> None:
        """Redact what a stage has written besides its notebooks, and fail the stage if there was a secret.

        Raises
        ------
        StageFailed
            If there was a secret, e.g. in a parameter of an MLflow run.
        """
        try:
            secret_search.search_run(self._record, self._parameters)
        except secret_search.SecretFound as error:
            for execution in executions:
                self._record.fail(execution.label, str(error))
            raise StageFailed(str(error)) from None

    def _run_unless_failed(
        self, execution: Execution, executor: NotebookExecutor, threads: Mapping[str, int]
    ) -> dict[str, Any]:
        """Return the outputs of an execution; empty without executing it if another one has failed."""
        if self._has_failed:
            return {}
        try:
            return self._execution_runner.obtain_outputs(execution, self.values, executor, threads)
        except BaseException:
            self._has_failed = True
            raise

    def _limit_threads(self, executions: Sequence[Execution], executor: NotebookExecutor) -> dict[str, int]:
        """Return ``threads`` for executions that share this machine's cores; empty to keep the run's own limit."""
        parallel = min(executor.slots, len(executions))
        if executor is not self._local_executor or parallel == 1:
            return {}
        return {"threads": max(1, (self._parameters.threads or cores.available()) // parallel)}

    def _prepare_kernels(self, executions: Sequence[Execution], next_executions: Sequence[Execution]) -> None:
        """Fork kernels ahead of time, for executions that wait for a slot or else for the next stage."""
        if self._fork:
            from lib.chain import kernel_pool

            slots = self._local_executor.slots
            is_waiting = len(executions) > slots
            kernel_pool.kernels.prepare(1 if is_waiting else min(len(next_executions), slots))

    def _stop_all(self, futures: Sequence[Future]) -> None:
        """Stop all executions and wait for their end. A second Ctrl-C skips the grace period."""
        self._has_failed = True
        self._cancelled.set()
        while not all(future.done() for future in futures):
            try:
                _wait_for_all(futures)
            except KeyboardInterrupt:
                self._cancelled.at_once = True


def _wait_for_all(futures: Sequence[Future]) -> None:
    """Wait until all futures are done. The waits are short, because Python handles signals only between them."""
    while wait(futures, timeout=_POLL_SECONDS).not_done:
        pass


def _combine_errors(errors: Sequence[BaseException]) -> BaseException:
    """Return the first error. If it is a StageFailed, its message includes those of the other errors."""
    first, *others = errors
    if others and isinstance(first, StageFailed):
        return StageFailed("\n\n".join(str(error) for error in errors), first.status, first.exit_code)
    return first
