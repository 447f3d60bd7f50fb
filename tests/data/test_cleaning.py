"""What every table goes through, and what is refused before anything is learnt from it."""

import numpy as np
import pandas as pd
import pytest

from lib.data import cleaning
from lib.errors import DataError, NameNotFound


def usable(target, task):
    """The target as it is learnt, and the notes."""
    frame = pd.DataFrame({"x": range(len(target)), "target": target})
    cleaned, notes = cleaning.prepare_target(frame, "target", task)
    assert list(cleaned.index) == list(range(len(cleaned)))
    return cleaned["target"], notes


class TestIndexColumns:
    @pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 3", "index", "Index", "level_0", ""])
    def test_a_saved_index_is_found_by_name_and_content(self, name):
        assert cleaning.find_index_columns(pd.DataFrame({"a": [1, 2, 9], name: [5, 6, 7]})) == [name]

    @pytest.mark.parametrize(
        ("name", "values"),
        [("id", [0, 1, 2]), ("index", [0, 2, 1]), ("index", [0.0, 1.0, 2.0]), ("index", ["0", "1", "2"])],
    )
    def test_a_column_that_only_looks_like_one_stays(self, name, values):
        assert cleaning.find_index_columns(pd.DataFrame({name: values})) == []


class TestWithout:
    frame = pd.DataFrame({"a": [1], "b": [2], "late minutes": [3]})

    def test_columns_are_left_out(self):
        assert list(cleaning.drop_columns(self.frame, ["b"], "t.csv")) == ["a", "late minutes"]

    def test_a_misspelt_one_does_not_stay_in_unnoticed(self):
        with pytest.raises(NameNotFound, match=r"'late_minutes' in t.csv \(drop_columns\).*'late minutes'"):
            cleaning.drop_columns(self.frame, ["a", "late_minutes"], "t.csv")


class TestTarget:
    @pytest.mark.parametrize(
        ("values", "learnt"),
        [
            ([0, 1], [0, 1]),
            ([0.0, 1.0], [0, 1]),
            (["no", "yes"], ["no", "yes"]),
            ([False, True], [False, True]),
            ([0.5, 1.5], ["0.5", "1.5"]),
            (pd.array([3, 5], dtype="Int64"), [3, 5]),
            (pd.array([True, False], dtype="boolean"), [True, False]),
            (pd.Categorical(["a", "b"]), ["a", "b"]),
        ],
        ids=str,
    )
    def test_classes_are_of_a_plain_type(self, values, learnt):
        target, notes = usable(pd.concat([pd.Series(values)] * 15, ignore_index=True), "binary")
        assert target.tolist() == learnt * 15
        assert {type(one) for one in target.tolist()} == {type(learnt[0])}
        assert not notes

    def test_classes_stay_whole_beside_missing_ones(self):
        target, notes = usable([0, 1, None] * 10, "binary")
        assert target.tolist() == [0, 1] * 10 and target.dtype == "int64"
        assert notes == ["10 rows without a target were left out."]

    def test_numbers_may_be_text_and_missing_or_infinite_ones_are_left_out(self):
        target, notes = usable(["1.5", "2", None, 3, np.inf] * 8, "regression")
        assert target.tolist() == [1.5, 2, 3] * 8 and target.dtype == float
        assert notes == ["16 rows without a target were left out."]

    def test_a_regression_of_texts_is_refused_with_an_example(self):
        with pytest.raises(DataError, match="must be numbers; 20 of 60 rows are not, e.g. 'many'. Set task"):
            usable([1, 2, "many"] * 20, "regression")

    @pytest.mark.parametrize(
        ("values", "task", "said"),
        [
            (["a", "b"] * 9, "binary", "18 rows have a target; at least 20"),
            ([None] * 30, "binary", "0 rows have a target"),
            (["a"] * 30, "binary", "one class only .'a'."),
            (["a"] * 30, "multiclass", "a multiclass task needs at least two"),
            (["a", "b", "c"] * 10, "binary", "has 3 classes .'a', 'b', 'c'.. Set task to multiclass"),
            (list(range(30)), "multiclass", "has 30 classes in 30 rows, so most are seen once.*task: regression"),
        ],
    )
    def test_that_cannot_be_learnt_is_refused(self, values, task, said):
        with pytest.raises(DataError, match=said):
            usable(values, task)

    def test_that_is_not_there_is_told_with_the_nearest(self):
        with pytest.raises(NameNotFound, match="no column 'Target' in the prepared table. Did you mean 'target'"):
            cleaning.prepare_target(pd.DataFrame({"target": [1]}), "Target", "binary")

    def test_that_is_there_twice_is_refused_with_both_places(self):
        frame = pd.DataFrame([[1, 2, 3]] * 30, columns=["y", "x", "y"])
        with pytest.raises(DataError, match="2 columns 'y' .columns 1 and 3."):
            cleaning.prepare_target(frame, "y", "regression")


def test_infinite_values_count_as_missing_and_are_told():
    frame = pd.DataFrame({"a": [1.0, np.inf, -np.inf, np.nan], "b": [1.0, 2, 3, 4], "c": ["inf"] * 4})
    frame["d"] = pd.array([1.5, np.inf, None, 2.0], dtype="Float64")
    cleaned, notes = cleaning.replace_infinite(frame)
    assert cleaned["a"].isna().tolist() == [False, True, True, True]
    assert cleaned["d"].isna().tolist() == [False, True, True, False]
    assert cleaned[["b", "c"]].equals(frame[["b", "c"]])
    assert notes == ["2 infinite values of a count as missing.", "1 infinite values of d count as missing."]


def test_columns_that_json_cannot_carry_become_numbers_or_texts_and_are_named():
    import datetime
    import decimal

    frame = pd.DataFrame(
        {
            "price": [decimal.Decimal("1.5"), None],
            "span": pd.to_timedelta(["90s", None]),
            "at": [datetime.time(8, 30), None],
            "fine": ["a", "b"],
        }
    )
    plain, notes = cleaning.to_json_types(frame)
    assert (
        plain["price"].tolist()[0] == 1.5
        and plain["span"].tolist()[0] == 90.0
        and plain["at"].tolist()[0] == "08:30:00"
    )
    assert plain.isna().sum().to_dict() == {"price": 1, "span": 1, "at": 1, "fine": 0}
    assert [note.split(",")[0] for note in notes] == ["price", "span", "at"]


def test_true_and_false_beside_a_missing_target_stay_booleans():
    frame = pd.DataFrame({"y": [True, False, None] * 10, "x": range(30)})
    usable, _ = cleaning.prepare_target(frame, "y", "binary")
    assert usable["y"].dtype == bool and len(usable) == 20
