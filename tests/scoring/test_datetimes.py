"""The cache of datetimes that requests contain."""

import pytest

from lib.schema import datetimes


@pytest.fixture
def cache(monkeypatch):
    cache = datetimes._NanosecondCache()
    monkeypatch.setattr(datetimes, "_cached_nanoseconds", cache.__getitem__)
    return cache


def test_only_valid_datetimes_are_cached(cache):
    assert datetimes.are_datetimes(["2026-11-22", "2026-11-22T09:30:00Z"])
    assert not datetimes.are_datetimes(["2026-11-22", "x" * 10**6])
    assert not datetimes.is_datetime("2026-02-30")
    converted = datetimes.to_datetime64(["2026-11-22", None])
    assert converted.astype(str).tolist() == ["2026-11-22T00:00:00.000000000", "NaT"]
    assert set(cache) == {"2026-11-22", "2026-11-22T09:30:00Z"}


def test_cache_stays_below_its_maximum_size(cache, monkeypatch):
    monkeypatch.setattr(datetimes, "MAX_CACHED", 5)
    texts = [f"2026-11-{day:02}" for day in range(1, 31)]
    assert datetimes.are_datetimes(texts)
    assert len(cache) <= 5
    assert datetimes.to_datetime64(texts).astype("datetime64[D]").astype(str).tolist() == texts
