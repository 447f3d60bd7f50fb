"""Pipelines: the stages for one use case. Each file is one: a child of `base.BasePipeline`, chosen by ``pipeline``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib import catalogue

if TYPE_CHECKING:
    from lib.pipelines.base import BasePipeline


def available() -> list[str]:
    """Names of the pipelines there are."""
    return catalogue.names(__name__)


def get_pipeline(pipeline: str, **parameters: Any) -> BasePipeline:
    """Pipeline of a name, with the parameters of a notebook and connected to its backend.

    Parameters
    ----------
    pipeline : str
        A file of ``lib/pipelines``.
    **parameters
        Whatever the notebook's parameters cell holds.

    Raises
    ------
    ParameterError, NameNotFound
        With all that cannot be used.
    """
    from lib import backends
    from lib.errors import ParameterError
    from lib.parameters import Parameters, check_given
    from lib.pipelines.base import BasePipeline

    module = catalogue.load(__name__, pipeline, kind="pipeline")
    children = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, BasePipeline) and one.__module__ == module.__name__
    ]
    if len(children) != 1:
        raise TypeError(f"lib/pipelines/{pipeline}.py defines {len(children)} children of BasePipeline; expected one.")
    given = Parameters(check_given(parameters))
    missing = children[0].OPTIONS.keys() - given.get("options", {}).keys()
    if missing:
        raise ParameterError(
            f"options: lib/pipelines/{pipeline}.py needs {name} ({children[0].OPTIONS[name].__name__})."
            for name in sorted(missing)
        )
    return children[0](given, backends.connect(given))
