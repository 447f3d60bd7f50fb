"""The rows to look at: those whose values have become more frequent, without values of private columns."""

import numpy as np
import pandas as pd

from lib.monitoring.cells import CATEGORY, NUMBER, Cells
from lib.monitoring.reference import ColumnReference
from lib.monitoring.unusual_rows import rank_rows

REFERENCES = {
    "size": ColumnReference(Cells(NUMBER, edges=(0.0, 1.0)), (0, 500, 400, 100)),
    "colour": ColumnReference(Cells(CATEGORY, categories=("red", "blue")), (0, 500, 500, 0)),
}


def test_rows_with_several_new_values_come_first():
    rows = pd.DataFrame(
        {"size": [-1.0, 5.0, 5.0, -1.0], "colour": ["red", "red", "mauve", "mauve"]}, index=[7, 8, 9, 10]
    )
    ranked = rank_rows(rows, REFERENCES, ["size", "colour"])
    assert ranked.index[0] == 9
    assert ranked.loc[9].tolist() == ["above 1", "any other value"]
    assert 7 not in ranked.index


def test_at_most_ten_rows_and_only_drifted_columns_count():
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"size": random.normal(3.0, 1.0, 300), "colour": "mauve"})
    ranked = rank_rows(rows, REFERENCES, ["size", "absent"])
    assert len(ranked) == 10 and list(ranked.columns) == ["size"]


def test_rows_like_the_reference_are_not_listed():
    rows = pd.DataFrame({"colour": ["red", "blue"] * 50})
    assert rank_rows(rows, {"colour": ColumnReference(REFERENCES["colour"].cells, (0, 50, 50, 0))}, ["colour"]).empty
