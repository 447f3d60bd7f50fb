"""Ranges and lists in the parameter ``hyperparameters``, which are searched: their meaning, and their checks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RANGE_KEYS = ("low", "high", "log")
_LIST_TYPES = ("list", "tuple", "sequence")
_EXAMPLE = "{low: 0.01, high: 0.3, log: true}"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones if both ends are whole numbers.

    Attributes
    ----------
    low, high : int or float
    is_log : bool
        Whether each order of magnitude is searched equally, as suits learning rates.
    """

    low: float
    high: float
    is_log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are whole."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Choices:
    """Values to choose from.

    Attributes
    ----------
    values : tuple
    """

    values: tuple[Any, ...]


Space = dict[str, "Range | Choices"]


def split_hyperparameters(
    hyperparameters: Mapping[str, Any], annotations: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], Space]:
    """Separate the fixed hyperparameters of a training function from those that are searched.

    Parameters
    ----------
    hyperparameters : mapping of str to object
        A list contains the values to try, and a mapping with ``low`` and ``high`` is a range. Everything else is fixed.
    annotations : mapping of str to str, optional
        Type of each hyperparameter. If it is a list itself, only a list of lists is searched.

    Examples
    --------
    >>> given = {"depth": [3, 6], "rate": {"low": 0.01, "high": 1, "log": True}, "trees": 9}
    >>> fixed, space = split_hyperparameters(given)
    >>> fixed
    {'trees': 9}
    >>> space["depth"], space["rate"]
    (Choices(values=(3, 6)), Range(low=0.01, high=1, is_log=True))
    """
    space: Space = {}
    for name, value in hyperparameters.items():
        if is_list_of_choices(value, (annotations or {}).get(name, "")):
            space[name] = Choices(tuple(value))
        elif _is_range(value):
            space[name] = Range(value["low"], value["high"], value.get("log", False))
    return {name: value for name, value in hyperparameters.items() if name not in space}, space


def is_list_of_choices(value: Any, annotation: str = "") -> bool:
    """Return whether a value of a hyperparameter is a list of values to try.

    >>> is_list_of_choices([3, 6]), is_list_of_choices([100, 50], "list[int]")
    (True, False)
    >>> is_list_of_choices([[100, 50], [20]], "list[int]")
    True
    """
    if not isinstance(value, list):
        return False
    is_list_argument = annotation.lower().startswith(_LIST_TYPES)
    return not is_list_argument or (bool(value) and all(isinstance(element, list) for element in value))


def list_values(value: Any, annotation: str = "") -> list[Any]:
    """Return all values that a list or range names, or a fixed value alone.

    >>> list_values({"low": 1, "high": 9}), list_values([3, 6]), list_values("auto")
    ([1, 9], [3, 6], ['auto'])
    """
    if is_list_of_choices(value, annotation):
        return list(value)
    return [value[key] for key in ("low", "high") if key in value] if _is_range(value) else [value]


def search_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each list or range in ``hyperparameters`` that cannot be searched.

    Parameters
    ----------
    values : mapping
        The checked values of some parameters.

    Examples
    --------
    >>> search_faults({"hyperparameters": {"linear": {"regularisation": {"low": 3, "high": 1}}}})
    ['hyperparameters: linear.regularisation: low is 3 and high is 1; expected low below high.']
    """
    faults, is_search = [], False
    for function, hyperparameters in (values.get("hyperparameters") or {}).items():
        if not isinstance(hyperparameters, Mapping):
            continue  # reported by another check
        for name, value in hyperparameters.items():
            is_search |= isinstance(value, list) or _is_range(value)
            if fault := _value_fault(value):
                faults.append(f"hyperparameters: {function}.{name}: {fault}")
    if is_search and values.get("engine") == "dask":
        faults.append(
            "hyperparameters: a search needs the table in memory. Give each hyperparameter one value, or set engine to "
            "memory."
        )
    return faults


def _is_range(value: Any) -> bool:
    """Return whether a hyperparameter is a mapping that is meant as a range."""
    return isinstance(value, Mapping) and bool({"low", "high"} & {*value})


def _value_fault(value: Any) -> str:
    """Return why a list or range cannot be searched; empty if it can, or if the value is fixed."""
    if isinstance(value, list):
        texts = [json.dumps(element, sort_keys=True) for element in value]
        if not texts:
            return "the list is empty; expected the values to try."
        repeated = sorted({text for text in texts if texts.count(text) > 1})
        return f"the list contains {repeated[0]} twice. Delete one of them." if repeated else ""
    return _range_fault(value) if _is_range(value) else ""


def _range_fault(value: Mapping[str, Any]) -> str:
    """Return why a range cannot be searched; empty if it can."""
    unknown = [key for key in value if key not in _RANGE_KEYS]
    if unknown or not {"low", "high"} <= {*value}:
        wrong = f"{unknown[0]!r} is unknown" if unknown else f"{'high' if 'low' in value else 'low'} is missing"
        return f"{wrong}; a range has low, high and optionally log, e.g. {_EXAMPLE}."
    low, high, is_log = value["low"], value["high"], value.get("log", False)
    for name, number in (("low", low), ("high", high)):
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
        if not is_number:
            return f"{name} is {number!r}; expected a number, e.g. {_EXAMPLE}."
    if not isinstance(is_log, bool):
        return f"log is {is_log!r}; expected true or false."
    if low >= high:
        return f"low is {low:g} and high is {high:g}; expected low below high."
    return f"low is {low:g}; a range with log: true needs a low above 0." if is_log and low <= 0 else ""
