"""Columns that tell the target, in tables that leave little to tell by."""

import numpy as np
import pandas as pd

from lib.data import leaks


def table(rows=500):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.random(rows), "b": random.random(rows)})
    return frame.assign(total=frame["a"] + 2 * frame["b"])


def test_columns_add_up_whatever_a_column_holds_that_is_no_finite_number():
    frame = table().assign(c=np.where(np.arange(500) % 9, 1.0, np.inf))
    assert leaks.describe_leaks(frame, "total", "regression").startswith("a, b add up to total.")


def test_of_fewer_rows_than_folds_nothing_is_told():
    assert leaks.describe_leaks(table(2), "total", "regression") == ""
