"""What one door knows: its keys, the generation they have reached, and the presses under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from appliance.bus.words import Outcome
from appliance.engines.doors.messages import (
    HolderKind,
    KeyCut,
    KeyReason,
    KeyRevoked,
    KeyTakenUp,
    OpenAsked,
    OpenSettled,
)
from appliance.kernel.messages import Event

# Openings kept at least after their end, so that a late word is answered ALREADY_SETTLED.
SETTLED_KEPT = 64
# Openings whose end is not known. A lock that is away for a month has fewer.
OPEN_KEPT_MAX = 512
# Keys of one door that nobody revoked. Slots end at 199; what is beyond has ended long ago.
KEYS_KEPT_MAX = 512
# Those whose arrival ends what the guest before them had. Staff come and go beside a guest.
DWELLERS = frozenset({HolderKind.STAY, HolderKind.LEASE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key nobody has revoked; it may have ended or not begun. Times in UTC seconds."""

    key_id: str
    holder_kind: HolderKind
    holder_id: str
    generation: int
    valid_from_s: int
    valid_until_s: int
    cti: str
    slot: int
    pin_ref: str
    ahead: bool = False  # prepared, and its guest is not here yet
    joiner: int = 0
    hours: tuple[int, int, int] | None = None

    def is_of(self, kind: HolderKind, holder_id: str) -> bool:
        """Whether it is this holder's."""
        return self.holder_kind is kind and self.holder_id == holder_id

    def holds_at(self, now_s: int) -> bool:
        """Whether it opens at this moment."""
        return self.valid_from_s <= now_s < self.valid_until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One press and what is known of it; None: on its way."""

    opening_id: str
    outcome: Outcome | None = None

    @property
    def final(self) -> bool:
        """Whether nothing better can be learned."""
        return self.outcome not in {None, Outcome.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorState:
    """The fold of `doors/<door_id>`.

    `generation` is the highest ever cut, `floor` the lowest that a guest may still hold: below it
    every guest's key was revoked.
    """

    generation: int = 0
    floor: int = 0
    last_slot: int = 0
    keys: tuple[Key, ...] = ()
    openings: Mapping[str, Opening] = field(default_factory=lambda: MappingProxyType({}))

    def keys_of(self, kind: HolderKind, holder_id: str) -> tuple[Key, ...]:
        """One holder's keys here, oldest first."""
        return tuple(key for key in self.keys if key.is_of(kind, holder_id))

    @property
    def next_generation(self) -> int:
        """What somebody new gets: whatever was cut before dies at its first use."""
        return max(self.generation, self.floor - 1) + 1

    def ahead_of_others(self, kind: HolderKind, holder_id: str) -> tuple[Key, ...]:
        """Keys prepared for other guests than this one, in the order of their arrival."""
        theirs = (key for key in self.keys if key.ahead and not key.is_of(kind, holder_id))
        return tuple(sorted(theirs, key=lambda key: (key.valid_from_s, key.generation)))

    def generation_now(self, now_s: int) -> int:
        """What the door is at for those who come and go: never ahead of the guest inside."""
        inside = [
            key.generation
            for key in self.keys
            if key.holder_kind in DWELLERS and key.valid_from_s <= now_s and not key.ahead
        ]
        return max([*inside, self.floor, 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLog:
    """The fold of `locks/<device_id>`: the last number, and those that never arrived."""

    last: int = 0
    missing: frozenset[int] = frozenset()
    series: int = 0

    def of_series(self, series: int) -> LockLog:
        """The numbers so far, none where another lock has taken the name since."""
        return self if series == self.series else LockLog(series=series)


def fold_door(state: DoorState | None, events: Iterable[Event]) -> DoorState:
    """Keys and openings after some more facts."""
    state = state or DoorState()
    for event in events:
        match event:
            case KeyCut():
                state = _cut(state, event)
            case KeyRevoked():
                state = _revoked(state, event)
            case KeyTakenUp():
                state = replace(
                    state,
                    keys=tuple(
                        replace(key, ahead=False) if key.key_id == event.key_id else key
                        for key in state.keys
                    ),
                )
            case OpenAsked():
                opening = Opening(opening_id=event.opening_id)
                state = replace(state, openings=_openings(state, opening))
            case OpenSettled():
                opening = Opening(opening_id=event.opening_id, outcome=event.outcome)
                state = replace(state, openings=_openings(state, opening))
            case _:
                pass  # deliveries and looks at a PIN decide nothing
    return state


def fold_nothing(state: None, events: Iterable[Event]) -> None:
    """For streams that only start something: what was asked before decides nothing."""
    del state, events


def _cut(state: DoorState, event: KeyCut) -> DoorState:
    key = Key(
        key_id=event.key_id,
        holder_kind=event.holder_kind,
        holder_id=event.holder_id,
        generation=event.generation,
        valid_from_s=event.valid_from_s,
        valid_until_s=event.valid_until_s,
        cti=event.cti,
        slot=event.slot,
        pin_ref=event.pin_ref or event.key_id,
        ahead=event.reason is KeyReason.AHEAD,
        joiner=event.joiner,
        hours=event.hours,
    )
    keys = (*state.keys, key)
    if len(keys) > KEYS_KEPT_MAX:
        first_to_end = min(keys, key=lambda one: one.valid_until_s)
        keys = tuple(one for one in keys if one is not first_to_end)
    return replace(
        state,
        keys=keys,
        generation=max(state.generation, event.generation),
        last_slot=event.slot or state.last_slot,
    )


def _revoked(state: DoorState, event: KeyRevoked) -> DoorState:
    keys = tuple(key for key in state.keys if key.key_id != event.key_id)
    floor = state.floor
    if event.holder_kind in DWELLERS and not any(
        key.holder_kind in DWELLERS and key.generation <= event.generation for key in keys
    ):
        floor = max(floor, event.generation + 1)
    return replace(state, keys=keys, floor=floor)


def _openings(state: DoorState, opening: Opening) -> Mapping[str, Opening]:
    openings = dict(state.openings)
    openings.pop(opening.opening_id, None)
    openings[opening.opening_id] = opening
    if len(openings) <= 2 * SETTLED_KEPT:
        # A press is on somebody's path to a bed: clearing up waits until it is worth it.
        return MappingProxyType(openings)
    for final, most in ((True, SETTLED_KEPT), (False, OPEN_KEPT_MAX)):
        alike = [key for key, one in openings.items() if one.final is final]
        for too_old in alike[:-most]:
            del openings[too_old]
    return MappingProxyType(openings)
