"""Asks the box's API as a program of the desk would: for chaos, benchmarks and the tour's checks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Self

import aiohttp

ANSWER_S_MAX: Final = 12.0  # a door answers within 8 s
OPEN_DOOR: Final = (
    "mutation($id:String!,$stay:ID){openDoor(id:$id,stayId:$stay)"
    "{id outcome refusal evidence sentence}}"
)
CUT_KEY: Final = (
    "mutation($id:String!,$stay:ID!,$why:String!){cutKey(id:$id,stayId:$stay,reason:$why)"
    "{done engine code sentence result}}"
)
CHECK_IN: Final = (
    "mutation($id:String!,$stay:ID!,$room:ID){checkIn(id:$id,stayId:$stay,roomId:$room)"
    "{done engine code sentence result}}"
)
CHECK_OUT: Final = (
    "mutation($id:String!,$stay:ID!){checkOut(id:$id,stayId:$stay){done engine code sentence}}"
)
ADD_NOTE: Final = (
    "mutation($id:String!,$stay:ID!,$text:String!){addNote(id:$id,stayId:$stay,text:$text)"
    "{done engine code sentence position}}"
)
TAKE_DEPOSIT: Final = (
    "mutation($id:String!,$stay:ID!,$minor:Minor!)"
    "{takeDeposit(id:$id,stayId:$stay,amountMinor:$minor){done engine code sentence result}}"
)
SET_ROOM_STATUS: Final = (
    "mutation($id:String!,$room:ID!,$status:RoomStatus!)"
    "{setRoomStatus(id:$id,roomId:$room,status:$status){done engine code sentence}}"
)
IN_HOUSE: Final = "{inHouse{id code roomId roomNumber state guests{given family}}}"
ARRIVALS: Final = (
    "{arrivals{id code roomTypeId roomId state arrival departure guests{given family}}}"
)
BOARD: Final = "{roomBoard{id number roomTypeId status occupiedBy dueIn}}"
SELL_WALK_IN: Final = (
    "mutation($id:String!,$type:ID!,$arrival:Date!,$departure:Date!,$guests:[GuestInput!]!,"
    "$room:ID){sellWalkIn(id:$id,roomTypeId:$type,roomId:$room,arrival:$arrival,"
    "departure:$departure,guests:$guests,adults:1){done engine code sentence result}}"
)
FREE: Final = (
    "query($type:ID!,$arrival:Date!,$departure:Date!)"
    "{free(roomTypeId:$type,arrival:$arrival,departure:$departure){rooms{id}}}"
)


class CallError(Exception):
    """The box answered with something that is no answer to what was asked; the text quotes it."""


@dataclass(slots=True)
class Caller:
    """One terminal of the desk, signed in or not."""

    url: str
    terminal: str = "desk-9"
    _access: str | None = None
    _http: aiohttp.ClientSession | None = field(default=None)

    async def __aenter__(self) -> Self:
        """Open a session of its own."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S_MAX)
        self._http = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close it."""
        if self._http is not None:
            await self._http.close()

    async def sign_in(self, person: str, pin: str) -> None:
        """Staff by PIN."""
        body = {"person": person, "pin": pin, "terminal": self.terminal}
        async with self._session().post(f"{self.url}/sign-in/staff", json=body) as response:
            said = await response.json()
            if response.status != HTTPStatus.OK:
                raise CallError(f"sign-in: {response.status} {said}")
            self._access = said["access"]

    async def query(self, document: str, /, **variables: Any) -> dict[str, Any]:
        """Data of one GraphQL document; raises CallError where there are errors."""
        headers = {"authorization": f"Bearer {self._access}"} if self._access else {}
        body = {"query": document, "variables": variables}
        async with self._session().post(
            f"{self.url}/graphql", json=body, headers=headers
        ) as response:
            said = await response.json()
        if said.get("errors"):
            raise CallError(str(said["errors"]))
        data: dict[str, Any] = said["data"]
        return data

    async def one(self, document: str, /, **variables: Any) -> Any:
        """The only field of a document."""
        [value] = (await self.query(document, **variables)).values()
        return value

    async def patiently(self, document: str, /, **variables: Any) -> Any:
        """Like `one`, with the same ids again until somebody answers: what a lost answer needs."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                return await self.one(document, **variables)

    def _session(self) -> aiohttp.ClientSession:
        assert self._http is not None, "use it as `async with Caller(...)`"
        return self._http
