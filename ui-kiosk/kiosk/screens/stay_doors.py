"""Acts on a stay's keys and door: cut, lost, PIN aloud, QR, press."""

from __future__ import annotations

from kiosk import queries
from kiosk.screens.pin_aloud import PinAloud
from kiosk.screens.qr import Qr
from kiosk.screens.stay_moves import StayActs
from kiosk.words import Key


class DoorActs(StayActs):
    """A guest without a phone gets a PIN; a guest with one gets a link."""

    def live_keys(self) -> list[Key]:
        """Keys that open something now."""
        return [key for key in self.stay.keys if key.live] if self.stay else []

    def action_cut_key(self) -> None:
        """The first key at once; another one after a question."""
        self.act(self._cut_key)

    async def _cut_key(self) -> None:
        if not self.live_keys():
            await self.do(queries.CUT_KEY, reason="first")
        elif await self.confirm(f"Another key for {self.guest()}?\nThe first one keeps working."):
            await self.do(queries.CUT_KEY, reason="another")

    def action_lost_key(self) -> None:
        """Every older key of the stay dies, a new one is cut."""
        self.act(self._lost_key)

    async def _lost_key(self) -> None:
        if await self.confirm(f"Key of {self.guest()} lost?\nOlder keys die, a new one is cut."):
            await self.do(queries.CUT_KEY, reason="lost")

    def action_reveal_pin(self) -> None:
        """To read aloud; who looked is written down by the box."""
        self.act(self._reveal_pin)

    async def _reveal_pin(self) -> None:
        keys = self.live_keys()
        if not keys:
            self.say("No key is live: cut one first (k).", "warn")
            return
        told = await self.desk.revealed(self.stay_id, keys[-1].id)
        if told is None:
            self.say("No PIN: the box cannot be reached, or this key has none.", "warn")
            return
        self.say("The PIN was shown; it is hidden again.")
        await self.dialog(PinAloud(keys[-1].door_title, told, self.desk.clock))

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
