"""The guests' pages: plain forms and links, no script needed, every word from the catalogue."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from appliance.bus.words import Outcome
from appliance.engines.climate.messages import SetRoomClimate
from appliance.engines.concierge.messages import MakeRequest, RequestType
from appliance.engines.doors.messages import HolderKind, OpenDoor
from appliance.engines.identity.sign_in import NotIn, SignedIn, Wait
from appliance.engines.stays.messages import StayState
from appliance.kernel.messages import Done
from appliance.kernel.money import say_money
from appliance.web import guest
from appliance.web.context import Ports, Request
from appliance.web.guest import GuestView, OpeningNow
from appliance.web.limits import is_own_origin
from appliance.web.sessions import (
    COOKIE_S,
    DEVICE_COOKIE,
    GUEST_COOKIE,
    LANGUAGE_COOKIE,
    Sessions,
)
from appliance.web.texts import LANGUAGES

# A second: the door itself answers in a tenth, so most guests see two pages and no waiting.
REFRESH_S: Final = 1
# What is unknown is asked of the lock meanwhile; the page tells when it is known.
_LOOK_AGAIN_S: Final = {None: REFRESH_S, Outcome.UNKNOWN: 10}
# While the room is made ready the page looks again by itself.
READY_REFRESH_S: Final = 60
COMMAND_ID_CHARS_MAX: Final = 64
FIELD_CHARS_MAX: Final = 2_000
# The types a guest is offered; a leak is what sensors report, and what "something broken" is for.
OFFERED: Final = (
    RequestType.TOWELS,
    RequestType.CLEANING,
    RequestType.MAINTENANCE,
    RequestType.LUGGAGE,
    RequestType.WAKE_UP,
    RequestType.HELP,
)
LANGUAGE_NAMES: Final = {"en": "English", "de": "Deutsch"}


class Pages:
    """Every page of a guest."""

    def __init__(self, ports: Ports, sessions: Sessions, *, secure: bool) -> None:
        self._ports = ports
        self._sessions = sessions
        self._secure = secure
        self._environment = Environment(
            loader=PackageLoader("appliance.web", "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[web.RouteDef]:
        """The addresses of the pages."""
        return [
            web.get("/", self.front),
            web.get("/sign-in", self.sign_in),
            web.post("/sign-in", self.signed_in),
            web.get("/k/{link}", self.link),
            web.post("/k/{link}", self.followed),
            web.get("/stay", self.stay),
            web.get("/door", self.front),
            web.post("/door", self.press),
            web.get("/door/{opening}", self.door),
            web.get("/climate", self.climate),
            web.post("/climate", self.set_climate),
            web.get("/help", self.help),
            web.post("/help", self.ask_help),
        ]

    # --- in and out

    async def front(self, _request: web.Request) -> web.StreamResponse:
        """GET /: wherever the guest belongs."""
        return see("/stay")

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """GET /sign-in."""
        if await self._sessions.guest(request) is not None:
            return see("/stay")
        return await self._sign_in_page(request)

    async def _sign_in_page(
        self, request: web.Request, problem: str = "", *, status: int = 200, **typed: str
    ) -> web.StreamResponse:
        asked = self._sessions.context(request, None)
        response = await self.page(
            asked, request, "sign_in.html", status=status, problem=problem, typed=typed
        )
        if DEVICE_COOKIE not in request.cookies:
            # Tells two phones behind one address apart when somebody guesses.
            response.set_cookie(
                DEVICE_COOKIE,
                secrets.token_urlsafe(16),
                max_age=COOKIE_S,
                httponly=True,
                samesite="Lax",
                secure=self._secure,
            )
        return response

    async def signed_in(self, request: web.Request) -> web.StreamResponse:
        """POST /sign-in: one neutral sentence for every reason of a no."""
        form = await self.form(request)
        room, surname, code = form.get("room", ""), form.get("surname", ""), form.get("code", "")
        answer = await self._sessions.let_guest_in(request, room=room, surname=surname, code=code)
        return await self._let_in(request, answer, "page.sign_in.refused", room=room)

    async def _let_in(
        self, request: web.Request, answer: SignedIn | NotIn | Wait, no: str, **typed: str
    ) -> web.StreamResponse:
        asked = self._sessions.context(request, None)
        match answer:
            case SignedIn():
                response = see("/stay")
                self._sessions.keep_guest(response, answer)
                return response
            case Wait(seconds):
                minutes = max(1, int(-(-seconds // 60)))
                problem = asked.text("page.sign_in.wait", minutes=minutes)
                page = await self._sign_in_page(request, problem, status=429, **typed)
                page.headers["Retry-After"] = str(int(-(-seconds // 1)))
                return page
            case NotIn():
                return await self._sign_in_page(request, asked.text(no), status=401, **typed)

    async def link(self, request: web.Request) -> web.StreamResponse:
        """GET /k/<link>: a button, since the preview of a message must not use the link up."""
        asked = self._sessions.context(request, None)
        return await self.page(asked, request, "link.html", link=request.match_info["link"])

    async def followed(self, request: web.Request) -> web.StreamResponse:
        """POST /k/<link>: the one use of the link."""
        link = request.match_info["link"]
        answer = await self._sessions.follow_link(request, link)
        return await self._let_in(request, answer, "page.sign_in.link_old")

    # --- the stay

    async def stay(self, request: web.Request) -> web.StreamResponse:
        """GET /stay."""
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        view = await guest.view_of(asked)
        if view is None:
            return await self.ended(request)
        return await self._stay_page(request, asked, view)

    async def _stay_page(
        self, request: web.Request, asked: Request, view: GuestView, problem: str = ""
    ) -> web.StreamResponse:
        template = {
            StayState.CONFIRMED: "before.html",
            StayState.IN_HOUSE: "stay.html",
            StayState.DEPARTED: "goodbye.html",
        }.get(view.state, "ended.html")
        return await self.page(
            asked,
            request,
            template,
            view=view,
            problem=problem,
            command_id=new_command_id(),
            refresh_s=READY_REFRESH_S if view.state is StayState.CONFIRMED else None,
        )

    # --- the door

    async def press(self, request: web.Request) -> web.StreamResponse:
        """POST /door: one press for one command id, however often the form arrives."""
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        form = await self.form(request)
        view = await guest.view_of(asked)
        if view is None:
            return await self.ended(request)
        command = OpenDoor(
            door_id=form.get("door", "")[:80],
            holder_kind=HolderKind.STAY,
            holder_id=view.stay_id,
        )
        answer = await asked.ask(command, self.command_id(form))
        if isinstance(answer, Done):
            return see(f"/door/{answer.result['opening_id']}")
        return await self._stay_page(request, asked, view, problem=asked.say(answer))

    async def door(self, request: web.Request) -> web.StreamResponse:
        """GET /door/<opening>: waits by looking again, then says what became of it and what to do."""
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        opening = await guest.opening_of(asked, request.match_info["opening"])
        if opening is None:
            return await self.not_found(request)
        waiting = opening.outcome is None
        return await self.page(
            asked,
            request,
            "door.html",
            opening=opening,
            waiting=waiting,
            steps=self._what_to_do(asked, opening),
            shown_by=_shown_by(asked, opening),
            command_id=new_command_id(),
            refresh_s=_LOOK_AGAIN_S.get(opening.outcome),
        )

    def _what_to_do(self, asked: Request, opening: OpeningNow) -> list[str]:
        def text(key: str) -> str:
            return asked.text(f"page.door.{key}", door=opening.door_title)

        match opening.outcome:
            case Outcome.REFUSED:
                return [text("refused_cure")]
            case Outcome.NOT_SENT:
                return [text("not_sent_cure")]
            case Outcome.UNKNOWN:
                return [
                    text("unknown_do_1"),
                    text("unknown_do_2"),
                    text("unknown_do_3"),
                    text("unknown_close"),
                ]
            case Outcome.DONE | None:
                return []

    # --- climate and help

    async def climate(self, request: web.Request) -> web.StreamResponse:
        """GET /climate."""
        return await self._climate(request)

    async def _climate(self, request: web.Request, problem: str = "") -> web.StreamResponse:
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        view = await guest.view_of(asked)
        if view is None or view.state is not StayState.IN_HOUSE or view.room_id is None:
            return see("/stay")
        now = await guest.climate_of(asked, view.room_id)
        return await self.page(
            asked,
            request,
            "climate.html",
            view=view,
            now_climate=now,
            choices=range(guest.SET_POINT_C10_MIN, guest.SET_POINT_C10_MAX + 1, 5),
            problem=problem,
            command_id=new_command_id(),
        )

    async def set_climate(self, request: web.Request) -> web.StreamResponse:
        """POST /climate: a wish in degrees."""
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        form = await self.form(request)
        view = await guest.view_of(asked)
        set_point_c10 = guest.tenths(form.get("degrees", ""))
        if view is None or view.room_id is None or set_point_c10 is None:
            return await self._climate(request, asked.text("refusal.climate.out_of_range"))
        command = SetRoomClimate(
            room_id=view.room_id, set_point_c10=set_point_c10, eco="eco" in form
        )
        answer = await asked.ask(command, self.command_id(form))
        if isinstance(answer, Done):
            return see("/climate")
        return await self._climate(request, asked.say(answer))

    async def help(self, request: web.Request) -> web.StreamResponse:
        """GET /help."""
        return await self._help(request)

    async def _help(self, request: web.Request, problem: str = "") -> web.StreamResponse:
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        view = await guest.view_of(asked)
        if view is None:
            return await self.ended(request)
        return await self.page(
            asked,
            request,
            "help.html",
            view=view,
            types=OFFERED,
            mine=await guest.requests_of(asked, view.stay_id),
            problem=problem,
            sent=request.query.get("sent") == "1" and not problem,
            command_id=new_command_id(),
        )

    async def ask_help(self, request: web.Request) -> web.StreamResponse:
        """POST /help."""
        asked = await self.guest(request)
        if asked is None:
            return await self.ended(request)
        form = await self.form(request)
        view = await guest.view_of(asked)
        kind = form.get("type", "")
        if view is None or kind not in {each.value for each in OFFERED}:
            return await self._help(request, asked.text("refusal.concierge.empty"))
        request_type = RequestType(kind)
        words = form.get("words", "").strip()
        command = MakeRequest(
            stay_id=view.stay_id,
            room_id=view.room_id,
            type=request_type,
            text=words or asked.text(f"page.help.type.{kind}"),
        )
        answer = await asked.ask(command, self.command_id(form))
        if isinstance(answer, Done):
            return see("/help?sent=1")
        return await self._help(request, asked.say(answer))

    # --- what every page needs

    async def not_found(self, request: web.Request) -> web.StreamResponse:
        """404, in the guest's language."""
        asked = self._sessions.context(request, await self._sessions.guest(request))
        return await self.page(asked, request, "not_found.html", status=404)

    async def guest(self, request: web.Request) -> Request | None:
        """Whoever is signed in; None too for a form that another site sent."""
        if request.method == "POST" and not is_own_origin(request):
            return None
        signed = await self._sessions.guest(request)
        return None if signed is None else self._sessions.context(request, signed)

    async def ended(self, request: web.Request) -> web.StreamResponse:
        """No session any more: the sign-in page, saying so only where there was one."""
        if GUEST_COOKIE not in request.cookies:
            return see("/sign-in")
        asked = self._sessions.context(request, None)
        response = await self._sign_in_page(request, asked.text("page.sign_in.again"), status=401)
        response.del_cookie(GUEST_COOKIE, path="/")
        return response

    async def form(self, request: web.Request) -> dict[str, str]:
        """The fields of a form, the first of each name; anything else is no form."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPBadRequest
        fields = await request.post()
        return {
            name: value[:FIELD_CHARS_MAX]
            for name, value in fields.items()
            if isinstance(value, str) and len(name) <= COMMAND_ID_CHARS_MAX
        }

    def command_id(self, form: dict[str, str]) -> str:
        """The id a form carries, so that sending it twice is asking once."""
        # A form without an id is asked once: nobody can repeat it.
        given = form.get("id", "")
        fits = 16 <= len(given) <= COMMAND_ID_CHARS_MAX and given.isascii() and given.isalnum()
        return given if fits else new_command_id()

    async def page(
        self, asked: Request, request: web.Request, template: str, *, status: int = 200, **more: Any
    ) -> web.Response:
        """A page in the asker's language, in the frame of the house."""
        house = await guest.house_of(asked)
        words = Words(asked, house.time_zone)
        html = self._environment.get_template(template).render(
            {
                "refresh_s": None,
                "problem": "",
                **more,
                "t": asked.text,
                "words": words,
                "house": house,
                "language": asked.language,
                "languages": LANGUAGE_NAMES,
                "signed_in": asked.signed is not None,
                "here": request.path,
                "now": words.time(asked.clock.read().wall_ms),
            }
        )
        response = web.Response(text=html, content_type="text/html", status=status)
        response.headers["Content-Language"] = asked.language
        response.headers["Vary"] = "Accept-Language, Cookie"
        chosen = request.query.get("lang", "")
        if chosen in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE, chosen, max_age=COOKIE_S, samesite="Lax", secure=self._secure
            )
        return response


def _shown_by(asked: Request, opening: OpeningNow) -> str:
    """How the box knows, in a sentence; empty where it does not."""
    if opening.outcome is None or opening.evidence is None:
        return ""
    key = f"page.door.evidence.{opening.evidence.partition(':')[0]}"
    sentence = asked.text(key)
    return "" if sentence == key else sentence


class Words:
    """Dates, times, money and degrees as the guest's language writes them."""

    def __init__(self, asked: Request, time_zone: str) -> None:
        self._asked = asked
        # English is for guests of every country: days and hours as most of the world writes them.
        self._locale = {"en": "en_GB"}.get(asked.language, asked.language)
        self._zone = ZoneInfo(time_zone)

    def date(self, day: Any) -> str:
        """Friday, 30 October."""
        from babel.dates import format_date  # noqa: PLC0415 - 50 ms that no start waits for

        pattern = "EEEE, d. MMMM" if self._locale == "de" else "EEEE, d MMMM"
        return format_date(day, pattern, locale=self._locale)

    def clock(self, text: str) -> str:
        """A local time "HH:MM" as the language writes it."""
        from babel.dates import format_time  # noqa: PLC0415 - see `date`

        return format_time(datetime.strptime(text, "%H:%M").time(), "short", locale=self._locale)  # noqa: DTZ007 - a time on the wall, of no day

    def time(self, wall_ms: int) -> str:
        """A moment as a time on the hotel's wall."""
        from babel.dates import format_time  # noqa: PLC0415 - see `date`

        moment = datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(self._zone)
        return format_time(moment, "short", tzinfo=self._zone, locale=self._locale)

    def moment(self, wall_ms: int) -> str:
        """Friday, 30 October, 11:00."""
        day = datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(self._zone)
        return f"{self.date(day)}, {self.time(wall_ms)}"

    def money(self, amount_minor: int, currency: str) -> str:
        """€12.50."""
        return say_money(amount_minor, currency, self._locale)

    def degrees(self, c10: int) -> str:
        """21.5 °C."""
        number = f"{c10 / 10:.1f}"
        return f"{number.replace('.', ',') if self._locale == 'de' else number} °C"

    def age(self, age_ms: int) -> str:
        """How long ago, in the largest unit that says it."""
        for unit_ms, key, until in ((1_000, "seconds", 120), (60_000, "minutes", 120)):
            if age_ms < unit_ms * until:
                return self._asked.text(f"age.{key}", count=age_ms // unit_ms)
        hours = age_ms // 3_600_000
        if hours < 48:
            return self._asked.text("age.hours", count=hours)
        return self._asked.text("age.days", count=hours // 24)

    def nights(self, count: int) -> str:
        """3 nights."""
        key = "nights_one" if count == 1 else "nights_many"
        return self._asked.text(f"page.stay.{key}", count=count)


def see(path: str) -> web.Response:
    """303: the browser asks for another page, and a reload repeats nothing."""
    return web.Response(status=303, headers={"Location": path})


def new_command_id() -> str:
    """An id for one act, hidden in its form."""
    return secrets.token_hex(16)
