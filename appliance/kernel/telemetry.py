"""One trace from request to bolt, and the numbers a process keeps about itself."""

from __future__ import annotations

import importlib
import logging
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

if TYPE_CHECKING:
    from types import TracebackType

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span as OtelSpan

__all__ = [
    "CONTENT_TYPE",
    "Metrics",
    "Span",
    "Tracer",
    "build_metrics",
    "new_traceparent",
    "open_tracer",
    "valid_traceparent",
]

logger = logging.getLogger(__name__)

Attribute = str | int | float | bool

# W3C Trace Context: version, trace id, parent id, flags; neither id may be all zeros.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_SAMPLED = 0x01
_OTLP_MODULE = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
# From half a millisecond, a quiet NVMe disk, to 2.5 s, a card that stops for housekeeping.
_COMMIT_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def valid_traceparent(text: str | None) -> str | None:
    """Give the traceparent back if it is one; strangers send headers too."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


def new_traceparent() -> str:
    """Begin a trace that nobody records: its id still ties log rows and messages together."""
    # Ids, not secrets: the quick generator will do. Two bits are set so that neither id is zero.
    ids = f"{random.getrandbits(192) | 1 << 64 | 1:048x}"
    return f"00-{ids[:32]}-{ids[32:]}-00"


class Span(Protocol):
    """One step of a trace, while it runs."""

    traceparent: str  # what log rows, bus payloads and sync calls carry on

    def note(self, **attributes: Attribute) -> None:
        """Add what was learned on the way: references and outcomes, nothing personal."""
        ...

    def __enter__(self) -> Self:
        """Begin the step."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the step; an exception is noted by its type, since its text may be personal."""
        ...


class Tracer(Protocol):
    """Makes spans. Off by default, and then nearly free."""

    records: bool  # False: whoever makes many spans may leave it

    def span(self, name: str, parent: str | None = None, **attributes: Attribute) -> Span:
        """Prepare a step below `parent` (a traceparent; an invalid one begins a new trace)."""
        ...

    def close(self) -> None:
        """Hand over what is still held. Blocks for a few seconds at most."""
        ...


class _Unrecorded:
    """A step nobody records; the caller's trace passes through."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def note(self, **attributes: Attribute) -> None:
        del attributes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of: object) -> None:
        return None


class _Off:
    """Carries traces on and records none."""

    records = False

    def span(self, name: str, parent: str | None = None, **attributes: Attribute) -> Span:
        del name, attributes
        return _Unrecorded(valid_traceparent(parent) or new_traceparent())

    def close(self) -> None:
        return None


class _Recorded:
    """A step of OpenTelemetry."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        at = span.get_span_context()
        self.traceparent = f"00-{at.trace_id:032x}-{at.span_id:016x}-{int(at.trace_flags):02x}"

    def note(self, **attributes: Attribute) -> None:
        self._span.set_attributes(attributes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415 - loaded already when on

            self._span.set_status(StatusCode.ERROR, kind.__name__)
        self._span.end()


class _On:
    """Records through the OpenTelemetry SDK, which is loaded only here: it costs 10 MB."""

    records = True

    def __init__(self, role: str, traced_share: float, processor: SpanProcessor) -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import (  # noqa: PLC0415
            ParentBased,
            TraceIdRatioBased,
        )

        self._trace = trace
        share = TraceIdRatioBased(traced_share)
        self._provider = TracerProvider(
            # A process that records nothing begins traces too; ours may still record its part.
            sampler=ParentBased(share, remote_parent_not_sampled=share),
            resource=Resource({"service.name": "nightporter", "service.instance.id": role}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("nightporter")

    def span(self, name: str, parent: str | None = None, **attributes: Attribute) -> Span:
        span = self._tracer.start_span(
            name,
            context=self._context(valid_traceparent(parent)),
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )
        return _Recorded(span)

    def close(self) -> None:
        self._provider.shutdown()

    def _context(self, parent: str | None) -> Any:
        trace = self._trace
        if parent is None:
            return trace.set_span_in_context(trace.INVALID_SPAN)
        _, trace_id, span_id, flags = parent.split("-")
        at = trace.SpanContext(
            trace_id=int(trace_id, 16),
            span_id=int(span_id, 16),
            is_remote=True,
            trace_flags=trace.TraceFlags(int(flags, 16) & _SAMPLED),
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(at))


def open_tracer(
    role: str,
    *,
    otlp_endpoint: str | None = None,
    traced_share: float = 1.0,
    processor: SpanProcessor | None = None,
) -> Tracer:
    """Make the process's tracer: off, unless there is an endpoint or a processor to record to.

    A missing exporter package is said in the journal and leaves tracing off: boot waits for
    nothing.
    """
    if processor is None and otlp_endpoint is not None:
        processor = _otlp(otlp_endpoint)
    if processor is None:
        return _Off()
    return _On(role, traced_share, processor)


def _otlp(endpoint: str) -> SpanProcessor | None:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    try:
        # By name: the exporter is an extra that is usually not installed.
        exporters = importlib.import_module(_OTLP_MODULE)
    except ImportError:
        logger.warning(
            "telemetry.otlp_endpoint is set but traces stay off: "
            "pip install opentelemetry-exporter-otlp-proto-http"
        )
        return None
    return BatchSpanProcessor(exporters.OTLPSpanExporter(endpoint=endpoint))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The numbers of one process: built once, passed by name, read at /metrics."""

    registry: CollectorRegistry
    commands: Counter  # labels: admission, outcome
    queue_depth: Gauge  # label: admission
    queue_oldest_seconds: Gauge  # label: admission
    commit_seconds: Histogram
    batch_size: Histogram
    follower_lag_positions: Gauge  # label: follower
    follower_lag_seconds: Gauge  # label: follower
    quarantined: Gauge  # label: lane; 1 while it stands still
    clock_uncertainty_seconds: Gauge

    def render(self) -> bytes:
        """Write all numbers in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self.registry)


def build_metrics(role: str) -> Metrics:
    """Make the numbers of a process. Engines may add theirs to `registry`."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    info = Gauge("nightporter_role", "Which process this is.", ["role"], registry=registry)
    info.labels(role).set(1)
    return Metrics(
        registry=registry,
        commands=Counter(
            "nightporter_commands",
            "Commands answered, by admission class and outcome.",
            ["admission", "outcome"],
            registry=registry,
        ),
        queue_depth=_gauge("queue_depth", "Commands waiting for the log.", "admission", registry),
        queue_oldest_seconds=_gauge(
            "queue_oldest_seconds", "Age of the oldest waiting command.", "admission", registry
        ),
        commit_seconds=Histogram(
            "nightporter_commit_seconds",
            "Time of one commit of the log, disk included.",
            buckets=_COMMIT_BUCKETS_S,
            registry=registry,
        ),
        batch_size=Histogram(
            "nightporter_batch_size",
            "Commands that shared one commit.",
            buckets=_BATCH_BUCKETS,
            registry=registry,
        ),
        follower_lag_positions=_gauge(
            "follower_lag_positions", "Facts a follower has not seen yet.", "follower", registry
        ),
        follower_lag_seconds=_gauge(
            "follower_lag_seconds", "Age of the oldest unseen fact.", "follower", registry
        ),
        quarantined=_gauge("quarantined", "1 while a lane stands still.", "lane", registry),
        clock_uncertainty_seconds=Gauge(
            "nightporter_clock_uncertainty_seconds",
            "How far off the box's time may be.",
            registry=registry,
        ),
    )


def _gauge(name: str, sentence: str, label: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"nightporter_{name}", sentence, [label], registry=registry)
