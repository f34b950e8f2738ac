"""A leak sensor says each change once."""

from __future__ import annotations

from appliance.bus.words import EventKind, LockRefusal, Order, Verb
from appliance.kernel.clock import Reading
from support.lock_bench import NOON_MS
from twin.flash import Flash
from twin.journal import Journal
from twin.leak import LeakCore

NOW = Reading(wall_ms=NOON_MS, boot_ms=0, boot_id="b", uncertainty_ms=0)


def test_water_and_its_end_are_each_said_once_and_remembered() -> None:
    flash = Flash()
    core = LeakCore("bath-1", flash=flash, journal=Journal(), now=NOW)
    kinds = [e.kind for wet in (True, True, False, False) for e in core.water(NOW, wet=wet).events]
    assert kinds == [EventKind.LEAK, EventKind.LEAK_CLEARED]
    core.water(NOW, wet=True)
    assert LeakCore("bath-1", flash=flash, journal=Journal(), now=NOW).state(NOW).wet


def test_a_sensor_takes_no_orders() -> None:
    core = LeakCore("bath-1", flash=Flash(), journal=Journal(), now=NOW)
    order = Order(id="o", verb=Verb.UNLOCK, expires_at_ms=NOON_MS + 1, reply_topic="t")
    answer = core.handle_order(order, NOW).answer
    assert answer is not None
    assert answer.refusal is LockRefusal.BAD_FRAME
