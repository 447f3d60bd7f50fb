"""Automated machine learning (AutoML): requests, results, and a catalogue of search engines.

An engine is a module of this package, or of ``custom/automl``, with a function ``search``::

    def search(X, y, X_test, request, report):
        ...
        return EngineResult(trials, model, best)

It tries models within ``request.budget_seconds`` and never sees the target of the test rows. ``trials/`` contains the
code that engines share: models fitted in separate processes, and their blend. A backend makes a leaderboard of an
engine's result, or runs a search of its own; in either case it returns a `SearchResult`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from lib import catalogue
from lib.automl._search import DONE, LEADERBOARD, EngineResult, SearchRequest, SearchResult, Trial
from lib.metrics import custom
from lib.parameters.thresholds import parse_threshold

if TYPE_CHECKING:
    from lib.parameters import Parameters

__all__ = [
    "DONE",
    "FAMILIES",
    "LEADERBOARD",
    "MISSING_FAMILIES",
    "EngineResult",
    "SearchRequest",
    "SearchResult",
    "Trial",
    "allowed_families",
    "available",
    "faults",
    "get",
    "unsupported_families_message",
    "search_faults",
]

FAMILIES = (
    "linear",
    "random_forest",
    "extra_trees",
    "gradient_boosting",
    "xgboost",
    "lightgbm",
    "catboost",
    "neighbours",
    "neural_network",
)
# Model families that an engine cannot fit. An engine that is not listed can fit all `FAMILIES`.
MISSING_FAMILIES: dict[str, tuple[str, ...]] = {
    "autogluon": ("gradient_boosting", "neural_network"),
    "flaml": ("linear", "neighbours", "neural_network"),
}
SEARCH_FUNCTION = "search"
_ENGINES_WITHOUT_ROWS = ("flaml", "autogluon")
_PACKAGES = ("autogluon", "flaml", "lightgbm", "catboost")


def available() -> list[str]:
    """Return the names of all search engines."""
    return catalogue.names(__name__)


def get(name: str) -> Callable[..., EngineResult]:
    """Return the search function of an engine.

    Raises
    ------
    NameNotFound
        If there is no such engine; the message gives the nearest name.
    CodeError
        If the engine's module cannot be imported, or has no function ``search``.
    """
    return catalogue.load_object(__name__, name, "automl_engine", SEARCH_FUNCTION)


def allowed_families(parameters: Parameters) -> tuple[str, ...]:
    """Return the model families that the parameters allow and do not block.

    Examples
    --------
    >>> from lib.parameters import Parameters
    >>> allowed_families(Parameters({"allowed_models": ["linear", "xgboost"], "blocked_models": ["xgboost"]}))
    ('linear',)
    """
    allowed = parameters.allowed_models or FAMILIES
    return tuple(name for name in FAMILIES if name in allowed and name not in parameters.blocked_models)


def unsupported_families_message(engine: str, allowed: Collection[str]) -> str:
    """Return an error message if an engine can train none of the allowed model families, otherwise an empty string.

    Examples
    --------
    >>> unsupported_families_message("flaml", ["linear", "xgboost"])
    ''
    """
    families = [name for name in FAMILIES if name not in MISSING_FAMILIES.get(engine, ())]
    if not allowed or not set(families).isdisjoint(allowed):
        return ""
    return (
        f"allowed_models: the engine {engine} can train none of the allowed model families ({', '.join(allowed)}). "
        f"Allow one of {', '.join(families)}, or choose another automl_engine."
    )


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each reason why a search on this machine is impossible."""
    from lib.errors import suggest

    sentences = []
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        sentences.append(
            f'automl: packages are not installed ({", ".join(missing)}). Run: make install GROUPS="automl"'
        )
    engine = parameters.automl_engine
    if engine not in available():
        sentences.append(f"automl_engine: there is no engine {engine!r}. {suggest(engine, available())}")
    elif fault := unsupported_families_message(engine, allowed_families(parameters)):
        sentences.append(fault)
    if engine == "flaml" and parameters.task == "binary" and parse_threshold(parameters.threshold).is_chosen_from_data:
        sentences.append(
            f"threshold: {parameters.threshold} is chosen on rows that a model was not fitted on, and the engine flaml "
            "keeps no predictions for such rows. Set threshold to a number, or automl_engine to portfolio."
        )
    if engine in _ENGINES_WITHOUT_ROWS and parameters.primary_metric in custom.names():
        sentences.append(
            f"primary_metric: the engine {engine} compares models without the rows that {parameters.primary_metric} of "
            "custom/metrics needs. Set automl_engine to portfolio."
        )
    if parameters.automl_presets and engine != "autogluon":
        sentences.append(
            f"automl_presets: the engine {engine} has no presets. Leave it empty, or set automl_engine to autogluon."
        )
    if parameters.get("engine") == "dask":
        sentences.append("engine: AutoML needs the table in memory. Set engine to memory, or automl to false.")
    return sentences + search_faults(parameters)


def search_faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each reason why a search is impossible on any backend."""
    from lib.errors import suggest

    sentences = [
        f"{name}: there is no model family {family!r}. {suggest(family, FAMILIES)}"
        for name in ("allowed_models", "blocked_models")
        for family in parameters[name]
        if family not in FAMILIES
    ]
    if not allowed_families(parameters):
        sentences.append("blocked_models: no model family is left to try. Block fewer, or allow more.")
    if parameters.n_cross_validations == 1:
        sentences.append(
            "n_cross_validations: 1 fold leaves no rows to train on. Set at least 2, or 0 for an automatic choice."
        )
    if parameters.n_cross_validations and parameters.validation_fraction:
        sentences.append(
            "validation_fraction: models are compared either on n_cross_validations folds or on a "
            "validation_fraction of the rows; set one of the two to 0."
        )
    return sentences
