"""The published test vectors of NPK 1: fixed keys, fixed nonces, RFC 6979 signatures, no chance.

`python -m drivers.npk.vectors` writes docs/npk1-vectors.json; a test holds the file to be true.
Every key in it is public: nothing that is given to a lock may ever come from here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.kernel.cbor import write
from appliance.kernel.cose import Claims, issuers, kid_of, point_of, sign, sign1
from appliance.kernel.edicts import (
    Denied,
    Denylist,
    IssuerCertificate,
    sign_denylist,
    sign_issuer,
    sign_time,
)
from drivers.judge import DeviceTime
from drivers.npk.advert import advertisement, door_tag, info
from drivers.npk.body import BodyState, BoltWord, Cause, LockSetup
from drivers.npk.channel import Channel, items, key_schedule, transcript
from drivers.npk.codes import SERVICE_UUID, Command, Message, Op, Status, command_id
from drivers.npk.frames import Framer, Reassembler
from drivers.npk.lock import LockCore
from drivers.npk.phone import LOCK_LABEL, PHONE_LABEL, PhoneSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.npk.session import LockSession

PLACE: Final = Path(__file__).parents[2] / "docs" / "npk1-vectors.json"
LOCK_ID: Final = 204
NOW_S: Final = 1_789_992_000
PROPERTY: Final = "marina"
COMMAND_ID: Final = command_id("order-1")
SALT: Final = b"\x01\x02\x03\x04\x05\x06\x07\x08"
_DETERMINISTIC: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class FixedSigner:
    """A private key whose signatures follow from what is signed."""

    def __init__(self, scalar: int) -> None:
        self.private = ec.derive_private_key(scalar, ec.SECP256R1())

    def sign(self, data: bytes, _: object) -> bytes:
        """RFC 6979."""
        return self.private.sign(data, _DETERMINISTIC)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key's other half."""
        return self.private.public_key()


def _key(name: str) -> tuple[ec.EllipticCurvePrivateKey, dict[str, str]]:
    scalar = int.from_bytes(hashlib.sha256(b"NPK1 vector key " + name.encode()).digest(), "big")
    signer = cast("ec.EllipticCurvePrivateKey", FixedSigner(scalar))
    shown = {
        "private": f"{scalar:064x}",
        "point": point_of(signer.public_key()).hex(),
        "kid": kid_of(signer.public_key()).hex(),
    }
    return signer, shown


ROOT, _ROOT_SHOWN = _key("root")
ISSUER, _ISSUER_SHOWN = _key("issuer")
LOCK, _LOCK_SHOWN = _key("lock")
PHONE, _PHONE_SHOWN = _key("phone")
STRANGER, _STRANGER_SHOWN = _key("stranger")


class FixedEntropy:
    """Nonces and ephemeral keys that follow from a name and a count."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self.scalars: list[int] = []

    def nonce(self, size: int) -> bytes:
        """The next one."""
        return self._next(b"nonce")[:size]

    def ephemeral(self) -> ec.EllipticCurvePrivateKey:
        """The next one."""
        self.scalars.append(int.from_bytes(self._next(b"ephemeral"), "big"))
        return ec.derive_private_key(self.scalars[-1], ec.SECP256R1())

    def _next(self, kind: bytes) -> bytes:
        self._count += 1
        label = b"NPK1 vector " + kind + b" " + self._name.encode()
        return hashlib.sha256(label + bytes([self._count])).digest()


@dataclass
class PaperLock:
    """A lock of paper: memory, motor and clock chip that stand still at NOW_S."""

    known: bool = True
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def section(self, section: str) -> dict[str, Any]:
        """All records of one section."""
        return self.kept.setdefault(section, {})

    def get(self, section: str, key: str, default: Any = None) -> Any:
        """One record."""
        return self.section(section).get(key, default)

    def put(self, section: str, key: str, value: object) -> None:
        """Set one."""
        self.section(section)[key] = value

    def drop(self, section: str, key: str) -> None:
        """Forget one."""
        self.section(section).pop(key, None)

    def commit(self) -> None:
        """Paper keeps everything."""

    def uptime_ms(self) -> int:
        """No time passes."""
        return 0

    def time(self) -> DeviceTime:
        """Set just now."""
        return DeviceTime(NOW_S * 1000, 2_000, known=self.known)

    def set_time(self, _wall_ms: int, _uncertainty_ms: int) -> bool:
        """Taken, and still."""
        self.known = True
        return True

    def seen(self, _past_ms: int) -> None:
        """Paper remembers no floor."""

    def unlock(self, _cause: Cause, *, hold: bool) -> bool:
        """Always moves."""
        del hold
        return True

    def lock(self, _cause: Cause) -> bool:
        """Always moves."""
        return True

    def blink(self) -> None:
        """No light."""

    def state(self) -> BodyState:
        """Locked, full cells."""
        return BodyState(bolt=BoltWord.LOCKED, battery_pct=100)


def _core(body: PaperLock, name: str) -> LockCore:
    setup = LockSetup(
        lock_id=LOCK_ID,
        property_id=PROPERTY,
        key=LOCK,
        issuers=issuers([point_of(ISSUER.public_key())]),
        root=ROOT.public_key(),
        zones=frozenset({0x8001}),
    )
    return LockCore(setup, flash=body, body=body, entropy=FixedEntropy(name))


def claims(**changes: Any) -> Claims:
    """The guest's key of these vectors."""
    body: dict[str, Any] = {
        "exp_s": NOW_S + 86_400,
        "nbf_s": NOW_S - 3_600,
        "cti": b"guest--1",
        "doors": ((LOCK_ID, 1), (0x8001, 1)),
        "gen": 7,
        "aud": PROPERTY,
        "cnf": point_of(PHONE.public_key()),
    } | changes
    return Claims(**body)


def _say(session: LockSession, frames: tuple[bytes, ...], inward: Reassembler) -> bytes:
    for frame in frames:
        for back in session.feed(frame).frames:
            if (whole := inward.feed(back)) is not None:
                return whole[1]
    raise AssertionError("the lock of paper hung up")


def _session(
    name: str,
    credential: bytes,
    *,
    key: ec.EllipticCurvePrivateKey = PHONE,
    command: Command = Command.UNLOCK,
    body: PaperLock | None = None,
    core: LockCore | None = None,
) -> tuple[dict[str, Any], PhoneSession, LockCore]:
    core = core or _core(body or PaperLock(), f"{name} lock")
    link = core.connect(512)
    assert link is not None
    entropy = FixedEntropy(f"{name} phone")
    phone = PhoneSession(
        key=key,
        credential=credential,
        lock_id=LOCK_ID,
        lock_point=point_of(LOCK.public_key()),
        entropy=entropy,
    )
    out, inward = Framer(), Reassembler()
    m1 = phone.m1()
    m2 = _say(link, out.split(Message.M1, m1, 512), inward)
    greeting = phone.on_m2(m2)
    m3 = phone.m3(command, COMMAND_ID)
    m4 = _say(link, out.split(Message.M3, m3, 512), inward)
    verdict = phone.on_m4(m4)
    lock_scalar = cast("FixedEntropy", core.entropy).scalars[-1]
    shown = {
        "name": name,
        "phone_ephemeral": f"{entropy.scalars[0]:064x}",
        "phone_nonce": m1[-16:].hex(),
        "lock_ephemeral": f"{lock_scalar:064x}",
        "lock_nonce": greeting.nonce.hex(),
        "credential": credential.hex(),
        "command": int(command),
        "command_id": COMMAND_ID.hex(),
        "m1": m1.hex(),
        "m2": m2.hex(),
        "m3": m3.hex(),
        "m4": m4.hex(),
        **_inside(entropy.scalars[0], lock_scalar, m1, m2, (m3, m4)),
        "greeting": [
            greeting.lock_id,
            greeting.wall_s,
            greeting.uncertainty_s,
            greeting.denylist_seq,
            greeting.generation,
            greeting.flags,
        ],
        "verdict": [verdict.status, verdict.event, verdict.wall_s, int(verdict.repeated)],
        "status": Status(verdict.status).name,
    }
    return shown, phone, core


def _inside(
    phone_scalar: int, lock_scalar: int, m1: bytes, m2: bytes, sealed: tuple[bytes, bytes]
) -> dict[str, str]:
    """What nobody sees on the air, for whoever looks for the first wrong byte."""
    phone, lock = (ec.derive_private_key(n, ec.SECP256R1()) for n in (phone_scalar, lock_scalar))
    phone_point, lock_point = point_of(phone.public_key()), point_of(lock.public_key())
    _, nonce, greeting = items(m2, 3)
    assert isinstance(nonce, bytes)
    assert isinstance(greeting, bytes)
    hashed = transcript(m1, lock_point, nonce)
    inside_phone = Channel(phone, lock_point, hashed, phone=True)
    inside_lock = Channel(lock, phone_point, hashed, phone=False)
    secret = phone.exchange(ec.ECDH(), lock.public_key())
    return {
        "transcript": hashed.hex(),
        "shared_secret": secret.hex(),
        "key_schedule": key_schedule(secret, hashed).hex(),
        "m2_plain": inside_phone.open(Message.M2, greeting).hex(),
        "m3_plain": inside_lock.open(Message.M3, sealed[0]).hex(),
        "m4_plain": inside_phone.open(Message.M4, sealed[1]).hex(),
    }


def _refusals() -> Iterator[dict[str, Any]]:
    cases: dict[str, tuple[Claims, ec.EllipticCurvePrivateKey]] = {
        "wrong_door": (claims(doors=((205, 1),)), ISSUER),
        "wrong_property": (claims(aud="palace"), ISSUER),
        "expired": (claims(nbf_s=NOW_S - 7_200, exp_s=NOW_S - 3_600), ISSUER),
        "not_yet": (claims(nbf_s=NOW_S + 3_600), ISSUER),
        "outside_its_hours": (claims(schedule=(0b100_0000, 0, 60)), ISSUER),
        "unknown_issuer": (claims(), STRANGER),
    }
    for name, (what, issuer) in cases.items():
        yield _session(name, sign(what, issuer))[0]
    yield _session("copied_key", sign(claims(), ISSUER), key=STRANGER)[0]
    body = PaperLock(known=False)
    yield _session("clock_lost", sign(claims(), ISSUER), body=body)[0]


def _framing(session: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for value_bytes in (20, 182, 244, 512):
        phone, lock = Framer(), Framer()
        yield {
            "value_bytes": value_bytes,
            **{
                name: [
                    frame.hex()
                    for frame in framer.split(kind, bytes.fromhex(session[name]), value_bytes)
                ]
                for name, kind, framer in (
                    ("m1", Message.M1, phone),
                    ("m2", Message.M2, lock),
                    ("m3", Message.M3, phone),
                    ("m4", Message.M4, lock),
                )
            },
        }


def _bad_frames() -> Iterator[dict[str, Any]]:
    first, second, third = Framer().split(Message.M1, bytes(40), 20)
    cases: dict[str, tuple[bytes, ...]] = {
        "one is missing": (first, third),
        "out of order": (second, first),
        "begins inside another": (first, b"\x81\x01\x00\x01\x00"),
        "longer than it said": (b"\xc0\x01\x00\x01\x00\x00",),
        "shorter than it said": (b"\xc0\x01\x00\x03\x00",),
        "longer than any message": (b"\x80\x01\x08\x01\x00",),
        "without its head": (b"\x80\x01\x00",),
        "empty": (b"",),
        "empty in the middle": (first, b"\x01"),
    }
    for why, frames in cases.items():
        yield {"why": why, "frames": [frame.hex() for frame in frames]}


def _papers(nonce: bytes) -> dict[str, Any]:
    denied = tuple(Denied(cti=bytes([n]) * 8, exp_s=NOW_S + n) for n in (1, 2, 3))
    denylist = Denylist(seq=5, issued_s=NOW_S, denied=denied, generations=((204, 8), (205, 3)))
    certificate = IssuerCertificate(
        point=point_of(STRANGER.public_key()),
        nbf_s=NOW_S,
        exp_s=NOW_S + 365 * 86_400,
        property_id=PROPERTY,
        generation=2,
        generation_min=1,
    )
    return {
        "denylist": {
            "seq": 5,
            "issued_s": NOW_S,
            "denied": [[entry.cti.hex(), entry.exp_s] for entry in denied],
            "generations": [list(pair) for pair in denylist.generations],
            "signed": sign_denylist(denylist, ISSUER).hex(),
        },
        "time": {
            "nonce": nonce.hex(),
            "wall_s": NOW_S,
            "signed": sign_time(nonce, NOW_S, ISSUER).hex(),
        },
        "issuer": {
            "point": certificate.point.hex(),
            "nbf_s": certificate.nbf_s,
            "exp_s": certificate.exp_s,
            "property": PROPERTY,
            "generation": 2,
            "generation_min": 1,
            "signed": sign_issuer(certificate, ROOT).hex(),
        },
    }


def _log() -> dict[str, Any]:
    _, phone, core = _session("log guest", sign(claims(), ISSUER))
    _, phone, core = _session(
        "log admin",
        sign(claims(cti=b"admin--1", doors=((LOCK_ID, 4),)), ISSUER),
        command=Command.ADMIN,
        core=core,
    )
    blob = core.log.export(0, 40, LOCK)
    return {
        "after": 0,
        "request": phone.request(Op.LOG, 0, 40).hex(),
        "signed": blob.hex(),
        "newest": core.log.seq,
    }


def _pin() -> dict[str, Any]:
    secret = hashlib.sha256(b"NPK1 vector device secret").digest()
    nonce, device, digits = bytes(range(12)), "lock-204", "482915"
    sealed = nonce + AESGCM(secret).encrypt(nonce, digits.encode(), device.encode())
    return {
        "secret": secret.hex(),
        "device": device,
        "digits": digits,
        "slot": 3,
        "from_s": NOW_S,
        "until_s": NOW_S + 86_400,
        "generation": 7,
        "sealed": sealed.hex(),
        "put_plain": write([int(Op.PUT_PIN), 3, sealed, NOW_S, NOW_S + 86_400, 7]).hex(),
        "clear_plain": write([int(Op.CLEAR_PIN), 3]).hex(),
    }


def vectors() -> dict[str, Any]:
    """All of them, as the file has them."""
    session, _, _ = _session("guest", sign(claims(), ISSUER))
    unbound = claims(cnf=None, doors=((LOCK_ID, 1),))
    return {
        "about": "Test vectors of NPK 1 (docs/npk1.md). Bytes are hex. All keys are public.",
        "service": SERVICE_UUID,
        "keys": {
            "root": _ROOT_SHOWN,
            "issuer": _ISSUER_SHOWN,
            "lock": _LOCK_SHOWN,
            "phone": _PHONE_SHOWN,
            "stranger": _STRANGER_SHOWN,
        },
        "lock_id": LOCK_ID,
        "property": PROPERTY,
        "now_s": NOW_S,
        "labels": {"lock": LOCK_LABEL.decode(), "phone": PHONE_LABEL.decode()},
        "order_id": "order-1",
        "command_id": COMMAND_ID.hex(),
        "cose": {
            "payload": "00",
            "aad": b"NPK1-EXAMPLE".hex(),
            "signed": sign1(b"\x00", ISSUER, aad=b"NPK1-EXAMPLE").hex(),
        },
        "credentials": {
            "bound": sign(claims(), ISSUER).hex(),
            "unbound": sign(unbound, ISSUER).hex(),
            "weekly_hours": sign(claims(schedule=(0b001_1111, 420, 900)), ISSUER).hex(),
        },
        "handshake": session,
        "framing": list(_framing(session)),
        "bad_frames": list(_bad_frames()),
        "refusals": list(_refusals()),
        **_papers(bytes.fromhex(session["lock_nonce"])),
        "log": _log(),
        "pin": _pin(),
        "advertisement": {
            "salt": SALT.hex(),
            "flags": 3,
            "data": advertisement(3, door_tag(SALT, LOCK_ID)).hex(),
        },
        "info": info(LOCK_ID).hex(),
    }


def text() -> str:
    """The file's text."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
