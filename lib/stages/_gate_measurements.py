"""What the gates of the parameter ``gates`` look at, measured only for those that are switched on."""

from __future__ import annotations

import functools
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.evaluation.gates.leakage import LeakScore
from lib.evaluation.gates.operation import BrokenContractRows
from lib.evaluation.not_measured import NotMeasuredError
from lib.scoring.model import read_model
from lib.scoring.scorer import Scorer
from lib.stages._coverage import measure_coverage
from lib.stages._endpoint_answers import build_request
from lib.stages._groups import score_test_groups
from lib.stages._leak_measurements import count_repeated_rows, score_best_column
from lib.stages._score_notes import SUSPICIOUS_SCORES

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._contenders import Comparison, Contender

# Enough calls for a stable median, within a short time for slow models.
_MAX_CALLS, _MAX_SECONDS = 200, 3.0


def make_measurements(
    best: Contender, comparison: Comparison, backend: Backend, parameters: Parameters
) -> dict[str, Callable[[], Any]]:
    """Return a function for each gate that measures what the gate looks at.

    Parameters
    ----------
    best : Contender
        The best candidate.
    comparison : Comparison
    backend : Backend
    parameters : Parameters
        ``primary_metric``, ``groups``, ``target_column``, ``task`` and ``baseline``.
    """
    baseline = functools.cache(lambda: backend.read_json(parameters.baseline))
    groups = functools.cache(lambda: score_test_groups(best, comparison, parameters))
    folder = functools.cache(lambda: _find_folder(best, backend))
    return {
        "train_test_gap": lambda: _read_train_score(best, backend, parameters),
        "near_perfect": lambda: _suspicious_score(best, parameters),
        "row_on_both_sides": lambda: count_repeated_rows(best, comparison, baseline(), backend, parameters),
        "column_alone": lambda: score_best_column(best, comparison, backend, parameters),
        "worst_slice": groups,
        "group_gap": groups,
        "latency_ms": lambda: measure_latency_ms(folder(), comparison, parameters),
        "size_mb": lambda: sum(file.stat().st_size for file in folder().rglob("*") if file.is_file()) / 1e6,
        "coverage": lambda: _measure_coverage(folder(), best, comparison, parameters),
        "contract": lambda: _read_contract(baseline()),
    }


def measure_latency_ms(folder: Path, comparison: Comparison, parameters: Parameters) -> float:
    """Return the median time in milliseconds that the endpoint's scorer needs for a request of one row.

    Raises
    ------
    NotMeasuredError
        If the scorer cannot load the model.
    """
    try:
        scorer = Scorer.from_folder(folder)
    except Exception as error:  # of any library that the model needs
        raise NotMeasuredError(
            f"the endpoint's scorer cannot load the model ({type(error).__name__}: {error})"
        ) from error
    rows = comparison.test.drop(columns=parameters.target_column).head(_MAX_CALLS)
    bodies = [json.dumps(build_request(rows.iloc[[position]])) for position in range(len(rows))]
    scorer.warm_up()
    durations: list[float] = []
    for body in bodies:
        started = time.perf_counter()
        scorer.score(body)
        durations.append(time.perf_counter() - started)
        if sum(durations) > _MAX_SECONDS:
            break
    return statistics.median(durations) * 1000


def _find_folder(best: Contender, backend: Backend) -> Path:
    """Return the folder with the files of the best candidate's model."""
    source, sha256 = backend.tracking.model_source(backend.tracking.candidate_run(best.run_id))
    return backend.tracking.model_folder(source, sha256)


def _read_train_score(best: Contender, backend: Backend, parameters: Parameters) -> float:
    """Return the primary metric on the training rows, which the run of the candidate logged."""
    name = f"train_{parameters.metric.name}"
    logged = backend.tracking.candidate_run(best.run_id).data.metrics
    if name not in logged:
        raise NotMeasuredError(f"the run of {best.name} logged no score on the training rows ({name})")
    return float(logged[name])


def _suspicious_score(best: Contender, parameters: Parameters) -> LeakScore:
    """Return the score that is compared with the limit of nearly perfect models."""
    name, _ = SUSPICIOUS_SCORES[parameters.task]
    return LeakScore("the model", name, best.scores[name], best.scores[name])


def _measure_coverage(folder: Path, best: Contender, comparison: Comparison, parameters: Parameters) -> float:
    """Return the share of the test rows whose true value the intervals or sets of the best candidate contain."""
    coverage = read_model(folder).coverage
    if coverage is None:
        raise NotMeasuredError(f"the model of {best.name} has no intervals; set coverage, and train again")
    truth = comparison.test[parameters.target_column]
    return measure_coverage(coverage, truth, comparison.test, best.predictions)


def _read_contract(baseline: Mapping[str, Any]) -> BrokenContractRows:
    """Return the rows that broke the contract when preprocess checked the table."""
    check = baseline.get("contract_check")
    if check is None:
        raise NotMeasuredError("preprocess checked no contract; set contract, and run preprocess again")
    return BrokenContractRows(check["broken_rows"], check["rows"])
