"""Import of a data contract from the Open Data Contract Standard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lib.errors import DataError, suggest
from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.odcs import checks
from lib.tables.quality.odcs.checks import Unrepresented
from lib.tables.quality.odcs.vocabulary import (
    ALLOW_EXTRA_COLUMNS,
    API_VERSION,
    COLUMN_PROPERTIES,
    MAX_DRIFT,
    TYPES,
    WITH_RANGE,
)

_DOCUMENT_ENTRIES = ("apiVersion", "kind", "schema")
_TABLE_ENTRIES = ("name", "properties", "quality", "customProperties")
_COLUMN_ENTRIES = ("physicalName", "logicalType", "logicalTypeOptions", "quality", "customProperties")
# An entry with one of these values means the same as no entry.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "logicalType": ("object",),
    "physicalType": ("table",),
    "required": (True, False),
    "unique": (True, False),
    "primaryKey": (True, False),
    "primaryKeyPosition": (-1,),
    "partitioned": (False,),
    "partitionKeyPosition": (-1,),
    "criticalDataElement": (False,),
    "tags": ([],),
}


@dataclass(frozen=True)
class ImportedContract:
    """A contract from a document of the Open Data Contract Standard.

    Attributes
    ----------
    contract : Contract
    table : str
        Name of the table in the document.
    unrepresented : list of Unrepresented
        Entries of the document that the contract cannot represent.
    """

    contract: Contract
    table: str
    unrepresented: list[Unrepresented]


def from_document(document: Any, table: str = "") -> ImportedContract:
    """Return the contract of one table of a document.

    Columns that the document does not list are allowed, because the standard does not forbid them.

    Parameters
    ----------
    document : Any
        Parsed YAML or JSON.
    table : str
        Name or physical name of the table; by default, the first table with columns.

    Raises
    ------
    DataError
        If the document is not a contract in version 3 of the standard, or lacks the table.

    Examples
    --------
    >>> properties = [{"name": "age", "logicalType": "integer", "required": True, "classification": "public"}]
    >>> document = {"apiVersion": "v3.1.0", "kind": "DataContract", "schema": [{"name": "t", "properties": properties}]}
    >>> imported = from_document(document)
    >>> imported.contract.columns["age"].type, imported.contract.columns["age"].nullable
    ('whole number', False)
    >>> [str(entry) for entry in imported.unrepresented]
    ["t.age.classification: 'public'"]
    """
    tables = _find_tables(document)
    chosen = _choose_table(tables, table)
    unrepresented = [Unrepresented(key, value) for key, value in document.items() if key not in _DOCUMENT_ENTRIES]
    unrepresented += [
        Unrepresented(f"schema.{_name_of(other)}", "another table")
        for other in document["schema"]
        if other is not chosen
    ]
    contract = _read_table(chosen, unrepresented)
    return ImportedContract(contract, _name_of(chosen), unrepresented)


def _find_tables(document: Any) -> list[Mapping[str, Any]]:
    """Return the tables of a document that have columns."""
    if not isinstance(document, Mapping) or document.get("kind") != "DataContract":
        raise DataError("expected a mapping with the entry `kind: DataContract`.")
    version = document.get("apiVersion")
    if not str(version).startswith("v3."):
        raise DataError(
            f"apiVersion is {version!r}; expected a version 3 of the Open Data Contract Standard, "
            f"such as {API_VERSION}."
        )
    tables = _list_of_mappings(document.get("schema"), "schema")
    with_columns = [table for table in tables if table.get("properties")]
    if not with_columns:
        raise DataError(
            "no table under `schema` lists its columns; expected at least one table with the entry `properties`."
        )
    return with_columns


def _choose_table(tables: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the table with a name or physical name; the first table if the name is empty."""
    for table in tables:
        if not name or name in (table.get("name"), table.get("physicalName")):
            return table
    names = [_name_of(table) for table in tables]
    raise DataError(f"`schema` has no table {name!r} that lists its columns (`properties`). {suggest(name, names)}")


def _name_of(table: Mapping[str, Any]) -> str:
    return str(table.get("name") or table.get("physicalName"))


def _list_of_mappings(value: Any, path: str) -> list[Mapping[str, Any]]:
    entries = [] if value is None else value
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise DataError(f"{path} is {str(value)[:80]!r}; expected a list of mappings.")
    return entries


def _read_table(table: Mapping[str, Any], unrepresented: list[Unrepresented]) -> Contract:
    """Convert a table of a document to a contract; entries it cannot represent are appended to `unrepresented`."""
    path = _name_of(table)
    properties = _list_of_mappings(table["properties"], f"{path}.properties")
    for number, entry in enumerate(properties, start=1):
        if not isinstance(entry.get("name"), str):
            raise DataError(f"{path}.properties: entry {number} has no name. Add `name` with the name of the column.")
    # The data use the physical name of a column, if there is one.
    names = {entry["name"]: str(entry.get("physicalName") or entry["name"]) for entry in properties}
    if len(set(names.values())) < len(properties):
        raise DataError(f"{path}.properties has several entries for one column; expected one entry for each column.")
    columns = {names[entry["name"]]: _read_column(entry, path, unrepresented) for entry in properties}
    _report_other_entries(table, path, _TABLE_ENTRIES, unrepresented)
    custom = _read_custom_properties(table, path, (ALLOW_EXTRA_COLUMNS, MAX_DRIFT), unrepresented)
    quality = _list_of_mappings(table.get("quality"), f"{path}.quality")
    rules = checks.read_table_checks(quality, names, path, unrepresented)
    key = _read_primary_key(properties, names)
    if rules.setdefault("key", key) != key and key:
        unrepresented.append(Unrepresented(f"{path}.primaryKey", key))
    if MAX_DRIFT in custom:
        rules["max_drift"] = custom[MAX_DRIFT]
    return Contract(columns, allow_extra_columns=bool(custom.get(ALLOW_EXTRA_COLUMNS, True)), **rules)


def _read_primary_key(properties: list[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Return the columns of the primary key in the order of their positions."""
    positions = {
        names[entry["name"]]: entry.get("primaryKeyPosition", 0)
        for entry in properties
        if entry.get("primaryKey") is True
    }
    return sorted(positions, key=lambda name: (str(type(positions[name])), positions[name]))


def _report_other_entries(
    entry: Mapping[str, Any], path: str, read: tuple[str, ...], unrepresented: list[Unrepresented]
) -> None:
    """Append the entries of a table or column that are neither read nor without effect to `unrepresented`."""
    for key, value in entry.items():
        if key not in read and not any(value is neutral or value == neutral for neutral in _NEUTRAL.get(key, ())):
            unrepresented.append(Unrepresented(f"{path}.{key}", value))


def _read_column(entry: Mapping[str, Any], table: str, unrepresented: list[Unrepresented]) -> ColumnRules:
    """Convert a column of a document to rules; entries that no rule represents are appended to `unrepresented`."""
    path = f"{table}.{entry['name']}"
    logical_type = entry.get("logicalType")
    rules: dict[str, Any] = {
        "type": TYPES.get(str(logical_type)),
        "nullable": entry.get("required") is not True,
        "unique": entry.get("unique") is True,
    }
    if logical_type is not None and rules["type"] is None:
        unrepresented.append(Unrepresented(f"{path}.logicalType", logical_type))
    rules |= _read_range(entry.get("logicalTypeOptions") or {}, str(logical_type), path, unrepresented)
    quality = _list_of_mappings(entry.get("quality"), f"{path}.quality")
    rules |= checks.read_column_checks(quality, path, unrepresented)
    custom = _read_custom_properties(entry, path, tuple(COLUMN_PROPERTIES.values()), unrepresented)
    rules |= {rule: custom[term] for rule, term in COLUMN_PROPERTIES.items() if term in custom}
    for distribution in ("bins", "shares"):
        if rules.get(distribution) is not None:
            rules[distribution] = dict(rules[distribution])
    is_key = entry.get("primaryKey") is True
    has_other_name = entry.get("physicalName", entry["name"]) != entry["name"]
    read = (*_COLUMN_ENTRIES, *(["primaryKeyPosition"] if is_key else []), *([] if has_other_name else ["name"]))
    _report_other_entries(entry, path, read, unrepresented)
    return ColumnRules(**rules)


def _read_range(
    options: Mapping[str, Any], logical_type: str, path: str, unrepresented: list[Unrepresented]
) -> dict[str, float]:
    """Return the minimum and maximum of a column of numbers.

    An exclusive limit becomes the nearest number that it allows.
    """
    step = 1 if logical_type == "integer" else 0
    limits: dict[str, float] = {}
    for option, value in options.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if logical_type not in WITH_RANGE or not is_number or "imum" not in option:
            unrepresented.append(Unrepresented(f"{path}.logicalTypeOptions.{option}", value))
        elif option.endswith("inimum"):
            limit = value if option == "minimum" else math.floor(value) + 1 if step else math.nextafter(value, math.inf)
            limits["minimum"] = max(limit, limits.get("minimum", -math.inf))
        else:
            limit = value if option == "maximum" else math.ceil(value) - 1 if step else math.nextafter(value, -math.inf)
            limits["maximum"] = min(limit, limits.get("maximum", math.inf))
    return limits


def _read_custom_properties(
    entry: Mapping[str, Any], path: str, known: tuple[str, ...], unrepresented: list[Unrepresented]
) -> dict[str, Any]:
    """Return the values of the known custom properties; the others are appended to `unrepresented`."""
    values = {}
    for custom in _list_of_mappings(entry.get("customProperties"), f"{path}.customProperties"):
        name, value = custom.get("property"), custom.get("value")
        if name in known:
            values[str(name)] = value
        else:
            unrepresented.append(Unrepresented(f"{path}.customProperties.{name}", value))
    return values
