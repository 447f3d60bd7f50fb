"""Addresses of tables, and conversion to the types that datasets support."""

import datetime
import decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lib.backends.azureml import datasets
from lib.backends.azureml.datastore import DATASTORE_URI
from lib.backends.azureml.v1 import tables as v1_tables
from lib.tables.files import pandas_conversion


@pytest.mark.parametrize("uri", ["azureml:flights:3", "azureml:flights-train.v2:12"])
def test_an_address_with_a_version_is_a_dataset(uri):
    assert datasets.DATASET_URI.fullmatch(uri)


@pytest.mark.parametrize("uri", ["azureml:flights", "azureml:flights:latest", "azureml://datastores/a/paths/b"])
def test_an_address_without_a_version_is_not_a_dataset(uri):
    assert not datasets.DATASET_URI.fullmatch(uri)


@pytest.mark.parametrize("prefix", ["", "subscriptions/s/resourcegroups/r/workspaces/w/"])
def test_a_file_address_has_datastore_and_path(prefix):
    match = DATASTORE_URI.fullmatch(f"azureml://{prefix}datastores/millrace/paths/flights/ab/train.parquet")
    assert match.group("datastore", "path") == ("millrace", "flights/ab/train.parquet")


def test_unsupported_types_are_converted():
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
    converted = datasets.to_dataset_types(pandas_conversion.pandas_to_arrow(frame))
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


def test_only_types_with_an_exact_counterpart_are_declared():
    pytest.importorskip("azureml.core", reason='needs make install GROUPS="azure azure-v1"')
    schema = pa.schema(
        {
            "whole": pa.int64(),
            "number": pa.float64(),
            "flag": pa.bool_(),
            "text": pa.string(),
            "when": pa.timestamp("ns", "UTC"),  # the nearest dataset type has no time zone
            "small": pa.int8(),
            "single": pa.float32(),  # as a double, 0.1 would be another number
            "large": pa.uint64(),  # as a signed integer, it would become negative
        }
    )
    types = v1_tables.column_types(schema)
    assert list(types) == ["whole", "number", "flag", "text"]


def test_a_dataset_that_another_run_registers_during_the_lookup_is_found(monkeypatch):
    pytest.importorskip("azureml.core", reason='needs make install GROUPS="azure azure-v1"')
    from azureml.core import Dataset
    from azureml.exceptions import UserErrorException

    answers = [
        UserErrorException("path can't be empty"),
        SimpleNamespace(name="flights-test_keys", version=1, tags={"sha256": "ab"}),
    ]

    def get_by_name(workspace, name):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Dataset, "get_by_name", get_by_name)
    connection = SimpleNamespace(workspace=SimpleNamespace(native=None), sdk=lambda module: v1_tables)
    stored = datasets.Datasets(connection, None, "flights")
    assert stored._newest_version("flights-test_keys", "ab") == "azureml:flights-test_keys:1"
    assert not answers
