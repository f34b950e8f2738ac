"""A guest's browser with JavaScript: the system's Chromium, and a lock that its Bluetooth can see.

Chromium's DevTools emulate a Bluetooth adapter (`BluetoothEmulation`, on the browser's own target
only). It answers reads, writes and subscriptions, but has no word for a notification: a few lines
in the page hand the lock's values over where the browser would.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from drivers.ble.things import salt_of
from drivers.npk.advert import COMPANY_ID, door_tag, info, maker_data
from drivers.npk.codes import INFO_UUID, RX_UUID, SERVICE_UUID, TX_UUID
from drivers.npk.session import LockSession
from support.needs import needs
from twin.npk_lock import NpkLock

FLAGS: Final = (
    "--no-sandbox",  # tests may run as root, in a container
    "--enable-features=WebBluetooth",
    "--enable-experimental-web-platform-features",
)
PHONE_SIZE: Final = ViewportSize(width=390, height=844)
ADDRESS: Final = "09:09:09:09:09:09"
# Without it `startNotifications` says NotSupportedError.
_SUBSCRIPTION: Final = "00002902-0000-1000-8000-00805f9b34fb"
_NOTIFY: Final = """
  const prototype = BluetoothRemoteGATTCharacteristic.prototype;
  const start = prototype.startNotifications;
  let characteristic;
  prototype.startNotifications = function () { characteristic = this; return start.call(this); };
  window.__notify = (text) => {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const value = new DataView(bytes.buffer);
    Object.defineProperty(characteristic, "value", { configurable: true, value });
    characteristic.dispatchEvent(new Event("characteristicvaluechanged"));
  };
"""


@asynccontextmanager
async def chromium(*flags: str) -> AsyncGenerator[Browser, None]:
    """The system's Chromium, headless."""
    program = needs("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(program), args=[*FLAGS, *flags]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def phone(browser: Browser) -> AsyncGenerator[BrowserContext, None]:
    """A guest's phone: its own cookies and storage."""
    context = await browser.new_context(viewport=PHONE_SIZE, device_scale_factor=2, locale="en-GB")
    try:
        yield context
    finally:
        await context.close()


@dataclass
class EmulatedLock:
    """A lock that a page finds by Web Bluetooth; `lock` decides, as everywhere."""

    page: Page
    lock: NpkLock
    number: int
    salt: bytes = salt_of("marina")
    link: LockSession | None = None
    connects: int = 0
    lose_after: int | None = None  # the link breaks instead of the answer after so many answers
    _cdp: Any = None
    _names: dict[str, str] = field(default_factory=dict)
    _prompts: set[str] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Switch the adapter on and advertise. Call it before the page is opened."""
        await self.page.add_init_script(_NOTIFY)
        browser = self.page.context.browser
        assert browser is not None
        self._cdp = await browser.new_browser_cdp_session()
        prompts = await self.page.context.new_cdp_session(self.page)
        self._cdp.on("BluetoothEmulation.gattOperationReceived", self._later(self._gatt))
        self._cdp.on("BluetoothEmulation.characteristicOperationReceived", self._later(self._value))
        prompts.on("DeviceAccess.deviceRequestPrompted", self._later(self._choose(prompts)))
        await self._cdp.send(
            "BluetoothEmulation.enable", {"state": "powered-on", "leSupported": True}
        )
        await prompts.send("DeviceAccess.enable")
        tag = maker_data(0, door_tag(self.salt, self.number))
        await self._cdp.send(
            "BluetoothEmulation.simulatePreconnectedPeripheral",
            {
                "address": ADDRESS,
                "name": f"Door {self.number}",
                "manufacturerData": [{"key": COMPANY_ID, "data": _text(tag)}],
                "knownServiceUuids": [SERVICE_UUID],
            },
        )

    async def stop(self) -> None:
        """Switch the adapter off: the next phone has its own."""
        if self._cdp is not None:
            await self._cdp.send("BluetoothEmulation.disable")
            await self._cdp.detach()

    def _later(self, handle: Any) -> Any:
        def begin(event: Any) -> None:
            task = asyncio.ensure_future(handle(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return begin

    def _choose(self, prompts: Any) -> Any:
        async def choose(event: Any) -> None:
            if event["devices"] and event["id"] not in self._prompts:
                self._prompts.add(event["id"])
                chosen = {"id": event["id"], "deviceId": event["devices"][0]["id"]}
                await prompts.send("DeviceAccess.selectPrompt", chosen)

        return choose

    async def _gatt(self, event: Any) -> None:
        if event["type"] == "discovery" and not self._names:
            await self._furnish()
        if event["type"] == "connection":
            self._connect()
        answer = {"address": ADDRESS, "type": event["type"], "code": 0}
        await self._cdp.send("BluetoothEmulation.simulateGATTOperationResponse", answer)

    def _connect(self) -> None:
        if self.link is not None:
            self.link.close()
        self.link = self.lock.core.connect(180)
        self.connects += 1

    async def _furnish(self) -> None:
        added = await self._cdp.send(
            "BluetoothEmulation.addService", {"address": ADDRESS, "serviceUuid": SERVICE_UUID}
        )
        for uuid, properties in (
            (INFO_UUID, {"read": True}),
            (TX_UUID, {"write": True, "writeWithoutResponse": True}),
            (RX_UUID, {"notify": True}),
        ):
            made = await self._cdp.send(
                "BluetoothEmulation.addCharacteristic",
                {
                    "serviceId": added["serviceId"],
                    "characteristicUuid": uuid,
                    "properties": properties,
                },
            )
            self._names[made["characteristicId"]] = uuid
            if uuid == RX_UUID:
                described = {
                    "characteristicId": made["characteristicId"],
                    "descriptorUuid": _SUBSCRIPTION,
                }
                await self._cdp.send("BluetoothEmulation.addDescriptor", described)

    async def _value(self, event: Any) -> None:
        answer = {"characteristicId": event["characteristicId"], "type": event["type"], "code": 0}
        uuid = self._names[event["characteristicId"]]
        if event["type"] == "read":
            if uuid == INFO_UUID:
                # A page that connects again raises no second GATT event: this is its first word.
                self._connect()
            answer["data"] = _text(info(self.number))
        await self._cdp.send("BluetoothEmulation.simulateCharacteristicOperationResponse", answer)
        if event["type"] == "write" and uuid == TX_UUID:
            await self._take(base64.b64decode(event.get("data") or ""))

    async def _take(self, value: bytes) -> None:
        assert self.link is not None, "written before it was connected"
        out = self.link.feed(value)
        if not out.frames and not out.hang_up:
            return
        if self.lose_after == 0:
            self.lose_after = None
            await self.drop()
            return
        if self.lose_after is not None:
            self.lose_after -= 1
        for each in out.frames:
            await self.page.evaluate("text => __notify(text)", _text(each))
        if out.hang_up and not out.frames:
            await self.drop()

    async def drop(self) -> None:
        """The link is lost, and with it all that Chromium knew of the lock's services."""
        self._names.clear()
        await self._cdp.send("BluetoothEmulation.simulateGATTDisconnection", {"address": ADDRESS})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
