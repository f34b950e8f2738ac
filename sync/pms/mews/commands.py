"""Mews' queue of device commands: each becomes one effect, and each key is cut once.

`commands/getAllActive`, `getAllByIds` and `update` (cloud.md 1.3; the vendor's OpenAPI, operations).
The effect carries the command's id alone: what it says is read when it is done, so that a command
which Mews' desk has cancelled meanwhile cuts nothing, and no guest's name is kept.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from appliance.engines.doors.messages import CutKey, HolderKind, KeyReason, PrepareKey, Refusal
from appliance.kernel.clock import Clock
from appliance.kernel.discreet import where
from appliance.kernel.messages import Answer, Command, Done, KernelRefusal, Refused
from sync.home import Asked, Home, HomeAwayError, HomeSaidNoError
from sync.ledger import Draft, Effect, Ledger, Priority
from sync.mirror import Mirror
from sync.outcome import Again, Expired, NotSent, Outcome, Succeeded
from sync.pms.answers import Said
from sync.pms.mews.client import Fine, MewsClient, failure
from sync.pms.mews.cutting import (
    ENDS,
    NO_DOOR,
    ON_THE_WAY,
    CommandState,
    Cut,
    End,
    Later,
    Scene,
    Wanted,
    done,
    expired,
    is_late,
    judge,
    refused,
    wanted_of,
)
from sync.pms.mews.words import SOURCE, House
from sync.pms.port import LOOKS, NotFetchedError

logger = logging.getLogger(__name__)

DEVICE_COMMAND: Final = "pms.device_command"
# A desk asks for some keys an hour; a queue longer than this is taken in several looks.
TAKEN_MAX: Final = 500
# The appliance restarts within seconds.
AWAY_WAIT_MS: Final = 5_000
# What Mews' desk has just changed is on its way here.
AGREE_WAIT_MS: Final = 3_000
# The box looked at nothing or wrote nothing: asked again, the same id decides once.
_LATER: Final = frozenset(
    {KernelRefusal.OVERLOADED.value, KernelRefusal.NOT_STORED.value, KernelRefusal.BROKEN.value}
)
_ASKED: Final = "asked"


class DeviceQueue:
    """Puts what waits at Mews into the ledger, each command once."""

    def __init__(self, *, client: MewsClient, ledger: Ledger, clock: Clock) -> None:
        self._client = client
        self._ledger = ledger
        self._clock = clock

    async def look(self) -> bool:
        """Take in the whole queue; False when Mews could not be asked."""
        try:
            fields = await self._client.read("commands/getAllActive", {})
        except NotFetchedError as error:
            logger.info("mews: the device queue could not be read: %s", error)
            return False
        rows = fields.get("Commands")
        if not isinstance(rows, list):
            logger.info("mews: the device queue's answer has no list")
            return False
        names = (row.get("Id") for row in rows if isinstance(row, dict))
        try:
            self.heard([str(name) for name in names if name][:TAKEN_MAX])
        except sqlite3.Error as error:
            logger.warning("mews: the device queue was not written down: %s", where(error))
            return False
        return True

    def heard(self, command_ids: Iterable[str]) -> None:
        """These wait there; what is known already is not taken twice."""
        now_ms = self._clock.read().wall_ms
        with self._ledger.transaction():
            for command_id in command_ids:
                self._ledger.owe(_draft(command_id, now_ms), now_ms)


def _draft(command_id: str, now_ms: int) -> Draft:
    return Draft(
        natural_key=f"{SOURCE}.device_command:{command_id}",
        counterparty=SOURCE,
        lane=f"command:{command_id}",
        kind=DEVICE_COMMAND,
        body=msgspec.json.encode({"command_id": command_id}),
        # Somebody stands at the desk and waits for it.
        priority=Priority.SALE,
        made_ms=now_ms,
    )


class _BoxAwayError(Exception):
    """The box gave no answer, or one that means "later"."""


class MewsCommands:
    """Does `pms.device_command`."""

    def __init__(
        self, *, client: MewsClient, ledger: Ledger, mirror: Mirror, clock: Clock, home: Home
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._mirror = mirror
        self._clock = clock
        self._home = home

    async def push(self, effect: Effect, told: dict[str, Any], house: House) -> Outcome:
        """Read it, judge it, cut the key, say so; raises NotFetchedError."""
        wanted = await self._read(told["command_id"])
        if wanted is None:
            return Expired(sentence="Mews no longer has this command")
        if wanted.state in ENDS:
            sentence = f"Mews has it as {wanted.state}"
            return Succeeded(sentence=sentence, evidence="read_back")
        try:
            end = await self._decided(effect, wanted, house)
        except (_BoxAwayError, HomeAwayError, HomeSaidNoError):
            return NotSent(sentence="the box gave no answer: asked again", wait_ms=AWAY_WAIT_MS)
        if not isinstance(end, End):
            return end
        outcome = await self._tell(wanted, end.state, notes=end.notes)
        return outcome or Succeeded(sentence=f"{end.state}: {end.notes}")

    # -- what becomes of it ----------------------------------------------------------------------

    async def _decided(self, effect: Effect, wanted: Wanted, house: House) -> End | Outcome:
        scene = self._scene(house)
        if effect.progress.get(_ASKED) is not None:
            # The box may have cut it: that is found out before anything else is judged.
            return await self._cut_before(effect, wanted, scene)
        verdict = judge(wanted, scene)
        if isinstance(verdict, Later):
            return NotSent(sentence=f"not agreed yet: {verdict.notes}", wait_ms=AGREE_WAIT_MS)
        if isinstance(verdict, End):
            return verdict
        doors = await self._home.stay_doors(verdict.stay_id)
        if not doors:
            return NO_DOOR
        for state in (CommandState.RECEIVED, CommandState.PROCESSING):
            if (outcome := await self._tell(wanted, state)) is not None:
                return outcome
        effect.progress[_ASKED] = {
            "stay_id": verdict.stay_id,
            "room_id": verdict.room_id,
            "doors": list(doors),
        }
        self._ledger.note_progress(effect.id, effect.progress)
        return await self._cut(effect, verdict, doors, scene)

    async def _cut_before(self, effect: Effect, wanted: Wanted, scene: Scene) -> End:
        asked = effect.progress[_ASKED]
        cut = Cut(stay_id=asked["stay_id"], room_id=asked["room_id"])
        if is_late(wanted, scene.now_s):
            known = [await self._was_asked(effect, door) for door in asked["doors"]]
            if not any(known):
                return expired(wanted, scene.now_s)
            asked["doors"] = [door for door, was in zip(asked["doors"], known, strict=True) if was]
        return await self._cut(effect, cut, asked["doors"], scene)

    async def _cut(self, effect: Effect, cut: Cut, doors: Iterable[str], scene: Scene) -> End:
        """A key at every door of the room; the first refusal is what is answered."""
        no: Refused | None = None
        for door in doors:
            answer = await self._ask(effect, _key(cut, door), door)
            if isinstance(answer, Refused) and answer.code == Refusal.HOLDER_NOT_IN_HOUSE:
                # Due today and not here yet: prepared, it opens from the check-in time on.
                ahead = PrepareKey(stay_id=cut.stay_id, door_id=door)
                answer = await self._ask(effect, ahead, f"{door}:ahead")
            if isinstance(answer, Refused):
                no = no or answer
        return done(scene.number_of(cut.room_id)) if no is None else refused(no)

    async def _was_asked(self, effect: Effect, door: str) -> bool:
        """Whether the box has answered this cut before; asking so cuts nothing.

        Another body under the same id is refused as ID_REUSED where the id is known, and where it
        is not, a key for no door is refused by the doors: from then on the id is spent.
        """
        asked = effect.progress[_ASKED]
        nowhere = _key(Cut(stay_id=asked["stay_id"], room_id=asked["room_id"]), "")
        answer = await self._ask(effect, nowhere, door)
        return isinstance(answer, Refused) and answer.code == KernelRefusal.ID_REUSED

    async def _ask(self, effect: Effect, command: Command, what: str) -> Answer:
        asked = Asked(
            name=command.name,
            command_id=f"{effect.id}:{what}",
            body=msgspec.json.encode(command),
            cause=effect.id,
            trace=effect.trace,
        )
        answer = await self._home.ask(asked)
        if isinstance(answer, Refused) and answer.code in _LATER:
            raise _BoxAwayError
        if isinstance(answer, Done):
            logger.info("a device command of Mews: %s is done", command.name)
        return answer

    def _scene(self, house: House) -> Scene:
        now_ms = self._client.gate.vendor_now_ms() or self._clock.read().wall_ms
        return Scene(
            now_s=now_ms // 1000,
            house=house,
            stay_of=lambda name: self._mirror.stay_of(SOURCE, name),
            room_of=lambda lock: self._room_of(lock, house),
            number_of=lambda room_id: (self._mirror.room(room_id) or (room_id, None))[0],
        )

    def _room_of(self, lock: str, house: House) -> str | None:
        """By Mews' id of the room, or by the number on its door."""
        named = (each for each, name in house.resources.items() if name == lock)
        resource = lock if lock in house.resources else next(named, lock)
        return self._mirror.room_by(resource, house.resources.get(resource, lock))

    # -- Mews ------------------------------------------------------------------------------------

    async def _read(self, command_id: str) -> Wanted | None:
        asked = {"CommandIds": [command_id]}
        for _ in range(LOOKS):
            fields = await self._client.read("commands/getAllByIds", asked)
            rows = fields.get("Commands")
            if not isinstance(rows, list):
                raise NotFetchedError("the answer has no list of commands", answered=True)
            for row in rows:
                if isinstance(row, dict) and row.get("Id") == command_id:
                    if (wanted := wanted_of(row)) is None:
                        raise NotFetchedError("the command is of no known form", answered=True)
                    return wanted
        return None

    async def _tell(
        self, wanted: Wanted, state: CommandState, *, notes: str | None = None
    ) -> Outcome | None:
        """Say how far it is, where Mews does not have it so; None when it was said."""
        if state in ON_THE_WAY and ON_THE_WAY.index(state) <= ON_THE_WAY.index(wanted.state):
            return None
        body = {"CommandId": wanted.command_id, "State": state.value}
        if notes is not None:
            body["Notes"] = notes
        reply = await self._client.ask("commands/update", body)
        if isinstance(reply, Fine):
            return None
        if isinstance(reply, Said) and reply.status == 403:
            # Somebody ended it there meanwhile: it is read again before anything is said.
            return Again(sentence="Mews no longer takes an answer to it: read again")
        return failure(reply)


def _key(cut: Cut, door: str) -> CutKey:
    return CutKey(
        holder_kind=HolderKind.STAY, holder_id=cut.stay_id, door_id=door, reason=KeyReason.FIRST
    )
