"""Date formats of text columns, inferred alike by table profiling, splitting and training."""

import numpy as np
import pandas as pd
import pytest

from lib.schema import date_columns, datetimes
from lib.tables.split.rules import TimeSplit, rule_from_dict
from lib.training.features import TableEncoder

DAYS = pd.Series(pd.date_range("2023-01-01 14:05:06", periods=300, freq="33h"))
FORMATS = [
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


@pytest.mark.parametrize("date_format", FORMATS)
def test_profiling_and_training_infer_the_same_format(date_format):
    texts = DAYS.dt.strftime(date_format)
    inspected = date_columns.inspect_date_format(texts)
    assert (inspected.format, inspected.is_ambiguous, inspected.unreadable) == (date_format, False, 0)
    column = TableEncoder().fit(pd.DataFrame({"when": texts}), np.arange(300) % 2).columns_["when"]
    assert column.kind == "date" and column.date_format == date_format
    assert (datetimes.parse_column(texts, date_format).dt.day == DAYS.dt.day).all()


@pytest.mark.parametrize("month_first", [False, True])
def test_month_first_decides_ambiguous_dates(month_first):
    texts = pd.Series([f"{row % 12 + 1:02}/{row // 12 % 12 + 1:02}/05" for row in range(144)])
    inspected = date_columns.inspect_date_format(texts, month_first)
    assert inspected.is_ambiguous and inspected.format == ("%m/%d/%y" if month_first else "%d/%m/%y")
    encoder = TableEncoder(month_first=month_first).fit(pd.DataFrame({"when": texts}), np.arange(144) % 2)
    assert encoder.columns_["when"].date_format == inspected.format


def test_one_unambiguous_row_decides_for_the_column():
    texts = pd.Series(["03/04/2005"] * 5_000 + ["12/31/2005"])
    assert date_columns.infer_date_format(texts) == "%m/%d/%Y"
    assert not date_columns.inspect_date_format(texts).is_ambiguous


def test_iso_dates_are_read_in_any_column_and_others_counted():
    texts = DAYS.dt.strftime("%d.%m.%Y").where(np.arange(300) % 2 > 0, DAYS.dt.strftime("%Y-%m-%d"))
    texts[7] = "soon"
    inspected = date_columns.inspect_date_format(texts)
    assert (inspected.format, inspected.unreadable) == ("%d.%m.%Y", 1)


def test_mixed_formats_are_listed():
    texts = DAYS.dt.strftime("%d.%m.%Y").where(np.arange(300) % 2 > 0, DAYS.dt.strftime("%d %b %Y"))
    assert date_columns.infer_date_format(texts) is None
    assert {"%d.%m.%Y", "%d %b %Y"} <= set(date_columns.find_mixed_formats(texts))


def test_time_split_keeps_the_format_of_the_whole_table():
    frame = pd.DataFrame({"when": pd.Series(pd.date_range("2024-01-01", periods=360)).dt.strftime("%m/%d/%Y")})
    rule = rule_from_dict(TimeSplit.from_table(frame, "when", "2024-07-01", 0.2).to_dict())
    ambiguous = frame[frame["when"].isin(["02/01/2024", "08/01/2024"])]
    assert rule.is_test(ambiguous).tolist() == [False, True]


def test_formats_are_described_as_people_write_them():
    assert datetimes.describe_format("%d/%m/%y") == "dd/mm/yy"
    assert datetimes.describe_format(datetimes.ISO_FORMAT) == "yyyy-mm-dd"
