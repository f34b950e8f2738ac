"""What one request knows: who asks, how to ask, and the parts of the box by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from appliance.asked import GUEST_ROLES, Asked, NeedsSignInError, NotForYouError
from appliance.engines.stays import queries as stays
from appliance.kernel.ask import Asker
from appliance.kernel.clock import Clock
from appliance.kernel.deciding import Asking
from appliance.kernel.followers import Followers
from appliance.kernel.health import Health
from appliance.kernel.messages import Answer, Command, Done, Role, Who
from appliance.kernel.reader import Reader
from appliance.kernel.settings import WebSettings
from appliance.kernel.tasks import Nursery
from appliance.kernel.telemetry import Metrics, Tracer
from appliance.kernel.vault import Vault
from appliance.web.news import News
from appliance.web.texts import Texts

if TYPE_CHECKING:
    from appliance.bus.words import LockState, ThermostatState

__all__ = ["Asked", "Ports", "Request", "Settled"]


class Settled(Protocol):
    """What is known of an opening (doors' gateway)."""

    @property
    def outcome(self) -> Any:
        """`Outcome`, or None while it is on its way."""
        ...

    @property
    def refusal(self) -> Any:
        """`LockRefusal` where the lock said no."""
        ...

    @property
    def evidence(self) -> str | None:
        """What shows it."""
        ...


class SignedIn(Protocol):
    """A session in use (identity's `Signed`)."""

    @property
    def session_hash(self) -> str:
        """Which session it is."""
        ...

    @property
    def stay_id(self) -> str | None:
        """The stay of a guest's session."""
        ...

    def who(self, command: type[Command] | None = None) -> Who:
        """Who asks; with a command, in the role that may ask it."""
        ...


class Outcomes(Protocol):
    """Waits for the end of a press: doors' gateway."""

    async def outcome_of(self, opening_id: str) -> Settled | None:
        """The outcome as soon as it is on disk, UNKNOWN after 8 s at most; None: no such one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNow:
    """What a thing on the bus last said. Ages in milliseconds; None: never heard."""

    online: bool | None = None
    age_ms: int | None = None
    lock: LockState | None = None
    thermostat: ThermostatState | None = None


class Devices(Protocol):
    """What every thing on the bus last said."""

    def now(self, device_id: str) -> DeviceNow:
        """One thing; a stranger was never heard."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """An item of sync's that waits for a person."""

    id: str
    entity: str
    sentence: str
    since_ms: int
    said: str = ""  # what sync answered the desk about it
    said_of_ms: int = 0  # when that had been asked
    editable: Mapping[str, str] = field(default_factory=dict)  # by ParkedField, as it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStanding:
    """What sync last reported of itself. None: it never did."""

    line_down_since_ms: int | None = None
    parked: Sequence[Parked] = ()
    reported_at_ms: int | None = None


class NobodyHeard:
    """A box without a bus: nothing was ever heard."""

    def now(self, device_id: str) -> DeviceNow:
        """Never heard."""
        del device_id
        return DeviceNow()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The parts of the box that the web needs, each by its name; main builds them once."""

    asker: Asker
    reader: Reader
    vault: Vault
    clock: Clock
    nursery: Nursery
    tracer: Tracer
    metrics: Metrics
    health: Health
    followers: Followers
    settings: WebSettings
    texts: Texts
    outcomes: Outcomes
    sign_in: Any  # identity's sign_in.SignIn
    sessions: Any  # identity's sessions.Sessions
    guest_link: Callable[[str], Awaitable[str | None]]  # a stay's one-time address, for its QR
    approve: Callable[[Request, str, str, frozenset[Role]], Awaitable[None]]  # raises NotForYou
    tokens: Any  # identity's tokens.Tokens
    directory: Any = None  # stays' directory of decrypted names
    locksmith: Any = None  # doors' Locksmith: derives PINs again
    bus: Any = None  # the bus, for phones' tunnels; None: a box without one
    news: News = field(default_factory=News)
    devices: Devices = field(default_factory=NobodyHeard)
    standing: Callable[[], SyncStanding] = SyncStanding
    version: str = "0"
    more: Mapping[str, Any] = field(
        default_factory=dict
    )  # a room's own port that nobody else needs


class Request:
    """One request's context: the `Asked` of GraphQL resolvers and of pages."""

    def __init__(
        self,
        ports: Ports,
        *,
        signed: SignedIn | None,
        language: str = "en",
        trace: str | None = None,
        address: str = "",
    ) -> None:
        self.ports = ports
        self.signed = signed
        self.who = None if signed is None else signed.who()
        self.address = address
        self.language = language
        self.trace = trace
        self.kept: dict[str, Any] = {}  # what fields of one request share

    @property
    def reader(self) -> Reader:
        """Reads committed facts and read models."""
        return self.ports.reader

    @property
    def vault(self) -> Vault:
        """Opens sealed text."""
        return self.ports.vault

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.ports.clock

    async def ask(
        self, command: Command, command_id: str, approved_by: str | None = None
    ) -> Answer:
        """Carry a command out at most once; it is on disk when the answer arrives."""
        self.signed_in()
        assert self.signed is not None, "signed in was said above"
        # Whoever has several roles asks in the one that may.
        who = self.signed.who(type(command))
        if approved_by is not None:
            who = replace(who, approved_by=approved_by)
        with self.ports.tracer.span(f"ask {command.name}", self.trace) as span:
            asking = Asking(command=command, command_id=command_id, who=who, trace=span.traceparent)
            answer = await self.ports.asker.ask(asking)
            span.note(outcome="done" if isinstance(answer, Done) else answer.code)
        return answer

    def say(self, answer: Answer) -> str:
        """One sentence for a person."""
        return self.ports.texts.answer(answer, self.language)

    def text(self, key: str, **values: object) -> str:
        """A sentence of the text catalogue in the asker's language."""
        return self.ports.texts.text(key, self.language, **values)

    def signed_in(self) -> Who:
        """Whoever is signed in."""
        if self.who is None:
            raise NeedsSignInError
        return self.who

    def staff(self) -> Who:
        """The member of the staff who asks."""
        who = self.signed_in()
        if who.role in GUEST_ROLES:
            raise NotForYouError
        return who

    async def business_date(self) -> date | None:
        """The hotel's date; None before the property is set up."""

        async def load() -> date | None:
            return await stays.business_date(self.reader)

        day: date | None = await self.once("business_date", load)
        return day

    async def once(self, key: str, load: Callable[[], Awaitable[Any]]) -> Any:
        """Load something once for all fields of this request."""
        if key not in self.kept:
            self.kept[key] = await load()
        return self.kept[key]
