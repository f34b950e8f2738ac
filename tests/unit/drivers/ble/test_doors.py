"""NPK doors on the virtual air: the promises of every tier, and the faults that T1 can make."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.bus.words import EventKind, LockRefusal, LockState, Order, Outcome, Verb
from appliance.kernel import cose, edicts
from drivers.ble.radio import BleRadio
from drivers.ble.talk import Talk
from drivers.npk.codes import RX_UUID, SERVICE_UUID, TX_UUID, Command, LogKind, Status
from drivers.npk.phone import PhoneSession, Verdict
from drivers.port import Alarm, Attempt, Evidence
from support.ble_bench import Host, ends, on_the_air
from support.ble_doors import CURVE, FIRST_DOOR, PROPERTY, Corridor, Keys, corridor, name_of
from support.ble_promises import PROMISES, Named
from twin.ble.air import Air, Crossing, Fate
from twin.ble.backend import VirtualClient
from twin.ble.npk_lock import BleLock, PowerCut
from twin.ble.peripheral import Manner
from twin.flash import Flash
from twin.journal import Journal
from twin.npk_lock import NpkIdentity, NpkLock
from twin.pin_slots import seal_pin

MTUS = (23, 185, 517)


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("named", PROMISES, ids=lambda named: named.name)
def test_promise(named: Named, mtu: int, tmp_path: Path) -> None:
    @on_the_air
    async def run() -> None:
        async with corridor(tmp_path, mtu=mtu) as doors:
            await named.body(doors)

    run()


class Cut:
    """Mischief: the link ends at the n-th frame of one direction of the first connection."""

    def __init__(self, *, down: bool, number: int, fate: Fate) -> None:
        self.down, self.number, self.fate = down, number, fate
        self.done = False

    def __call__(self, crossing: Crossing) -> Fate:
        hit = crossing.down is self.down and crossing.number == self.number
        # The first write of a link is the subscription, which carries two bytes.
        if hit and not self.done:
            self.done = True
            return self.fate
        return Fate.ARRIVES


@pytest.mark.parametrize("fate", [Fate.LINK_LOST, Fate.LINK_LOST_AFTER, Fate.TWICE])
@pytest.mark.parametrize("way", ["write", "notification"])
@pytest.mark.parametrize("number", [1, 2, 5, 6, 11, 12, 13, 17, 23])
def test_a_link_lost_at_any_frame_moves_at_most_once_and_is_told_truly(
    number: int, way: str, fate: Fate, tmp_path: Path
) -> None:
    @on_the_air
    async def run() -> None:
        async with corridor(tmp_path, mtu=23) as doors:
            doors.air.mischief = Cut(down=way == "write", number=number, fate=fate)
            order = doors.order()
            told = await doors.press(order, seconds=20)
            assert told.outcome is Outcome.DONE, told
            assert doors.moves(order.id) == 1

    run()


@pytest.mark.parametrize("number", [1, 2, 6, 7, 12, 18, 21, 22, 23, 24, 25, 26])
def test_not_sent_is_said_only_where_the_lock_cannot_have_heard_all_of_m3(
    number: int, tmp_path: Path
) -> None:
    @on_the_air
    async def run() -> None:
        async with corridor(tmp_path, mtu=23, advertise_ms=1_000.0) as doors:
            doors.give_errand_key()
            lost = [False]

            def lose(crossing: Crossing) -> Fate:
                if crossing.down and crossing.number == number:
                    lost[0] = True
                    doors.air.walk_away(doors.locks[0].address)
                    return Fate.LINK_LOST_AFTER
                return Fate.ARRIVES

            doors.air.mischief = lose
            order = doors.order()
            told = await doors.press(order, seconds=8)
            moved = doors.moves(order.id)
            if told.outcome is Outcome.NOT_SENT:
                assert moved == 0
            if lost[0] and moved:
                assert told.outcome is Outcome.UNKNOWN, "it moved, and nobody heard so"
            doors.air.mischief = None
            doors.air.come_back(doors.locks[0].address)
            await doors.settle(120)
            if told.outcome is Outcome.UNKNOWN:
                (end,) = [end for _, about, end in doors.house.ends if about == order.id]
                assert (end.outcome is Outcome.DONE) == (moved == 1)
            assert doors.moves(order.id) == moved, "nothing moves afterwards"

    run()


@pytest.mark.parametrize("cut", PowerCut)
@on_the_air
async def test_a_lock_that_dies_in_the_middle_is_unknown_and_moves_nothing_again(
    cut: PowerCut, tmp_path: Path
) -> None:
    async with corridor(tmp_path) as doors:
        doors.locks[0].power_cut = cut
        order = doors.order()
        told = await doors.press(order, seconds=20)
        assert told.outcome is Outcome.UNKNOWN
        assert told.evidence[-1] is Evidence.REPEATED, "by the lock's own word"
        assert doors.moves(order.id) == (1 if cut is PowerCut.AFTER_MOVE else 0)


@on_the_air
async def test_a_lock_out_of_range_was_sent_nothing_and_opens_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        doors.air.walk_away(doors.locks[0].address)
        told = await doors.press(seconds=8)
        assert told.outcome is Outcome.NOT_SENT
        await doors.settle(15)
        told = await doors.press(seconds=8)
        assert (told.outcome, told.evidence) == (Outcome.NOT_SENT, (Evidence.NEVER_LEFT,))
        doors.air.come_back(doors.locks[0].address)
        assert (await doors.press()).outcome is Outcome.DONE
        assert doors.moves() == 1


@on_the_air
async def test_doubled_notifications_change_nothing(tmp_path: Path) -> None:
    async with corridor(tmp_path, mtu=23) as doors:
        doors.locks[0].tell_twice = True
        for _ in range(3):
            order = doors.order()
            assert (await doors.press(order)).outcome is Outcome.DONE
            assert doors.moves(order.id) == 1


@on_the_air
async def test_a_lock_that_says_nothing_is_unknown_only_after_it_had_the_order(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        doors.locks[0].mute_after = 0
        told = await doors.press()
        assert told.outcome is Outcome.NOT_SENT
        doors.locks[0].mute_after = 1
        order = doors.order()
        told = await doors.press(order)
        assert told.outcome is Outcome.UNKNOWN
        assert doors.moves(order.id) == 1


@on_the_air
async def test_several_doors_open_at_once_each_once(tmp_path: Path) -> None:
    async with corridor(tmp_path, doors=5) as doors:
        key = doors.keys.credential(*range(FIRST_DOOR, FIRST_DOOR + 5), now_s=doors.now_s)
        orders = [doors.order(credential=key) for _ in range(5)]
        told = await asyncio.gather(
            *(doors.press(order, door, 20) for door, order in enumerate(orders))
        )
        assert [one.outcome for one in told] == [Outcome.DONE] * 5
        assert [doors.moves(order.id) for order in orders] == [1] * 5


@on_the_air
async def test_locks_without_an_address_are_found_by_their_tag(tmp_path: Path) -> None:
    async with corridor(tmp_path, doors=3, by_tag=True) as doors:
        key = doors.keys.credential(FIRST_DOOR + 2, now_s=doors.now_s)
        assert (await doors.press(doors.order(credential=key), 2)).outcome is Outcome.DONE
        assert doors.locks[2].lock.body.bolt.position == "unlocked"


def impostor(doors: Corridor, air: Air, address: str) -> BleLock:
    """Another lock, with another key, that calls itself what ours calls itself."""
    identity = NpkIdentity(
        device="impostor",
        door_number=FIRST_DOOR,
        property_id=PROPERTY,
        issuers=cose.issuers(doors.keys.points),
        secret=bytes(32),
        salt=doors.locks[0].lock._me.salt,
    )
    journal, flash = Journal(), Flash()
    return BleLock(
        ends(air, "impostor"),
        Manner(name="NP", address=address),
        make=lambda: NpkLock(identity, flash=flash, journal=journal, clock=doors.host.clock),
        clock=doors.host.clock,
    )


@on_the_air
async def test_another_lock_under_a_known_address_learns_nothing_and_gets_no_order(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        real = doors.locks[0]
        doors.air.walk_away(real.address)
        await doors.settle(12)
        await real.stop()
        doors.air.come_back(real.address)
        doors.air.remove_controller(
            next(c for c in doors.air.controllers if c.random_address == real.device.random_address)
        )
        fake = impostor(doors, doors.air, real.address)
        await fake.start()
        told = await doors.press()
        assert told.outcome is Outcome.NOT_SENT
        assert told.evidence in {(Evidence.MISMATCH,), (Evidence.NEVER_LEFT,)}
        assert fake.lock.core.log.seq == 1, "it was started, and has seen no key"
        await fake.stop()


@on_the_air
async def test_a_tag_shared_by_chance_ends_at_the_right_lock(tmp_path: Path) -> None:
    async with corridor(tmp_path, by_tag=True) as doors:
        fake = impostor(doors, doors.air, "F0:00:00:00:00:01")
        await fake.start()
        for _ in range(4):
            order = doors.order()
            told = await doors.press(order, seconds=20)
            assert told.outcome is Outcome.DONE, told
            assert doors.moves(order.id) == 1
        assert fake.lock.core.log.seq == 1
        await fake.stop()


@on_the_air
async def test_a_flood_of_connections_delays_a_press_and_no_more(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        stranger = await Host.open(doors.air)
        ears = stranger.ears({doors.locks[0].address: "victim"})
        await ears.open()

        async def cling() -> None:
            while True:
                heard = await ears.hear("victim", fresh_s=0, deadline_s=stranger.by(60))
                if heard is None:
                    return
                client = VirtualClient(heard.device, disconnected_callback=None, timeout=30)
                try:
                    await client.connect(pair=False)
                    await client._gone.wait()
                except Exception:  # noqa: BLE001, S112 - a stranger gives up on nothing
                    continue

        clinging = asyncio.ensure_future(cling())
        await doors.settle(30)
        order = doors.order()
        told = await doors.press(order, seconds=60)
        clinging.cancel()
        assert told.outcome is Outcome.DONE, told
        assert doors.moves(order.id) == 1
        await ears.close()
        await stranger.close()


@on_the_air
async def test_a_lock_that_asks_for_a_pause_is_given_it_and_opens_within_the_deadline(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        orders = [doors.order() for _ in range(12)]
        told = [await doors.press(order) for order in orders]
        assert [one.outcome for one in told] == [Outcome.DONE] * 12
        assert doors.moves() == 12
        hurried = [await doors.press(seconds=0.5) for _ in range(3)]
        assert LockRefusal.RATE_LIMITED in {one.refusal for one in hurried}


# --- errands


def errand_events(doors: Corridor) -> list[EventKind]:
    return [what.kind for _, what in doors.house.happenings]


@on_the_air
async def test_a_log_that_waits_is_collected_once_and_names_the_order(tmp_path: Path) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0) as doors:
        doors.give_errand_key()
        order = doors.order()
        await doors.press(order)
        await doors.settle(300)
        unlocked = [w for _, w in doors.house.happenings if w.kind is EventKind.UNLOCKED]
        assert [what.order_id for what in unlocked] == [order.id]
        assert doors.locks[0].lock.core.log.waiting <= 1, "what is on disk here is forgotten there"
        numbers = [what.own_seq or 0 for _, what in doors.house.happenings]
        assert numbers == sorted(set(numbers))


@on_the_air
async def test_what_is_not_on_disk_here_stays_in_the_lock(tmp_path: Path) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0) as doors:
        doors.house.durable = False
        doors.give_errand_key()
        await doors.press()
        await doors.settle(120)
        assert doors.house.happenings == []
        assert doors.locks[0].lock.core.log.waiting >= 2
        doors.house.durable = True
        await doors.settle(1_000)
        assert EventKind.UNLOCKED in errand_events(doors)


@on_the_air
async def test_killed_between_disk_and_acknowledgement_the_same_entries_come_with_their_numbers(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0) as doors:
        await doors.press()
        lost = [False]

        def lose_ack(crossing: Crossing) -> Fate:
            # The second request of a visit that is longer than a few bytes is the ACK's.
            if not lost[0] and doors.house.happenings and crossing.down:
                lost[0] = True
                return Fate.LINK_LOST
            return Fate.ARRIVES

        doors.air.mischief = lose_ack
        doors.give_errand_key()
        await doors.settle(20)
        assert lost[0]
        await doors.restart_driver()
        await doors.settle(300)
        numbers = [what.own_seq or 0 for _, what in doors.house.happenings]
        assert numbers == sorted(set(numbers)), "the place in the log is on disk too"
        assert doors.house.alarms.get((Alarm.LOG_BROKEN, name_of(0))) is None


@on_the_air
async def test_a_lock_that_lost_its_log_raises_an_alarm(tmp_path: Path) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0) as doors:
        doors.give_errand_key()
        await doors.press()
        await doors.settle(100)
        lock = doors.locks[0].lock
        lock.core.log._entries.clear()
        lock.core.log._base_seq = 1
        lock.core.log._base_head = bytes(32)
        lock.core.note(LogKind.TAMPER)
        await doors.settle(300)
        assert doors.house.alarms[Alarm.LOG_BROKEN, name_of(0)]


@on_the_air
async def test_a_lock_without_the_time_is_told_it_before_it_refuses_the_guest(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        doors.locks[0].lock.lose_clock()
        assert (await doors.press()).refusal is LockRefusal.NO_TIME
        doors.give_errand_key()
        order = doors.order()
        told = await doors.press(order, seconds=15)
        assert told.outcome is Outcome.DONE, told
        assert doors.moves(order.id) == 1


@on_the_air
async def test_a_denylist_is_brought_to_every_lock_that_has_an_older_one(tmp_path: Path) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0, doors=2) as doors:
        key = doors.keys.credential(FIRST_DOOR, FIRST_DOOR + 1, now_s=doors.now_s)
        claims = cose.verify(key, cose.issuers(doors.keys.points))
        assert isinstance(claims, cose.Claims)
        denied = edicts.Denylist(
            seq=1,
            issued_s=doors.now_s,
            denied=(edicts.Denied(cti=claims.cti, exp_s=claims.exp_s),),
        )
        signed = edicts.sign_denylist(denied, doors.keys.issuer)
        told = await doors.press(doors.order(Verb.DENY, denylist=signed))
        assert told.outcome is Outcome.DONE
        # A lock that has it already is no lock that refuses it.
        told = await doors.press(doors.order(Verb.DENY, denylist=signed))
        assert (told.outcome, told.evidence) == (Outcome.DONE, (Evidence.REPEATED,))
        told = await doors.press(doors.order(credential=key))
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.DENIED)
        doors.give_errand_key(1)
        await doors.settle(120)
        told = await doors.press(doors.order(credential=key), 1)
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.DENIED)


@on_the_air
async def test_a_forged_denylist_is_not_taken(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        other = Keys()
        forged = edicts.sign_denylist(edicts.Denylist(seq=9, issued_s=doors.now_s), other.issuer)
        told = await doors.press(doors.order(Verb.DENY, denylist=forged))
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.UNKNOWN_ISSUER)
        assert doors.locks[0].lock.core.judge.denylist_seq == 0


@on_the_air
async def test_without_a_key_for_errands_nothing_is_asked_and_the_order_says_why(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        told = await doors.press(doors.order(Verb.READ))
        assert (told.outcome, told.note) == (Outcome.NOT_SENT, "no errand key")


@on_the_air
async def test_a_key_for_errands_comes_with_an_order_and_outlives_a_restart(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        told = await doors.press(doors.order(Verb.READ, credential=doors.admin_key()))
        assert told.outcome is Outcome.DONE
        state = doors.house.states[-1][1]
        assert isinstance(state, LockState)
        assert (state.bolt, state.battery_pct, state.clock_known) == ("locked", 100, True)
        await doors.restart_driver()
        assert (await doors.press(doors.order(Verb.READ))).outcome is Outcome.DONE


@on_the_air
async def test_a_press_brings_the_key_for_errands_and_a_forged_one_is_not_kept(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        forged = Keys(presser=doors.keys.presser).credential(
            FIRST_DOOR, now_s=doors.now_s, bits=cose.ADMIN_BIT
        )
        await doors.press(doors.order(errand_key=forged))
        assert not doors.radio.things.locks[name_of(0)].may_visit
        await doors.press(doors.order(errand_key=doors.admin_key()))
        assert doors.radio.things.locks[name_of(0)].may_visit
        await doors.settle(90)
        assert EventKind.UNLOCKED in errand_events(doors)


@on_the_air
async def test_a_door_that_only_phones_open_is_read_once_the_box_has_asked_for_it(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0) as doors:
        told = await doors.press(doors.order(Verb.READ, errand_key=doors.admin_key()))
        assert told.outcome is Outcome.DONE
        key = ec.generate_private_key(CURVE)
        credential = doors.keys.credential(now_s=doors.now_s, holder=key)
        assert (await phone_opens(doors, key, credential)).done
        await doors.settle(120)
        unlocked = [w for _, w in doors.house.happenings if w.kind is EventKind.UNLOCKED]
        claims = cose.verify(credential, cose.issuers(doors.keys.points))
        assert isinstance(claims, cose.Claims)
        assert [(w.cti, w.order_id) for w in unlocked] == [(claims.cti.hex(), None)]
        assert doors.locks[0].lock.core.log.waiting <= 1


@on_the_air
async def test_a_guests_pin_opens_with_box_and_driver_dead_and_the_guest_befores_does_not(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path, keypad=True, advertise_ms=1_000.0) as doors:
        doors.give_errand_key()
        for slot, digits in ((1, "482915"), (2, "730264")):
            told = await doors.press(pin_order(doors, slot, digits))
            assert told.outcome is Outcome.DONE
        lock = doors.locks[0]
        assert lock.type_pin("482915") == Status.DONE
        await doors.stop()
        assert lock.type_pin("730264") == Status.DONE
        assert lock.type_pin("482915") == Status.SUPERSEDED
        await doors.restart_driver()
        await doors.settle(120)
        tries = [(w.kind, w.slot) for _, w in doors.house.happenings if w.slot is not None]
        assert tries == [
            (EventKind.UNLOCKED, 1),
            (EventKind.UNLOCKED, 2),
            (EventKind.REFUSED, 1),
        ]
        cleared = doors.order(Verb.CLEAR_PIN, slot=2)
        assert (await doors.press(cleared)).outcome is Outcome.DONE
        assert lock.type_pin("730264") == Status.WRONG_PIN


def pin_order(doors: Corridor, slot: int, digits: str) -> Order:
    return doors.order(
        Verb.PUT_PIN,
        slot=slot,
        pin_sealed=seal_pin(digits, device=name_of(0), secret=bytes(32), nonce=bytes(12)),
        valid_from_s=doors.now_s - 60,
        valid_until_s=doors.now_s + 3_600,
        generation=slot,
    )


@on_the_air
async def test_a_pin_without_its_box_or_its_end_is_no_order(tmp_path: Path) -> None:
    async with corridor(tmp_path, keypad=True) as doors:
        doors.give_errand_key()
        told = await doors.press(doors.order(Verb.PUT_PIN, slot=1, pin_sealed=b"x"))
        assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.BAD_FRAME)


async def phone_opens(
    doors: Corridor, key: ec.EllipticCurvePrivateKey, credential: bytes
) -> Verdict:
    """Somebody's phone at the door, on the same air and with nothing of the box's."""
    links = doors.host.links()
    lock = doors.locks[0]
    session = PhoneSession(
        key=key, credential=credential, lock_id=FIRST_DOOR, lock_point=lock.lock.point
    )
    heard = await doors.radio._ears.hear(
        name_of(0), fresh_s=10.0, deadline_s=doors.host.by(8), but=set()
    )
    assert heard is not None
    async with links.to(
        heard.device, doors.host.by(8), service=SERVICE_UUID, write=TX_UUID, notify=RX_UUID
    ) as link:
        talk = Talk(link, session, clock=doors.host.clock, deadline_s=doors.host.by(8))
        await talk.greet()
        return await talk.command(Command.UNLOCK, b"by-phone")


@on_the_air
async def test_a_restarted_driver_finds_out_of_the_log_what_became_of_an_order(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        order = doors.order()
        doors.locks[0].mute_after = 1
        told = await doors.press(order)
        assert told.outcome is Outcome.UNKNOWN
        doors.locks[0].mute_after = None
        doors.give_errand_key()
        await doors.stop()
        await doors.restart_driver()
        attempt = Attempt(
            device=name_of(0), order_id=order.id, verb="unlock", begun_ms=0, expires_at_ms=0
        )
        found = await doors.radio.devices[name_of(0)].find_out(attempt)
        assert found is not None
        assert found.outcome is Outcome.DONE
        assert doors.moves(order.id) == 1


@on_the_air
async def test_an_order_of_before_a_restart_that_no_log_names_stays_unknown(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path) as doors:
        doors.give_errand_key()
        attempt = Attempt(
            device=name_of(0), order_id="never", verb="unlock", begun_ms=0, expires_at_ms=0
        )
        assert await doors.radio.devices[name_of(0)].find_out(attempt) is None


@on_the_air
async def test_a_door_is_thrown_shut_and_blinks_for_the_box(tmp_path: Path) -> None:
    async with corridor(tmp_path) as doors:
        doors.give_errand_key()
        await doors.press()
        order = doors.order(Verb.LOCK)
        assert (await doors.press(order)).outcome is Outcome.DONE
        assert doors.locks[0].lock.body.bolt.position == "locked"
        assert (await doors.press(order)).evidence == (Evidence.REPEATED,)
        assert (await doors.press(doors.order(Verb.BLINK))).outcome is Outcome.DONE
        assert doors.journal.count("blink") == 1


@on_the_air
async def test_a_silent_lock_is_away_and_back_when_it_speaks(tmp_path: Path) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0, doors=2) as doors:
        await doors.settle(5)
        doors.air.walk_away(doors.locks[0].address)
        await doors.settle(250)
        assert doors.house.presences[-1] == (name_of(0), False)
        assert doors.house.alarms[Alarm.DEVICE_SILENT, name_of(0)]
        assert doors.host.adapter.cycles == 0, "one lock's cells are not the radio's fault"
        doors.air.come_back(doors.locks[0].address)
        await doors.settle(5)
        assert doors.house.presences[-1] == (name_of(0), True)
        assert not doors.house.alarms[Alarm.DEVICE_SILENT, name_of(0)]


@on_the_air
async def test_a_lock_learns_the_houses_hours_at_an_errand_and_writes_them_down_once(
    tmp_path: Path,
) -> None:
    async with corridor(tmp_path, advertise_ms=1_000.0) as doors:
        doors.give_errand_key()
        await doors.press()
        await doors.settle(300)
        core = doors.locks[0].lock.core
        assert core.local_time() is not None
        after = core.log.seq
        await doors.press()
        await doors.settle(300)
        kinds = [entry.kind for entry in core.log._entries if entry.seq > after]
        assert LogKind.LOCAL_TIME not in kinds


@pytest.mark.parametrize("unread", [{}, {"lock_point": ""}], ids=["none", "empty"])
@on_the_air
async def test_a_lock_that_nobody_has_paired_keeps_no_other_from_opening(
    unread: dict[str, str], tmp_path: Path
) -> None:
    async with corridor(tmp_path, doors=2) as doors:
        await doors.stop()
        whole = doors.settings()
        things = (whole.things[0], replace(whole.things[1], options=unread))
        doors.radio = BleRadio(replace(whole, things=things), doors.host.stack)
        await doors.run()
        told = await doors.press()
        assert told.outcome is Outcome.DONE
        # A silence of its own would be a second alarm for one cause.
        await doors.settle(300)
        other = name_of(1)
        assert other not in doors.radio.devices
        assert (other, False) in doors.house.presences
        assert doors.house.alarms[Alarm.NOT_PAIRED, other] is True
        assert not doors.house.alarms.get((Alarm.DEVICE_SILENT, other))
        await doors.restart_driver()
        assert doors.house.alarms[Alarm.NOT_PAIRED, other] is False, "it has its point now"
        assert other in doors.radio.devices
