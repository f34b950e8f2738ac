"""Promises of traces and numbers: one trace across processes, nothing personal, off by default."""

from __future__ import annotations

import logging
import re

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client.parser import text_string_to_metric_families

from appliance.kernel.telemetry import (
    Tracer,
    build_metrics,
    new_traceparent,
    open_tracer,
    valid_traceparent,
)

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def _on(exporter: InMemorySpanExporter, share: float = 1.0) -> Tracer:
    return open_tracer("test", traced_share=share, processor=SimpleSpanProcessor(exporter))


def test_new_traces_are_valid_and_differ() -> None:
    made = {new_traceparent() for _ in range(1000)}
    assert len(made) == 1000
    assert all(valid_traceparent(each) == each for each in made)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "x",
        PARENT.upper(),
        f"{PARENT}-extra",
        f"{PARENT}\n",
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "a" * 100_000,
    ],
)
def test_a_stranger_s_header_that_is_no_trace_begins_a_new_one(text: str | None) -> None:
    assert valid_traceparent(text) is None
    with open_tracer("test").span("asked", text) as span:
        assert valid_traceparent(span.traceparent)
        assert span.traceparent != text


def test_without_recording_the_trace_passes_through() -> None:
    tracer = open_tracer("test")
    with tracer.span("asked", PARENT, door="d1") as span:
        span.note(outcome="done")
        assert span.traceparent == PARENT
    tracer.close()


def test_steps_of_several_processes_are_one_trace(exporter: InMemorySpanExporter) -> None:
    tracer = _on(exporter)
    with tracer.span("request", PARENT, door="d1") as request:
        with tracer.span("decide", request.traceparent) as decide:
            decide.note(outcome="done")
        with tracer.span("bolt", decide.traceparent):
            pass
    bolt, decided, asked = (
        {span.name: span for span in exporter.get_finished_spans()}[name]
        for name in ("bolt", "decide", "request")
    )
    assert {f"{span.context.trace_id:032x}" for span in (bolt, decided, asked)} == {PARENT[3:35]}
    assert bolt.parent is not None
    assert decided.parent is not None
    assert asked.parent is not None
    assert bolt.parent.span_id == decided.context.span_id
    assert decided.parent.span_id == asked.context.span_id
    assert f"{asked.parent.span_id:016x}" == PARENT[36:52]
    assert decided.attributes == {"outcome": "done"}
    tracer.close()


def test_a_trace_begun_by_a_process_that_records_nothing_is_recorded_here(
    exporter: InMemorySpanExporter,
) -> None:
    begun = new_traceparent()
    with _on(exporter).span("decide", begun) as span:
        assert span.traceparent[3:35] == begun[3:35]
    assert len(exporter.get_finished_spans()) == 1


def test_a_share_of_zero_records_nothing_and_still_carries_the_trace(
    exporter: InMemorySpanExporter,
) -> None:
    begun = new_traceparent()
    with _on(exporter, share=0.0).span("decide", begun) as span:
        assert span.traceparent[3:35] == begun[3:35]
    assert exporter.get_finished_spans() == ()


def test_an_exception_is_noted_by_its_type_and_never_by_its_text(
    exporter: InMemorySpanExporter,
) -> None:
    with pytest.raises(ValueError, match="Ortega"), _on(exporter).span("decide"):
        raise ValueError("guest Ortega is unknown")
    [span] = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert "Ortega" not in span.to_json()


def test_a_missing_exporter_is_said_once_and_the_box_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pytest.importorskip("opentelemetry.sdk")
    with caplog.at_level(logging.WARNING):
        tracer = open_tracer("test", otlp_endpoint="http://127.0.0.1:9/v1/traces")
    assert "pip install opentelemetry-exporter-otlp-proto-http" in caplog.text
    with tracer.span("asked", PARENT) as span:
        assert span.traceparent == PARENT


def test_the_numbers_are_prometheus_text_with_a_sentence_each() -> None:
    metrics = build_metrics("appliance")
    metrics.commands.labels("door", "done").inc()
    metrics.queue_depth.labels("bulk").set(7)
    metrics.commit_seconds.observe(0.004)
    metrics.batch_size.observe(12)
    metrics.follower_lag_positions.labels("insight").set(3)
    metrics.quarantined.labels("insight").set(1)
    families = {
        family.name: family for family in text_string_to_metric_families(metrics.render().decode())
    }
    assert families["nightporter_commands"].samples[0].labels == {
        "admission": "door",
        "outcome": "done",
    }
    ours = [name for name in families if name.startswith("nightporter_")]
    assert len(ours) >= 9
    assert all(re.fullmatch(r"[A-Z0-9].*\.", families[name].documentation) for name in ours)


def test_two_processes_in_one_loop_keep_their_numbers_apart() -> None:
    first, second = build_metrics("appliance"), build_metrics("sync")
    first.commands.labels("door", "done").inc()
    assert b'outcome="done"' not in second.render()
