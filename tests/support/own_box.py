"""A property made by `init` and a whole box on it, with an in-process bus and no web."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from appliance.bus.credentials import BusRole
from appliance.bus.in_process import InProcessHub
from appliance.first_run import make_property, own_settings
from appliance.kernel.clock import Clock, ClockTrust, SystemClock
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Command, Done, Who
from appliance.kernel.settings import Settings
from appliance.kernel.settings_files import load_settings
from appliance.kernel.tasks import Nursery
from appliance.main import Box, Joined, open_box
from appliance.property_file import parse
from appliance.where import CORE, environment
from support.own_property import free_port

EXAMPLE = (files("appliance") / "example-property.toml").read_text()
PIN = "8642"
WITH_PINS = re.sub(r'roles = \["(manager|front_desk)"\]', rf'\g<0>\npin = "{PIN}"', EXAMPLE)


def make_house(folder: Path) -> Settings:
    """The example property in a folder of its own."""
    folder.mkdir(mode=0o700, parents=True)
    text = own_settings(web_port=free_port(), bus_port=free_port())
    (folder / "nightporter.toml").write_text(text)
    settings = load_settings(environment(folder)).settings
    make_property(parse(WITH_PINS), settings, SystemClock(floor_path=None))
    return settings


@asynccontextmanager
async def open_own_box(folder: Path) -> AsyncGenerator[Box, None]:
    """The box of a folder as its own root opens it; its end is a clean stop."""
    settings = load_settings(environment(folder)).settings
    clock: Clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    outside = Nursery(lambda name, error: None)
    hub = InProcessHub(clock=clock, nursery=outside)

    def join(_clock: Clock, inside: Nursery) -> Joined:
        bus = hub.join(CORE, role=BusRole.CORE, nursery=inside, connected=False)

        def start() -> None:
            outside.mortal("connect", bus.connect())

        return Joined(bus=bus, start=start)

    try:
        async with open_box(settings, clock, Nursery(lambda name, error: None), join) as box:
            yield box
    finally:
        await outside.close()


async def done(box: Box, command: Command, who: Who, command_id: str) -> dict[str, object]:
    """Ask a running box and insist on yes."""
    asking = Asking(command=command, command_id=command_id, who=who)
    answer = await box.asker.ask(asking)
    assert isinstance(answer, Done), answer
    return answer.result
