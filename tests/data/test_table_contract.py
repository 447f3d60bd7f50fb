"""The contract: written from a table, read back, and held against others."""

import numpy as np
import pandas as pd
import pytest

from lib.data import contract, profile, violations
from lib.errors import DataError

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
def agreed(table):
    return contract.from_profile(profile.describe(table))


def broken(table, agreed, **options):
    found = violations.find(table, agreed, **options)
    return {(column, rule): rows for column, rule, rows, _ in found.table.itertuples(index=False)}, found


def test_a_table_keeps_its_own_contract_also_after_it_was_a_file(table, agreed, tmp_path):
    contract.write(agreed, tmp_path / "c.yaml", "shop.csv", ROWS)
    read = contract.load(tmp_path / "c.yaml")
    assert contract.difference(agreed, read) == []
    assert broken(table, read)[0] == {}


def test_the_next_sample_of_the_same_table_keeps_it(table, agreed):
    assert broken(table.sample(ROWS // 2, random_state=1), agreed)[0] == {}


def test_every_broken_rule_is_told_with_its_rows(table, agreed):
    table["age"] = table["age"].astype(object)
    table.loc[[3, 5], "age"] = ["old", 900]
    table.loc[[7, 8, 9, 10], "colour"] = "blue"
    table.loc[11, "when"] = None
    rules, found = broken(table, agreed)
    assert rules == {
        ("age", "must be a whole number"): 1,
        ("age", "must be 0 to 124.5"): 1,
        ("colour", "must be one of green, red"): 4,
        ("when", "must not be missing"): 1,
    } | {key: rows for key, rows in rules.items() if key[0] == "age" and "to" in key[1]}
    assert np.flatnonzero(found.broken_rows).tolist() == [3, 5, 7, 8, 9, 10, 11] and not found.breaks_table_rule
    assert found.table.set_index("column").loc["colour", "examples"] == "row 8: 'blue'; row 9: 'blue'; row 10: 'blue'"
    assert found.reasons()[2] == "colour: must be one of green, red"


def test_rules_of_the_table_as_a_whole(table, agreed):
    half = table[:100].drop(columns="age").assign(new=1)
    rules, found = broken(half, agreed)
    assert {("", "must have 200 rows or more"), ("age", "must be there"), ("new", "must not be there")} <= set(rules)
    assert found.breaks_table_rule and not found.broken_rows.any()
    assert "  - age: must be there (it is not)" in str(found)


def test_what_was_not_read_is_not_missed(table, agreed):
    assert broken(table.drop(columns="age"), agreed, unread=["age"])[0] == {}


def test_drift_is_noticed_and_may_be_allowed(table, agreed):
    moved = table.assign(income=table["income"] + 15)
    assert any(rule.startswith("must not drift") for _, rule in broken(moved, agreed)[0])
    anything = contract.Contract(agreed.columns, max_drift=None)
    assert not any(rule.startswith("must not drift") for _, rule in broken(moved, anything)[0])


def test_a_key_must_not_come_twice(table, agreed):
    keyed = contract.Contract(agreed.columns, key=["colour", "when"])
    twice = pd.concat([table, table[:2]], ignore_index=True)
    rules, found = broken(twice, keyed)
    assert rules["colour and when", "must not come twice: it is the key"] == 2
    assert np.flatnonzero(found.broken_rows).tolist() == [ROWS, ROWS + 1]


def test_the_difference_names_column_rule_and_both_values(agreed, table):
    other = contract.from_profile(profile.describe(table.rename(columns={"member": "paying"}).assign(colour="green")))
    found = contract.difference(agreed, other)
    assert ("member", "column", "there", "gone") in found and ("paying", "column", "not there", "new") in found
    assert ("colour", "categories", str(agreed.columns["colour"].categories), "['green']") in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is no contract: expected a mapping with 'columns'"),
        ("columns: {a: {type: nmber}}", "a: there is no type 'nmber'. Did you mean 'number'"),
        ("columns: {a: {nulable: true}}", "a: nulable is no rule. Did you mean 'nullable'"),
        ("columns: {a: {minimum: low}}", "a: minimum is 'low'; expected float"),
        ("columns: {a: {}}\nkey: [b]", "key: b is none of the columns"),
        ("columns: {a: {type: [", "is not YAML"),
    ],
)
def test_a_file_that_is_no_contract(tmp_path, text, said):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(DataError, match=said):
        contract.load(tmp_path / "c.yaml")


def test_a_text_that_is_missing_among_categories_is_told_as_any_other():
    texts = pd.Series(["a", "b"] * 10)
    agreed = contract.from_profile(profile.describe(pd.DataFrame({"level": texts})))
    levels = texts.astype("category")
    levels[3] = None
    found = violations.find(pd.DataFrame({"level": levels}), agreed)
    assert found.table[["rule", "rows"]].to_numpy().tolist() == [["must not be missing", 1]]


def test_infinite_numbers_count_as_missing_and_break_no_range():
    frame = pd.DataFrame({"ratio": [*np.linspace(0, 1, 30), np.inf, -np.inf]})
    assert violations.find(frame, contract.from_profile(profile.describe(frame))).table.empty


def test_a_word_among_true_and_false_is_told_alone():
    agreed = contract.from_profile(profile.describe(pd.DataFrame({"ok": [True, False] * 10})))
    texts = pd.Series(["True", "False"] * 10)
    texts[3] = "maybe"
    found = violations.find(pd.DataFrame({"ok": texts}), agreed).table
    assert found[["rule", "rows"]].to_numpy().tolist()[-1] == ["must be a boolean", 1]


def test_the_order_of_categories_is_no_difference():
    one, other = (
        contract.Contract({"y": contract.ColumnRules(type="text", categories=levels)})
        for levels in (["no", "yes"], ["yes", "no"])
    )
    assert contract.difference(one, other) == []
