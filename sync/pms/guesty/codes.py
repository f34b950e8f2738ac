"""A guest's door code at Guesty: written by whichever door opens, and believed when read back.

There are two doors. Notes of a reservation that lives in the newer store, `keyCode` beside the
other fields for what a channel sold; the wrong one answers 404 or, worse, 200 (cloud.md 1.1).
"""

from __future__ import annotations

from typing import Final

from sync.home import DoorCode, Home, HomeAwayError, HomeSaidNoError
from sync.ledger import Ledger
from sync.outcome import Expired, NotSent, Outcome, Refused, Succeeded
from sync.pms.answers import Said
from sync.pms.guesty.client import Fine, GuestyClient, failure, id_of, rows_of
from sync.pms.guesty.source import LEGACY, RESERVATIONS
from sync.pms.port import LOOKS

# The appliance restarts within seconds.
AWAY_WAIT_MS: Final = 2_000
# Another release, or a box that cannot read the question: nothing changes soon.
SAID_NO_WAIT_MS: Final = 60_000
NO_SUCH_DOOR: Final = frozenset({404, 405, 410})
NOT_THERE: Final = Expired(sentence="Guesty does not know this booking, so it needs no code")
NOT_SHOWN: Final = (
    "Guesty took the door code and does not show it: its application must be given the right to "
    "key codes, until then write the code there by hand"
)


class GuestyCodes:
    """Does `pms.door_code`. The digits live only while they are sent and compared."""

    def __init__(self, *, client: GuestyClient, ledger: Ledger, home: Home) -> None:
        self._client = client
        self._ledger = ledger
        self._home = home

    async def push(self, stay_id: str, upstream_id: str) -> Outcome:
        """Make the reservation's key code equal to the code by now; raises NotFetchedError."""
        code = await self._ask_home(stay_id)
        if isinstance(code, NotSent):
            return code
        mark = f"guesty.coded.{upstream_id}"
        wanted = "" if code is None else code.digits
        if code is None and not self._ledger.kept(mark, bool, default=False):
            # Somebody else's code, or none: not ours to take away.
            return Succeeded(sentence="Guesty has no code of ours", evidence="read_back")
        shown = await self._shown(upstream_id)
        if (shown or "") == wanted:
            self._remember(mark, ours=code is not None)
            return Succeeded(
                sentence="Guesty had it already", provider_ref=upstream_id, evidence="read_back"
            )
        # On disk before the first byte: what we may have written is ours to take away again.
        self._remember(mark, ours=True)
        refused = await self._write(upstream_id, wanted)
        if refused is not None:
            return refused
        # 200 is no proof: only what is read back is.
        if (await self._shown(upstream_id) or "") != wanted:
            return Refused(sentence=NOT_SHOWN)
        self._remember(mark, ours=code is not None)
        said = "Guesty has the code" if code is not None else "Guesty has no code of ours any more"
        return Succeeded(sentence=said, provider_ref=upstream_id, evidence="read_back")

    async def _ask_home(self, stay_id: str) -> DoorCode | NotSent | None:
        try:
            return await self._home.door_code(stay_id)
        except HomeAwayError:
            return NotSent(sentence="the box is restarting: asked again", wait_ms=AWAY_WAIT_MS)
        except HomeSaidNoError:
            sentence = "the box could not read the question for the door's code"
            return NotSent(sentence=sentence, wait_ms=SAID_NO_WAIT_MS)

    async def _write(self, upstream_id: str, wanted: str) -> Outcome | None:
        """None: somebody took it."""
        newer, older = f"{RESERVATIONS}/{upstream_id}/notes", f"{LEGACY}/{upstream_id}"
        reply = await self._client.ask("PUT", newer, fields={"notes": {"keyCode": wanted}})
        if isinstance(reply, Said) and reply.status in NO_SUCH_DOOR:
            reply = await self._client.ask("PUT", older, fields={"keyCode": wanted})
        if isinstance(reply, Said) and reply.status in NO_SUCH_DOOR:
            return Refused(sentence=NOT_SHOWN)
        return None if isinstance(reply, Fine) else failure(reply)

    async def _shown(self, upstream_id: str) -> str | None:
        """The key code as the newer record shows it; None where it says nothing of one."""
        query = [
            ("reservationIds[]", upstream_id),
            ("mergeAccommodationFarePriceComponents", "true"),
        ]
        for _ in range(LOOKS):
            for row in rows_of(await self._client.read(RESERVATIONS, query)):
                if id_of(row) != upstream_id:
                    continue
                notes = row.get("notes")
                inner = notes.get("keyCode") if isinstance(notes, dict) else None
                found = row.get("keyCode") if inner is None else inner
                return found if isinstance(found, str) else None
        return None

    def _remember(self, mark: str, *, ours: bool) -> None:
        with self._ledger.transaction():
            self._ledger.keep(mark, ours)
