"""The story of one guest, told over the API with ids that survive a killed box, and its judge."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import aiohttp

from appliance.kernel.clock import sleep
from twin.caller import (
    ADD_NOTE,
    CHECK_IN,
    CHECK_OUT,
    CUT_KEY,
    FREE,
    OPEN_DOOR,
    SELL_WALK_IN,
    SET_ROOM_STATUS,
    TAKE_DEPOSIT,
    Caller,
)
from twin.feed import Feed
from twin.stage import STAFF, Stage

# What may come of a press that a kill went through.
FULL_S: Final = 0.2
OUTCOMES: Final = frozenset({"DONE", "REFUSED", "NOT_SENT", "UNKNOWN"})


@dataclass(slots=True)
class Told:
    """What the box acknowledged: command ids with their answers, and presses with outcomes."""

    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    presses: dict[str, str] = field(default_factory=dict)  # opening id -> outcome first told
    deposits: int = 0
    guests: int = 0


class Story:
    """Guests come, sleep and leave, one after another, until somebody says stop."""

    def __init__(
        self, stage: Stage, told: Told, today: date, *, seed: int, all_rooms: bool = False
    ) -> None:
        """`all_rooms`: one room after the other is sold, not the first free one again and again."""
        self._stage = stage
        self._told = told
        self._today = today
        self._chance = random.Random(seed)
        self._name = f"story{seed}"
        self._all_rooms = all_rooms
        self._last_guest: dict[str, int] = {}  # by room

    async def guest(self, number: int) -> None:
        """One guest from walk-in to check-out; every act is asked until it is answered."""
        async with Caller(self._stage.web_url, terminal=f"desk-{self._name}") as desk:
            await self._signed_in(desk)
            party = self._party(number)
            if self._all_rooms:
                party["room"] = await self._longest_empty(desk, party)
            sold = await self._act(desk, number, "sell", SELL_WALK_IN, **party)
            if not sold["done"]:
                await sleep(self._stage.clock, FULL_S)  # sold out for a moment: do not spin
                return
            stay = sold["result"]["stay_id"]
            room = sold["result"].get("room_id")
            self._last_guest[room] = number
            came = await self._act(desk, number, "in", CHECK_IN, stay=stay, room=room)
            if not came["done"]:
                return
            await self._act(desk, number, "key", CUT_KEY, stay=stay, why="first")
            await self._act(desk, number, "note", ADD_NOTE, stay=stay, text=f"guest {number}")
            await self._deposit(desk, number, stay)
            for press in range(2):
                await self._press(desk, f"{self._name}-{number}-door{press}", stay)
            await self._act(desk, number, "out", CHECK_OUT, stay=stay)
            for status in ("CLEAN", "INSPECTED"):
                await self._act(desk, number, status, SET_ROOM_STATUS, room=room, status=status)
            self._told.guests += 1

    async def _longest_empty(self, desk: Caller, party: dict[str, Any]) -> str | None:
        nights = {name: party[name] for name in ("type", "arrival", "departure")}
        kinds = await desk.patiently(FREE, **nights)
        rooms = [room["id"] for free in kinds for room in free["rooms"]]
        return min(rooms, key=lambda room: self._last_guest.get(room, -1), default=None)

    async def _signed_in(self, desk: Caller) -> None:
        while True:
            try:
                await desk.sign_in(STAFF[1].id, STAFF[1].pin)
            except (OSError, TimeoutError, aiohttp.ClientError):
                continue  # killed while it was asked: ask again
            return

    async def _act(
        self, desk: Caller, number: int, act: str, document: str, **more: Any
    ) -> dict[str, Any]:
        command_id = f"{self._name}-{number}-{act}"
        answer: dict[str, Any] = await desk.patiently(document, id=command_id, **more)
        if answer["done"]:
            self._told.acknowledged[command_id] = answer
        return answer

    async def _deposit(self, desk: Caller, number: int, stay: str) -> None:
        card = await self._stage.save_card(f"guest {number}")
        saved = {
            "stay_id": stay,
            "customer_ref": card["customer"],
            "method_ref": card["payment_method"],
        }
        while True:
            try:
                await self._stage.ask(
                    "payments.save_card_reference", saved, f"{self._name}-{number}-card"
                )
            except (OSError, ValueError):
                continue
            break
        taken = await self._act(desk, number, "deposit", TAKE_DEPOSIT, stay=stay, minor=5_000)
        self._told.deposits += bool(taken["done"])

    async def _press(self, desk: Caller, command_id: str, stay: str) -> None:
        opening = await desk.patiently(OPEN_DOOR, id=command_id, stay=stay)
        assert opening["outcome"] in OUTCOMES, opening
        self._told.presses.setdefault(opening["id"], opening["outcome"])

    def _party(self, number: int) -> dict[str, Any]:
        kinds = [kind.id for kind in self._stage.scenery.sold]
        return {
            "type": self._chance.choice(kinds),
            "arrival": str(self._today),
            "departure": str(self._today + timedelta(days=self._chance.randint(1, 3))),
            "guests": [{"given": "Kim", "family": f"Nr{number}"}],
        }


async def judge(stage: Stage, told: Told) -> list[str]:
    """Every broken promise in a sentence; the facts are the log's and the twin's, not ours."""
    facts = await Feed(stage.data / "run" / "command.sock").all()
    broken = _acknowledged_once(facts, told) + _one_state(facts)
    moves = Counter(
        row["order_id"]
        for row in await stage.journalled("bolt")
        if row.get("to") == "unlocked" and row.get("order_id")
    )
    held = {row["order_id"] for row in await stage.journalled("held")}
    broken += [f"{order} moved the bolt {n} times" for order, n in moves.items() if n > 1]
    broken += [
        f"opening {opening} was told DONE and no bolt moved"
        for opening, outcome in told.presses.items()
        if outcome == "DONE" and opening not in moves and opening not in held
    ]
    charges = Counter(
        row.get("metadata", {}).get("outbox_id") or row.get("intent_id") or row.get("reference")
        for row in await stage.journalled("payments.charged")
    )
    broken += [
        f"{intent} was charged {n} times" for intent, n in charges.items() if intent and n > 1
    ]
    return broken


def _acknowledged_once(facts: list[dict[str, Any]], told: Told) -> list[str]:
    by_command: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        by_command.setdefault(fact["command_id"].partition(">")[0], []).append(fact)
    broken = []
    for command_id in told.acknowledged:
        found = by_command.get(command_id, [])
        heads = [fact for fact in found if ">" not in fact["command_id"]]
        kinds = Counter(fact["kind"] for fact in heads)
        if not heads:
            broken.append(f"{command_id} was acknowledged and is not in the log")
        broken += [f"{command_id} caused {kind} {n} times" for kind, n in kinds.items() if n > 1]
    return broken


def _one_state(facts: list[dict[str, Any]]) -> list[str]:
    """A stay is checked in at most once more than undone, and out at most once."""
    told: dict[str, Counter[str]] = {}
    for fact in facts:
        if fact["kind"].startswith("stays.") and "stay_id" in fact["body"]:
            told.setdefault(fact["body"]["stay_id"], Counter())[fact["kind"]] += 1
    broken = []
    for stay, kinds in told.items():
        ins = kinds["stays.checked_in.v1"] - kinds["stays.check_in_undone.v1"]
        outs = kinds["stays.checked_out.v1"]
        if kinds["stays.booked.v1"] != 1 or ins > 1 or outs > ins:
            broken.append(f"stay {stay} is in no one state: {dict(kinds)}")
    return broken
