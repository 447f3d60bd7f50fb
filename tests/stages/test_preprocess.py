"""The preprocess stage on a small table: its outputs, and the tables that it rejects."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.errors import CodeError, DataError, NameNotFound, StageError
from lib.pipelines.base import BasePipeline
from lib.schema.table_schema import TableSchema
from lib.stages._train_test import describe_columns
from tests.workspaces import NAME, ROWS, pipeline_in, preprocess, table, versions_of


def read_sides(pipeline, result):
    """Return the training rows and the test rows."""
    return pipeline.backend.read_table(result.train_data), pipeline.backend.read_table(result.test_data)


def write_raw(workspace, frame):
    """Replace the raw table of a workspace."""
    frame.to_csv(workspace / "shop.csv", index=False)


class TestOutputs:
    def test_sizes_add_up(self, workspace):
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        train, test = read_sides(pipeline, result)
        assert list(result.sizes.index) == ["read", "dropped columns", "prepared", "train", "test"]
        assert list(result.sizes["rows"]) == [ROWS, ROWS, ROWS, len(train), len(test)]
        assert list(result.sizes["columns"]) == [5, 4, 4, 4, 4]
        assert len(train) + len(test) == ROWS
        assert result.sizes.loc["dropped columns", "details"] == "price"
        assert result.sizes.loc["train", "details"] == "by a hash of all features"

    def test_rows_that_miss_several_keys_are_counted_once(self, workspace):
        frame = table().assign(shop=1.0, street="a")
        frame.loc[[3, 5], ["shop", "street"]] = None
        frame["street"] = frame["street"].where(frame.index % 7 > 0, frame.index.astype(str))
        write_raw(workspace, frame)
        result = preprocess(pipeline_in(workspace, split="group", key_columns=["shop", "street"]))
        assert result.sizes.loc["train", "details"].endswith(
            "; 2 rows have a missing key; rows without a key form one group"
        )

    def test_leaking_column_is_reported_and_kept(self, workspace):
        frame = table()
        write_raw(workspace, frame.assign(paid=(frame["bought"] == "yes") * 9.5 + frame["luck"].fillna(0) * 0.1))
        result = preprocess(pipeline_in(workspace))
        assert list(result.sizes.index)[-2:] == ["test", "leak"] and "paid" in result.columns.index
        assert "paid predicts bought alone (AUC 1.000)." in result.sizes.loc["leak", "details"]

    def test_columns_that_add_up_to_the_target_are_reported(self, workspace):
        frame = table()
        write_raw(
            workspace, frame.assign(a=frame["price"] - frame["size"] * 7, b=frame["size"] * 7).drop(columns="size")
        )
        result = preprocess(
            pipeline_in(
                workspace, target_column="price", task="regression", primary_metric="r2", drop_columns=["bought"]
            )
        )
        assert "a, b add up to price." in result.sizes.loc["leak", "details"]

    def test_columns_table_has_types_missing_values_and_a_sample(self, workspace):
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        train, _ = read_sides(pipeline, result)
        assert list(result.columns.index) == list(train.columns)
        assert result.columns.loc["luck", "type"] == "float64"
        assert result.columns["kind"].to_dict() == {
            "size": "number",
            "luck": "number",
            "colour": "category",
            "bought": "target",
        }
        missing = train["luck"].isna()
        assert result.columns.loc["luck", "missing"] == f"{missing.sum()} ({missing.mean():.1%})"
        assert result.columns.loc["colour", "distinct"] == "2"
        assert not [column for column in result.columns.columns if column.startswith("row")]
        result = preprocess(pipeline_in(workspace, show_rows=2, private_columns=["luck"]))
        assert set(result.columns.loc["luck", ["row 0", "row 1"]]) == {"[private]"}
        assert result.columns.loc["colour", "row 0"] == train["colour"][0]
        assert result.columns.loc["size", "row 1"] == f"{train['size'][1]:.6g}"

    def test_columns_table_shows_years_without_separators(self):
        description = describe_columns(
            pd.DataFrame({"year": [1960, 2024], "area": [141.0, 80.25], "size": ["S", None]}), TableSchema({}), 2
        )
        assert description[["row 0", "row 1"]].T.to_dict("list") == {
            "year": ["1960", "2024"],
            "area": ["141", "80.25"],
            "size": ["S", ""],
        }

    def test_baseline_contains_training_rows_and_split_rule(self, workspace):
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        baseline = pipeline.backend.read_json(result.baseline)
        assert baseline["rows"] == len(read_sides(pipeline, result)[0])
        assert baseline["split"] == {
            "columns": ["colour", "luck", "size"],
            "test_fraction": 0.2,
            "seed": 42,
            "normalized": True,
        }

    def test_same_table_gives_the_same_uris(self, workspace):
        first, second = preprocess(pipeline_in(workspace)), preprocess(pipeline_in(workspace))
        assert (first.train_data, first.test_data, first.baseline) == (
            second.train_data,
            second.test_data,
            second.baseline,
        )

    def test_rows_keep_their_side_when_the_table_grows(self, workspace):
        pipeline = pipeline_in(workspace)
        train, test = read_sides(pipeline, preprocess(pipeline))
        write_raw(workspace, pd.concat([table(rows=100, seed=5), table()]).sample(frac=1, random_state=1))
        more_train, more_test = read_sides(pipeline, preprocess(pipeline))
        assert set(train["size"]) <= set(more_train["size"])
        assert set(test["size"]) <= set(more_test["size"])
        assert len(more_train) + len(more_test) == ROWS + 100

    def test_seed_changes_the_split(self, workspace):
        sides = [
            read_sides(pipeline, preprocess(pipeline))[1]["size"].tolist()
            for pipeline in (pipeline_in(workspace, seed=1), pipeline_in(workspace, seed=2))
        ]
        assert set(sides[0]) != set(sides[1])

    def test_dropped_key_splits_the_rows_but_is_hidden_from_models(self, workspace):
        write_raw(workspace, table().assign(customer=[f"c{number % 50}" for number in range(ROWS)]))
        sides = {}

        class RecordingPipeline(BasePipeline):
            def split_data(self, frame, rule):
                sides["train"], sides["test"] = super().split_data(frame, rule)
                return sides["train"], sides["test"]

        changes = {"key_columns": ["customer"], "drop_columns": ["price", "customer"]}
        pipeline = pipeline_in(workspace, RecordingPipeline, **changes)
        result = preprocess(pipeline)
        assert not set(sides["train"]["customer"]) & set(sides["test"]["customer"])
        train, test = read_sides(pipeline, result)
        assert "customer" not in train and "customer" not in test
        assert result.sizes.loc["train", "details"] == "by a hash of customer"

    def test_saved_index_is_dropped(self, workspace):
        table().to_csv(workspace / "shop.csv")
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        assert "Unnamed: 0" in result.sizes.loc["dropped columns", "details"]
        assert list(read_sides(pipeline, result)[0].columns) == ["size", "luck", "colour", "bought"]

    def test_duplicate_column_is_renamed_and_reported(self, workspace):
        text = table().to_csv(index=False)
        (workspace / "shop.csv").write_text(text.replace("size,luck", "size,size", 1))
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        assert list(read_sides(pipeline, result)[0].columns) == ["size", "size.2", "colour", "bought"]
        assert "Column 2 repeats the name 'size' and was renamed to 'size.2'." in result.sizes.loc["read", "details"]

    def test_missing_targets_and_infinite_values_are_reported(self, workspace):
        frame = table()
        frame.loc[:9, "bought"] = None
        frame.loc[20:21, "size"] = float("inf")
        write_raw(workspace, frame)
        notes = preprocess(pipeline_in(workspace)).sizes.loc["prepared", "details"]
        assert "Dropped 10 rows without a value of bought." in notes
        assert "2 infinite values of size count as missing." in notes

    def test_regression_target_stays_numeric(self, workspace):
        changes = {"target_column": "price", "drop_columns": ["bought"], "task": "regression", "primary_metric": "r2"}
        pipeline = pipeline_in(workspace, **changes)
        train, _ = read_sides(pipeline, preprocess(pipeline))
        assert train["price"].dtype == "float64"


class TestSplit:
    def test_repeated_rows_are_counted_and_share_a_side(self, workspace):
        frame = pd.concat([table()] * 3, ignore_index=True)
        other_label = frame.head(5).assign(bought=frame["bought"].head(5).map({"yes": "no", "no": "yes"}))
        write_raw(workspace, pd.concat([frame, other_label]))
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        note = result.sizes.loc["duplicates", "details"]
        assert "480 of 725 rows repeat another row; the most frequent one occurs 3 times." in note
        assert "240 distinct combinations of features have 245 combinations with bought" in note
        train, test = read_sides(pipeline, result)
        assert not set(train["size"]) & set(test["size"])

    def test_class_shares_of_both_sides_are_shown(self, workspace):
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        train, test = read_sides(pipeline, result)
        shares = [f"{(rows['bought'] == 'no').mean():.1%}" for rows in (train, test)]
        details = result.sizes.loc["test", "details"]
        assert "Classes in training and test rows: " in details and f"no {shares[0]} and {shares[1]}" in details

    def test_row_repeated_more_often_than_the_test_has_rows_is_reported(self, workspace):
        frame = table()
        write_raw(workspace, pd.concat([frame, *[frame.head(1)] * 120], ignore_index=True))
        pipeline = pipeline_in(workspace)
        result = preprocess(pipeline)
        train, test = read_sides(pipeline, result)
        assert len(test) / (len(test) + len(train)) == pytest.approx(0.2, abs=0.01)
        note = result.sizes.loc["train", "details"]
        assert "the largest group, rows with equal features, has 121 rows (33.6% of all) and trains" in note

    def test_group_larger_than_the_test_is_named(self, workspace):
        frame = table().assign(customer=[7] * 100 + list(range(100, 240)))
        write_raw(workspace, frame)
        result = preprocess(pipeline_in(workspace, split="group", key_columns=["customer"]))
        assert "the largest group, customer 7, has 100 rows (41.7% of all)" in result.sizes.loc["train", "details"]

    def test_keys_that_differ_in_spaces_are_one_group(self, workspace):
        frame = table().assign(customer=[f"c{row % 40}" + " " * (row % 3 == 0) for row in range(ROWS)])
        frame.to_parquet(workspace / "shop.parquet")
        changes = {"split": "group", "key_columns": ["customer"], "data": str(workspace / "shop.parquet")}
        pipeline = pipeline_in(workspace, **changes)
        train, test = read_sides(pipeline, preprocess(pipeline))
        assert not set(train["customer"].str.strip()) & set(test["customer"].str.strip())

    def test_repeated_entities_on_both_sides_are_reported(self, workspace):
        frame = table(40).drop(columns="bought").loc[np.repeat(np.arange(40), 6)].reset_index(drop=True)
        frame["size"] += np.random.default_rng(0).normal(scale=0.01, size=ROWS)
        frame = frame.assign(client=np.repeat(np.arange(40), 6) * 7 % 40)
        frame["bought"] = np.random.default_rng(1).choice(["yes", "no"], 40)[frame["client"]]
        write_raw(workspace, frame)
        note = preprocess(pipeline_in(workspace)).sizes.loc["groups", "details"]
        assert "Each repeated value of client has one value of bought" in note
        assert "Set split: group and key_columns: [client]" in note
        by_group = preprocess(pipeline_in(workspace, split="group", key_columns=["client"]))
        assert "groups" not in by_group.sizes.index

    def test_ties_in_time_are_the_reason_for_another_share(self, workspace):
        frame = table().assign(when=["2024-04-01"] * 200 + ["2024-05-01"] * 40)
        write_raw(workspace, frame)
        result = preprocess(pipeline_in(workspace, split="time", time_column="when", test_fraction=0.3))
        assert result.sizes.loc["train", "details"] == "by time: when before 2024-05-01"
        assert result.sizes.loc["test", "details"].startswith(
            "16.7% of the rows, not 30.0%: rows with the same when share a side, so the nearest cut is between "
            "2024-04-01 and 2024-05-01."
        )


class PreparingPipeline(BasePipeline):
    """Base of pipelines whose `prepare_data` is a function of a test."""

    prepare = staticmethod(lambda frame: frame)

    def prepare_data(self, frame):
        return self.prepare(frame)


def pipeline_with(prepare):
    """Return a pipeline class with a function as its `prepare_data`."""
    return type("TestPipeline", (PreparingPipeline,), {"prepare": staticmethod(prepare)})


class TestRejections:
    """Rejected tables give the reason; nothing is written, registered or published."""

    @pytest.fixture(autouse=True)
    def check_nothing_was_written(self, workspace):
        yield
        pipeline = pipeline_in(workspace)
        assert versions_of(pipeline) == ([], None)
        assert not list(workspace.rglob("*.parquet"))
        assert pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data") is None
        runs = pipeline.backend.tracking.client.search_runs([pipeline.backend.tracking.experiment_id(NAME)])
        assert [run.info.status for run in runs] == ["FAILED"]

    def test_too_few_rows_are_rejected(self, workspace):
        write_raw(workspace, table(rows=19))
        with pytest.raises(DataError, match="Only 19 rows have a value of bought; .* at least 20"):
            preprocess(pipeline_in(workspace))

    def test_unknown_target_suggests_the_nearest_column(self, workspace):
        with pytest.raises(NameNotFound, match="no column 'bougth' in the prepared table. Did you mean 'bought'"):
            preprocess(pipeline_in(workspace, target_column="bougth"))

    def test_target_with_one_class_is_rejected(self, workspace):
        write_raw(workspace, table().assign(bought="yes"))
        with pytest.raises(DataError, match=r"The target bought has only one class \('yes'\)"):
            preprocess(pipeline_in(workspace))

    def test_binary_target_with_three_classes_is_rejected(self, workspace):
        write_raw(workspace, table().assign(bought=["yes", "no", "maybe"] * 80))
        with pytest.raises(DataError, match="bought of a binary task has 3 classes .* Set task to multiclass"):
            preprocess(pipeline_in(workspace))

    def test_regression_target_with_text_is_rejected(self, workspace):
        with pytest.raises(DataError, match="target bought of a regression must contain numbers"):
            preprocess(pipeline_in(workspace, task="regression", primary_metric="r2"))

    def test_unknown_drop_column_suggests_the_nearest_column(self, workspace):
        with pytest.raises(NameNotFound, match=r"no column 'prise' in .*\(drop_columns\). Did you mean 'price'"):
            preprocess(pipeline_in(workspace, drop_columns=["prise"]))

    def test_unknown_key_column_suggests_the_nearest_column(self, workspace):
        with pytest.raises(NameNotFound, match=r"no column 'color' .*\(key_columns\). Did you mean 'colour'"):
            preprocess(pipeline_in(workspace, key_columns=["color"]))

    def test_duplicate_target_column_is_rejected(self, workspace):
        text = (
            (workspace / "shop.csv").read_text() if (workspace / "shop.csv").exists() else table().to_csv(index=False)
        )
        (workspace / "shop.csv").write_text(text.replace("size,luck", "bought,luck", 1))
        with pytest.raises(DataError, match=r"the table has 2 columns named 'bought': columns 1 and 4"):
            preprocess(pipeline_in(workspace))

    def test_missing_file_is_rejected(self, workspace):
        pipeline = pipeline_in(workspace)
        (workspace / "shop.csv").unlink()
        with pytest.raises(DataError, match=r"There is no file .*shop\.csv"):
            preprocess(pipeline)

    def test_table_without_features_is_rejected(self, workspace):
        changes = {"key_columns": ["size"], "drop_columns": ["price", "luck", "colour", "size"]}
        with pytest.raises(DataError, match="no column besides the target bought"):
            preprocess(pipeline_in(workspace, **changes))

    def test_prepare_data_that_returns_none_is_rejected(self, workspace):
        with pytest.raises(StageError, match="prepare_data returned NoneType; expected a DataFrame"):
            preprocess(pipeline_in(workspace, pipeline_with(lambda frame: None)))

    def test_prepare_data_that_returns_no_rows_is_rejected(self, workspace):
        with pytest.raises(DataError, match="prepare_data returned no rows"):
            preprocess(pipeline_in(workspace, pipeline_with(lambda frame: frame[:0])))

    def test_prepare_data_that_drops_the_target_is_rejected(self, workspace):
        with pytest.raises(NameNotFound, match="no column 'bought' in the prepared table"):
            preprocess(pipeline_in(workspace, pipeline_with(lambda frame: frame.drop(columns="bought"))))

    @pytest.mark.parametrize("task", ["binary", "regression"])
    @pytest.mark.parametrize(("side", "first_test_row"), [("test", ROWS), ("training", 0)])
    def test_split_data_with_an_empty_side_is_rejected(self, workspace, task, side, first_test_row):
        class OneSided(BasePipeline):
            def split_data(self, frame, rule):
                return frame[:first_test_row], frame[first_test_row:]

        regression = {"target_column": "price", "drop_columns": ["bought"], "task": task, "primary_metric": "r2"}
        with pytest.raises(DataError, match=f"The split leaves no {side} rows; .* Check what split_data"):
            preprocess(pipeline_in(workspace, OneSided, **(regression if task == "regression" else {})))

    def test_training_rows_with_one_class_are_rejected(self, workspace):
        class Sorted(BasePipeline):
            def split_data(self, frame, rule):
                return frame[frame["bought"] == "no"], frame[frame["bought"] == "yes"]

        with pytest.raises(DataError, match="training rows have bought = 'no'"):
            preprocess(pipeline_in(workspace, Sorted))


def test_baseline_file_is_strict_json(workspace):
    result = preprocess(pipeline_in(workspace))
    text = pipeline_in(workspace).backend.local_copy(result.baseline).read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_hook_that_reads_a_dropped_column_is_told_so(workspace):
    class Joining(BasePipeline):
        def prepare_data(self, frame):
            return frame.merge(pd.DataFrame({"luck": [0.0], "tickets": 1}), on="luck", how="left")

    with pytest.raises(CodeError, match="prepare_data reads the column 'luck', which drop_columns removes"):
        pipeline_in(workspace, Joining, drop_columns=["luck"]).preprocess()
