"""What was said of an order is there after a power cut, whenever it falls."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import apsw
import pytest

from appliance.bus.words import EventKind, Outcome
from appliance.kernel.clock import Reading
from drivers.keep import Keep
from drivers.memory import Memory
from drivers.outbox import Outbox
from drivers.port import Attempt, Evidence, Happening, Told
from drivers.shown import Shown
from support.powercut import Disk, PowerCutError, open_on

CUTS = int(os.environ.get("NIGHTPORTER_CUTS", "300"))
STEPS = 150
CALLS_MAX = 900
NOW = Reading(wall_ms=1_000, boot_ms=1, boot_id="boot", uncertainty_ms=0)
DONE = Told(outcome=Outcome.DONE, evidence=(Evidence.ANSWER,))
UNKNOWN = Told(outcome=Outcome.UNKNOWN, evidence=(Evidence.DEADLINE,))


class Found(StrEnum):
    """What the disk holds after a cut."""

    WHOLE = "whole"
    LOST = "lost"
    CORRUPT = "corrupt"


@dataclass
class Promised:
    """What a driver has done or said, trusting its disk."""

    tried: int = 0
    begun: set[str] = field(default_factory=set)
    ended: dict[str, Told] = field(default_factory=dict)
    numbers: Counter[int] = field(default_factory=Counter)  # event numbers that were given
    denied: set[str] = field(default_factory=set)


def _work_until_cut(disk: Disk, synchronous: str, chance: random.Random, said: Promised) -> None:
    with (
        open_on(disk, "driver.db", synchronous) as db,
        contextlib.suppress(PowerCutError),
    ):
        keep = Keep(db)
        outbox, memory, shown = Outbox(keep), Memory(keep, "lock"), Shown(keep)
        keep.restart()
        disk.cut_at = disk.calls + chance.randrange(1, CALLS_MAX)
        for number in range(STEPS):
            _step(keep, outbox, memory, chance, said)
            shown.state("lock", b"%d" % number)
            if disk.dark:
                break
    disk.dark = True


def _step(
    keep: Keep, outbox: Outbox, memory: Memory, chance: random.Random, said: Promised
) -> None:
    match chance.randrange(4):
        case 0 | 1:
            # Counted before: a cut may come after the commit, and before anybody knows of it.
            said.tried += 1
            order_id, cti = f"o{said.tried}", f"{said.tried:016x}"
            with keep.together():
                memory.put("denied", cti, 1)
                keep.begin(_attempt(order_id))
            said.begun.add(order_id)
            said.denied.add(cti)
            if chance.random() < 0.7:
                told = chance.choice((DONE, UNKNOWN))
                said.ended[order_id] = keep.end("lock", order_id, told)
        case 2:
            event = outbox.add("lock", Happening(kind=EventKind.DOOR_OPENED), NOW)
            assert event is not None
            said.numbers[event.seq] += 1
        case _:
            for device, waiting in outbox.unsaid(5):
                outbox.said(device, waiting.seq)
            for attempt in keep.owed()[:5]:
                assert attempt.told is not None
                keep.said(attempt.device, attempt.order_id, attempt.told)


def _attempt(order_id: str) -> Attempt:
    return Attempt(
        device="lock", order_id=order_id, verb="unlock", begun_ms=1_000, expires_at_ms=9_000
    )


def _find(disk: Disk, said: Promised) -> Found:
    try:
        with open_on(disk, "driver.db") as db:
            if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return Found.CORRUPT
            keep = Keep(db)
            memory = Memory(keep, "lock")
            keep.restart()
            held = {one: keep.attempt("lock", one) for one in said.begun}
            last = Outbox(keep).last_seq("lock")
            if last < max(said.numbers, default=0) or not said.denied <= set(
                memory.section("denied")
            ):
                return Found.LOST
            for order_id, attempt in held.items():
                if attempt is None or attempt.told is None:
                    return Found.LOST
                if order_id in said.ended and attempt.told != said.ended[order_id]:
                    return Found.LOST
            return Found.WHOLE
    except apsw.Error:
        return Found.CORRUPT


def _cut(seed: int, synchronous: str) -> Found:
    chance = random.Random(seed)
    disk, said = Disk(), Promised()
    _work_until_cut(disk, synchronous, chance, said)
    return _find(disk.after_cut(chance), said)


def test_no_cut_takes_an_attempt_an_outcome_or_an_event_number() -> None:
    assert Counter(_cut(seed, "FULL") for seed in range(CUTS)) == {Found.WHOLE: CUTS}


def test_the_same_harness_sees_losses_without_full() -> None:
    found = Counter(_cut(seed, "NORMAL") for seed in range(60))
    assert found[Found.WHOLE] < 45, found


@pytest.mark.parametrize("seed", range(20))
def test_life_after_life_no_event_number_is_given_twice(seed: int) -> None:
    chance = random.Random(seed)
    disk, said = Disk(), Promised()
    for _ in range(4):
        _work_until_cut(disk, "FULL", chance, said)
        disk = disk.after_cut(chance)
        assert _find(disk, said) is Found.WHOLE
    assert max(said.numbers.values(), default=1) == 1
