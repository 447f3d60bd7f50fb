"""Tracking on a real MLflow: runs, stage outputs, and models verified by their hash."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lib.backends.tracking import Tracking
from lib.errors import DataError, StageError
from lib.paths import ROOT
from lib.scoring.model_folder import BASELINE_FILE
from tests.workspaces import model_of, quick_logging, table


def tracking_in(workspace):
    return Tracking(f"sqlite:///{workspace / 'mlflow.db'}", (workspace / "artifacts").as_uri())


@pytest.fixture
def tracking(workspace):
    return tracking_in(workspace)


def finished(tracking, stage="preprocess", experiment="shop", **outputs):
    """Create a finished run with outputs."""
    with tracking.run(experiment, stage, stage, {}) as run_id:
        pass
    tracking.log_outputs(run_id, outputs)
    return run_id


def trained(tracking, training_function, train_data, experiment="shop"):
    """Create a finished run of a training function."""
    import mlflow

    with tracking.run(experiment, "train", training_function, {}) as run_id:
        problem = {"target_column": "bought", "task": "binary"}
        mlflow.log_params({"training_function": training_function, "train_data": train_data, **problem})
    return run_id


class TestRuns:
    def test_a_run_has_its_stage_name_and_tags(self, tracking):
        with tracking.run("shop", "train", "linear", {"run_name": "today", "empty": ""}) as run_id:
            pass
        run = tracking.client.get_run(run_id)
        assert run.info.status == "FINISHED"
        assert run.info.run_name == "linear"
        assert run.data.tags["stage"] == "train"
        assert run.data.tags["run_name"] == "today"
        assert "empty" not in run.data.tags

    def test_a_run_fails_if_its_body_raises(self, tracking):
        with pytest.raises(ZeroDivisionError), tracking.run("shop", "train", "linear", {}) as run_id:
            raise ZeroDivisionError
        assert tracking.client.get_run(run_id).info.status == "FAILED"

    def test_artifacts_are_stored_in_the_workspace(self, tracking, workspace):
        with tracking.run("shop", "train", "linear", {}):
            tracking.log_table(pd.DataFrame({"a": [1]}), "scores")
        (written,) = (workspace / "artifacts" / "shop").rglob("scores.csv")
        assert written.read_text() == ",a\n0,1\n"

    def test_an_experiment_is_created_once(self, tracking):
        assert tracking.experiment_id("shop") == tracking.experiment_id("shop")

    def test_a_deleted_experiment_is_reported(self, tracking):
        tracking.client.delete_experiment(tracking.experiment_id("shop"))
        with pytest.raises(StageError, match="experiment shop was deleted"):
            tracking.experiment_id("shop")


class TestNewestOutput:
    def test_there_are_no_outputs_before_the_first_run(self, tracking):
        assert tracking.newest_output("shop", "preprocess", "train_data") is None
        assert tracking.newest_candidates("shop", "a.parquet", "bought", "binary") == []

    def test_the_newest_run_wins(self, tracking):
        for value in ("old", "new"):
            finished(tracking, train_data=value)
        assert tracking.newest_output("shop", "preprocess", "train_data") == "new"

    @pytest.mark.parametrize("value", ["text", ["a", "b"], {"a": 1.5}, "ü 'quoted' \"twice\"", ""])
    def test_outputs_round_trip(self, tracking, value):
        finished(tracking, decision=value)
        assert tracking.newest_output("shop", "preprocess", "decision") == value

    def test_failed_runs_and_runs_without_outputs_do_not_count(self, tracking):
        finished(tracking, train_data="whole")
        finished(tracking)
        with pytest.raises(ZeroDivisionError), tracking.run("shop", "preprocess", "preprocess", {}) as failed:
            raise ZeroDivisionError
        tracking.log_outputs(failed, {"train_data": "half"})
        assert tracking.newest_output("shop", "preprocess", "train_data") == "whole"

    def test_other_stages_and_use_cases_do_not_count(self, tracking):
        finished(tracking, train_data="mine")
        finished(tracking, stage="train", train_data="another stage")
        finished(tracking, experiment="bank", train_data="another use case")
        assert tracking.newest_output("shop", "preprocess", "train_data") == "mine"


class TestNewestCandidates:
    def test_each_function_has_one_candidate_sorted_by_name(self, tracking):
        trained(tracking, "linear", "a.parquet")
        forest = trained(tracking, "random_forest", "a.parquet")
        linear = trained(tracking, "linear", "a.parquet")
        assert tracking.newest_candidates("shop", "a.parquet", "bought", "binary") == [linear, forest]

    def test_candidates_of_other_training_data_do_not_count(self, tracking):
        trained(tracking, "linear", "a.parquet")
        newer = trained(tracking, "linear", "b.parquet")
        assert tracking.newest_candidates("shop", "b.parquet", "bought", "binary") == [newer]

    def test_a_missing_candidate_is_reported(self, tracking):
        with pytest.raises(DataError, match="no MLflow run 'nowhere'"):
            tracking.candidate_run("nowhere")

    def test_a_run_without_a_model_is_not_a_candidate(self, tracking):
        run = tracking.candidate_run(finished(tracking))
        with pytest.raises(DataError, match="candidates: .* logged no model"):
            tracking.model_source(run)


@pytest.fixture(scope="module")
def logged(empty_workspace, tmp_path_factory):
    """Log a model once; return the tracking, run id, hash, model and rows."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(empty_workspace / "mlflow.db", folder)
    tracking = tracking_in(folder)
    rows = table().assign(when=pd.date_range("2024-01-01", periods=len(table()), freq="h"), many=1, sure=True)
    model = model_of("size", "many").fit(rows, rows["bought"])
    rows = rows.drop(columns=["bought", "price"])
    with quick_logging(), tracking.run("shop", "train", "linear", {}) as run_id:
        sha256 = tracking.log_model(model, rows.head(4), rows, {"rows": 240})
    return tracking, run_id, sha256, model, rows


class TestModels:
    @pytest.fixture
    def copy(self, logged, tmp_path):
        """Copy the logged model folder for tampering; return the copy and the original hash."""
        tracking, run_id, sha256, *_ = logged
        source, _ = tracking.model_source(tracking.candidate_run(run_id))
        shutil.copytree(tracking.model_folder(source, sha256), tmp_path / "model")
        return tmp_path / "model", sha256

    def test_a_loaded_model_gives_the_same_predictions(self, logged):
        tracking, run_id, sha256, model, rows = logged
        source, logged_sha256 = tracking.model_source(tracking.candidate_run(run_id))
        assert logged_sha256 == sha256
        loaded = tracking.load_model(tracking.model_folder(source, sha256))
        np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))

    def test_loading_a_model_keeps_its_hash(self, logged):
        tracking, run_id, sha256, *_ = logged
        source, _ = tracking.model_source(tracking.candidate_run(run_id))
        for _ in range(2):
            tracking.load_model(tracking.model_folder(source, sha256))

    def test_the_signature_has_column_types_and_optional_columns(self, copy):
        import mlflow

        inputs = mlflow.models.get_model_info(str(copy[0])).signature.inputs.to_dict()
        assert {column["name"]: (column["type"], column["required"]) for column in inputs} == {
            "size": ("double", True),
            "luck": ("double", False),
            "colour": ("string", True),
            "when": ("datetime", True),
            "many": ("double", True),  # integer columns cannot represent missing values
            "sure": ("boolean", True),
        }

    def test_the_folder_has_example_baseline_environment_and_code(self, copy):
        folder, _ = copy
        assert json.loads((folder / BASELINE_FILE).read_text()) == {"rows": 240}
        assert (folder / "input_example.json").is_file()
        assert (folder / "code" / "lib" / "scoring" / "model.py").read_bytes() == (
            ROOT / "lib" / "scoring" / "model.py"
        ).read_bytes()
        assert "scikit-learn==" in (folder / "conda.yaml").read_text()

    def test_logging_and_loading_print_nothing(self, logged, capfd, recwarn):
        tracking, run_id, sha256, model, rows = logged
        with quick_logging(), tracking.run("shop", "train", "again", {}):
            tracking.log_model(model, rows.head(4), rows, {})
        tracking.load_model(tracking.model_folder(*tracking.model_source(tracking.candidate_run(run_id))))
        printed = capfd.readouterr()
        assert printed.out + printed.err == ""
        assert not recwarn.list

    @pytest.mark.parametrize("file", ["model.pkl", "MLmodel", BASELINE_FILE, "code/lib/scoring/model.py"])
    def test_a_changed_file_is_refused(self, logged, copy, file):
        folder, sha256 = copy
        altered = bytearray((folder / file).read_bytes())
        altered[len(altered) // 2] ^= 1
        (folder / file).write_bytes(altered)
        with pytest.raises(DataError, match="SHA-256 differs"):
            logged[0].model_folder(folder.as_uri(), sha256)

    def test_added_and_missing_files_are_refused(self, logged, copy):
        folder, sha256 = copy
        (folder / "code" / "sitecustomize.py").write_text("")
        with pytest.raises(DataError, match="SHA-256 differs"):
            logged[0].model_folder(folder.as_uri(), sha256)
        (folder / "code" / "sitecustomize.py").unlink()
        assert logged[0].model_folder(folder.as_uri(), sha256) == folder
        (folder / BASELINE_FILE).unlink()
        with pytest.raises(DataError, match="SHA-256 differs"):
            logged[0].model_folder(folder.as_uri(), sha256)

    def test_a_changed_model_is_never_unpickled(self, logged, copy, tmp_path):
        folder, sha256 = copy
        witness = tmp_path / "it ran"
        (folder / "model.pkl").write_bytes(b"cos\nmkdir\n(V" + str(witness).encode() + b"\ntR.")
        with pytest.raises(DataError):
            logged[0].load_model(logged[0].model_folder(folder.as_uri(), sha256))
        assert not witness.exists()

    def test_a_missing_folder_is_reported(self, logged, tmp_path):
        with pytest.raises(DataError, match="not%20there cannot be read"):
            logged[0].model_folder((tmp_path / "not there").as_uri(), "abc")


def test_import_is_mlflow_free_and_disables_telemetry():
    script = (
        "import os, sys\nos.environ.pop('MLFLOW_DISABLE_TELEMETRY', None)\nimport lib.backends.tracking\n"
        "print('mlflow' in sys.modules, os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout == "False true\n"
