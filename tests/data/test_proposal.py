"""What init finds in a table, and what it decides."""

import numpy as np
import pandas as pd
import pytest

from lib.data import proposal
from lib.errors import DataError, NameNotFound

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


def test_a_binary_target_with_its_positive_class_and_what_no_model_should_see(table):
    made = proposal.propose(table.drop(columns="price"), "bought")
    assert made.parameters["task"] == "binary" and made.parameters["positive_class"] == "yes"
    assert sorted(made.parameters["drop_columns"]) == ["CustomerID", "nothing", "same"]
    assert made.reasons["drop_columns.CustomerID"].startswith("an id")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (lambda size: size * 3.5, "regression"),
        (lambda size: np.clip(size * 10, -40, 40).astype(int), "regression"),
        (lambda size: np.digitize(size, [-0.5, 0.5]), "multiclass"),
        (lambda size: np.digitize(size, [-1, 0, 1]) + 3, "regression"),  # grades from 3 on are a scale
        (lambda size: np.where(size > 0, "a", np.where(size > -1, "b", "c")), "multiclass"),
        (lambda size: size > 0, "binary"),
        (lambda size: (size > 0).astype(int) + 1, "binary"),
    ],
)
def test_the_task_is_seen_from_the_target(table, values, task):
    frame = table.drop(columns=["bought", "price"]).assign(
        y=values(np.random.default_rng(1).normal(size=ROWS) + table["size"].to_numpy())
    )
    assert proposal.propose(frame, "y").parameters["task"] == task


def test_a_copy_of_the_target_is_a_leak(table):
    frame = table.drop(columns="price").assign(copy=table["bought"].map({"yes": "Y", "no": "N"}))
    made = proposal.propose(frame, "bought")
    assert "copy" in made.parameters["drop_columns"] and made.reasons["drop_columns.copy"].startswith("a leak")


def test_columns_that_add_up_to_the_target_are_leaks(table):
    random = np.random.default_rng(2)
    frame = table.drop(columns=["bought", "price"]).assign(
        casual=random.poisson(20, ROWS), registered=random.poisson(80, ROWS)
    )
    frame["cnt"] = frame["casual"] + frame["registered"]
    made = proposal.propose(frame, "cnt")
    assert {"casual", "registered"} <= set(made.parameters["drop_columns"]) and "size" not in made.parameters[
        "drop_columns"
    ]


def test_a_column_that_carries_all_is_told_and_kept(table):
    random = np.random.default_rng(3)
    frame = table.drop(columns="price").assign(duration=(table["bought"] == "yes") + random.normal(0, 0.4, ROWS))
    frame["size"] = random.normal(size=ROWS)
    made = proposal.propose(frame, "bought")
    assert "duration" not in made.parameters["drop_columns"]
    assert any(what == "suspect" and "without duration" in found for what, found, _ in made.findings)


def test_american_dates_are_written_into_the_parameters(table):
    days = pd.Series(pd.date_range("2024-01-01", periods=ROWS)).dt.strftime("%m/%d/%y")
    made = proposal.propose(table.drop(columns="price").assign(when=days), "bought")
    assert made.parameters["month_first"] is True and "e.g. 01/13/24" in made.reasons["month_first"]
    assert any(what == "two digits" and "when" in found for what, found, _ in made.findings)


def test_dates_in_which_nothing_tells_day_from_month_are_told(table):
    days = [f"{place % 12 + 1:02}/{place // 12 % 12 + 1:02}/2005" for place in range(ROWS)]
    made = proposal.propose(table.drop(columns="price").assign(when=days), "bought")
    assert "month_first" not in made.parameters
    assert any(what == "ambiguous" and "month_first: true" in decided for what, _, decided in made.findings)


def test_classes_that_differ_in_their_spelling_alone_are_one(table):
    frame = table.drop(columns="price")
    frame.loc[::5, "bought"] = frame.loc[::5, "bought"].str.capitalize() + " "
    made = proposal.propose(frame, "bought")
    assert (made.parameters["task"], made.parameters["positive_class"]) == ("binary", "yes")
    assert any("'Yes ' into 'yes'" in found for _, found, _ in made.findings)


def test_yes_and_no_in_several_words_are_refused(table):
    frame = table.drop(columns="price").assign(
        bought=np.where(table["bought"] == "yes", np.where(np.arange(ROWS) % 2, "yes", "Y"), "0")
    )
    with pytest.raises(DataError, match="bought says yes and no in 3 ways: 0, "):
        proposal.propose(frame, "bought")


def test_an_id_that_comes_again_names_a_group(table):
    frame = table.drop(columns=["price", "CustomerID"]).assign(customer_id=np.arange(ROWS) % 150)
    made = proposal.propose(frame, "bought").parameters
    assert made["split"] == "group" and made["key_columns"] == ["customer_id"]
    assert "customer_id" in made["drop_columns"]


def test_a_rare_class_and_few_rows_are_told(table):
    frame = table.drop(columns="price")[:300].assign(bought=["yes"] * 6 + ["no"] * 294)
    made = proposal.propose(frame, "bought")
    assert made.parameters["primary_metric"] == "average_precision"
    assert {"rare class", "size"} <= {what for what, _, _ in made.findings}


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        ("bougth", NameNotFound, "Did you mean 'bought'"),
        ("same", DataError, "The target same has 1 different values; nothing can be learnt of it"),
        ("when", DataError, "The target when is a date"),
    ],
)
def test_what_cannot_be_learnt(table, target, error, said):
    table["when"] = pd.date_range("2024-01-01", periods=ROWS)
    with pytest.raises(error, match=said):
        proposal.propose(table, target)
