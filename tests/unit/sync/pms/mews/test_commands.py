"""A key that Mews' desk asks for: cut once or never, never late, and answered in a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.doors.messages import Refusal
from support.odd_answers import once, put_between, said
from support.sync_bench import SyncBench, sync_bench
from sync.ledger import EffectState
from sync.pms.mews.commands import DeviceQueue
from sync.pms.mews.cutting import AGREE_S_MAX, KEY_AGE_S_MAX
from twin.clouds.faults import Fault
from twin.clouds.mews.records import DeviceCommand
from twin.clouds.mews.words import CommandState
from twin.line import Cut

LOST = [
    Fault.LOST_REQUEST,
    Fault.LOST_ANSWER,
    Fault.NO_ANSWER,
    Fault.CUT_BODY,
    Fault.SERVER_ERROR,
    Fault.BROKEN_STORED,
    Fault.TOO_MANY,
    Fault.CONFLICT,
    Fault.UNAUTHORIZED,
]
DOOR = "door-101"


class Desk:
    """A stay in room 101 that both sides know, and Mews' desk with a key cutter."""

    def __init__(self, bench: SyncBench) -> None:
        self.bench = bench
        self.store = bench.clouds.mews.store
        self.cutter = self.store.add_device()
        self.upstream = bench.book_upstream(room=True)

    async def settle_in(self) -> None:
        """The box knows the stay, its room and its door."""
        bench = self.bench
        bench.box.say_booked(self.upstream)
        bench.box.say_checked_in()
        bench.box.doors["stay_1"] = (DOOR,)
        await bench.turns(2)

    @property
    def queue(self) -> DeviceQueue:
        """What takes the commands in."""
        client = self.bench.running.pushers["mews"]._client  # type: ignore[attr-defined]
        return DeviceQueue(
            client=client, ledger=self.bench.running.ledger, clock=self.bench.own_clock
        )

    def ask(self, **fields: Any) -> DeviceCommand:
        """Mews' desk presses the button."""
        wanted = {"reservation_id": self.upstream, "device_id": self.cutter.id, **fields}
        return self.store.ask_for_keys(**wanted)

    async def take(self, *, rounds: int = 2) -> None:
        """Look at the queue and do what it asks."""
        await self.bench.clock.run_until(self.queue.look(), limit_s=60)
        await self.bench.turns(rounds, seconds=5)

    def cut(self) -> list[str]:
        """At which doors keys were asked for at the box, each id once."""
        return [body["door_id"] for body in self.bench.box.of("doors.cut_key")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with sync_bench(tmp_path) as bench:
        found = Desk(bench)
        await found.settle_in()
        yield found


async def test_a_key_is_cut_at_the_room_and_mews_hears_each_step(desk: Desk) -> None:
    command = desk.ask()
    await desk.take()
    assert desk.cut() == [DOOR]
    assert command.state is CommandState.PROCESSED
    assert command.notes == "Key cut for room 101: the guest opens with their PIN or their phone."
    steps = [
        entry["state"]
        for entry in desk.bench.journal.read()
        if entry["kind"] == "pms.command.updated"
    ]
    assert steps == ["Received", "Processing", "Processed"]
    assert desk.bench.effect("pms.device_command").state is EffectState.SUCCEEDED


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("skip", [0, 1, 2])
async def test_whatever_answer_is_lost_one_key_is_cut_and_one_end_is_told(
    desk: Desk, skip: int, fault: Fault
) -> None:
    desk.bench.clouds.mews.faults.plan("commands/update", fault, skip=skip)
    command = desk.ask()
    await desk.take()
    await desk.bench.heal()
    assert desk.cut() == [DOOR]
    assert command.state is CommandState.PROCESSED
    ends = [
        entry
        for entry in desk.bench.journal.read()
        if entry.get("state") == "Processed" and entry["kind"] == "pms.command.updated"
    ]
    assert len(ends) == 1


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("endpoint", ["commands/getAllActive", "commands/getAllByIds"])
async def test_a_queue_that_cannot_be_read_is_read_again(
    desk: Desk, endpoint: str, fault: Fault
) -> None:
    desk.bench.clouds.mews.faults.plan(endpoint, fault)
    command = desk.ask()
    for _ in range(3):
        await desk.take()
        await desk.bench.heal(2)
    assert (desk.cut(), command.state) == ([DOOR], CommandState.PROCESSED)


async def test_the_same_command_told_five_times_is_one_key(desk: Desk) -> None:
    command = desk.ask()
    desk.queue.heard([command.id] * 5)
    await desk.take()
    desk.queue.heard([command.id])
    await desk.take()
    assert desk.cut() == [DOOR]
    assert len(desk.bench.running.ledger.effects("kind = 'pms.device_command'")) == 1


async def test_a_second_press_at_their_desk_is_a_second_key(desk: Desk) -> None:
    desk.ask()
    await desk.take()
    desk.ask()
    await desk.take()
    assert desk.cut() == [DOOR, DOOR]


async def test_a_command_that_waited_for_hours_expires_and_cuts_nothing(desk: Desk) -> None:
    desk.bench.clouds.line.cut(Cut.SILENT)
    command = desk.ask()
    await desk.bench.clock.advance(3 * 3_600)
    desk.bench.clouds.line.heal()
    await desk.take()
    assert desk.cut() == []
    assert command.state is CommandState.CANCELLED
    assert command.notes == "Expired: it reached the hotel 180 minutes late. Ask for the key again."


async def test_one_that_waited_in_our_ledger_expires_as_well(desk: Desk) -> None:
    command = desk.ask()
    await desk.bench.clock.run_until(desk.queue.look(), limit_s=60)
    desk.bench.clouds.line.cut(Cut.SILENT)
    await desk.bench.turns(2)
    await desk.bench.clock.advance(KEY_AGE_S_MAX)
    desk.bench.clouds.line.heal()
    await desk.bench.heal()
    assert (desk.cut(), command.state) == ([], CommandState.CANCELLED)


async def test_one_within_the_limit_is_still_cut(desk: Desk) -> None:
    command = desk.ask()
    await desk.bench.clock.advance(KEY_AGE_S_MAX - 60)
    await desk.take()
    assert (desk.cut(), command.state) == ([DOOR], CommandState.PROCESSED)


async def test_a_key_that_was_cut_before_the_line_went_is_told_however_late(desk: Desk) -> None:
    """The box answered, Mews could not be told: the truth is that there is a key."""
    desk.bench.clouds.mews.faults.plan("commands/update", Fault.LOST_REQUEST, skip=2)
    command = desk.ask()
    await desk.take(rounds=1)
    assert desk.cut() == [DOOR]
    desk.bench.clouds.line.cut(Cut.SILENT)
    await desk.bench.clock.advance(2 * KEY_AGE_S_MAX)
    desk.bench.clouds.line.heal()
    await desk.bench.heal()
    assert (desk.cut(), command.state) == ([DOOR], CommandState.PROCESSED)


async def test_a_key_the_box_never_cut_is_not_cut_late(desk: Desk) -> None:
    """The intent was written down, the box was away, and then it was too late."""
    command = desk.ask()
    await desk.bench.clock.run_until(desk.queue.look(), limit_s=60)
    desk.bench.box.away_for = {"doors.cut_key"}
    await desk.bench.turns(2, seconds=5)
    assert command.state is CommandState.PROCESSING
    await desk.bench.clock.advance(KEY_AGE_S_MAX)
    desk.bench.box.away_for = set()
    desk.bench.box.refusing_doors = {"": Refusal.UNKNOWN_DOOR.value}
    await desk.bench.heal()
    assert (desk.cut(), command.state) == ([], CommandState.CANCELLED)


async def test_one_that_their_desk_cancelled_meanwhile_cuts_nothing(desk: Desk) -> None:
    command = desk.ask()
    await desk.bench.clock.run_until(desk.queue.look(), limit_s=60)
    command.state = CommandState.CANCELLED
    await desk.bench.turns(2)
    assert desk.cut() == []
    assert desk.bench.effect("pms.device_command").state is EffectState.SUCCEEDED


async def test_one_that_their_desk_ends_while_we_answer_is_no_dead_end(desk: Desk) -> None:
    command = desk.ask()
    desk.bench.clouds.mews.faults.plan("commands/update", Fault.LOST_ANSWER, skip=2)
    await desk.take(rounds=1)
    command.state = CommandState.CANCELLED
    await desk.bench.heal()
    assert desk.bench.running.report()["parked"] == []
    assert desk.cut() == [DOOR]


async def answered(desk: Desk, command: DeviceCommand) -> str:
    """The sentence at Mews' desk; nothing was cut."""
    await desk.take()
    for _ in range(AGREE_S_MAX // 10 + 2):
        await desk.bench.turns(1, seconds=10)
    assert desk.cut() == []
    assert command.state is CommandState.ERROR
    return str(command.notes)


async def test_a_reservation_the_box_does_not_have_is_no_key(desk: Desk) -> None:
    other = desk.store.put_reservation(
        customer_id=next(iter(desk.store.customers)),
        category_id=next(iter(desk.store.categories)),
        start_s=desk.store.now_s(),
        end_s=desk.store.now_s() + 86_400,
        nights_minor=[100],
    ).id
    sentence = await answered(desk, desk.ask(reservation_id=other, room_ids=[]))
    assert sentence == "The hotel does not have this reservation."


async def test_another_room_is_no_key(desk: Desk) -> None:
    rooms = list(desk.store.rooms)
    sentence = await answered(desk, desk.ask(room_ids=[rooms[1]]))
    assert sentence == "Mews asks for room 102, the guest is in room 101."


async def test_another_departure_is_no_key(desk: Desk) -> None:
    one = desk.store.reservations[desk.upstream]
    one.end_s += 86_400
    sentence = await answered(desk, desk.ask())
    assert sentence == "Mews has the departure on 2026-08-17, the hotel on 2026-08-16."


async def test_what_only_takes_a_moment_to_agree_is_waited_for(desk: Desk) -> None:
    one = desk.store.reservations[desk.upstream]
    one.end_s += 86_400
    command = desk.ask()
    await desk.take(rounds=1)
    assert command.state is CommandState.PENDING
    one.end_s -= 86_400
    await desk.take(rounds=3)
    assert (desk.cut(), command.state) == ([DOOR], CommandState.PROCESSED)


async def test_a_printer_is_no_door(desk: Desk) -> None:
    printer = desk.store.add_device(name="Printer", kind="Printer")
    sentence = await answered(desk, desk.ask(reservation_id=None, device_id=printer.id))
    assert sentence == "Nightporter cuts keys, it is no Printer."


async def test_a_room_without_a_door_of_ours_is_no_key(desk: Desk) -> None:
    desk.bench.box.doors.clear()
    sentence = await answered(desk, desk.ask())
    assert sentence == "This room has no door that Nightporter opens."


async def test_a_guest_who_is_due_gets_a_prepared_key(desk: Desk) -> None:
    desk.bench.box.refusing["doors.cut_key"] = Refusal.HOLDER_NOT_IN_HOUSE.value
    command = desk.ask()
    await desk.take()
    [ahead] = desk.bench.box.of("doors.prepare_key")
    assert ahead == {"stay_id": "stay_1", "door_id": DOOR}
    assert command.state is CommandState.PROCESSED


async def test_a_guest_who_is_neither_here_nor_due_gets_none(desk: Desk) -> None:
    desk.bench.box.refusing["doors.cut_key"] = Refusal.HOLDER_NOT_IN_HOUSE.value
    desk.bench.box.refusing["doors.prepare_key"] = Refusal.NOT_AHEAD.value
    sentence = await answered(desk, desk.ask())
    assert sentence == "The guest is not checked in, and not due yet."


async def test_a_stay_that_has_not_begun_is_not_even_asked_for(desk: Desk) -> None:
    stay = desk.bench.running.mirror.stay("stay_1")
    assert stay is not None
    with desk.bench.running.ledger.transaction():
        desk.bench.running.mirror.put_stay(replace(stay, arrival=stay.departure.replace(day=15)))
    sentence = await answered(desk, desk.ask())
    assert sentence == "The guest is expected on 2026-08-15; a key is cut on that day."


async def test_no_name_of_a_guest_is_kept_of_a_command(desk: Desk) -> None:
    desk.ask()
    await desk.bench.clock.run_until(desk.queue.look(), limit_s=60)
    ledger = desk.bench.running.ledger
    [effect] = ledger.effects("kind = 'pms.device_command'")
    await desk.bench.turns(2)
    rows = ledger.db.execute(
        "SELECT body, progress, sentence FROM effect WHERE id = ?"
        " UNION ALL SELECT sentence, '', '' FROM told WHERE effect_id = ?",
        (effect.id, effect.id),
    ).fetchall()
    assert "Hopper" not in str((effect.body, rows))


@pytest.mark.parametrize("odd", [{}, {"Commands": None}, {"Commands": []}])
async def test_one_answer_without_the_command_does_not_end_it(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    async with sync_bench(tmp_path) as bench:
        between = put_between(bench)
        desk = Desk(bench)
        await desk.settle_in()
        command = desk.ask()
        between.change = once("commands/getAllByIds", said(odd))
        await desk.take(rounds=4)
        assert desk.cut() == [DOOR]
        assert command.state is CommandState.PROCESSED
