"""The command that shows the schema of a table and infers it again."""

import pytest

from lib.commands import main
from lib.schema.table_schema import ColumnSchema, SchemaError, TableSchema
from lib.tables import schema_source


@pytest.fixture
def use_case(tmp_path):
    """A parameter file whose table has a column in kg, and the path of its schema."""
    (tmp_path / "a.csv").write_text("weight,y\n" + "70 kg,1\n71.5 kg,2\n" * 20)
    parameters = tmp_path / "a.yaml"
    parameters.write_text(
        f"name: weights\ndata: {tmp_path}/a.csv\nschema: {tmp_path}/schema.yaml\ntarget_column: y\n"
        "task: regression\nprimary_metric: r2\n"
    )
    return parameters


def test_the_schema_is_shown(use_case, capsys):
    assert main(["schema", "--params", str(use_case), "-p", "schema="]) == 0
    assert "weight  number (number format: comma_thousands, unit: kg)" in capsys.readouterr().out


def test_refresh_shows_the_differences_and_asks(use_case, capsys):
    assert main(["schema", "--params", str(use_case), "--refresh"]) == 0
    assert main(["schema", "--params", str(use_case), "--refresh"]) == 0
    assert "is up to date" in capsys.readouterr().out
    (use_case.parent / "a.csv").write_text("weight,y\n" + "70 lb,1\n71.5 lb,2\n" * 20)
    assert main(["schema", "--params", str(use_case), "--refresh"]) == 2  # no terminal to ask on
    output = capsys.readouterr()
    assert "weight: unit 'kg' becomes 'lb'" in output.out and "add --yes" in output.err
    assert main(["schema", "--params", str(use_case), "--refresh", "--yes"]) == 0
    assert schema_source.load(use_case.parent / "schema.yaml").columns["weight"].unit == "lb"


def test_a_missing_schema_file_is_an_error(use_case, capsys):
    assert main(["schema", "--params", str(use_case)]) == 2
    assert "schema.yaml does not exist. Write it with: run_all.py schema --refresh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("{weight: {kind: numbr}}", "columns: weight: kind is 'numbr'. Did you mean 'number'?"),
        ("{weight: kg}", "columns: weight is 'kg'; expected a mapping"),
        ("{weight: {kind: ordered}}", "columns: weight: the kind ordered needs `order`"),
        ("{weight: {colour: red}}", "columns: column 'weight' has the unknown entry 'colour'"),
    ],
)
def test_wrong_column_entries_are_refused(use_case, columns, message, capsys):
    assert main(["check", "--params", str(use_case), "-p", "schema=", "-p", f"columns={columns}"]) == 2
    assert message in capsys.readouterr().err


def test_columns_are_checked_against_the_header(use_case, capsys):
    changes = ["-p", "schema=", "-p", "columns={wieght: {unit: kg}}"]
    assert main(["--params", str(use_case), *changes, "--dry-run"]) == 2
    assert "has no column 'wieght'. Did you mean 'weight'" in capsys.readouterr().err


def test_a_schema_with_unknown_entries_is_refused():
    with pytest.raises(SchemaError, match="the schema has the unknown entry 'colums'"):
        TableSchema.from_dict({"colums": {}})
    with pytest.raises(SchemaError, match="column 'a' has the kind 'word'"):
        TableSchema.from_dict({"columns": {"a": {"kind": "word"}}})
    schema = TableSchema({"a": ColumnSchema("a", "ordered", order=("S", "M"))})
    assert TableSchema.from_dict(schema.to_dict()) == schema
