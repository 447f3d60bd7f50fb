"""The real SDKs on the loopback Azure, one process for each part: their results and their calls."""

import pytest

pytestmark = pytest.mark.usefixtures("azurite")


def test_a_table_is_registered_and_read_with_its_types(azure):
    assert azure.client("data") == {
        "types": {"day": "object", "late": "int64", "name": "object"},
        "rows": [{"day": "2026-01-01", "late": 0, "name": "a"}, {"day": "2026-01-02", "late": 1, "name": "b"}],
        "version": 2, "parquet": [False, True],
    }  # fmt: skip
    azure.assert_matches_contract("data")


def test_mlflow_and_the_sdk_share_runs_and_model_versions(azure):
    result = azure.client("registry")
    tags = {"1": {"stage": "candidate"}, "2": {"stage": "production"}, "3": {"stage": "v1", "more": "yes"}}
    assert result["registered"] == result["with_mlflow"] == tags
    assert result["production"] == [2] and {"MLmodel", "conda.yaml"} < set(result["files"])
    assert result["seen"] == [{"rows": 5.0}, "FINISHED", "sdk"]
    assert result["other"] == [[1.0, 0.5, pytest.approx(1 / 3)], "Completed", "train"]
    assert result["loaded"] == [1] and result["logged_models"] == 404
    azure.assert_matches_contract("registry")


@pytest.mark.slow
def test_a_job_leaves_files_metrics_and_a_log(azure):
    result = azure.client("job")
    assert result["status"] == "Completed" and result["state"] == "Succeeded"
    assert result["metrics"] == {"rows": 12, "score": 0.75} and result["tags"] == {"colour": "blue", "by": "mlflow"}
    assert result["files"] == ["notes/note.txt", "outputs/model.txt", "user_logs/std_log.txt"]
    assert result["model"] == "content" and "hello from flights_" in result["log"]
    azure.assert_matches_contract("job")


@pytest.mark.slow
def test_automl_models_load_only_in_automls_image(azure):
    result = azure.client("automl")
    assert result["status"] == "Completed" and result["children"] == 3
    assert result["best"] == result["auc"][-1] > 0.9
    assert result["unpickled"] == "loopback_automl"
    assert result["version"] == 1 and result["cancelled"] == "Canceled"
    azure.assert_matches_contract("automl")


@pytest.mark.slow
def test_an_endpoint_serves_blue_and_green_deployments(azure):
    result = azure.client("endpoint_v2")
    assert result["live"] == ["blue"] * 4 and result["named"] == {"text": "w1", "colour": "green"}
    assert result["both"] == ["blue", "blue", "green", "green"]
    # Of four requests, half were mirrored; one named green, two were its share; the failing one may be either's.
    assert result["green_asked"] in (5, 6)
    assert result["failure"] == [424, "500"]
    assert result["left"] == ["blue"] and result["endpoints"] == []
    assert result["model"] == ["1", {"stage": "candidate"}]
    azure.assert_matches_contract("endpoint_v2")


@pytest.mark.slow
def test_an_endpoint_serves_an_mlflow_model(azure):
    result = azure.client("endpoint_mlflow")
    assert result == {"predicted": [0, 2, 4], "names": ["blue"], "endpoints": []}
    azure.assert_matches_contract("endpoint_mlflow")
