"""Pipelines: the stages of one use case, chosen by the parameter ``pipeline``.

Each file of ``custom/pipelines`` defines one child of `base.BasePipeline`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lib import catalogue, tracebacks
from lib.secrets import kernel_guard, redaction, references

if TYPE_CHECKING:
    from lib.parameters import Layers
    from lib.pipelines.base import BasePipeline


def available() -> list[str]:
    """Return the names of all pipelines."""
    return catalogue.names(__name__)


def choices() -> dict[str, list[str]]:
    """Return the names that parameters can choose from (`lib.parameters.Spec.choices`): pipelines, engines and others.

    Examples
    --------
    >>> "flights" in choices()["pipeline"]
    True
    """
    from lib import automl, backends, training

    return {
        "pipeline": available(),
        "training function": training.available(),
        "backend": backends.available(),
        "automl engine": automl.available(),
    }


def open_pipeline(use_case: str | Sequence[str], overrides: Mapping[str, Any] | None = None) -> BasePipeline:
    """Open the pipeline of a use case: load and check its parameters, and connect to its backend.

    Parameters
    ----------
    use_case : str or sequence of str
        The parameter file, or several: the use case first, then profiles, which override it. Relative paths start at
        the project's folder, not at the notebook's.
    overrides : mapping, optional
        Values that override the files, by parameter: ``{"seed": 7, "hyperparameters.linear.regularisation": 0.1}``.

    Returns
    -------
    BasePipeline

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.

    Examples
    --------
    >>> pipeline = open_pipeline("parameters/penguins.yaml", {"seed": 7})
    >>> pipeline.parameters.target_column, pipeline.parameters.seed
    ('Species', 7)
    """
    from lib.parameters import load
    from lib.paths import resolve

    files = [use_case] if isinstance(use_case, str) else use_case
    with tracebacks.shortened():
        return get_pipeline(**check_use_case(load([resolve(file) for file in files], overrides=overrides)))


def check_use_case(layers: Layers) -> dict[str, Any]:
    """Check all parameters of a use case, including the options of its pipeline and the hyperparameters.

    Returns
    -------
    dict
        The values, each converted to its type.

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.
    """
    from lib.errors import ParameterError
    from lib.parameters import check
    from lib.pipelines import _code_checks, _signatures

    faults: list[str] = []
    values: dict[str, Any] = {}
    try:
        values = check(layers, choices())
    except ParameterError as error:
        faults += error.faults
    merged = {**layers.values, **values}
    faults += _code_checks.find_code_faults(merged)
    faults += _signatures.find_option_faults(merged) + _signatures.find_hyperparameter_faults(merged)
    faults += _signatures.find_metric_option_faults(merged)
    if faults:
        raise ParameterError(redaction.redact(fault)[0] for fault in faults)
    return values


def get_pipeline(pipeline: str, **parameters: Any) -> BasePipeline:
    """Return a pipeline by name, with these parameters and connected to its backend.

    Parameters
    ----------
    pipeline : str
        A file of ``custom/pipelines``, or ``base``.
    **parameters
        Parameters of the use case and, optionally, inputs of a stage.

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.
    NameNotFound
        If there is no such pipeline.
    CodeError
        If the pipeline's module cannot be imported, or does not define one child of BasePipeline.
    """
    from lib import backends
    from lib.errors import ParameterError
    from lib.parameters import Parameters, check_given

    pipeline_class, origin = _find_class(pipeline)
    checked = Parameters(check_given({**parameters, "pipeline": pipeline}))
    missing = pipeline_class.OPTIONS.keys() - checked.get("options", {}).keys()
    if missing:
        raise ParameterError(
            f"options: {name} is missing, but {origin} needs it. Add {name}, of type "
            f"{pipeline_class.OPTIONS[name].__name__}, under options in your parameter file."
            for name in sorted(missing)
        )
    references.remember_environment(checked)
    kernel_guard.install()
    backend = backends.connect(checked)
    return pipeline_class(Parameters(checked, backend.read_secret), backend)


def _find_class(pipeline: str) -> tuple[type[BasePipeline], str]:
    """Return the class that a pipeline's module defines, and the file or package that defines it."""
    from lib.errors import CodeError
    from lib.pipelines.base import BasePipeline

    extension = catalogue.find_extension(__name__, pipeline, "pipeline")
    origin = extension.origin if extension is not None else f"lib/pipelines/{pipeline}.py"
    if extension is not None and extension.attribute:
        named_class = catalogue.load_object(__name__, pipeline, "pipeline", extension.attribute)
        if not (isinstance(named_class, type) and issubclass(named_class, BasePipeline)):
            raise CodeError(f"{origin} is not a child class of lib.pipelines.base.BasePipeline.")
        return named_class, origin
    module = catalogue.load(__name__, pipeline, kind="pipeline")
    classes = [
        member
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, BasePipeline) and member.__module__ == module.__name__
    ]
    if len(classes) != 1:
        names = f" ({', '.join(member.__name__ for member in classes)})" if classes else ""
        raise CodeError(
            f"{origin} defines {len(classes)} child classes of BasePipeline{names}; expected one. Give each pipeline a "
            "file of its own."
        )
    return classes[0], origin
