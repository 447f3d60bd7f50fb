"""The tables and charts of an evaluation that explain the best candidate's answers on the test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lib.scoring.model import read_model
from lib.stages import _coverage
from lib.stages._decision_worth import Display

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._contenders import Contender

_COVERAGE_CAPTION = (
    "How many of the test rows have their true value in the best candidate's {kind}, and how large these are. The "
    "coverage is guaranteed on average over tables, so that of one test table varies around it."
)


def explain(best: Contender, test: pd.DataFrame, backend: Backend, parameters: Parameters) -> tuple[Display, ...]:
    """Return the measured coverage of the best candidate's intervals or sets; nothing if it has neither.

    Parameters
    ----------
    best : Contender
        The best candidate.
    test : DataFrame
        The test rows.
    backend : Backend
    parameters : Parameters
        ``target_column`` and ``groups``.
    """
    folder = backend.tracking.model_folder(*backend.tracking.model_source(backend.tracking.candidate_run(best.run_id)))
    model = read_model(folder)
    displays = []
    if model.coverage is not None:
        y = test[parameters.target_column]
        table = _coverage.measure(model.coverage, y, test, best.predictions, parameters.groups)
        displays.append(Display("coverage", table, _COVERAGE_CAPTION.format(kind=model.coverage.name)))
    return tuple(displays)
