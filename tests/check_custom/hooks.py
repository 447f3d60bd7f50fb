"""Checks of pipelines: their hooks exist, and have the arguments with which the stages call them."""

import difflib
import inspect

from lib import pipelines
from lib.chain.notebooks import OUTSIDE_CHAIN, read_all
from lib.errors import MillraceError
from lib.parameters.type_names import TYPES
from lib.pipelines.base import BasePipeline

_LEAVE_ALONE = {*(notebook.stage for notebook in read_all()), *OUTSIDE_CHAIN, "publish_outputs", "run_stage"}
HOOKS = [
    name
    for name, member in vars(BasePipeline).items()
    if callable(member) and not name.startswith("_") and name not in _LEAVE_ALONE
]


def find_faults(name):
    """Return a message for each hook of a pipeline that the stages would not call, or could not."""
    try:
        pipeline_class, origin = pipelines._find_class(name)
    except MillraceError as error:
        return [str(error)]
    faults = [
        f"{origin}: the option {option} has the type {kind!r}; expected one of {', '.join(TYPES)}."
        for option, kind in pipeline_class.OPTIONS.items()
        if getattr(kind, "__name__", "") not in TYPES
    ]
    for method, member in vars(pipeline_class).items():
        if method in _LEAVE_ALONE:
            faults.append(f"{origin}: {method} is a stage, not a hook. Override a hook instead: {', '.join(HOOKS)}.")
        elif method in HOOKS:
            faults += _find_signature_faults(origin, method, member)
        elif callable(member) and not method.startswith("_"):
            faults += _find_misspelling(origin, method, pipeline_class)
    return faults


def _find_signature_faults(origin, method, member):
    """Return why the stages cannot call a hook with its arguments."""
    if not callable(member):
        return []
    expected = [name for name in inspect.signature(getattr(BasePipeline, method)).parameters]
    signature = inspect.signature(member)
    try:
        # A hook `accept` of an earlier release takes no truth.
        has_fewer = method == "accept" and len(signature.parameters) == len(expected) - 1
        signature.bind(*expected[:-1] if has_fewer else expected)
    except TypeError as error:
        return [f"{origin}: the stages call {method}({', '.join(expected[1:])}), but this method has {error}."]
    return []


def _find_misspelling(origin, method, pipeline_class):
    """Return a message for a public method that nobody calls and whose name resembles that of a hook."""
    hooks = [hook for hook in HOOKS if hook not in vars(pipeline_class)]
    similar = difflib.get_close_matches(method, hooks, n=1, cutoff=0.75)
    if not similar or _is_called(pipeline_class, method):
        return []
    return [
        f"{origin}: no stage calls {method}. Did you mean {similar[0]!r}? If it is a helper, start its name with an "
        "underscore."
    ]


def _is_called(pipeline_class, method):
    """Return whether another method of the class calls this one."""
    sources = [
        inspect.getsource(member)
        for name, member in vars(pipeline_class).items()
        if inspect.isfunction(member) and name != method
    ]
    return any(f".{method}(" in source for source in sources)
