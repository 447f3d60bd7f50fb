"""The result of a portfolio search: the best model or blend of models, within the limit of the latency."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lib.automl import EngineResult, SearchRequest, Trial
from lib.automl.trials.attempts import Attempt, Outputs
from lib.automl.trials.blend import make_blend
from lib.automl.trials.latency import measure_row_ms
from lib.automl.trials.selection import SelectionLimits, SelectionTask, select_weights
from lib.automl.trials.time_budget import TimeBudget
from lib.training.features import TableEncoder


@dataclass(frozen=True)
class Assembly:
    """The assembly of fitted models into a result.

    Attributes
    ----------
    attempts : mapping of str to Attempt
        All attempts, by name of the configuration.
    outputs : Outputs
        Outputs of the finished attempts, at least one.
    encoder : TableEncoder
        Fitted.
    row : DataFrame of shape (1, columns)
        Raw columns of a row, to measure the latency.
    folder : Path
        The folder in which `lib.automl.trials.worker` wrote the models.
    request : SearchRequest
    time_budget : TimeBudget
    """

    attempts: Mapping[str, Attempt]
    outputs: Outputs
    encoder: TableEncoder
    row: pd.DataFrame
    folder: Path
    request: SearchRequest
    time_budget: TimeBudget

    def choose_model(self, warning: str) -> EngineResult:
        """Return the best blend or, if blends are not allowed, the best model.

        Parameters
        ----------
        warning : str
            Warning of the search so far, or empty. A warning is appended if the latency exceeds its limit.
        """
        max_ms = self.request.max_latency_ms
        weights = self._select_weights()
        model, model_ms = self._assemble(weights)
        while 0 < max_ms < model_ms and len(weights) > 1:  # a blend may be slower than the sum of its models' latencies
            weights = self._drop_slowest(weights)
            model, model_ms = self._assemble(weights)
        name = next(iter(weights)) if len(weights) == 1 else "blend"
        if 0 < max_ms < model_ms:
            warning = f"{warning} {name} takes {model_ms:.3g} ms per row; max_latency_ms is {max_ms:g}.".strip()
        for configuration, weight in weights.items():
            self.attempts[configuration].trial.weight = weight
        trials = [attempt.trial for attempt in self.attempts.values()]
        if len(weights) > 1:
            trials.append(self._make_blend_trial(name, weights, model_ms))
        return EngineResult(trials, model, name, warning)

    def _row_ms(self, name: str) -> float:
        """Return the milliseconds that a configuration takes to predict one row."""
        return self.attempts[name].trial.row_ms

    def _drop_slowest(self, weights: dict[str, float]) -> dict[str, float]:
        """Drop the slowest model, and scale the weights of the remaining models to a sum of 1."""
        slowest = max(weights, key=self._row_ms)
        remaining_sum = sum(weights.values()) - weights[slowest]
        return {name: weight / remaining_sum for name, weight in weights.items() if name != slowest}

    def _select_weights(self) -> dict[str, float]:
        """Select the models of the result by score and latency, and return their weights.

        The result is within the latency limit if at least one model is.
        """
        row_ms = {name: self._row_ms(name) for name in self.outputs.validation}
        max_row_ms = None
        if self.request.max_latency_ms:
            max_row_ms = self.request.max_latency_ms - measure_row_ms(lambda: self.encoder.transform(self.row))
        candidates = [name for name in row_ms if max_row_ms is None or row_ms[name] <= max_row_ms]
        if not candidates:
            candidates = [min(row_ms, key=self._row_ms)]
        metric = self.request.metric
        if not self.request.ensemble:
            return {metric.rank({name: self.attempts[name].trial.score for name in candidates})[0]: 1.0}
        return select_weights(
            {name: self.outputs.validation[name] for name in candidates},
            SelectionTask(self.outputs.target, metric),
            SelectionLimits(row_ms, max_row_ms, self.time_budget.selection_deadline),
            self.request.seed,
        )

    def _assemble(self, weights: dict[str, float]) -> tuple[Pipeline, float]:
        """Return a pipeline of the encoder and the blend, and the milliseconds that the pipeline takes for one row."""
        members, member_weights = [], []
        for name, weight in weights.items():
            fitted_folds = self.attempts[name].fits
            for fold in fitted_folds:
                members.append(pickle.loads((self.folder / f"{name}-{fold}.model").read_bytes()))
                member_weights.append(weight / len(fitted_folds))
        model = make_blend(members, member_weights, self.outputs.target.classes)
        pipeline = Pipeline([("encoder", self.encoder), ("model", model)])
        return pipeline, measure_row_ms(lambda: pipeline.predict(self.row))

    def _make_blend_trial(self, blend_name: str, weights: dict[str, float], row_ms: float) -> Trial:
        """Return the blend as a trial of its own, for the leaderboard."""
        model_trials = [self.attempts[name].trial for name in weights]
        trial = Trial(blend_name, "blend", weight=1.0, hyperparameters=dict(weights))
        validation, test = (
            np.sum([weight * outputs[name] for name, weight in weights.items()], axis=0)
            for outputs in (self.outputs.validation, self.outputs.test)
        )
        self.outputs.score_trial(trial, validation, test, self.request.metric)
        trial.fit_seconds = sum(model_trial.fit_seconds for model_trial in model_trials)
        trial.row_ms = row_ms
        trial.megabytes = sum(model_trial.megabytes for model_trial in model_trials)
        trial.done_seconds = self.time_budget.elapsed_seconds
        return trial
