"""PINs in a Zigbee keypad: done is what the lock shows, and digits are nowhere but in the lock."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from appliance.bus.words import LockRefusal, Outcome, Verb
from drivers.port import Alarm, Evidence
from drivers.zigbee.quiet import quieten
from twin.zigbee.faults import Act, Way, zcl_command
from twin.zigbee_house import Rig, rig_with_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from drivers.port import Told
    from drivers.zigbee.lock import ZigbeeLock

PIN = "482915"
SEND_PIN = 0x0032


async def put(it: Rig, lock: ZigbeeLock, pin: str = PIN, slot: int = 17, **fields: Any) -> Told:
    """A guest's PIN."""
    fields = {"generation": 3, "valid_until_s": 2_000_000_000} | fields
    return await it.ask(lock.name, Verb.PUT_PIN, pin=pin, slot=slot, **fields)


async def test_a_pin_is_done_when_the_lock_shows_it(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        told = await put(it, lock)
        assert (told.outcome, told.evidence) == (
            Outcome.DONE,
            (Evidence.ANSWER, Evidence.STATE_READ),
        )
        assert node.lock.keypad(PIN)


async def test_the_pin_of_a_guest_who_is_not_due_yet_is_not_in_the_lock(tmp_path: Path) -> None:
    """The keypad keeps no times: what lies in it opens."""
    async with rig_with_lock(tmp_path) as (it, node, lock):
        soon_s = it.clock.read().wall_s + 3_600
        told = await put(it, lock, valid_from_s=soon_s)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_YET)
        assert not node.lock.keypad(PIN)
        assert (await put(it, lock, valid_from_s=soon_s - 3_660)).outcome is Outcome.DONE


async def test_a_lock_that_hides_its_pins_is_believed_by_its_slots_status(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        node.lock.attrs[SEND_PIN].value = 0
        assert (await put(it, lock)).outcome is Outcome.DONE


async def test_a_lock_that_says_yes_and_keeps_nothing_is_caught(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        node.lock.pins.applies = False
        told = await put(it, lock)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_SUPPORTED)
        await it.house.until(lambda h: (Alarm.PIN_NOT_TAKEN, lock.name) in h.alarms)
        node.lock.pins.applies = True
        assert (await put(it, lock)).outcome is Outcome.DONE
        await it.house.until(lambda h: (Alarm.PIN_NOT_TAKEN, lock.name) not in h.alarms)


async def test_the_same_digits_in_two_slots_are_refused_as_taken(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        assert (await put(it, lock, slot=17)).outcome is Outcome.DONE
        told = await put(it, lock, slot=18)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.PIN_TAKEN)
        # The refused one holds no slot.
        assert (await put(it, lock, pin="593026", slot=18)).outcome is Outcome.DONE


async def test_a_full_lock_says_so_and_staff_still_get_in(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        for number in range(15):
            told = await put(it, lock, pin=f"{580_000 + number}", slot=20 + number)
            assert told.outcome is Outcome.DONE
        told = await put(it, lock, pin="690001", slot=60)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.SLOTS_FULL)
        told = await put(it, lock, pin="690002", slot=61, generation=None)
        assert told.outcome is Outcome.DONE


async def test_the_locks_own_memory_full_is_the_same_word(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        node.lock.pins.memory = 0
        told = await put(it, lock)
        assert told.refusal is LockRefusal.SLOTS_FULL


@pytest.mark.parametrize("pin", ["123", "123456789", "12a456"])
async def test_digits_the_lock_cannot_take_are_refused_before_they_are_sent(
    tmp_path: Path, pin: str
) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        told = await put(it, lock, pin=pin)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.BAD_FRAME)
        assert len(node.lock.pins) == 0


async def test_the_master_slot_is_never_touched(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        for number in range(4):
            await put(it, lock, pin=f"{480_000 + number}", slot=number, generation=None)
        for number in range(15):
            await put(it, lock, pin=f"{580_000 + number}", slot=20 + number)
        assert node.lock.pins.get(0) is None
        for number in (*range(4), *range(20, 35)):
            await it.ask(lock.name, Verb.CLEAR_PIN, slot=number)
        assert it.site.journal.count("pin_cleared", device="lock-1", slot=0) == 0
        assert len(node.lock.pins) == 0


async def test_a_cleared_pin_opens_no_more_and_clearing_twice_is_done(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        await put(it, lock)
        told = await it.ask(lock.name, Verb.CLEAR_PIN, slot=17)
        assert told.outcome is Outcome.DONE
        assert not node.lock.keypad(PIN)
        assert (await it.ask(lock.name, Verb.CLEAR_PIN, slot=17)).outcome is Outcome.DONE


async def test_a_pin_that_does_not_go_is_not_said_to_be_gone(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        await put(it, lock)
        node.lock.pins.applies = False
        told = await it.ask(lock.name, Verb.CLEAR_PIN, slot=17)
        assert told.outcome is Outcome.REFUSED
        assert node.lock.keypad(PIN)


async def test_a_lost_answer_to_a_pin_is_asked_for_again_without_harm(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        it.site.fault(Way.DOWN, Act.DROP, zcl_command(0x0101, 0x05), times=1)
        assert (await put(it, lock)).outcome is Outcome.DONE
        assert node.lock.keypad(PIN)


async def test_slots_outlive_the_driver(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        await put(it, lock)
        await it.stop()
        it.fresh_radio()
        await it.start()
        await it.plugged(lock.name)
        assert (await it.ask(lock.name, Verb.CLEAR_PIN, slot=17)).outcome is Outcome.DONE
        assert len(node.lock.pins) == 0


class _Everything(logging.Handler):
    """Keeps what any logger says, as text."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.args!r}")


@pytest.fixture
def everything() -> Iterator[_Everything]:
    root, kept = logging.getLogger(), _Everything()
    before = root.level
    root.setLevel(1)
    root.addHandler(kept)
    # As somebody who looks for a fault would do.
    for name in ("zigpy", "zigpy_znp", "zigpy_znp.zigbee.application", "serialx", "zigpy.zcl"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield kept
    root.removeHandler(kept)
    root.setLevel(before)


async def test_digits_are_in_no_line_and_no_file_whatever_the_level(
    tmp_path: Path, everything: _Everything
) -> None:
    async with rig_with_lock(tmp_path) as (it, node, lock):
        assert (await put(it, lock)).outcome is Outcome.DONE
        node.lock.keypad(PIN)
        await it.house.until(lambda h: h.happenings)
        await it.ask(lock.name, Verb.CLEAR_PIN, slot=17)
        assert everything.lines
        hexed, spaced = PIN.encode().hex(), " ".join(f"{byte:02x}" for byte in PIN.encode())
        for line in everything.lines:
            assert PIN not in line
            assert hexed not in line.lower()
            assert spaced not in line.lower()
        for path in (tmp_path / "driver").rglob("*"):
            if path.is_file() and not path.is_socket():
                assert PIN.encode() not in path.read_bytes(), path
        assert PIN not in repr(it.house)


def test_a_line_that_quotes_a_frame_is_let_through_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quieten()
    logger = logging.getLogger("zigpy_znp.uart")
    with caplog.at_level(logging.INFO):
        logger.error("Received an exception while passing frame to API: %s", PIN.encode())
    assert PIN not in caplog.text
    assert "passing frame" in caplog.text
