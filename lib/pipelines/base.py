"""The base of all pipelines: stages that keep the books, hooks that a use case may change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from lib import outputs, training
from lib.errors import DataError
from lib.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd

    from lib.backends.base import Backend
    from lib.data.split import SplitRule
    from lib.stages import automl, deploy, evaluate, preprocess, setup, train


class BasePipeline:
    """Five stages and their hooks. Use it as it is, or override hooks in a child.

    Parameters
    ----------
    parameters : Parameters
        Of the notebook that asks.
    backend : Backend
        Where stages run and artifacts live.

    Notes
    -----
    **Stages** keep the books (MLflow run, checks, artifacts) and are not for overriding: `setup`, `preprocess`,
    `train` or `automl`, `evaluate`, `deploy`; and `hand_on`, which ends each notebook.

    **Hooks** are safe to override; each says when it is called, what it gets, what it must return: `load_data`,
    `prepare_data`, `split_data`, `baseline`, `training_function`, `accept`.

    A child that needs more parameters names them in `OPTIONS`, each with its type; they stand under ``options:`` in
    the parameter file and are read as ``self.parameters.options["name"]``.
    """

    OPTIONS: ClassVar[dict[str, type]] = {}

    def __init__(self, parameters: Parameters, backend: Backend):
        self.parameters = parameters
        self.backend = backend
        self._run_id: str | None = None

    # Stages; a notebook imports its own alone

    def setup(self) -> setup.SetupReport:
        """Look for everything that a run needs, and make what can be made."""
        from lib.stages import setup

        return setup.run(self.backend, self.parameters)

    def preprocess(self) -> preprocess.Preprocessed:
        """From the table to training rows, test rows and a baseline."""
        from lib.stages import preprocess

        with self._stage_run("preprocess"):
            return preprocess.run(self, self.backend, self.parameters)

    def train(self) -> train.Candidate:
        """One training function, one candidate."""
        from lib.stages import train

        given = self._with_inputs("train_data", "test_data", "baseline")
        with self._stage_run("train", name=given.training_function) as run_id:
            return train.run(self, self.backend, given, run_id)

    def automl(self) -> automl.Winner:
        """A search over many models, one candidate."""
        from lib.stages import automl

        given = self._with_inputs("train_data", "test_data", "baseline")
        with self._stage_run("automl", name="automl") as run_id:
            return automl.run(self.backend, given, run_id)

    def evaluate(self) -> evaluate.Evaluation:
        """Candidates and champion on the same rows; the best goes to production if the gates let it."""
        from lib.stages import evaluate

        given = self._with_inputs("test_data", "baseline", "candidates")
        with self._stage_run("evaluate"):
            return evaluate.run(self, self.backend, given)

    def deploy(self) -> deploy.Deployment:
        """The version in production, as a real-time endpoint that answers as the model does."""
        from lib.stages import deploy

        given = self._with_inputs("test_data", "decision", optional=("decision",))
        with self._stage_run("deploy"):
            return deploy.run(self.backend, given)

    def hand_on(self, **values: Any) -> None:
        """Hand outputs on to the notebooks that read them as parameters; call it once, last.

        Raises
        ------
        OutputError
            Where one is not plain, finite JSON; then none is handed on.
        """
        outputs.glue(values)
        if self._run_id:
            self.backend.tracking.log_outputs(self._run_id, values)

    # Hooks

    def load_data(self) -> pd.DataFrame:
        """Called first by preprocess. Return the raw table; by default the one that ``data`` names.

        Of that, columns that no model may see and that decide nothing are not even read.
        """
        from lib.stages.preprocess import split_columns

        deciding = split_columns(self.parameters)
        unseen = [name for name in self.parameters.drop_columns if name not in deciding]
        hooks = (BasePipeline.prepare_data, BasePipeline.split_data, BasePipeline.baseline)
        nobody_looks = hooks == (type(self).prepare_data, type(self).split_data, type(self).baseline)
        given = self.parameters
        return self.backend.read_table(given.data, unseen, nobody_looks, encoding=given.get("encoding") or "")

    def prepare_data(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Called by preprocess with the raw table, less index columns and ``drop_columns``.

        Return the table to learn from: one row for each thing to predict, the target among its columns. Derive the
        target, join other tables, leave leaks out here. What an endpoint must do again to every row belongs in the
        training function's pipeline instead.
        """
        return frame

    def split_data(self, frame: pd.DataFrame, rule: SplitRule) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Called by preprocess with the prepared table and the rule that the parameters describe.

        Return training rows and test rows. By default the rule decides, and the frame is empty afterwards.
        """
        return rule.apply(frame, keep_frame=False)

    def baseline(self, train: pd.DataFrame) -> dict[str, Any]:
        """Called by preprocess with the training rows.

        Return their statistics as plain JSON; the endpoint's page and the drift checks read them.
        """
        from lib.data.baseline import describe

        return describe(train, self.parameters.target_column)

    def training_function(self, name: str) -> Callable:
        """Called by train with the name of a training function.

        Return the function to call, ``train(X, y, request, **hyperparameters)``; by default the one of
        ``lib/training/<name>.py``.
        """
        return training.get(name)

    def accept(self, best: evaluate.Contender, champion: evaluate.Contender | None) -> str:
        """Called by evaluate with the best candidate and the champion, None where there is none that can be compared.

        Return why the best may not go to production, or an empty text to let it go. By default it must reach
        ``min_score`` and beat the champion by the primary metric.
        """
        metric = self.parameters.metric
        score, floor = best.scores[metric.name], self.parameters.min_score
        if score != score:
            return f"its {metric.name} is not defined on these test rows"
        if floor is not None and not metric.reaches(score, floor):
            return f"it does not reach min_score {floor:g} ({metric.direction})"
        if champion is not None and not metric.beats(score, champion.scores[metric.name]):
            return f"it is no better than {champion.name} ({champion.scores[metric.name]:.4g})"
        return ""

    # The books

    @contextlib.contextmanager
    def _stage_run(self, stage: str, name: str | None = None) -> Iterator[str]:
        """MLflow run of a stage; `hand_on` notes at it what the stage handed on."""
        self._run_id = None
        tags = {"run_name": self.parameters.get("run_name", ""), "pipeline": type(self).__module__.rpartition(".")[2]}
        with self.backend.tracking.run(self.parameters.name, stage, name or stage, tags) as run_id:
            yield run_id
        self._run_id = run_id

    def _with_inputs(self, *names: str, optional: tuple[str, ...] = ()) -> Parameters:
        """Parameters with each input that was left empty as the newest that an earlier stage handed on."""
        filled: dict[str, Any] = {}
        for name in names:
            value = self.parameters[name] or self._newest(name)
            if not value and name not in optional:
                raise DataError(
                    f"{name} is empty, and no earlier notebook of {self.parameters.name} has handed it on in this "
                    f"workspace ({self.parameters.workspace}). Run the notebooks before this one first."
                )
            filled[name] = value or ""
        return Parameters({**self.parameters, **filled})

    def _newest(self, name: str) -> Any:
        tracking, experiment, given = self.backend.tracking, self.parameters.name, self.parameters
        if name == "candidates":
            trained_on = tracking.newest_output(experiment, "preprocess", "train_data") or ""
            return tracking.newest_candidates(experiment, trained_on, given.target_column, given.task)
        return tracking.newest_output(experiment, _MADE_BY[name], name)


_MADE_BY = {"train_data": "preprocess", "test_data": "preprocess", "baseline": "preprocess", "decision": "evaluate"}
