"""The local backend: addresses, tables and JSON in a workspace, and the checks before a run."""

import os
import shutil
import types

import pandas as pd
import pytest

from lib import backends
from lib.backends.local.backend import LocalBackend
from lib.backends.local.files import local_path
from lib.errors import DataError, EndpointError, NameNotFound
from lib.parameters import Parameters
from lib.paths import ROOT
from tests.workspaces import NAME, parameters_for, table


@pytest.fixture
def backend(tmp_path):
    """Return a backend whose tracking store has not been created."""
    return LocalBackend(Parameters(parameters_for(tmp_path)))


class TestAddresses:
    def test_relative_path_starts_at_the_project_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert local_path("data/flights.csv.gz") == ROOT / "data" / "flights.csv.gz"

    @pytest.mark.parametrize("name", ["plain.csv", "two words.csv", "50%25 off.csv", "a#b?c.csv", "straße's.csv"])
    def test_path_and_uri_lead_to_the_same_file(self, tmp_path, name):
        file = tmp_path / name
        file.write_text("a\n1\n")
        assert local_path(str(file)) == local_path(file.as_uri()) == file

    def test_missing_file_suggests_the_nearest_name(self, tmp_path):
        (tmp_path / "flights.csv").write_text("a\n1\n")
        with pytest.raises(DataError, match=r"no file .*flihgts\.csv.*Did you mean 'flights\.csv'\?"):
            local_path(str(tmp_path / "flihgts.csv"))

    @pytest.mark.parametrize("uri", ["https://example.org/a.csv", "azureml://datastores/a/paths/b.csv"])
    def test_other_address_is_refused_with_advice(self, uri):
        with pytest.raises(DataError, match="the local backend reads only local files"):
            local_path(uri)


class TestFaults:
    def test_existing_table_is_no_fault(self, tmp_path):
        assert backends.faults(Parameters(parameters_for(tmp_path))) == []

    def test_missing_table_is_a_fault(self, tmp_path):
        (fault,) = backends.faults(Parameters(parameters_for(tmp_path, data="data/fligths.csv.gz")))
        assert fault.startswith("data: There is no file data/fligths.csv.gz")
        assert "Did you mean 'flights.csv.gz'?" in fault

    def test_checking_creates_nothing(self, tmp_path):
        table().to_csv(tmp_path / "shop.csv")
        backends.faults(Parameters(parameters_for(tmp_path / "new", data=str(tmp_path / "shop.csv"))))
        assert os.listdir(tmp_path) == ["shop.csv"]

    def test_unknown_backend_suggests_the_nearest_name(self, tmp_path):
        with pytest.raises(NameNotFound, match="Did you mean 'local'"):
            backends.connect(Parameters(parameters_for(tmp_path, backend="lokal")))


class TestStore:
    def test_table_survives_a_round_trip(self, backend, tmp_path):
        frame = table().assign(when=pd.date_range("2024-01-01", periods=240, freq="h"), sure=True, many=range(240))
        uri = backend.write_table(frame, "shop/a folder/train.parquet")
        assert (tmp_path / "data" / "shop" / "a folder" / "train.parquet").as_uri() == uri
        pd.testing.assert_frame_equal(backend.read_table(uri), frame, check_freq=False)

    def test_json_survives_a_round_trip(self, backend):
        value = {"rows": 3, "columns": {"ü": [1.5, None, True]}}
        assert backend.read_json(backend.write_json(value, "shop/baseline.json")) == value

    def test_local_copy_is_a_file(self, backend):
        assert backend.local_copy(backend.write_json([1], "shop/sample.json")).read_text() == "[\n 1\n]"

    def test_table_is_read_from_its_path(self, backend, tmp_path):
        assert list(backend.read_table(str(tmp_path / "shop.csv")).columns) == list(table().columns)

    def test_missing_table_is_named(self, backend, tmp_path):
        with pytest.raises(DataError, match=r"gone\.parquet"):
            backend.read_table((tmp_path / "gone.parquet").as_uri())

    def test_table_is_described_with_its_size(self, backend, tmp_path):
        assert backend.describe_table(str(tmp_path / "shop.csv")).endswith("shop.csv, 0.0 MB")

    def test_workspace_that_cannot_be_created_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="workspace: cannot create the folder"):
            LocalBackend(Parameters(parameters_for(tmp_path / "file" / "below", data="shop.csv")))


class TestChecks:
    def test_prepare_creates_and_describes_the_stores(self, empty_workspace, tmp_path):
        backend = LocalBackend(Parameters(parameters_for(tmp_path / "new", data="shop.csv")))
        shutil.copy(empty_workspace / "mlflow.db", tmp_path / "new")
        lines = {check.name: check for check in backend.prepare()}
        assert list(lines) == ["workspace", "tracking store", "model registry", "data store", "compute"]
        assert all(check.ok for check in lines.values())
        assert lines["workspace"].result.endswith("new, created")
        assert "0 experiments" in lines["tracking store"].result
        assert "0 models" in lines["model registry"].result
        assert "cores" in lines["compute"].result

    def test_prepare_describes_an_existing_workspace(self, workspace):
        backend = LocalBackend(Parameters(parameters_for(workspace)))
        backend.tracking.experiment_id(NAME)
        backend.models(NAME).register("run-1", "/models/1", "abc", {})
        lines = {check.name: check.result for check in backend.prepare()}
        assert lines["workspace"].endswith("found")
        assert "1 experiment" in lines["tracking store"]
        assert "1 model" in lines["model registry"]

    def test_low_disk_space_is_not_ok(self, workspace, monkeypatch):
        usage = types.SimpleNamespace(free=10**8, total=10**12, used=10**12)
        monkeypatch.setattr("lib.backends.local.backend.shutil.disk_usage", lambda path: usage)
        backend = LocalBackend(Parameters(parameters_for(workspace)))
        assert [check.name for check in backend.prepare() if not check.ok] == ["data store"]


class TestEndpoints:
    def test_new_workspace_has_no_endpoints(self, backend):
        assert backend.endpoints() == []

    def test_stopping_an_undeployed_endpoint_does_nothing(self, backend):
        endpoint = backend.endpoint(NAME)
        before, after = endpoint.status(), endpoint.stop()
        assert before == after
        assert (before.name, before.url, before.version, before.detail) == (NAME, "", "", "")
        assert before.state != "running"

    def test_undeployed_endpoint_has_no_key(self, backend):
        with pytest.raises(EndpointError, match=f"{NAME} was never deployed here, so there is no key"):
            backend.endpoint(NAME).key()

    def test_managing_endpoints_creates_no_tracking_store(self, backend, tmp_path):
        backend.endpoint(NAME).status()
        backend.endpoints()
        assert not (tmp_path / "mlflow.db").exists()
