"""OpenTelemetry traces of scoring requests, if the environment names a collector.

They need the packages ``opentelemetry-sdk`` and ``opentelemetry-exporter-otlp-proto-http``, and the variable
``OTEL_EXPORTER_OTLP_ENDPOINT``. Without either of them, requests are not traced, and nothing is imported.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

from lib.serving.server.protocols.exchange import Headers

log = logging.getLogger("lib.serving")
ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SERVICE_NAME = "millrace-endpoint"


class RequestSpan:
    """The span of one request."""

    def __init__(self, span: Any):
        self._span = span

    def set_outcome(self, status: int, version: str) -> None:
        """Set the outcome of the request."""
        self._span.set_attribute("http.response.status_code", status)
        self._span.set_attribute("millrace.model.version", version)
        if status >= 500:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)


StartSpan = Callable[[str, Headers], contextlib.AbstractContextManager[RequestSpan]]


def make_span_starter() -> StartSpan | None:
    """Return a function that starts the span of a request; None if requests are not to be traced."""
    if not os.environ.get(ENDPOINT_VARIABLE):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning("%s is set, but requests are not traced: %s", ENDPOINT_VARIABLE, error)
        return None
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", _SERVICE_NAME)})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return use_provider(provider)


def use_provider(provider: Any) -> StartSpan:
    """Return a function that starts the span of a request with a tracer provider.

    The span continues the trace that the client's header ``traceparent`` names.
    """
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    tracer = provider.get_tracer("lib.serving")
    propagator = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def start(route: str, headers: Headers) -> Iterator[RequestSpan]:
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        context = propagator.extract(carrier)
        attributes = {"http.request.method": "POST", "http.route": route}
        with tracer.start_as_current_span(f"POST {route}", context, SpanKind.SERVER, attributes) as span:
            yield RequestSpan(span)

    return start
