"""Seasons: rows are compared with reference rows of the same month and weekday, as far as the reference has dates."""

import datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.monitoring.cells import NUMBER, Cells
from lib.monitoring.reference import ColumnReference, count_reference
from lib.monitoring.seasons import MONTH, WEEKDAY, Seasons, choose_seasons
from lib.monitoring.surprises import measure_seasonal_surprises
from lib.monitoring.verdict import ACT, STABLE, judge
from lib.monitoring.windows import Window, count_window, join_small_windows
from lib.stages._monitored_seasons import RowDates

CELLS = Cells(NUMBER, edges=(-1.0, 0.0, 1.0))
FIRST, WEEK = pd.Timestamp("2026-01-05"), pd.Timedelta(days=7)


def draw(random, first, days, rows, shift=0.0):
    """Return dates, and numbers that are larger in summer and at weekends."""
    dates = pd.Series(first + pd.to_timedelta(random.integers(0, days, rows), unit="D"))
    season = -1.5 * np.cos(2 * np.pi * dates.dt.dayofyear / 365) + (dates.dt.dayofweek >= 5)
    return dates, season + random.normal(size=rows) + shift


def judge_year(kinds, drift=0.0, reference_rows=6_000):
    """Judge a year of weeks with a usual season, and a drift from week 30 on."""
    random = np.random.default_rng(7)
    seasons = Seasons(kinds) if kinds else None
    dates, values = draw(random, pd.Timestamp("2024-01-01"), 731, reference_rows)
    season = seasons.of_rows(dates) if seasons else None
    references = {"load": count_reference(CELLS, pd.Series(values), 1.0, season)}
    windows = []
    for week in range(52):
        dates, values = draw(random, FIRST + week * WEEK, 7, 150, drift if week >= 30 else 0.0)
        start = (FIRST + week * WEEK).to_pydatetime().replace(tzinfo=datetime.UTC)
        season = seasons.of_rows(dates) if seasons else None
        windows.append(count_window(pd.DataFrame({"load": values}), references, start, start + WEEK, season))
    return judge(references, windows, 0.01, "seed")


def test_a_usual_season_is_a_drift_unless_compared_like_for_like():
    assert judge_year(()).verdict == ACT
    assert judge_year((MONTH, WEEKDAY)).verdict == STABLE


def test_a_drift_beyond_the_season_is_found_with_its_start():
    judgement = judge_year((MONTH, WEEKDAY), drift=0.7)
    assert judgement.verdict == ACT
    assert abs(judgement.columns[0].start.start.date() - (FIRST + 30 * WEEK).date()) <= datetime.timedelta(days=14)


@pytest.mark.parametrize("earlier_rows", [3, 300])
def test_seasonal_surprises_are_standard_normal(earlier_rows):
    random = np.random.default_rng(earlier_rows)
    numbers = []
    for _ in range(400):
        shares = random.dirichlet(np.full(4, 0.5), 5)  # each season has a distribution of its own
        sizes = [random.integers(0, earlier_rows, 5), random.integers(0, 40, 5)]
        earlier, window = (
            np.array([random.multinomial(n, p) for n, p in zip(size, shares, strict=True)]) for size in sizes
        )
        numbers.append(measure_seasonal_surprises(earlier, window, random))
    assert stats.kstest(np.ravel(numbers), "norm").pvalue > 0.001
    correlations = np.corrcoef(np.array(numbers).T)
    assert np.abs(correlations - np.eye(len(correlations))).max() < 0.2


def test_a_season_without_reference_rows_is_no_evidence():
    random = np.random.default_rng(0)
    earlier, window = np.array([[0, 500, 0], [0, 0, 0]]), np.array([[0, 0, 0], [0, 0, 500]])
    numbers = [measure_seasonal_surprises(earlier, window, random) for _ in range(300)]
    assert stats.kstest(np.ravel(numbers), "norm").pvalue > 0.001


@pytest.mark.parametrize(
    ("days", "rows", "kinds", "reason"),
    [
        (730, 6_000, (MONTH, WEEKDAY), ""),
        (730, 800, (MONTH,), "for each month and weekday together|in each weekday"),
        (90, 5_000, (WEEKDAY,), "in each month are needed"),
        (90, 200, None, "in each month and in each weekday"),
    ],
)
def test_seasons_need_reference_rows_in_each(days, rows, kinds, reason):
    random = np.random.default_rng(1)
    dates = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, days, rows), unit="D"))
    seasons, because = choose_seasons(dates)
    assert (seasons and seasons.kinds) == kinds
    assert (because == "") == (reason == "") and any(part in because for part in reason.split("|"))


def test_rows_without_a_date_have_a_season_of_their_own():
    seasons = Seasons((MONTH, WEEKDAY))
    dates = pd.to_datetime(pd.Series(["2026-12-06", None]), utc=True)
    assert seasons.assign(dates).tolist() == [11 * 7 + 6, 84] and seasons.count == 85


def test_windows_keep_their_seasons_when_stored_and_joined():
    reference = ColumnReference(CELLS, (0, 1, 1, 1, 1), 1.0, ((0, 1, 1, 1, 1),) * 8)
    random = np.random.default_rng(3)
    parts = []
    for week in range(2):
        dates, values = draw(random, FIRST + week * WEEK, 7, 30)
        season = Seasons((WEEKDAY,)).of_rows(dates)
        start = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC) + week * WEEK
        parts.append(count_window(pd.DataFrame({"a": values}), {"a": reference}, start, start + WEEK, season))
    assert [Window.from_dict(part.to_dict()) for part in parts] == parts
    assert ColumnReference.from_dict(reference.to_dict()) == reference
    (joined,) = join_small_windows(parts)
    assert np.array(joined.seasonal_counts["a"]).sum(axis=0).tolist() == list(joined.counts["a"])


def row_dates(frame, time_column=""):
    """Return the dates of a served model with these test rows."""
    served = SimpleNamespace(test_rows=(frame, None), name_in_log=lambda name: name)
    return RowDates(served, SimpleNamespace(time_column=time_column))


def test_the_page_says_which_seasons_are_compared_and_why_not_others():
    dates = pd.Series(pd.date_range("2024-01-01", periods=7_000, freq="2h"))
    none = row_dates(pd.DataFrame({"size": [1.0, 2.0]}))
    assert none.of_test_rows() is None
    assert "the test rows have no column of dates" in none.describe({}, has_dates=True)
    several = row_dates(pd.DataFrame({"sent": dates, "paid": dates}))
    assert "several columns of dates" in several.describe({}, has_dates=True)
    chosen = row_dates(pd.DataFrame({"sent": dates, "paid": dates}), "paid")
    references = {"a": count_reference(CELLS, pd.Series(np.zeros(7_000)), 1.0, chosen.of_test_rows())}
    assert chosen.describe(references, has_dates=True) == (
        "Rows are compared with test rows of the same month and weekday, by paid."
    )
    assert "the rows have no column paid" in chosen.describe(references, has_dates=False)
    earlier = {"a": ColumnReference(CELLS, (0, 1, 1, 1, 1))}
    assert "made by an earlier release" in chosen.describe(earlier, has_dates=True)


def test_requests_have_the_date_of_their_column_or_of_their_answer():
    dates = pd.Series(pd.date_range("2024-01-01", periods=7_000, freq="2h"))
    made = row_dates(pd.DataFrame({"sent": dates}))
    answered = pd.to_datetime(pd.Series(["2026-07-01"]), utc=True)
    july, march = 6 * 7, 2 * 7
    assert made.of_rows(pd.DataFrame({"_time": answered})).numbers.tolist() == [july + 2]
    assert made.of_rows(pd.DataFrame({"_time": answered, "sent": ["2026-03-02"]})).numbers.tolist() == [march]
    assert made.of_rows(pd.DataFrame({"size": [1.0]})) is None
