"""The suggested split of a new table: by repeated entities, else the columns with times."""

import numpy as np
import pandas as pd
import pytest

from lib.tables.quality.profile import describe
from lib.tables.split.suggestion import suggest_split

ENTITIES, VISITS = 60, 4
ROWS = ENTITIES * VISITS
DAY_NUMBERS = (20240101, 20240102, 20240103)


def suggest(frame, target="y", ignored=()):
    return suggest_split(frame, describe(frame), target, ignored)


def make_table(**columns):
    """Return independent rows with more columns, none of which identifies an entity."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=ROWS), "y": random.integers(0, 2, ROWS)})
    return frame.assign(**columns)


def repeated(values):
    return np.resize(values, ROWS)


class TestKey:
    def test_independent_rows_have_no_key(self):
        suggestion = suggest(make_table())
        assert (suggestion.key_columns, suggestion.reason, suggestion.time_columns) == ([], "", [])

    def test_an_id_with_repeated_values_is_the_key(self):
        suggestion = suggest(make_table(customer_id=repeated(range(500, 500 + ENTITIES))))
        assert suggestion.key_columns == ["customer_id"]
        assert suggestion.reason == "customer_id has 60 distinct values in 240 rows"

    def test_a_column_with_one_target_per_value_is_the_key(self):
        random = np.random.default_rng(1)
        frame = make_table(who=np.repeat(random.permutation(ENTITIES) + 500, VISITS))
        frame["y"] = np.repeat(random.integers(0, 2, ENTITIES), VISITS)
        frame["x"] = np.repeat(random.normal(size=ENTITIES), VISITS) + random.normal(scale=0.01, size=ROWS)
        suggestion = suggest(frame)
        assert suggestion.key_columns == ["who"]
        assert suggestion.reason == "each repeated value of who has one value of y"

    def test_the_groups_of_a_counter_are_the_key(self):
        patients = np.repeat([f"Dr. {number}'s patient" for number in range(ENTITIES)], VISITS)
        suggestion = suggest(make_table(patient=patients, visit=repeated(range(1, VISITS + 1))))
        assert suggestion.key_columns == ["patient"]
        assert suggestion.reason == "visit counts the rows of each patient"
        assert [counter.name for counter in suggestion.counters] == ["visit"]

    def test_a_counter_of_few_groups_gives_no_key(self):
        frame = make_table(clinic=np.repeat(["a", "b", "c", "d"], ROWS // 4), visit=repeated(range(ROWS // 4)))
        suggestion = suggest(frame)
        assert suggestion.key_columns == []
        assert [(counter.name, counter.groups) for counter in suggestion.counters] == [("visit", "clinic")]

    def test_a_counter_of_the_rows_of_a_class_gives_no_key(self):
        frame = make_table().sort_values("y", ignore_index=True)
        frame["sample"] = frame.groupby("y").cumcount()
        suggestion = suggest(frame)
        assert suggestion.key_columns == []
        assert [(counter.name, counter.groups) for counter in suggestion.counters] == [("sample", "y")]

    def test_groups_beyond_the_first_fifty_columns_are_not_compared(self):
        patients = np.repeat([f"Dr. {number}'s patient" for number in range(ENTITIES)], VISITS)
        others = {f"x{number}": np.random.default_rng(number).normal(size=ROWS) for number in range(49)}
        visits = repeated(range(1, VISITS + 1))
        near = suggest(make_table(**{**dict(list(others.items())[:48]), "patient": patients, "visit": visits}))
        far = suggest(make_table(**others, patient=patients, visit=visits))
        assert [counter.groups for counter in near.counters] == ["patient"]
        assert [counter.groups for counter in far.counters] == [""]  # it starts again, but in which group is not known

    @pytest.mark.parametrize("ignored", [["customer_id"], []])
    def test_ignored_columns_are_not_suggested(self, ignored):
        frame = make_table(customer_id=repeated(range(500, 500 + ENTITIES)))
        assert suggest(frame, ignored=ignored).key_columns == ([] if ignored else ["customer_id"])

    def test_the_target_is_not_suggested(self):
        frame = make_table(customer_id=repeated(range(500, 500 + ENTITIES)))
        assert suggest(frame, target="customer_id").key_columns == []

    def test_parts_of_a_date_and_fractions_are_no_key(self):
        frame = make_table(
            year=repeated([2020, 2021]), month=repeated(range(1, 13)), price_id=repeated(np.arange(ENTITIES) / 7)
        )
        suggestion = suggest(frame)
        assert suggestion.key_columns == []
        assert suggestion.date_parts == {"year": "year", "month": "month"}
        assert suggestion.time_columns == ["year", "month"]


class TestTimes:
    def test_the_first_column_of_dates_orders_the_rows(self):
        days = [f"2024-01-{day:02}" for day in range(1, 29)]
        suggestion = suggest(make_table(sold=repeated(days), paid=repeated(days)))
        assert suggestion.time_columns == ["sold"]

    @pytest.mark.parametrize(
        ("name", "values", "is_time"),
        [
            ("unix time", (315_532_800, 4_102_444_800), True),
            ("timestamp", (315_532_799, 4_102_444_800), False),
            ("timestamp", (315_532_800, 4_102_444_801), False),
            ("ts", (315_532_800_000, 4_102_444_800_000), True),
            ("ts", (315_532_799_999, 4_102_444_800_000), False),
            ("ts", (315_532_800_000, 4_102_444_800_001), False),
            ("order date", (19_000_101, 21_001_231), True),
            ("order date", (19_000_100, 21_001_231), False),
            ("order date", (19_000_101, 21_001_232), False),
            ("Order Datum", DAY_NUMBERS, True),
            ("amount", DAY_NUMBERS, False),
            ("date of sale", DAY_NUMBERS, False),
        ],
    )
    def test_whole_numbers_are_times_by_name_and_range(self, name, values, is_time):
        suggestion = suggest(make_table(**{name: repeated(values)}))
        assert suggestion.time_columns == ([name] if is_time else [])

    def test_other_kinds_of_columns_are_no_times(self):
        frame = make_table(
            time=repeated(np.array(DAY_NUMBERS) + 0.5),
            date=np.full(ROWS, np.nan),
            timestamp=repeated([True, False]),
            datetime=repeated(["early", "late", "never"]),
        )
        assert suggest(frame).time_columns == []

    def test_ignored_times_are_not_suggested(self):
        assert suggest(make_table(date=repeated(DAY_NUMBERS)), ignored=["date"]).time_columns == []
