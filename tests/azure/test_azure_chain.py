"""The whole chain on Azure Machine Learning, as a user starts it, against the loopback Azure."""

import re
import signal

import pandas as pd
import pytest

pytest.importorskip("azureml.core", reason='azureml-core is missing: make install GROUPS="azure dev"')

from tests.azure.use_cases import SECONDS, Chain

# Three chains in one test take minutes on a quiet machine, and several times as long on a busy one.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite"), pytest.mark.timeout(5400)]


def score_of(decision):
    return float(re.search(r"\(\w+ ([\d.]+)\)", decision)[1])


def test_the_same_split_scores_and_decision_as_on_a_laptop_then_a_champion_is_met(azure):
    functions = {"training_functions": ["linear", "gradient_boosting"]}
    laptop = Chain(azure, "flights", workspace=str(azure.folder / "laptop"), **functions)
    laptop.run(profile=False)
    split, decided = laptop.table("test_data"), laptop.outputs["decision"]
    laptop.run("endpoint", "stop", laptop.name, profile=False)

    chain = Chain(azure, "flights", **functions)
    chain.run()
    there = chain.table("test_data")
    pd.testing.assert_frame_equal(there[split.columns], split, check_dtype=False)
    assert re.sub(r"[\d.]+\)", ")", chain.outputs["decision"]) == re.sub(r"[\d.]+\)", ")", decided)
    assert score_of(chain.outputs["decision"]) == pytest.approx(score_of(decided), abs=0.01)
    assert chain.jobs == ["Completed"] * 3  # preprocess and two trainings
    assert azure.store.computes[chain.given["gpu_cluster"]].most_busy == 2
    assert len(list(chain.newest.glob("*.ipynb"))) == 6
    assert ["production" in tags for tags in chain.versions] == [True]
    assert chain.live == {"blue": "1"} and chain.ask()
    azure.keeps_contract("chain")

    chain.run(training_functions=["gradient_boosting"])
    assert "is not promoted: it is no better than champion v1" in chain.outputs["decision"]
    assert ["production" in tags for tags in chain.versions] == [True]
    assert chain.live == {"blue": "1"} and chain.ask()


def test_an_endpoint_that_answers_502_gets_no_traffic_and_the_run_goes_on_later(azure):
    chain = Chain(azure, "penguins", training_functions=["linear"])
    azure.faults.in_service("endpoint.unhealthy")
    output = chain.run(code=1)
    assert "answered 502" in output and "nothing is left running" in output and "run_all.py --resume" in output
    assert azure.endpoint(chain.name) is None
    azure.faults.clear()
    chain.resume()
    assert chain.live == {"blue": "1"} and chain.ask()


def test_a_token_that_expires_in_mid_run_tags_nothing_and_the_run_goes_on_later(azure):
    chain = Chain(azure, "penguins", training_functions=["linear"])
    expired = {"code": "ExpiredAuthenticationToken", "message": "The access token has expired."}
    azure.faults.on_wire("mlflow/model-versions/create", 401, times=10**6, **expired)
    output = chain.run(code=1)
    assert "The login has expired" in output and "run_all.py --resume" in output
    assert not chain.versions and azure.endpoint(chain.name) is None
    azure.faults.clear()
    chain.resume()
    assert ["production" in tags for tags in chain.versions] == [True] and chain.live == {"blue": "1"}
    assert len(chain.jobs) == 2  # what was done is not done again


def test_two_first_runs_at_once_leave_one_version_in_production(azure):
    given = {"training_functions": ["linear"], "datastore": f"first_{azure.mark}"}
    chains = [
        Chain(azure, "penguins", runs_folder=str(azure.folder / f"runs-{number}"), **given) for number in range(2)
    ]
    processes = [chain.start() for chain in chains]
    outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    tags = chains[0].versions
    assert len(tags) in (1, 2) and sum("production" in one for one in tags) == 1
    assert len(chains[0].live) == 1


def test_interrupted_here_is_cancelled_there_and_resumed(azure):
    chain = Chain(azure, "penguins", training_functions=["linear"])
    process = chain.start()
    cluster = chain.given["gpu_cluster"]
    while cluster not in azure.store.computes or not azure.store.computes[cluster].busy:
        assert process.poll() is None, process.communicate()[0]
        azure.cloud.journal.wait(1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, output
    assert chain.jobs == ["Canceled"] and not chain.versions
    chain.resume()
    assert chain.live == {"blue": "1"}


def test_automl_searches_on_the_cluster_and_its_model_is_served_unopened(azure):
    chain = Chain(azure, "penguins", automl=True, max_trials=3, max_nodes=2)
    chain.run()
    [search] = [one for one in azure.store.runs.values() if one.dto["target"] and one.dto["runType"] == "automl"][-1:]
    assert len([one for one in azure.store.runs.values() if one.dto["parentRunId"] == search.id]) == 3
    assert ["production" in tags for tags in chain.versions] == [True]
    assert chain.live == {"blue": "1"} and set(chain.ask()) >= {"predictions", "probabilities", "classes"}
    executed = next(chain.newest.glob("03_automl*.ipynb")).read_text()
    # Each model's score, as it came.
    assert len(re.findall(r"\w+: average_precision_score_weighted [01]", executed)) >= 3
    assert "every shuffled column would be one" in executed and "loopback_automl" not in executed
    azure.keeps_contract("chain_automl")
