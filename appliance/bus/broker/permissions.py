"""Which identity may publish to, subscribe to and receive which topic: one pure function."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from appliance.bus.credentials import DISCOVERY_ROOT, BusRole
from appliance.bus.words import TOPIC_ROOT

if TYPE_CHECKING:
    from appliance.bus.credentials import Identity

# Home Assistant's birth message: after it, the box announces its devices again.
DISCOVERY_BIRTH = f"{DISCOVERY_ROOT}/status"


class Action(StrEnum):
    """What is about to be done with a topic, or with a filter where it is SUBSCRIBE."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    RECEIVE = "receive"


def may(who: Identity, action: Action, topic: str) -> bool:
    """Whether this identity may do that with this topic (or, for SUBSCRIBE, this filter).

    A filter is granted only if everything it can match is granted: nobody learns of a message by
    subscribing wide. `mosquitto.py` writes the same rules as an ACL file.
    """
    match who.role:
        case BusRole.CORE:
            return _below(topic, TOPIC_ROOT) or _below(topic, DISCOVERY_ROOT)
        case BusRole.DEVICE:
            return _own(who.name, action, topic)
        case BusRole.BRIDGE:
            # The second level names the device; a wildcard there is nobody's.
            speaker = topic.split("/", 2)[1:2]
            return _among(who.also, action, topic) or any(
                _own(name, action, topic) for name in (who.name, *who.devices) if [name] == speaker
            )
        case BusRole.READER:
            return _read(action, topic)
        case _:
            assert_never(who.role)


def _own(name: str, action: Action, topic: str) -> bool:
    way = "up" if action is Action.PUBLISH else "down"
    return _below(topic, f"{TOPIC_ROOT}/{name}/{way}")


def _among(also: tuple[str, ...], action: Action, topic: str) -> bool:
    """Other people's topics: whoever is given a prefix may say and hear everything below it."""
    return any(
        _below(topic, prefix)
        for prefix in also
        # Announcements of everybody: to be read. Else one driver could announce another's things.
        if action is not Action.PUBLISH or prefix != DISCOVERY_ROOT
    )


def _read(action: Action, topic: str) -> bool:
    if action is Action.PUBLISH:
        return topic == DISCOVERY_BIRTH
    if _below(topic, DISCOVERY_ROOT):
        return True
    parts = topic.split("/")
    # `np/+/up/...`: the third level must be the literal word, or `down` would match too.
    return len(parts) >= 3 and parts[0] == TOPIC_ROOT and parts[1] != "#" and parts[2] == "up"


def _below(topic: str, root: str) -> bool:
    return topic == root or topic.startswith(root + "/")
