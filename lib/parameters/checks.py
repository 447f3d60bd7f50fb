"""Checks of parameters: each fault is one sentence, and all of them are raised together."""

from __future__ import annotations

import datetime
import difflib
import math
import re
import sys
from collections.abc import Iterable, Mapping
from encodings.aliases import aliases
from typing import Any

from lib.errors import ParameterError, suggest
from lib.parameters.card import find_card_faults
from lib.parameters.column_checks import column_faults, merged_column_faults, time_zone_fault
from lib.parameters.coverage import coverage_faults
from lib.parameters.gates import gate_faults
from lib.parameters.label_checks import label_faults
from lib.parameters.layers import Layers
from lib.parameters.machine_sizes import retirement_faults
from lib.parameters.metric_checks import metric_faults
from lib.parameters.notify_checks import notify_faults
from lib.parameters.search_space import search_faults
from lib.parameters.secret_checks import find_secret_faults
from lib.parameters.specs import SPECS, Spec
from lib.parameters.thresholds import class_weight_faults, threshold_faults
from lib.parameters.waivers import find_waiver_faults
from lib.parameters.weights import weight_column_faults

Choices = Mapping[str, Iterable[str]]

_COMMON_ENCODINGS = ("cp1250", "cp1252", "cp1254", "cp1256", "iso8859_2", "mac_roman", "shift_jis", "utf_16_le")
_MIN_SIMILARITY = 0.5
_ENCODINGS_WITHOUT_ALIAS = {"cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "koi8_r", "koi8_t", "koi8_u"}
_EMPTY_VALUES: dict[type, Any] = {dict: {}, list: [], float: None, int: None, bool: None}
_TYPE_NAMES: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    object: "a number or text",
}


def check(layers: Layers, choices: Choices | None = None) -> dict[str, Any]:
    """Check all parameters: their names, types, ranges and combinations.

    Parameters
    ----------
    layers : Layers
        From `load`.
    choices : mapping, optional
        The names in each set of choices that `SPECS` refers to, e.g. ``{"training function": [...]}``.

    Returns
    -------
    dict
        The value of each parameter, converted to the parameter's type.

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.

    Examples
    --------
    >>> from lib.parameters import load
    >>> check(load(["parameters/penguins.yaml"], ["test_fraction=0.3"]))["test_fraction"]
    0.3
    """
    if secret_faults := find_secret_faults(layers.values):
        raise ParameterError(secret_faults)  # without the other faults, whose messages could show the secret
    faults = list(layers.faults)
    values, value_faults = _check_all(layers.values, layers.sources, choices or {})
    for name in layers.values.keys() - SPECS.keys():
        faults.append(f"{name} ({layers.sources[name]}) is not a parameter. {suggest(name, SPECS)}")
    for name in SPECS.keys() - layers.values.keys():
        faults.append(f"{name} is missing. Add it to your parameter file; parameters/base.yaml explains it.")
    faults += value_faults + _combination_faults(values)
    if faults:
        raise ParameterError(faults)
    return values


def check_given(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check some parameters; others may be missing.

    Parameters
    ----------
    given : mapping
        Values by name. Names that are no parameters, such as inputs of a stage, are not checked.

    Returns
    -------
    dict
        The given values; each parameter is converted to its type.

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.

    Examples
    --------
    >>> check_given({"min_score": 1, "train_data": "runs/train.parquet"})
    {'min_score': 1.0, 'train_data': 'runs/train.parquet'}
    """
    values, faults = _check_all(given, {}, {})
    faults += _combination_faults(values)
    if faults:
        raise ParameterError(faults)
    return {**given, **values}


def _check_all(
    given: Mapping[str, Any], sources: Mapping[str, str], choices: Choices
) -> tuple[dict[str, Any], list[str]]:
    """Return the valid values, each converted to its parameter's type, and one sentence for each invalid value."""
    values, faults = {}, []
    for name, spec in SPECS.items():
        if name in given:
            value, fault = _check_value(name, given[name], spec, choices)
            if fault:
                faults.append(f"{name} ({sources[name]}): {fault}" if name in sources else f"{name}: {fault}")
            else:
                values[name] = value
    return values, faults


def _check_value(name: str, value: Any, spec: Spec, choices: Choices) -> tuple[Any, str]:
    """Return a value converted to its parameter's type, and why it cannot be used: an empty string if it can."""
    if value is None or value == "" or value == []:
        if spec.may_be_empty:
            return _EMPTY_VALUES.get(spec.type, value), ""
        remedy = f"Set it in your parameter file or with -p {name}=..."
        return value, f"the value is empty; expected {_TYPE_NAMES[spec.type]}. {remedy}"
    if isinstance(value, str) and value in spec.words:
        return value, ""
    value, fault = _convert(value, spec)
    if fault:
        return value, fault
    if spec.low is not None and spec.high is not None and not spec.low <= value <= spec.high:
        return value, f"{value} is out of range; expected {spec.low} to {spec.high}."
    kind = spec.choices if isinstance(spec.choices, str) else name
    allowed = list(choices.get(spec.choices, ())) if isinstance(spec.choices, str) else list(spec.choices)
    for element in value if spec.type is list else [value]:
        if allowed and element not in allowed:
            return value, f"there is no {kind} {element!r}. {suggest(element, allowed)}"
    if spec.pattern and not re.fullmatch(spec.pattern, value):
        return value, f"{value!r} cannot be used; expected {spec.pattern_meaning}, e.g. {spec.example!r}."
    return value, ""


def _convert(value: Any, spec: Spec) -> tuple[Any, str]:
    """Return a value converted to the type of a spec, and why that is impossible: an empty string if it is possible."""
    if spec.type is object:
        is_scalar = isinstance(value, (str, bool, int, float)) and value == value
        return value, "" if is_scalar else f"got {_describe_value(value)}, expected text, a number, or true or false."
    if spec.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= sys.float_info.max else math.inf
    if spec.type is list and isinstance(value, list):
        if spec.of_mappings:
            value = [_dates_to_text(element) for element in value]
            return value, next(filter(None, map(_json_fault, value)), "")
        return value, _list_fault(value)
    if not isinstance(value, spec.type) or (spec.type is int and isinstance(value, bool)):
        expected = " or ".join([_TYPE_NAMES[spec.type], *spec.words])
        return value, f"got {_describe_value(value)}, expected {expected}.{_conversion_hint(value, spec)}"
    if isinstance(value, float) and not math.isfinite(value):
        return value, f"{value} is not a finite number."
    return value, _json_fault(value) if spec.type is dict else ""


def _dates_to_text(element: Any) -> Any:
    """Return a mapping with its dates as text, because YAML reads 2027-01-31 as a date."""
    if not isinstance(element, dict):
        return element
    return {key: value.isoformat() if isinstance(value, datetime.date) else value for key, value in element.items()}


def _list_fault(values: list[Any]) -> str:
    """Return why a list cannot be used: an empty string if its elements are texts and each occurs once."""
    non_texts = [value for value in values if not isinstance(value, str)]
    if non_texts:
        return f"got {_describe_value(non_texts[0])} in the list, expected text. Put quotes around it."
    duplicates = sorted({value for value in values if values.count(value) > 1})
    return f"the list contains {duplicates[0]!r} twice. Delete one of them." if duplicates else ""


def _json_fault(value: Any, place: str = "") -> str:
    """Return a clause about the first value without a JSON equivalent, such as a date or NaN; empty if there is none.

    `place` locates the value within the parameter, e.g. ``linear.c``; it is empty for the parameter itself.
    """
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                where = f" in {place}" if place else ""
                return f"got {_describe_value(key)} as a name{where}, expected text. Put quotes around it."
        inner = [(f"{place}.{key}" if place else key, element) for key, element in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [(f"{place}[{index}]", element) for index, element in enumerate(value)]
    else:
        is_scalar = value is None or isinstance(value, (str, bool, int, float))
        if is_scalar and not (isinstance(value, float) and not math.isfinite(value)):
            return ""
        hint = " Put quotes around it." if isinstance(value, datetime.date) else ""
        expected = "text, a finite number, true or false, a list or a mapping"
        return f"{place} is {_describe_value(value)}; expected {expected}.{hint}"
    return next(filter(None, (_json_fault(element, path) for path, element in inner)), "")


def _conversion_hint(value: Any, spec: Spec) -> str:
    """Return a sentence on how to write a value in YAML with the expected type; empty if that is not obvious."""
    if spec.type is str and isinstance(value, (bool, int, float, datetime.date)):
        return " YAML does not read it as text: put quotes around it."
    if spec.type in (int, float) and isinstance(value, str):
        try:
            number = spec.type(float(value))
        except (ValueError, OverflowError):
            return ""
        if not math.isfinite(number):
            return ""
        return f" YAML reads it as text: write {number}, without quotes."
    if spec.type is list and isinstance(value, str):
        return f" Write [{value}]."
    return ""


def _combination_faults(values: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each conflict between parameters."""
    faults = []
    if fault := encoding_fault(values.get("encoding") or ""):
        faults.append(f"encoding: {fault}")
    faults += [f"columns: {fault}" for fault in column_faults(values.get("columns") or {})]
    faults += merged_column_faults(values)
    faults += [f"notify: {fault}" for fault in notify_faults(values.get("notify") or {})]
    faults += label_faults(values.get("labels") or {})
    if fault := time_zone_fault(values.get("time_zone") or ""):
        faults.append(f"time_zone: {fault}")
    faults += metric_faults(values)
    if values.get("positive_class") not in (None, "") and values.get("task", "binary") != "binary":
        faults.append(
            f"positive_class: only binary tasks have a positive class, and task is {values['task']}. Leave "
            "positive_class empty."
        )
    faults += threshold_faults(values) + class_weight_faults(values) + weight_column_faults(values)
    faults += coverage_faults(values)
    target = values.get("target_column")
    for name in ("drop_columns", "key_columns"):
        if target is not None and target in values.get(name, ()):
            faults.append(f"{name}: {target!r} is the target_column; remove it from {name}.")
    if values.get("split") == "group" and not values.get("key_columns"):
        faults.append("split: group needs key_columns, the columns that identify a group, e.g. [customer].")
    if values.get("split") == "time" and not values.get("time_column"):
        faults.append("split: time needs time_column, the column with the time of each row.")
    if values.get("promote_if") == "not_worse" and not values.get("margin"):
        faults.append(
            "promote_if: not_worse needs a margin above 0, the largest loss in the primary metric that does not matter."
        )
    faults += gate_faults(values) + find_waiver_faults(values.get("waivers") or [])
    faults += retirement_faults(values) + search_faults(values) + find_card_faults(values.get("card") or {})
    functions = values.get("training_functions")
    if functions is not None:
        for name in values.get("hyperparameters", ()):
            if name not in functions:
                faults.append(f"hyperparameters: {name} is not in training_functions. {suggest(name, functions)}")
    return faults


def encoding_fault(name: str) -> str:
    """Return a sentence if Python has no text encoding with a name; empty if it has, or if the name is empty.

    Examples
    --------
    >>> encoding_fault("cp1250")
    ''
    """
    try:
        "a".encode(name or "utf-8")
    except (LookupError, ValueError):
        wanted = name.lower().replace("-", "_")
        # max() returns the first of equally similar names, so the common encodings come first.
        encodings = [*_COMMON_ENCODINGS, *sorted(set(aliases.values()) | _ENCODINGS_WITHOUT_ALIAS)]
        similarity = {encoding: difflib.SequenceMatcher(None, encoding, wanted).ratio() for encoding in encodings}
        most_similar = max(similarity, key=lambda encoding: similarity[encoding])
        question = f"Did you mean {most_similar!r}? " if similarity[most_similar] >= _MIN_SIMILARITY else ""
        return f"there is no encoding {name!r}. {question}Python knows, among others, {', '.join(_COMMON_ENCODINGS)}."
    return ""


def _describe_value(value: Any) -> str:
    """Return the type and value of a parameter for a message, e.g. ``text ('abc')``."""
    if value is None:
        return "nothing"
    kind = "a date" if isinstance(value, datetime.date) else type(value).__name__
    return f"{_TYPE_NAMES.get(type(value), kind)} ({value!r})"
