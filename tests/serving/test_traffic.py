"""The distribution of requests between versions, with versions that answer at once."""

import asyncio
import time
from pathlib import Path

import pytest

from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.rollout import Rollout
from lib.serving.server import traffic as traffic_module
from lib.serving.server.traffic import MAX_DEAD_CHECKS, MAX_EVENTS, MAX_MIRRORED, Traffic


class FakePool:
    """A version that answers with its own name, fails, or does not answer."""

    about = {"target": "late"}

    def __init__(self, version):
        self.version, self.name, self.sha256, self.engine = version, "model", None, "fast"
        self.folder = Path(f"{version}-a")
        self.has_worker, self.is_started, self.has_ended = True, False, False
        self.fails, self.answers_never, self.start_error = False, False, None
        self.bodies = []

    async def start(self):
        if self.start_error:
            raise self.start_error
        self.is_started = True

    async def end(self, patience_seconds=10):
        self.has_ended = True

    def submit(self, body):
        self.bodies.append(body)
        answer = asyncio.get_running_loop().create_future()
        if not self.answers_never:
            content = b'{"predictions":["%s"],"model":"%s"}' % (body, self.version.encode())
            answer.set_result(Answer(500 if self.fails else 200, self.fails, content))
        return answer


async def two_versions(**rollout):
    """Return traffic with a stable version 1 and a new version 2, and both."""
    saved = []
    traffic = Traffic(lambda: saved.append(traffic.events[-1] if traffic.events else ""))
    first, second = FakePool("1"), FakePool("2")
    await traffic.start(first)
    await traffic.shift(Rollout())
    await traffic.start(second)
    await traffic.shift(Rollout(**rollout))
    traffic.saved = saved
    return traffic, first, second


async def ask(traffic, times, body=b"x"):
    return [(await traffic.score(body)).pool.version for _ in range(times)]


def run(test):
    asyncio.run(asyncio.wait_for(test(), 20))


@pytest.mark.parametrize("has_stable", [True, False])
def test_version_gets_no_traffic_if_its_record_cannot_be_written(has_stable):
    async def test():
        def fail():
            raise OSError(28, "No space left on device")

        traffic, first, _ = await two_versions(percent=0)
        if not has_stable:
            traffic.stable = None
        new, before = traffic.new, (traffic.stable, traffic.new, traffic.rollout, traffic.watch)
        traffic._on_change = fail
        with pytest.raises(OSError, match="No space left"):
            await traffic.shift(Rollout(percent=100))
        assert (traffic.stable, traffic.new, traffic.rollout, traffic.watch) == before
        await traffic.take_down(new, "it did not pass the checks of its deployment")
        assert new.has_ended and traffic.new is None and not first.has_ended

    run(test)


@pytest.mark.parametrize("percent", [0, 30, 100])
def test_new_version_gets_its_share(percent):
    async def test():
        traffic, *_ = await two_versions(percent=percent)
        share = (await ask(traffic, 1000)).count("2") / 10
        assert abs(share - percent) < (8 if percent == 30 else 1)

    run(test)


def test_first_version_becomes_stable_whatever_its_share():
    async def test():
        traffic = Traffic(lambda: None)
        pool = FakePool("1")
        await traffic.start(pool)
        await traffic.shift(Rollout(percent=5, mirror=50))
        assert traffic.stable is pool and traffic.new is None
        assert (traffic.rollout.percent, traffic.rollout.mirror) == (0, 0) and await ask(traffic, 5) == ["1"] * 5

    run(test)


def test_new_version_whose_processes_stay_dead_is_taken_down():
    async def test():
        traffic, first, second = await two_versions(percent=100)
        second.has_worker = False
        for _ in range(MAX_DEAD_CHECKS - 1):
            await traffic.check()
        assert traffic.new is second and await ask(traffic, 3) == ["1"] * 3
        second.has_worker = True
        await traffic.check()
        second.has_worker = False
        for _ in range(MAX_DEAD_CHECKS - 1):
            await traffic.check()
        assert traffic.new is second  # only consecutive checks count
        await traffic.check()
        assert traffic.new is None and second.has_ended and not first.has_ended
        assert "processes died" in traffic.events[-1] and traffic.saved[-1] == traffic.events[-1]

    run(test)


def test_old_version_stays_ready_for_the_minutes_of_the_watch(monkeypatch):
    async def test():
        now = time.time()
        monkeypatch.setattr(traffic_module.time, "time", lambda: now)
        traffic, first, second = await two_versions(percent=100, watch_minutes=10)
        monkeypatch.setattr(traffic_module.time, "time", lambda: now + 599)
        await traffic.check()
        assert traffic.stable is first and not first.has_ended
        monkeypatch.setattr(traffic_module.time, "time", lambda: now + 601)
        await traffic.check()
        assert traffic.stable is second and traffic.new is None and first.has_ended
        assert traffic.previous["version"] == "1" and traffic.leading is second

    run(test)


def test_version_with_a_share_is_never_made_stable_by_itself(monkeypatch):
    async def test():
        now = time.time()
        traffic, first, second = await two_versions(percent=99, watch_minutes=0)
        monkeypatch.setattr(traffic_module.time, "time", lambda: now + 10_000)
        await traffic.check()
        assert traffic.stable is first and traffic.new is second

    run(test)


def test_mirrored_requests_are_bounded():
    async def test():
        traffic, _, second = await two_versions(percent=0, mirror=100)
        second.answers_never = True
        assert await ask(traffic, 3 * MAX_MIRRORED) == ["1"] * (3 * MAX_MIRRORED)
        await asyncio.sleep(0)
        assert len(second.bodies) == MAX_MIRRORED

    run(test)


def test_mirrored_answers_are_compared_without_their_version():
    async def test():
        traffic, first, second = await two_versions(percent=0, mirror=100)
        await ask(traffic, 10)
        await asyncio.sleep(0.01)
        assert (traffic.watch.mirrored, traffic.watch.agreed) == (10, 10)
        second.submit = lambda body: FakePool.submit(second, body + b"!")
        await ask(traffic, 5)
        await asyncio.sleep(0.01)
        assert (traffic.watch.mirrored, traffic.watch.agreed) == (15, 10)

    run(test)


def test_failures_of_mirrored_requests_take_the_new_version_down():
    async def test():
        traffic, _, second = await two_versions(percent=0, mirror=100)
        second.fails = True
        await ask(traffic, 40)
        await asyncio.sleep(0.01)
        assert traffic.new is None and second.has_ended

    run(test)


def test_requests_on_which_both_versions_fail_take_nothing_down():
    async def test():
        traffic, first, second = await two_versions(percent=0, mirror=100)
        first.fails = second.fails = True
        await ask(traffic, 60)
        await asyncio.sleep(0.01)
        assert traffic.new is second

    run(test)


def test_failed_answer_of_the_new_version_is_given_by_the_stable_one():
    async def test():
        traffic, _, second = await two_versions(percent=100, max_error_rate=1)
        second.fails = True
        assert await ask(traffic, 3) == ["1"] * 3 and len(second.bodies) == 3

    run(test)


def test_too_many_failures_give_the_traffic_back_at_once():
    async def test():
        traffic, _, second = await two_versions(percent=100, max_error_rate=0.1)
        second.fails = True
        await ask(traffic, 20)
        bodies = len(second.bodies)
        await ask(traffic, 20)
        await asyncio.sleep(0.01)
        assert len(second.bodies) == bodies <= 20 and traffic.new is None
        assert "endpoint_max_error_rate" in traffic.events[-1]

    run(test)


def test_deployment_can_be_named():
    async def test():
        traffic, *_ = await two_versions(percent=0)
        assert (await traffic.score(b"x", "2-a")).pool.version == "2"
        with pytest.raises(RequestError) as error:
            await traffic.score(b"x", "3-a")
        assert error.value.status == 404

    run(test)


def test_rollback_takes_the_new_version_down_or_starts_the_previous_one():
    async def test():
        traffic, first, second = await two_versions(percent=100, watch_minutes=0)
        await traffic.roll_back("by hand", FakePool)
        assert traffic.new is None and second.has_ended and await ask(traffic, 1) == ["1"]
        with pytest.raises(RequestError) as error:
            await traffic.roll_back("by hand", FakePool)
        assert error.value.status == 409
        traffic.previous = {"version": "0"}
        await traffic.roll_back("by hand", lambda description: FakePool(description["version"]))
        assert traffic.stable.version == "0" and traffic.stable.is_started and first.has_ended
        assert traffic.previous["version"] == "1"

    run(test)


def test_failed_rollback_keeps_the_version():
    async def test():
        traffic = Traffic(lambda: None)
        await traffic.start(FakePool("1"))
        await traffic.shift(Rollout())
        traffic.previous = {"version": "0"}
        broken = FakePool("0")
        broken.start_error = OSError("gone")
        with pytest.raises(OSError, match="gone"):
            await traffic.roll_back("by hand", lambda _: broken)
        assert traffic.stable.version == "1" and not traffic.stable.has_ended

    run(test)


def test_third_version_replaces_one_that_has_not_all_traffic():
    async def test():
        traffic, first, second = await two_versions(percent=30)
        third = FakePool("3")
        await traffic.start(third)
        assert second.has_ended and traffic.stable is first and traffic.rollout.percent == 0
        await traffic.shift(Rollout(percent=100))
        fourth = FakePool("4")
        await traffic.start(fourth)
        assert traffic.stable is third and first.has_ended and traffic.new is fourth

    run(test)


def test_without_a_version_requests_get_503():
    async def test():
        traffic = Traffic(lambda: None)
        with pytest.raises(RequestError) as error:
            await traffic.score(b"x")
        assert error.value.status == 503
        with pytest.raises(RequestError) as error:
            await traffic.shift(Rollout())
        assert error.value.status == 409

    run(test)


def test_events_are_bounded():
    async def test():
        traffic, *_ = await two_versions(percent=1)
        for percent in range(2 * MAX_EVENTS):
            await traffic.shift(Rollout(percent=percent))
        assert len(traffic.events) == MAX_EVENTS and "gets 39 %" in traffic.events[-1]

    run(test)
