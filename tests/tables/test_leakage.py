"""Detection of columns that give away the target."""

import numpy as np
import pandas as pd

from lib.tables.quality import leakage


def table_with_sum(rows=500):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.random(rows), "b": random.random(rows)})
    return frame.assign(total=frame["a"] + 2 * frame["b"])


def test_addends_are_found_beside_infinite_values():
    frame = table_with_sum().assign(c=np.where(np.arange(500) % 9, 1.0, np.inf))
    assert leakage.describe_leaks(frame, "total", "regression").startswith("a, b add up to total.")


def test_fewer_rows_than_folds_report_no_leaks():
    assert leakage.describe_leaks(table_with_sum(2), "total", "regression") == ""
