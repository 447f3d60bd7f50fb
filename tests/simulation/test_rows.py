"""Rows of simulations: drawn from the test rows, and changed as the scenario says."""

import numpy as np
import pandas as pd

from lib.monitoring.cells import CATEGORY, NUMBER, Cells
from lib.monitoring.reference import ColumnReference
from lib.simulation.rows import draw_rows, list_used_columns, replace_values, shift_column

ROWS = pd.DataFrame({"size": np.arange(100.0), "share": np.linspace(0, 1, 100), "colour": ["red"] * 90 + ["blue"] * 10})


def test_drawn_rows_are_test_rows_and_keep_their_index():
    drawn = draw_rows(ROWS, seed=1)
    assert len(drawn) == 200 and drawn.equals(ROWS.loc[drawn.index])
    assert not drawn.index.equals(draw_rows(ROWS, seed=2).index)


def test_numbers_drift_by_a_standard_deviation_and_stay_whole():
    moved = shift_column(ROWS, "share", NUMBER, ROWS, seed=0)
    assert np.allclose(moved["share"] - ROWS["share"], ROWS["share"].std())
    assert (shift_column(ROWS, "size", NUMBER, ROWS, seed=0)["size"] % 1 == 0).all()


def test_half_of_the_categories_become_the_rarest():
    moved = shift_column(ROWS, "colour", CATEGORY, ROWS, seed=0)
    assert 40 < (moved["colour"] == "blue").sum() < 75


def test_replaced_values_leave_the_original_alone():
    changed = replace_values(ROWS, "size", None, 0.3, seed=0)
    assert 15 < changed["size"].isna().sum() < 45 and ROWS["size"].notna().all()


def test_columns_are_ordered_by_effect_and_unused_ones_left_out():
    number, category = Cells(NUMBER, edges=(1.0,)), Cells(CATEGORY, categories=("x",))
    references = {
        "weak": ColumnReference(number, (0, 1, 1), 0.1),
        "strong": ColumnReference(number, (0, 1, 1), 0.2),
        "unused": ColumnReference(number, (0, 1, 1), 0.0),
        "colour": ColumnReference(category, (0, 1, 1), 0.3),
        "hidden": ColumnReference(number, (0, 1, 1), 0.9),
    }
    columns = ["weak", "strong", "unused", "colour"]
    assert list_used_columns(references, columns, NUMBER) == ["strong", "weak"]
    assert list_used_columns(references, columns, CATEGORY) == ["colour"]
