"""The system's mosquitto, told the same: conf, ACL and password files from our own settings.

Works on 2.0.11 and later. What mosquitto does differently is listed in `docs/bus.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from appliance.bus.broker.permissions import DISCOVERY_BIRTH
from appliance.bus.credentials import DISCOVERY_ROOT, BusRole
from appliance.bus.words import TOPIC_ROOT
from appliance.kernel.durable import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.bus.broker.settings import BrokerSettings, Limits
    from appliance.bus.credentials import Credentials, Identity

# 300 s: a whole-file snapshot; at every change it would write 792 GB a day (docs/bus.md).
AUTOSAVE_S = 300
CONF_NAME = "mosquitto.conf"
ACL_NAME = "acl"
PASSWORDS_NAME = "passwords"


@dataclass(frozen=True, slots=True, kw_only=True)
class Housing:
    """Where mosquitto lives on this machine."""

    folder: Path  # configuration; mosquitto reads it
    state: Path | None  # its database; None: nothing is kept
    user: str | None = None  # the system user it changes to, if started as root


def write_configuration(
    settings: BrokerSettings, credentials: Credentials, housing: Housing
) -> Path:
    """Write all three files; returns the path for `mosquitto -c`. SIGHUP takes later ones up."""
    folder = housing.folder
    write_whole(folder / PASSWORDS_NAME, passwords(credentials).encode())
    write_whole(folder / ACL_NAME, acl(credentials).encode())
    path = folder / CONF_NAME
    write_whole(path, configuration(settings, housing).encode())
    return path


def configuration(settings: BrokerSettings, housing: Housing) -> str:
    """Write mosquitto.conf."""
    lines = [*_general(settings.limits, housing)]
    doors = [
        f"acl_file {housing.folder / ACL_NAME}",
        "allow_anonymous false",
        # The name is the identity, whatever client id is sent: nobody takes over another.
        "use_username_as_clientid true",
    ]
    tokens = [f"password_file {housing.folder / PASSWORDS_NAME}", *doors]
    if settings.plain is not None:
        lines += [f"listener {settings.plain.port} {settings.plain.host}", *tokens]
        lines += [f"max_connections {settings.limits.connections_max}"]
    if settings.unix_path is not None:
        lines += [f"listener 0 {settings.unix_path}", *tokens]
    if settings.tls is not None:
        tls = settings.tls
        lines += [
            f"listener {tls.address.port} {tls.address.host}",
            f"cafile {tls.authority}",
            f"certfile {tls.certificate}",
            f"keyfile {tls.key}",
            f"crlfile {tls.revocations}",
            "require_certificate true",
            "use_identity_as_username true",
            "tls_version tlsv1.2",
            f"max_connections {settings.limits.connections_max}",
            *doors,
        ]
    return "\n".join(lines) + "\n"


def _general(limits: Limits, housing: Housing) -> list[str]:
    kept = housing.state is not None
    lines = [
        "per_listener_settings true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "connection_messages true",
        # Without it every command pays Nagle and a delayed acknowledgement: 10 ms, not 0.2.
        "set_tcp_nodelay true",
        f"max_inflight_messages {limits.in_flight_max}",
        # Never 0 ("unlimited"): 2.0.x then drops everything.
        f"max_queued_messages {limits.queued_messages_max}",
        f"max_queued_bytes {limits.queued_bytes_max}",
        f"max_packet_size {limits.packet_bytes_max}",
        f"persistent_client_expiration {limits.session_s_max // 86_400}d",
        "queue_qos0_messages false",
        "retain_available true",
        "sys_interval 0",
        f"persistence {'true' if kept else 'false'}",
    ]
    if kept:
        lines += [
            f"persistence_location {housing.state}/",
            f"autosave_interval {AUTOSAVE_S}",
            "autosave_on_changes false",
        ]
    if housing.user is not None:
        lines.append(f"user {housing.user}")
    return lines


def passwords(credentials: Credentials) -> str:
    """Write the password_file: everybody active who has a token."""
    return "".join(
        f"{who.name}:{who.token_mosquitto}\n"
        for who in credentials.identities.values()
        if who.token_mosquitto is not None and not who.revoked
    )


def acl(credentials: Credentials) -> str:
    """Write the acl_file: the rules of `permissions.py`, spelled out for each active identity.

    Whoever is not named may nothing, so a revoked certificate holder reads and writes no topic even
    before the CRL is read again.
    """
    blocks = [
        "\n".join([f"user {who.name}", *_rights(who)])
        for who in credentials.identities.values()
        if not who.revoked
    ]
    return "\n\n".join(blocks) + "\n"


def _rights(who: Identity) -> list[str]:
    match who.role:
        case BusRole.CORE:
            return [f"topic readwrite {TOPIC_ROOT}/#", f"topic readwrite {DISCOVERY_ROOT}/#"]
        case BusRole.DEVICE | BusRole.BRIDGE:
            return [
                line
                for name in (who.name, *who.devices)
                for line in (
                    f"topic write {TOPIC_ROOT}/{name}/up/#",
                    f"topic read {TOPIC_ROOT}/{name}/down/#",
                )
            ] + [
                f"topic {'read' if prefix == DISCOVERY_ROOT else 'readwrite'} {prefix}/#"
                for prefix in who.also
            ]
        case BusRole.READER:
            return [
                f"topic read {TOPIC_ROOT}/+/up/#",
                f"topic read {DISCOVERY_ROOT}/#",
                f"topic write {DISCOVERY_BIRTH}",
            ]
        case _:
            assert_never(who.role)
