"""The executions of a run: each is taken from the run's record or from an earlier run, or executed and recorded."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.chain import contracts, failures, fingerprint, large_outputs, pages, secret_search, stage_log
from lib.chain import record as records
from lib.chain.failures import Interrupted, StageFailed
from lib.chain.notebooks import OVERRIDES
from lib.chain.plan import Execution
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.errors import MillraceError
from lib.parameters import Parameters

if TYPE_CHECKING:
    from lib.backends.base import NotebookExecutor
    from lib.chain.executor import Cancellation
    from lib.chain.reuse import EarlierExecution, EarlierResults


class ExecutionRunner:
    """Runs executions, and records each of them.

    Parameters
    ----------
    executions : sequence of Execution
        All executions of the run.
    parameters : Parameters
    record : RunRecord
    progress : Progress
    cancelled : Cancellation
        Whether the run has to stop.
    earlier_results : EarlierResults or None
        Results that may be reused.
    """

    def __init__(
        self,
        executions: Sequence[Execution],
        parameters: Parameters,
        record: RunRecord,
        progress: Progress,
        cancelled: Cancellation,
        earlier_results: EarlierResults | None,
    ):
        self._executions, self._parameters = executions, parameters
        self._record, self._progress = record, progress
        self._cancelled, self._earlier_results = cancelled, earlier_results
        self._fingerprints = fingerprint.Fingerprints()
        self._stage_notebooks: set[Path] = set()  # of the current stage
        self._code_state: Mapping[Path, tuple[int, int]] = {}  # at the start of the current stage

    def begin_stage(self, executions: Sequence[Execution]) -> None:
        """Note the state of the code: results of code that changes during the stage are not reused later."""
        self._stage_notebooks = {execution.notebook.path for execution in executions}
        self._code_state = fingerprint.read_code_state(*self._stage_notebooks)

    def obtain_outputs(
        self, execution: Execution, values: Mapping[str, Any], executor: NotebookExecutor, threads: Mapping[str, int]
    ) -> dict[str, Any]:
        """Return the outputs of an execution: from this run's record, from an earlier run, or by executing it.

        Parameters
        ----------
        execution : Execution
        values : mapping
            The parameters and the outputs of earlier stages, by name.
        executor : NotebookExecutor
        threads : mapping of int
            The limit of threads, by the parameter's name; empty to keep the run's own limit.

        Raises
        ------
        StageFailed
            If the notebook fails, also in its last retry.
        Interrupted
            If the run has to stop.
        """
        recorded = self._record.outputs(execution.label)
        if recorded is not None:
            self._progress.skip(execution.label, "finished before")
            return recorded
        fingerprint_future = self._fingerprints.start(execution.notebook, execution.result_dependencies(values))
        if self._earlier_results is not None:
            earlier = self._earlier_results.find(execution.label, fingerprint_future.result())
            if earlier is not None:
                return self._copy_results(execution, earlier)
        selected = execution.select_parameters(values)
        selected |= {name: value for name, value in threads.items() if name in selected}
        if OVERRIDES in selected:
            declared = execution.notebook.declared_parameters
            selected[OVERRIDES] = {name: value for name, value in threads.items() if name in declared}
        retries = self._parameters.retries.get(execution.notebook.stage, 0)
        while True:
            if self._cancelled.is_set():
                raise Interrupted
            try:
                return self._execute(execution, selected, executor, fingerprint_future)
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


def _read_facts(executed: Path) -> dict[str, Any]:
    """Return the facts that a stage published into its executed notebook; empty if it did not get that far."""
    from lib.outputs import read_evidence

    return read_evidence(executed).get("facts", {})
