"""What a session may ask after (and a little before) M3, and who may ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.words import LockRefusal
from appliance.kernel.cose import TIME_S_MAX, UINT32_MAX, Flaw
from appliance.kernel.edicts import read_time
from drivers.judge import flaw_refusal
from drivers.local_time import LocalTime
from drivers.npk.body import PinPut
from drivers.npk.codes import COMMAND_ID_BYTES, Command, LogKind, Op, Status, status_of

if TYPE_CHECKING:
    from appliance.kernel.cbor import Item
    from appliance.kernel.cose import Claims
    from drivers.npk.lock import LockCore

# What a lock believes of a time that was brought to it, besides the way it took (twin/rtc.py).
SET_UNCERTAINTY_MS: Final = 2_000

# Signed by an issuer or the root, so it does not matter who brings it.
_ANYBODY: Final = frozenset({Op.DENYLIST, Op.TIME})
_COURIER: Final = _ANYBODY | {Op.ISSUER, Op.LOG, Op.STATE}

Answer = tuple[Status, "Item"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. `command` is None before M3; `age_ms` is how old the session's nonce is."""

    op: int
    arguments: list[Item]
    command: Command | None
    claims: Claims | None
    nonce: bytes
    age_ms: int


def answer(core: LockCore, asked: Asked) -> Answer:  # noqa: PLR0911 - one line per op
    """Carry out one request; a request that is not allowed or not known changes nothing."""
    if asked.op not in set(Op):
        return Status.NOT_SUPPORTED, 0
    op = Op(asked.op)
    if not _may(op, asked.command):
        return Status.DENIED, 0
    match op, asked.arguments:
        case Op.DENYLIST, [bytes(data)]:
            return _denylist(core, data), core.judge.denylist_seq
        case Op.TIME, [bytes(data)]:
            return _signed_time(core, data, asked), 0
        case Op.ISSUER, [bytes(data)]:
            return _noted(core, LogKind.ISSUER, core.take_issuer(data)), 0
        case Op.LOG, [int(after), int(most)]:
            return Status.DONE, core.log.export(after, most, core.setup.key)
        case Op.STATE, []:
            return Status.DONE, _state(core)
        case _:
            return _admin(core, op, asked)


def _may(op: Op, command: Command | None) -> bool:
    if command is Command.ADMIN:
        return True
    return op in (_COURIER if command is Command.COURIER else _ANYBODY)


def _admin(core: LockCore, op: Op, asked: Asked) -> Answer:  # noqa: PLR0911 - one line per op
    cti = b"" if asked.claims is None else asked.claims.cti
    match op, asked.arguments:
        case Op.ACK, [int(seq), bytes(head)]:
            known = core.log.acknowledge(seq, head)
            core.flash.commit()
            return (Status.DONE if known else Status.BAD_FRAME), core.log.seq
        case Op.SET_TIME, [int(wall_s)] if 0 <= wall_s <= TIME_S_MAX:
            return _set_time(core, wall_s * 1000 + 500, SET_UNCERTAINTY_MS), 0
        case Op.LOCAL_TIME, [list(changes)]:
            return _local_time(core, changes), 0
        case Op.LOCK, [bytes(command_id)] if len(command_id) == COMMAND_ID_BYTES:
            ended, repeated = core.throw(cti, command_id)
            return ended.status, [ended.event, ended.wall_s, int(repeated)]
        case Op.FIND, [bytes(about), bytes(command_id)]:
            found = core.found(about, command_id)
            told: Item = 0 if found is None else [int(found.status), found.event, found.wall_s]
            return Status.DONE, told
        case Op.DENY, [list(ctis), int(generation)]:
            return _deny(core, ctis, generation), 0
        case Op.PUT_PIN | Op.CLEAR_PIN, arguments:
            return _pin(core, op, arguments), 0
        case Op.BLINK, []:
            core.body.blink()
            return Status.DONE, 0
        case _:
            return Status.BAD_FRAME, 0


def _pin(core: LockCore, op: Op, arguments: list[Item]) -> Status:
    """On flash before it is answered: the box forgets what it owes at a DONE."""
    if core.keypad is None:
        return Status.NOT_SUPPORTED
    match op, arguments:
        case Op.PUT_PIN, [int(slot), bytes(sealed), int(from_s), int(until_s), int(generation)] if (
            0 <= from_s <= until_s <= TIME_S_MAX and -1 <= generation <= UINT32_MAX
        ):
            pin = PinPut(
                slot=slot,
                sealed=sealed,
                valid_from_s=from_s,
                valid_until_s=until_s,
                generation=None if generation < 0 else generation,
            )
            taken = core.keypad.put(pin)
        case Op.CLEAR_PIN, [int(slot)] if slot >= 0:
            core.keypad.clear(slot)
            taken = True
        case _:
            taken = False
    core.flash.commit()
    return Status.DONE if taken else Status.BAD_FRAME


def _denylist(core: LockCore, data: bytes) -> Status:
    taken = core.judge.take_denylist(data)
    if isinstance(taken, LockRefusal):
        return status_of(taken)
    core.body.seen(taken.issued_s * 1000)
    return _noted(core, LogKind.DENYLIST, Status.DONE)


def _signed_time(core: LockCore, data: bytes, asked: Asked) -> Status:
    wall_s = read_time(data, asked.nonce, core.issuers)
    if isinstance(wall_s, Flaw):
        return status_of(flaw_refusal(wall_s))
    # Signed after the nonce was made and before now: the middle is off by half of that at most.
    half_ms = asked.age_ms // 2
    return _set_time(core, wall_s * 1000 + 500 + half_ms, SET_UNCERTAINTY_MS + half_ms)


def _set_time(core: LockCore, wall_ms: int, uncertainty_ms: int) -> Status:
    if not core.body.set_time(wall_ms, uncertainty_ms):
        return Status.NO_TIME
    core.body.seen(wall_ms - uncertainty_ms)
    return _noted(core, LogKind.TIME, Status.DONE)


def _local_time(core: LockCore, changes: list[Item]) -> Status:
    pairs: list[tuple[int, int]] = []
    for change in changes:
        match change:
            case [int(at_s), int(offset)]:
                pairs.append((at_s, offset))
            case _:
                return Status.BAD_FRAME
    try:
        wanted = LocalTime(tuple(pairs))
    except ValueError:
        return Status.BAD_FRAME
    if wanted == core.local_time():
        return Status.DONE  # a driver says it at every visit
    core.flash.put("npk", "local_time", pairs)
    return _noted(core, LogKind.LOCAL_TIME, Status.DONE)


def _deny(core: LockCore, ctis: list[Item], generation: int) -> Status:
    wanted = tuple(cti for cti in ctis if isinstance(cti, bytes))
    if len(wanted) != len(ctis) or not -1 <= generation <= UINT32_MAX:
        return Status.BAD_FRAME
    if not core.judge.deny(wanted, None if generation < 0 else generation):
        return Status.BAD_FRAME
    return _noted(core, LogKind.DENY, Status.DONE)


def _state(core: LockCore) -> list[Item]:
    state, time = core.body.state(), core.body.time()
    felt: list[Item] = [int(state.bolt), state.battery_pct, int(state.ajar)]
    doubt_s = time.uncertainty_ms // 1000 if time.known else -1
    known: list[Item] = [core.judge.generation, core.judge.denylist_seq]
    return [*felt, *known, time.ms // 1000, doubt_s, core.log.seq, core.flags()]


def _noted(core: LockCore, kind: LogKind, status: Status) -> Status:
    """Into the log where it changed something; what was refused must not fill it."""
    if status is Status.DONE:
        core.note(kind)
    return status
