"""What a change of the traffic does to versions, events, the saved state and the watch."""

import asyncio
import time

import pytest

from lib.scoring.request_error import RequestError
from lib.serving.rollout import MIN_ANSWERS, WINDOW_ANSWERS, Rollout, Watch
from lib.serving.server import traffic as traffic_module
from lib.serving.server.traffic import MAX_DEAD_CHECKS, MAX_MIRRORED, TimedAnswer, Traffic, describe_pool
from tests.serving.test_traffic import FakePool, ask, run, two_versions


def test_limits_have_their_documented_values():
    assert (MAX_MIRRORED, MAX_DEAD_CHECKS, traffic_module.MAX_EVENTS) == (32, 10, 20)
    assert (MIN_ANSWERS, WINDOW_ANSWERS) == (20, 500)


def test_start_waits_for_the_version_and_watches_it_anew():
    async def test():
        traffic, _, second = await two_versions(percent=100)
        await ask(traffic, 3)
        watch = traffic.watch
        assert watch.answers == 3 and second.is_started
        third = FakePool("3")
        await traffic.start(third)
        assert third.is_started and traffic.watch is not watch and traffic.watch.answers == 0
        assert traffic.rollout.percent == 0 and await ask(traffic, 20) == ["2"] * 20

    run(test)


def test_a_new_traffic_has_nothing_to_watch_or_shift():
    traffic = Traffic(lambda: None)
    assert traffic.watch.answers == 0 and traffic.rollout.percent == 0 and traffic.leading is None
    with pytest.raises(RequestError, match="no new version") as error:
        asyncio.run(traffic.shift(Rollout()))
    assert error.value.status == 409


def test_rollback_without_an_earlier_version_is_refused_and_saves_nothing():
    async def test():
        saved = []
        traffic = Traffic(lambda: saved.append(1))
        with pytest.raises(RequestError, match="no earlier version") as error:
            await traffic.roll_back("by hand", None)
        assert error.value.status == 409 and not saved

    run(test)


def test_every_change_is_saved():
    async def test():
        traffic, first, second = await two_versions(percent=50)
        assert len(traffic.saved) == 2  # two calls of `shift`
        await traffic.roll_back("by hand", None)
        assert len(traffic.saved) == 3 and "by hand" in traffic.saved[-1]
        await traffic.start(second)
        await traffic.shift(Rollout(percent=100, watch_minutes=0))
        await asyncio.sleep(0.01)
        await traffic.check()
        assert traffic.saved[-1].endswith("version 2 is now the stable one; version 1 was stopped")
        assert traffic.stable is second and traffic.new is None and traffic.rollout.percent == 0
        assert traffic.previous == describe_pool(first) and first.has_ended
        previous = FakePool("1")
        await traffic.roll_back("it was wrong", lambda description: previous)
        assert "it was wrong" in traffic.saved[-1] and traffic.stable is previous

    run(test)


@pytest.mark.parametrize(("percent", "version"), [(49, "1"), (50, "2")])
def test_version_with_half_of_the_traffic_leads(percent, version):
    async def test():
        traffic, first, _ = await two_versions(percent=percent)
        assert traffic.leading.version == version and traffic.events[0].endswith("version 1 is live")
        await traffic.take_down(traffic.new, "test")
        assert traffic.leading is first

    run(test)


@pytest.mark.parametrize(("drawn", "version"), [(0.0, "2"), (0.49, "2"), (0.5, "1"), (0.99, "1")])
def test_draws_below_the_share_go_to_the_new_version(drawn, version, monkeypatch):
    async def test():
        traffic, _, second = await two_versions(percent=50, mirror=50)
        monkeypatch.setattr(traffic_module.random, "random", lambda: drawn)
        assert await ask(traffic, 1) == [version]
        assert len(second.bodies) == (version == "2")  # from 0.5 on, there is no mirrored copy either
        second.bodies.clear()
        await traffic.shift(Rollout(percent=0))
        assert await ask(traffic, 1) == ["1"] and not second.bodies

    run(test)


def test_end_stops_both_versions():
    async def test():
        traffic, first, second = await two_versions(percent=50)
        await traffic.end(1)
        assert first.has_ended and second.has_ended

    run(test)


def test_a_first_version_deployed_over_a_full_rollout_needs_no_stable_one():
    async def test():
        saved = []
        traffic = Traffic(lambda: saved.append(1))
        traffic.new, traffic.rollout = FakePool("1"), Rollout(percent=100)
        await traffic.start(FakePool("2"))
        assert traffic.stable.version == "1" and traffic.new.version == "2" and saved and traffic.previous is None

    run(test)


def test_answers_of_a_version_that_is_no_longer_new_are_not_watched():
    async def test():
        traffic, first, _ = await two_versions(percent=50)
        timed = TimedAnswer(await first.submit(b"x"), first, 0.1)
        traffic._watch_answer(first, timed)
        assert traffic.watch.answers == 0

    run(test)


def test_time_of_the_watch_begins_with_the_shift(monkeypatch):
    async def test():
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now)
        traffic, _, second = await two_versions(percent=100, watch_minutes=1)
        monkeypatch.setattr(time, "time", lambda: now + 59)
        await traffic.shift(Rollout(percent=100, watch_minutes=1))
        monkeypatch.setattr(time, "time", lambda: now + 118)
        await traffic.check()
        assert traffic.new is second

    run(test)


@pytest.mark.parametrize(("failures", "exceeds"), [(1, False), (2, False), (3, True)])
def test_error_rate_is_that_of_the_latest_answers(failures, exceeds):
    watch = Watch(Rollout(max_error_rate=0.1))
    reasons = [watch.record(0.001, number >= MIN_ANSWERS - failures) for number in range(MIN_ANSWERS)]
    assert (reasons[-1] is not None) == exceeds and not any(reasons[:-1])
    assert watch.answers == MIN_ANSWERS
    if exceeds:
        assert reasons[-1].startswith("3 of its last 20 answers failed; the limit is 10.00%")


def test_old_failures_leave_the_window():
    watch = Watch(Rollout(max_error_rate=0.02))
    for _ in range(MIN_ANSWERS - 1):
        assert watch.record(0.001, True) is None
    for _ in range(WINDOW_ANSWERS):
        assert watch.record(0.001, False) is None
    assert watch.record(0.001, True) is None


@pytest.mark.parametrize(("slow", "exceeds"), [(1, False), (2, True)])
def test_latency_is_judged_at_its_95th_percentile(slow, exceeds):
    watch = Watch(Rollout(p95_latency_ms=100))
    seconds = [0.5] * slow + [0.1] * (MIN_ANSWERS - slow)
    reasons = [watch.record(value, False) for value in seconds]
    assert not any(reasons[:-1]) and (reasons[-1] is not None) == exceeds
    if exceeds:
        assert "is 500 ms; the limit is 100 ms" in reasons[-1]


def test_rollout_has_its_documented_defaults_and_does_not_change():
    rollout = Rollout()
    assert (rollout.percent, rollout.mirror, rollout.max_error_rate) == (100, 0, 0.02)
    assert (rollout.p95_latency_ms, rollout.watch_minutes) == (1000, 10)
    with pytest.raises(AttributeError):
        rollout.percent = 5


def test_check_without_a_new_version_changes_nothing():
    async def test():
        traffic, first, second = await two_versions(percent=50)
        await traffic.take_down(second, "test")
        await traffic.check()
        assert traffic.stable is first and not first.has_ended

    run(test)
