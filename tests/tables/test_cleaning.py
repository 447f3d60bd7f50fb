"""Cleaning of a table, and targets that are refused before training."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import DataError, NameNotFound
from lib.tables import cleaning
from lib.tables.files import categoricals
from lib.tables.targets import convert_target, drop_rows_without_target, plan_conversion, prepare_target


def prepare(target, task):
    """Return the prepared target and the notes."""
    frame = pd.DataFrame({"x": range(len(target)), "target": target})
    cleaned, notes = prepare_target(frame, "target", task)
    assert list(cleaned.index) == list(range(len(cleaned)))
    return cleaned["target"], notes


class TestIndexColumns:
    @pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 3", "index", "Index", "level_0", ""])
    def test_saved_index_is_found_by_name_and_content(self, name):
        assert cleaning.find_index_columns(pd.DataFrame({"a": [1, 2, 9], name: [5, 6, 7]})) == [name]

    @pytest.mark.parametrize(
        ("name", "values"),
        [("id", [0, 1, 2]), ("index", [0, 2, 1]), ("index", [0.0, 1.0, 2.0]), ("index", ["0", "1", "2"])],
    )
    def test_column_with_other_name_or_content_is_no_index(self, name, values):
        assert cleaning.find_index_columns(pd.DataFrame({name: values})) == []


class TestDropColumns:
    frame = pd.DataFrame({"a": [1], "b": [2], "late minutes": [3]})

    def test_columns_are_dropped(self):
        assert list(cleaning.drop_columns(self.frame, ["b"], "t.csv")) == ["a", "late minutes"]

    def test_misspelled_name_is_refused(self):
        with pytest.raises(NameNotFound, match=r"'late_minutes' in t.csv \(drop_columns\).*'late minutes'"):
            cleaning.drop_columns(self.frame, ["a", "late_minutes"], "t.csv")


class TestTarget:
    @pytest.mark.parametrize(
        ("values", "expected"),
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
    def test_labels_become_bool_integer_or_text(self, values, expected):
        target, notes = prepare(pd.concat([pd.Series(values)] * 15, ignore_index=True), "binary")
        assert target.tolist() == expected * 15
        assert {type(label) for label in target.tolist()} == {type(expected[0])}
        assert not notes

    def test_integer_labels_stay_integers_beside_missing_ones(self):
        target, notes = prepare([0, 1, None] * 10, "binary")
        assert target.tolist() == [0, 1] * 10 and target.dtype == "int64"
        assert notes == ["Dropped 10 rows without a value of target."]

    def test_numeric_text_is_converted_and_infinite_rows_dropped(self):
        target, notes = prepare(["1.5", "2", None, 3, np.inf] * 8, "regression")
        assert target.tolist() == [1.5, 2, 3] * 8 and target.dtype == float
        assert notes == ["Dropped 16 rows without a value of target."]

    def test_regression_of_text_is_refused_with_an_example(self):
        with pytest.raises(DataError, match="must contain numbers; 20 of 60 rows do not, e.g. 'many'. Set task"):
            prepare([1, 2, "many"] * 20, "regression")

    @pytest.mark.parametrize(
        ("values", "task", "message"),
        [
            (["a", "b"] * 9, "binary", "Only 18 rows have a value of target; .* at least 20"),
            ([None] * 30, "binary", "Only 0 rows have a value of target"),
            (["a"] * 30, "binary", "only one class .'a'."),
            (["a"] * 30, "multiclass", "a multiclass task needs at least two"),
            (["a", "b", "c"] * 10, "binary", "has 3 classes .'a', 'b', 'c'.. Set task to multiclass"),
            (
                list(range(30)),
                "multiclass",
                "has 30 classes in 30 rows, so most classes have a single.*task to regression",
            ),
        ],
    )
    def test_unsuitable_target_is_refused(self, values, task, message):
        with pytest.raises(DataError, match=message):
            prepare(values, task)

    def test_unknown_target_is_refused_with_a_suggestion(self):
        with pytest.raises(NameNotFound, match="no column 'Target' in the prepared table. Did you mean 'target'"):
            prepare_target(pd.DataFrame({"target": [1]}), "Target", "binary")

    def test_repeated_target_is_refused_with_both_places(self):
        frame = pd.DataFrame([[1, 2, 3]] * 30, columns=["y", "x", "y"])
        with pytest.raises(DataError, match="2 columns named 'y': columns 1 and 3."):
            prepare_target(frame, "y", "regression")


def test_infinite_values_become_missing_with_a_note():
    frame = pd.DataFrame({"a": [1.0, np.inf, -np.inf, np.nan], "b": [1.0, 2, 3, 4], "c": ["inf"] * 4})
    frame["d"] = pd.array([1.5, np.inf, None, 2.0], dtype="Float64")
    cleaned, counts = cleaning.replace_infinite(frame)
    assert cleaned["a"].isna().tolist() == [False, True, True, True]
    assert cleaned["d"].isna().tolist() == [False, True, True, False]
    assert cleaned[["b", "c"]].equals(frame[["b", "c"]])
    assert cleaning.describe_infinite(counts) == [
        "2 infinite values of a count as missing.",
        "1 infinite value of d counts as missing.",
    ]


def test_types_unknown_to_json_become_numbers_or_text():
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
    converted, kinds = cleaning.to_json_types(frame)
    assert (
        converted["price"].tolist()[0] == 1.5
        and converted["span"].tolist()[0] == 90.0
        and converted["at"].tolist()[0] == "08:30:00"
    )
    assert converted.isna().sum().to_dict() == {"price": 1, "span": 1, "at": 1, "fine": 0}
    assert cleaning.describe_conversions(kinds) == [
        "price was converted from decimal to numbers.",
        "span was converted from timedelta64 to numbers.",
        "at was converted from time to text.",
    ]


def test_booleans_beside_a_missing_target_stay_booleans():
    frame = pd.DataFrame({"y": [True, False, None] * 10, "x": range(30)})
    prepared, _ = prepare_target(frame, "y", "binary")
    assert prepared["y"].dtype == bool and len(prepared) == 20


@pytest.mark.parametrize("dtype", [object, categoricals.ARROW_STRING, "category"])
def test_labels_in_two_unicode_forms_are_one_class(dtype):
    labels = pd.Series(["e\u0301te\u0301"] * 12 + ["\u00e9t\u00e9"] * 8 + ["e\u0301", "\u00e9"])
    labels = (
        labels.astype(categoricals.ARROW_STRING).astype("category") if dtype == "category" else labels.astype(dtype)
    )
    merged, notes = prepare(labels, "binary")
    assert merged.tolist() == ["\u00e9t\u00e9"] * 20 + ["\u00e9"] * 2
    assert "'e\\u0301te\\u0301' into '\u00e9t\u00e9'" in notes[0]


class TestParts:
    """Parts of a table are converted as the whole is."""

    def convert(self, *parts, task="binary"):
        """Return the target of all parts, and the notes."""
        halves = [drop_rows_without_target(pd.DataFrame({"y": part}), "y", task) for part in parts]
        conversion, notes = plan_conversion([summary for _, summary in halves], "y", task)
        return pd.concat([convert_target(frame, "y", conversion)["y"] for frame, _ in halves], ignore_index=True), notes

    @pytest.mark.parametrize(
        ("first", "second", "expected"),
        [
            ([1.0, 2.0] * 10, [1.5, 2.0] * 10, ["1.0", "2.0"] * 10 + ["1.5", "2.0"] * 10),
            ([0, 1] * 10, [None, 1.0] * 10, [0, 1] * 10 + [1] * 10),
            ([True, False] * 10, [None, True] * 10, [True, False] * 10 + [True] * 10),
            (["Yes", "no"] * 10, ["yes", "yes"] * 10, ["yes", "no"] * 10 + ["yes"] * 20),
            ([None] * 20, ["a", "b"] * 10, ["a", "b"] * 10),
        ],
        ids=["fractions", "integers", "booleans", "spellings", "no target in a part"],
    )
    def test_parts_get_the_type_and_spelling_of_the_whole(self, first, second, expected):
        converted, _ = self.convert(first, second, task="multiclass")
        whole, _ = prepare([*first, *second], "multiclass")
        assert converted.tolist() == whole.tolist() == expected

    def test_rows_are_counted_over_all_parts(self):
        assert self.convert([None, "a", "b"] * 10, [None, "b"] * 10)[1] == ["Dropped 20 rows without a value of y."]
        with pytest.raises(DataError, match="must contain numbers; 30 of 40 rows do not, e.g. 'many'"):
            self.convert([1, "many"] * 10, ["few"] * 20, task="regression")
        with pytest.raises(DataError, match="Only 19 rows have a value of y"):
            self.convert(["a"] * 10, ["b"] * 9)


@pytest.mark.parametrize(("second", "names"), [([3, 4], ["index"]), ([4, 5], []), ([3.0, 4.0], [])])
def test_saved_index_continues_in_the_next_part(second, names):
    parts = [cleaning.find_index_runs(pd.DataFrame({"index": values})) for values in ([1, 2], second)]
    assert cleaning.join_index_runs(parts) == names
