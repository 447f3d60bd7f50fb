"""Layers of parameters: base.yaml, then files, then single values; the last layer that sets a parameter wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.errors import ParameterError, suggest
from lib.parameters.renamed import REMOVED, current_name, current_value
from lib.paths import ROOT, display_path

BASE = ROOT / "parameters" / "base.yaml"
COMMAND_LINE = "-p"
# YAML 1.1 reads yes and no as booleans. In these parameters they are names of classes. https://yaml.org/type/bool.html
_YES_NO_IS_TEXT = ("positive_class",)
# A file adds to the mapping of the files below it, instead of replacing it.
_MERGED = ("gates",)
_BOOL_TAG = "tag:yaml.org,2002:bool"
TERRAFORM_OUTPUT = {"value", "type", "sensitive"}


@dataclass(frozen=True)
class Layers:
    """The value of each parameter after all layers, and the layer that it comes from.

    Attributes
    ----------
    values : dict
        Value of each parameter.
    sources : dict of str
        Source of each value: a file, ``-p`` or ``overrides``.
    faults : list of str
        One sentence for each assignment (``-p name=value``) that could not be read.
    """

    values: dict[str, Any]
    sources: dict[str, str]
    faults: list[str]


def load(
    files: Sequence[str | Path],
    assignments: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
    base: Path = BASE,
) -> Layers:
    """Read the defaults, parameter files that override them, and single values that override the files.

    Parameters
    ----------
    files : sequence of path
        A later file overrides earlier ones. The output of ``terraform output -json`` is a parameter file too.
    assignments : sequence of str
        ``"name=value"``, the value in YAML. ``"hyperparameters.linear.c=2"`` sets one key of a mapping.
    overrides : mapping, optional
        The value of each parameter to set; ``"hyperparameters.linear.c"`` sets one key of a mapping.
    base : Path
        The file of defaults.

    Returns
    -------
    Layers
        The values are not checked yet: pass the layers to `check`.

    Raises
    ------
    ParameterError
        If a file is missing or is not a YAML mapping.

    Examples
    --------
    >>> load(["parameters/penguins.yaml"], ["seed=7"]).values["seed"]
    7
    """
    layers = Layers({}, {}, [])
    for file in [base, *files]:
        for name, value in _read_file(Path(file)).items():
            _set_parameter(layers, str(name), value, source=display_path(file))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip(" ."):
            layers.faults.append(f"-p {assignment}: expected name=value, e.g. -p seed=7.")
            continue
        try:
            value = _parse_yaml(text, name=f"{COMMAND_LINE} {assignment}")
            if name.strip() in _YES_NO_IS_TEXT and isinstance(value, bool) and not _is_true_or_false(text):
                value = text.strip()
        except ParameterError as error:
            layers.faults.extend(error.faults)
            continue
        _set_parameter_or_key(layers, name.strip(), value, source=COMMAND_LINE)
    for name, value in (overrides or {}).items():
        _set_parameter_or_key(layers, str(name), value, source="overrides")
    return layers


def _is_true_or_false(text: str) -> bool:
    """Return whether the text of a YAML boolean is true or false, not yes, no, on or off."""
    return text.strip().lower() in ("true", "false")


class _Loader(yaml.SafeLoader):
    """A YAML loader that rejects duplicate keys and reports the position of a value that cannot be read."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; raise a YAML error with its position if it cannot be read."""
        try:
            return super().construct_object(node, deep)
        # PyYAML raises these for 2024-02-30, an integer of 5,000 digits, !!int x, !!bool x and !!timestamp x.
        except (ValueError, OverflowError, LookupError, AttributeError) as error:
            problem = f"{node.value!r:.60} cannot be read ({error})"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    """Return the mapping of a YAML node; reject duplicate keys, and keep the texts yes and no of some parameters."""
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a name must be plain text", key.start_mark)
        if key.value in seen:
            raise ParameterError(
                f"{loader.name}, line {key.start_mark.line + 1}: {key.value} is given twice. Delete one of them."
            )
        seen.add(key.value)
        if key.value in _YES_NO_IS_TEXT and value.tag == _BOOL_TAG and not _is_true_or_false(value.value):
            value.tag = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _construct_sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    """Return the list of a YAML node."""
    return loader.construct_sequence(node, deep=True)  # deep, so that a list that contains itself (&a [*a]) fails


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_SEQUENCE_TAG, _construct_sequence)


def _read_file(file: Path) -> dict[Any, Any]:
    """Read a parameter file, YAML or Terraform's JSON."""
    if not file.is_file():
        known = [display_path(path) for path in sorted((ROOT / "parameters").glob("*.yaml"))]
        raise ParameterError(f"There is no parameter file {file}. {suggest(str(file), known)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{display_path(file)} is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        ) from error
    content = _parse_yaml(text, display_path(file))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(f"{display_path(file)} contains {content!r:.60}; expected lines such as 'name: value'.")
    if content and all(isinstance(value, dict) and value.keys() == TERRAFORM_OUTPUT for value in content.values()):
        return _terraform_values(content, display_path(file))
    return content


def _terraform_values(outputs: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return the value of each Terraform output; reject sensitive ones, because executed notebooks show parameters."""
    sensitive = [output for output, fields in outputs.items() if fields["sensitive"]]
    if sensitive:
        raise ParameterError(
            f"{name} contains the sensitive Terraform outputs {', '.join(sensitive)}. Every executed notebook would "
            f"show their values, so remove them from {name}."
        )
    return {output: fields["value"] for output, fields in outputs.items()}


def _parse_yaml(text: str, name: str) -> Any:
    """Return the content of a YAML text; `name` identifies it in messages."""
    try:
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise ParameterError(f"{name} is not YAML: {_describe_position(error)}") from error
    except RecursionError as error:
        raise ParameterError(f"{name} is nested too deeply. Remove levels of nested lists or mappings.") from error


def _set_parameter_or_key(layers: Layers, path: str, value: Any, source: str) -> None:
    """Set a parameter, or one key inside a parameter that is a mapping, e.g. ``hyperparameters.linear.c``."""
    name, *keys = path.split(".")
    name = current_name(name, source)
    for key in reversed(keys):
        value = {key: value}
    if keys and isinstance(layers.values.get(name), dict):
        value = _merge(layers.values[name], value)
    _set_parameter(layers, name, value, source)


def _set_parameter(layers: Layers, name: str, value: Any, source: str) -> None:
    """Set a parameter under its current name; ignore a parameter that no longer exists."""
    if name in REMOVED:  # run folders of earlier releases still contain it
        return
    name = current_name(name, source)
    value = current_value(name, value, source)
    below = layers.values.get(name)
    if name in _MERGED and isinstance(value, dict) and isinstance(below, dict):
        value = _merge(below, value)
    layers.values[name] = value
    layers.sources[name] = source


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings and the mappings inside them; a value of `above` replaces the value of `below`."""
    merged = dict(below)
    for key, value in above.items():
        are_mappings = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if are_mappings else value
    return merged


def _describe_position(error: yaml.YAMLError) -> str:
    """Return the position and problem of a YAML error, on one line."""
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + (getattr(error, "problem", None) or str(error)).splitlines()[0]
