"""Parameter files laid over one another, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.errors import ParameterError, suggest
from lib.paths import ROOT, display_path

BASE = ROOT / "parameters" / "base.yaml"
COMMAND_LINE = "-p"
TERRAFORM_OUTPUT = {"value", "type", "sensitive"}


@dataclass(frozen=True)
class Layers:
    """Values laid over one another, and where each came from.

    Attributes
    ----------
    values : dict
        The value that counts, by name.
    sources : dict of str
        The file, or ``-p``, that gave it.
    faults : list of str
        What could not be laid: one sentence each.
    """

    values: dict[str, Any]
    sources: dict[str, str]
    faults: list[str]


def load(files: Sequence[str | Path], assignments: Sequence[str] = (), base: Path = BASE) -> Layers:
    """Lay parameter files over the base, and ``name=value`` assignments over those.

    Parameters
    ----------
    files : sequence of path
        Laid over the base in their order; the last one wins. What `terraform output -json` writes is one too.
    assignments : sequence of str
        ``"name=value"``, the value in YAML. ``"hyperparameters.linear.c=2"`` reaches into a mapping.
    base : Path
        The file of defaults.

    Returns
    -------
    Layers
        Not yet checked: see `check`.

    Raises
    ------
    ParameterError
        Where a file is missing or is not YAML with names on the left.
    """
    layers = Layers({}, {}, [])
    for file in [base, *files]:
        for name, value in _read(Path(file)).items():
            _lay(layers, str(name), value, source=display_path(file))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip(" ."):
            layers.faults.append(f"-p {assignment}: expected name=value, e.g. -p seed=7.")
            continue
        try:
            value = _parsed(text, name=f"{COMMAND_LINE} {assignment}")
        except ParameterError as error:
            layers.faults.extend(error.faults)
            continue
        first, *inner = name.strip().split(".")
        for key in reversed(inner):
            value = {key: value}
        if inner and isinstance(layers.values.get(first), dict):
            value = _merged(layers.values[first], value)
        _lay(layers, first, value, source=COMMAND_LINE)
    return layers


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice instead of keeping the last, and says where a value is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        # What PyYAML lets through from 2024-02-30, an integer of 5,000 digits, !!int x, !!bool x, !!timestamp x.
        except (ValueError, OverflowError, LookupError, AttributeError) as error:
            problem = f"{node.value!r:.60} cannot be read ({error})"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a name must be plain text", key.start_mark)
        if key.value in seen:
            raise ParameterError(
                f"{loader.name}, line {key.start_mark.line + 1}: {key.value} is given twice. Delete one."
            )
        seen.add(key.value)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
# Deep, as the mapping above: a list that holds itself, which `&a [*a]` would make, is refused.
_Loader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_SEQUENCE_TAG, lambda loader, node: loader.construct_sequence(node, deep=True)
)


def _read(file: Path) -> dict:
    if not file.is_file():
        near = [display_path(one) for one in sorted((ROOT / "parameters").glob("*.yaml"))]
        raise ParameterError(f"There is no parameter file {file}. {suggest(str(file), near)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"{display_path(file)} is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        ) from error
    content = _parsed(text, display_path(file))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(f"{display_path(file)} holds {content!r:.60}; expected lines of the form 'name: value'.")
    if content and all(isinstance(one, dict) and one.keys() == TERRAFORM_OUTPUT for one in content.values()):
        return _outputs(content, display_path(file))
    return content


def _outputs(content: Mapping[str, Mapping], name: str) -> dict:
    """Values of Terraform's outputs; parameters are kept in the executed notebooks, so none may be a secret."""
    secrets = [output for output, one in content.items() if one["sensitive"]]
    if secrets:
        raise ParameterError(
            f"{name}: Terraform calls {', '.join(secrets)} sensitive, and a parameter stands in every executed "
            "notebook. Take it out of the outputs."
        )
    return {output: one["value"] for output, one in content.items()}


def _parsed(text: str, name: str) -> Any:
    """Content of a YAML text; `name` is what messages call it."""
    try:
        loader = _Loader(text)
        loader.name = name
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise ParameterError(f"{name} is not YAML: {_first_line(error)}") from error
    except RecursionError as error:
        raise ParameterError(f"{name} is nested too deeply.") from error


def _lay(layers: Layers, name: str, value: Any, source: str) -> None:
    layers.values[name] = value
    layers.sources[name] = source


def _merged(below: Mapping, above: Mapping) -> dict:
    """Mapping `above` laid over `below`, key by key."""
    merged = dict(below)
    for key, value in above.items():
        deep = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if deep else value
    return merged


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return place + (getattr(error, "problem", None) or str(error)).splitlines()[0]
