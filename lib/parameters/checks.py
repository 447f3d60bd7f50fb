"""Checks of parameters: every fault a sentence, and all of them raised together."""

from __future__ import annotations

import datetime
import difflib
import math
import re
import sys
from collections.abc import Iterable, Mapping
from encodings.aliases import aliases
from typing import Any

from lib import metrics
from lib.errors import ParameterError, suggest
from lib.parameters.layers import Layers
from lib.parameters.specs import AZURE, SPECS, Spec

_SOME_ENCODINGS = ("cp1250", "cp1252", "cp1254", "cp1256", "iso8859_2", "mac_roman", "shift_jis", "utf_16_le")
_NEAR = 0.5
_WITHOUT_ALIAS = {"cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "koi8_r", "koi8_t", "koi8_u"}
_EMPTY = {dict: {}, list: [], float: None, int: None, bool: None}
_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}


def check(layers: Layers, choices: Mapping[str, Iterable[str]] | None = None) -> dict[str, Any]:
    """Check names, types, ranges and what must fit together.

    Parameters
    ----------
    layers : Layers
        From `load`.
    choices : mapping, optional
        The names there are for each set of choices in `SPECS`, e.g. ``{"training function": [...]}``.

    Returns
    -------
    dict
        The values, each in its type.

    Raises
    ------
    ParameterError
        With every fault at once.
    """
    faults = list(layers.faults)
    values, wrong = _all_checked(layers.values, layers.sources, choices or {})
    for name in layers.values.keys() - SPECS.keys():
        faults.append(f"{name} ({layers.sources[name]}) is no parameter. {suggest(name, SPECS)}")
    for name in SPECS.keys() - layers.values.keys():
        faults.append(f"{name} is not given. Add it to your parameter file; parameters/base.yaml says what it means.")
    faults += wrong + _misfits(values)
    if faults:
        raise ParameterError(faults)
    if values["backend"] == "azureml":
        values["azure"] = {name: values[name] for name in AZURE}
    return values


def check_given(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the parameters that a notebook holds, which are some of all and some that the chain gives it.

    Those of the mapping ``azure`` are laid beside the others.

    Raises
    ------
    ParameterError
        With every fault at once.
    """
    given = {**given, **(given.get("azure") or {})}
    values, faults = _all_checked(given, {}, {})
    faults += _misfits(values)
    if faults:
        raise ParameterError(faults)
    return {**given, **values}


def _all_checked(
    given: Mapping[str, Any], sources: Mapping[str, str], choices: Mapping[str, Iterable[str]]
) -> tuple[dict[str, Any], list[str]]:
    """Values that can be used, each in its type, and a sentence for each that cannot."""
    values, faults = {}, []
    for name in SPECS:
        if name in given:
            value, fault = _checked(name, given[name], SPECS[name], choices)
            if fault:
                faults.append(f"{name} ({sources[name]}): {fault}" if name in sources else f"{name}: {fault}")
            else:
                values[name] = value
    return values, faults


def _checked(name: str, value: Any, spec: Spec, choices: Mapping[str, Iterable[str]]) -> tuple[Any, str]:
    """Value in its type and, where it cannot be used, why."""
    if value is None or value == "" or value == []:
        if spec.may_be_empty:
            return _EMPTY.get(spec.type, value), ""
        return value, f"is empty; expected {_WORDS[spec.type]}. Give it in your parameter file or with -p {name}=..."
    value, fault = _typed(value, spec)
    if fault:
        return value, fault
    if spec.low is not None and not spec.low <= value <= spec.high:
        return value, f"{value} is out of range; expected {spec.low} to {spec.high}."
    known = list(choices.get(spec.choices, ())) if isinstance(spec.choices, str) else list(spec.choices)
    for one in value if spec.type is list else [value]:
        if known and one not in known:
            return (
                value,
                f"there is no {spec.choices if isinstance(spec.choices, str) else name} {one!r}. {suggest(one, known)}",
            )
    if spec.pattern and not re.fullmatch(spec.pattern, value):
        return value, f"{value!r} cannot be used; expected {spec.pattern_meaning}, e.g. {spec.example!r}."
    return value, ""


def _typed(value: Any, spec: Spec) -> tuple[Any, str]:
    if spec.type is object:
        plain = isinstance(value, (str, bool, int, float)) and value == value
        return value, "" if plain else f"got {_said(value)}, expected one plain value."
    if spec.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) <= sys.float_info.max else math.inf
    if spec.type is list and isinstance(value, list):
        wrong = [one for one in value if not isinstance(one, str)]
        if wrong:
            return value, f"got {_said(wrong[0])} in the list, expected texts. Put quotes around it."
        twice = sorted({one for one in value if value.count(one) > 1})
        return value, f"{twice[0]!r} stands in the list twice. Delete one." if twice else ""
    if not isinstance(value, spec.type) or (spec.type is int and isinstance(value, bool)):
        return value, f"got {_said(value)}, expected {_WORDS[spec.type]}.{_hint(value, spec)}"
    if spec.type is float and not math.isfinite(value):
        return value, f"{value} is no finite number."
    return value, _unfit(value) if spec.type is dict else ""


def _unfit(value: Any, place: str = "") -> str:
    """What in a mapping a notebook cannot be given: papermill fails on a date, and no JSON has NaN."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return f"got {_said(key)} as a name{place and f' in {place}'}, expected text. Put quotes around it."
        inner = [(f"{place}.{key}" if place else key, one) for key, one in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [(f"{place}[{index}]", one) for index, one in enumerate(value)]
    else:
        plain = value is None or isinstance(value, (str, bool, int, float))
        if plain and not (isinstance(value, float) and not math.isfinite(value)):
            return ""
        hint = " Put quotes around it." if isinstance(value, datetime.date) else ""
        return f"{place} is {_said(value)}; expected text, a finite number, true or false, a list or a mapping.{hint}"
    return next(filter(None, (_unfit(one, where) for where, one in inner)), "")


def _hint(value: Any, spec: Spec) -> str:
    if spec.type is str and isinstance(value, (bool, int, float, datetime.date)):
        return " YAML reads it as something else than text: put quotes around it."
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


def _misfits(values: Mapping[str, Any]) -> list[str]:
    """What each parameter alone allows and the others do not."""
    faults = [f"encoding: {fault}" for fault in [unknown_encoding(values.get("encoding") or "")] if fault]
    if {"primary_metric", "task"} <= values.keys():
        known = metrics.names(values["task"])
        if values["primary_metric"] not in known:
            faults.append(
                f"primary_metric: {values['primary_metric']!r} is no metric of a {values['task']} task. "
                f"{suggest(values['primary_metric'], known)}"
            )
    if values.get("positive_class") not in (None, "") and values.get("task", "binary") != "binary":
        faults.append(f"positive_class: a {values['task']} task has none; it belongs to a binary one. Leave it empty.")
    target = values.get("target_column")
    for name in ("drop_columns", "key_columns"):
        if target is not None and target in values.get(name, ()):
            faults.append(f"{name}: {target!r} is the target_column; take it out of {name}.")
    if values.get("split") == "group" and not values.get("key_columns"):
        faults.append("split: by group needs key_columns, the columns that name a group, e.g. [customer].")
    if values.get("split") == "time" and not values.get("time_column"):
        faults.append("split: by time needs time_column, the column that holds a row's time.")
    unused = [
        name for name in values.get("hyperparameters", ()) if name not in values.get("training_functions", [name])
    ]
    for name in unused:
        faults.append(
            f"hyperparameters: {name} is not in training_functions. {suggest(name, values['training_functions'])}"
        )
    return faults


def unknown_encoding(name: str) -> str:
    """Why a name is none of an encoding of text, of Python's many; empty where it is one, or is empty."""
    try:
        "a".encode(name or "utf-8")
    except (LookupError, ValueError):
        wanted = name.lower().replace("-", "_")
        known = [*_SOME_ENCODINGS, *sorted(set(aliases.values()) | _WITHOUT_ALIAS)]  # of equally near ones the first
        alike = {one: difflib.SequenceMatcher(None, one, wanted).ratio() for one in known}
        near = max(alike, key=alike.get)
        meant = f"Did you mean {near!r}? " if alike[near] >= _NEAR else ""
        return f"there is no {name!r}. {meant}Known are Python's, such as {', '.join(_SOME_ENCODINGS)}."
    return ""


def _said(value: Any) -> str:
    kind = _WORDS.get(
        type(value),
        "a date" if isinstance(value, datetime.date) else "nothing" if value is None else type(value).__name__,
    )
    return f"{kind} ({value!r})" if value is not None else kind
