"""The base of all pipelines: stages that do the bookkeeping, and hooks that a use case may override."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from lib import outputs, training
from lib.errors import DataError, ParameterError
from lib.parameters import AZURE, COMMON, Parameters

if TYPE_CHECKING:
    import pandas as pd

    from lib import charts
    from lib.backends.base import Backend
    from lib.data.split import SplitRule
    from lib.stages import automl, deploy, evaluate, preprocess, setup, train


class BasePipeline:
    """The stages of one use case. Use it as it is, or override hooks in a child class.

    Parameters
    ----------
    parameters : Parameters
        Checked parameters of the use case.
    backend : Backend
        Where stages run and artifacts live.

    Notes
    -----
    **Override** hooks freely; the docstring of each says when it is called, with what, and what it must return:
    `load_data`, `prepare_data`, `split_data`, `baseline`, `training_function`, `accept`.

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
        self._stage_parameters = parameters

    # Stages. Each imports its own module only, so that a notebook does not wait for the others.

    def setup(self) -> setup.SetupReport:
        """Check everything that a run needs, and create what can be created."""
        from lib.stages import setup

        self._run_id = None
        with self._restricted_to(setup):
            self._stage_parameters = Parameters(self.parameters)
            return setup.run(self.backend, self.parameters)

    def preprocess(self) -> preprocess.Preprocessed:
        """Turn the table into training rows, test rows and a baseline."""
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
            A file of ``lib/training``.
        train_data, test_data, baseline : str
            URIs from preprocess; if empty, its newest ones.
        """
        from lib.stages import train

        name = training_function or self.parameters.get("training_function")
        if not name:
            raise ParameterError(f"training_function is empty; expected one of {', '.join(training.available())}.")
        inputs = {"train_data": train_data, "test_data": test_data, "baseline": baseline}
        with self._stage(train, inputs, name=name, training_function=name) as (parameters, run_id):
            return train.run(self, self.backend, parameters, run_id)

    def automl(self, train_data: str = "", test_data: str = "", baseline: str = "") -> automl.Winner:
        """Search over many models, and keep the best as one candidate.

        Parameters
        ----------
        train_data, test_data, baseline : str
            URIs from preprocess; if empty, its newest ones.
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
            URIs from preprocess; if empty, its newest ones.
        """
        from lib.stages import evaluate

        inputs = {"test_data": test_data, "baseline": baseline, "candidates": candidates}
        with self._stage(evaluate, inputs) as (parameters, _):
            return evaluate.run(self, self.backend, parameters)

    def deploy(self, test_data: str = "", decision: str = "") -> deploy.Deployment:
        """Deploy the version in production as a real-time endpoint that answers exactly as the model does.

        Parameters
        ----------
        test_data : str
            URI from preprocess; if empty, its newest one.
        decision : str
            The decision of evaluate, for messages; if empty, its newest one.
        """
        from lib.stages import deploy

        inputs = {"test_data": test_data, "decision": decision}
        with self._stage(deploy, inputs, optional=("decision",)) as (parameters, _):
            return deploy.run(self.backend, parameters)

    def publish_outputs(self, **values: Any) -> charts.Table:
        """Publish the outputs of this notebook to the notebooks that read them as parameters; call it once, last.

        Returns
        -------
        Table
            The parameters of the stage, those that differ from their defaults marked.

        Raises
        ------
        OutputError
            If one of them is not plain, finite JSON; then none is published.
        """
        from lib.stages._answers import parameter_table

        outputs.glue(values)
        if self._run_id:
            self.backend.tracking.log_outputs(self._run_id, values)
        return parameter_table(self._stage_parameters)

    # Hooks

    def load_data(self) -> pd.DataFrame:
        """Called first by preprocess. Return the raw table; by default the one that ``data`` names.

        The default does not read columns that are hidden from models and not needed for the split.
        """
        from lib.stages.preprocess import split_columns

        needed = split_columns(self.parameters)
        unread = [name for name in self.parameters.drop_columns if name not in needed]
        hooks = (BasePipeline.prepare_data, BasePipeline.split_data, BasePipeline.baseline)
        no_hook_sees_it = hooks == (type(self).prepare_data, type(self).split_data, type(self).baseline)
        parameters = self.parameters
        return self.backend.read_table(parameters.data, unread, no_hook_sees_it, encoding=parameters.encoding or "")

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Called by preprocess with the raw table, without index columns and ``drop_columns``.

        Return the table to learn from: one row for each thing to predict, with the target among its columns. Derive the
        target, join other tables and remove leaks here. Steps that an endpoint must repeat for every request belong in
        the training function's pipeline instead.
        """
        return frame

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Called by preprocess with the prepared table and the split rule that the parameters describe.

        Return training rows and test rows. The default applies the rule, and empties the frame to save memory.
        """
        return rule.apply(frame, keep_frame=False)

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Called by preprocess with the training rows.

        Return their statistics as plain JSON; the endpoint's page and the drift checks read them.
        """
        from lib.data.baseline import describe

        return describe(train, self.parameters.target_column)

    def training_function(self, name: str) -> Callable[..., Any]:
        """Called by train with the name of a training function.

        Return the function to call, ``train(X, y, request, **hyperparameters)``; by default that of
        ``lib/training/<name>.py``.
        """
        return training.get(name)

    def accept(self, best: evaluate.Contender, champion: evaluate.Contender | None) -> str:
        """Called by evaluate with the best candidate and the champion, or None if no champion can be compared.

        Return why the best candidate must not go to production, or an empty string to promote it. By default it must
        reach ``min_score`` and beat the champion by the primary metric.
        """
        metric = self.parameters.metric
        score, minimum = best.scores[metric.name], self.parameters.min_score
        if score != score:
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
        """Run a stage within its MLflow run, where `publish_outputs` will note the outputs.

        Parameters
        ----------
        module : module
            The stage's module, which declares the ``PARAMETERS`` that may be read meanwhile.
        inputs : mapping
            Inputs of the stage; an empty one is replaced by the newest output of that name.
        name : str
            Name of the MLflow run; by default that of the stage.
        optional : tuple of str
            Inputs that may stay empty.
        **extra
            Further values for the stage.

        Yields
        ------
        tuple of Parameters and str
            Parameters and inputs of the stage, and the id of the MLflow run.
        """
        self._run_id = None
        stage = module.__name__.rpartition(".")[2]
        with self._restricted_to(module):
            tags = {"run_name": self.parameters.get("run_name") or "", "pipeline": self._name()}
            filled = self._fill_inputs(inputs, optional)
            parameters = self._stage_parameters = Parameters({**self.parameters, **filled, **extra})
            with self.backend.tracking.run(parameters.name, stage, name or stage, tags) as run_id:
                yield parameters, run_id
        self._run_id = run_id

    def _restricted_to(self, module: ModuleType) -> contextlib.AbstractContextManager[None]:
        """Hide all parameters that a stage's module does not declare."""
        azure = tuple(AZURE) if self.parameters.get("backend") == "azureml" else ()
        reader = f"{module.__name__.replace('.', '/')}.py"
        return self.parameters.restricted_to((*COMMON, *module.PARAMETERS, *azure), reader)

    def _name(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    def _fill_inputs(self, inputs: Mapping[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the inputs, each empty one replaced by the newest output that an earlier stage published."""
        filled: dict[str, Any] = {}
        for name, given in inputs.items():
            value = given or self.parameters.get(name) or self._newest_output(name)
            if not value and name not in optional:
                raise DataError(
                    f"{name} is empty, and no earlier notebook of {self.parameters.name} has published it in this "
                    f"workspace ({self.parameters.workspace}). Run the earlier notebooks first."
                )
            filled[name] = value or ""
        return filled

    def _newest_output(self, name: str) -> Any:
        """Return the newest value that an earlier notebook published under this name."""
        tracking, experiment, parameters = self.backend.tracking, self.parameters.name, self.parameters
        if name == "candidates":
            trained_on = tracking.newest_output(experiment, "preprocess", "train_data") or ""
            return tracking.newest_candidates(experiment, trained_on, parameters.target_column, parameters.task)
        return tracking.newest_output(experiment, _PUBLISHED_BY[name], name)


_PUBLISHED_BY = {
    "train_data": "preprocess",
    "test_data": "preprocess",
    "baseline": "preprocess",
    "decision": "evaluate",
}
