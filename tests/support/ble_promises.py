"""What every NPK door behind Bluetooth promises, as bodies that each tier runs unchanged.

T1 in process on virtual time, T2 as processes over TCP, T3 on a real BlueZ in a virtual machine,
and on the bench with a dongle. A tier says what it can do to a door; a promise says what it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from appliance.bus.words import LockRefusal, Order, Outcome, Verb
from appliance.kernel.cose import ADMIN_BIT, UNLOCK_BIT
from drivers.port import Evidence, Told


class Can(StrEnum):
    """What a tier can do beside pressing."""

    COUNT = "count"  # tell how often the bolt was drawn
    BREAK_LINKS = "break_links"
    RESTART_LOCK = "restart_lock"
    LEAVE = "leave"  # carry the lock out of range
    ERRANDS = "errands"  # the driver may collect logs and set clocks


class Doors(Protocol):
    """A door or two under test, and the driver in front of them."""

    @property
    def can(self) -> frozenset[Can]:
        """What this tier can do."""
        ...

    @property
    def now_s(self) -> int:
        """The time of day that the driver goes by."""
        ...

    @property
    def first_door(self) -> int:
        """The number of door 0; the others follow."""
        ...

    def credential(self, *doors: int, **claims: Any) -> bytes:
        """A key for the driver."""
        ...

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        """An order of the box, with a fresh key unless `credential` is given."""
        ...

    async def press(self, order: Order | None = None, door: int = 0, seconds: float = 8) -> Told:
        """Hand one order to the driver."""
        ...

    def moves(self, order_id: str | None = None) -> int:
        """How often the bolt was drawn for this order, or at all."""
        ...

    async def lose_answer_once(self, door: int = 0) -> None:
        """The next verdict (M4) of that lock is lost with the link."""
        ...


class LaterInLife:
    """The same doors, with generations above those of the promises before."""

    def __init__(self, doors: Doors, number: int) -> None:
        self._doors, self._base = doors, 10 * (number + 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._doors, name)

    def credential(self, *doors: int, gen: int = 1, **claims: Any) -> bytes:
        return self._doors.credential(*doors, gen=self._base + gen, **claims)

    def order(self, verb: Verb = Verb.UNLOCK, **fields: Any) -> Order:
        if verb is Verb.UNLOCK:
            fields.setdefault("credential", self.credential(now_s=self._doors.now_s))
        return self._doors.order(verb, **fields)


Promise = Callable[[Doors], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Named:
    """A promise with its name and its needs."""

    name: str
    body: Promise
    needs: frozenset[Can]


PROMISES: list[Named] = []


def promise(*needs: Can) -> Callable[[Promise], Promise]:
    """Put a body on the list that every tier runs."""

    def listed(body: Promise) -> Promise:
        PROMISES.append(Named(body.__name__, body, frozenset(needs)))
        return body

    return listed


@promise(Can.COUNT)
async def one_press_moves_one_bolt_once(doors: Doors) -> None:
    order = doors.order()
    told = await doors.press(order)
    assert told.outcome is Outcome.DONE, told
    assert told.evidence == (Evidence.ANSWER,)
    assert told.seq is not None
    assert doors.moves(order.id) == 1


@promise(Can.COUNT)
async def the_same_order_again_is_answered_and_moves_nothing(doors: Doors) -> None:
    order = doors.order()
    first = await doors.press(order)
    second = await doors.press(order)
    assert (first.outcome, second.outcome) == (Outcome.DONE, Outcome.DONE)
    assert second.evidence[-1] is Evidence.REPEATED
    assert second.seq == first.seq
    assert doors.moves(order.id) == 1


@promise(Can.COUNT, Can.BREAK_LINKS)
async def an_answer_lost_after_the_motor_moved_is_asked_for_and_moves_nothing(
    doors: Doors,
) -> None:
    order = doors.order()
    await doors.lose_answer_once()
    told = await doors.press(order, seconds=20)
    assert told.outcome is Outcome.DONE, told
    assert told.evidence == (Evidence.LINK_LOST, Evidence.REPEATED), told
    assert doors.moves(order.id) == 1


@promise()
async def yesterdays_key_does_not_open(doors: Doors) -> None:
    late = doors.credential(now_s=doors.now_s - 86_400)
    told = await doors.press(doors.order(credential=late))
    assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.EXPIRED)


@promise()
async def tomorrows_key_does_not_open_yet(doors: Doors) -> None:
    early = doors.credential(now_s=doors.now_s + 86_400)
    told = await doors.press(doors.order(credential=early))
    assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_YET)


@promise()
async def another_doors_key_does_not_open(doors: Doors) -> None:
    other = doors.credential(doors.first_door + 77, now_s=doors.now_s)
    told = await doors.press(doors.order(credential=other))
    assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.WRONG_DOOR)


@promise(Can.COUNT)
async def the_next_guests_key_kills_the_guests_before(doors: Doors) -> None:
    old = doors.credential(now_s=doors.now_s, gen=3)
    new = doors.credential(now_s=doors.now_s, gen=4)
    before, moved = doors.order(credential=old), doors.order(credential=new)
    first = await doors.press(before)
    assert first.outcome is Outcome.DONE, first
    second = await doors.press(moved)
    assert second.outcome is Outcome.DONE, second
    again = doors.order(credential=old)
    told = await doors.press(again)
    assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.SUPERSEDED)
    assert doors.moves(again.id) == 0


@promise()
async def a_key_bound_to_another_phone_is_worth_nothing_here(doors: Doors) -> None:
    stolen = doors.credential(now_s=doors.now_s, bits=UNLOCK_BIT, stranger=True)
    told = await doors.press(doors.order(credential=stolen))
    assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.BAD_SIGNATURE)


@promise(Can.ERRANDS)
async def a_lock_has_no_keypad_and_says_so(doors: Doors) -> None:
    until_s = doors.now_s + 3_600
    key = doors.credential(now_s=doors.now_s, bits=ADMIN_BIT)
    order = doors.order(
        Verb.PUT_PIN, slot=1, pin_sealed=b"x", valid_until_s=until_s, errand_key=key
    )
    told = await doors.press(order)
    assert (told.outcome, told.refusal) == (Outcome.REFUSED, LockRefusal.NOT_SUPPORTED)
