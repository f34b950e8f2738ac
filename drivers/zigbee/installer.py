"""The installer's way to a running driver: one line of JSON in, lines of JSON out, on a socket of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from appliance.bus.words import DeviceKind
from drivers.zigbee.air import NoWordError, pause, reach
from drivers.zigbee.backup import WorseBackupError
from drivers.zigbee.forming import CHANNELS, quietest, scan

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from drivers.zigbee.radio import ZigbeeRadio

LINE_BYTES_MAX: Final = 4_096
# Five broadcasts and the stick's own move: 6.2 s measured; a busy house takes longer.
MOVE_S_MAX: Final = 60.0
LOOK_EVERY_S: Final = 0.5

Line = dict[str, Any]


class Installer:
    """Answers what `nightporter zigbee` asks. Whoever may open the socket (0600) may ask."""

    def __init__(self, radio: ZigbeeRadio, path: Path) -> None:
        self._radio = radio
        self._path = path

    async def serve(self) -> None:
        """Listen until cancelled; a place where nobody can listen costs the verbs, not the doors."""
        self._path.unlink(missing_ok=True)
        try:
            # Not serving yet: a cancelled start would lose the bound socket before anybody has it.
            server = await asyncio.start_unix_server(
                self._meet, self._path, limit=LINE_BYTES_MAX, start_serving=False
            )
            self._path.chmod(0o600)
        except OSError as error:
            logger.warning("no installer can ask at %s: %s", self._path, error.strerror or error)
            await asyncio.Event().wait()
            return
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._path.unlink(missing_ok=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            async for answer in self.answer(json.loads(line)):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # whoever asked has gone, or asked for nothing that is a question
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def answer(self, asked: Line) -> AsyncIterator[Line]:
        """Progress lines, then one with `done` or `no`."""
        try:
            match asked.get("ask"):
                case "scan":
                    yield await self._scan()
                case "permit":
                    async for line in self._permit(asked):
                        yield line
                case "things":
                    yield {"done": self._things()}
                case "backup":
                    yield await self._backup()
                case "move-channel":
                    yield {"say": "battery things may need their button pressed afterwards"}
                    yield await self._move(int(asked["channel"]))
                case "forget":
                    await self._radio.forget(str(asked["name"]))
                    yield {"done": f"{asked['name']} was asked to leave"}
                case _:
                    yield {"no": "asks: scan, permit, things, backup, move-channel, forget"}
        except NoWordError as error:
            yield {"no": f"the stick gave no answer ({error.evidence}): look at `things`"}
        except (WorseBackupError, ValueError, KeyError) as error:
            yield {"no": str(error)}

    async def _scan(self) -> Line:
        until_s = self._radio.clock.monotonic() + self._radio.patience.request_s
        energy = await reach(self._radio, scan(self._radio.app), until_s)
        return {
            "done": {
                "energy": {str(channel): round(value) for channel, value in sorted(energy.items())},
                "now": int(self._radio.app.state.network_info.channel),
                "quietest": quietest(energy),
            }
        }

    async def _permit(self, asked: Line) -> AsyncIterator[Line]:
        radio, seconds = self._radio, int(asked.get("seconds", 120))
        kind = DeviceKind(asked["kind"]) if asked.get("kind") else None
        before = {entry.ieee for entry in radio.book.entries}
        await radio.joining.permit(
            str(asked["room"]), seconds, through=asked.get("through"), kind=kind
        )
        yield {"say": f"open for {seconds} s: press the thing's button"}
        until_s, told = radio.clock.monotonic() + seconds, dict[str, str]()
        while radio.clock.monotonic() < until_s and not radio.lost.is_set():
            for ieee, step in self._steps(before).items():
                if told.get(ieee) != step:
                    told[ieee] = step
                    yield {"say": step}
            await pause(radio, LOOK_EVERY_S)
        yield {"done": sorted(step for step in told.values())}

    def _steps(self, before: set[str]) -> dict[str, str]:
        """How far each newcomer is, in a sentence."""
        steps = {
            ieee: f"{ieee} waits for {what}: press its button again"
            for ieee, what in self._radio.joining.half.items()
        }
        for entry in self._radio.book.entries:
            if entry.ieee not in before and entry.ieee not in steps:
                how = "ready" if entry.configured else "being told what to report"
                steps[entry.ieee] = f"{entry.name} ({entry.ieee}): {how}"
        return steps

    def _things(self) -> list[Line]:
        now_ms = self._radio.clock.read().wall_ms
        known: list[Line] = []
        for entry in self._radio.book.entries:
            thing = self._radio.thing_of(entry.ieee)
            heard_ms = None if thing is None else thing.heard_ms
            known.append(
                {
                    "name": entry.name,
                    "address": entry.ieee,
                    "room": entry.room,
                    "ready": entry.configured,
                    "heard_s_ago": None if heard_ms is None else (now_ms - heard_ms) // 1000,
                }
            )
        halves = [
            {"address": ieee, "waits_for": what}
            for ieee, what in self._radio.joining.half.items()
            if self._radio.book.find(ieee) is None
        ]
        return known + halves

    async def _backup(self) -> Line:
        taken = await self._radio.back_up(self._radio.app)
        return {
            "done": {
                "generation": taken.generation,
                "keys": taken.keys,
                "missing": list(taken.missing),
                "kept": self._radio.backups.generations(),
            }
        }

    async def _move(self, channel: int) -> Line:
        if channel not in CHANNELS:
            raise ValueError(f"use one of {', '.join(map(str, sorted(CHANNELS)))}")
        until_s = self._radio.clock.monotonic() + MOVE_S_MAX
        await reach(self._radio, self._radio.app.move_network_to_channel(channel), until_s)
        await self._radio.back_up(self._radio.app)
        return {"done": f"the network is on channel {channel}"}
