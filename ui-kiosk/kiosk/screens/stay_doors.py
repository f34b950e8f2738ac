"""Acts on a stay's keys and door: cut, lost, end one, PIN aloud, QR, press."""

from __future__ import annotations

from functools import partial
from typing import Any

from kiosk import queries
from kiosk.desk import Outcome
from kiosk.screens.choose import Choose
from kiosk.screens.form import Field, Form
from kiosk.screens.pin_aloud import PinAloud
from kiosk.screens.qr import Qr
from kiosk.screens.stay_moves import StayActs
from kiosk.stay_text import key_kind
from kiosk.words import Key

# What may be cut beside a key that lives.
FURTHER = [
    ("another", "Another for the same person; the first one keeps working"),
    ("joiner", "For a further person: a PIN of its own, and it can end alone"),
]


class DoorActs(StayActs):
    """A guest without a phone gets a PIN; a guest with one gets a link."""

    def live_keys(self) -> list[Key]:
        """Keys that open something now."""
        return [key for key in self.stay.keys if key.live] if self.stay else []

    def action_cut_key(self) -> None:
        """The first key at once; beside it another one, or a further person's."""
        self.act(self._cut_key)

    async def _cut_key(self) -> None:
        reason: str | None = "first"
        if self.live_keys():
            reason = await self.dialog(Choose(f"Which key?  {self.guest()}", FURTHER))
        if reason is not None:
            await self.do(queries.CUT_KEY, reason=reason)

    def action_lost_key(self) -> None:
        """Every older key of the stay dies, a new one is cut."""
        self.act(self._lost_key)

    async def _lost_key(self) -> None:
        if await self.confirm(f"Key of {self.guest()} lost?\nOlder keys die, a new one is cut."):
            await self.do(queries.CUT_KEY, reason="lost")

    def action_end_key(self) -> None:
        """One key and no other: a person who leaves first, a phone that was lent."""
        self.act(self._end_key)

    async def _end_key(self) -> None:
        key = await self._one_of(self._told_keys(), "End which key?")
        if key is None:
            return
        title = f"End one key: {key.door_title}, {key_kind(key)}. No other key ends."
        reason = [Field(name="reason", label="Why")]
        form = Form(title, reason, partial(self._end, key), desk=self.desk, intro=self.guest())
        outcome = await self.dialog(form)
        if outcome is not None:
            self.tell(outcome)

    async def _end(self, key: Key, values: dict[str, Any]) -> Outcome:
        given = {"doorId": key.door_id, "keyId": key.id, **values}
        return await self.desk.perform(queries.REVOKE_KEY, **given)

    def _told_keys(self) -> list[Key]:
        """Live ones, and those that wait for a guest who comes late."""
        return [key for key in self.stay.keys if key.live or key.prepared] if self.stay else []

    async def _one_of(self, keys: list[Key], title: str) -> Key | None:
        """The only key, or the one that is chosen."""
        if not keys:
            self.say("No key is live: cut one first (k).", "warn")
        if len(keys) < 2:
            return keys[0] if keys else None
        lines = [(key.id, f"{key.door_title}: {key_kind(key)}") for key in keys]
        chosen = await self.dialog(Choose(f"{title}  {self.guest()}", lines))
        return next((key for key in keys if key.id == chosen), None)

    def action_reveal_pin(self) -> None:
        """To read aloud; who looked is written down by the box."""
        self.act(self._reveal_pin)

    async def _reveal_pin(self) -> None:
        key = await self._one_of(self._told_keys(), "The PIN of which key?")
        if key is None:
            return
        told = await self.desk.revealed(self.stay_id, key.id)
        if told is None:
            self.say("No PIN: the box cannot be reached, or this key has none.", "warn")
            return
        self.say("The PIN was shown; it is hidden again.")
        await self.dialog(PinAloud(key.door_title, told, self.desk.clock))

    def action_qr(self) -> None:
        """The guest's own pages."""
        url = self.stay.guest_page_url if self.stay else None
        if url is None:
            self.say("There is no guest page for this stay now.", "warn")
        else:
            self.app.push_screen(Qr(self.guest(), url))

    def action_open_door(self) -> None:
        """Press the door through the box."""
        self.act(self._open_door)

    async def _open_door(self) -> None:
        self.say("Asking the lock, at most 10 s ...")
        kind, sentence = await self.desk.open_door(self.stay_id)
        self.say(sentence, kind)
