"""Attacks on the HTTP server: each is refused at small cost, and other clients notice nothing."""

import socket
import threading
import time

import pytest

from lib.serving.server import body_reader, http_protocol
from tests.serving.http_server import HttpServer


@pytest.fixture
def server(tmp_path):
    with HttpServer(tmp_path).running() as running:
        yield running


def score(server, body=b"{}"):
    """Send a well-formed request on a connection of its own, and return the status."""
    with server.connect() as client:
        return client.send(server.head(f"Content-Length: {len(body)}") + body).answer()[0]


def refusal(server, data):
    """Send bytes, and return status and error code of the answer; the connection has to be closed then."""
    with server.connect() as client:
        status, _, content = client.send(data).answer()
        assert client.is_closed
    assert score(server) == 200
    return status, content["error"]["code"]


def _wait_for_body(server, n_bytes):
    """Wait until the server has received so many bytes of unfinished bodies."""
    deadline = time.monotonic() + 120
    while server.service._scoring._bodies._all_bytes < n_bytes:
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestHeads:
    def test_long_url_is_refused(self, server):
        head = server.head(method="GET", path="/" + "a" * 9000)
        assert refusal(server, head) == (414, "url_too_long")

    @pytest.mark.parametrize("key", [True, False])
    def test_large_header_is_refused(self, server, key):
        assert refusal(server, server.head("X: " + "a" * 70_000, key=key)) == (431, "head_too_large")

    def test_many_headers_are_refused(self, server):
        assert refusal(server, server.head(*["X: y"] * 101)) == (431, "head_too_large")

    def test_endless_header_is_refused_at_once_and_delays_nobody(self, server):
        """80 MB of one header once stalled all clients for many seconds."""
        waits = []

        def send_header():
            with server.connect() as client:
                client.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                for _ in range(80):
                    client.send(b"a" * 2**20)

        attack = threading.Thread(target=send_header)
        attack.start()
        while attack.is_alive() or len(waits) < 3:
            began = time.monotonic()
            assert score(server) == 200
            waits.append(time.monotonic() - began)
        attack.join()
        assert max(waits) < 2 and server.limit.refusal_counts["head_too_large"] == 1

    def test_line_breaks_without_end_are_refused(self, server):
        with server.connect() as client:
            for _ in range(100):
                client.send(b"\r\n" * 1000)
            assert client.is_closed or client.answer()[0] == 431

    @pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"POST /score HTTP/9.9\r\n\r\n"])
    def test_other_protocols_are_refused(self, server, data):
        assert refusal(server, data) == (400, "not_http")

    def test_two_lengths_are_refused(self, server):
        head = server.head("Content-Length: 2", "Transfer-Encoding: chunked")
        assert refusal(server, head + b"0\r\n\r\n") == (400, "not_http")

    def test_many_pipelined_requests_end_the_connection(self, server):
        with server.connect() as client:
            client.send(server.head("Content-Length: 2") * 1 + b"{}")
            assert client.answer()[0] == 200
            client.send((server.head("Content-Length: 2") + b"{}") * 500)
            answers = 0
            while client.answer() is not None:
                answers += 1
        assert answers <= http_protocol.MAX_PIPELINED_REQUESTS + 1 and score(server) == 200

    def test_some_pipelined_requests_are_answered_in_order(self, server):
        with server.connect() as client:
            client.send(b"".join(server.head(f"Content-Length: {size}") + b"x" * size for size in range(1, 9)))
            assert [client.answer()[2]["bytes"] for _ in range(1, 9)] == list(range(1, 9))

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_web_sockets_are_refused(self, server, method):
        head = server.head("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", method=method)
        assert refusal(server, head) == (400, "no_upgrade")

    def test_offer_of_http_2_is_answered_in_http_1(self, server):
        with server.connect() as client:
            client.send(server.head("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 2") + b"{}")
            assert client.answer()[0] == 200 and client.is_closed

    def test_proxy_requests_are_refused(self, server):
        assert refusal(server, b"CONNECT example.com:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == (400, "no_upgrade")


class TestBodies:
    @pytest.mark.parametrize("length", ["Content-Length: 8000000", "Transfer-Encoding: chunked"])
    def test_request_without_key_is_refused_before_its_body(self, server, length):
        with server.connect() as client:
            status, headers, content = client.send(server.head(length, key=False)).answer()
        assert (status, content["error"]["code"], headers["www-authenticate"]) == (401, "no_key", "Bearer")
        assert not server.traffic.bodies

    def test_refused_client_may_send_its_body_and_ask_again(self, server):
        with server.connect() as client:
            client.send(server.head("Content-Length: 3000000", key=False)).send(b"x" * 3_000_000)
            assert client.answer()[0] == 401
            assert client.send(server.head("Content-Length: 2") + b"{}").answer()[0] == 200

    def test_announced_size_is_refused_before_the_body(self, server):
        with server.connect() as client:
            assert client.send(server.head("Content-Length: 900000000")).answer()[0] == 413

    def test_endless_refused_body_is_dropped_and_cut_off(self, server, monkeypatch):
        monkeypatch.setattr(http_protocol, "MAX_DROPPED_BYTES", 2**20)
        with server.connect() as client:
            client.send(server.head("Content-Length: 900000000", key=False))
            for _ in range(40):
                client.send(b"x" * 2**18)
            assert client.answer() is None or client.is_closed
        assert score(server) == 200

    def test_chunked_body_is_limited(self, server):
        with server.connect() as client:
            client.send(server.head("Transfer-Encoding: chunked"))
            for _ in range(9):
                client.send(b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n")
            assert client.answer()[0] == 413

    def test_bodies_together_are_limited(self, server, monkeypatch):
        monkeypatch.setattr(body_reader, "MAX_BODIES_BYTES", 3 * 2**20)
        with server.connect() as first, server.connect() as second:
            first.send(server.head("Content-Length: 4000000") + b"x" * 2_500_000)
            _wait_for_body(server, 2_500_000)
            second.send(server.head("Content-Length: 4000000") + b"x" * 2_500_000)
            assert second.answer()[0] == 503
        assert score(server) == 200  # the memory of both is free again

    def test_slow_body_times_out(self, server, monkeypatch):
        monkeypatch.setattr(http_protocol, "BODY_PAUSE_SECONDS", 0.3)
        with server.connect() as client:
            status, _, content = client.send(server.head("Content-Length: 10") + b"x").answer()
            assert (status, content["error"]["code"]) == (408, "too_slow") and client.is_closed

    def test_body_of_single_bytes_times_out(self, server, monkeypatch):
        monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.5)
        with server.connect() as client:
            client.send(server.head("Content-Length: 100"))
            began = time.monotonic()
            for _ in range(20):
                client.send(b"x")
                time.sleep(0.1)
                if server.limit.refusal_counts:
                    break
            assert client.answer()[0] == 408 and time.monotonic() - began < 3


class TestConnections:
    def test_silent_connection_is_closed(self, server, monkeypatch):
        monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
        with server.connect() as client:
            assert client.is_closed

    def test_slow_head_times_out(self, server, monkeypatch):
        monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
        with server.connect() as client:
            assert client.send(b"POST /score HT").answer()[0] == 408 and client.is_closed

    def test_slow_head_on_a_used_connection_times_out(self, server, monkeypatch):
        with server.connect() as client:
            assert client.send(server.head("Content-Length: 2") + b"{}").answer()[0] == 200
            monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.5)
            time.sleep(0.8)  # idle, which is allowed for longer
            assert client.send(b"\r\n").is_closed

    def test_silent_connections_give_way_to_others(self, server):
        silent = [server.connect() for _ in range(150)]  # the limit is 100
        with server.connect() as client:
            for _ in range(3):
                assert client.send(server.head("Content-Length: 2") + b"{}").answer()[0] == 200
            assert len(server.limit) <= 100
            more = [server.connect() for _ in range(150)]
            assert all(connection.is_closed for connection in silent)
            # An idle connection that had a key is closed last.
            assert client.send(server.head("Content-Length: 2") + b"{}").answer()[0] == 200
        for connection in silent + more:
            connection.__exit__()
        assert server.limit.refusal_counts["too many connections"] >= len(silent)

    def test_connections_without_key_give_way_to_new_ones(self, server):
        strangers = [server.connect() for _ in range(100)]
        for stranger in strangers:
            assert stranger.send(server.head("Content-Length: 2", key=False) + b"{}").answer()[0] == 401
        assert score(server) == 200
        for stranger in strangers:
            stranger.__exit__()

    def test_client_that_does_not_read_is_disconnected(self, server, monkeypatch):
        monkeypatch.setattr(http_protocol, "ANSWER_SECONDS", 0.3)

        async def long_answer(request):
            return server.service._reply(request, 200, "x" * 30_000_000)

        monkeypatch.setattr(server.service, "_other_routes", _as_route(long_answer))
        with server.connect() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(server.head(method="GET", path="/health"))
            deadline = time.monotonic() + 120
            while len(server.limit) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(server.limit) == 0


def _as_route(handler):
    from starlette.requests import Request

    async def application(scope, receive, send):
        await (await handler(Request(scope)))(scope, receive, send)

    return application


class TestHosts:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:8000", "10.1.2.3"])
    def test_own_names_and_addresses_are_answered(self, server, host):
        head = server.head("Content-Length: 2").replace(f"127.0.0.1:{server.port}".encode(), host.encode())
        with server.connect() as client:
            assert client.send(head + b"{}").answer()[0] == 200

    @pytest.mark.parametrize("host", ["evil.example", "", "localhost.evil.example", "a b", "$(touch /tmp/x)", "x';--"])
    @pytest.mark.parametrize("path", ["/score", "/docs", "/health"])
    def test_other_names_are_refused(self, server, host, path):
        method = "POST" if path == "/score" else "GET"
        head = server.head("Content-Length: 2", method=method, path=path)
        with server.connect() as client:
            data = head.replace(f"127.0.0.1:{server.port}".encode(), host.encode()) + b"{}"
            status, _, content = client.send(data).answer()
        assert (status, content["error"]["code"]) == (421, "wrong_host")

    def test_configured_names_are_answered(self, server):
        head = server.head("Content-Length: 2").replace(f"127.0.0.1:{server.port}".encode(), b"Models.Example:443")
        server.service.hosts.names = frozenset({"models.example"})
        with server.connect() as client:
            assert client.send(head + b"{}").answer()[0] == 200
        server.service.hosts.names = frozenset({"*"})
        with server.connect() as client:
            assert client.send(head.replace(b"Models", b"other") + b"{}").answer()[0] == 200

    @pytest.mark.parametrize(
        ("origin", "status"),
        [("http://127.0.0.1:{port}", 200), ("http://evil.example", 403), ("null", 403), ("http://127.0.0.1:1", 403)],
    )
    def test_pages_of_other_sites_are_refused(self, server, origin, status):
        head = server.head("Content-Length: 2", f"Origin: {origin.format(port=server.port)}")
        with server.connect() as client:
            assert client.send(head + b"{}").answer()[0] == status

    def test_preflight_of_another_site_gets_no_permission(self, server):
        head = server.head("Origin: http://evil.example", "Access-Control-Request-Method: POST", method="OPTIONS")
        with server.connect() as client:
            status, headers, _ = client.send(head).answer()
        assert status == 403 and not any(name.startswith("access-control") for name in headers)
