"""Hash split: a row keeps its side, whatever happens to the table around it."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import DataError, NameNotFound
from lib.tables import frames
from lib.tables.files import categoricals, parquet_writer
from lib.tables.split.rules import HashSplit, row_hash

ROWS = 2000


@pytest.fixture(scope="module")
def table():
    """A table with missing values and a column of each type that is hashed differently."""
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


def have_equal_hashes(values, other_values):
    """Return whether each row hashes the same in two columns."""
    return (column_hash(values) == column_hash(other_values)).all()


def column_hash(values):
    return row_hash(pd.DataFrame({"c": values}), ["c"], 1)


class TestHash:
    """These hashes decided which rows tested every earlier model.

    If they changed, champions would be tested on rows that they were trained on.
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

    def test_never_changes_for_another_seed(self):
        expected = [578443619633668088, 12705552727759388967, 9322883062421283853]
        assert row_hash(self.frame, list("abcd"), seed=0).tolist() == expected


class TestRowKeepsItsSide:
    def test_when_rows_are_appended(self, table, rule):
        more = pd.concat([table, table.assign(whole=999, text="new")], ignore_index=True)
        assert (rule.is_test(more)[:ROWS] == rule.is_test(table)).all()

    def test_when_rows_are_shuffled(self, table, rule):
        shuffled = table.sample(frac=1, random_state=1)
        assert (rule.is_test(shuffled) == rule.is_test(table)[shuffled.index]).all()

    def test_when_it_is_the_only_row(self, table, rule):
        sides = [rule.is_test(table.iloc[[row]])[0] for row in range(20)]
        assert sides == list(rule.is_test(table)[:20])

    def test_when_the_table_has_several_blocks(self):
        numbers = np.random.default_rng(3).permutation(300_001)
        missing = numbers % 7 == 0
        frame = pd.DataFrame(
            {
                "decimal": np.where(missing, np.nan, numbers / 8),
                "large": numbers * 1_000_003,
                "small": numbers % 100 - 50,
                "flag": numbers % 2 == 0,
                "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(numbers, "min"),
                "text": pd.Series([f"t{number % 1000}" for number in numbers], dtype=categoricals.ARROW_STRING),
            }
        )
        frame["category"] = frame["text"].where(~missing).astype("category")
        parts = [frame.iloc[start : start + 20_000] for start in range(0, len(frame), 20_000)]
        for columns in ([name] for name in frame.columns):
            expected = np.concatenate([row_hash(part, columns, seed=5) for part in parts])
            assert (row_hash(frame, columns, seed=5) == expected).all(), columns
        together = np.concatenate([row_hash(part, list(frame.columns)) for part in parts])
        assert (row_hash(frame, list(frame.columns)) == together).all()

    def test_when_columns_are_reordered(self, table, rule):
        other = HashSplit(rule.columns[::-1], rule.test_fraction, rule.seed)
        assert (other.is_test(table[table.columns[::-1]]) == rule.is_test(table)).all()

    def test_when_an_empty_column_is_added(self, table, rule):
        wider = HashSplit((*rule.columns, "new"), rule.test_fraction, rule.seed)
        assert (wider.is_test(table.assign(new=None)) == rule.is_test(table)).all()

    def test_when_the_table_is_written_and_read(self, table, rule, tmp_path):
        parquet_writer.write(table, tmp_path / "t.parquet")
        table.to_csv(tmp_path / "t.csv", index=False)
        assert (rule.is_test(frames.read(tmp_path / "t.parquet")) == rule.is_test(table)).all()
        undated = HashSplit(("whole", "decimal", "text", "flag"), 0.25, 42)
        assert (undated.is_test(frames.read(tmp_path / "t.csv")) == undated.is_test(table)).all()

    @pytest.mark.parametrize("kind", ["float64", "int8", "Int64", "str", "category", "object", "string"])
    def test_when_integers_have_another_type(self, kind):
        numbers = pd.Series([3, -7, 0, 120])
        assert have_equal_hashes(numbers, numbers.astype(kind))

    def test_when_floats_become_text(self):
        numbers = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250)
        assert have_equal_hashes(numbers, [repr(float(number)) for number in numbers])
        assert have_equal_hashes([0.5, -0.0], ["0.50", "0"])

    def test_when_a_value_goes_missing_in_another_row(self):
        assert have_equal_hashes(pd.Series([1, 2]), pd.Series([1, 2, None])[:2])
        assert have_equal_hashes(pd.Series([True, False]), pd.Series([True, False, None])[:2])
        assert have_equal_hashes(pd.Series([True, False]), pd.array([True, False], dtype="boolean"))

    def test_when_text_becomes_categorical(self):
        texts = pd.Series(["b", "a", None, "b", "12"])
        assert have_equal_hashes(texts, texts.astype("category")) and have_equal_hashes(texts, texts.astype("string"))

    def test_when_text_is_dictionary_encoded(self):
        texts = pd.Series(["b", "a", None, "b", "012", "1e3", ""] * 3, dtype=categoricals.ARROW_STRING)
        encoded = texts.astype("category")
        assert categoricals.is_dictionary_encoded(encoded) and categoricals.is_dictionary_encoded(encoded[4:6])
        assert have_equal_hashes(texts, encoded) and have_equal_hashes(texts[4:6], encoded[4:6])

    def test_when_integers_span_a_small_range(self):
        small_range = pd.Series([-2, 3, 1, 0, 1, -1, 2, 3])
        large_range = pd.concat([small_range, pd.Series([2**62, -(2**63)])], ignore_index=True)
        assert have_equal_hashes(small_range, large_range[: len(small_range)].astype(float))
        assert (column_hash(large_range)[: len(small_range)] == column_hash(small_range)).all()

    def test_when_times_have_another_unit_or_zone(self):
        times = pd.Series(pd.to_datetime(["2024-03-31 01:30:00.123", None, "1969-12-31"], format="ISO8601"))
        zoned = times.dt.tz_localize("UTC")
        assert have_equal_hashes(times, times.astype("datetime64[ms]"))
        assert have_equal_hashes(zoned, zoned.dt.tz_convert("Europe/Berlin")) and have_equal_hashes(times, zoned)

    def test_when_a_column_mixes_true_and_one(self):
        mixed = pd.Series([True, 1, "1", 1.0, False, 0], dtype=object)
        assert have_equal_hashes(mixed, mixed[::-1][::-1])
        backwards = column_hash(mixed[::-1])[::-1]
        assert (column_hash(mixed) == backwards).all()
        assert len(set(backwards)) == 4


class TestEqualAndDifferentRows:
    def test_equal_rows_are_on_one_side(self, table, rule):
        twice = pd.concat([table, table[::-1]], ignore_index=True)
        train, test = rule.apply(twice)
        assert not len(train.merge(test, on=list(table.columns)))

    def test_swapped_values_change_the_hash(self):
        frame = pd.DataFrame({"a": ["x", "y"], "b": ["y", "x"]})
        assert len(set(row_hash(frame, ["a", "b"]))) == 2

    @pytest.mark.parametrize("values", [["", None], ["x", "X"], ["a ", "a"], [0, None], ["True", "1"], [2.5, 2]])
    def test_different_values_have_different_hashes(self, values):
        assert len(set(row_hash(pd.DataFrame({"a": values}, dtype=object), ["a"]))) == 2

    def test_dates_beyond_nanoseconds_are_hashed(self):
        far = pd.DataFrame({"a": np.array(["9999-12-31", "9999-12-30", "2024-01-01"], dtype="datetime64[us]")})
        assert len(set(row_hash(far, ["a"]))) == 3
        assert have_equal_hashes(far["a"][2:], pd.Series(["2024-01-01"], dtype="datetime64[ns]"))


class TestHashSplit:
    @pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.9])
    def test_share_of_test_rows_is_near_the_fraction(self, table, fraction):
        share = HashSplit(tuple(table.columns), fraction, 3).is_test(table).mean()
        assert share == pytest.approx(fraction, abs=4 * np.sqrt(fraction * (1 - fraction) / ROWS))

    def test_a_larger_fraction_only_adds_test_rows(self, table, rule):
        larger = HashSplit(rule.columns, 0.4, rule.seed).is_test(table)
        assert larger[rule.is_test(table)].all()

    def test_consecutive_numbers_are_spread_evenly(self):
        frame = pd.DataFrame({"id": np.arange(20_000)})
        sides = HashSplit(("id",), 0.2, 42).is_test(frame)
        assert np.abs(sides.reshape(20, 1000).mean(axis=1) - 0.2).max() < 0.06

    def test_another_seed_gives_an_independent_split(self, table, rule):
        other = HashSplit(rule.columns, rule.test_fraction, rule.seed + 1).is_test(table)
        both = (other & rule.is_test(table)).mean()
        assert both == pytest.approx(0.25**2, abs=0.02)  # as for independent draws

    def test_rows_of_one_key_are_on_one_side(self, table):
        train, test = HashSplit(("whole",), 0.25, 42).apply(table)
        assert not set(train["whole"]) & set(test["whole"])

    def test_every_row_is_on_one_side_with_a_new_index(self, table, rule):
        train, test = rule.apply(table.set_index(pd.Index(range(5000, 5000 + ROWS))))
        assert len(train) + len(test) == ROWS
        assert list(train.index) == list(range(len(train))) and list(test.index) == list(range(len(test)))
        assert list(train.columns) == list(test.columns) == list(table.columns)

    def test_unknown_key_is_refused_with_a_suggestion(self, table):
        with pytest.raises(NameNotFound, match="no column 'txet'.*key_columns.*Did you mean 'text'"):
            HashSplit(("txet",), 0.2, 1).apply(table)

    @pytest.mark.parametrize(("fraction", "side"), [(0.0, "test"), (1.0, "training")])
    def test_empty_side_is_refused(self, table, fraction, side):
        rule = HashSplit(("text",), fraction, 1)
        with pytest.raises(DataError, match=f"The {side} side of the split has no rows: {ROWS} rows"):
            rule.check_sides(*map(len, rule.apply(table)), keys=5)

    def test_known_sides_are_used(self, table, rule):
        is_test = rule.is_test(table)
        for expected, rows in zip(rule.apply(table), rule.apply(table, is_test=is_test), strict=True):
            pd.testing.assert_frame_equal(rows, expected)
        train, test = rule.apply(table, is_test=~is_test)
        assert (len(train), len(test)) == (is_test.sum(), (~is_test).sum())
