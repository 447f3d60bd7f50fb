"""The end of sessions: all processes of a session end, others stay."""

import os
import subprocess
import sys

import pytest

from lib.chain import sessions
from tests.chain.small_notebooks import wait_for
from tests.processes import has_ended

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no sessions")
# The leader starts children: one that ends on SIGTERM, one that ignores it, one in another group, one in a session.
LEADER = """
import subprocess, sys, time
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(3600)"
children = [
    subprocess.Popen(["sleep", "3600"]),
    subprocess.Popen([sys.executable, "-c", ignore], stdout=subprocess.PIPE),
    subprocess.Popen(["sleep", "3600"], process_group=0),
    subprocess.Popen(["sleep", "3600"], start_new_session=True),
]
children[1].stdout.readline()
print(*(child.pid for child in children), flush=True)
{last}
"""


@pytest.mark.parametrize("last", ["", "time.sleep(3600)"], ids=["ended leader", "running leader"])
def test_all_processes_of_a_session_end(monkeypatch, last):
    monkeypatch.setattr(sessions, "_TERMINATION_SECONDS", 0.5)
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER.replace("{last}", last)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    *members, outsider = map(int, leader.stdout.readline().split())
    if not last:
        leader.wait()
    assert set(members) <= set(sessions.find_members(leader.pid))
    sessions.end(leader.pid)
    leader.wait()
    wait_for(lambda: all(has_ended(pid) for pid in members))
    assert sessions.find_members(leader.pid) == [] and not has_ended(outsider)
    os.kill(outsider, 9)


def test_own_process_is_no_member():
    assert os.getpid() not in sessions.find_members(os.getsid(0))
