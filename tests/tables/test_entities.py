"""Repeated entities, counters that start again, and date parts, recognized by their values."""

import numpy as np
import pandas as pd
import pytest

from lib.tables import proposal
from lib.tables.quality.counters import find_counter
from lib.tables.quality.date_parts import find_date_parts, list_time_columns
from lib.tables.quality.entities import find_entity_key
from lib.tables.quality.profile import describe

ENTITIES, VISITS = 120, 6
ROWS = ENTITIES * VISITS


def make_visits(seed=0, noise=0.05):
    """Return patients with several rows each, similar features and one diagnosis, which the features do not tell."""
    random = np.random.default_rng(seed)
    places = np.repeat(np.arange(ENTITIES), VISITS)
    frame = pd.DataFrame({f"m{i}": random.normal(size=ENTITIES)[places] for i in range(4)})
    frame += random.normal(scale=noise, size=frame.shape)
    return frame.assign(who=random.permutation(ENTITIES)[places], sick=random.integers(0, 2, ENTITIES)[places])


class TestEntities:
    @pytest.mark.parametrize("seed", range(5))
    def test_column_of_one_target_per_value_is_found_under_any_name(self, seed):
        frame = make_visits(seed).sample(frac=1, random_state=seed, ignore_index=True)
        assert find_entity_key(frame, "sick") == ["who"]
        texts = frame["who"].map("P{:03}".format)
        assert find_entity_key(frame.assign(who=texts), "sick") == ["who"]

    def test_numbers_sorted_by_class_are_found(self):
        frame = make_visits().sort_values("sick", kind="stable", ignore_index=True)
        frame["who"] = pd.factorize(frame["who"])[0]
        assert find_entity_key(frame, "sick") == ["who"]

    def test_few_wrong_labels_and_rare_classes_are_tolerated(self):
        frame = make_visits()
        frame["sick"] = (frame["who"] % 10 == 3).astype(int)
        assert find_entity_key(frame, "sick") == ["who"]
        frame.loc[7, "sick"] = 1 - frame.loc[7, "sick"]
        assert find_entity_key(frame, "sick") == ["who"]

    def test_targets_may_be_amounts(self):
        frame = make_visits()
        amounts = np.random.default_rng(1).normal(size=ENTITIES)
        assert find_entity_key(frame.assign(sick=amounts[frame["who"]]), "sick") == ["who"]

    def test_numbers_that_start_again_are_found_with_their_group(self):
        frame = make_visits()
        frame["clinic"], frame["nr"] = np.divmod(frame.pop("who"), 30)
        assert find_entity_key(frame, "sick") == ["clinic", "nr"]

    @pytest.mark.parametrize("leak", [{"no": "S1", "yes": "S2"}, {"no": 1, "yes": 0}])
    def test_a_leak_is_no_half_of_an_entity(self, leak):
        random = np.random.default_rng(0)
        frame = pd.DataFrame({"x": random.normal(size=1_000), "count": random.poisson(4, 1_000)})
        frame["y"] = random.choice(["no", "yes"], 1_000)
        assert find_entity_key(frame.assign(leak=frame["y"].map(leak)), "y") == []

    def test_large_table_is_sampled_by_value(self):
        random = np.random.default_rng(0)
        who = random.permutation(np.repeat(np.arange(60_000), 2))
        frame = pd.DataFrame({"x": random.normal(size=120_000), "who": who})
        assert find_entity_key(frame.assign(y=random.integers(0, 2, 60_000)[who]), "y") == ["who"]
        assert find_entity_key(frame.assign(y=random.integers(0, 2, 120_000)), "y") == []

    @pytest.mark.parametrize("seed", range(10))
    def test_features_categories_and_near_unique_numbers_are_no_entities(self, seed):
        random = np.random.default_rng(seed)
        x = random.normal(size=400)
        frame = pd.DataFrame(
            {
                "decides": (x * 40).round().astype(int),
                "predicts": (x * 20 + random.normal(size=400)).round().astype(int),
                "near_unique": random.choice(3_000, 400),
                "category": random.choice(list("abcdef"), 400),
                "city": random.choice([f"city {i}" for i in range(60)], 400),
                "follows": (x * 40).round().astype(int) // 3,
                "y": np.where(x > 0.2, "yes", "no"),
            }
        )
        assert find_entity_key(frame, "y") == []

    @pytest.mark.parametrize("seed", range(5))
    def test_copies_of_rows_are_no_entities(self, seed):
        random = np.random.default_rng(seed)
        frame = pd.DataFrame({"a": random.integers(0, 10_000, 200), "b": random.normal(size=200)})
        frame["y"] = random.integers(0, 2, 200)
        assert find_entity_key(pd.concat([frame] * 3, ignore_index=True), "y") == []


class TestCounters:
    def test_counter_of_each_group_is_found_in_any_order(self):
        frame = make_visits().assign(visit=np.tile(np.arange(1, VISITS + 1), ENTITIES))
        counter = find_counter(frame.sample(frac=1, random_state=0), "visit", ["sick", "who"])
        assert (counter.groups, counter.starts) == ("who", ENTITIES)

    def test_counter_of_the_file_is_found_in_its_order(self):
        numbers = [*range(40), *range(25), *range(60)]
        frame = pd.DataFrame({"row": numbers, "x": 0})
        assert find_counter(frame, "row", ["x"]).starts == 3
        assert find_counter(frame.sample(frac=1, random_state=0), "row", ["x"]) is None

    @pytest.mark.parametrize("values", [[0, 1] * 50, list(range(100)), [1, 2, 3, 5] * 25, [3, 4, 5] * 30])
    def test_other_numbers_are_no_counters(self, values):
        assert find_counter(pd.DataFrame({"n": values, "x": 0}), "n", ["x"]) is None


class TestDateParts:
    def parts(self, **ranges):
        frame = pd.DataFrame({name: np.resize(np.arange(*limits), 400) for name, limits in ranges.items()})
        columns = describe(frame)
        found = find_date_parts(columns.values())
        return found, list_time_columns(found, columns)

    def test_parts_are_found_by_name_and_range(self):
        found, times = self.parts(Year=(2011, 2014), Month=(1, 13), day=(1, 32), hr=(0, 24), weekday=(0, 7))
        assert list(found) == ["year", "month", "day", "hour", "weekday"] and times == ["Year", "Month", "day", "hr"]

    def test_months_may_be_names(self):
        columns = describe(pd.DataFrame({"Month": ["Jan", "Feb", "Sept"] * 100, "shift": ["May", "late", "day"] * 100}))
        assert find_date_parts(columns.values()) == {"month": "Month"}

    def test_parts_of_one_date_belong_together(self):
        found, times = self.parts(**{"Year Built": (1900, 2000), "Mo Sold": (1, 13), "Yr Sold": (2006, 2011)})
        assert found == {"month": "Mo Sold", "year": "Yr Sold"} and times == ["Yr Sold", "Mo Sold"]

    def test_other_numbers_are_no_parts(self):
        assert self.parts(day=(100, 300), month=(2_000, 2_100), Year_Built=(1900, 2000))[1] == []


class TestProposal:
    def proposal(self, frame, target="sick"):
        proposed = proposal.propose(frame, target)
        return proposed.parameters, {aspect: (finding, decision) for aspect, finding, decision in proposed.findings}

    def test_entities_are_split_by_group_and_hidden(self):
        parameters, findings = self.proposal(make_visits())
        assert (parameters["split"], parameters["key_columns"]) == ("group", ["who"])
        assert "who" in parameters["drop_columns"]
        assert findings["groups"] == ("each repeated value of who has one value of sick", "split by group")

    def test_counter_of_the_rows_of_a_class_is_dropped(self):
        frame = make_visits().drop(columns="who").sort_values("sick", ignore_index=True)
        frame["sample"] = frame.groupby("sick").cumcount() + 1
        parameters, findings = self.proposal(frame)
        assert "sample" in parameters["drop_columns"] and "counts the rows of each sick" in findings["counter"][0]

    def test_counter_shows_the_groups_that_belong_together(self):
        frame = make_visits().assign(visit=np.tile(np.arange(1, VISITS + 1), ENTITIES))
        frame["sick"] = np.random.default_rng(5).integers(0, 2, ROWS)
        parameters, findings = self.proposal(frame)
        assert (parameters["split"], parameters["key_columns"]) == ("group", ["who"])
        assert (
            "visit" not in parameters["drop_columns"] and findings["groups"][0] == "visit counts the rows of each who"
        )

    def test_split_by_time_is_offered_for_timestamps_and_date_parts(self):
        frame = make_visits().drop(columns="who")
        frame["sick"] = np.random.default_rng(5).integers(0, 2, ROWS)
        _, findings = self.proposal(frame.assign(timestamp=1_700_000_000 + 1_234 * np.arange(ROWS)[::-1]))
        assert "set split: time and time_column: timestamp" in findings["dates"][1]
        parts = {"year": 2020 + np.arange(ROWS) % 3, "month": 1 + np.arange(ROWS) % 12}
        _, findings = self.proposal(frame.assign(**parts))
        assert findings["dates"][0] == "when" and "split: time and time_column: when" in findings["dates"][1]
