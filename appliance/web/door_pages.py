"""A guest's own door: the button that always works, the phone's own key, the PIN, what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from appliance.engines.doors.messages import NotePinShown, RemovePhone
from appliance.kernel.messages import Done
from appliance.web import guest
from appliance.web.limits import TUNNEL_ROOT
from appliance.web.pages import new_command_id, see

if TYPE_CHECKING:
    from appliance.web.context import Ports, Request
    from appliance.web.guest import DoorNow
    from appliance.web.pages import Pages
    from appliance.web.sessions import Sessions

# What the page's script says; it is given every sentence, so that none stands in a script.
_SAID: Final = (
    "title",
    "by_box",
    "bluetooth",
    "tunnel",
    "working_bluetooth",
    "working_tunnel",
    "working_key",
    "done",
    "repeated",
    "refused",
    "unknown",
    "insecure",
    "no_lock",
    "no_key",
    "not_found",
    "bluetooth_off",
    "link_lost",
    "not_this_lock",
    "another_door",
    "line",
    "broke",
    "ready",
    "old",
)
REASONS: Final = (
    "busy",
    "rate_limited",
    "expired",
    "not_yet",
    "superseded",
    "denied",
    "no_time",
    "privacy",
    "jammed",
    "schedule",
    "other",
)


class DoorPages:
    """The pages below /my/doors."""

    def __init__(self, ports: Ports, sessions: Sessions, pages: Pages) -> None:
        self._ports = ports
        self._sessions = sessions
        self._pages = pages

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get(TUNNEL_ROOT + "{door}", self.door),
            web.post(TUNNEL_ROOT + "{door}/pin", self.pin),
            web.post(TUNNEL_ROOT + "{door}/forget", self.forget),
        ]

    async def door(self, request: web.Request) -> web.StreamResponse:
        """GET /my/doors/<door>: of a door the guest has a living key for, and of no other."""
        asked = await self._pages.guest(request)
        if asked is None:
            return await self._pages.ended(request)
        door = await guest.door_of(asked, request.match_info["door"][:80])
        if door is None:
            return await self._pages.not_found(request)
        return await self._page(request, asked, door)

    async def pin(self, request: web.Request) -> web.StreamResponse:
        """POST /my/doors/<door>/pin: the digits, after the look at them is a fact."""
        asked = await self._pages.guest(request)
        if asked is None:
            return await self._pages.ended(request)
        door = await guest.door_of(asked, request.match_info["door"][:80])
        if door is None:
            return await self._pages.not_found(request)
        form = await self._pages.form(request)
        facts = door.key.facts
        look = NotePinShown(door_id=facts.door_id, key_id=facts.key_id)
        said = await asked.ask(look, self._pages.command_id(form))
        if not isinstance(said, Done):
            return await self._page(request, asked, door, problem=asked.say(said))
        return await self._page(request, asked, door, pin=self._ports.locksmith.pin(facts))

    async def forget(self, request: web.Request) -> web.StreamResponse:
        """POST /my/doors/<door>/forget: one phone of this stay gets no key any more."""
        asked = await self._pages.guest(request)
        if asked is None:
            return await self._pages.ended(request)
        door = await guest.door_of(asked, request.match_info["door"][:80])
        if door is None:
            return await self._pages.not_found(request)
        form = await self._pages.form(request)
        command = RemovePhone(
            holder_kind=door.key.holder_kind,
            holder_id=door.key.holder_id,
            phone_id=form.get("phone", "")[:80],
        )
        said = await asked.ask(command, self._pages.command_id(form))
        if not isinstance(said, Done):
            return await self._page(request, asked, door, problem=asked.say(said))
        return see(TUNNEL_ROOT + door.door_id)

    async def _page(
        self,
        request: web.Request,
        asked: Request,
        door: DoorNow,
        *,
        pin: str = "",
        problem: str = "",
    ) -> web.StreamResponse:
        texts = {key: asked.text(f"page.phone.{key}", door=door.title) for key in _SAID}
        texts["this_one"] = asked.text("page.phones.this_one")
        texts |= {f"reason.{key}": asked.text(f"page.door.reason.{key}") for key in REASONS}
        return await self._pages.page(
            asked,
            request,
            "my_door.html",
            door=door,
            pin=pin,
            problem=problem,
            texts=texts,
            phones=await guest.phones_of(asked),
            command_id=new_command_id(),
            root=TUNNEL_ROOT,
        )
