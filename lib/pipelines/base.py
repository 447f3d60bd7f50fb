"""The base class of all pipelines: stages, which do the bookkeeping, and hooks, which a use case may override."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from lib import outputs, tracebacks, training
from lib.errors import GateError, MillraceError, ParameterError
from lib.parameters import AZURE, COMMON, Parameters
from lib.pipelines._inputs import fill_inputs

if TYPE_CHECKING:
    import pandas as pd

    from lib import charts
    from lib.backends.base import Backend
    from lib.stages import automl, deploy, evaluate, preprocess, setup, train
    from lib.stages.evaluate import Contender
    from lib.tables.split.rules import SplitRule


class BasePipeline:
    """The stages of one use case. Use it as it is, or override hooks in a child class.

    Parameters
    ----------
    parameters : Parameters
        Checked parameters of the use case.
    backend : Backend
        Runs the stages and stores their artifacts.

    Notes
    -----
    **Override** hooks freely; each docstring describes the call, its arguments and the required result: `load_data`,
    `prepare_data`, `split_data`, `baseline`, `training_function`, `accept`.

    **Leave alone** the stages, which do the bookkeeping (MLflow run, checks, artifacts): `setup`, `preprocess`, `train`
    or `automl`, `evaluate`, `deploy`; and `publish_outputs`, the last call of each notebook.

    A child class that needs parameters of its own declares them in `OPTIONS`, each with its type. Users set them under
    ``options:`` in the parameter file; hooks read them as ``self.parameters.options["name"]``. Of the other parameters,
    a hook can read those that its stage declares in ``PARAMETERS`` (``lib/stages/<stage>.py``).
    """

    OPTIONS: ClassVar[dict[str, type]] = {}

    def __init__(self, parameters: Parameters, backend: Backend):
        self.parameters = parameters
        self.backend = backend
        self._run_id: str | None = None
        self._blocked_by = ""
        self._stage_parameters = parameters

    # Stages. Each method imports only its own stage, so that a notebook does not import the others.

    def setup(self) -> setup.SetupReport:
        """Check the prerequisites of a run, and create the missing ones where possible."""
        from lib.stages import setup

        self._run_id = None
        with tracebacks.shortened(), self._restricted_to(setup):
            self._stage_parameters = Parameters(self.parameters)
            return setup.run(self.backend, self.parameters)

    def preprocess(self) -> preprocess.Preprocessed:
        """Split the table into training rows and test rows, and describe the training rows in a baseline."""
        from lib.stages import preprocess

        with self._stage(preprocess, {}) as (parameters, _):
            return preprocess.run(self, self.backend, parameters)

    def train(
        self, training_function: str = "", train_data: str = "", test_data: str = "", baseline: str = ""
    ) -> train.Candidate:
        """Train one candidate with one training function.

        Parameters
        ----------
        training_function : str
            Name of a module in ``lib/training``; by default the parameter ``training_function``.
        train_data, test_data, baseline : str
            URIs from preprocess; an empty one is replaced by the newest output.
        """
        from lib.stages import train

        name = training_function or self.parameters.get("training_function")
        if not name:
            raise ParameterError(f"training_function is empty; expected one of {', '.join(training.available())}.")
        inputs = {"train_data": train_data, "test_data": test_data, "baseline": baseline}
        with self._stage(train, inputs, name=name, training_function=name) as (parameters, run_id):
            return train.run(self, self.backend, parameters, run_id)

    def automl(self, train_data: str = "", test_data: str = "", baseline: str = "") -> automl.Winner:
        """Search over many models, and log the best one as a candidate.

        Parameters
        ----------
        train_data, test_data, baseline : str
            URIs from preprocess; an empty one is replaced by the newest output.
        """
        from lib.stages import automl

        inputs = {"train_data": train_data, "test_data": test_data, "baseline": baseline}
        with self._stage(automl, inputs) as (parameters, run_id):
            return automl.run(self.backend, parameters, run_id)

    def evaluate(
        self, candidates: list[str] | None = None, test_data: str = "", baseline: str = ""
    ) -> evaluate.Evaluation:
        """Compare candidates and champion on the same rows, and promote the best if the gates allow it.

        Parameters
        ----------
        candidates : list of str
            MLflow run ids; if empty, the newest candidates trained on the newest training rows.
        test_data, baseline : str
            URIs from preprocess; an empty one is replaced by the newest output.
        """
        from lib.stages import evaluate

        inputs = {"test_data": test_data, "baseline": baseline, "candidates": candidates}
        with self._stage(evaluate, inputs) as (parameters, _):
            evaluation = evaluate.run(self, self.backend, parameters)
        self._blocked_by = evaluation.blocked_by
        return evaluation

    def deploy(self, test_data: str = "", decision: str = "") -> deploy.Deployment:
        """Deploy the production version as a real-time endpoint, and check its answers against the model's predictions.

        Parameters
        ----------
        test_data : str
            URI from preprocess; if empty, the newest output.
        decision : str
            The decision from evaluate. It explains, in error messages, why there is no production version.
        """
        from lib.stages import deploy

        inputs = {"test_data": test_data, "decision": decision}
        with self._stage(deploy, inputs, optional=("decision",)) as (parameters, _):
            return deploy.run(self.backend, parameters)

    def publish_outputs(self, **values: Any) -> charts.Table:
        """Publish the outputs of this notebook as parameters of later notebooks; call it once, at the end.

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
        from lib.stages._results import parameter_table

        outputs.glue(values)
        if self._run_id:
            self.backend.tracking.log_outputs(self._run_id, values)
        table = parameter_table(self._stage_parameters)
        if self._blocked_by:
            from IPython.display import display

            display(table)  # Jupyter does not show the value of a cell that raises
            raise GateError(self._blocked_by)
        return table

    # Hooks

    def load_data(self) -> pd.DataFrame:
        """Return the raw table. Called first by preprocess.

        The default reads ``data`` without the ``drop_columns``, except those needed for the split.
        """
        from lib.stages.preprocessing.split_plan import split_columns
        from lib.tables.schema_source import SchemaSource

        parameters = self.parameters
        needed = split_columns(parameters)
        skipped = [name for name in parameters.drop_columns if name not in needed]
        # Arrow strings save memory, but an overridden hook expects the usual object columns.
        hooks = ("prepare_data", "split_data", "baseline")
        arrow_strings = all(getattr(type(self), hook) is getattr(BasePipeline, hook) for hook in hooks)
        return self.backend.read_table(
            parameters.data,
            skipped,
            arrow_strings,
            encoding=parameters.encoding or "",
            schema_source=SchemaSource.from_parameters(parameters),
        )

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the table to learn from, with the target. Called by preprocess with the raw table.

        The raw table lacks the index columns and the ``drop_columns``. Derive the target, join other tables and remove
        leaks here; the result must have one row per prediction. Steps that an endpoint must repeat for every request
        belong in the training function's pipeline instead.
        """
        return frame

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return training rows and test rows. Called by preprocess with the prepared table and the split rule.

        The parameters define the rule. The default applies it, and removes the rows from `frame` to save memory.
        """
        return rule.apply(frame, keep_frame=False)

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Return statistics of the training rows. Called by preprocess with the training rows.

        The result must consist of JSON types. The endpoint's page and the drift checks read it.
        """
        from lib.tables.quality.baseline import describe

        return describe(train, self.parameters.target_column)

    def training_function(self, name: str) -> Callable[..., Any]:
        """Return the training function with this name. Called by train.

        Its signature is ``train(X, y, request, **hyperparameters)``. The default is ``train`` in
        ``lib/training/<name>.py``.
        """
        return training.get(name)

    def accept(self, best: Contender, champion: Contender | None) -> str:
        """Return why the best candidate must not be promoted, or an empty string to promote it. Called by evaluate.

        The champion is None if there is none, or if it cannot be compared. By default, the candidate must reach
        ``min_score`` and beat the champion by the primary metric.
        """
        metric = self.parameters.metric
        score, minimum = best.scores[metric.name], self.parameters.min_score
        if math.isnan(score):
            return f"its {metric.name} is undefined on these test rows"
        if minimum is not None and not metric.reaches(score, minimum):
            return f"it does not reach min_score {minimum:g} ({metric.direction})"
        if champion is not None and not metric.beats(score, champion.scores[metric.name]):
            return f"it is no better than {champion.name} ({champion.scores[metric.name]:.4g})"
        return ""

    # Bookkeeping

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
            Further values for the stage.

        Yields
        ------
        tuple of Parameters and str
            Parameters and inputs of the stage, and the id of the MLflow run.
        """
        self._run_id, self._blocked_by = None, ""
        stage = module.__name__.rpartition(".")[2]
        with tracebacks.shortened(), self._restricted_to(module):
            tags = {"run_name": self.parameters.get("run_name") or "", "pipeline": self._pipeline_name()}
            inputs = fill_inputs(inputs, self.parameters, self.backend, optional)
            parameters = self._stage_parameters = Parameters({**self.parameters, **inputs, **extra})
            with self.backend.tracking.run(parameters.name, stage, name or stage, tags) as run_id:
                try:
                    yield parameters, run_id
                except MillraceError:
                    raise
                except Exception:
                    self.backend.tracking.log_traceback()
                    raise
        self._run_id = run_id

    def _restricted_to(self, module: ModuleType) -> contextlib.AbstractContextManager[None]:
        """Hide the parameters that a stage's module does not declare, so that reading one of them raises."""
        azure = tuple(AZURE) if self.parameters.get("backend") == "azureml" else ()
        declared_in = f"{module.__name__.replace('.', '/')}.py"
        return self.parameters.restricted_to((*COMMON, *module.PARAMETERS, *azure), declared_in)

    def _pipeline_name(self) -> str:
        return type(self).__module__.rpartition(".")[2]
