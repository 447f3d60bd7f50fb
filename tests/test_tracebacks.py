"""Short errors in notebooks."""

import json
import traceback

import pandas as pd
import pytest

from lib.backends.models import ConcurrentPromotionError
from lib.errors import DataError, GateError, NameNotFound, shown_exit_code
from lib.tracebacks import shortened, summarize


def prepare_data(frame):
    return frame.astype({"size": float})


def caught(function, *arguments):
    """Return the error that a call raises within the short form."""
    with pytest.raises(Exception) as raised, shortened():
        function(*arguments)
    return raised.value


def test_error_of_a_library_names_the_users_line():
    error = caught(prepare_data, pd.DataFrame({"size": ["twelve"]}))
    lines = error._render_traceback_()
    assert (
        lines[0]
        == "ValueError: could not convert string to float: 'twelve': Error while type casting for column 'size'"
    )
    assert lines[-2:] == [
        f"  tests/test_tracebacks.py, line {prepare_data.__code__.co_firstlineno + 1}, in prepare_data:",
        '    return frame.astype({"size": float})',
    ]
    assert len(lines) < 8 < len(traceback.format_exception(error))


def test_error_of_millrace_keeps_its_own_form():
    def fail():
        raise DataError("data/shop.csv has no rows.")

    lines = caught(fail)._render_traceback_()
    assert lines[0] == "DataError: data/shop.csv has no rows." and len(lines) == 2
    assert shown_exit_code(lines) == 2


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConcurrentPromotionError("another run"), 1),
        (type("UserError", (DataError,), {})("no rows"), 2),
        (GateError("too low"), 3),
        (NameNotFound("column", "a", ["b"]), 2),
        (pd.errors.DataError("No numeric types to aggregate"), None),
        (type("GateError", (Exception,), {})("too low"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_recognised_by_their_class_and_not_by_name(error, exit_code):
    def fail():
        raise error

    assert shown_exit_code(caught(fail)._render_traceback_()) == exit_code


def test_training_function_counts_as_the_users_code():
    from lib.metrics import get
    from lib.training import TrainingRequest, linear

    request = TrainingRequest("binary", get("roc_auc", "binary"), seed=0, threads=1)
    X = pd.DataFrame({"size": [1.0, 2.0]})
    error = caught(lambda: linear.train(X, pd.Series([1, 0]), request, regularisation="strong"))
    lines = error._render_traceback_()
    assert any(line.startswith("  lib/training/linear.py, line ") for line in lines)
    assert not any("site-packages" in line or "lib/training/features.py" in line for line in lines)


def test_error_without_the_users_code_names_millraces_innermost_line():
    from lib.chain import yaml_text

    error = caught(yaml_text.to_yaml, {"now": object()})
    while "lib/chain" not in error.__traceback__.tb_frame.f_code.co_filename:
        error.__traceback__ = error.__traceback__.tb_next
    (line,) = [line for line in summarize(error) if ", line " in line]
    assert line.startswith("  lib/chain/yaml_text.py, line ") and line.endswith(", in to_yaml:")


def test_syntax_error_says_where(tmp_path):
    file = tmp_path / "shop.py"
    file.write_text("def train(X, y, request)\n    return X\n")
    error = caught(lambda: compile(file.read_text(), file, "exec"))
    assert f'File "{file}", line 1' in "\n".join(error._render_traceback_())


def test_short_form_does_not_change_the_error():
    error = caught(json.loads, "{")
    assert isinstance(error, json.JSONDecodeError) and error.pos == 1
