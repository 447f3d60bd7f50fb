"""The whole chain on Azure Machine Learning, started like by a user, on the loopback Azure."""

import re
import signal

import pandas as pd
import pytest

from tests.azure.use_cases import TIMEOUT_SECONDS, Chain, register_datastore_with_key

# Three chains in one test take minutes, and several times as long on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite"), pytest.mark.timeout(5400)]


def parse_score(decision):
    """Return the first score in a decision."""
    return float(re.search(r"\(\w+ ([\d.]+)\)", decision)[1])


def test_azure_gives_the_same_split_scores_and_decision(azure, sdk):
    functions = {"training_functions": ["linear", "gradient_boosting"]}
    laptop = Chain(azure, "flights", workspace=str(azure.folder / "laptop"), **functions)
    laptop.run(profile=False)
    local_test, local_decision = laptop.read_table("test_data"), laptop.outputs["decision"]
    laptop.run("endpoint", "stop", laptop.name, profile=False)

    chain = Chain(azure, "flights", sdk, **functions)
    chain.run()
    azure_test = chain.read_table("test_data")
    pd.testing.assert_frame_equal(azure_test[local_test.columns], local_test, check_dtype=False)
    assert re.sub(r"[\d.]+\)", ")", chain.outputs["decision"]) == re.sub(r"[\d.]+\)", ")", local_decision)
    assert parse_score(chain.outputs["decision"]) == pytest.approx(parse_score(local_decision), abs=0.01)
    assert chain.job_statuses == ["Completed"] * 3  # preprocess and two trainings
    assert azure.store.computes[chain.parameters["gpu_cluster"]].max_busy == 2
    assert len(list(chain.newest_run.glob("*.ipynb"))) == 6
    assert ["production" in tags for tags in chain.version_tags] == [True]
    assert chain.live_versions == {"blue": "1"} and chain.query_endpoint()
    azure.assert_matches_contract(f"chain_{sdk}")

    chain.run(training_functions=["gradient_boosting"])
    assert "is not promoted: it is no better than champion v1" in chain.outputs["decision"]
    assert ["production" in tags for tags in chain.version_tags] == [True]
    assert chain.live_versions == {"blue": "1"} and chain.query_endpoint()


def test_a_run_resumes_after_an_unhealthy_endpoint(azure, sdk):
    chain = Chain(azure, "penguins", sdk, training_functions=["linear"])
    azure.faults.in_service("endpoint.unhealthy")
    output = chain.run(code=1)
    assert "answered 502" in output and "nothing is left running" in output and "run_all.py --resume" in output
    assert azure.endpoint(chain.name) is None
    azure.faults.clear()
    chain.resume()
    assert chain.live_versions == {"blue": "1"} and chain.query_endpoint()


def test_a_run_resumes_after_an_expired_token(azure, sdk):
    chain = Chain(azure, "penguins", sdk, training_functions=["linear"])
    expired = {"code": "ExpiredAuthenticationToken", "message": "The access token has expired."}
    azure.faults.on_wire("mlflow/model-versions/create", 401, times=10**6, **expired)
    output = chain.run(code=1)
    assert "The login has expired" in output and "run_all.py --resume" in output
    assert not chain.version_tags and azure.endpoint(chain.name) is None
    azure.faults.clear()
    chain.resume()
    assert ["production" in tags for tags in chain.version_tags] == [True] and chain.live_versions == {"blue": "1"}
    assert len(chain.job_statuses) == 2  # finished stages are not executed again


def test_concurrent_first_runs_promote_one_version(azure, sdk):
    overrides = {"training_functions": ["linear"], "datastore": f"first_{azure.first_call}"}
    chains = [
        Chain(azure, "penguins", sdk, runs_folder=str(azure.folder / f"runs-{number}"), **overrides)
        for number in range(2)
    ]
    processes = [chain.start() for chain in chains]
    outputs = [process.communicate(timeout=TIMEOUT_SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    versions = chains[0].version_tags
    assert len(versions) in (1, 2) and sum("production" in tags for tags in versions) == 1
    assert len(chains[0].live_versions) == 1


def test_an_interrupt_cancels_the_job_and_can_be_resumed(azure, sdk):
    chain = Chain(azure, "penguins", sdk, training_functions=["linear"])
    process = chain.start()
    cluster = chain.parameters["gpu_cluster"]
    while cluster not in azure.store.computes or not azure.store.computes[cluster].busy:
        assert process.poll() is None, process.communicate()[0]
        azure.cloud.journal.wait(1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130, output
    assert chain.job_statuses == ["Canceled"] and not chain.version_tags
    chain.resume()
    assert chain.live_versions == {"blue": "1"}


def test_automl_models_are_served_without_loading_them(azure, sdk):
    store = {}
    if sdk == "v1":
        store = {"datastore": f"keyed_{azure.first_call}", "datastore_has_key": True}
        register_datastore_with_key(azure, store["datastore"])
    chain = Chain(azure, "penguins", sdk, automl=True, max_trials=3, max_nodes=2, **store)
    chain.run()
    [search] = [run for run in azure.store.runs.values() if run.dto["target"] and run.dto["runType"] == "automl"][-1:]
    assert len([run for run in azure.store.runs.values() if run.dto["parentRunId"] == search.id]) == 3
    assert ["production" in tags for tags in chain.version_tags] == [True]
    assert chain.live_versions == {"blue": "1"} and set(chain.query_endpoint()) >= {
        "predictions",
        "probabilities",
        "classes",
    }
    executed = next(chain.newest_run.glob("03_automl*.ipynb")).read_text()
    # The score of each model was reported.
    assert len(re.findall(r"\w+: average_precision_score_weighted [01]", executed)) >= 3
    assert "one job for each shuffled column" in executed and "loopback_automl" not in executed
    azure.assert_matches_contract(f"chain_automl_{sdk}")
