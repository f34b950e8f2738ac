"""Acts on a stay that change where and when: check-in, room, departure, the end."""

from __future__ import annotations

from functools import partial
from typing import Any

from kiosk import queries, say
from kiosk.desk import Outcome
from kiosk.page import NavPage
from kiosk.queries import Act
from kiosk.screens.choose import Choose
from kiosk.screens.form import Field, Form
from kiosk.words import Room, Stay

# Codes under which the box refuses a room that is not ready yet.
NOT_READY = frozenset({"room_not_ready", "door_in_trouble"})


class StayActs(NavPage):
    """What all acts on one stay share."""

    stay_id: str
    stay: Stay | None

    async def do(self, act: Act, **variables: Any) -> Outcome:
        """One act on this stay, told on the answer line."""
        self.say("Asking the box ...")
        outcome = await self.desk.perform(act, stayId=self.stay_id, **variables)
        self.tell(outcome)
        return outcome

    async def fill(self, title: str, act: Act, fields: list[Field], **fixed: Any) -> None:
        """A form whose values are the act's arguments."""

        async def submit(values: dict[str, Any]) -> Outcome:
            return await self.desk.perform(act, stayId=self.stay_id, **fixed, **values)

        outcome = await self.dialog(Form(title, fields, submit, desk=self.desk, intro=self.guest()))
        if outcome is not None:
            self.tell(outcome)

    def guest(self) -> str:
        """Whose stay, for dialogs."""
        if self.stay is None:
            return ""
        room = f", room {self.stay.room_number}" if self.stay.room_number else ""
        return say.clip(say.name_of(self.stay), 40) + room


class MoveActs(StayActs):
    """Check in, assign, move, extend or shorten, undo, check out, no-show, cancel."""

    def action_check_in(self) -> None:
        """Into the assigned room, or into one chosen now."""
        self.act(self._check_in)

    async def _check_in(self) -> None:
        room_id: str | None = None
        if self.stay is not None and self.stay.room_id is None:
            room_id = await self._choose("Check in: which room?")
            if room_id is None:
                return
        given: dict[str, Any] = {"roomId": room_id, "acceptNotReady": False}
        outcome = await self.do(queries.CHECK_IN, **given)
        if outcome.code in NOT_READY and await self.confirm(
            f"{outcome.sentence}\n\nGive the room although it is not ready?"
        ):
            await self.do(queries.CHECK_IN, **(given | {"acceptNotReady": True}))

    def action_assign(self) -> None:
        """Give the stay a room, before it arrives."""
        self.act(self._assign)

    async def _assign(self) -> None:
        room_id = await self._choose("Assign which room?")
        if room_id is not None:
            await self.do(queries.ASSIGN_ROOM, roomId=room_id)

    def action_move(self) -> None:
        """Into another room: the new key first, then the old one dies."""
        self.act(self._move)

    async def _move(self) -> None:
        room_id = await self._choose("Move to which room?")
        if room_id is None:
            return
        reason = [Field(name="reason", label="Why")]
        await self.fill("Move", queries.MOVE_ROOM, reason, roomId=room_id, acceptNotReady=False)

    def action_departure(self) -> None:
        """Longer or shorter; added nights are priced by the box."""
        if self.stay is not None:
            fields = [Field(name="departure", label="Leaves on", kind="date")]
            title = f"Change the departure (now {say.day(self.stay.departure)})"
            self.act(partial(self.fill, title, queries.CHANGE_DEPARTURE, fields))

    def action_undo(self) -> None:
        """A wrong check-in."""
        reason = [Field(name="reason", label="Why")]
        self.act(partial(self.fill, "Undo the check-in", queries.UNDO_CHECK_IN, reason))

    def action_check_out(self) -> None:
        """Keys die at once."""
        self.act(self._check_out)

    async def _check_out(self) -> None:
        question = f"Check out {self.guest()}?\nThe keys stop working."
        balance = self.stay.balance if self.stay else None
        if balance is not None and balance.due_minor > 0:
            question += f"\n\nSTILL DUE: {say.money(balance.due_minor, balance.currency)}"
        if balance is not None and balance.pending_minor:
            question += f"\nPENDING: {say.money(balance.pending_minor, balance.currency)}"
        if await self.confirm(question):
            await self.do(queries.CHECK_OUT)

    def action_no_show(self) -> None:
        """A person's decision, never the clock's."""
        self.act(self._no_show)

    async def _no_show(self) -> None:
        if await self.confirm(f"{self.guest()} did not come?\nThe nights become free."):
            await self.do(queries.MARK_NO_SHOW)

    def action_cancel(self) -> None:
        """With a reason; it cannot be taken back."""
        self.act(self._cancel)

    async def _cancel(self) -> None:
        if await self.confirm(f"Cancel the booking of {self.guest()}?\nIt cannot be taken back."):
            await self.fill("Cancel", queries.CANCEL_STAY, [Field(name="reason", label="Why")])

    async def _choose(self, title: str) -> str | None:
        """A free room of the stay's nights; the booked type first."""
        stay = self.stay
        if stay is None:
            return None
        self.say("Asking for free rooms ...")
        arrival = max(stay.arrival, self.desk.today) if stay.state == "IN_HOUSE" else stay.arrival
        window = {"arrival": arrival, "departure": stay.departure, "roomTypeId": None}
        told = await self.desk.told(queries.FREE, **window)
        self.say("" if told.as_of_ms is None else "The box cannot be reached: no rooms to offer.")
        if told.as_of_ms is not None:
            return None
        groups = sorted(told.data or [], key=lambda each: each.room_type_id != stay.room_type_id)
        lines = [(room.id, self._room_line(room)) for each in groups for room in each.rooms]
        if not lines:
            self.say("No room is free for these nights.", "warn")
            return None
        return await self.dialog(Choose(f"{title}  {self.guest()}", lines))

    def _room_line(self, room: Room) -> str:
        status = say.ROOM_STATUS.get(room.status, room.status)
        title = self.desk.type_title(room.room_type_id)
        return f"{room.number:<6} {say.clip(title, 18):<18} floor {room.floor:<3} {status}"
