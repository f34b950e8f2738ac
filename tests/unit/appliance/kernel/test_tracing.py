"""One trace from the request to the commit and on to whoever acts on the fact."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from appliance.kernel.messages import Done
from appliance.kernel.telemetry import open_tracer
from support.kernel_house import open_house
from support.toy import Ring, Shelve

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_waiting_deciding_and_committing_are_steps_of_the_request_s_trace(
    tmp_path: Path,
) -> None:
    exporter = InMemorySpanExporter()
    tracer = open_tracer("test", processor=SimpleSpanProcessor(exporter))
    async with open_house(tmp_path, tracer=tracer) as house:
        with tracer.span("request", PARENT) as request:
            assert isinstance(await house.ask(Ring(bell="front"), trace=request.traceparent), Done)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert list(spans) == ["queue", "decide toy.ring", "commit", "request"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {PARENT.split("-")[1]}
    parents = {name: span.parent.span_id for name, span in spans.items() if span.parent}
    asked = spans["request"].context.span_id
    assert [parents[name] for name in ("queue", "decide toy.ring", "commit")] == [asked] * 3
    ends = {name: span.end_time or 0 for name, span in spans.items()}
    assert ends["queue"] <= (spans["decide toy.ring"].start_time or 0)
    assert ends["decide toy.ring"] <= ends["commit"]
    assert dict(spans["decide toy.ring"].attributes or {}) == {"outcome": "done"}
    assert (spans["commit"].attributes or {})["stored"] is True


async def test_facts_and_what_follows_from_them_carry_the_trace(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.ask(Shelve(shelf="a", owner="x", what="loud"), trace=PARENT)
        await house.ask(Shelve(shelf="b", owner="x", what="slow"), trace=PARENT)
        await house.followers.caught_up()
        rows = await house.reader.rows("SELECT kind, trace FROM event ORDER BY position")
        assert [kind for kind, _ in rows].count("toy.rung.v1") == 2
        assert {trace for _, trace in rows} == {PARENT}


async def test_a_refusal_and_a_break_are_outcomes_of_their_step(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    tracer = open_tracer("test", processor=SimpleSpanProcessor(exporter))
    async with open_house(tmp_path, tracer=tracer) as house:
        await house.ask(Shelve(shelf="a", owner="secret name", what="curse"), trace=PARENT)
        await house.ask(Shelve(shelf="a", owner="secret name", what="bomb"), trace=PARENT)
    decided = [span for span in exporter.get_finished_spans() if span.name == "decide toy.shelve"]
    assert [(span.attributes or {})["outcome"] for span in decided] == ["cursed", "broken"]
    assert "secret name" not in "".join(span.to_json() for span in exporter.get_finished_spans())


async def test_a_tracer_that_records_nothing_makes_no_spans(tmp_path: Path) -> None:
    async with open_house(tmp_path, tracer=open_tracer("test")) as house:
        assert isinstance(await house.ask(Ring(bell="front"), trace=PARENT), Done)
        assert house.desk.deciding.tracer is None
