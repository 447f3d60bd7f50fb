"""Export to and import from the Open Data Contract Standard, with the standard's own schema and examples."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml

from lib.commands import main
from lib.errors import DataError
from lib.tables.quality import contract, contract_file, profile
from lib.tables.quality.contract import ColumnRules, Contract
from lib.tables.quality.odcs import reader, writer

FOLDER = Path(__file__).parent / "odcs"
EXAMPLES = sorted(FOLDER.glob("examples/*.yaml"))
VALIDATOR = jsonschema.Draft201909Validator(json.loads((FOLDER / "odcs-json-schema-v3.1.0.json").read_text("utf-8")))
CONTRACTS = {
    "empty": Contract({"x": ColumnRules()}),
    "limits": Contract(
        {
            "id": ColumnRules(type="whole number", nullable=False, unique=True),
            "age": ColumnRules(type="whole number", minimum=0, maximum=120, bins={20: 0.25, 40.5: 0.75}, sample_size=8),
            "ratio": ColumnRules(type="number", minimum=-0.5, max_missing_share=0.013, max_invalid_share=0.0021),
            "when": ColumnRules(type="date", minimum=5, max_invalid_share=0.083),
            "any": ColumnRules(minimum=1, maximum=2),
        },
        key=["when", "id"],
        min_rows=500,
        allow_extra_columns=True,
        max_drift=None,
    ),
    "categories": Contract(
        {
            "strict": ColumnRules(type="text", categories=["no", "yes"], shares={"no": 0.4, "yes": 0.6}),
            "tolerant": ColumnRules(type="text", categories=["1", "Zo\u00eb: #2"], max_invalid_share=0.026),
            "none": ColumnRules(type="text", categories=[]),
            "member": ColumnRules(type="boolean", shares={"True": 1.0}, sample_size=12),
        },
        max_drift=0.25,
    ),
}


def document_of(**entries):
    """Return a document with one table t that has the column a."""
    column = {"name": "a", **entries}
    return {"apiVersion": "v3.1.0", "kind": "DataContract", "schema": [{"name": "t", "properties": [column]}]}


def rules_of(**entries):
    """Return the rules of a column and the entries that they do not represent."""
    imported = reader.from_document(document_of(**entries))
    return imported.contract.columns["a"], [str(entry) for entry in imported.unrepresented]


@pytest.mark.parametrize("name", CONTRACTS)
def test_exported_contract_is_valid_and_imports_unchanged(name):
    document = writer.to_document(CONTRACTS[name], "shop")
    VALIDATOR.validate(json.loads(json.dumps(document)))
    read_back = yaml.safe_load(yaml.safe_dump(document, sort_keys=False))
    assert reader.from_document(read_back).contract == CONTRACTS[name]


def test_contract_of_a_table_survives_the_round_trip():
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=300), "c": random.choice(["a", "b"], 300), "d": ["2024-01-31"] * 300})
    made = contract.from_profile(profile.describe(frame), key=["x"])
    document = json.loads(json.dumps(writer.to_document(made, "t")))
    VALIDATOR.validate(document)
    imported = reader.from_document(document)
    assert imported.contract == made
    assert {entry.path for entry in imported.unrepresented} == {"id", "name", "version", "status"}


def test_all_examples_are_here():
    assert len(EXAMPLES) == 12


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_of_the_standard_is_imported_completely(path):
    document = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
    for table in document["schema"][:10]:
        imported = reader.from_document(document, table["name"])
        names = [entry.get("physicalName") or entry["name"] for entry in table["properties"]]
        assert list(imported.contract.columns) == names
        reported = {entry.path for entry in imported.unrepresented}
        others = {f"schema.{other['name']}" for other in document["schema"] if other is not table}
        assert others | {key for key in document if key not in ("apiVersion", "kind", "schema")} <= reported
        VALIDATOR.validate(json.loads(json.dumps(writer.to_document(imported.contract, table["name"]))))


def test_rules_of_the_full_example():
    document = yaml.safe_load((FOLDER / "examples/full-example.odcs.yaml").read_text("utf-8"))
    first, second = (reader.from_document(document, name) for name in ("", "receivers_master"))
    assert first.table == "tbl" and second.table == "receivers"
    assert first.contract.min_rows == 1_000_001 and first.contract.key == ["rcvr_id"]
    assert first.contract.columns["txn_ref_dt"] == ColumnRules(type="date")
    assert first.contract.columns["rcvr_cntry_code"].nullable is False
    assert second.contract.key == ["id", "country_code"] and second.contract.columns["id"].unique
    reported = [str(entry) for entry in first.unrepresented]
    assert "tbl.rcvr_id.physicalType: 'varchar(18)'" in reported
    assert "tbl.transaction_reference_date.name: 'transaction_reference_date'" in reported
    assert "tbl.quality 1.severity: 'error'" in reported


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"required": True}, {"nullable": False}),
        ({"logicalType": "timestamp"}, {"type": "date"}),
        ({"quality": [{"metric": "nullValues", "mustBeLessThan": 1}]}, {"nullable": False}),
        ({"quality": [{"rule": "nullValues", "mustBe": 0, "type": "library"}]}, {"nullable": False}),
        (
            {"quality": [{"metric": "nullValues", "mustBeLessOrEqualTo": 1.3, "unit": "percent"}]},
            {"max_missing_share": 0.013},
        ),
        (
            {"quality": [{"metric": "missingValues", "arguments": {"missingValues": [None, ""]}, "mustBe": 0}]},
            {"nullable": False},
        ),
        ({"quality": [{"metric": "duplicateValues", "mustBe": 0, "unit": "rows"}]}, {"unique": True}),
        (
            {"quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["kg", 7]}}]},
            {"categories": ["kg", "7"]},
        ),
        (
            {"logicalType": "integer", "logicalTypeOptions": {"exclusiveMinimum": 18, "exclusiveMaximum": 99.5}},
            {"type": "whole number", "minimum": 19, "maximum": 99},
        ),
        (
            {"logicalType": "number", "logicalTypeOptions": {"exclusiveMinimum": 0, "maximum": 1}},
            {"type": "number", "minimum": 5e-324, "maximum": 1},
        ),
    ],
)
def test_entry_becomes_a_rule(entries, expected):
    assert rules_of(**entries) == (ColumnRules(**expected), [])


@pytest.mark.parametrize(
    "entries",
    [
        {"logicalType": "array", "items": {"logicalType": "string"}},
        {"logicalType": "date", "logicalTypeOptions": {"minimum": "2020-01-01"}},
        {"logicalType": "string", "logicalTypeOptions": {"pattern": "A.*"}},
        {"logicalType": "integer", "logicalTypeOptions": {"multipleOf": 5}},
        {"required": "yes"},
        {"description": "text"},
        {"quality": [{"metric": "nullValues", "mustBeLessThan": 100}]},
        {"quality": [{"metric": "nullValues", "mustBeLessOrEqualTo": "few", "unit": "percent"}]},
        {"quality": [{"metric": "missingValues", "arguments": {"missingValues": ["n/a"]}, "mustBe": 0}]},
        {"quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "^[A-Z]+$"}}]},
        {"quality": [{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["kg", None]}}]},
        {"quality": [{"type": "sql", "query": "SELECT 1", "mustBe": 1}]},
        {"quality": [{"type": "text", "description": "never late"}]},
        {"quality": [{"metric": "nullValues", "mustBe": 0, "severity": "error"}]},
        {"customProperties": [{"property": "owner", "value": "me"}]},
    ],
)
def test_entry_without_a_rule_is_reported(entries):
    _, reported = rules_of(**entries)
    assert reported and all(line.startswith("t.a.") for line in reported)


def test_contradicting_check_is_reported():
    checks = [{"metric": "nullValues", "mustBeLessOrEqualTo": limit, "unit": "percent"} for limit in (1, 5)]
    rules, reported = rules_of(quality=checks)
    assert rules.max_missing_share == 0.01 and reported[0].startswith("t.a.quality 2: ")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "expected a mapping with the entry `kind: DataContract`"),
        ({"kind": "DataContract", "apiVersion": "v2.2.2"}, "apiVersion is 'v2.2.2'; expected a version 3"),
        (
            {"kind": "DataContract", "apiVersion": "v3.1.0", "schema": [{"name": "t"}]},
            "no table under `schema` lists its columns",
        ),
        ({"kind": "DataContract", "apiVersion": "v3.1.0", "schema": "t"}, "schema is 't'; expected a list of mappings"),
        (document_of(name=7), "t.properties: entry 1 has no name"),
    ],
)
def test_other_document_is_refused(document, message):
    with pytest.raises(DataError, match=message):
        reader.from_document(document)


def test_unknown_table_is_refused_with_the_nearest_name():
    document = document_of()
    document["schema"][0]["name"] = "orders"
    with pytest.raises(
        DataError, match=r"no table 'order' that lists its columns \(`properties`\). Did you mean 'orders'"
    ):
        reader.from_document(document, "order")


def test_command_exports_and_imports(tmp_path, capsys):
    contract_file.write(CONTRACTS["limits"], tmp_path / "shop.yaml", "shop.csv", 9)
    chosen = ["-p", f"contract={tmp_path / 'shop.yaml'}", "-p", "name=shop"]
    exported, imported = tmp_path / "shop.odcs.yaml", tmp_path / "imported.yaml"
    assert main(["contract", "export", "--format", "odcs", "--out", str(exported), *chosen]) == 0
    VALIDATOR.validate(yaml.safe_load(exported.read_text("utf-8")))
    assert main(["contract", "import", "--format", "odcs", str(exported), "--out", str(imported)]) == 0
    assert contract_file.load(imported) == CONTRACTS["limits"]
    output = capsys.readouterr().out
    assert "A contract cannot represent these entries of the file:\n  id: " in output
    assert "status: 'active'" in output


def test_command_names_the_file_that_cannot_be_imported(tmp_path, capsys):
    (tmp_path / "x.yaml").write_text("kind: Other")
    assert main(["contract", "import", str(tmp_path / "x.yaml")]) != 0
    assert "x.yaml cannot be imported: expected a mapping" in capsys.readouterr().err
