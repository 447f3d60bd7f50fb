"""What is remembered of dates and times that requests bring."""

import pytest

from lib.serving import moments


@pytest.fixture
def known(monkeypatch):
    found = moments._Known()
    monkeypatch.setattr(moments, "_known", found.__getitem__)
    return found


def test_a_moment_is_remembered_for_the_model_and_what_is_none_is_not(known):
    assert moments.are_moments(["2026-11-22", "2026-11-22T09:30:00Z"])
    assert not moments.are_moments(["2026-11-22", "x" * 10**6])
    assert not moments.is_moment("2026-02-30")
    assert moments.moments(["2026-11-22", None]).astype(str).tolist() == ["2026-11-22T00:00:00.000000000", "NaT"]
    assert set(known) == {"2026-11-22", "2026-11-22T09:30:00Z"}


def test_no_more_are_remembered_than_a_request_has_rows(known, monkeypatch):
    monkeypatch.setattr(moments, "MOST_KNOWN", 5)
    texts = [f"2026-11-{day:02}" for day in range(1, 31)]
    assert moments.are_moments(texts)
    assert len(known) <= 5
    assert moments.moments(texts).astype("datetime64[D]").astype(str).tolist() == texts
