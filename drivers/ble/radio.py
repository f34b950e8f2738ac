"""The Bluetooth radio of one process: one scanner, its things, their links, and who looks after it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from bleak import BleakAdapter, BleakClient

from appliance.kernel.clock import within
from appliance.kernel.discreet import where
from drivers.ble import bthome, eq3
from drivers.ble.bluez import BluezAdapter
from drivers.ble.ears import Ears, Heard
from drivers.ble.links import HANG_UP_S_MAX, LINK_ERRORS, Links
from drivers.ble.rounds import Rounds
from drivers.ble.stack import SLOTS_DEFAULT, Stack
from drivers.ble.things import Things
from drivers.ble.watch import Watch
from drivers.npk import advert
from drivers.npk.codes import SERVICE_UUID

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from drivers.ble.bthome import Measured
    from drivers.port import Device, House
    from drivers.radios import Setting

logger = logging.getLogger(__name__)

# Reports that wait to be said: sensors of a whole floor after a pause of the disk.
REPORTS_MAX: Final = 1_000


def build(setting: Setting) -> BleRadio:
    """The radio on this system's BlueZ.

    Options: `adapter` ("hci0"), `slots` (links at once), `passive` (sensors only; bluetoothd with
    --experimental), `time_zone` of the house, `salt` (hex) of its locks' tags.
    """
    name = str(setting.options.get("adapter", "hci0"))
    passive = bool(setting.options.get("passive", False))
    bluez: dict[str, Any] = {"adapter": name}
    return BleRadio(
        setting,
        Stack(
            adapter=BluezAdapter(name, clock=setting.clock),
            scanner_more={"bluez": {**bluez, **(_patterns() if passive else {})}},
            scanner_fallback={"bluez": bluez},
            client_more={"bluez": bluez},
            slots_max=int(setting.options.get("slots", SLOTS_DEFAULT)),
            passive=passive,
        ),
    )


class BleRadio:
    """Everything behind one Bluetooth adapter."""

    def __init__(self, setting: Setting, stack: Stack) -> None:
        """Raises NeedsPersonError for a thing that cannot be what the sheet says."""
        self._stack = stack
        self._clock = setting.clock
        self._ears = Ears(stack, clock=setting.clock, claim=self._claim, told=self._told)
        self.links = Links(stack, clock=setting.clock, nursery=setting.nursery)
        self.things = Things(setting, ears=self._ears, links=self.links)
        self.rounds = Rounds(self.things.locks, clock=setting.clock)
        self._watch: Watch | None = None
        self._reports: deque[tuple[str, Measured | None]] = deque(maxlen=REPORTS_MAX)
        self._bell = asyncio.Event()

    @property
    def devices(self) -> dict[str, Device]:
        """The things it has, by name."""
        return self.things.by_name

    async def run(self, house: House) -> None:
        """Serve until cancelled; raises RadioLostError with what to look at."""
        self.things.serve(house)
        await self.things.say_paired(house)
        self._watch = watch = Watch(
            self._ears, self._stack.adapter, clock=self._clock, silent_s=self.things.silent_s
        )
        await self._ears.open()
        watch.blind = self._ears.passive
        work = [
            asyncio.ensure_future(one)
            for one in (self._report(house, watch), watch.run(house), self.rounds.run())
        ]
        try:
            await self._end_stale_links()
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for one in work:
                if one.done():
                    one.result()
        finally:
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._ears.close()

    def _claim(self, device: BLEDevice, said: AdvertisementData) -> str | None:
        known = self.things.at_address(device.address)
        if known is not None:
            return known
        data = said.manufacturer_data.get(advert.COMPANY_ID)
        shouted = None if data is None else advert.read_maker_data(data)
        if shouted is None or SERVICE_UUID not in said.service_uuids:
            return None
        return self.things.of_tag(shouted.tag)

    def _told(self, name: str, heard: Heard) -> None:
        """Called for every advertisement, dozens a second: only what is new is passed on."""
        sensor = self.things.sensors.get(name)
        measured = None if sensor is None else sensor.read(heard.said)
        if name in self.things.locks:
            data = heard.said.manufacturer_data.get(advert.COMPANY_ID)
            shouted = None if data is None else advert.read_maker_data(data)
            if shouted is not None:
                self.rounds.heard(name, shouted.flags)
        if measured is not None or (self._watch is not None and self._watch.missed(name)):
            self._reports.append((name, measured))
            self._bell.set()

    async def _report(self, house: House, watch: Watch) -> None:
        while True:
            self._bell.clear()
            while self._reports:
                name, measured = self._reports.popleft()
                await watch.heard(name, house)
                if measured is not None:
                    await self.things.sensors[name].heed(measured, house)
            await self._bell.wait()

    async def _end_stale_links(self) -> None:
        """Links that a crash of ours left behind: the thing at the other end waits for nobody."""
        try:
            adapter = await BleakAdapter.get(backend=self._stack.connected)
            stale = await adapter.get_connected_devices([SERVICE_UUID, eq3.SERVICE])
        except (NotImplementedError, *LINK_ERRORS) as error:
            logger.info("who is still connected is not known: %s", where(error))
            return
        for device in stale:
            logger.warning("%s was still connected, from before: hung up", device.address)
            client = BleakClient(device, backend=self._stack.client, **self._stack.client_more)
            ending = asyncio.ensure_future(_end(client))
            try:
                await within(self._clock, 2 * HANG_UP_S_MAX, ending)
            except LINK_ERRORS as error:
                logger.info("hanging up a stale link: %s", where(error))
            finally:
                ending.cancel()


async def _end(client: BleakClient) -> None:
    # A link has to be taken over before it can be ended.
    await client.connect()
    await client.disconnect()


def _patterns() -> dict[str, Any]:
    """What a passive scan of BlueZ lets through: data of BTHome's UUID."""
    from bleak.args.bluez import OrPattern  # noqa: PLC0415 - BlueZ only, and rarely
    from bleak.assigned_numbers import AdvertisementDataType  # noqa: PLC0415 - as above

    uuid16 = bytes.fromhex(bthome.SERVICE[4:8])[::-1]
    return {
        "or_patterns": [OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, uuid16)],
    }
