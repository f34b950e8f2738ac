"""The kiosk's way to the box: one session, honest about every answer that did not come."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from kiosk.clock import Clock
from kiosk.journal import Entry, Journal, plain_part
from kiosk.queries import READ_S, Act, Query
from kiosk.words import Answer, Opening, SignedIn, StaffName

T = TypeVar("T")

# Three: one lost answer is the line, two are bad luck, three are a box that is gone.
ATTEMPTS_MAX = 3
PAUSE_S = 0.2
# The access token is renewed this long before it ends, so that no act meets its end.
RENEW_EARLY_S = 120.0
# The largest answer is a board of a few hundred rooms, well under 1 MiB.
ANSWER_BYTES_MAX = 4 * 1024 * 1024


class Unreachable(Exception):  # noqa: N818 (a state of the world, not a bug)
    """The box did not answer. Reads show what is known; acts are refused kindly.

    `sent` says whether the request may have arrived: then the act is kept under its id.
    """

    def __init__(self, sentence: str, *, sent: bool = False) -> None:
        super().__init__(sentence)
        self.sent = sent


class SignedOut(Exception):  # noqa: N818
    """The box no longer takes us for anybody. Sign in again."""


class Broken(Exception):  # noqa: N818
    """The box answered with something that is no answer; its sentence says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whether the box answers, and since when it does not (milliseconds of this terminal)."""

    reachable: bool
    since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A sign-in that was not taken."""

    sentence: str
    wait_s: int = 0


NOTHING = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct, frozen=True):
    data: msgspec.Raw = NOTHING
    errors: list[dict[str, Any]] = []


class Client:
    """Talks to one box for one terminal. Use `open` and `close`, or as a context.

    `patience` stretches or shortens every timeout, for slow lines and for tests.
    """

    def __init__(
        self,
        base_url: str,
        terminal: str,
        *,
        clock: Clock,
        journal: Journal,
        patience: float = 1.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.terminal = terminal
        self.journal = journal
        self.reach = Reach(reachable=True)
        self.signed_in: SignedIn | None = None
        self.on_reach: Callable[[Reach], None] = lambda _reach: None
        self._clock = clock
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._access_ends_s = 0.0
        self._renewing = asyncio.Lock()
        self._variables: dict[str, dict[str, Any]] = {}

    async def open(self) -> None:
        """Make the session. TCP_NODELAY is on: asyncio sets it on every socket it connects."""
        self._session = aiohttp.ClientSession(
            # Boxes are named by address on a desk network; the default jar drops their cookies.
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            connector=aiohttp.TCPConnector(limit=8, keepalive_timeout=30),
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session, for the live connection."""
        assert self._session is not None, "Client.open() comes first"
        return self._session

    # --- who ------------------------------------------------------------------

    async def staff_names(self) -> list[StaffName]:
        """Who may sign in here. Raises Unreachable."""
        status, body = await self._send("GET", "/staff-names", None, READ_S)
        if status != 200:
            raise Broken(_sentence(body, status))
        return _decode(body, list[StaffName])

    async def sign_in(self, person: str, pin: str) -> SignedIn | Refusal:
        """Show the PIN to the box, once, and forget it. Raises Unreachable."""
        given = {"person": person, "pin": pin, "terminal": self.terminal}
        status, body = await self._send("POST", "/sign-in/staff", given, READ_S)
        if status == 200:
            return self._take(body)
        if 400 <= status < 500:
            said = _loose(body)
            return Refusal(sentence=_sentence(body, status), wait_s=int(said.get("wait_s", 0) or 0))
        raise Broken(_sentence(body, status))

    async def sign_out(self) -> None:
        """Say goodbye to the box, best effort, and forget."""
        try:
            await self._send("POST", "/sign-out", None, READ_S)
        except Unreachable:
            pass  # the refresh cookie ends by itself; nobody else holds it
        finally:
            self.forget()

    def forget(self) -> None:
        """Drop the token and the cookie: the lock screen holds no power over the box."""
        self.signed_in = None
        if self._session is not None:
            self._session.cookie_jar.clear()

    async def access(self) -> str:
        """A token that lives long enough for one act; renewed by one of many askers."""
        if self.signed_in is None:
            raise SignedOut
        if self._clock.monotonic() >= self._access_ends_s - RENEW_EARLY_S:
            await self._renew(self.signed_in.access)
        return self.signed_in.access

    async def _renew(self, stale: str) -> None:
        async with self._renewing:
            if self.signed_in is None:
                raise SignedOut
            if self.signed_in.access != stale:
                return  # somebody else did it while we waited
            # Twice: the box gives the same successor to a repeated refresh for 30 s.
            for last in (False, True):
                try:
                    status, body = await self._send("POST", "/sign-in/refresh", None, READ_S)
                except Unreachable:
                    if last:
                        raise
                    continue
                if status == 200:
                    self._take(body)
                    return
                break
            self.forget()
            raise SignedOut

    def _take(self, body: bytes) -> SignedIn:
        signed_in = _decode(body, SignedIn)
        self.signed_in = signed_in
        self._access_ends_s = self._clock.monotonic() + signed_in.expires_s
        return signed_in

    # --- reading --------------------------------------------------------------

    async def ask(self, query: Query[T], **variables: Any) -> T:
        """Read. Raises Unreachable, SignedOut or Broken."""
        data = await self._graphql(query.name, query.text, variables, READ_S)
        if not query.root:
            answer: T = _decode(data, query.shape)
        else:
            answer = _decode(_decode(data, dict[str, msgspec.Raw])[query.root], query.shape)
        return answer

    # --- acting ---------------------------------------------------------------

    def command_id_for(self, act: Act, variables: dict[str, Any]) -> str:
        """The id of the same act still waiting for its answer, or a new one."""
        for command_id, given in self._variables.items():
            if given == {"act": act.name, **variables}:
                return command_id
        return uuid.uuid4().hex

    def remembers(self, command_id: str) -> bool:
        """Whether this run still holds everything that was sent under the id."""
        return command_id in self._variables

    async def act(self, act: Act, variables: dict[str, Any]) -> Answer:
        """Ask for a change under one id, again under the same id if the answer is lost.

        Raises Unreachable (`sent`: it may have happened and is kept), SignedOut or Broken.
        """
        data = await self._do(act, variables)
        return _decode(data, dict[str, Answer])[act.name]

    async def open_door(self, act: Act, variables: dict[str, Any]) -> Opening:
        """Press a door; the outcome is done, refused, not sent or unknown."""
        data = await self._do(act, variables)
        return _decode(data, dict[str, Opening])[act.name]

    async def finish(self, entry: Entry, act: Act) -> Answer:
        """Ask once more for what a crash left unanswered, with the id it had."""
        given = self._variables.setdefault(entry.command_id, {"act": act.name, **entry.given})
        variables = {key: value for key, value in given.items() if key != "act"}
        if act.name == "openDoor":
            opening = await self.open_door(act, variables)
            return Answer(done=opening.outcome == "DONE", sentence=opening.sentence)
        return await self.act(act, variables)

    async def _do(self, act: Act, variables: dict[str, Any]) -> msgspec.Raw:
        await self.access()  # before the journal: a token that ended is no lost answer
        command_id = self.command_id_for(act, variables)
        repeated = command_id in self._variables
        await self._begin(act, command_id, variables)
        attempts = ATTEMPTS_MAX if self.reach.reachable else 1
        sent = repeated
        for attempt in range(attempts):
            if attempt:
                await self._clock.pause(PAUSE_S)
            try:
                data = await self._graphql(
                    act.name,
                    act.text,
                    {"id": command_id, **variables},
                    act.timeout_s,
                )
            except Unreachable as error:
                sent = sent or error.sent
                continue
            except Broken:
                await self._end(command_id)
                raise
            except SignedOut:
                if not sent:
                    await self._end(command_id)
                raise
            await self._end(command_id)
            return data
        if not sent:
            await self._end(command_id)
            raise Unreachable("The box cannot be reached. Nothing was sent; what you typed stays.")
        raise Unreachable(
            "No answer came; it may have happened. Try again: it counts once, and it is "
            "kept under Hand-over.",
            sent=True,
        )

    async def _begin(self, act: Act, command_id: str, variables: dict[str, Any]) -> None:
        self._variables[command_id] = {"act": act.name, **variables}
        given = plain_part(act.name, variables)
        entry = Entry(
            act=act.name,
            command_id=command_id,
            person=self.signed_in.person if self.signed_in else "",
            at_ms=self._clock.wall_ms(),
            given=given,
            whole=given == variables,
        )
        # A thread: an fsync on a worn card may take longer than a key press may.
        await asyncio.to_thread(self.journal.begin, entry)

    async def _end(self, command_id: str) -> None:
        self._variables.pop(command_id, None)
        await asyncio.to_thread(self.journal.end, command_id)

    # --- the wire -------------------------------------------------------------

    async def _graphql(
        self, name: str, text: str, variables: dict[str, Any], timeout_s: float
    ) -> msgspec.Raw:
        body = {"operationName": name, "query": text, "variables": variables}
        access = await self.access()
        status, answer = await self._send("POST", "/graphql", body, timeout_s, access)
        if status == 401:
            await self._renew(access)
            access = await self.access()
            status, answer = await self._send("POST", "/graphql", body, timeout_s, access)
        if status == 401:
            self.forget()
            raise SignedOut
        if status >= 500:
            raise Unreachable(_sentence(answer, status), sent=True)
        if status != 200:
            raise Broken(_sentence(answer, status))
        envelope = _decode(answer, _Envelope)
        if envelope.errors or bytes(envelope.data) == b"null":
            first = envelope.errors[0] if envelope.errors else {}
            raise Broken(str(first.get("message") or "The box could not say."))
        return envelope.data

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        timeout_s: float,
        access: str | None = None,
    ) -> tuple[int, bytes]:
        headers = {"X-Nightporter": "1"}
        if access is not None:
            headers["Authorization"] = f"Bearer {access}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self.session.request(
                method,
                self.base_url + path,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s * self._patience),
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(ANSWER_BYTES_MAX)
                status = response.status
        except aiohttp.ClientConnectorError as error:
            self._reached(reachable=False)
            raise Unreachable("The box cannot be reached.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._reached(reachable=False)
            raise Unreachable("The box did not answer.", sent=True) from error
        self._reached(reachable=True)
        return status, answer

    def _reached(self, *, reachable: bool) -> None:
        if reachable == self.reach.reachable:
            return
        since_ms = None if reachable else self._clock.wall_ms()
        self.reach = Reach(reachable=reachable, since_ms=since_ms)
        self.on_reach(self.reach)


def _decode(body: bytes | msgspec.Raw, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise Broken(
            "The box answered in words this terminal does not know. Cure: the same release on both."
        ) from error


def _loose(body: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return {}
    return said if isinstance(said, dict) else {}


def _sentence(body: bytes, status: int) -> str:
    said = _loose(body)
    errors = said.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("message") or f"The box said no ({status}).")
    return str(said.get("sentence") or f"The box said no ({status}).")
