"""Export of a data contract to the Open Data Contract Standard."""

from __future__ import annotations

import uuid
from typing import Any

from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.odcs.vocabulary import (
    ALLOW_EXTRA_COLUMNS,
    API_VERSION,
    COLUMN_PROPERTIES,
    LOGICAL_TYPES,
    MAX_DRIFT,
    WITH_RANGE,
)


def to_document(contract: Contract, name: str) -> dict[str, Any]:
    """Return a contract as a document of the Open Data Contract Standard.

    Rules without a term in the standard, such as the distribution of a column, become custom properties, so that
    `reader.from_document` returns an equal contract.

    Parameters
    ----------
    contract : Contract
    name : str
        Name of the table. It also determines the document's ``id``.

    Examples
    --------
    >>> document = to_document(Contract({"age": ColumnRules(type="whole number", minimum=0)}), "members")
    >>> document["schema"][0]["properties"]
    [{'name': 'age', 'logicalType': 'integer', 'logicalTypeOptions': {'minimum': 0}, 'required': False}]
    """
    table: dict[str, Any] = {"name": name, "logicalType": "object", "physicalType": "table"}
    table["properties"] = [_to_property(column, rules, contract.key) for column, rules in contract.columns.items()]
    table["quality"] = [{"metric": "rowCount", "mustBeGreaterOrEqualTo": contract.min_rows}]
    if contract.key:
        table["quality"].append({"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": contract.key}})
    table["customProperties"] = [
        {"property": ALLOW_EXTRA_COLUMNS, "value": contract.allow_extra_columns},
        {"property": MAX_DRIFT, "value": contract.max_drift},
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"millrace/{name}")),
        "name": name,
        "version": "1.0.0",
        "status": "active",
        "schema": [table],
    }


def _to_property(name: str, rules: ColumnRules, key: list[str]) -> dict[str, Any]:
    """Convert a column and its rules to a property, as the standard names a column."""
    entry: dict[str, Any] = {"name": name}
    if rules.type is not None:
        entry["logicalType"] = LOGICAL_TYPES[rules.type]
    custom: dict[str, Any] = {
        "bins": _to_pairs(rules.bins),
        "shares": _to_pairs(rules.shares),
        "sample_size": rules.sample_size,
    }
    limits = {limit: value for limit in ("minimum", "maximum") if (value := getattr(rules, limit)) is not None}
    if entry.get("logicalType") not in WITH_RANGE:
        custom |= limits
    elif limits:
        entry["logicalTypeOptions"] = limits
    entry["required"] = not rules.nullable
    if rules.unique:
        entry["unique"] = True
    if name in key:
        entry |= {"primaryKey": True, "primaryKeyPosition": key.index(name) + 1}
    if quality := _to_quality_checks(rules):
        entry["quality"] = quality
    if rules.categories is None:
        custom["max_invalid_share"] = rules.max_invalid_share
    if properties := _to_custom_properties(custom):
        entry["customProperties"] = properties
    return entry


def _to_quality_checks(rules: ColumnRules) -> list[dict[str, Any]]:
    """Convert the limits of missing values and of categories to quality checks."""
    quality: list[dict[str, Any]] = []
    if rules.max_missing_share is not None:
        limit = _to_percent(rules.max_missing_share)
        quality.append({"metric": "nullValues", "mustBeLessOrEqualTo": limit, "unit": "percent"})
    if rules.categories is not None:
        check: dict[str, Any] = {"metric": "invalidValues", "arguments": {"validValues": rules.categories}}
        if rules.max_invalid_share is None:
            check["mustBe"] = 0
        else:
            check |= {"mustBeLessOrEqualTo": _to_percent(rules.max_invalid_share), "unit": "percent"}
        quality.append(check)
    return quality


def _to_custom_properties(rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"property": term, "value": rules[rule]}
        for rule, term in COLUMN_PROPERTIES.items()
        if rules.get(rule) is not None
    ]


def _to_pairs(distribution: dict[Any, float] | None) -> list[list[Any]] | None:
    """Return a distribution as pairs, because the keys of a JSON object must be texts."""
    return None if distribution is None else [[key, share] for key, share in distribution.items()]


def _to_percent(share: float) -> float:
    """Return a share in percent, without the rounding error of the multiplication."""
    return float(f"{share * 100:.14g}")
