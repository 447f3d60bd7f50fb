"""Each kind of value means the same in training, in a scored file of any type, and in a request, or is refused."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from lib.backends import model_files
from lib.commands import score as score_command
from lib.errors import DataError, NameNotFound
from lib.schema.table_schema import FEATURE_SCHEMA, TABLE_SCHEMA
from lib.scoring import batch
from lib.scoring.model import load_model
from lib.scoring.request_error import RequestError
from lib.scoring.scorer import Scorer
from lib.stages._endpoint_answers import build_request
from lib.tables import cleaning, frames, schema_reader
from lib.tables.feature_schema import derive_feature_schema
from lib.tables.files import pandas_conversion
from lib.tables.schema_source import SchemaSource
from lib.training import TrainingRequest, fit_pipeline

ROWS = 240
BERLIN = SchemaSource(time_zone="Europe/Berlin")
PLAIN = SchemaSource()


def days(start, step, count=60):
    return [start + datetime.timedelta(days=step * index) for index in range(count)]


OFFSETS = ["2024-01-05T23:30:00-05:00", "2024-01-06 01:00:00", "2024-06-05T12:00:00+09:00"] * 4
SIZES = ["S", "M", "L", "XL"]
# The texts of a column of a CSV file, and what the parameter file says about it.
TEXTS = {
    "ISO dates": ([str(day) for day in days(datetime.date(2020, 1, 1), 17)], PLAIN),
    "dates with dots": ([f"{day:%d.%m.%Y}" for day in days(datetime.date(2020, 1, 1), 17)], PLAIN),
    "distant dates": (["9999-12-31", "0001-01-01", "1500-06-15", "2024-02-29", "2024-07-01", "3000-01-01"] * 5, PLAIN),
    "offsets": (OFFSETS, PLAIN),
    "offsets in a zone": (OFFSETS, BERLIN),
    "clock changes": (["2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-05-01 12:00:00"] * 4, BERLIN),
    "distant in a zone": (["9999-12-31 23:30:00", "0001-01-01 00:00:00", "2040-07-01 12:00:00"] * 4, BERLIN),
    "durations": ([f"{index}:{index % 60:02}:{index * 7 % 60:02}" for index in range(1, 24)], PLAIN),
    "times of day": ([f"{index:02}:30" for index in range(24)], PLAIN),
    "mixed booleans": (["True", "yes", "0", "1", "no"] * 4, PLAIN),
    "booleans": (["TRUE", "FALSE"] * 4, PLAIN),
    "kept NA": (["NA", "DE", "FR", "US"] * 4, SchemaSource(not_missing=["NA"])),
    "lost NA": (["NA", "DE", "FR", ""] * 4, PLAIN),
    "codes": (["1E2", "V57", "007", "250.83", "100"] * 4, PLAIN),
    "leading zeros": ([f"{index:05}" for index in range(95, 105)] * 4, PLAIN),
    "several thousands separators": ([f"{1 + index}.{index:03}.551" for index in range(9)] + ["257.130"] * 3, PLAIN),
    "thousands with commas": ([f"{1 + index},{index:03},551" for index in range(9)] + ["257,130"] * 3, PLAIN),
    "decimal commas": ([f"{index},{index % 10}5" for index in range(20)], PLAIN),
    "percent": ([f"{index * 3}%" for index in range(20)], PLAIN),
    "currency": ([f"${index * 3}.50" for index in range(20)], PLAIN),
    "unit": ([f"{index * 3} kg" for index in range(20)], PLAIN),
    "Unicode minus": ([f"\u2212{index}.5" for index in range(20)], PLAIN),
    "accountants' negatives": ([f"({index}.5)" for index in range(20)], PLAIN),
    "whole and missing": ([*map(str, range(20)), "", "n/a"], PLAIN),
    "missing codes": ([*map(str, range(20)), "-200"], SchemaSource(missing_values=["-200"])),
    "NFD texts": (["cafe\u0301", "caf\u00e9", "the\u0301", "cha"] * 4, PLAIN),
    "padded texts": ([" red", "red ", "blue", "  green "] * 4, PLAIN),
    "padded numbers": ([f" {index} " for index in range(20)], PLAIN),
    "ordered": (SIZES * 4, SchemaSource(columns={"x": {"kind": "ordered", "order": SIZES}})),
    "long numbers": ([str(2**60 + 977 * index) for index in range(20)], PLAIN),
}
_NOON = datetime.datetime(2024, 7, 1, 12)
TYPED = {
    "dates": pa.array(days(datetime.date(2020, 1, 1), 17)),
    "distant dates": pa.array([datetime.date(9999, 12, 31), datetime.date(1, 1, 1), datetime.date(2024, 2, 29)] * 4),
    "seconds": pa.array(days(_NOON, 1.3), pa.timestamp("s")),
    "nanoseconds": pa.array(days(_NOON, 1.3), pa.timestamp("ns")),
    "in New York": pa.array(days(_NOON, 0.3), pa.timestamp("us", tz="America/New_York")),
    "in New York after 2037": pa.array(days(_NOON.replace(year=2040), 0.3), pa.timestamp("us", tz="America/New_York")),
    "durations": pa.array([datetime.timedelta(seconds=600 * index + 0.25) for index in range(30)]),
    "times of day": pa.array([datetime.time(index, 30) for index in range(24)]),
    "decimals": pa.array([decimal.Decimal(index).scaleb(-2) for index in range(30)], pa.decimal128(9, 2)),
    "booleans": pa.array([True, False, None] * 4),
    "whole numbers with nulls": pa.array([*range(20), None]),
    "fractions": pa.array([index / 7 for index in range(20)] + [None]),
    "words": pa.array(["NA", "null", "n/a", "DE", "FR", None] * 3),
    "codes": pa.array(["1E2", "V57", "007", "250.83", "100"] * 4),
    "texts of numbers": pa.array([f"{index}.5" for index in range(20)]),
    "dictionary": pa.array(["red", "blue", "green"] * 4).dictionary_encode(),
}


class Model:
    """A model trained on one table, and its answers by each way into it."""

    def __init__(self, folder, path, source):
        self.folder, self.path, self.source = folder, path, source
        frame = frames.read(path, schema_source=source)
        schema, self.raw = frame.attrs[frames.SCHEMA], frame
        self.prepared, converted = cleaning.to_json_types(frame.drop(columns="y"))
        features = derive_feature_schema(schema, self.prepared, durations=cleaning.find_durations(converted))
        request = TrainingRequest("binary", None, seed=0, threads=1, schema=features)
        learner = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=2, random_state=0)
        model = fit_pipeline(learner, self.prepared, frame["y"], request)
        model_files.save(model, folder / "model", self.prepared.head(20), self.prepared)
        baseline = {"columns": {}, TABLE_SCHEMA: schema, FEATURE_SCHEMA: features.to_dict()}
        (folder / "model" / "baseline.json").write_text(json.dumps(baseline))
        self.expected = model.predict_proba(self.prepared)
        self.scorer = Scorer(load_model(folder / "model"))

    def score_file(self, path):
        """Return the probabilities and the faults by row."""
        schema = score_command._table_schema(self.scorer.model, [path], "")
        parts = [
            batch.score_rows(self.scorer, schema_reader.to_frame(part))
            for part in schema_reader.read(schema, [path], 100)
        ]
        faults = [part.faults.get(row) for part in parts for row in range(len(part.predictions))]
        return np.concatenate([np.array(part.probabilities, dtype=float).T for part in parts]), faults

    def score_values(self, values):
        """Return the probabilities of a request with these values, or None if it is refused."""
        rows = [{"x": value, "z": float(z)} for value, z in zip(values, self.prepared["z"], strict=True)]
        try:
            return np.array(self.scorer.score(json.dumps({"data": rows}))["probabilities"])
        except RequestError:
            return None

    def check_file(self, table, name):
        """Assert that a file of the same rows gets the answers of training."""
        path = self.folder / name
        pq.write_table(table, path)
        probabilities, faults = self.score_file(path)
        assert not any(faults), faults[:2]
        np.testing.assert_array_equal(probabilities, self.expected)

    def check(self):
        """Assert that the file itself, and requests, get the answers of training."""
        probabilities, faults = self.score_file(self.path)
        assert not any(faults), [fault for fault in faults if fault][:2]
        np.testing.assert_array_equal(probabilities, self.expected)
        typed = np.array(self.scorer.score(json.dumps(build_request(self.prepared)))["probabilities"])
        np.testing.assert_array_equal(typed, self.expected)


def columns(values):
    """Return rows whose target depends on the distinct values, beside a column of noise."""
    rows = [values[row % len(values)] for row in range(ROWS)]
    distinct = list(dict.fromkeys(values))
    random = np.random.default_rng(0)
    y = np.array([distinct.index(value) % 2 for value in rows]) ^ (random.random(ROWS) < 0.1)
    return {"x": rows, "z": random.normal(size=ROWS).round(3), "y": np.where(y, "yes", "no")}


@pytest.mark.parametrize(("texts", "source"), TEXTS.values(), ids=TEXTS)
def test_texts_of_csv_mean_the_same_everywhere(tmp_path, texts, source):
    table = columns(texts)
    path = tmp_path / "train.csv"
    pd.DataFrame(table).to_csv(path, index=False, sep=";")
    model = Model(tmp_path, path, source)
    assert np.ptp(model.expected[:, 0]) > 0.2
    model.check()
    model.check_file(pa.table({name: pa.array(values) for name, values in table.items()}), "texts.parquet")
    model.check_file(pandas_conversion.pandas_to_arrow(model.raw), "typed.parquet")
    answers = model.score_values(table["x"])
    if answers is not None:
        np.testing.assert_array_equal(answers, model.expected)


@pytest.mark.parametrize("values", TYPED.values(), ids=TYPED)
def test_types_of_parquet_mean_the_same_everywhere(tmp_path, values):
    table = columns(values.to_pylist())
    is_encoded = pa.types.is_dictionary(values.type)
    x = pa.array(table["x"]).dictionary_encode() if is_encoded else pa.array(table["x"], values.type)
    arrow = pa.table({"x": x, "z": table["z"], "y": table["y"]})
    pq.write_table(arrow, tmp_path / "train.parquet")
    model = Model(tmp_path, tmp_path / "train.parquet", PLAIN)
    model.check()
    arrow.to_pandas().to_csv(tmp_path / "rows.csv", index=False)
    probabilities, faults = model.score_file(tmp_path / "rows.csv")
    assert not any(faults), [fault for fault in faults if fault][:2]
    np.testing.assert_array_equal(probabilities, model.expected)


@pytest.fixture
def combined(tmp_path):
    """A model of a time in Berlin, which its table has as year, month and hour."""
    table = pd.DataFrame(columns(list(range(24)))).rename(columns={"x": "hour"})
    table = table.assign(year=2024, month="March", day=31)
    table[["year", "month", "day", "hour", "z", "y"]].to_csv(tmp_path / "train.csv", index=False)
    parts = {"from": ["year", "month", "day", "hour"], "time_zone": "Europe/Berlin"}
    return Model(tmp_path, tmp_path / "train.csv", SchemaSource(columns={"x": parts}))


def test_time_in_several_columns_means_the_same_everywhere(combined, tmp_path):
    assert [column.name for column in combined.scorer.model.columns] == ["x", "z"]
    combined.check()
    combined.check_file(pandas_conversion.pandas_to_arrow(combined.raw), "typed.parquet")
    rows = pd.read_csv(combined.path)
    rows["x"] = [f"2024-03-31T{hour:02}:00:00" for hour in rows["hour"]]  # local times; the clock skips 02:00
    np.testing.assert_array_equal(combined.score_values(rows["x"]), combined.expected)
    rows[["z", "x"]].to_csv(tmp_path / "one_column.csv", index=False)
    probabilities, _ = combined.score_file(tmp_path / "one_column.csv")
    np.testing.assert_array_equal(probabilities, combined.expected)


def test_time_that_does_not_exist_is_refused_in_its_row(combined, tmp_path):
    rows = pd.read_csv(combined.path)
    rows.loc[3, "day"] = 32
    rows.to_csv(tmp_path / "rows.csv", index=False)
    _, faults = combined.score_file(tmp_path / "rows.csv")
    assert [row for row, fault in enumerate(faults) if fault] == [3]
    assert "column 'x': got the text \"year 2024, month March, day 32, hour 3\"" in faults[3]


def test_file_with_some_of_the_parts_is_refused(combined, tmp_path):
    pd.read_csv(combined.path).rename(columns={"hour": "hours"}).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match="no column 'hour', from which x is made. Did you mean 'hours'"):
        combined.score_file(tmp_path / "rows.csv")


@pytest.mark.parametrize("optional", [True, False])
def test_absent_column_counts_as_missing_only_if_it_is_optional(tmp_path, optional):
    table = pd.DataFrame(columns([*map(str, range(20)), ""]))
    table.to_csv(tmp_path / "train.csv", index=False)
    model = Model(tmp_path, tmp_path / "train.csv", SchemaSource(columns={"x": {"optional": optional}}))
    table[["z"]].to_csv(tmp_path / "rows.csv", index=False)
    schema = score_command._table_schema(model.scorer.model, [tmp_path / "rows.csv"], "")
    if not optional:
        with pytest.raises(NameNotFound, match="There is no column 'x'"):
            score_command._check_columns(["z"], model.scorer.model, schema, "rows.csv")
        return
    assert score_command._check_columns(["z"], model.scorer.model, schema, "rows.csv") == ["x"]
    probabilities, faults = model.score_file(tmp_path / "rows.csv")
    assert not any(faults)
    np.testing.assert_array_equal(probabilities, model.score_values([None] * ROWS))
