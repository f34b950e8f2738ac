"""Who may speak on the bus: the credentials file, read strictly and written whole."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# 256 bits: too many to guess, so one round of SHA-256 is enough and 200 log-ins cost nothing.
TOKEN_BYTES = 32
# 1 MiB: 600 connections at about 300 bytes each, five times over.
FILE_BYTES_MAX = 1_048_576
# The character set excludes every character that means something in a topic or an ACL file.
IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
# The rounds mosquitto_passwd writes; the secret is random, so more would only slow a power-up.
MOSQUITTO_ROUNDS = 101
# Eight: Zigbee2MQTT, Z-Wave JS UI, a few makers of Wi-Fi things and the announcements.
ALSO_MAX = 8
# Where Home Assistant's announcements lie. Ours begin with `np_` on the third level.
DISCOVERY_ROOT = "homeassistant"
_OWN_NODE = "np_"
_OWN_ROOT = "np"


class BusRole(StrEnum):
    """What an identity may do; `broker/permissions.py` says it exactly."""

    CORE = "core"  # the appliance
    DEVICE = "device"  # one thing, its own topics
    BRIDGE = "bridge"  # a driver process that speaks for the things of one radio
    READER = "reader"  # a Home Assistant: sees state, commands nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One name on the bus. User name, client id and certificate CN are all this name."""

    name: str
    role: BusRole
    token_sha256: str | None = None  # hex; None where only a certificate opens
    token_mosquitto: str | None = None  # the same token as a mosquitto password_file wants it
    revoked: bool = False
    devices: tuple[str, ...] = ()  # for a bridge: the devices it speaks for
    also: tuple[str, ...] = ()  # for a bridge: other people's topics, such as "zigbee2mqtt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everybody who has ever been given a name."""

    identities: Mapping[str, Identity] = field(default_factory=dict)

    def active(self, name: str | None) -> Identity | None:
        """The identity of this name, unless it is unknown or revoked."""
        found = self.identities.get(name or "")
        return None if found is None or found.revoked else found

    def by_token(self, name: str | None, token: bytes | None) -> Identity | None:
        """The identity that this name and token prove, compared in constant time."""
        found = self.active(name)
        if found is None or found.token_sha256 is None or not token:
            return None
        proof = hashlib.sha256(token).hexdigest()
        return found if hmac.compare_digest(proof, found.token_sha256) else None


class CredentialsError(Exception):
    """The credentials file cannot be used; the text says which file and what cures it."""


class _Entry(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    role: BusRole
    token_sha256: str | None = None
    token_mosquitto: str | None = None
    revoked: bool = False
    devices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    identities: dict[str, _Entry]


def parse(data: bytes) -> Credentials:
    """Read the file's bytes; raises CredentialsError with the line of thought, never a token."""
    try:
        read = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as error:
        sentence = f"The bus credentials are not readable ({error}). Restore them from a backup."
        raise CredentialsError(sentence) from None
    identities = {}
    for name, entry in read.identities.items():
        for spoken in (name, *entry.devices):
            check_name(spoken)
        check_also(entry.role, entry.also)
        if entry.token_sha256 is not None and not re.fullmatch("[0-9a-f]{64}", entry.token_sha256):
            sentence = f"The token hash of {name!r} is not 64 hex digits. Issue a new token for it."
            raise CredentialsError(sentence)
        identities[name] = Identity(
            name=name,
            role=entry.role,
            token_sha256=entry.token_sha256,
            token_mosquitto=entry.token_mosquitto,
            revoked=entry.revoked,
            devices=entry.devices,
            also=entry.also,
        )
    return Credentials(identities=identities)


def check_name(name: str) -> None:
    """Raise CredentialsError unless the name is safe in a topic, an ACL file and a certificate."""
    if not IDENTITY.fullmatch(name):
        sentence = f"{name!r} cannot be a name on the bus. Use 1 to 63 letters, digits, '_', '.', '@', '-'."
        raise CredentialsError(sentence)


def check_also(role: BusRole, prefixes: tuple[str, ...]) -> None:
    """Raise CredentialsError unless these are other people's topics that a bridge may be given.

    Never ours, never a wildcard. `homeassistant` alone is granted for reading only; to announce,
    a node of its own must be named (`homeassistant/sensor/esp7`).
    """
    if prefixes and role is not BusRole.BRIDGE:
        raise CredentialsError("Only a bridge may be given other people's topics. Drop `also`.")
    if len(prefixes) > ALSO_MAX:
        raise CredentialsError(f"A bridge may be given {ALSO_MAX} prefixes. Give it fewer.")
    for prefix in prefixes:
        levels = prefix.split("/")
        if len(levels) > ALSO_MAX or not all(map(IDENTITY.fullmatch, levels)):
            sentence = (
                f"{prefix!r} is no prefix of topics. Write it without '+', '#', '$' and blanks."
            )
            raise CredentialsError(sentence)
        announces = levels[0] == DISCOVERY_ROOT and len(levels) > 1
        if levels[0] == _OWN_ROOT or (
            announces and (len(levels) < 3 or levels[2].startswith(_OWN_NODE))
        ):
            sentence = f"{prefix!r} holds what the box says itself. Name topics of another maker."
            raise CredentialsError(sentence)


def load(path: Path) -> Credentials:
    """Read the file; raises CredentialsError where it is missing, too large or open to others."""
    try:
        status = path.stat()
        if status.st_mode & 0o077:
            sentence = f"{path} can be read by others. Run: chmod 600 {path}"
            raise CredentialsError(sentence)
        if status.st_size > FILE_BYTES_MAX:
            sentence = f"{path} is larger than {FILE_BYTES_MAX} bytes. Restore it from a backup."
            raise CredentialsError(sentence)
        return parse(path.read_bytes())
    except OSError as error:
        sentence = f"{path} cannot be read ({error.strerror}). Run nightporter init, or restore it."
        raise CredentialsError(sentence) from error


def serialise(credentials: Credentials) -> bytes:
    """Give the file's bytes: indented JSON, sorted, so that two versions can be compared."""
    entries = {
        name: _Entry(
            role=who.role,
            token_sha256=who.token_sha256,
            token_mosquitto=who.token_mosquitto,
            revoked=who.revoked,
            devices=who.devices,
            also=who.also,
        )
        for name, who in sorted(credentials.identities.items())
    }
    return msgspec.json.format(msgspec.json.encode(_File(identities=entries)), indent=2) + b"\n"


def write(path: Path, credentials: Credentials) -> None:
    """Replace the file: a power cut leaves the old one or the new one, never half of each."""
    write_whole(path, serialise(credentials))


def add(
    credentials: Credentials,
    name: str,
    role: BusRole,
    *,
    devices: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> tuple[Credentials, str]:
    """Give a name a fresh token. The token is returned once and kept nowhere; only hashes stay.

    Adding a known name again replaces its token and lifts its revocation.
    """
    for spoken in (name, *devices):
        check_name(spoken)
    check_also(role, also)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    identity = Identity(
        name=name,
        role=role,
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        token_mosquitto=_mosquitto_hash(token),
        devices=devices,
        also=also,
    )
    return Credentials(identities={**credentials.identities, name: identity}), token


def add_certified(credentials: Credentials, name: str, role: BusRole) -> Credentials:
    """Give a name that only a client certificate opens."""
    check_name(name)
    identity = Identity(name=name, role=role)
    return Credentials(identities={**credentials.identities, name: identity})


def revoke(credentials: Credentials, name: str) -> Credentials:
    """Shut a name out; it stays in the file, so that it is never given away by accident."""
    gone = replace(credentials.identities[name], revoked=True)
    return Credentials(identities={**credentials.identities, name: gone})


def _mosquitto_hash(token: str) -> str:
    salt = secrets.token_bytes(12)
    proof = hashlib.pbkdf2_hmac("sha512", token.encode(), salt, MOSQUITTO_ROUNDS, 64)
    return f"$7${MOSQUITTO_ROUNDS}${_b64(salt)}${_b64(proof)}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
