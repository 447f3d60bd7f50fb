"""Dates as people write them: told apart, and read by the training as the table was looked at."""

import numpy as np
import pandas as pd
import pytest

from lib.data import moments
from lib.schema import date_formats
from lib.training.features import TableEncoder

DAYS = pd.Series(pd.date_range("2023-01-01 14:05:06", periods=300, freq="33h"))
FORMS = [
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%y",
    "%m/%d/%y",
    "%m-%d-%Y",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%y %I:%M:%S%p",
    "%d %b %Y",
    "%B %d, %Y",
    "%d-%b-%y",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_form_is_found_by_the_look_and_by_the_training(form):
    words = DAYS.dt.strftime(form)
    found = moments.date_form(words)
    assert (found.form, found.is_ambiguous, found.unread) == (form, False, 0)
    column = TableEncoder().fit(pd.DataFrame({"when": words}), np.arange(300) % 2).columns_["when"]
    assert column.kind == "date" and column.form == form
    assert (date_formats.parse(words, form).dt.day == DAYS.dt.day).all()


@pytest.mark.parametrize("month_first", [False, True])
def test_where_no_row_tells_day_from_month_the_parameter_does(month_first):
    words = pd.Series([f"{place % 12 + 1:02}/{place // 12 % 12 + 1:02}/05" for place in range(144)])
    found = moments.date_form(words, month_first)
    assert found.is_ambiguous and found.form == ("%m/%d/%y" if month_first else "%d/%m/%y")
    encoder = TableEncoder(month_first=month_first).fit(pd.DataFrame({"when": words}), np.arange(144) % 2)
    assert encoder.columns_["when"].form == found.form


def test_one_row_of_many_tells_day_from_month():
    words = pd.Series(["03/04/2005"] * 5_000 + ["12/31/2005"])
    assert moments.date_format(words) == "%m/%d/%Y" and not moments.date_form(words).is_ambiguous


def test_iso_dates_among_others_are_read_and_what_is_neither_is_counted():
    words = DAYS.dt.strftime("%d.%m.%Y").where(np.arange(300) % 2 > 0, DAYS.dt.strftime("%Y-%m-%d"))
    words[7] = "soon"
    found = moments.date_form(words)
    assert (found.form, found.unread) == ("%d.%m.%Y", 1)


def test_dates_in_forms_that_do_not_go_together_are_told():
    words = DAYS.dt.strftime("%d.%m.%Y").where(np.arange(300) % 2 > 0, DAYS.dt.strftime("%d %b %Y"))
    assert moments.date_format(words) is None
    assert {"%d.%m.%Y", "%d %b %Y"} <= set(moments.mixed_forms(words))


def test_a_split_by_time_keeps_the_form_of_the_whole_table():
    from lib.data.split import TimeSplit, restored

    frame = pd.DataFrame({"when": pd.Series(pd.date_range("2024-01-01", periods=360)).dt.strftime("%m/%d/%Y")})
    rule = restored(TimeSplit.of(frame, "when", "2024-07-01", 0.2).described())
    some = frame[frame["when"].isin(["02/01/2024", "08/01/2024"])]
    assert rule.is_test(some).tolist() == [False, True]


def test_forms_in_words():
    assert date_formats.in_words("%d/%m/%y") == "dd/mm/yy" and date_formats.in_words(date_formats.ISO) == "yyyy-mm-dd"
