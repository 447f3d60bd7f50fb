"""The data contract: written from a table, read back, and checked against other tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.errors import DataError
from lib.tables.quality import contract, contract_changes, contract_file, profile, violations

ROWS = 400


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "age": random.integers(18, 90, ROWS),
            "income": random.normal(50, 9, ROWS),
            "colour": random.choice(["green", "red"], ROWS),
            "when": pd.date_range("2024-01-01", periods=ROWS).astype(str),
            "member": random.random(ROWS) > 0.5,
        }
    )
    frame.loc[:39, "income"] = np.nan
    return frame


@pytest.fixture
def rules(table):
    """The contract made from the table, which also demands a date in each row."""
    made = contract_of(table)
    return replace(made, columns={**made.columns, "when": replace(made.columns["when"], nullable=False)})


def contract_of(frame):
    return contract.from_profile(profile.describe(frame))


def broken_rules(table, rules, **options):
    """Return the number of rows by column and broken rule."""
    found = violations.find(table, rules, **options).table
    return dict(zip(zip(found["column"], found["rule"], strict=True), found["rows"], strict=True))


def test_table_fulfills_its_own_contract_after_a_round_trip(table, rules, tmp_path):
    contract_file.write(rules, tmp_path / "c.yaml", "shop.csv", ROWS)
    loaded = contract_file.load(tmp_path / "c.yaml")
    assert contract_changes.find_changes(rules, loaded) == []
    assert broken_rules(table, loaded) == {}


def test_sample_of_the_table_fulfills_its_contract(table, rules):
    assert broken_rules(table.sample(ROWS // 2, random_state=1), rules) == {}


def test_every_broken_rule_is_reported_with_its_rows(table, rules):
    table["age"] = table["age"].astype(object)
    table.loc[[3, 5], "age"] = ["old", 900]
    table.loc[7:26, "colour"] = "blue"
    table.loc[27, "when"] = None
    found = violations.find(table, rules)
    counts = dict(zip(zip(found.table["column"], found.table["rule"], strict=True), found.table["rows"], strict=True))
    (range_rule,) = (rule for column, rule in counts if column == "age" and " to " in rule)
    assert range_rule.startswith("must be 0 to 1")
    colour_rule = "must be one of green, red (at most 2.70% may not be)"
    assert counts == {
        ("age", "must be a whole number"): 1,
        ("age", range_rule): 1,
        ("colour", colour_rule): 20,
        ("when", "must not be missing"): 1,
    }
    assert np.flatnonzero(found.broken_rows).tolist() == [3, 5, *range(7, 28)] and not found.breaks_table_rule
    assert found.table.set_index("column").loc["colour", "examples"] == "row 8: 'blue'; row 9: 'blue'; row 10: 'blue'"
    whole = violations.BrokenRows(found.rows_by_rule, found.broken_rows, found.broken_rows)
    assert violations.list_broken_rows(table, whole)[violations.REASON].iloc[2] == f"colour: {colour_rule}"


def test_every_violation_says_how_to_allow_it(table, rules):
    table["age"] = table["age"].astype(object)
    table.loc[[3, 5, 6], "age"] = ["old", 900, -7]
    table.loc[7:26, "colour"] = "blue"
    table.loc[27, "when"] = None
    found = violations.find(table.assign(new=1)[150:].drop(columns="member"), rules)
    found_all = violations.find(table, rules)
    to_allow = [*found.table["to_allow"], *found_all.table["to_allow"]]
    assert {
        "delete member under columns",
        "write allow_extra_columns: true, or add the column under columns",
        "write columns: {age: {minimum: -7, maximum: 900}}",
        "write columns: {age: {max_invalid_share: 0.0025}}",
        "write columns: {colour: {categories: [green, red, blue]}}",
        "write columns: {when: {nullable: true}}",
    } <= set(to_allow)
    assert "    To allow this, write columns: {age: {minimum: -7, maximum: 900}}" in str(found_all)


def test_rules_of_the_whole_table_are_reported(table, rules):
    half = table[:100].drop(columns="age").assign(new=1)
    found = violations.find(half, rules)
    expected = {("", "must have at least 200 rows"), ("age", "must be present"), ("new", "must not be present")}
    assert expected <= set(zip(found.table["column"], found.table["rule"], strict=True))
    assert found.breaks_table_rule and not found.broken_rows.any()
    assert "  - age: must be present (not in the table)" in str(found)


def test_skipped_columns_may_be_absent(table, rules):
    assert broken_rules(table.drop(columns="age"), rules, skipped_columns=["age"]) == {}


def test_drift_is_reported_unless_it_has_no_limit(table, rules):
    shifted = table.assign(income=table["income"] + 15)
    assert any(rule.startswith("must not drift") for _, rule in broken_rules(shifted, rules))
    unlimited = contract.Contract(rules.columns, max_drift=None)
    assert not any(rule.startswith("must not drift") for _, rule in broken_rules(shifted, unlimited))


def test_repeated_key_is_reported(table, rules):
    keyed = contract.Contract(rules.columns, key=["colour", "when"])
    found = violations.find(pd.concat([table, table[:2]], ignore_index=True), keyed)
    assert found.rows_by_rule["colour and when", "must be unique (key)"].tolist() == [ROWS, ROWS + 1]
    assert np.flatnonzero(found.broken_rows).tolist() == [ROWS, ROWS + 1]


def test_changes_name_column_rule_and_both_values(rules, table):
    other = contract_of(table.rename(columns={"member": "paying"}).assign(colour="green"))
    changes = contract_changes.find_changes(rules, other)
    assert ("member", "column", "present", "removed") in changes
    assert ("paying", "column", "absent", "added") in changes
    assert ("colour", "categories", str(rules.columns["colour"].categories), "['green']") in changes


def test_order_of_categories_is_no_change():
    one, other = (
        contract.Contract({"y": contract.ColumnRules(type="text", categories=categories)})
        for categories in (["no", "yes"], ["yes", "no"])
    )
    assert contract_changes.find_changes(one, other) == []


def test_former_rule_names_are_accepted_with_a_warning(tmp_path):
    (tmp_path / "c.yaml").write_text("rows_at_least: 7\ncolumns: {a: {missing_at_most: 0.5}}")
    with pytest.warns(FutureWarning, match="rows_at_least was renamed to min_rows|missing_at_most was renamed"):
        loaded = contract_file.load(tmp_path / "c.yaml")
    assert loaded.min_rows == 7 and loaded.columns["a"].max_missing_share == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is not a contract: expected a mapping with the entry 'columns'"),
        ("columns: {a: {type: nmber}}", "a: there is no type 'nmber'. Did you mean 'number'"),
        ("columns: {a: {nulable: true}}", "a: nulable is not a rule. Did you mean 'nullable'"),
        ("columns: {a: {minimum: low}}", "a: minimum is 'low'; expected float"),
        ("columns: {a: 7}", "a: expected a mapping of rules, found 7"),
        ("columns: {a: {}}\nkey: [b]", "key: b is not a column of the contract"),
        ("columns: {a: {type: [", "is not valid YAML"),
    ],
)
def test_invalid_contract_file_is_refused(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        contract_file.load(tmp_path / "c.yaml")


def test_missing_value_among_categories_is_reported():
    texts = pd.Series(["a", "b"] * 10)
    rules = contract_of(pd.DataFrame({"level": texts}))
    rules = contract.Contract({"level": replace(rules.columns["level"], nullable=False)})
    categories = texts.astype("category")
    categories[3] = None
    assert broken_rules(pd.DataFrame({"level": categories}), rules) == {("level", "must not be missing"): 1}


def test_infinite_numbers_break_no_range():
    frame = pd.DataFrame({"ratio": [*np.linspace(0, 1, 30), np.inf, -np.inf]})
    assert broken_rules(frame, contract_of(frame)) == {}


def test_other_word_among_booleans_is_one_violation():
    rules = contract_of(pd.DataFrame({"ok": [True, False] * 10}))
    texts = pd.Series(["True", "False"] * 10)
    texts[3] = "maybe"
    assert broken_rules(pd.DataFrame({"ok": texts}), rules)["ok", "must be a boolean"] == 1
