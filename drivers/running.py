"""One driver, built: file, desks, switchboard and supervisor around a radio that is handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.kernel.clock import within
from drivers.desk import Desk
from drivers.keep import Keep
from drivers.office import Office
from drivers.outbox import Outbox
from drivers.shown import Shown
from drivers.supervisor import Supervisor
from drivers.switchboard import Switchboard
from drivers.tunnels import Tunnels

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.bus.port import Bus
    from appliance.kernel.clock import Clock
    from appliance.kernel.engine import Connection
    from appliance.kernel.tasks import Nursery
    from drivers.doorman import Doorman
    from drivers.port import Radio

    # The doorman of a thing by name, None where it has no door; its memory is in the keep.
    Hire = Callable[[Keep, str], Doorman | None]

# An order in the air has its end within ten seconds; a supervisor waits as long before it kills.
FINISH_S_MAX: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The parts of a running driver, by name. `lives`: how often this file was opened."""

    keep: Keep
    outbox: Outbox
    desks: Mapping[str, Desk]
    switchboard: Switchboard
    supervisor: Supervisor
    clock: Clock
    lives: int

    async def finish(self) -> None:
        """Let the orders in the air end, as far as there is time; then say that we are away."""
        busy = [asyncio.ensure_future(desk.quiet()) for desk in self.desks.values() if desk.busy]
        if busy:
            quiet = asyncio.gather(*busy)
            try:
                await within(self.clock, FINISH_S_MAX, quiet)
            except TimeoutError:
                quiet.cancel()
        await self.switchboard.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a driver is built from. Start the bus after `run` has returned."""

    radio: Radio
    names: Iterable[str]  # the things it speaks for, by its credential
    db: Connection
    bus: Bus
    clock: Clock
    nursery: Nursery
    hire: Hire = lambda _keep, _name: None
    point: bytes | None = None
    shares_clock: bool = True
    restored: bool = False  # the file came from a backup: what was begun since is forgotten


async def run(parts: Parts) -> Driver:
    """Open the file, turn what a crash left into UNKNOWN, and begin; its tasks live in the nursery."""
    keep = Keep(parts.db)
    outbox, shown = Outbox(keep), Shown(keep)
    clock, nursery = parts.clock, parts.nursery
    lives = keep.restart()
    if lives == 1 or parts.restored:
        keep.remember_from(clock.read().wall_ms)
    if parts.restored:
        outbox.skip()
        keep.raise_floor(clock.read().wall_ms)
    switchboard = Switchboard(
        parts.bus, keep=keep, outbox=outbox, shown=shown, clock=clock, nursery=nursery
    )
    supervisor = Supervisor(
        parts.radio,
        switchboard=switchboard,
        keep=keep,
        outbox=outbox,
        shown=shown,
        clock=clock,
        nursery=nursery,
        point=parts.point,
    )
    office = Office(
        keep=keep,
        outbox=outbox,
        clock=clock,
        nursery=nursery,
        reach=supervisor.reach,
        answer=switchboard.answer,
        stated=supervisor.stated,
        ring=switchboard.ring,
        hung=supervisor.hung,
        shares_clock=parts.shares_clock,
    )
    desks = {name: Desk(name, office, parts.hire(keep, name)) for name in parts.names}
    tunnels = Tunnels(nursery=nursery, reach=supervisor.reach, back=switchboard.frame)
    await switchboard.start(desks, tunnels)
    supervisor.start(desks)
    return Driver(
        keep=keep,
        outbox=outbox,
        desks=desks,
        switchboard=switchboard,
        supervisor=supervisor,
        clock=clock,
        lives=lives,
    )
