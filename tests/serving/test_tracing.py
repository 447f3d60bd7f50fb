"""OpenTelemetry traces of requests; the packages are part of the group `azure`."""

import asyncio
import builtins
import logging

import pytest

from lib.serving.server import tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_nothing_is_traced_without_a_collector(monkeypatch):
    monkeypatch.delenv(tracing.ENDPOINT_VARIABLE, raising=False)
    assert tracing.make_span_starter() is None


def test_missing_packages_are_told_once(monkeypatch, caplog):
    monkeypatch.setenv(tracing.ENDPOINT_VARIABLE, "http://127.0.0.1:1")
    original = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("opentelemetry"):
            raise ImportError(f"No module named {name!r}")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with caplog.at_level(logging.WARNING, "lib.serving"):
        assert tracing.make_span_starter() is None
    assert tracing.ENDPOINT_VARIABLE in caplog.text and "opentelemetry" in caplog.text


def test_span_continues_the_clients_trace():
    pytest.importorskip("opentelemetry.sdk.trace", reason='needs make install GROUPS="azure"')
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import StatusCode

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    start = tracing.use_provider(provider)

    async def request(status):
        headers = {b"traceparent": f"00-{TRACE}-{PARENT}-01".encode()}
        with start("/score", headers) as span:
            await asyncio.sleep(0)
            span.set_outcome(status, "3")

    asyncio.run(request(200))
    asyncio.run(request(503))
    good, bad = exporter.get_finished_spans()
    assert (good.name, f"{good.context.trace_id:032x}", f"{good.parent.span_id:016x}") == ("POST /score", TRACE, PARENT)
    assert good.attributes["http.response.status_code"] == 200 and good.attributes["millrace.model.version"] == "3"
    assert bad.status.status_code is StatusCode.ERROR and good.status.status_code is not StatusCode.ERROR
