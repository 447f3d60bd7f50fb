"""Faults of `threshold`, `costs` and `cost_column` that are found without the table."""

import pytest

from lib.chain.header import find_column_faults
from lib.errors import ParameterError
from lib.parameters import Parameters, check_given, load
from lib.parameters.thresholds import parse_threshold, threshold_faults

BINARY = {"task": "binary", "target_column": "churn"}
COSTS = {"false_negative": 500, "false_positive": 20}


@pytest.mark.parametrize(
    ("value", "goal", "number"),
    [(0.5, "fixed", 0.5), (0.07, "fixed", 0.07), ("recall:0.8", "recall", 0.8), ("precision: 1", "precision", 1.0)],
    ids=str,
)
def test_threshold_is_parsed(value, goal, number):
    setting = parse_threshold(value)
    assert (setting.goal, setting.value) == (goal, number)
    assert setting.is_default is (value == 0.5) and setting.is_chosen_from_data is isinstance(value, str)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "0 is out of range"),
        (1, "1 is out of range"),
        (-0.2, "-0.2 is out of range"),
        (True, "got True, expected a number between 0 and 1"),
        ("recall", "needs a recall above 0 and up to 1, such as recall:0.8"),
        ("recall:80", "needs a recall above 0"),
        ("recall:0", "needs a recall above 0"),
        ("precision:high", "needs a precision above 0"),
        ("recal:0.8", "Did you mean 'recall'?"),
        ("costs", "Did you mean 'cost'?"),
        ("f1:0.5", "expected a number between 0 and 1"),
    ],
    ids=str,
)
def test_unusable_threshold_is_refused(value, message):
    with pytest.raises(ParameterError, match="^threshold: ") as error:
        check_given({**BINARY, "threshold": value})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "regression", "threshold": 0.3}, "threshold: a regression has no classes"),
        ({"task": "regression", "costs": COSTS}, "costs: only classifications have costs"),
        ({"task": "regression", "cost_column": "amount"}, "cost_column: only classifications have costs"),
        ({"task": "multiclass", "threshold": "f1"}, "threshold: f1 needs a binary task"),
        ({"task": "multiclass", "threshold": 0.3}, "threshold: 0.3 needs a binary task"),
        ({"task": "multiclass", "costs": COSTS}, "by actual and predicted class"),
        ({"threshold": "cost"}, "threshold: cost needs costs"),
        ({"costs": {"false_negativ": 5}}, "no outcome 'false_negativ'. Did you mean 'false_negative'?"),
        ({"costs": {"false_negative": "high"}}, "false_negative is 'high'; expected a number"),
        ({"costs": {"false_negative": True}}, "false_negative is True; expected a number"),
        ({"costs": {"false_negative": 0, "false_positive": 0}}, "at least one error must cost more"),
        ({"costs": {"false_negative": 5, "true_positive": 9}}, "at least one error must cost more"),
        ({"costs": {"yes": {"no": -1}}}, "yes.no is -1; expected a number that is not negative"),
        ({"costs": {"yes": {"no": 5, "yes": 1}}}, "yes.yes is a correct prediction"),
        ({"costs": {"yes": {"no": 5}, "no": 3}}, "no is 3; expected the cost of each predicted class"),
        ({"costs": {"yes": {"no": 0}}}, "all costs are 0"),
        ({"cost_column": "churn", "costs": {"false_positive": 20}}, "'churn' is the target_column"),
        ({"cost_column": "amount", "drop_columns": ["amount"]}, "'amount' is in drop_columns"),
        ({"cost_column": "amount", "costs": {"yes": {"no": 5}}}, "needs a binary task, and costs by outcome"),
    ],
    ids=str,
)
def test_each_fault_is_one_sentence(values, message):
    (fault,) = threshold_faults({**BINARY, **values})
    assert message in fault


def test_misspelt_cost_column_is_found_in_the_header(tmp_path):
    (tmp_path / "rows.csv").write_text("churn,amount\nno,1\nyes,2\n")
    given = {"data": str(tmp_path / "rows.csv"), "target_column": "churn", "cost_column": "amout"}
    (fault,) = find_column_faults(Parameters({**load([]).values, **given, "pipeline": "base"}))
    assert "cost_column" in fault and "Did you mean 'amount'?" in fault


@pytest.mark.parametrize("value", ["balnced", ["yes"]])
def test_class_weight_is_balanced_or_a_mapping(value):
    with pytest.raises(ParameterError, match="expected a mapping or balanced"):
        check_given({**BINARY, "class_weight": value})
    assert check_given({**BINARY, "class_weight": "balanced"})["class_weight"] == "balanced"


@pytest.mark.parametrize(
    "values",
    [
        {"threshold": "cost", "costs": COSTS},
        {"threshold": "cost", "cost_column": "amount", "costs": {"false_positive": 20}},
        {"threshold": "cost", "costs": {**COSTS, "true_positive": 10}},
        {"task": "multiclass", "threshold": "cost", "costs": {"cat": {"dog": 5}}},
        {"task": "regression"},
        {},
    ],
    ids=str,
)
def test_usable_parameters_have_no_fault(values):
    assert threshold_faults({**BINARY, **values}) == []
