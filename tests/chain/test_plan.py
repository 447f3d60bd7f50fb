"""The plan of a run: notebooks, repetitions and order."""

import pytest

from lib.chain import notebooks, plan
from lib.errors import NameNotFound, ParameterError
from lib.parameters import Parameters

CHAIN = notebooks.read_all()
PARAMETERS = Parameters({"automl": False, "training_functions": ["linear", "xgboost"]})


def labels(**options):
    return [execution.label for execution in plan.list_executions(CHAIN, PARAMETERS, **options)]


def test_train_runs_once_per_training_function():
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
def test_part_of_the_chain(options, expected):
    assert labels(**options) == expected


def test_file_names_are_unique_and_in_order():
    names = [execution.file_name for execution in plan.list_executions(CHAIN, PARAMETERS)]
    assert names[2:4] == ["03_train-linear.ipynb", "03_train-xgboost.ipynb"]
    assert sorted(set(names)) == names


@pytest.mark.parametrize(("option", "flag"), [("first", "--from"), ("last", "--to"), ("only", "--only")])
def test_unknown_stage_gets_a_suggestion(option, flag):
    with pytest.raises(NameNotFound) as caught:
        labels(**{option: "trian"})
    assert "There is no stage 'trian'" in str(caught.value)
    assert flag in str(caught.value)
    assert "Did you mean 'train'? Known: setup, preprocess, train, evaluate, deploy." in str(caught.value)


def test_start_after_the_end_is_refused():
    with pytest.raises(ParameterError, match="--from deploy comes after --to train.* The order is: setup, preprocess"):
        labels(first="deploy", last="train")


@pytest.mark.parametrize("other", [{"first": "train"}, {"last": "train"}])
def test_only_excludes_from_and_to(other):
    with pytest.raises(ParameterError, match="--only runs one stage alone"):
        labels(only="train", **other)


def test_group_by_stage():
    groups = plan.group_by_stage(plan.list_executions(CHAIN, PARAMETERS))
    labels = [[execution.label for execution in group] for group in groups]
    assert labels == [
        ["setup"],
        ["preprocess"],
        ["train linear", "train xgboost"],
        ["evaluate"],
        ["deploy"],
    ]
