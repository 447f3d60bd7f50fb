"""What is remembered of dates and times that requests bring."""

import pytest

from lib.schema import datetimes


@pytest.fixture
def known(monkeypatch):
    found = datetimes._Known()
    monkeypatch.setattr(datetimes, "_known", found.__getitem__)
    return found


def test_a_moment_is_remembered_for_the_model_and_what_is_none_is_not(known):
    assert datetimes.are_moments(["2026-11-22", "2026-11-22T09:30:00Z"])
    assert not datetimes.are_moments(["2026-11-22", "x" * 10**6])
    assert not datetimes.is_moment("2026-02-30")
    assert datetimes.moments(["2026-11-22", None]).astype(str).tolist() == ["2026-11-22T00:00:00.000000000", "NaT"]
    assert set(known) == {"2026-11-22", "2026-11-22T09:30:00Z"}


def test_no_more_are_remembered_than_a_request_has_rows(known, monkeypatch):
    monkeypatch.setattr(datetimes, "MOST_KNOWN", 5)
    texts = [f"2026-11-{day:02}" for day in range(1, 31)]
    assert datetimes.are_moments(texts)
    assert len(known) <= 5
    assert datetimes.moments(texts).astype("datetime64[D]").astype(str).tolist() == texts
