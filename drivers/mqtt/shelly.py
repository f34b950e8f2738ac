"""Shelly's RPC over MQTT (https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt).

`address` is the device's topic prefix. It answers each call by its id on a topic that we choose
below that prefix, so an order's end is known; `Status Ntf` must be on for changes by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from appliance.bus.words import LockRefusal, Order
from drivers.facts import whole, yes_no
from drivers.mqtt.dialect import Answered, Heard, Say
from drivers.mqtt.strangers import at, mapping, word
from drivers.shelly import Shelly

if TYPE_CHECKING:
    from drivers.radios import Thing

# Our name towards the device; its answers come on `<prefix>/np/rpc`.
_SELF: Final = "np"
_ASKING: Final = "state"


class ShellyOverMqtt:
    """One component of one device."""

    answers = True

    def __init__(self, thing: Thing) -> None:
        self._topic = thing.address
        self._shelly = Shelly(thing)
        self._source = f"{thing.address}/{_SELF}"

    @property
    def filters(self) -> tuple[str, ...]:
        """Presence, notifications, the component's own status, and answers to us."""
        return (
            f"{self._topic}/online",
            f"{self._topic}/events/rpc",
            f"{self._topic}/status/{self._shelly.key}",
            f"{self._source}/rpc",
        )

    def hear(self, topic: str, payload: bytes) -> Heard | None:
        """What one message says of this thing."""
        if topic == f"{self._topic}/online":
            online = yes_no(word(payload), "true", "false")
            return None if online is None else Heard(online=online)
        said = mapping(payload)
        if said is None:
            return None
        if topic == f"{self._topic}/status/{self._shelly.key}":
            return Heard(facts=self._shelly.facts(said))
        if topic == f"{self._topic}/events/rpc" and said.get("method") == "NotifyStatus":
            return Heard(
                facts=self._shelly.facts(at(said, "params", self._shelly.key)),
                stamp_ms=whole(at(said, "params", "ts"), 0, 1e11, times=1000),
            )
        if topic == f"{self._source}/rpc":
            return self._answered(said.get("id"), said.get("result"), said.get("error"))
        return None

    def say(self, order: Order) -> Say | LockRefusal:
        """One call with the order's id."""
        found = self._shelly.call(order)
        if isinstance(found, LockRefusal):
            return found
        method, parameters, _ = found
        return self._call(order.id, method, parameters)

    def ask(self) -> Say | None:
        """Have it say the component's status."""
        name = {"pm1": "PM1"}.get(self._shelly.component, self._shelly.component.capitalize())
        return self._call(_ASKING, f"{name}.GetStatus", {"id": self._shelly.id})

    def _call(self, call_id: str, method: str, parameters: object) -> Say:
        frame = {"id": call_id, "src": self._source, "method": method, "params": parameters}
        return Say(
            topic=f"{self._topic}/rpc", payload=msgspec.json.encode(frame), answer_id=call_id
        )

    def _answered(self, call_id: object, result: object, error: object) -> Heard | None:
        if not isinstance(call_id, str):
            return None
        if call_id == _ASKING and error is None:
            done = Answered(id=call_id, done=True)
            return Heard(facts=self._shelly.facts(result), answer=done)
        code = whole(at(error, "code"), -100_000, 100_000)
        note = "" if error is None else f"rpc error {code}"
        return Heard(answer=Answered(id=call_id, done=error is None, note=note))
