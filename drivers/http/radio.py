"""The radio kind "http": Nuki bridges and Shellys on the property's own network."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Final

import aiohttp

from appliance.bus.words import DeviceKind
from drivers.http.bridge import NukiBridge
from drivers.http.calls import Calls
from drivers.http.nuki_lock import NukiLock
from drivers.http.shelly import ShellyHost, ShellyThing
from drivers.http.wire import HttpWire
from drivers.port import Alarm
from drivers.radios import NoSuchRadioError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.http.wire import Wire
    from drivers.port import Device, House
    from drivers.radios import Setting, Thing

    # Opens the way to one host; tests put another one in its place.
    OpenWire = Callable[[str, Mapping[str, object]], Wire]

logger = logging.getLogger(__name__)

NUKI: Final = "nuki"
SHELLY: Final = "shelly"


class HttpRadio:
    """Every host of one driver process, each by itself: one that is away delays no other."""

    def __init__(self, setting: Setting, open_wire: OpenWire) -> None:
        self._setting = setting
        self._clock = setting.clock
        self._bridges: dict[str, NukiBridge] = {}
        self._locks: dict[str, list[NukiLock]] = {}
        self._hosts: dict[str, ShellyHost] = {}
        self._things: dict[str, ShellyThing] = {}
        for thing in setting.things:
            if thing.protocol == NUKI:
                self._add_lock(thing, open_wire)
            elif thing.protocol == SHELLY:
                self._add_shelly(thing, open_wire)
            else:
                raise NoSuchRadioError(
                    f"{thing.name} has the protocol {thing.protocol!r}; write nuki or shelly"
                )

    @property
    def devices(self) -> dict[str, Device]:
        """The things it has, by name."""
        locks = {lock.name: lock for locks in self._locks.values() for lock in locks}
        return {**locks, **self._things}

    async def run(self, house: House) -> None:
        """Look after every host until cancelled."""
        calls, url = None, None
        listen = self._setting.options.get("listen")
        if isinstance(listen, str) and self._bridges:
            host, _, port = listen.rpartition(":")
            calls = Calls(host or listen, int(port) if port.isdigit() else 0, self._ring)
            try:
                url = await calls.start()
            except OSError as error:
                # Without calls the list is read in turns: later, and no less rightly.
                logger.warning("nobody can call us at %s: %s", listen, error.strerror)
        try:
            async with asyncio.TaskGroup() as group:
                for address, bridge in self._bridges.items():
                    group.create_task(self._watch(address, bridge, url, house))
                for thing in self._things.values():
                    group.create_task(thing.watch(house))
                group.create_task(_for_ever())
        finally:
            if calls is not None:
                await calls.close()
            ways: list[NukiBridge | ShellyHost] = [*self._bridges.values(), *self._hosts.values()]
            for way in ways:
                await way.close()

    async def _watch(self, address: str, bridge: NukiBridge, url: str | None, house: House) -> None:
        registered = False
        while True:
            if url is not None and not registered:
                registered = await bridge.register(url)
            words = await bridge.listed()
            listed = {w.nuki_id: w for w in words} if isinstance(words, list) else {}
            for lock in self._locks[address]:
                word = listed.get(lock.nuki_id)
                if word is None:
                    await lock.present(house, online=False)
                else:
                    await lock.heard(word, house)
                await lock.refused(house, on=words in (401, 403))
            if isinstance(words, int):
                registered = False
            await house.alarm(Alarm.RADIO_LOST, device=_shown(address), on=words == 0)
            await bridge.rest()

    def _ring(self) -> None:
        for bridge in self._bridges.values():
            bridge.ring()

    def _add_lock(self, thing: Thing, open_wire: OpenWire) -> None:
        token = thing.options.get("token", self._setting.options.get("token"))
        if thing.kind is not DeviceKind.LOCK or not isinstance(token, str) or not token:
            raise NoSuchRadioError(f"{thing.name} needs the kind lock and the bridge's token")
        if not isinstance(thing.options.get("nuki_id"), int):
            raise NoSuchRadioError(f"{thing.name} needs its nuki_id, as the bridge lists it")
        bridge = self._bridges.get(thing.address)
        if bridge is None:
            bridge = self._bridges[thing.address] = NukiBridge(
                open_wire(thing.address, thing.options),
                token=token,
                clock=self._clock,
                plain=thing.options.get("plain_token") is True,
            )
        lock = NukiLock(thing, bridge, clock=self._clock)
        self._locks.setdefault(thing.address, []).append(lock)

    def _add_shelly(self, thing: Thing, open_wire: OpenWire) -> None:
        host = self._hosts.get(thing.address)
        if host is None:
            password = thing.options.get("password", self._setting.options.get("password"))
            host = self._hosts[thing.address] = ShellyHost(
                open_wire(thing.address, thing.options),
                password=password if isinstance(password, str) else "",
                clock=self._clock,
            )
        self._things[thing.name] = ShellyThing(thing, host, clock=self._clock)


def build(setting: Setting, open_wire: OpenWire | None = None) -> HttpRadio:
    """A radio over real connections; raises NoSuchRadioError with the cure."""

    def opened(address: str, options: Mapping[str, object]) -> Wire:
        if not address.startswith(("http://", "https://")):
            raise NoSuchRadioError(f"{address!r} is no address; write http://host:port")
        return HttpWire(address, clock=setting.clock, tls=_tls(options))

    return HttpRadio(setting, open_wire or opened)


def _tls(options: Mapping[str, object]) -> ssl.SSLContext | aiohttp.Fingerprint | None:
    """Whom to believe to be the host: one certificate by its SHA-256, or an authority in a file."""
    pin, authority = options.get("tls_sha256"), options.get("tls_ca")
    if isinstance(pin, str):
        return aiohttp.Fingerprint(bytes.fromhex(pin.replace(":", "")))
    if isinstance(authority, str):
        return ssl.create_default_context(cafile=authority)
    return None


def _shown(address: str) -> str:
    return address.removeprefix("http://").removeprefix("https://").rstrip("/")


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
