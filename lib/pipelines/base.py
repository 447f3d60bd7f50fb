"""The base class of all pipelines, with the stages and with the hooks that a use case may override."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from lib import storage_errors, tracebacks, training
from lib.errors import ParameterError
from lib.pipelines._bookkeeping import StageBookkeeping
from lib.secrets.masked_errors import masked_errors

if TYPE_CHECKING:
    import pandas as pd

    from lib.stages.automl import Winner
    from lib.stages.deploy import Deployment
    from lib.stages.evaluate import Contender, Evaluation
    from lib.stages.monitor import Monitored
    from lib.stages.preprocess import Preprocessed
    from lib.stages.setup import SetupReport
    from lib.stages.train import Candidate
    from lib.tables.split.rules import SplitRule


class BasePipeline(StageBookkeeping):
    """The stages and hooks of one use case. Use this class as it is, or override hooks in a child class.

    Parameters
    ----------
    parameters : Parameters
        Checked parameters of the use case.
    backend : Backend
        Runs the stages and stores their artifacts.

    Notes
    -----
    **Override** hooks freely; each docstring describes the call, its arguments and the required result: `load_data`,
    `prepare_data`, `split_data`, `baseline`, `features`, `training_function`, `accept`.

    **Leave alone** the stages, which do the bookkeeping (MLflow run, checks, artifacts): `setup`, `preprocess`, `train`
    or `automl`, `evaluate`, `deploy`, `monitor`, `run_stage`; and `publish_outputs`, the last call of each notebook.

    A child class that needs parameters of its own declares them in `OPTIONS`, each with its type. Users set them under
    ``options:`` in the parameter file; hooks read them as ``self.parameters.options["name"]``. Of the other parameters,
    a hook can read those that its stage declares in ``PARAMETERS`` (``lib/stages/<stage>.py``).
    """

    OPTIONS: ClassVar[dict[str, type]] = {}

    # Stages. Each method imports only its own stage, so that a notebook does not import the others.

    def setup(self) -> SetupReport:
        """Check the prerequisites of a run, and create the missing ones where possible."""
        from lib.stages import setup as setup_stage

        self._run_id = None
        with tracebacks.shortened(), storage_errors.explained(), masked_errors(), self._restricted_to(setup_stage):
            self._stage_parameters = self.parameters.extended({})
            return self._keep(setup_stage.run(self.backend, self.parameters))

    def preprocess(self) -> Preprocessed:
        """Split the table into training rows and test rows, and describe the training rows in a baseline."""
        from lib.stages import preprocess as preprocess_stage

        with self._stage(preprocess_stage, {}) as (parameters, _):
            return self._keep(preprocess_stage.run(self, self.backend, parameters))

    def train(
        self, training_function: str = "", train_data: str = "", test_data: str = "", baseline: str = ""
    ) -> Candidate:
        """Train one candidate with one training function.

        Parameters
        ----------
        training_function : str
            Name of a module in ``lib/training`` or ``custom/training``; by default the parameter ``training_function``.
        train_data, test_data, baseline : str
            URIs from preprocess; an empty one is replaced by the newest output.
        """
        from lib.stages import train as train_stage

        name = training_function or self.parameters.get("training_function")
        if not name:
            raise ParameterError(f"training_function is empty; expected one of {', '.join(training.available())}.")
        inputs = {"train_data": train_data, "test_data": test_data, "baseline": baseline}
        with self._stage(train_stage, inputs, name=name, training_function=name) as (parameters, run_id):
            return self._keep(train_stage.run(self, self.backend, parameters, run_id))

    def automl(self, train_data: str = "", test_data: str = "", baseline: str = "") -> Winner:
        """Search over many models, and log the best one as a candidate.

        Parameters
        ----------
        train_data, test_data, baseline : str
            URIs from preprocess; an empty one is replaced by the newest output.
        """
        from lib.stages import automl as automl_stage

        inputs = {"train_data": train_data, "test_data": test_data, "baseline": baseline}
        with self._stage(automl_stage, inputs) as (parameters, run_id):
            return self._keep(automl_stage.run(self, self.backend, parameters, run_id))

    def evaluate(self, candidates: list[str] | None = None, test_data: str = "", baseline: str = "") -> Evaluation:
        """Compare candidates and champion on the same rows, and promote the best if the gates allow it.

        Parameters
        ----------
        candidates : list of str
            MLflow run ids; if empty, the newest candidates trained on the newest training rows.
        test_data, baseline : str
            URIs from preprocess; an empty one is replaced by the newest output.
        """
        from lib.stages import evaluate as evaluate_stage

        inputs = {"test_data": test_data, "baseline": baseline, "candidates": candidates}
        with self._stage(evaluate_stage, inputs) as (parameters, _):
            evaluation = self._keep(evaluate_stage.run(self, self.backend, parameters))
        self._blocked_by = evaluation.blocked_by
        return evaluation

    def deploy(self, test_data: str = "", decision: str = "") -> Deployment:
        """Deploy the production version as a real-time endpoint, and check its answers against the model's predictions.

        Parameters
        ----------
        test_data : str
            URI from preprocess; if empty, the newest output.
        decision : str
            The decision from evaluate. It explains, in error messages, why there is no production version.
        """
        from lib.stages import deploy as deploy_stage

        inputs = {"test_data": test_data, "decision": decision}
        with self._stage(deploy_stage, inputs, optional=("decision",)) as (parameters, _):
            return self._keep(deploy_stage.run(self.backend, parameters))

    def monitor(self, rows: str = "", history: str = "") -> Monitored:
        """Judge whether the rows that the endpoint answered still are like the test rows of the version in production.

        Parameters
        ----------
        rows : str
            A table to judge; if empty, the request log.
        history : str
            URI of the windows that earlier looks have counted; if empty, the newest one.
        """
        from lib.stages import monitor as monitor_stage

        inputs = {"rows": rows, "history": history}
        with self._stage(monitor_stage, inputs, optional=("rows", "history")) as (parameters, _):
            return monitor_stage.run(self.backend, parameters)

    # Hooks

    def load_data(self) -> pd.DataFrame:
        """Return the raw table. Called first by preprocess.

        The default reads ``data`` without the ``drop_columns``, except those that the split, ``groups`` or
        ``weight_column`` need.
        """
        from lib.stages.preprocessing.split_plan import needed_columns
        from lib.tables.schema_source import SchemaSource

        parameters = self.parameters
        needed = needed_columns(parameters)
        skipped = [name for name in parameters.drop_columns if name not in needed]
        # Arrow strings save memory, but overridden hooks expect object columns.
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
        belong in the features or in the training function's pipeline instead.
        """
        return frame

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return training rows and test rows. Called by preprocess with the prepared table and the split rule.

        The rule comes from the parameter file. By default the rule is applied, and `frame` is emptied to save memory.
        """
        return rule.apply(frame, keep_frame=False)

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Return statistics of the training rows. Called by preprocess with the training rows.

        The result must consist of JSON types. The endpoint's page and the drift checks read it.
        """
        from lib.tables.quality.baseline import describe

        return describe(train, self.parameters.target_column)

    def features(self) -> str:
        """Return the name of the features: a module of ``custom/features``. Called by train and automl.

        The module defines ``features(X)`` or a class ``Features`` with ``fit`` and ``transform``. It becomes the first
        step of every model, and gets raw rows: the prepared rows without the target. Whatever a request has to repeat
        belongs there, not in `prepare_data`. By default there is none.
        """
        return ""

    def training_function(self, name: str) -> Callable[..., Any]:
        """Return the training function with this name. Called by train.

        Its signature is ``train(X, y, request, **hyperparameters)``. The default is ``train`` in
        ``lib/training/<name>.py`` or ``custom/training/<name>.py``.
        """
        return training.get(name)

    def accept(self, best: Contender, champion: Contender | None, truth: pd.Series | None = None) -> str:
        """Return why the best candidate must not be promoted, or an empty string. Called by evaluate.

        `truth` has the true values of the test rows, in the order of ``best.predictions``; ``best.predictions.rows``
        has their raw columns. A hook that takes only the first two arguments works as well. The champion is None if
        there is none, or if it cannot be compared. The gates of the parameters are checked as well, whatever this hook
        returns. The default has no objection.
        """
        return ""
