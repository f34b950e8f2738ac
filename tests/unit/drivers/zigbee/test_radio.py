"""The stick: plugged, pulled, hung, dead, swapped, and one that is somebody else's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from appliance.bus.words import Outcome, Verb
from drivers.port import Alarm, RadioLostError
from drivers.zigbee.backup import parsed
from drivers.zigbee.forming import CHANNELS, Start, decide, quietest
from drivers.zigbee.radio import START_S_MAX
from twin.zigbee.devices import Lock
from twin.zigbee.site import site
from twin.zigbee_house import LOCK_IEEE, Rig, rig, rig_with_lock

if TYPE_CHECKING:
    from pathlib import Path

DOOR_LOCK = 0x0101


async def test_a_first_stick_is_formed_on_a_quiet_channel_with_keys_of_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with rig(tmp_path / "a", fresh=True) as one, rig(tmp_path / "b", fresh=True) as two:
        first, second = one.radio.backups.newest(), two.radio.backups.newest()
        assert first.network_info.channel in CHANNELS
        assert first.network_info.network_key.key != second.network_info.network_key.key
        assert first.network_info.pan_id != second.network_info.pan_id
        assert first.network_info.extended_pan_id != second.network_info.extended_pan_id


def test_the_quietest_channel_is_taken_and_25_of_equals() -> None:
    assert quietest({11: 90, 15: 80, 20: 70, 25: 75}) == 25
    assert quietest({11: 90, 15: 20, 20: 70, 25: 75}) == 15
    assert quietest({}) == 25


def test_a_network_is_formed_only_where_nothing_was_before() -> None:
    for carries in (False, True):
        for ours in (False, True):
            for backed_up in (False, True):
                for virgin in (False, True):
                    start = decide(carries=carries, ours=ours, backed_up=backed_up, virgin=virgin)
                    if start is Start.FORM:
                        assert (carries, backed_up, virgin) == (False, False, True)
                    if start is Start.USE:
                        assert carries
                        assert ours


async def test_a_pulled_stick_is_noticed_at_once_and_works_when_it_is_back(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        await it.site.unplug()
        await it.down()
        await it.until(lambda: it.ended)
        assert isinstance(it.ended[0], RadioLostError)
        await it.site.plug()
        await it.up()
        await it.plugged(lock.name)
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.DONE


async def test_a_hung_stick_is_noticed_by_our_own_watch(tmp_path: Path) -> None:
    """With zigpy's watchdog it takes 45 s; ours twice the interval of the watch."""
    async with rig(tmp_path) as it:
        it.site.hang()
        await it.house.until(lambda h: (Alarm.RADIO_HUNG, None) in h.rung)
        it.site.hang(on=False)
        await it.down()
        await it.up()
        await it.house.until(lambda h: (Alarm.RADIO_HUNG, None) not in h.alarms)


async def test_a_new_stick_takes_the_network_over_and_the_lock_hears_it(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        before = it.radio.backups.newest()
        await it.site.unplug()
        await it.down()
        await it.site.plug(it.site.other_stick())
        await it.up()
        await it.plugged(lock.name)
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.DONE
        counter = before.network_info.network_key.tx_counter
        await it.until(
            lambda: it.radio.backups.newest().network_info.network_key.tx_counter > counter
        )
        after = it.radio.backups.newest()
        assert after.network_info.network_key.key == before.network_info.network_key.key
        gained = (
            after.network_info.network_key.tx_counter - before.network_info.network_key.tx_counter
        )
        assert gained >= 10_000


async def test_a_stick_with_another_network_is_refused_until_a_person_looks(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    async with rig(tmp_path / "theirs", fresh=True) as other:
        await other.stop()
        flash = (tmp_path / "theirs" / "stick-nvram.json").read_bytes()
    async with rig_with_lock(tmp_path / "ours") as (it, _node, lock):
        await it.stop()
        foreign = tmp_path / "ours" / "foreign.json"
        foreign.write_bytes(flash)
        await it.site.plug(it.site.other_stick(nvram=foreign))
        error = await it.needs_person()
        assert "not this property's" in str(error)
        assert (Alarm.RADIO_FOREIGN, None) in it.house.alarms
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.NOT_SENT


async def test_known_things_without_a_backup_are_never_orphaned_by_forming_anew(
    tmp_path: Path,
) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, _lock):
        await it.stop()
        for kept in (tmp_path / "driver" / "backups").iterdir():
            kept.unlink()
        await it.site.plug(it.site.other_stick())
        it.fresh_radio()
        error = await it.needs_person()
        assert "there is no backup" in str(error)


async def test_a_restarted_driver_knows_its_things_and_forms_nothing(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        key = it.radio.backups.newest().network_info.network_key.key
        await it.stop()
        it.fresh_radio()
        assert set(it.radio.devices) == {lock.name}
        await it.start()
        await it.plugged(lock.name)
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.DONE
        assert it.radio.backups.newest().network_info.network_key.key == key


async def test_an_absent_port_is_said_with_its_name(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        it = Rig(here, tmp_path)
        await here.unplug()
        with pytest.raises(RadioLostError, match="is the stick plugged in"):
            await it.radio.run(it.house)
        await it.nursery.close()


async def test_a_backup_is_taken_after_every_join_and_holds_every_key(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        for number in range(3):
            await it.join(Lock(f"lock-{number}", LOCK_IEEE + number), room=f"10{number}")
        taken = await it.radio.back_up(it.radio.app)
        assert taken.missing == ()
        assert taken.keys == 3
        kept = sorted((tmp_path / "driver" / "backups").iterdir())
        assert (tmp_path / "driver" / "zigpy.db").stat().st_mode & 0o777 == 0o600
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)
        assert len(parsed(kept[-1].read_bytes()).network_info.key_table) == 3


async def test_a_backup_with_less_in_it_replaces_nothing(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, _lock):
        generations = it.radio.backups.generations()
        app = it.radio.app
        whole = app.load_network_info

        async def forgetful(*, load_devices: bool = False) -> None:
            await whole(load_devices=load_devices)
            app.state.network_info.key_table.clear()

        app.load_network_info = forgetful
        it.radio.backup_due.set()
        await it.house.until(lambda h: (Alarm.BACKUP_STALE, None) in h.alarms)
        assert it.radio.backups.generations() == generations
        app.load_network_info = whole
        it.radio.backup_due.set()
        await it.house.until(lambda h: (Alarm.BACKUP_STALE, None) not in h.alarms)


async def test_ten_generations_are_kept(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        for _ in range(13):
            await it.radio.back_up(it.radio.app)
        generations = it.radio.backups.generations()
        assert len(generations) == 10
        assert generations == list(range(generations[0], generations[0] + 10))


async def test_an_unreadable_backup_is_passed_over(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        await it.radio.back_up(it.radio.app)
        last = it.radio.backups.generations()[-1]
        (tmp_path / "driver" / "backups" / f"{last:06d}.json").write_bytes(b"{torn")
        assert it.radio.backups.newest() is not None


async def test_noise_on_the_line_loses_frames_and_not_the_driver(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        it.site.port.noise(0.05)
        for _ in range(10):
            told = await it.ask(lock.name, Verb.UNLOCK)
            assert told.outcome is not Outcome.REFUSED
        it.site.heal()
        # A start that the noise cut into waits for an answer that never comes before it begins anew.
        async with asyncio.timeout(START_S_MAX):
            while (await it.ask(lock.name, Verb.LOCK, within_s=1)).outcome is not Outcome.DONE:
                with contextlib.suppress(TimeoutError):
                    await it.up()


async def test_a_thing_that_is_silent_for_longer_than_it_agreed_is_away(tmp_path: Path) -> None:
    async with rig_with_lock(tmp_path) as (it, _node, lock):
        assert lock.entry.quietest_s == 3600
        assert lock.heard_s is not None
        began_s = it.clock.monotonic() - 100_000
        lock.heard_s = it.clock.monotonic() - 2.4 * 3600
        it.radio.look_round(began_s)
        assert lock.name not in it.radio._away
        lock.heard_s = it.clock.monotonic() - 2.6 * 3600
        it.radio.look_round(began_s)
        await it.house.until(lambda h: h.online[lock.name] is False)
        assert (Alarm.DEVICE_SILENT, lock.name) in it.house.alarms
        # The next thing heard from it ends that.
        assert (await it.ask(lock.name, Verb.UNLOCK)).outcome is Outcome.DONE
        await it.house.until(lambda h: h.online[lock.name] is True)
        assert (Alarm.DEVICE_SILENT, lock.name) not in it.house.alarms


async def test_a_house_that_is_silent_as_a_whole_is_the_sticks_trouble(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        locks = [
            await it.join(Lock(f"lock-{number}", LOCK_IEEE + number), room=f"10{number}")
            for number in range(2)
        ]
        began_s = it.clock.monotonic() - 100_000
        locks[0].heard_s = it.clock.monotonic() - 3 * 3600
        it.radio.look_round(began_s)
        await it.house.until(lambda h: (Alarm.DEVICE_SILENT, locks[0].name) in h.alarms)
        assert (Alarm.RADIO_SILENT, None) not in it.house.rung
        locks[1].heard_s = it.clock.monotonic() - 3 * 3600
        it.radio.look_round(began_s)
        await it.house.until(lambda h: (Alarm.RADIO_SILENT, None) in h.alarms)
        await it.ask(locks[0].name, Verb.UNLOCK)
        it.radio.look_round(began_s)
        await it.house.until(lambda h: (Alarm.RADIO_SILENT, None) not in h.alarms)
