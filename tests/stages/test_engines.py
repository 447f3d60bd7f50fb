"""Both engines give the same rows, notes and errors for the same table."""

import re

import numpy as np
import pandas as pd
import pytest

from lib import backends
from lib.errors import ParameterError
from lib.parameters import Parameters, check_given
from lib.pipelines.base import BasePipeline
from lib.stages import preprocess
from lib.stages.preprocessing import dask_engine
from lib.tables.files import parquet_writer
from lib.tables.quality import contract, contract_file, profile
from tests.workspaces import parameters_for, table

distributed = pytest.importorskip("distributed", reason='needs make install GROUPS="scale"')

ROWS_PER_GROUP = 50


@pytest.fixture(scope="module")
def scheduler():
    """Return the address of a cluster whose workers are threads of this process."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch):
    """Write copies of text files in several partitions."""
    monkeypatch.setattr(parquet_writer, "ROW_GROUP_ROWS", ROWS_PER_GROUP)


@pytest.fixture
def both(tmp_path, scheduler):
    """Return a function that preprocesses a table with both engines and compares everything."""

    def compare(file, pipeline_class=BasePipeline, **changes):
        outcomes = []
        for engine in ("memory", "dask"):
            values = parameters_for(
                tmp_path / engine, data=str(file), engine=engine, scheduler_address=scheduler, **changes
            )
            parameters = Parameters(check_given(values))
            outcomes.append(outcome_of(pipeline_class, parameters))
        memory, dask = outcomes
        assert memory == dask
        return memory

    return compare


def outcome_of(pipeline_class, parameters):
    """Return everything that preprocess tells about a table, or its error."""
    backend = backends.connect(parameters)
    try:
        result = preprocess.run(pipeline_class(parameters, backend), backend, parameters)
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}
    baseline = backend.read_json(result.baseline)
    hidden = {name: baseline.pop(name) for name in ("train_keys", "test_keys")}
    sizes = result.sizes.copy()
    quarantine = sizes["details"].str.extract(r"saved to (\S+)")[0].dropna()
    sizes["details"] = sizes["details"].replace(r", in \d+ partitions on a Dask cluster", "", regex=True)
    sizes["details"] = sizes["details"].replace(r"saved to \S+", "saved to a file", regex=True)
    partitions = re.search(r"in (\d+) partitions", result.sizes.loc["read", "details"])
    assert parameters.engine == "memory" or int(partitions[1]) > 1, "the table has several partitions"
    return {
        "train": rows_of(backend, result.train_data),
        "test": rows_of(backend, result.test_data),
        **{name: rows_of(backend, uri) if uri else None for name, uri in hidden.items()},
        "quarantine": [rows_of(backend, uri) for uri in quarantine],
        "sizes": sizes.reset_index().to_dict("list"),
        "violations": result.violations.to_dict("list"),
        "columns": result.columns.drop(columns="type").to_dict("index"),
        "baseline": baseline,
        "verdict": result.verdict,
    }


def rows_of(backend, uri):
    """Return the rows of a written table as sorted texts."""
    frame = backend.read_table(uri)
    return list(frame.columns), sorted(map(repr, frame.astype(object).where(frame.notna(), None).to_numpy().tolist()))


def shop(rows=240, **columns):
    """Return the small table with further columns."""
    return table(rows).assign(**columns)


def write_csv(folder, frame, name="shop.csv"):
    frame.to_csv(folder / name, index=False)
    return folder / name


class TestFiles:
    def test_codes_and_units(self, tmp_path, both):
        frame = shop(
            zip=[f"{row % 40:05d}" for row in range(240)], weight=[f"{row % 7 + 0.5} kg" for row in range(240)]
        )
        outcome = both(write_csv(tmp_path, frame))
        assert "'00007'" in "".join(outcome["train"][1])

    def test_quoted_texts_with_line_breaks(self, tmp_path, both):
        frame = shop(remark=[f'said "{row}",\nthen left' for row in range(240)])
        both(write_csv(tmp_path, frame))

    def test_lines_above_and_below_the_table(self, tmp_path, both):
        text = shop().to_csv(index=False)
        (tmp_path / "shop.csv").write_text("Customers of 2024\n\n" + text + "\nSource: the shop\n")
        outcome = both(tmp_path / "shop.csv")
        assert outcome["sizes"]["rows"][0] == 240

    def test_decimal_commas_missing_codes_and_a_saved_index(self, tmp_path, both):
        frame = shop(rate=[f"{row / 8:.2f}".replace(".", ",") if row % 9 else "n.a." for row in range(240)])
        frame.to_csv(tmp_path / "shop.csv", sep=";")
        outcome = both(tmp_path / "shop.csv")
        assert "Unnamed: 0" in outcome["sizes"]["details"][1]

    def test_repeated_column_names(self, tmp_path, both):
        (tmp_path / "shop.csv").write_text(shop().to_csv(index=False).replace("size,luck", "size,size", 1))
        assert "size.2" in both(tmp_path / "shop.csv")["train"][0]

    def test_values_that_are_missing_in_some_partitions_only(self, tmp_path, both):
        rows = np.arange(240)
        frame = shop(
            visits=pd.array(np.where(rows < 60, None, rows), dtype="Int64"),
            member=pd.array(np.where(rows % 80 == 7, None, rows % 2 == 0), dtype="boolean"),
            remark=[None] * 100 + ["late"] * 140,
            since=pd.to_datetime(pd.Series([None] * 130 + ["2024-03-01"] * 110)),
        )
        both(write_csv(tmp_path, frame))
        frame.to_parquet(tmp_path / "shop.parquet", row_group_size=ROWS_PER_GROUP)
        both(tmp_path / "shop.parquet")

    def test_parquet_files_of_different_types(self, tmp_path, both):
        (tmp_path / "parts").mkdir()
        shop(120, visits=range(120)).to_parquet(tmp_path / "parts" / "a.parquet", row_group_size=ROWS_PER_GROUP)
        other = shop(120, visits=np.arange(120) + 0.5, extra="x")
        other.to_parquet(tmp_path / "parts" / "b.parquet", row_group_size=ROWS_PER_GROUP)
        both(tmp_path / "parts")

    def test_parameters_about_columns(self, tmp_path, both):
        frame = shop(level=[["low", "high", "?"][row % 3] for row in range(240)], number=["-200"] * 20 + ["5"] * 220)
        changes = {"missing_values": ["?", "-200"], "columns": {"number": {"kind": "code"}}}
        both(write_csv(tmp_path, frame), **changes)
        frame.to_parquet(tmp_path / "shop.parquet", row_group_size=ROWS_PER_GROUP)
        both(tmp_path / "shop.parquet", **changes)

    def test_dates_from_columns_and_a_time_zone(self, tmp_path, both):
        rows = np.arange(240)
        frame = shop(
            year=2020 + rows % 3, month=1 + rows % 12, at=[f"2024-05-{1 + row % 28:02d} 08:30" for row in rows]
        )
        changes = {"columns": {"when": {"from": ["year", "month"]}}, "time_zone": "Europe/Berlin"}
        frame.to_parquet(tmp_path / "shop.parquet", row_group_size=ROWS_PER_GROUP)
        for file in (write_csv(tmp_path, frame), tmp_path / "shop.parquet"):
            outcome = both(file, split="time", time_column="when", **changes)
            assert "when" in outcome["train"][0] and "month" not in outcome["train"][0]

    def test_infinite_values_durations_and_missing_targets(self, tmp_path, both):
        frame = shop(stay=pd.to_timedelta(np.arange(240), "min"))
        frame.loc[[3, 130], "size"] = np.inf
        frame.loc[[8, 77, 200], "bought"] = None
        frame.to_parquet(tmp_path / "shop.parquet", row_group_size=ROWS_PER_GROUP)
        outcome = both(tmp_path / "shop.parquet")
        (notes,) = [
            text
            for step, text in zip(outcome["sizes"]["step"], outcome["sizes"]["details"], strict=True)
            if step == "prepared"
        ]
        assert "Dropped 3 rows" in notes and "2 infinite values of size" in notes and "stay was converted" in notes
        assert outcome["columns"]["stay"]["kind"] == "duration"

    @pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
    def test_partition_without_a_target(self, tmp_path, both, task):
        target = {
            "binary": pd.array(np.arange(240) % 3 == 0, dtype="boolean"),
            "multiclass": pd.array(np.arange(240) % 3, dtype="Int64"),
            "regression": np.arange(240) / 7,
        }[task]
        frame = shop(bought=target)
        frame.loc[40:110, "bought"] = None
        metric = {"binary": "roc_auc", "multiclass": "f1_macro", "regression": "r2"}[task]
        frame.to_parquet(tmp_path / "shop.parquet", row_group_size=ROWS_PER_GROUP)
        for file in (write_csv(tmp_path, frame), tmp_path / "shop.parquet"):
            assert "verdict" in both(file, task=task, primary_metric=metric)


class TestSplits:
    def test_repeated_rows_and_a_large_group(self, tmp_path, both):
        frame = pd.concat([shop(), *[shop().head(1)] * 120, shop().head(20).assign(bought="no")])
        outcome = both(write_csv(tmp_path, frame))
        assert "duplicates" in outcome["sizes"]["step"]

    def test_rare_classes(self, tmp_path, both):
        frame = shop()
        frame.loc[[5, 60, 111, 170, 230], "bought"] = "perhaps"
        frame.loc[[7, 199], "bought"] = "Yes "
        outcome = both(write_csv(tmp_path, frame), task="multiclass", primary_metric="f1_macro")
        assert any("rare classes stratified: perhaps" in details for details in outcome["sizes"]["details"])
        assert any("were merged: 'Yes ' into 'yes'" in details for details in outcome["sizes"]["details"])

    def test_groups_with_a_hidden_key(self, tmp_path, both):
        frame = shop(customer=[7] * 100 + list(range(100, 240)))
        frame["customer"] = frame["customer"].astype("Int64").mask(frame.index % 50 == 3)
        changes = {"split": "group", "key_columns": ["customer"], "drop_columns": ["price", "customer"]}
        outcome = both(write_csv(tmp_path, frame), **changes)
        assert outcome["test_keys"][0] == ["customer"]
        assert any("the largest group, customer 7" in details for details in outcome["sizes"]["details"])

    def test_repeated_entities(self, tmp_path, both):
        frame = table(40).drop(columns="bought").loc[np.repeat(np.arange(40), 6)].reset_index(drop=True)
        frame["size"] += np.random.default_rng(0).normal(scale=0.01, size=240)
        frame = frame.assign(client=np.repeat(np.arange(40), 6) * 7 % 40)
        frame["bought"] = np.random.default_rng(1).choice(["yes", "no"], 40)[frame["client"]]
        assert "groups" in both(write_csv(tmp_path, frame))["sizes"]["step"]

    @pytest.mark.parametrize("cut", ["", "2024-06-15"])
    def test_time(self, tmp_path, both, cut):
        days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.random.default_rng(0).permutation(240), "D")
        frame = shop(day=days.strftime("%d/%m/%Y"))
        frame.loc[[3, 100], "day"] = None
        both(write_csv(tmp_path, frame), split="time", time_column="day", time_cut=cut)

    def test_regression(self, tmp_path, both):
        changes = {"target_column": "price", "drop_columns": ["bought"], "task": "regression", "primary_metric": "r2"}
        both(write_csv(tmp_path, shop()), **changes)


class TestContracts:
    @pytest.fixture
    def broken(self, tmp_path):
        """Write a contract, and a table with rows and keys that break it."""
        frame = shop(id=range(240))
        agreed = contract.from_profile(profile.describe(frame), key=["id"])
        contract_file.write(agreed, tmp_path / "shop.contract.yaml", "shop", len(frame))
        frame.loc[[4, 99, 201], "size"] = [1e6, -1e6, 2e6]
        frame.loc[np.arange(0, 240, 16), "colour"] = "blue"
        frame.loc[150, "id"] = 20
        return write_csv(tmp_path, frame)

    def test_quarantined_rows_have_their_broken_rules(self, tmp_path, both, broken):
        outcome = both(broken, contract=str(tmp_path / "shop.contract.yaml"), on_violation="quarantine")
        ((columns, rows),) = outcome["quarantine"]
        assert columns[-1] == "broken_rules" and len(rows) == 3 + 15 + 1
        assert sum("id: must be unique (key)" in row for row in rows) == 1

    @pytest.mark.parametrize("on_violation", ["fail", "warn", "quarantine"])
    def test_broken_rows(self, tmp_path, both, broken, on_violation):
        outcome = both(broken, contract=str(tmp_path / "shop.contract.yaml"), on_violation=on_violation)
        text = outcome["message"] if on_violation == "fail" else str(outcome["violations"])
        assert "id" in text and "blue" in text and "row 100: -1000000.0" in text and "row 151: 20" in text

    def test_tolerated_values_in_one_partition(self, tmp_path, both, broken):
        frame = pd.read_csv(broken).iloc[:, :5].assign(id=range(240), colour="red", size=1.0)
        frame.loc[:3, "colour"] = "blue"  # more than are tolerated in the first partition, but not in the table
        columns = {
            "colour": contract.ColumnRules("text", categories=["red", "green"], max_invalid_share=0.02),
            **{name: contract.ColumnRules() for name in ("size", "luck", "bought", "price", "id")},
        }
        contract_file.write(contract.Contract(columns), tmp_path / "c.yaml", "shop")
        outcome = both(write_csv(tmp_path, frame), contract=str(tmp_path / "c.yaml"))
        assert outcome["violations"]["rule"] == [f"no rule of {tmp_path / 'c.yaml'} is broken"]

    def test_drift_and_missing_columns(self, tmp_path, both, broken):
        frame = pd.read_csv(broken).assign(luck=5.0, extra=1).drop(columns="colour")
        outcome = both(
            write_csv(tmp_path, frame), contract=str(tmp_path / "shop.contract.yaml"), on_violation="quarantine"
        )
        assert outcome["error"] == "DataError" and "luck: must not drift" in outcome["message"]
        assert "colour: must be present" in outcome["message"] and "extra: must not be present" in outcome["message"]


class Derived(BasePipeline):
    """A pipeline that filters rows and derives columns from single rows."""

    def prepare_data(self, frame):
        frame = frame[frame["size"] > -1.5].copy()
        frame["is_large"] = frame["size"] > 1
        return frame.drop(columns="colour")


class OwnSplit(BasePipeline):
    """A pipeline that ignores the rule of the split."""

    def split_data(self, frame, rule):
        is_test = frame["luck"] > 0.5
        return frame[~is_test], frame[is_test]


class OneSided(BasePipeline):
    """A pipeline whose split leaves no test rows."""

    def split_data(self, frame, rule):
        return frame, frame[:0]


class OwnLabels(BasePipeline):
    """A pipeline that changes the rows before the rule splits them."""

    def split_data(self, frame, rule):
        return super().split_data(frame.assign(luck=1.0, colour="red"), rule)


class NoTable(BasePipeline):
    """A pipeline that forgets to return the table."""

    def prepare_data(self, frame):
        frame["size"] = 1


class NoRows(BasePipeline):
    """A pipeline that drops all rows."""

    def prepare_data(self, frame):
        return frame[:0]


class TwoColumns(BasePipeline):
    """A pipeline that returns a column twice."""

    def prepare_data(self, frame):
        return frame[["size", "size", "bought"]]


class TestPipelines:
    @pytest.mark.parametrize("pipeline_class", [Derived, OwnLabels, OneSided, NoTable, NoRows, TwoColumns])
    def test_child(self, tmp_path, both, pipeline_class):
        both(write_csv(tmp_path, shop()), pipeline_class)

    def test_own_split_is_not_recorded_as_the_rule(self, tmp_path, both):
        outcome = both(write_csv(tmp_path, shop()), OwnSplit)
        assert outcome["baseline"]["split"] is None
        assert "by the pipeline's split_data" in outcome["sizes"]["details"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"target_column": "bougth"},
            {"drop_columns": ["prise"]},
            {"key_columns": ["color"]},
            {"task": "regression", "primary_metric": "r2"},
            {"split": "time", "time_column": "colour"},
            {"split": "time", "time_column": "size", "time_cut": "1000"},
            {"drop_columns": ["price", "luck", "colour", "size"]},
            {"key_columns": ["size"], "drop_columns": ["price", "luck", "colour", "size"]},
            {"columns": {"luk": {"kind": "text"}}},
        ],
        ids=str,
    )
    def test_parameters_that_do_not_fit(self, tmp_path, both, changes):
        assert "error" in both(write_csv(tmp_path, shop()), **changes)

    @pytest.mark.parametrize(
        "target",
        [["yes"] * 240, ["a", "b", "c"] * 80, [None] * 225 + ["yes", "no", "yes"] * 5, ["yes"] * 239 + ["no"]],
        ids=["one class", "three classes", "few rows", "one class on a side"],
    )
    def test_targets_that_do_not_fit(self, tmp_path, both, target):
        assert "error" in both(write_csv(tmp_path, shop(bought=target)))

    def test_empty_side(self, tmp_path, both):
        frame = shop(customer=7)
        assert "side of the split has no rows" in both(write_csv(tmp_path, frame), key_columns=["customer"])["message"]

    def test_own_load_data_is_refused(self, tmp_path, scheduler):
        class OwnLoad(BasePipeline):
            def load_data(self):
                return shop()

        values = parameters_for(tmp_path, engine="dask", scheduler_address=scheduler)
        parameters = Parameters(check_given(values))
        backend = backends.connect(parameters)
        with pytest.raises(ParameterError, match="engine: dask reads .* overrides load_data"):
            preprocess.run(OwnLoad(parameters, backend), backend, parameters)


class TestDask:
    """What only the Dask engine does."""

    def run(self, file, workspace, scheduler, pipeline_class=BasePipeline):
        values = parameters_for(workspace, data=str(file), engine="dask", scheduler_address=scheduler)
        return outcome_of(pipeline_class, Parameters(check_given(values)))

    def test_large_table_is_described_by_samples(self, tmp_path, scheduler, monkeypatch):
        monkeypatch.setattr(dask_engine, "_SAMPLE_ROWS", 120)
        monkeypatch.setattr(dask_engine, "_PREPARED_ROWS", 60)
        outcome = self.run(write_csv(tmp_path, shop()), tmp_path, scheduler)
        train = len(outcome["train"][1])
        (note,) = [details for details in outcome["sizes"]["details"] if details.startswith("by a hash")]
        assert "repeated entities were searched for in the first 60 rows" in note
        (sampled,) = re.findall(r"describe a sample of (\d+) training rows", note)
        assert int(sampled) == pytest.approx(train / 2, abs=3)
        assert outcome["baseline"]["rows"] == train > 150

    def test_prepare_data_that_draws_random_rows_is_refused(self, tmp_path, scheduler):
        class Random(BasePipeline):
            def prepare_data(self, frame):
                return frame.sample(frac=0.9)

        outcome = self.run(write_csv(tmp_path, shop()), tmp_path, scheduler, Random)
        assert outcome["error"] == "StageError" and "prepare_data returned other rows" in outcome["message"]

    @pytest.mark.parametrize("name", ["kind", "mark"])
    def test_columns_that_depend_on_the_partition_are_refused(self, tmp_path, scheduler, name):
        class ByPartition(BasePipeline):
            def prepare_data(self, frame):
                is_first = frame["rank"].min() == 0
                return (
                    frame.assign(kind=1 if is_first else "a")
                    if name == "kind"
                    else frame.assign(**{f"is_{is_first}": 1})
                )

        outcome = self.run(write_csv(tmp_path, shop(rank=range(240))), tmp_path, scheduler, ByPartition)
        assert outcome["error"] == "DataError" and "expected the same" in outcome["message"]
