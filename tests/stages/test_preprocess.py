"""Preprocess on the small table: what it leaves out, and what it refuses."""

import json

import pandas as pd
import pytest

from lib.errors import DataError, NameNotFound, StageError
from lib.pipelines.base import BasePipeline
from tests.workspaces import NAME, ROWS, pipeline_in, preprocess, table, versions_of


def rows_of(pipeline, done):
    return pipeline.backend.read_table(done.train_data), pipeline.backend.read_table(done.test_data)


def write(workspace, frame):
    """The raw table of a workspace, in place of the small one."""
    frame.to_csv(workspace / "shop.csv", index=False)


class TestWhatItHandsOn:
    def test_sizes_add_up(self, workspace):
        pipeline = pipeline_in(workspace)
        done = preprocess(pipeline)
        train, test = rows_of(pipeline, done)
        assert list(done.sizes.index) == ["read", "dropped columns", "prepared", "train", "test"]
        assert list(done.sizes["rows"]) == [ROWS, ROWS, ROWS, len(train), len(test)]
        assert list(done.sizes["columns"]) == [5, 4, 4, 4, 4]
        assert len(train) + len(test) == ROWS
        assert done.sizes.loc["dropped columns", "what"] == "price"
        assert done.sizes.loc["train", "what"] == "by a hash of the whole row"

    def test_rows_that_lack_one_of_several_keys_are_counted_once(self, workspace):
        frame = table().assign(shop=1.0, street="a")
        frame.loc[[3, 5], ["shop", "street"]] = None
        frame["street"] = frame["street"].where(frame.index % 7 > 0, frame.index.astype(str))
        write(workspace, frame)
        done = preprocess(pipeline_in(workspace, split="group", key_columns=["shop", "street"]))
        assert done.sizes.loc["train", "what"].endswith("; 2 rows lack one, which counts as a value of its own")

    def test_a_column_that_tells_the_target_is_told_and_kept(self, workspace):
        frame = table()
        write(workspace, frame.assign(paid=(frame["bought"] == "yes") * 9.5 + frame["luck"].fillna(0) * 0.1))
        done = preprocess(pipeline_in(workspace))
        assert list(done.sizes.index)[-2:] == ["test", "leak"] and "paid" in done.columns.index
        assert "paid alone predicts bought (AUC 1.000)." in done.sizes.loc["leak", "what"]

    def test_columns_that_add_up_to_the_target_are_told(self, workspace):
        frame = table()
        write(workspace, frame.assign(a=frame["price"] - frame["size"] * 7, b=frame["size"] * 7).drop(columns="size"))
        done = preprocess(
            pipeline_in(
                workspace, target_column="price", task="regression", primary_metric="r2", drop_columns=["bought"]
            )
        )
        assert "a, b add up to price." in done.sizes.loc["leak", "what"]

    def test_columns_show_type_missing_values_and_a_sample(self, workspace):
        pipeline = pipeline_in(workspace)
        done = preprocess(pipeline)
        train, _ = rows_of(pipeline, done)
        assert list(done.columns.index) == list(train.columns)
        assert done.columns.loc["luck", "type"] == "float64"
        missing = train["luck"].isna()
        assert done.columns.loc["luck", "missing"] == f"{missing.sum()} ({missing.mean():.1%})"
        assert done.columns.loc["colour", "distinct"] == "2"
        assert done.columns.loc["colour", "row 0"] == train["colour"][0]

    def test_baseline_describes_the_training_rows_and_names_the_rule_of_the_split(self, workspace):
        pipeline = pipeline_in(workspace)
        done = preprocess(pipeline)
        baseline = pipeline.backend.read_json(done.baseline)
        assert baseline["rows"] == len(rows_of(pipeline, done)[0])
        assert baseline["split"] == {
            "columns": ["bought", "colour", "luck", "size"],
            "test_fraction": 0.2,
            "seed": 42,
        }

    def test_the_same_table_gives_the_same_addresses(self, workspace):
        first, second = preprocess(pipeline_in(workspace)), preprocess(pipeline_in(workspace))
        assert (first.train_data, first.test_data, first.baseline) == (
            second.train_data,
            second.test_data,
            second.baseline,
        )

    def test_a_row_keeps_its_side_as_the_table_grows(self, workspace):
        pipeline = pipeline_in(workspace)
        train, test = rows_of(pipeline, preprocess(pipeline))
        write(workspace, pd.concat([table(rows=100, seed=5), table()]).sample(frac=1, random_state=1))
        more_train, more_test = rows_of(pipeline, preprocess(pipeline))
        assert set(train["size"]) <= set(more_train["size"])
        assert set(test["size"]) <= set(more_test["size"])
        assert len(more_train) + len(more_test) == ROWS + 100

    def test_another_seed_is_another_split(self, workspace):
        sides = [
            rows_of(pipeline, preprocess(pipeline))[1]["size"].tolist()
            for pipeline in (pipeline_in(workspace, seed=1), pipeline_in(workspace, seed=2))
        ]
        assert set(sides[0]) != set(sides[1])

    def test_rows_of_one_key_are_on_one_side_and_a_dropped_key_is_hidden(self, workspace):
        write(workspace, table().assign(customer=[f"c{number % 50}" for number in range(ROWS)]))
        seen = {}

        class Watching(BasePipeline):
            def split_data(self, frame, rule):
                seen["train"], seen["test"] = super().split_data(frame, rule)
                return seen["train"], seen["test"]

        given = {"key_columns": ["customer"], "drop_columns": ["price", "customer"]}
        pipeline = pipeline_in(workspace, Watching, **given)
        done = preprocess(pipeline)
        assert not set(seen["train"]["customer"]) & set(seen["test"]["customer"])
        train, test = rows_of(pipeline, done)
        assert "customer" not in train and "customer" not in test
        assert done.sizes.loc["train", "what"] == "by a hash of customer"

    def test_a_saved_index_is_left_out(self, workspace):
        table().to_csv(workspace / "shop.csv")
        pipeline = pipeline_in(workspace)
        done = preprocess(pipeline)
        assert "Unnamed: 0" in done.sizes.loc["dropped columns", "what"]
        assert list(rows_of(pipeline, done)[0].columns) == ["size", "luck", "colour", "bought"]

    def test_a_second_column_of_one_name_is_numbered_and_told(self, workspace):
        text = table().to_csv(index=False)
        (workspace / "shop.csv").write_text(text.replace("size,luck", "size,size", 1))
        pipeline = pipeline_in(workspace)
        done = preprocess(pipeline)
        assert list(rows_of(pipeline, done)[0].columns) == ["size", "size.2", "colour", "bought"]
        assert "Column 2 is another 'size' and was renamed to 'size.2'." in done.sizes.loc["read", "what"]

    def test_rows_without_a_target_and_infinite_numbers_are_told(self, workspace):
        frame = table()
        frame.loc[:9, "bought"] = None
        frame.loc[20:21, "size"] = float("inf")
        write(workspace, frame)
        told = preprocess(pipeline_in(workspace)).sizes.loc["prepared", "what"]
        assert "Dropped 10 rows without a value of bought." in told
        assert "2 infinite values of size count as missing." in told

    def test_a_regression_keeps_numbers(self, workspace):
        given = {"target_column": "price", "drop_columns": ["bought"], "task": "regression", "primary_metric": "r2"}
        pipeline = pipeline_in(workspace, **given)
        train, _ = rows_of(pipeline, preprocess(pipeline))
        assert train["price"].dtype == "float64"


class Childless(BasePipeline):
    """Prepares by a function that the test gives."""

    prepare = staticmethod(lambda frame: frame)

    def prepare_data(self, frame):
        return self.prepare(frame)


def preparing(function):
    return type("Prepared", (Childless,), {"prepare": staticmethod(function)})


class TestWhatItRefuses:
    """Each with its reason; and nothing is written, registered or handed on."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, workspace):
        yield
        pipeline = pipeline_in(workspace)
        assert versions_of(pipeline) == ([], None)
        assert not list(workspace.rglob("*.parquet"))
        assert pipeline.backend.tracking.newest_output(NAME, "preprocess", "train_data") is None
        runs = pipeline.backend.tracking.client.search_runs([pipeline.backend.tracking.experiment_id(NAME)])
        assert [run.info.status for run in runs] == ["FAILED"]

    def test_too_few_rows(self, workspace):
        write(workspace, table(rows=19))
        with pytest.raises(DataError, match="Only 19 rows have a value of bought; .* at least 20"):
            preprocess(pipeline_in(workspace))

    def test_a_missing_target_column(self, workspace):
        with pytest.raises(NameNotFound, match="no column 'bougth' in the prepared table. Did you mean 'bought'"):
            preprocess(pipeline_in(workspace, target_column="bougth"))

    def test_a_target_with_one_class(self, workspace):
        write(workspace, table().assign(bought="yes"))
        with pytest.raises(DataError, match=r"The target bought has only one class \('yes'\)"):
            preprocess(pipeline_in(workspace))

    def test_a_target_with_three_classes_for_two(self, workspace):
        write(workspace, table().assign(bought=["yes", "no", "maybe"] * 80))
        with pytest.raises(DataError, match="bought of a binary task has 3 classes .* Set task to multiclass"):
            preprocess(pipeline_in(workspace))

    def test_a_regression_of_texts(self, workspace):
        with pytest.raises(DataError, match="target bought of a regression must contain numbers"):
            preprocess(pipeline_in(workspace, task="regression", primary_metric="r2"))

    def test_a_misspelt_name_in_drop_columns(self, workspace):
        with pytest.raises(NameNotFound, match=r"no column 'prise' in .*\(drop_columns\). Did you mean 'price'"):
            preprocess(pipeline_in(workspace, drop_columns=["prise"]))

    def test_a_misspelt_name_in_key_columns(self, workspace):
        with pytest.raises(NameNotFound, match=r"no column 'color' .*\(key_columns\). Did you mean 'colour'"):
            preprocess(pipeline_in(workspace, key_columns=["color"]))

    def test_a_target_that_is_there_twice(self, workspace):
        text = (
            (workspace / "shop.csv").read_text() if (workspace / "shop.csv").exists() else table().to_csv(index=False)
        )
        (workspace / "shop.csv").write_text(text.replace("size,luck", "bought,luck", 1))
        with pytest.raises(DataError, match=r"the table has 2 columns 'bought' \(columns 1 and 4\)"):
            preprocess(pipeline_in(workspace))

    def test_a_table_that_is_gone(self, workspace):
        pipeline = pipeline_in(workspace)
        (workspace / "shop.csv").unlink()
        with pytest.raises(DataError, match=r"There is no file .*shop\.csv"):
            preprocess(pipeline)

    def test_only_a_target(self, workspace):
        given = {"key_columns": ["size"], "drop_columns": ["price", "luck", "colour", "size"]}
        with pytest.raises(DataError, match="Only the target bought is left"):
            preprocess(pipeline_in(workspace, **given))

    def test_prepare_data_without_a_return(self, workspace):
        with pytest.raises(StageError, match="prepare_data returned NoneType; expected a DataFrame"):
            preprocess(pipeline_in(workspace, preparing(lambda frame: None)))

    def test_prepare_data_that_leaves_no_row(self, workspace):
        with pytest.raises(DataError, match="prepare_data left no row"):
            preprocess(pipeline_in(workspace, preparing(lambda frame: frame[:0])))

    def test_prepare_data_that_loses_the_target(self, workspace):
        with pytest.raises(NameNotFound, match="no column 'bought' in the prepared table"):
            preprocess(pipeline_in(workspace, preparing(lambda frame: frame.drop(columns="bought"))))

    @pytest.mark.parametrize("task", ["binary", "regression"])
    @pytest.mark.parametrize(("side", "first_test_row"), [("test", ROWS), ("training", 0)])
    def test_split_data_that_leaves_a_side_empty(self, workspace, task, side, first_test_row):
        class OneSided(BasePipeline):
            def split_data(self, frame, rule):
                return frame[:first_test_row], frame[first_test_row:]

        regression = {"target_column": "price", "drop_columns": ["bought"], "task": task, "primary_metric": "r2"}
        with pytest.raises(DataError, match=f"The split leaves no {side} rows; .* Check what split_data"):
            preprocess(pipeline_in(workspace, OneSided, **(regression if task == "regression" else {})))

    def test_one_class_on_a_side(self, workspace):
        class Sorted(BasePipeline):
            def split_data(self, frame, rule):
                return frame[frame["bought"] == "no"], frame[frame["bought"] == "yes"]

        with pytest.raises(DataError, match="training rows have bought = 'no'"):
            preprocess(pipeline_in(workspace, Sorted))


def test_the_baseline_file_is_plain_json(workspace):
    done = preprocess(pipeline_in(workspace))
    text = pipeline_in(workspace).backend.local_copy(done.baseline).read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
