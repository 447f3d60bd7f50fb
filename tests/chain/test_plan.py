"""Which notebooks run, how often, and in which order."""

import pytest

from lib.chain import notebooks, plan
from lib.errors import NameNotFound, ParameterError
from lib.parameters import Parameters

CHAIN = notebooks.all_of()
PARAMETERS = Parameters({"automl": False, "training_functions": ["linear", "xgboost"]})


def labels(**options):
    return [one.label for one in plan.executions(CHAIN, PARAMETERS, **options)]


def test_all_in_their_order_and_train_once_for_each_function():
    assert labels() == ["setup", "preprocess", "train linear", "train xgboost", "evaluate", "deploy"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"first": "train"}, ["train linear", "train xgboost", "evaluate", "deploy"]),
        ({"last": "preprocess"}, ["setup", "preprocess"]),
        ({"first": "preprocess", "last": "preprocess"}, ["preprocess"]),
        ({"first": "evaluate", "last": "deploy"}, ["evaluate", "deploy"]),
        ({"only": "train"}, ["train linear", "train xgboost"]),
        ({"only": "setup"}, ["setup"]),
        ({"first": "setup", "last": "deploy"}, labels()),
    ],
)
def test_a_part_of_the_chain(options, expected):
    assert labels(**options) == expected


def test_executed_notebooks_have_names_of_their_own_in_the_order_of_the_chain():
    names = [one.file_name for one in plan.executions(CHAIN, PARAMETERS)]
    assert names[2:4] == ["03_train-linear.ipynb", "03_train-xgboost.ipynb"]
    assert sorted(set(names)) == names


@pytest.mark.parametrize(("option", "flag"), [("first", "--from"), ("last", "--to"), ("only", "--only")])
def test_a_stage_that_is_none_is_named_with_the_nearest_one(option, flag):
    with pytest.raises(NameNotFound) as caught:
        labels(**{option: "trian"})
    assert "There is no stage 'trian'" in str(caught.value)
    assert flag in str(caught.value)
    assert "Did you mean 'train'? Known: setup, preprocess, train, evaluate, deploy." in str(caught.value)


def test_a_start_after_the_end_leaves_nothing_to_run():
    with pytest.raises(ParameterError, match="--from deploy comes after --to train.* The order is: setup, preprocess"):
        labels(first="deploy", last="train")


@pytest.mark.parametrize("other", [{"first": "train"}, {"last": "train"}])
def test_only_goes_with_neither_of_the_others(other):
    with pytest.raises(ParameterError, match="--only runs one stage alone"):
        labels(only="train", **other)


def test_rounds_hold_what_may_run_side_by_side():
    together = [[one.label for one in some] for some in plan.group_by_stage(plan.executions(CHAIN, PARAMETERS))]
    assert together == [["setup"], ["preprocess"], ["train linear", "train xgboost"], ["evaluate"], ["deploy"]]
