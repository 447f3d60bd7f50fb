"""Addresses, and tables in the types that datasets know."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.backends.azureml import datasets
from lib.backends.azureml.datastore import FILE
from lib.data import tables

pytest.importorskip("azureml.core", reason='needs make install GROUPS="azure"')


@pytest.mark.parametrize("uri", ["azureml:flights:3", "azureml:flights-train.v2:12"])
def test_a_dataset_is_known_by_its_version(uri):
    assert datasets.DATASET.fullmatch(uri)


@pytest.mark.parametrize("uri", ["azureml:flights", "azureml:flights:latest", "azureml://datastores/a/paths/b"])
def test_without_a_version_it_is_none(uri):
    assert not datasets.DATASET.fullmatch(uri)


@pytest.mark.parametrize("before", ["", "subscriptions/s/resourcegroups/r/workspaces/w/"])
def test_a_file_is_known_by_datastore_and_path(before):
    found = FILE.fullmatch(f"azureml://{before}datastores/millrace/paths/flights/ab/train.parquet")
    assert found.group("datastore", "path") == ("millrace", "flights/ab/train.parquet")


def test_what_datasets_do_not_know_becomes_what_they_do():
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["a", None]),
            "day": [datetime.date(2024, 2, 29), None],
            "money": [decimal.Decimal("1.5"), None],
            "nothing": [None, None],
            "time": [datetime.time(1, 2), None],
            "span": pd.to_timedelta([90, None], unit="s"),
            "number": [1.5, np.nan],
        }
    )
    converted = datasets.to_dataset_types(tables.pandas_to_arrow(frame))
    assert {field.name: str(field.type) for field in converted.schema} == {
        "category": "string",
        "day": "timestamp[us]",
        "money": "double",
        "nothing": "string",
        "time": "string",
        "span": "string",
        "number": "double",
    }
    assert converted.column("category").to_pylist() == ["a", None]
    assert converted.column("time").to_pylist() == ["01:02:00", None]
    assert converted.column("money").to_pylist() == [1.5, None]


def test_types_are_stated_where_datasets_have_a_name_for_them():
    schema = pa.schema(
        {
            "whole": pa.int64(),
            "number": pa.float64(),
            "flag": pa.bool_(),
            "text": pa.string(),
            "when": pa.timestamp("ns", "UTC"),  # stated, it would lose its zone
            "small": pa.int8(),
            "single": pa.float32(),  # stated, 0.1 would be another number
            "large": pa.uint64(),  # stated, it would turn negative
        }
    )
    types = datasets.column_types(schema)
    assert list(types) == ["whole", "number", "flag", "text"]
