"""The router's side of the control protocol."""

import asyncio
import gc
import json
from types import SimpleNamespace

import uvloop

from lib.serving.deploying.control_client import make_control_socket
from lib.serving.server.control_server import ControlServer


def test_a_late_deployer_is_served_after_a_garbage_collection():
    async def ask_for_the_state():
        server = ControlServer(SimpleNamespace(traffic=None, state=lambda: {"port": 1}))
        await server.start(control)
        gc.collect()
        await asyncio.sleep(0)
        reader, writer = await asyncio.open_unix_connection(control.getsockname())
        writer.write(b'{"do": "state"}\n')
        answer = await reader.readline()
        writer.close()
        return answer

    with make_control_socket() as control, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert json.loads(runner.run(ask_for_the_state())) == {"state": {"port": 1}}
