"""Which PMS this property has: its account chooses the adapter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from appliance.kernel.clock import Clock
from sync.gate import Gate
from sync.home import Home
from sync.ledger import Ledger
from sync.manners import GUESTY_RULES, MEWS_RULES, Rule
from sync.mirror import Mirror
from sync.pms.guesty.account import GuestyAccount
from sync.pms.guesty.client import GuestyClient
from sync.pms.guesty.push import GuestyPush
from sync.pms.guesty.source import GuestySource
from sync.pms.hostaway.client import HostawayClient
from sync.pms.hostaway.push import HostawayPush
from sync.pms.hostaway.source import HostawaySource
from sync.pms.hostaway.token import HostawayAccount
from sync.pms.hostaway.words import RULES as HOSTAWAY_RULES
from sync.pms.mews.client import MewsAccount, MewsClient
from sync.pms.mews.listening import MewsListening
from sync.pms.mews.push import MewsPush
from sync.pms.mews.source import MewsSource
from sync.pms.mews.stream import Dial
from sync.pms.port import Pms

PmsAccount = MewsAccount | HostawayAccount | GuestyAccount

# By account, so that what is only planned or only shown need not build an adapter.
NAME_OF: Final[dict[type, str]] = {
    MewsAccount: MewsSource.name,
    HostawayAccount: HostawaySource.name,
    GuestyAccount: GuestySource.name,
}


class MakeGate(Protocol):
    """Makes the one gate of a counterparty and puts it among the others."""

    def __call__(
        self, name: str, rules: tuple[Rule, ...], *, forbidden_is_ours: bool = True
    ) -> Gate:
        """One gate a name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every adapter is built of."""

    ledger: Ledger
    mirror: Mirror
    clock: Clock
    home: Home
    # How a stream is connected to, where a test has another way than a socket.
    dial: Dial | None = None


def name_of(account: PmsAccount | None) -> str | None:
    """The source and counterparty that an account stands for."""
    return None if account is None else NAME_OF[type(account)]


def choose(account: PmsAccount, make_gate: MakeGate, parts: Parts) -> Pms:
    """The adapter of the account's vendor, with its gate."""
    match account:
        case MewsAccount():
            return _mews(account, make_gate, parts)
        case HostawayAccount():
            return _hostaway(account, make_gate, parts)
        case GuestyAccount():
            return _guesty(account, make_gate, parts)
        case _:
            assert_never(account)


def _mews(account: MewsAccount, make_gate: MakeGate, parts: Parts) -> Pms:
    # At Mews a 403 is a rule of the hotel's business, not about our tokens.
    client = MewsClient(account, make_gate(MewsSource.name, MEWS_RULES, forbidden_is_ours=False))
    listening = None
    if account.stream_url:
        listening = MewsListening(
            client=client, ledger=parts.ledger, clock=parts.clock, dial=parts.dial
        )
    return Pms(
        source=MewsSource(
            client=client, ledger=parts.ledger, mirror=parts.mirror, clock=parts.clock
        ),
        pusher=MewsPush(
            client=client,
            ledger=parts.ledger,
            mirror=parts.mirror,
            clock=parts.clock,
            home=parts.home,
        ),
        probe=client.probe,
        listening=listening,
    )


def _hostaway(account: HostawayAccount, make_gate: MakeGate, parts: Parts) -> Pms:
    gate = make_gate(HostawaySource.name, HOSTAWAY_RULES)
    client = HostawayClient(account, gate, ledger=parts.ledger, clock=parts.clock)
    return Pms(
        source=HostawaySource(
            client=client, ledger=parts.ledger, mirror=parts.mirror, clock=parts.clock
        ),
        pusher=HostawayPush(
            client=client,
            ledger=parts.ledger,
            mirror=parts.mirror,
            clock=parts.clock,
            home=parts.home,
        ),
        probe=client.probe,
    )


def _guesty(account: GuestyAccount, make_gate: MakeGate, parts: Parts) -> Pms:
    gate = make_gate(GuestySource.name, GUESTY_RULES)
    client = GuestyClient(account, gate=gate, ledger=parts.ledger, clock=parts.clock)
    return Pms(
        source=GuestySource(
            client=client, ledger=parts.ledger, mirror=parts.mirror, clock=parts.clock
        ),
        pusher=GuestyPush(
            client=client,
            ledger=parts.ledger,
            mirror=parts.mirror,
            clock=parts.clock,
            home=parts.home,
        ),
        probe=client.probe,
    )
