"""What doors tell as lines of a list: keys at risk, masters seen, the log; loudest first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from kiosk import say
from kiosk.standing import MOMENT_MS_MIN
from kiosk.words import Access, Doors, KeyRisk, MasterUse, Whose

# A lock behind a radio is heard within a minute; later than that is worth a word.
LATE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLine:
    """One line: its cells (when, what, door, who), its sentence, and what it leads to."""

    key: str
    cells: tuple[str, str, str, str]
    sentence: str
    door_id: str
    holder: str | None = None
    stay_id: str | None = None


class DoorBook:
    """Names doors and holders as far as the desk knows them, else by their ids."""

    def __init__(self, doors: Doors, tz: dt.tzinfo) -> None:
        self._doors, self._tz = doors, tz
        stays = [*doors.tomorrow, *doors.arrivals, *doors.in_house]
        self._stays: dict[str, Whose] = {stay.id: stay for stay in stays}
        told: list[KeyRisk | MasterUse] = [*doors.keys_at_risk, *doors.master_uses]
        self._titles = {each.door_id: each.door_title for each in told}

    def who(self, holder: str | None) -> str:
        """Room and name of a stay; a person at work by their id; nobody is a dash."""
        stay = self._stays.get(holder or "")
        if stay is None:
            return holder or "-"
        return f"{stay.room_number or ''} {say.name_of(stay)}".strip()

    def door(self, door_id: str) -> str:
        """A door as people call it."""
        return self._titles.get(door_id, door_id)

    def urgent(self) -> list[DoorLine]:
        """What stands before the log: guests who may stand outside, then masters."""
        masters = enumerate(self._doors.master_uses)
        return [
            *(self._risk(risk) for risk in self._doors.keys_at_risk),
            *(self._master(number, use) for number, use in masters),
        ]

    def log(self, lines: list[Access]) -> list[DoorLine]:
        """The access log, in the order in which the box learned it."""
        return [self._access(line) for line in lines]

    def _risk(self, risk: KeyRisk) -> DoorLine:
        since = say.when(risk.since_ms // 1000, self._tz)
        what = f"AT RISK {_plain(risk.why)}"
        return DoorLine(
            key=f"risk {risk.stay_id} {risk.door_id}",
            cells=(f"since {since}", what, risk.door_title, self.who(risk.stay_id)),
            sentence=f"{risk.sentence or what} Since {since}: go and try the door.",
            door_id=risk.door_id,
            holder=risk.stay_id,
            stay_id=risk.stay_id,
        )

    def _master(self, number: int, use: MasterUse) -> DoorLine:
        at = self._when(use.at_ms)
        return DoorLine(
            key=f"master {number} {use.door_id} {use.at_ms}",
            cells=(at, f"MASTER {_plain(use.event)}", use.door_title, f"{use.holder}: {use.label}"),
            sentence=(
                f"The master key '{use.label}', {use.holder} answers for it:"
                f" {_plain(use.event)} at {use.door_title}, {at} by the lock's clock."
            ),
            door_id=use.door_id,
            holder=use.holder,
        )

    def _access(self, line: Access) -> DoorLine:
        why = f": {_plain(line.refusal)}" if line.refusal else ""
        doubt = f"±{say.age(-(-line.uncertainty_ms // 1000) * 1000)}"
        known = line.at_ms >= MOMENT_MS_MIN
        at = f"{self._when(line.at_ms)} {doubt}" if known else self._when(line.at_ms)
        sentence = f"{at} by the lock's own clock; here at {self._when(line.learned_ms)}"
        if known and line.learned_ms - line.at_ms > LATE_MS + line.uncertainty_ms:
            sentence += f", {say.age(line.learned_ms - line.at_ms)} later"
        if line.missed:
            sentence += f". {line.missed} line(s) before it never came"
        missed = f" ({line.missed} lost)" if line.missed else ""
        return DoorLine(
            key=f"log {line.position}",
            cells=(
                at,
                f"{_plain(line.event)}{why}{missed}",
                self.door(line.door_id),
                self.who(line.holder),
            ),
            sentence=f"{_plain(line.event)}{why}, {self.who(line.holder)}: {sentence}.",
            door_id=line.door_id,
            holder=line.holder,
            stay_id=line.holder if line.holder in self._stays else None,
        )

    def _when(self, at_ms: int) -> str:
        return say.when(at_ms // 1000, self._tz) if at_ms >= MOMENT_MS_MIN else "lock has no clock"


def _plain(word: str) -> str:
    return word.replace("_", " ").lower()
