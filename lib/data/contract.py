"""The contract: what a table must be before anything is learnt from it. A YAML file beside the parameters."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from lib.data.profile import BOOLEAN, KINDS, NUMBERS, TEXT, WHOLE, Column
from lib.errors import DataError, suggest
from lib.paths import display_path

# In C where PyYAML was built with it: of a table of thousands of columns the other takes ten seconds.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARGIN = 0.5
_FEWEST_ROWS_SHARE = 0.5
_HEAD = """\
# What the table must be: preprocess checks it, and parameter on_violation says what follows.
# Written from {data} ({rows:,} rows, {day}).
# Edit it freely; `run_all.py contract accept` takes the present table as the new one.
#
# Of a column: type ({kinds}), nullable, max_missing_share and max_invalid_share
# (shares of missing values, and of those of another type), minimum, maximum, categories, unique. bins and shares say
# how the column was spread; max_drift is how far it may move from there, as a population stability index (0.1 is
# little, 0.25 much; null: as far as it likes).
"""


@dataclass(frozen=True)
class ColumnRules:
    """What one column must be; None asks nothing.

    Attributes
    ----------
    type : str or None
        One of ``boolean``, ``whole number``, ``number``, ``date``, ``text``.
    nullable : bool
        Whether values may be missing, and no larger a share than `max_missing_share`.
    max_invalid_share : float or None
        Share of the values that may be of another type, as dates that are none (``2024-03-08 24:00``).
    minimum, maximum : float or None
        Range, both ends included.
    categories : list of str or None
        The values it may have.
    unique : bool
        Whether no value may come twice.
    bins : dict of float to float or None
        Share of the values up to each number and above the one before; drift is measured from there.
    shares : dict of str to float or None
        The same for categories.
    """

    type: str | None = None
    nullable: bool = True
    max_missing_share: float | None = None
    max_invalid_share: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    categories: list[str] | None = None
    unique: bool = False
    bins: dict[float, float] | None = None
    shares: dict[str, float] | None = None


@dataclass(frozen=True)
class Contract:
    """What a table must be.

    Attributes
    ----------
    columns : dict of str to ColumnRules
    key : list of str
        Columns that together name a row: no two rows agree in all of them.
    min_rows : int
    allow_extra_columns : bool
        Whether there may be columns that the contract does not name.
    max_drift : float or None
        Population stability index that no column may exceed.
    """

    columns: dict[str, ColumnRules]
    key: list[str] = field(default_factory=list)
    min_rows: int = 1
    allow_extra_columns: bool = False
    max_drift: float | None = 0.25


def from_profile(profile: Mapping[str, Column], key: list[str] | None = None) -> Contract:
    """Contract that a table keeps, with room for the next one like it."""
    rows = max((column.rows for column in profile.values()), default=0)
    columns = {name: _rules(column) for name, column in profile.items()}
    return Contract(columns, list(key or []), max(1, int(rows * _FEWEST_ROWS_SHARE)))


def _rules(column: Column) -> ColumnRules:
    share = column.missing / column.rows if column.rows else 0.0
    rules: dict[str, Any] = {"type": column.kind, "nullable": column.missing > 0}
    if 0 < column.missing < column.rows:
        rules["max_missing_share"] = round(min(1.0, 2 * share + 0.05), 3)
    if column.others:
        rules["max_invalid_share"] = round(min(1.0, 2 * column.others / column.rows + 0.05), 3)
    is_number = column.kind in NUMBERS and column.minimum is not None
    if is_number and not (column.is_unique and column.kind == WHOLE):  # one that counts rows grows with the table
        room = _MARGIN * (column.maximum - column.minimum)
        low = column.minimum - room
        rules["minimum"] = _plain(max(0.0, low) if column.minimum >= 0 else low)
        rules["maximum"] = _plain(column.maximum + room)
        rules["bins"] = {_edge(edge): round(share, 4) for edge, share in column.bins.items()}
    if column.levels and column.kind in (TEXT, BOOLEAN):
        present = sum(column.levels.values())
        rules["shares"] = {level: round(rows / present, 4) for level, rows in column.levels.items()}
        rules["categories"] = list(column.levels) if column.kind == TEXT else None
    return ColumnRules(**rules)


def write(contract: Contract, path: Path, data: str, rows: int) -> None:
    """Write a contract with what its words mean above it."""
    head = _HEAD.format(data=data, rows=rows, day=datetime.date.today(), kinds=", ".join(KINDS))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + as_yaml(contract), encoding="utf-8")


def as_yaml(contract: Contract) -> str:
    """Contract as YAML, less what asks nothing."""
    plain = asdict(contract)
    plain["columns"] = {name: _asked(rules) for name, rules in plain["columns"].items()}
    ordered = {one.name: plain[one.name] for one in fields(contract) if one.name != "columns"}
    ordered["columns"] = plain["columns"]
    return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _asked(rules: Mapping[str, Any]) -> dict[str, Any]:
    defaults = asdict(ColumnRules())
    return {name: value for name, value in rules.items() if value != defaults[name] or name in ("type", "nullable")}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """YAML with lists in one line."""


def _spread(dumper: yaml.SafeDumper, value: dict) -> yaml.Node:
    plain = bool(value) and not any(isinstance(one, (dict, list)) for one in value.values())
    is_bins = plain and all(isinstance(one, float) for one in value.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=is_bins)


_Dumper.add_representer(dict, _spread)
_Dumper.add_representer(
    list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def load(path: Path) -> Contract:
    """Contract of a file.

    Raises
    ------
    DataError
        With the place, where it is none.
    """
    try:
        told = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{display_path(path)} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(told, dict) or not isinstance(told.get("columns"), dict):
        raise DataError(f"{display_path(path)} is no contract: expected a mapping with 'columns'.")
    faults = _unknown(told, Contract, "") + [
        fault
        for name, rules in told["columns"].items()
        for fault in (
            _unknown(rules, ColumnRules, f"{name}: ") if isinstance(rules, dict) else [f"{name}: no mapping."]
        )
    ]
    faults += [
        f"{name}: there is no type {rules.get('type')!r}. {suggest(rules.get('type'), KINDS)}"
        for name, rules in told["columns"].items()
        if isinstance(rules, dict) and rules.get("type") not in (None, *KINDS)
    ]
    faults += [
        f"key: {name} is none of the columns. {suggest(name, told['columns'])}"
        for name in told.get("key") or []
        if name not in told["columns"]
    ]
    if faults:
        raise DataError(
            f"{display_path(path)} cannot be used as a contract:\n" + "\n".join(f"  - {one}" for one in faults)
        )
    columns = {str(name): ColumnRules(**rules) for name, rules in told["columns"].items()}
    return Contract(
        **{**{key: value for key, value in told.items() if value is not None or key == "max_drift"}, "columns": columns}
    )


def _unknown(told: Mapping[str, Any], kind: type, place: str) -> list[str]:
    known = {one.name: one.type for one in fields(kind)}
    faults = [f"{place}{name} is no rule. {suggest(name, known)}" for name in told if name not in known]
    for name, value in told.items():
        if name in known and value is not None and not _fits(value, known[name]):
            faults.append(f"{place}{name} is {value!r}; expected {known[name].replace(' | None', '')}.")
    return faults


def _fits(value: Any, kind: str) -> bool:
    if kind.startswith("float"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    plain = {"str": str, "bool": bool, "int": int, "list": list, "dict": dict}
    return isinstance(value, plain[kind.replace("[", " ").split()[0]])


def difference(old: Contract, new: Contract) -> list[tuple[str, str, str, str]]:
    """What differs: column (empty for the table), rule, old value, new value."""
    found = []
    for rule in (one.name for one in fields(Contract) if one.name != "columns"):
        if getattr(old, rule) != getattr(new, rule):
            found.append(("", rule, _said(getattr(old, rule)), _said(getattr(new, rule))))
    for name in [*old.columns, *(name for name in new.columns if name not in old.columns)]:
        if name not in new.columns or name not in old.columns:
            found.append((name, "column", *(("there", "gone") if name in old.columns else ("not there", "new"))))
            continue
        before, after = asdict(old.columns[name]), asdict(new.columns[name])
        found += [
            (name, rule, _said(before[rule]), _said(after[rule]))
            for rule in before
            if _differ(before[rule], after[rule])
        ]
    return found


def _differ(before: Any, after: Any) -> bool:
    """Whether two rules ask something else; the order of categories asks nothing."""
    if isinstance(before, list) and isinstance(after, list):
        return sorted(before, key=str) != sorted(after, key=str)
    return before != after


def _said(value: Any) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: float) -> float | int:
    if not math.isfinite(value):
        return value
    value = float(f"{value:.6g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _edge(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value
