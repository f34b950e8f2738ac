"""A Shelly of the second generation over HTTP: one relay with a meter, digest authentication."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from appliance.kernel.clock import sleep
from twin.http.answers import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.kernel.clock import Clock
    from appliance.kernel.tasks import Nursery
    from twin.journal import Journal

REALM: Final = "shellyplus1pm-a8032abe54dc"


class ShellyFault(StrEnum):
    """What can go wrong with one Switch.Set."""

    DROP_REQUEST = "drop_request"
    DROP_ANSWER = "drop_answer"
    CUT_BODY = "cut_body"
    ERROR = "error"
    GARBAGE = "garbage"
    SILENT = "silent"


class ShellyTwin:
    """One device. Every change of the contact is one entry `relay` in the journal."""

    def __init__(
        self, name: str, *, clock: Clock, nursery: Nursery, journal: Journal, password: str = ""
    ) -> None:
        self.name = name
        self._clock = clock
        self._nursery = nursery
        self._journal = journal
        self._password = password
        self._nonces: set[str] = set()
        self._counts: dict[str, int] = {}
        self.output = False
        self.power_w = 0.0
        self.calls = 0  # Switch.Set that were carried out
        self.faults: deque[ShellyFault] = deque()

    async def handle(self, request: Request) -> Answer:
        """One request."""
        if request.path != "/rpc" or request.method != "POST":
            return Answer(status=404)
        if self._password and not self._proven(request.headers.get("authorization", "")):
            nonce = secrets.token_hex(8)
            self._nonces.add(nonce)
            challenge = f'Digest qop="auth", realm="{REALM}", nonce="{nonce}", algorithm=SHA-256'
            return Answer(status=401, headers={"WWW-Authenticate": challenge})
        frame = msgspec.json.decode(request.body)
        call_id, parameters = frame.get("id"), frame.get("params", {})
        if parameters.get("id") != 0:
            return _frame(
                call_id, error={"code": -105, "message": "Argument 'id', value not found!"}
            )
        match frame.get("method"):
            case "Switch.Set":
                return await self._set(call_id, parameters)
            case "Switch.GetStatus":
                return _frame(call_id, result=self._status())
            case _:
                return _frame(call_id, error={"code": 404, "message": "No handler"})

    async def _set(self, call_id: object, parameters: dict[str, Any]) -> Answer:
        fault = self.faults.popleft() if self.faults else None
        if fault in _UNDONE:
            return _UNDONE[fault]
        was_on, self.calls = self.output, self.calls + 1
        self._turn(on=parameters["on"] is True)
        if isinstance(seconds := parameters.get("toggle_after"), int | float):
            self._nursery.mortal("toggle", self._toggle(float(seconds)))
        done = _frame(call_id, result={"was_on": was_on})
        match fault:
            case ShellyFault.DROP_ANSWER:
                return Answer(reset=True)
            case ShellyFault.CUT_BODY:
                return Answer(body=done.body, cut=True)
            case ShellyFault.GARBAGE:
                return Answer(body=b'{"id":2,"result":{}}')
            case _:
                return done

    def _turn(self, *, on: bool) -> None:
        self.output = on
        self._journal.note("relay", device=self.name, on=on)

    async def _toggle(self, seconds: float) -> None:
        await sleep(self._clock, seconds)
        self._turn(on=not self.output)

    def _status(self) -> dict[str, Any]:
        return {
            "id": 0,
            "source": "HTTP_in",
            "output": self.output,
            "apower": self.power_w if self.output else 0.0,
            "voltage": 230.1,
            "aenergy": {"total": 512.3, "by_minute": [0, 0, 0], "minute_ts": 1},
            "temperature": {"tC": 41.2, "tF": 106.2},
        }

    def _proven(self, header: str) -> bool:
        parts = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
        nonce, count = parts.get("nonce", ""), int(parts.get("nc", "0"), 16)
        if nonce not in self._nonces or count <= self._counts.get(nonce, 0):
            return False
        who = _hash(f"admin:{REALM}:{self._password}")
        what = _hash("POST:/rpc")
        wanted = _hash(f"{who}:{nonce}:{parts.get('nc')}:{parts.get('cnonce')}:auth:{what}")
        if parts.get("response") != wanted:
            return False
        self._counts[nonce] = count
        return True


_UNDONE: Final[Mapping[ShellyFault | None, Answer]] = {
    ShellyFault.DROP_REQUEST: Answer(reset=True),
    ShellyFault.ERROR: Answer(status=500),
    ShellyFault.SILENT: Answer(silent=True),
}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _frame(call_id: object, **rest: object) -> Answer:
    found = {"id": call_id, "src": REALM, "dst": "np", **rest}
    return Answer(body=msgspec.json.encode(found), headers={"Content-Type": "application/json"})
