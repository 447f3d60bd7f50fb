"""A row keeps its side for ever, whatever else happens to the table around it."""

import numpy as np
import pandas as pd
import pytest

from lib.data import tables
from lib.data.split import HashSplit, row_hash
from lib.errors import DataError, NameNotFound

ROWS = 2000


@pytest.fixture(scope="module")
def table():
    """A column of each type that the hash treats in a way of its own, some values missing."""
    rng = np.random.default_rng(0)

    def some_missing(values):
        return pd.Series(values).where(rng.random(ROWS) > 0.1)

    return pd.DataFrame(
        {
            "whole": rng.integers(-50, 50, ROWS),
            "decimal": some_missing(rng.normal(size=ROWS)),
            "text": some_missing(rng.choice(["red", "green", "7", "1e3", "naïve"], ROWS)),
            "flag": rng.random(ROWS) < 0.5,
            "when": some_missing(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9999, ROWS), "h")),
        }
    )


@pytest.fixture(scope="module")
def rule(table):
    return HashSplit(tuple(table.columns), 0.25, 42)


def same_hash(one, other):
    """Whether values in two types hash alike, row by row."""
    hashes = [row_hash(pd.DataFrame({"c": values}), ["c"], 1) for values in (one, other)]
    return (hashes[0] == hashes[1]).all()


class TestTheHash:
    """These numbers decide which rows every model so far was tested on: if they change, champions are tested on rows
    that they were trained on.
    """

    frame = pd.DataFrame(
        {
            "a": [1.5, 2, np.nan],
            "b": ["x", "7", None],
            "c": [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-06-01T12:30"), pd.NaT],
            "d": [True, False, True],
        }
    )

    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            ("a", [8560807682634189639, 5664685769376904315, 6332618229526065668]),
            ("b", [4237872837346084493, 14406765067747215602, 6332618229526065668]),
            ("c", [9603085014801961134, 16393843417037396484, 6332618229526065668]),
            ("d", [17038841845857211132, 7537704523607209165, 17038841845857211132]),
            ("abcd", [820344690094806976, 8546214226819565232, 17038841845857211132]),
        ],
    )
    def test_never_changes(self, columns, expected):
        assert row_hash(self.frame, list(columns), seed=42).tolist() == expected

    def test_never_changes_with_another_seed_either(self):
        expected = [578443619633668088, 12705552727759388967, 9322883062421283853]
        assert row_hash(self.frame, list("abcd"), seed=0).tolist() == expected


class TestARowKeepsItsSide:
    def test_when_rows_are_appended(self, table, rule):
        more = pd.concat([table, table.assign(whole=999, text="new")], ignore_index=True)
        assert (rule.is_test(more)[:ROWS] == rule.is_test(table)).all()

    def test_when_rows_are_shuffled(self, table, rule):
        shuffled = table.sample(frac=1, random_state=1)
        assert (rule.is_test(shuffled) == rule.is_test(table)[shuffled.index]).all()

    def test_when_it_stands_alone(self, table, rule):
        sides = [rule.is_test(table.iloc[[row]])[0] for row in range(20)]
        assert sides == list(rule.is_test(table)[:20])

    def test_when_columns_are_reordered(self, table, rule):
        other = HashSplit(rule.columns[::-1], rule.test_fraction, rule.seed)
        assert (other.is_test(table[table.columns[::-1]]) == rule.is_test(table)).all()

    def test_when_a_column_is_added_that_is_empty_in_it(self, table, rule):
        wider = HashSplit((*rule.columns, "new"), rule.test_fraction, rule.seed)
        assert (wider.is_test(table.assign(new=None)) == rule.is_test(table)).all()

    def test_when_the_table_is_written_and_read(self, table, rule, tmp_path):
        tables.write(table, tmp_path / "t.parquet")
        table.to_csv(tmp_path / "t.csv", index=False)
        assert (rule.is_test(tables.read(tmp_path / "t.parquet")) == rule.is_test(table)).all()
        undated = HashSplit(("whole", "decimal", "text", "flag"), 0.25, 42)
        assert (undated.is_test(tables.read(tmp_path / "t.csv")) == undated.is_test(table)).all()

    @pytest.mark.parametrize("kind", ["float64", "int8", "Int64", "str", "category", "object", "string"])
    def test_when_whole_numbers_are_of_another_type(self, kind):
        numbers = pd.Series([3, -7, 0, 120])
        assert same_hash(numbers, numbers.astype(kind))

    def test_when_decimals_turn_into_text(self):
        numbers = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250)
        assert same_hash(numbers, [repr(float(one)) for one in numbers])
        assert same_hash([0.5, -0.0], ["0.50", "0"])

    def test_when_a_value_goes_missing_in_another_row(self):
        assert same_hash(pd.Series([1, 2]), pd.Series([1, 2, None])[:2])
        assert same_hash(pd.Series([True, False]), pd.Series([True, False, None])[:2])
        assert same_hash(pd.Series([True, False]), pd.array([True, False], dtype="boolean"))

    def test_when_texts_become_categories(self):
        texts = pd.Series(["b", "a", None, "b", "12"])
        assert same_hash(texts, texts.astype("category")) and same_hash(texts, texts.astype("string"))

    def test_when_texts_are_encoded_in_Arrow(self):
        texts = pd.Series(["b", "a", None, "b", "012", "1e3", ""] * 3, dtype=tables.ARROW_STRING)
        encoded = texts.astype("category")
        assert tables.is_dictionary_encoded(encoded) and tables.is_dictionary_encoded(encoded[4:6])
        assert same_hash(texts, encoded) and same_hash(texts[4:6], encoded[4:6])

    def test_when_whole_numbers_lie_close(self):
        close = pd.Series([-2, 3, 1, 0, 1, -1, 2, 3])
        far = pd.concat([close, pd.Series([2**62, -(2**63)])], ignore_index=True)
        assert same_hash(close, far[: len(close)].astype(float))
        assert (row_hash(far.to_frame("c"), ["c"], 1)[: len(close)] == row_hash(close.to_frame("c"), ["c"], 1)).all()

    def test_when_times_are_kept_in_another_unit_or_zone(self):
        times = pd.Series(pd.to_datetime(["2024-03-31 01:30:00.123", None, "1969-12-31"], format="ISO8601"))
        zoned = times.dt.tz_localize("UTC")
        assert same_hash(times, times.astype("datetime64[ms]"))
        assert same_hash(zoned, zoned.dt.tz_convert("Europe/Berlin")) and same_hash(times, zoned)

    def test_when_true_and_one_stand_in_one_column(self):
        mixed = pd.Series([True, 1, "1", 1.0, False, 0], dtype=object)
        assert same_hash(mixed, mixed[::-1][::-1])
        backwards = row_hash(pd.DataFrame({"c": mixed[::-1]}), ["c"], 1)[::-1]
        assert (row_hash(pd.DataFrame({"c": mixed}), ["c"], 1) == backwards).all()
        assert len(set(backwards)) == 4


class TestEqualAndDifferentRows:
    def test_equal_rows_are_on_one_side(self, table, rule):
        twice = pd.concat([table, table[::-1]], ignore_index=True)
        train, test = rule.apply(twice)
        assert not len(train.merge(test, on=list(table.columns)))

    def test_values_that_change_places_make_another_row(self):
        frame = pd.DataFrame({"a": ["x", "y"], "b": ["y", "x"]})
        assert len(set(row_hash(frame, ["a", "b"]))) == 2

    @pytest.mark.parametrize("values", [["", None], ["x", "X"], ["a ", "a"], [0, None], ["True", "1"], [2.5, 2]])
    def test_values_that_differ_hash_differently(self, values):
        assert len(set(row_hash(pd.DataFrame({"a": values}, dtype=object), ["a"]))) == 2

    def test_dates_at_the_end_of_time_are_dates_too(self):
        far = pd.DataFrame({"a": np.array(["9999-12-31", "9999-12-30", "2024-01-01"], dtype="datetime64[us]")})
        assert len(set(row_hash(far, ["a"]))) == 3
        assert same_hash(far["a"][2:], pd.Series(["2024-01-01"], dtype="datetime64[ns]"))


class TestTheRule:
    @pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
    def test_the_share_is_near_the_fraction(self, table, fraction):
        share = HashSplit(tuple(table.columns), fraction, 3).is_test(table).mean()
        assert share == pytest.approx(fraction, abs=4 * np.sqrt(fraction * (1 - fraction) / ROWS))

    def test_a_larger_fraction_only_adds_test_rows(self, table, rule):
        larger = HashSplit(rule.columns, 0.4, rule.seed).is_test(table)
        assert larger[rule.is_test(table)].all()

    def test_consecutive_numbers_are_spread_evenly(self):
        frame = pd.DataFrame({"id": np.arange(20_000)})
        sides = HashSplit(("id",), 0.2, 42).is_test(frame)
        assert np.abs(sides.reshape(20, 1000).mean(axis=1) - 0.2).max() < 0.06

    def test_another_seed_is_another_split(self, table, rule):
        other = HashSplit(rule.columns, rule.test_fraction, rule.seed + 1).is_test(table)
        both = (other & rule.is_test(table)).mean()
        assert both == pytest.approx(0.25**2, abs=0.02)  # as of two independent draws

    def test_rows_of_one_key_are_on_one_side(self, table):
        train, test = HashSplit(("whole",), 0.25, 42).apply(table)
        assert not set(train["whole"]) & set(test["whole"])

    def test_every_row_is_on_exactly_one_side_numbered_anew(self, table, rule):
        train, test = rule.apply(table.set_index(pd.Index(range(5000, 5000 + ROWS))))
        assert len(train) + len(test) == ROWS
        assert list(train.index) == list(range(len(train))) and list(test.index) == list(range(len(test)))
        assert list(train.columns) == list(test.columns) == list(table.columns)

    def test_a_key_that_is_not_there_is_told_with_the_nearest(self, table):
        with pytest.raises(NameNotFound, match="no column 'txet'.*key_columns.*Did you mean 'text'"):
            HashSplit(("txet",), 0.2, 1).apply(table)

    @pytest.mark.parametrize(("fraction", "side"), [(0.0, "test"), (1.0, "training")])
    def test_a_side_without_a_row_is_refused(self, table, fraction, side):
        with pytest.raises(DataError, match=f"The {side} side of the split has no rows: {ROWS} rows"):
            HashSplit(("text",), fraction, 1).apply(table)
