"""The same promises at one door, whoever made its lock.

A lock that speaks our words on the bus, a Nuki, one behind Zigbee2MQTT, NPK over Bluetooth, Zigbee.
The doors engine, its gateway and its rules are the same objects in every case; only what
`inventory.door_fitted` says of the door is another.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from appliance.bus.words import LockRefusal, Outcome, Verb
from appliance.engines.doors.messages import HolderKind, RevokeKeys
from support.many_vendors import BUS, NPK, NUKI, NUMBER, VENDORS, Z2M, Scene, Vendor, at_door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Story = Callable[[Scene], Awaitable[None]]

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=str)


def tell(vendor: Vendor, folder: Path, story: Story) -> None:
    """Run one story at the door of this vendor."""

    async def told() -> None:
        async with at_door(vendor, folder) as scene:
            await story(scene)

    vendor.run(told())


@every_vendor
def test_a_rightful_press_opens_once(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        settled = await scene.press()
        assert (settled.outcome, scene.hung.moves()) == (Outcome.DONE, 1)
        await scene.until(lambda: scene.access(settled.opening_id))
        assert scene.access(settled.opening_id) == 1

    tell(vendor, tmp_path, story)


@every_vendor
def test_the_guest_before_is_refused(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        old = scene.pressed((await scene.press()).opening_id)
        await scene.next_guest()
        assert (await scene.press("next")).outcome is Outcome.DONE
        moved = scene.hung.moves()
        answer = await scene.replay(old)
        assert answer.outcome is Outcome.REFUSED
        assert answer.refusal in {LockRefusal.SUPERSEDED, LockRefusal.DENIED}
        assert scene.hung.moves() == moved == 2

    tell(vendor, tmp_path, story)


@every_vendor
def test_asked_twice_opens_once(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        settled = await scene.press()
        order = scene.pressed(settled.opening_id)
        answers = []
        for _ in range(3):
            scene.spy._asked.clear()
            answers.append(await scene.replay(order, id=order.id))
        # The first of them may meet the original's own answer on its way.
        assert answers[-1].repeated
        assert {answer.outcome for answer in answers} == {Outcome.DONE}
        assert scene.hung.moves() == 1

    tell(vendor, tmp_path, story)


@every_vendor
def test_a_lost_answer_is_settled_and_nothing_is_sent_again(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.hung.lose_answer()
        settled = await scene.press()
        assert settled.outcome in {Outcome.DONE, Outcome.UNKNOWN}

        def ended() -> bool:
            query = "SELECT outcome FROM doors_opening WHERE opening_id = ?"
            return scene.house.desk.rows(query, settled.opening_id) == [("done",)]

        await scene.until(ended)
        assert scene.hung.moves() == 1
        assert len([o for o in scene.sent(Verb.UNLOCK) if o.id == settled.opening_id]) == 1

    tell(vendor, tmp_path, story)


@every_vendor
def test_a_revoked_key_is_refused(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        old = scene.pressed((await scene.press()).opening_id)
        await scene.house.done(
            RevokeKeys(
                holder_kind=HolderKind.STAY, holder_id="stay-204", door_id=None, reason="moved"
            )
        )
        await scene.until(lambda: scene.sent(Verb.DENY, scene.hung.device))
        answer = await scene.replay(old)
        assert answer.outcome is Outcome.REFUSED
        assert answer.refusal in {LockRefusal.DENIED, LockRefusal.SUPERSEDED}
        assert scene.hung.moves() == 1

    tell(vendor, tmp_path, story)


@every_vendor
def test_late_forged_and_foreign_orders_are_refused(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.house.cut("stay-205", 205)
        order = scene.pressed((await scene.press()).opening_id)
        assert order.credential is not None
        neighbour = scene.pressed((await scene.house.press_and_wait("stay-205", 205)).opening_id)
        bent = order.credential[:-1] + bytes([order.credential[-1] ^ 1])
        now_ms = scene.house.clock.read().wall_ms
        for changes, refusals in (
            ({"expires_at_ms": now_ms - 1}, {LockRefusal.EXPIRED}),
            ({"credential": bent}, {LockRefusal.BAD_SIGNATURE}),
            ({"credential": b"\x00" * 40}, {LockRefusal.BAD_FRAME}),
            ({"credential": None}, {LockRefusal.BAD_FRAME}),
            # An NPK key is bound to its presser, and the neighbour's is bound to nobody.
            (
                {"credential": neighbour.credential},
                {LockRefusal.WRONG_DOOR, LockRefusal.BAD_SIGNATURE},
            ),
        ):
            answer = await scene.replay(order, **changes)
            assert answer.outcome is Outcome.REFUSED, changes
            assert answer.refusal in refusals, changes
        assert scene.hung.moves() == 1

    tell(vendor, tmp_path, story)


@every_vendor
def test_a_pin_is_taken_or_said_to_be_impossible(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        def rows() -> list[tuple[str | None]]:
            query = "SELECT outcome FROM doors_delivery WHERE what = 'pin_put'"
            return scene.house.desk.rows(query)

        await scene.until(rows)
        [(outcome,), *_] = rows()
        assert (outcome == "done") is scene.hung.pins, outcome

    tell(vendor, tmp_path, story)


@pytest.mark.parametrize("vendor", [v for v in VENDORS if v is not BUS], ids=str)
def test_events_said_again_are_one_line_of_the_log(vendor: Vendor, tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        settled = await scene.press()
        await scene.until(lambda: scene.access(settled.opening_id))
        order = scene.pressed(settled.opening_id)
        assert scene.hung.close_line is not None
        assert scene.hung.open_line is not None
        await scene.hung.close_line()
        await scene.hung.open_line()
        heard = len(scene.events)
        # Have every event said once more, under its own number.
        again = await scene.replay(order, verb=Verb.READ, credential=None, after_seq=0)
        assert again.outcome is Outcome.DONE
        await scene.until(lambda: len(scene.events) > heard)
        assert scene.access(settled.opening_id) == 1
        assert scene.hung.moves() == 1

    tell(vendor, tmp_path, story)


@pytest.mark.parametrize("vendor", [v for v in VENDORS if v is not BUS], ids=str)
def test_a_door_changes_its_maker_with_a_guest_in_house(vendor: Vendor, tmp_path: Path) -> None:
    """No rule is touched and no key is cut again: the guest's next press opens the other lock."""

    async def told() -> None:
        async with at_door(BUS, tmp_path) as scene, AsyncExitStack() as stack:
            old = scene.hung
            assert (await scene.press()).outcome is Outcome.DONE
            keys = scene.house.desk.rows("SELECT key_id FROM doors_key")
            place = tmp_path / "new"
            place.mkdir()
            new = await stack.enter_async_context(vendor.hang(scene.house, place, NUMBER))
            await scene.fit(new)
            settled = await scene.press()
            assert settled.outcome is Outcome.DONE
            assert (old.moves(), new.moves()) == (1, 1)
            assert scene.house.desk.rows("SELECT key_id FROM doors_key") == keys
            # The lock that was taken off has no say any more.
            await scene.until(lambda: scene.access(settled.opening_id))
            device = scene.house.twin.devices[old.device]
            lines = "SELECT count(*) FROM doors_access WHERE device_id = ?"
            before = scene.house.desk.rows(lines, old.device)
            core = scene.house.twin.lock(old.device)
            device.happened(core.swing(scene.house.clock.read(), ajar=True))
            await scene.until(
                lambda: any(d == old.device and e.kind == "door_opened" for d, e in scene.events)
            )
            assert scene.house.desk.rows(lines, old.device) == before

    vendor.run(told())


def test_a_door_goes_round_all_makers_and_back(tmp_path: Path) -> None:
    async def told() -> None:
        async with at_door(NUKI, tmp_path) as scene, AsyncExitStack() as stack:
            first = scene.hung
            for vendor in (NPK, Z2M, BUS):
                place = tmp_path / f"{vendor}-next"
                place.mkdir()
                hung = await stack.enter_async_context(vendor.hang(scene.house, place, NUMBER))
                await scene.fit(hung)
                assert (await scene.press()).outcome is Outcome.DONE
                assert hung.moves() == 1
            await scene.fit(first)
            assert (await scene.press()).outcome is Outcome.DONE
            assert first.moves() == 1

    NUKI.run(told())
