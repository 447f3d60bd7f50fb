"""The bookkeeping of a pipeline: the MLflow run of each stage, the stage's inputs and parameters, and the outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from lib import catalogue, outputs, storage_errors, tracebacks
from lib.errors import GateError, MillraceError
from lib.parameters import AZURE, COMMON, Parameters
from lib.pipelines._inputs import fill_inputs
from lib.secrets import private_values
from lib.secrets.masked_errors import masked_errors

if TYPE_CHECKING:
    from lib import charts
    from lib.backends.base import Backend
    from lib.stages._results import StageResult

Result = TypeVar("Result", bound="StageResult")


class StageBookkeeping:
    """The base class of `BasePipeline` that opens the stages and publishes their outputs.

    Parameters
    ----------
    parameters : Parameters
        Checked parameters of the use case.
    backend : Backend
        Runs the stages and stores their artifacts.
    """

    def __init__(self, parameters: Parameters, backend: Backend):
        self.parameters = parameters
        self.backend = backend
        self._run_id: str | None = None
        self._blocked_by = ""
        self._stage_parameters = parameters  # with inputs; those of the latest stage
        self._result: StageResult | None = None  # of the latest stage

    def publish_outputs(self, **values: Any) -> charts.Table:
        """Publish the outputs of this notebook as parameters of later notebooks; call it once, at the end.

        The result of the stage is published, too: the report of the run is made from it.

        Returns
        -------
        Table
            The parameters of the stage; those that differ from their default are marked.

        Raises
        ------
        OutputError
            If a value cannot be written as JSON, or is not finite. In that case, no output is published.
        GateError
            If a gate of the stage blocks the chain. The outputs are published before.
        """
        from lib.stages._results import make_parameter_table

        outputs.glue(values)
        if self._result is not None:
            outputs.publish_evidence(self._result.describe())
        if self._run_id:
            with storage_errors.explained():
                self.backend.tracking.log_outputs(self._run_id, values)
        table = make_parameter_table(self._stage_parameters)
        if self._blocked_by:
            from IPython.display import display

            display(table)  # Jupyter does not show the value of a cell that raises
            raise GateError(self._blocked_by)
        return table

    def run_stage(self, stage: str, **inputs: Any) -> Any:
        """Run a stage of the customer's own, which the parameter ``stages`` places in the chain.

        The stage is the function ``run(pipeline, parameters)`` in ``custom/stages/<stage>.py``. Of the use case's
        parameters, it reads those in the module's ``PARAMETERS``.

        Parameters
        ----------
        stage : str
            Name of the module in ``custom/stages``.
        **inputs
            Outputs of earlier stages that the notebook's parameters cell declares; an empty one is replaced by the
            newest output with its name. Those in the module's ``OPTIONAL_INPUTS`` may stay empty.

        Returns
        -------
        object
            What ``run`` returns.

        Raises
        ------
        DataError
            If a required input is empty, and no earlier notebook has published it.
        CodeError
            If the module cannot be imported, or defines no ``run``.
        """
        module = catalogue.load("lib.stages", stage, "stage")
        run = catalogue.load_object("lib.stages", stage, "stage", "run")
        with self._stage(module, inputs, optional=tuple(getattr(module, "OPTIONAL_INPUTS", ()))) as (parameters, _):
            return run(self, parameters)

    def _keep(self, result: Result) -> Result:
        """Return the result of a stage, which `publish_outputs` publishes."""
        self._result = result
        return result

    @contextlib.contextmanager
    def _stage(
        self,
        module: ModuleType,
        inputs: Mapping[str, Any],
        name: str = "",
        optional: tuple[str, ...] = (),
        **extra: Any,
    ) -> Iterator[tuple[Parameters, str]]:
        """Run a stage within its MLflow run, to which `publish_outputs` later adds the outputs.

        Parameters
        ----------
        module : module
            The stage's module; only the parameters in its ``PARAMETERS`` can be read during the stage.
        inputs : mapping
            Inputs of the stage; an empty one is replaced by the newest output with its name.
        name : str
            Name of the MLflow run; by default the name of the stage.
        optional : tuple of str
            Inputs that may stay empty.
        **extra
            Further parameters of the stage.

        Yields
        ------
        tuple of Parameters and str
            Parameters and inputs of the stage, and the id of the MLflow run.
        """
        self._run_id, self._blocked_by, self._result = None, "", None
        stage = module.__name__.rpartition(".")[2]
        own_stages = _list_own_stages(self.parameters.get("stages"))
        with tracebacks.shortened(), storage_errors.explained(), contextlib.ExitStack() as stack:
            # To find the newest candidates takes parameters that the stage itself need not declare.
            filled = fill_inputs(inputs, self.parameters, self.backend, optional, own_stages)
            stack.enter_context(self._restricted_to(module))
            tags = {"run_name": self.parameters.get("run_name") or "", "pipeline": self._pipeline_name()}
            parameters = self._stage_parameters = self.parameters.extended({**filled, **extra})
            with self.backend.tracking.run(parameters.name, stage, name or stage, tags) as run_id:
                try:
                    with masked_errors():
                        self._remember_private_values(filled)
                        yield parameters, run_id
                except MillraceError:
                    raise
                except Exception:
                    self.backend.tracking.log_traceback()
                    raise
        self._run_id = run_id

    def _remember_private_values(self, inputs: Mapping[str, Any]) -> None:
        """Remember the values of private columns in the rows that a stage reads, so that no message shows them."""
        from lib.tables.quality.privacy import list_distinct

        if columns := self.parameters.get("private_columns"):
            for name in ("train_data", "test_data"):
                if inputs.get(name):
                    private_values.remember(list_distinct(self.backend.read_table(inputs[name]), columns))

    def _restricted_to(self, module: ModuleType) -> contextlib.AbstractContextManager[None]:
        """Hide the parameters that a stage's module does not declare: reading one of them then raises an error."""
        azure = tuple(AZURE) if self.parameters.get("backend") == "azureml" else ()
        stage_file = f"{module.__name__.replace('.', '/')}.py"
        return self.parameters.restricted_to((*COMMON, *module.PARAMETERS, *azure), stage_file)

    def _pipeline_name(self) -> str:
        """Return the name of the pipeline, as the parameter ``pipeline`` gives it."""
        return self.parameters.get("pipeline") or type(self).__module__.rpartition(".")[2]


def _list_own_stages(placement: Any) -> list[str]:
    """Return the names of the customer's stages in the parameter ``stages``."""
    lists = placement.values() if isinstance(placement, Mapping) else ()
    return [name for names in lists for name in names or ()]
