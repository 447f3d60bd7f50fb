"""Parameters that init proposes for a table."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import DataError, NameNotFound
from lib.tables import proposal

ROWS = 600


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    size = random.normal(size=ROWS)
    return pd.DataFrame(
        {
            "CustomerID": np.arange(1000, 1000 + ROWS),
            "size": size,
            "colour": random.choice(["green", "red", "blue"], ROWS),
            "same": "x",
            "nothing": np.nan,
            "bought": np.where(size + random.normal(size=ROWS) > 1, "yes", "no"),
            "price": 100 + 10 * size + random.normal(size=ROWS),
        }
    )


def has_finding(proposed, aspect, finding="", decision=""):
    """Return whether there is a finding about the aspect that contains both texts."""
    return any(
        aspect == name and finding in found and decision in decided for name, found, decided in proposed.findings
    )


def test_binary_target_gets_a_positive_class_and_dropped_columns(table):
    proposed = proposal.propose(table.drop(columns="price"), "bought")
    assert proposed.parameters["task"] == "binary" and proposed.parameters["positive_class"] == "yes"
    assert sorted(proposed.parameters["drop_columns"]) == ["CustomerID", "nothing", "same"]
    assert proposed.reasons["drop_columns.CustomerID"] == "ID: a different number in every row"


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (lambda size: size * 3.5, "regression"),
        (lambda size: np.clip(size * 10, -40, 40).astype(int), "regression"),
        (lambda size: np.digitize(size, [-0.5, 0.5]), "multiclass"),
        (lambda size: np.digitize(size, [-1, 0, 1]) + 3, "regression"),  # grades that start at 3 are a scale
        (lambda size: np.where(size > 0, "a", np.where(size > -1, "b", "c")), "multiclass"),
        (lambda size: np.char.add("class ", np.arange(ROWS).astype(str))[np.arange(ROWS) % 40], "multiclass"),
        (lambda size: size > 0, "binary"),
        (lambda size: (size > 0).astype(int) + 1, "binary"),
    ],
)
def test_task_is_inferred_from_the_target(table, values, task):
    frame = table.drop(columns=["bought", "price"]).assign(
        y=values(np.random.default_rng(1).normal(size=ROWS) + table["size"].to_numpy())
    )
    assert proposal.propose(frame, "y").parameters["task"] == task


@pytest.mark.parametrize(
    ("name", "numbers", "task"),
    [
        ("class", [1, 2, 3, 7, 16], "multiclass"),
        ("wine_type", [2, 5, 9], "multiclass"),
        ("CoverType", [10, 20, 40], "multiclass"),
        ("Klasse", [3, 4, 6], "multiclass"),
        ("species id", [11, 12, 17], "multiclass"),
        ("category", [*range(0, 120, 3)], "multiclass"),
        ("label", [*range(ROWS)], "regression"),  # nearly as many values as rows are no classes
        ("rings", [1, 2, 3, 7, 16], "regression"),
        ("classmates", [1, 2, 3, 7, 16], "regression"),
        ("visit_count", [0, 1, 2, 3], "regression"),
        ("num_children", [0, 1, 2, 3], "regression"),
        ("class count", [0, 1, 2, 5], "regression"),
        ("digit", [*range(10)], "multiclass"),
    ],
)
def test_names_tell_classes_from_counts(table, name, numbers, task):
    frame = table.drop(columns=["bought", "price"]).assign(**{name: np.resize(numbers, ROWS)})
    assert proposal.propose(frame, name).parameters["task"] == task


@pytest.mark.parametrize("number", [3, 17, 26, 45, 150])
def test_text_with_any_number_of_classes_is_multiclass(table, number):
    words = [f"species {chr(97 + index % 26)}{index // 26}" for index in range(number)]
    frame = table.drop(columns=["bought", "price"]).assign(kind=np.resize(words, ROWS))
    assert proposal.propose(frame, "kind").parameters["task"] == "multiclass"


@pytest.mark.parametrize(
    ("labels", "positive"),
    [([1, 2], 2), ([0, 1], 1), ([-1, 1], 1), (["yes", "maybe"], "yes"), (["1", "2"], "2"), (["sì", "no"], "sì")],
)
def test_positive_class_means_yes_or_is_rarer(table, labels, positive):
    frame = table.drop(columns=["bought", "price"]).assign(y=np.resize([labels[0]] * 2 + [labels[1]], ROWS))
    assert proposal.propose(frame, "y").parameters["positive_class"] == positive


def test_saved_index_is_no_feature(table):
    frame = table.drop(columns="price")
    frame.insert(0, "Unnamed: 0", np.arange(ROWS))
    proposed = proposal.propose(frame, "bought")
    assert has_finding(proposed, "saved index", "Unnamed: 0") and not has_finding(proposed, "features", "Unnamed: 0")
    with pytest.raises(DataError, match="no column from which to predict bought"):
        proposal.propose(frame[["Unnamed: 0", "bought"]], "bought")


def test_reason_to_drop_a_counter_names_the_whole_column():
    frame = pd.DataFrame({"Sample Number": [*range(1, 101)] * 2, "x": np.random.default_rng(0).normal(size=200)})
    proposed = proposal.propose(frame.assign(kind=np.repeat(["a", "b"], 100)), "kind")
    reason = proposed.reasons["drop_columns.Sample Number"]
    assert reason == "ID: counts the rows of each kind, from 2 starts"


def test_copy_of_the_target_is_dropped_as_a_leak(table):
    frame = table.drop(columns="price").assign(copy=table["bought"].map({"yes": "Y", "no": "N"}))
    proposed = proposal.propose(frame, "bought")
    assert "copy" in proposed.parameters["drop_columns"]
    assert proposed.reasons["drop_columns.copy"].startswith("leak: predicts bought alone")


def test_columns_that_add_up_to_the_target_are_dropped(table):
    random = np.random.default_rng(2)
    frame = table.drop(columns=["bought", "price"]).assign(
        casual=random.poisson(20, ROWS), registered=random.poisson(80, ROWS)
    )
    frame["cnt"] = frame["casual"] + frame["registered"]
    dropped = proposal.propose(frame, "cnt").parameters["drop_columns"]
    assert {"casual", "registered"} <= set(dropped) and "size" not in dropped


def test_irreplaceable_column_is_kept_and_reported():
    random = np.random.default_rng(3)
    bought = random.random(6_000) < 0.3
    frame = pd.DataFrame({"size": random.normal(size=6_000), "duration": bought + random.normal(0, 0.5, 6_000)})
    proposed = proposal.propose(frame.assign(bought=np.where(bought, "yes", "no")), "bought")
    assert "duration" not in proposed.parameters.get("drop_columns", [])
    assert has_finding(proposed, "possible leak", "without duration")


def test_leaks_that_stand_in_for_one_another_are_dropped_together(table):
    happened = table["bought"].eq("yes")
    is_flagged = happened ^ (np.random.default_rng(4).random(ROWS) < 0.02)
    frame = table.drop(columns="price").assign(flag=is_flagged.astype(int), charge=np.where(happened, "F1", None))
    proposed = proposal.propose(frame, "bought")
    assert {"flag", "charge"} <= set(proposed.parameters["drop_columns"])
    assert proposed.leaks == [("charge", "flag")]
    assert "with charge, each predict bought alone" in proposed.reasons["drop_columns.flag"]
    assert has_finding(
        proposed, "leak", "they carry the same information, so dropping only one of them is not enough", "dropped"
    )


def test_honest_best_column_of_a_small_table_is_not_suspected(table):
    proposed = proposal.propose(table.drop(columns="price"), "bought")
    assert not proposed.leaks and not has_finding(proposed, "possible leak")


def test_american_dates_set_month_first(table):
    days = pd.Series(pd.date_range("2024-01-01", periods=ROWS)).dt.strftime("%m/%d/%y")
    proposed = proposal.propose(table.drop(columns="price").assign(when=days), "bought")
    assert proposed.parameters["month_first"] is True and "e.g. 01/13/24" in proposed.reasons["month_first"]
    assert has_finding(proposed, "short years", "when")


def test_ambiguous_dates_are_reported(table):
    days = [f"{row % 12 + 1:02}/{row // 12 % 12 + 1:02}/2005" for row in range(ROWS)]
    proposed = proposal.propose(table.drop(columns="price").assign(when=days), "bought")
    assert "month_first" not in proposed.parameters
    assert has_finding(proposed, "ambiguous dates", "when", "month_first: true")


def test_spellings_of_a_class_are_merged(table):
    frame = table.drop(columns="price")
    frame.loc[::5, "bought"] = frame.loc[::5, "bought"].str.capitalize() + " "
    proposed = proposal.propose(frame, "bought")
    assert (proposed.parameters["task"], proposed.parameters["positive_class"]) == ("binary", "yes")
    assert has_finding(proposed, "target", "'Yes ' into 'yes'")


def test_yes_and_no_in_several_words_are_refused(table):
    frame = table.drop(columns="price").assign(
        bought=np.where(table["bought"] == "yes", np.where(np.arange(ROWS) % 2, "yes", "Y"), "0")
    )
    with pytest.raises(DataError, match="bought spells yes and no in 3 ways: 0, "):
        proposal.propose(frame, "bought")


def test_repeated_id_splits_by_group(table):
    frame = table.drop(columns=["price", "CustomerID"]).assign(customer_id=np.arange(ROWS) % 150)
    parameters = proposal.propose(frame, "bought").parameters
    assert parameters["split"] == "group" and parameters["key_columns"] == ["customer_id"]
    assert "customer_id" in parameters["drop_columns"]


def test_rare_class_and_small_table_are_reported(table):
    frame = table.drop(columns="price")[:300].assign(bought=["yes"] * 6 + ["no"] * 294)
    proposed = proposal.propose(frame, "bought")
    assert proposed.parameters["primary_metric"] == "average_precision"
    assert has_finding(proposed, "rare class", "yes has only 6 rows") and has_finding(proposed, "size", "300 rows")


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("bougth", NameNotFound, "Did you mean 'bought'"),
        ("same", DataError, "The target same has 1 distinct value; a model needs at least two"),
        ("when", DataError, "The target when is a date"),
    ],
)
def test_unsuitable_target_is_refused(table, target, error, message):
    table["when"] = pd.date_range("2024-01-01", periods=ROWS)
    with pytest.raises(error, match=message):
        proposal.propose(table, target)


DATES = pd.date_range("2024-01-01", periods=ROWS)


def with_date(table, **parts):
    day = np.arange(ROWS) % 28 + 1
    months = np.resize(["Feb", "Mar"], ROWS)
    dates = {"Yr Sold": 2023 + np.arange(ROWS) // 300, "Mo Sold": months, "Day Sold": day, **parts}
    return table.drop(columns="price").assign(**dates)


def test_date_parts_are_combined_to_one_column(table):
    proposed = proposal.propose(with_date(table), "bought")
    assert proposed.parameters["columns"] == {"when_Sold": {"from": ["Yr Sold", "Mo Sold", "Day Sold"]}}
    assert "when_Sold" in proposed.columns and "Yr Sold" not in proposed.columns
    assert has_finding(proposed, "date parts", "Yr Sold, Mo Sold, Day Sold", "combined to the column when_Sold")
    assert has_finding(proposed, "dates", "when_Sold", "split: time and time_column: when_Sold")


def test_combined_column_gets_a_free_name(table):
    frame = with_date(table).rename(columns=lambda name: name.removesuffix(" Sold")).assign(when=1.5)
    assert list(proposal.propose(frame, "bought").parameters["columns"]) == ["when_"]


@pytest.mark.parametrize(
    "parts",
    [{"Day Sold": np.arange(ROWS) % 31 + 1}, {"bill": DATES}, {"Yr Sold": np.arange(ROWS) % 2}],
)
def test_date_parts_are_kept_if_they_are_no_dates_or_not_needed(table, parts):
    proposed = proposal.propose(with_date(table, **parts), "bought")
    assert "columns" not in proposed.parameters and "Day Sold" in proposed.columns
    if "Day Sold" in parts:
        assert has_finding(proposed, "date parts", " rows have no such date", "kept as they are")
