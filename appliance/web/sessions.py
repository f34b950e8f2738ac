"""Signing in and out over HTTP. Identity decides who; here are the cookies, codes and sentences."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any, Final

import msgspec
from aiohttp import web

from appliance.asked import NotForYouError
from appliance.engines.identity import api as identity
from appliance.engines.identity.sign_in import From, NotIn, SignedIn, Wait
from appliance.engines.identity.tokens import Access
from appliance.kernel.messages import Role, Surface
from appliance.kernel.telemetry import valid_traceparent
from appliance.web.context import Ports, Request
from appliance.web.limits import Networks, is_own_origin, refusal, too_many
from appliance.web.texts import choose_language

logger = logging.getLogger(__name__)

GUEST_COOKIE: Final = "np_guest"
REFRESH_COOKIE: Final = "np_refresh"
DEVICE_COOKIE: Final = "np_device"
LANGUAGE_COOKIE: Final = "np_language"
# A browser keeps cookies 400 days at most; the session itself ends with the stay.
COOKIE_S: Final = 400 * 86_400
# A terminal that was off over a long weekend signs in anew.
REFRESH_COOKIE_S: Final = 24 * 3_600
# Every terminal of a large house, several times over; reading one costs half a millisecond.
TOKENS_MAX: Final = 256
# What a page of another origin cannot send without being allowed to (CSRF).
OWN_HEADER: Final = "X-Nightporter"


class StaffForm(msgspec.Struct):
    """Body of POST /sign-in/staff."""

    person: str
    pin: str
    terminal: str


class Sessions:
    """The endpoints of signing in, and who is behind a request."""

    def __init__(self, ports: Ports, desk: Networks, *, secure: bool) -> None:
        self._ports = ports
        self._desk = desk
        self._secure = secure
        self._read: OrderedDict[str, Access] = OrderedDict()
        self._staff_form = msgspec.json.Decoder(StaffForm)

    def routes(self) -> list[web.RouteDef]:
        """The endpoints."""
        return [
            web.post("/sign-in/staff", self.sign_in_staff),
            web.post("/sign-in/refresh", self.refresh),
            web.post("/sign-out", self.sign_out),
            web.get("/staff-names", self.staff_names),
        ]

    # --- who asks

    def language(self, request: web.Request) -> str:
        """The language of a request: the one that was chosen, else the browser's wish."""
        chosen = request.query.get("lang") or request.cookies.get(LANGUAGE_COOKIE, "")
        if chosen in self._ports.texts.catalogues:
            return chosen
        return choose_language(request.headers.get("Accept-Language"))

    def context(self, request: web.Request, signed: Any) -> Request:
        """The context of a request of somebody."""
        return Request(
            self._ports,
            signed=signed,
            language=self.language(request),
            trace=valid_traceparent(request.headers.get("traceparent")),
            address=request.remote or "",
        )

    async def of_api(self, request: web.Request) -> Request | web.Response:
        """Who calls the API: a bearer of an access token, or a guest page of this very site."""
        header = request.headers.get("Authorization", "")
        kind, _, token = header.partition(" ")
        if header:
            signed = None
            if kind.lower() == "bearer":
                signed = await self.of_bearer(token.strip())
            if signed is None:
                return refusal(401, self._say(request, "page.sign_in.again"))
            return self.context(request, signed)
        signed = await self.guest(request)
        if signed is None:
            return self.context(request, None)
        if request.headers.get(OWN_HEADER) != "1" or not is_own_origin(request):
            return refusal(403, self._say(request, "error.not_for_you"))
        return self.context(request, signed)

    async def of_bearer(self, token: str) -> Any:
        """Who has this access token. Its signature is checked once, its session every time."""
        access = self._read.get(token) or self._ports.tokens.read_access(token)
        if access is None or self._ports.clock.read().wall_s >= access.expires_at_s:
            self._read.pop(token, None)
            return None
        self._read[token] = access
        self._read.move_to_end(token)
        if len(self._read) > TOKENS_MAX:
            self._read.popitem(last=False)
        return await self._ports.sessions.of_session(access.session_hash)

    async def guest(self, request: web.Request) -> Any:
        """The guest behind a page's cookie, or None."""
        token = request.cookies.get(GUEST_COOKIE, "")
        return await self._ports.sessions.of_cookie(token) if token else None

    # --- staff

    async def sign_in_staff(self, request: web.Request) -> web.StreamResponse:
        """POST /sign-in/staff: a person's PIN at a terminal."""
        if request.content_type != "application/json":
            return refusal(400, "Send person, pin and terminal as JSON.")
        try:
            form = self._staff_form.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError):
            return refusal(400, "Send person, pin and terminal as JSON.")
        answer = await self._ports.sign_in.staff(
            person_id=form.person,
            pin=form.pin,
            terminal=form.terminal,
            source=self._source(request, Surface.KIOSK),
        )
        return await self._let_in(request, answer)

    async def refresh(self, request: web.Request) -> web.StreamResponse:
        """POST /sign-in/refresh: the next access token, and the next refresh cookie."""
        if not is_own_origin(request):
            return refusal(403, self._say(request, "error.not_for_you"))
        token = request.cookies.get(REFRESH_COOKIE, "")
        return await self._let_in(request, await self._ports.sign_in.refresh(token))

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """POST /sign-out: end the session behind the token or the cookie."""
        if not is_own_origin(request):
            return refusal(403, self._say(request, "error.not_for_you"))
        header = request.headers.get("Authorization", "").partition(" ")[2].strip()
        if header:
            signed = await self.of_bearer(header)
        else:
            signed = await self.guest(request)
        if signed is not None:
            await self._ports.sign_in.sign_out(signed.session_hash)
        if header:
            response: web.StreamResponse = web.json_response({})
        else:
            # The phone's own key and the door's page go with the session that they belong to.
            forget = {"Clear-Site-Data": '"cache", "storage"'}
            response = web.Response(status=303, headers={"Location": "/sign-in", **forget})
        response.del_cookie(GUEST_COOKIE, path="/")
        response.del_cookie(REFRESH_COOKIE, path="/sign-in")
        return response

    async def staff_names(self, request: web.Request) -> web.StreamResponse:
        """GET /staff-names: who may sign in at a terminal; to the desk's own network only."""
        if not self._desk.hold(request.remote):
            return refusal(404, "There is nothing here.")
        people = await identity.load_staff(self.context(request, None))
        return web.json_response(
            [{"person": person.person_id, "name": person.name} for person in people]
        )

    async def _let_in(self, request: web.Request, answer: Any) -> web.StreamResponse:
        match answer:
            case Wait(seconds):
                sentence = self._say(
                    request, "page.sign_in.wait", minutes=max(1, int(-(-seconds // 60)))
                )
                return too_many(seconds, sentence)
            case NotIn():
                return refusal(401, self._say(request, "desk.sign_in_refused"))
            case SignedIn():
                return await self._greeted(request, answer)
            case _:
                raise TypeError(type(answer))

    async def _greeted(self, request: web.Request, answer: SignedIn) -> web.StreamResponse:
        signed = await self._ports.sessions.of_session(answer.session_hash)
        if signed is None:
            return refusal(401, self._say(request, "desk.sign_in_refused"))
        access, expires_s = await self._ports.sessions.access_of(signed)
        response = web.json_response(
            {
                "access": access,
                "person": answer.person_id,
                "roles": [role.value for role in signed.roles],
                "shift": signed.shift,
                "expires_s": expires_s,
            }
        )
        response.set_cookie(
            REFRESH_COOKIE,
            answer.token,
            path="/sign-in",
            max_age=REFRESH_COOKIE_S,
            httponly=True,
            samesite="Strict",
            secure=self._secure,
        )
        return response

    # --- guests

    async def let_guest_in(
        self, request: web.Request, *, room: str, surname: str, code: str
    ) -> SignedIn | NotIn | Wait:
        """What a guest typed: a code, or room and surname."""
        source = self._source(request, Surface.GUEST_APP)
        if code.strip():
            answer = await self._ports.sign_in.guest_code(code=code, surname=surname, source=source)
        else:
            answer = await self._ports.sign_in.guest_room(room=room, surname=surname, source=source)
        return _either(answer)

    async def follow_link(self, request: web.Request, link: str) -> SignedIn | NotIn | Wait:
        """The link behind a QR code; it is good for one use."""
        source = self._source(request, Surface.GUEST_APP)
        return _either(await self._ports.sign_in.guest_link(link=link, source=source))

    def keep_guest(self, response: web.StreamResponse, signed: SignedIn) -> None:
        """Give the browser its session. Lax: a scanned code leads here from outside."""
        response.set_cookie(
            GUEST_COOKIE,
            signed.token,
            path="/",
            max_age=COOKIE_S,
            httponly=True,
            samesite="Lax",
            secure=self._secure,
        )

    def _source(self, request: web.Request, surface: Surface) -> From:
        device = request.cookies.get(DEVICE_COOKIE)
        return From(
            address=request.remote or "",
            device=device[:80] if device else None,
            surface=surface,
        )

    def _say(self, request: web.Request, key: str, **values: object) -> str:
        return self._ports.texts.text(key, self.language(request), **values)


async def approve(asked: Request, person: str, pin: str, roles: frozenset[Role]) -> None:
    """A manager's PIN at somebody else's terminal; raises where it does not fit."""
    answer = await asked.ports.sign_in.approve(
        person_id=person, pin=pin, roles=roles, source=From(address=asked.address)
    )
    if answer is not True:
        raise NotForYouError


def _either(answer: Any) -> SignedIn | NotIn | Wait:
    assert isinstance(answer, SignedIn | NotIn | Wait), type(answer)
    return answer
