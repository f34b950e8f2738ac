"""The words of what a person decides about an item that sync has put aside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from appliance.engines.stays.messages import DESK, MANAGERS
from appliance.kernel.messages import Command, Event, Role, asked, fact


class ParkedAct(StrEnum):
    """What sync is to do with it."""

    RETRY = "retry"  # look it up outside, then try again
    DONE = "done"  # a person did it at the vendor: nothing is sent any more


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryParked(Command):
    """Ask sync to try a parked item again; it looks first, so nothing happens twice."""

    name: ClassVar[str] = "stays.retry_parked"
    roles: ClassVar[frozenset[Role]] = DESK
    item_id: str


@asked
@dataclass(frozen=True, slots=True, kw_only=True)
class MarkParkedDone(Command):
    """Say that a person has done it at the vendor. A manager's word: nobody checks it there."""

    name: ClassVar[str] = "stays.mark_parked_done"
    roles: ClassVar[frozenset[Role]] = MANAGERS
    item_id: str


@fact
@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedDecided(Event):
    """A person decided about an item of sync's; sync reads it when it is up, and once."""

    kind: ClassVar[str] = "stays.parked_decided.v1"
    item_id: str  # as sync calls it: an effect, `mews:ID`, `ical:...`, `inbox:N`
    act: ParkedAct
