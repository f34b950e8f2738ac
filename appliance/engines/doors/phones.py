"""Phones: a point is taken from the one who holds it, and ends when its holder's time here ends.

A phone is known by its P-256 point and by nothing else: no name, no number, no model. It opens
nothing by itself; it is what a mobile key is bound to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from appliance.engines.doors.messages import (
    DESK,
    EndPhones,
    EnrolPhone,
    HolderKind,
    PhoneEnrolled,
    PhoneRemoved,
    Refusal,
    RemovePhone,
)
from appliance.engines.doors.scene import Holder, holder_of
from appliance.engines.doors.windows import UNSURE_S_MAX
from appliance.kernel.clock import Reading
from appliance.kernel.cose import POINT_BYTES, point_key
from appliance.kernel.engine import Context, Decision, Facts, Yes
from appliance.kernel.messages import Role, Who

# A family of four, each with a phone and a tablet.
PHONES_MAX: Final = 8
# A browser that forgets its data every evening, for all of them; a script is stopped by it.
PHONES_A_DAY_MAX: Final = 16
DAY_MS: Final = 86_400_000
# ble.md 2.9: re-issued daily; two hours more, so that a phone that looks in each day never runs dry.
MOBILE_S_MAX: Final = 26 * 3_600
# Whoever may be asked for a key may bring a phone: from the booking on, until they have left.
_WELCOME: Final = {
    HolderKind.STAY: frozenset({"confirmed", "in_house"}),
    HolderKind.STAFF: frozenset({"active"}),
    HolderKind.LEASE: frozenset({"active"}),
    HolderKind.VENDOR: frozenset({"active"}),
}
_UNCOMPRESSED: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone that is enrolled."""

    phone_id: str
    holder_kind: HolderKind
    holder_id: str

    def is_of(self, kind: HolderKind, holder_id: str) -> bool:
        """Whether it is this holder's."""
        return self.holder_kind is kind and self.holder_id == holder_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneScene:
    """The holder, their phones, and whose the phone in question is today."""

    holder: Holder | None
    phones: tuple[Phone, ...]
    enrolled_today: int
    phone: Phone | None


def point_of_hex(text: str) -> bytes | None:
    """A point as a phone writes it: 65 bytes in hex, uncompressed, on the curve; else None."""
    try:
        point = bytes.fromhex(text) if len(text) == 2 * POINT_BYTES else b""
        point_key(point)
    except ValueError:
        return None
    return point if point[0] == _UNCOMPRESSED else None


def phone_id_of(point: bytes) -> str:
    """The phone's name here: the same point is the same phone."""
    return f"phone-{hashlib.sha256(point).digest()[:8].hex()}"


def enrol_phone(scene: PhoneScene, command: EnrolPhone, context: Context) -> Decision:
    """A phone for the one who holds it. A phone that is theirs already is no news."""
    if not _is_their_own(command.holder_kind, command.holder_id, context.who):
        return Refusal.NOT_YOURS
    point = point_of_hex(command.point)
    if point is None:
        return Refusal.BAD_POINT
    phone_id = phone_id_of(point)
    if scene.phone is not None and scene.phone.is_of(command.holder_kind, command.holder_id):
        return Yes(events=[], result={"phone_id": phone_id})
    if (refusal := _unfit(scene, command)) is not None:
        return refusal
    event = PhoneEnrolled(
        phone_id=phone_id,
        point=point.hex(),
        holder_kind=command.holder_kind,
        holder_id=command.holder_id,
    )
    return Yes(events=[event], result={"phone_id": phone_id})


def _unfit(scene: PhoneScene, command: EnrolPhone) -> Refusal | None:
    if scene.holder is None:
        return Refusal.UNKNOWN_HOLDER
    if scene.holder.state not in _WELCOME[command.holder_kind]:
        return Refusal.HOLDER_NOT_IN_HOUSE
    if scene.phone is not None:
        return Refusal.PHONE_OF_ANOTHER
    if len(scene.phones) >= PHONES_MAX or scene.enrolled_today >= PHONES_A_DAY_MAX:
        return Refusal.TOO_MANY_PHONES
    return None


def remove_phone(scene: PhoneScene, command: RemovePhone, context: Context) -> Decision:
    """The end of one phone: by its holder, or by the desk for a guest who lost it."""
    own = _is_their_own(command.holder_kind, command.holder_id, context.who)
    if not own and context.who.role not in DESK | {Role.SERVICE}:
        return Refusal.NOT_YOURS
    phone = scene.phone
    if phone is None or not phone.is_of(command.holder_kind, command.holder_id):
        return Refusal.UNKNOWN_PHONE
    return [_removed(phone, "removed")]


def end_phones(scene: PhoneScene, command: EndPhones, context: Context) -> Decision:
    """The end of all phones of a holder; nothing to end is no error."""
    del context
    return [_removed(phone, command.reason) for phone in scene.phones]


def mobile_end_s(key_ends_s: int, now: Reading) -> int:
    """When a mobile key ends that is fetched now: soon, and sooner while the clock is unsure."""
    most = MOBILE_S_MAX if now.sure else UNSURE_S_MAX
    return min(key_ends_s, now.wall_s + most)


# -- what the rules are shown ----------------------------------------------------------------


def phone_stream(command: EnrolPhone | RemovePhone | EndPhones, _: Context) -> str:
    """One stream for the phones of a holder."""
    return f"phones/{command.holder_kind}:{command.holder_id}"


def load_enrol(facts: Facts, command: EnrolPhone, context: Context) -> PhoneScene:
    """Whose the point is, whoever that may be."""
    point = point_of_hex(command.point)
    phone_id = None if point is None else phone_id_of(point)
    return _scene(facts, command, context, phone_id)


def load_remove(facts: Facts, command: RemovePhone, context: Context) -> PhoneScene:
    """Whose the phone is."""
    return _scene(facts, command, context, command.phone_id)


def load_end(facts: Facts, command: EndPhones, context: Context) -> PhoneScene:
    """The holder's phones."""
    return _scene(facts, command, context, None)


def has_phones(facts: Facts, kind: HolderKind, holder_id: str) -> bool:
    """Whether a holder has a phone to end."""
    return bool(_phones(facts, "holder_kind = ? AND holder_id = ?", kind.value, holder_id))


def _scene(
    facts: Facts,
    command: EnrolPhone | RemovePhone | EndPhones,
    context: Context,
    phone_id: str | None,
) -> PhoneScene:
    kind, holder_id = command.holder_kind, command.holder_id
    today = facts.row(
        "SELECT count(*) FROM doors_phone WHERE holder_kind = ? AND holder_id = ?"
        " AND enrolled_at_ms > ?",
        (kind.value, holder_id, context.now.wall_ms - DAY_MS),
    )
    found = () if phone_id is None else _phones(facts, "phone_id = ?", phone_id)
    return PhoneScene(
        holder=holder_of(facts, kind, holder_id),
        phones=tuple(_phones(facts, "holder_kind = ? AND holder_id = ?", kind.value, holder_id)),
        enrolled_today=0 if today is None else today[0],
        phone=next(iter(found), None),
    )


def _phones(facts: Facts, where: str, *values: str) -> Sequence[Phone]:
    query = (
        f"SELECT phone_id, holder_kind, holder_id FROM doors_phone WHERE {where}"  # noqa: S608 - ours
        " AND removed_at_ms IS NULL ORDER BY position"
    )
    return [
        Phone(phone_id=row[0], holder_kind=HolderKind(row[1]), holder_id=row[2])
        for row in facts.rows(query, values)
    ]


def _removed(phone: Phone, reason: str) -> PhoneRemoved:
    return PhoneRemoved(
        phone_id=phone.phone_id,
        holder_kind=phone.holder_kind,
        holder_id=phone.holder_id,
        reason=reason,
    )


def _is_their_own(kind: HolderKind, holder_id: str, who: Who) -> bool:
    return who.actor == f"{kind}:{holder_id}"
