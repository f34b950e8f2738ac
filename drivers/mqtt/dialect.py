"""What a dialect is: bytes of somebody else's topics in, facts out; orders in, bytes out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from appliance.bus.words import DeviceKind, Order, Verb
from drivers.facts import LOCKED, NOTHING, UNLOCKED, Facts

if TYPE_CHECKING:
    from appliance.bus.words import LockRefusal
    from drivers.port import Happening
    from drivers.radios import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A thing's own answer to one message of ours."""

    id: str
    done: bool
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one message says. `acted`: the thing reports that it obeyed its radio just now.

    `stamp_ms` is the sender's own time where it has one: only to put words of one sender in order.
    """

    online: bool | None = None
    facts: Facts = NOTHING
    events: tuple[Happening, ...] = ()
    acted: str | None = None  # the bolt's new place, as far as the radio has moved it
    answer: Answered | None = None
    measured: dict[str, float] = field(default_factory=dict)
    stamp_ms: int | None = None
    half_joined: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """One publication: QoS 0, never retained, said once.

    What proves that it was obeyed: an answer with `answer_id`, or facts as in `proof` in a word
    that was said after it. With `turn`, the facts must have been known to be others before: a
    cached word said again proves nothing.
    """

    topic: str
    payload: bytes
    proof: Facts = NOTHING
    turn: bool = False
    answer_id: str | None = None


class Dialect(Protocol):
    """How one thing is spoken to."""

    @property
    def answers(self) -> bool:
        """Whether the thing answers an order by its id, and nothing on the way says it twice."""
        ...

    @property
    def filters(self) -> tuple[str, ...]:
        """The topics to listen to."""
        ...

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What a message says of this thing; None where it says nothing. Never raises."""
        ...

    def say(self, order: Order) -> Say | LockRefusal:
        """What to publish for an order; NOT_SUPPORTED for what cannot be promised."""
        ...

    def ask(self) -> Say | None:
        """What makes the thing say how it stands; None where the dialect has no such word."""
        ...


class Relay:
    """A contact that stands for a switch, a light, a valve or a door's electric strike.

    `inverted`: a valve that is open without current, or a strike that holds by current.
    """

    def __init__(self, thing: Thing) -> None:
        self._kind = thing.kind
        self._inverted = thing.options.get("inverted") is True

    def facts(self, *, on: bool) -> Facts:
        """What the contact's place means."""
        active = on is not self._inverted
        match self._kind:
            case DeviceKind.VALVE:
                return Facts(valve_open=active)
            case DeviceKind.LOCK:
                return Facts(bolt=UNLOCKED if active else LOCKED)
            case DeviceKind.SWITCH | DeviceKind.LIGHT:
                return Facts(on=active)
            case _:
                return NOTHING

    def wanted(self, order: Order) -> bool | None:
        """The contact's place for an order; None where the order is no matter of a contact."""
        match (self._kind, order.verb):
            case (DeviceKind.SWITCH | DeviceKind.LIGHT, Verb.SWITCH_ON):
                active = True
            case (DeviceKind.SWITCH | DeviceKind.LIGHT, Verb.SWITCH_OFF):
                active = False
            case (DeviceKind.VALVE, Verb.OPEN_VALVE) | (DeviceKind.LOCK, Verb.UNLOCK):
                active = True
            case (DeviceKind.VALVE, Verb.CLOSE_VALVE) | (DeviceKind.LOCK, Verb.LOCK):
                active = False
            case _:
                return None
        return active is not self._inverted
