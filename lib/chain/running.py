"""Execution of a plan, stage by stage. The executions of one stage run in parallel, and are retried if requested."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import backends, cores
from lib.chain import contracts, failures, fingerprint, large_outputs, pages, plan, secret_search, stage_log
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
    from lib.chain.reuse import EarlierExecution, EarlierResults

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
    from lib.chain import forking

    fork = values["fork_kernels"] and forking.is_available()
    stages = plan.group_by_stage(executions)
    with chain_environment(), heartbeat(record):
        try:
            secret_search.remember_secrets(Parameters(values))
            if fork:
                forking.kernels.prepare(1)  # the fork server imports its modules while this process does
            parameters = Parameters({**values, RUN_NAME: record.name})
            stage_names = [execution.notebook.stage for execution in executions]
            remote_executors = backends.remote_executors(parameters, stage_names)
            runner = _Runner(executions, parameters, remote_executors, record, progress, fork, earlier_results)
            for stage, next_stage in zip(stages, [*stages[1:], []], strict=True):
                runner.run_stage(stage, next_stage)
                runner.search_for_secrets(stage)
            return runner.values
        finally:
            forking.kernels.close()


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
        self._executions = executions
        self._parameters = parameters
        self._record = record
        self._progress = progress
        self._earlier_results = earlier_results
        self._fork = fork
        self._fingerprints = fingerprint.Fingerprints()
        self._remote_executors = remote_executors
        self._local_executor = KernelExecutor(parameters.max_parallel_notebooks or cores.available(), fork)
        self._cancelled = Cancellation()
        self._has_failed = False
        self._stage_notebooks: set[Path] = set()  # of the current stage
        self._code_state: Mapping[Path, tuple[int, int]] = {}  # at the start of the current stage

    def run_stage(self, executions: Sequence[Execution], next_executions: Sequence[Execution]) -> None:
        """Run the executions of one stage and merge their outputs.

        After a failure no further execution starts. Executions that are already running continue, so that their work is
        not lost.
        """
        if self._fork:
            from lib.chain import forking

            forking.replace_outdated_server()
        self._stage_notebooks = {execution.notebook.path for execution in executions}
        self._code_state = fingerprint.read_code_state(*self._stage_notebooks)
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
            return self._obtain_outputs(execution, executor, threads)
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
            from lib.chain import forking

            slots = self._local_executor.slots
            is_waiting = len(executions) > slots
            forking.kernels.prepare(1 if is_waiting else min(len(next_executions), slots))

    def _obtain_outputs(
        self, execution: Execution, executor: NotebookExecutor, threads: Mapping[str, int]
    ) -> dict[str, Any]:
        """Return the outputs of an execution: from this run's record, from an earlier run, or by executing it."""
        recorded = self._record.outputs(execution.label)
        if recorded is not None:
            self._progress.skip(execution.label, "finished before")
            return recorded
        values = execution.select_parameters(self.values)
        fingerprint_future = self._fingerprints.start(execution.notebook, execution.result_dependencies(self.values))
        if self._earlier_results is not None:
            earlier = self._earlier_results.find(execution.label, fingerprint_future.result())
            if earlier is not None:
                return self._copy_results(execution, earlier)
        values |= {name: value for name, value in threads.items() if name in values}
        if OVERRIDES in values:
            declared = execution.notebook.declared_parameters
            values[OVERRIDES] = {name: value for name, value in threads.items() if name in declared}
        retries = self._parameters.retries.get(execution.notebook.stage, 0)
        while True:
            if self._cancelled.is_set():
                raise Interrupted
            try:
                return self._execute(execution, values, executor, fingerprint_future)
            except StageFailed as error:
                if not retries or not error.is_retryable:
                    raise
                retries -= 1
                self._progress.note(execution.label, f"{str(error).splitlines()[0]} Trying again.")

    def _copy_results(self, execution: Execution, earlier: EarlierExecution) -> dict[str, Any]:
        """Copy an earlier execution, with its executed notebook, into this run."""
        entry = self._record.begin(execution.label, execution.file_name)
        executed = self._record.folder / execution.file_name
        shutil.copyfile(earlier.notebook, executed)
        outputs_folder = large_outputs.folder_of(earlier.notebook)
        if outputs_folder.is_dir():
            shutil.copytree(outputs_folder, self._record.folder / outputs_folder.name, dirs_exist_ok=True)
        pages.make_standalone(execution.notebook.path, executed, self._executions)
        self._record.end(
            entry,
            records.REUSED,
            reused_from=earlier.run,
            outputs=earlier.outputs,
            fingerprint=earlier.fingerprint,
            file_hashes=earlier.file_hashes,
            facts=_read_facts(executed),
        )
        self._progress.skip(execution.label, f"same as in {earlier.run}")
        return earlier.outputs

    def _execute(
        self,
        execution: Execution,
        values: Mapping[str, Any],
        executor: NotebookExecutor,
        fingerprint_future: Future[dict[str, str]],
    ) -> dict[str, Any]:
        """Execute a notebook once, record it, and return its outputs."""
        from lib.outputs import read

        stage, label = execution.notebook.stage, execution.label
        executed = self._record.folder / execution.file_name
        entry = self._record.begin(label, execution.file_name)
        started = time.perf_counter()

        def end(status: str, **fields: Any) -> None:
            fields["remote_runs"] = executor.remote_runs.get(executed.name)
            seconds = round(time.perf_counter() - started, 3)
            self._record.end(entry, status, seconds=seconds, facts=_read_facts(executed), **fields)

        with self._progress.running(label):
            try:
                executor.execute(
                    execution.notebook.path,
                    executed,
                    values,
                    timeout_minutes=self._parameters.timeout_minutes.get(stage),
                    cancelled=self._cancelled,
                    report=lambda text: self._progress.note(label, secret_search.redact_message(text)),
                )
                if message := secret_search.search_notebook(executed):  # a notebook of a cluster
                    raise failures.from_cause(executed, "SecretPrinted", message)
                outputs = read(str(executed))
                contracts.check_outputs(execution.notebook, executed, outputs)
            except BaseException as error:
                failure = self._as_failure(error)
                end(getattr(failure, "status", records.FAILED), error=str(failure) or type(failure).__name__)
                secret_search.search_notebook(executed)
                raise failure from error.__cause__
            finally:
                pages.make_standalone(execution.notebook.path, executed, self._executions)
                log = stage_log.write_log(executed)
                secret_search.search_notebook(executed)
                stage_log.print_group(label, log, has_failed=entry["status"] != records.RUNNING)
        computed = fingerprint_future.result()
        if fingerprint.read_code_state(*self._stage_notebooks) != self._code_state:
            computed = {}  # it may describe other code than the kernel has executed
            self._progress.note(label, "the code was changed while this notebook ran, so --reuse will run it again")
        hashes = fingerprint.hash_files(outputs)
        end(records.SUCCEEDED, outputs=outputs, fingerprint=computed, file_hashes=hashes)
        return outputs

    def _as_failure(self, error: BaseException) -> BaseException:
        """Convert an error to Interrupted if the run was cancelled, and an error of Millrace to StageFailed."""
        if self._cancelled.is_set():
            return Interrupted()
        message = secret_search.redact_message(str(error))
        if isinstance(error, StageFailed):
            return error if message == str(error) else StageFailed(message, error.status, error.exit_code)
        if isinstance(error, MillraceError):
            return StageFailed(message, exit_code=error.exit_code)
        return error

    def _stop_all(self, futures: Sequence[Future]) -> None:
        """Stop all executions and wait for their end. A second Ctrl-C skips the grace period."""
        self._has_failed = True
        self._cancelled.set()
        while not all(future.done() for future in futures):
            try:
                _wait_for_all(futures)
            except KeyboardInterrupt:
                self._cancelled.at_once = True


def _read_facts(executed: Path) -> dict[str, Any]:
    """Return the facts that a stage published into its executed notebook; empty if it did not get that far."""
    from lib.outputs import read_evidence

    return read_evidence(executed).get("facts", {})


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
