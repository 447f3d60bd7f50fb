"""Texts, spelled alike in contracts, training and scoring."""

import pandas as pd
import pytest

from lib.schema.text_values import category_name, category_names, normalize_text
from lib.training.features.categories import CategoryColumn

COMPOSED, DECOMPOSED = "Zo\u00e9", "Zoe\u0301"


@pytest.mark.parametrize("text", [DECOMPOSED, f"  {COMPOSED}\t", f"\u00a0{DECOMPOSED}\n"])
def test_spellings_of_a_text_become_one(text):
    assert normalize_text(text) == COMPOSED
    assert category_name(text) == COMPOSED


def test_inner_spaces_and_case_are_kept():
    assert normalize_text(" New  York ") == "New  York"


@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_names_of_a_column_do_not_depend_on_its_type(dtype):
    values = pd.Series([" a", "a ", DECOMPOSED, "  ", None], dtype=dtype, index=[5, 6, 7, 8, 9])
    names = category_names(values)
    assert names.tolist() == ["a", "a", COMPOSED, None, None]
    assert names.index.tolist() == [5, 6, 7, 8, 9]


def test_whole_numbers_have_one_name_in_any_column():
    assert category_names(pd.Series([7.0, None, 8.5])).tolist() == ["7", None, "8.5"]
    assert category_names(pd.Series([7, "7", True], dtype=object)).tolist() == ["7", "7", "True"]


def test_values_that_cannot_be_hashed_have_names():
    assert category_names(pd.Series([[1], [1], None])).tolist() == ["[1]", "[1]", None]


def test_model_reads_both_spellings_as_one_category():
    column = CategoryColumn("category", [COMPOSED, "Ida"])
    indices = column.to_floats(pd.Series([DECOMPOSED, f" {COMPOSED}", "Ida "]))
    assert indices[:, 0].tolist() == [0, 0, 1]
