"""The YAML file of a data contract: writing, reading and checking it."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import yaml

from lib.errors import DataError, suggest
from lib.paths import display_path
from lib.schema.text_values import normalize_text
from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.profile import KINDS

# libyaml, if PyYAML was built with it: the pure Python parser takes seconds for a table of thousands of columns.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TABLE_RULES = tuple(rule.name for rule in fields(Contract) if rule.name != "columns")
# Names that earlier versions wrote; they are accepted with a warning.
_RENAMED = {
    "missing_at_most": "max_missing_share",
    "others_at_most": "max_invalid_share",
    "rows_at_least": "min_rows",
    "other_columns": "allow_extra_columns",
}
_HEADER = """\
# Data contract of {data}{rows}, written on {day}.
# Preprocessing checks the table against it; the parameter on_violation decides what happens if a rule is broken.
# Edit it freely, or accept the current table with the command `contract accept`.
#
# Rules of the table:
#   key                  columns that together identify a row
#   min_rows             minimum number of rows
#   allow_extra_columns  whether columns that are not listed here are allowed
#   max_drift            maximum population stability index of a column, corrected for the number of rows; changes that
#                        may be chance are accepted (0.1: moderate, 0.25: large, null: no limit)
#
# Rules of a column:
#   type                 {kinds}
#   nullable             whether values may be missing
#   max_missing_share    maximum share of missing values
#   max_invalid_share    maximum share of values of another type or category (absent: none)
#   minimum, maximum     range of the values, both ends included
#   categories           allowed values
#   unique               whether every value may occur only once
#   bins, shares         distribution that drift is measured from: the share of the values in each bin, named by its
#                        upper edge, or in each category
#   sample_size          number of values that bins or shares were measured from
"""


def write(contract: Contract, path: Path, data: str, rows: int | None = None) -> None:
    """Write a contract, with a comment that explains the rules.

    Parameters
    ----------
    contract : Contract
    path : Path
    data : str
        Address of the table or file that the contract was made from.
    rows : int, optional
        Number of rows of the table.
    """
    size = "" if rows is None else f" ({rows:,} rows)"
    header = _HEADER.format(data=data, rows=size, day=datetime.date.today(), kinds=", ".join(KINDS))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + to_yaml(contract), encoding="utf-8")


def to_yaml(contract: Contract) -> str:
    """Return a contract as YAML, without rules that have their default value."""
    values = asdict(contract)
    ordered = {rule: values[rule] for rule in _TABLE_RULES}
    ordered["columns"] = {name: _without_defaults(rules) for name, rules in values["columns"].items()}
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _without_defaults(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules of a column that differ from their defaults; type and nullable are always included."""
    defaults = asdict(ColumnRules())
    return {name: value for name, value in rules.items() if value != defaults[name] or name in ("type", "nullable")}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # the base exists at run time only
    """A YAML dumper that writes lists and distributions on one line each."""


def _represent_dict(dumper: yaml.SafeDumper, value: dict[Any, Any]) -> yaml.Node:
    is_distribution = bool(value) and all(isinstance(share, float) for share in value.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=is_distribution)


def _represent_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(dict, _represent_dict)
_Dumper.add_representer(list, _represent_list)


def load(path: Path) -> Contract:
    """Read a contract from a file.

    Raises
    ------
    DataError
        If the file is not a valid contract. The message lists every error.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{display_path(path)} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not isinstance(values.get("columns"), dict):
        raise DataError(f"{display_path(path)} is not a contract: expected a mapping with the entry 'columns'.")
    values = _with_current_names(values, path)
    values["columns"] = {
        normalize_text(str(name)): _with_current_names(rules, path) if isinstance(rules, dict) else rules
        for name, rules in values["columns"].items()
    }
    errors = _find_errors(values)
    if errors:
        listed = "\n".join(f"  - {error}" for error in errors)
        raise DataError(f"{display_path(path)} is not a valid contract:\n{listed}")
    columns = {name: ColumnRules(**rules) for name, rules in values["columns"].items()}
    # An empty entry means the default, except for max_drift, whose null means no limit.
    given = {name: value for name, value in values.items() if value is not None or name == "max_drift"}
    key = [normalize_text(str(name)) for name in values.get("key") or []]
    return Contract(**{**given, "key": key, "columns": columns})


def _with_current_names(rules: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Rename rules that have the names of earlier versions, with a warning."""
    for old in _RENAMED.keys() & rules.keys():
        warnings.warn(
            f"{display_path(path)}: the rule {old} was renamed to {_RENAMED[old]}. "
            "The old name will stop working in the next release.",
            FutureWarning,
            stacklevel=3,
        )
    return {_RENAMED.get(name, name): value for name, value in rules.items()}


def _find_errors(values: Mapping[str, Any]) -> list[str]:
    """Return a line for each error in a contract file."""
    errors = _find_rule_errors(values, Contract, "")
    for name, rules in values["columns"].items():
        if not isinstance(rules, dict):
            errors.append(f"{name}: expected a mapping of rules, found {rules!r}.")
            continue
        errors += _find_rule_errors(rules, ColumnRules, f"{name}: ")
        if rules.get("type") not in (None, *KINDS):
            errors.append(f"{name}: there is no type {rules['type']!r}. {suggest(rules['type'], KINDS)}")
    for name in values.get("key") or []:
        if str(name) not in values["columns"]:
            errors.append(f"key: {name} is not a column of the contract. {suggest(name, values['columns'])}")
    return errors


def _find_rule_errors(rules: Mapping[str, Any], kind: type, prefix: str) -> list[str]:
    """Return a line, which starts with `prefix`, for each rule that a contract or column rules (`kind`) cannot have."""
    known = {rule.name: str(rule.type) for rule in fields(kind)}
    errors = []
    for name, value in rules.items():
        if name not in known:
            errors.append(f"{prefix}{name} is not a rule. {suggest(name, known)}")
        elif value is not None and not _has_type(value, known[name]):
            errors.append(f"{prefix}{name} is {value!r}; expected {known[name].replace(' | None', '')}.")
    return errors


def _has_type(value: Any, annotation: str) -> bool:
    """Return whether a value from YAML has the type of a rule, whose annotation is, for example, ``float | None``."""
    if annotation.startswith("float"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    types = {"str": str, "bool": bool, "int": int, "list": list, "dict": dict}
    return isinstance(value, types[annotation.replace("[", " ").split()[0]])
