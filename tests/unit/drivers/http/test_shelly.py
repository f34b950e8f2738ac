"""A Shelly over HTTP: one call for one order, proven by password, settled by reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.bus.words import (
    DeviceKind,
    EventKind,
    LockRefusal,
    Outcome,
    SwitchState,
    ValveState,
    Verb,
)
from appliance.kernel.clock import SystemClock
from appliance.kernel.tasks import Nursery
from drivers.http.digest import Challenge, authorization, read_challenge
from drivers.http.shelly import ShellyHost, ShellyThing
from drivers.http.wire import HttpWire
from drivers.port import Evidence
from drivers.radios import Option, Thing
from support.foreign_house import order
from support.http_house import open_http_house
from twin.http.answers import Served
from twin.http.shelly import ShellyFault, ShellyTwin
from twin.journal import Journal

if TYPE_CHECKING:
    from twin.http.answers import Handle

ON = order(Verb.SWITCH_ON)


def shelly(kind: DeviceKind = DeviceKind.SWITCH, **options: Option) -> Thing:
    return Thing(
        name=f"{kind.value}-9",
        kind=kind,
        address="http://shelly",
        protocol="shelly",
        options=options,
    )


class Host:
    """Hands the twin to the house and to the test."""

    def __init__(self, password: str = "") -> None:
        self.password = password
        self.twin: ShellyTwin

    def hosts(self, clock: Any, nursery: Any, journal: Journal) -> dict[str, Handle]:
        self.twin = ShellyTwin(
            "plug", clock=clock, nursery=nursery, journal=journal, password=self.password
        )
        return {"http://shelly": self.twin.handle}


async def test_an_order_is_one_call_and_its_answer_the_end() -> None:
    host = Host()
    async with open_http_house(host.hosts, shelly()) as at:
        host.twin.power_w = 40.5
        told = await at.told(ON)
        assert (told.outcome, told.evidence) == (Outcome.DONE, (Evidence.ANSWER,))
        assert host.twin.calls == 1
        await at.clock.settle()
        _, state = at.house.states[-1]
        assert isinstance(state, SwitchState)
        assert (state.on, state.power_w10) == (True, 405)
        assert [e.kind for _, e in at.house.happenings] == [EventKind.SWITCHED_ON]


@pytest.mark.parametrize(
    ("fault", "outcome", "calls"),
    [
        (ShellyFault.DROP_ANSWER, Outcome.DONE, 1),
        (ShellyFault.CUT_BODY, Outcome.DONE, 1),
        (ShellyFault.GARBAGE, Outcome.DONE, 1),
        (ShellyFault.DROP_REQUEST, Outcome.UNKNOWN, 0),
        (ShellyFault.ERROR, Outcome.UNKNOWN, 0),
        (ShellyFault.SILENT, Outcome.UNKNOWN, 0),
    ],
)
async def test_a_lost_call_is_settled_by_reading_and_never_made_again(
    fault: ShellyFault, outcome: Outcome, calls: int
) -> None:
    host = Host()
    async with open_http_house(host.hosts, shelly()) as at:
        host.twin.faults.append(fault)
        assert (await at.told(ON)).outcome is outcome
        await at.clock.advance(120)
        assert host.twin.calls == calls


async def test_a_strike_lets_go_by_itself_and_an_open_one_proves_nothing() -> None:
    host = Host()
    async with open_http_house(host.hosts, shelly(DeviceKind.LOCK, strike_s=3)) as at:
        assert (await at.told(order(Verb.UNLOCK))).outcome is Outcome.DONE
        await at.clock.advance(1)
        assert host.twin.output is True
        await at.clock.advance(4)
        assert host.twin.output is False
        host.twin.output = True
        await at.clock.advance(16)
        host.twin.faults.append(ShellyFault.DROP_REQUEST)
        assert (await at.told(order(Verb.UNLOCK, 2))).outcome is Outcome.UNKNOWN
        told = await at.told(order(Verb.UNLOCK, 3))
        assert told.refusal is LockRefusal.BUSY
        assert host.twin.calls == 1
        opened = [e.order_id for _, e in at.house.happenings if e.kind is EventKind.UNLOCKED]
        assert opened == ["o1"]


async def test_a_valve_that_is_open_without_current_closes_by_it() -> None:
    host = Host()
    async with open_http_house(host.hosts, shelly(DeviceKind.VALVE, inverted=True)) as at:
        assert (await at.told(order(Verb.CLOSE_VALVE))).outcome is Outcome.DONE
        assert host.twin.output is True
        await at.clock.settle()
        _, state = at.house.states[-1]
        assert isinstance(state, ValveState)
        assert state.open is False


async def test_an_error_of_the_device_is_a_refusal() -> None:
    host = Host()
    async with open_http_house(host.hosts, shelly(id=1)) as at:
        told = await at.told(ON)
        assert (told.outcome, told.note) == (Outcome.REFUSED, "rpc error -105")
        assert host.twin.calls == 0


async def test_a_password_is_proven_and_a_wrong_one_moves_nothing() -> None:
    host = Host("kitchen")
    async with open_http_house(host.hosts, shelly(password="kitchen")) as at:
        assert (await at.told(ON)).outcome is Outcome.DONE
        assert (await at.told(order(Verb.SWITCH_OFF, 2))).outcome is Outcome.DONE
        assert host.twin.calls == 2
    host = Host("kitchen")
    async with open_http_house(host.hosts, shelly(password="guess")) as at:
        assert (await at.told(ON)).outcome is Outcome.NOT_SENT
        assert host.twin.calls == 0


async def test_on_a_real_socket_a_lost_answer_with_a_password_is_one_call() -> None:
    clock, nursery = SystemClock(floor_path=None), Nursery(lambda _n, _e: None)
    twin = ShellyTwin("plug", clock=clock, nursery=nursery, journal=Journal(), password="kitchen")
    served = Served(twin.handle, clock)
    wire = HttpWire(await served.start(), clock=clock)
    host = ShellyHost(wire, password="kitchen", clock=clock)
    thing = ShellyThing(shelly(), host, clock=clock)
    try:
        twin.faults.append(ShellyFault.DROP_ANSWER)
        told = await thing.carry_out(ON, deadline_s=clock.monotonic() + 5)
        assert told.outcome is Outcome.DONE
        assert told.evidence == (Evidence.LINK_LOST, Evidence.STATE_READ)
        assert twin.calls == 1
    finally:
        await host.close()
        await served.close()
        await nursery.close()


def test_the_digest_is_the_standards_own_example() -> None:
    """RFC 7616, section 3.9.1, with SHA-256."""
    challenge = Challenge(
        realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    )
    header = authorization(
        challenge,
        user="Mufasa",
        password="Circle of Life",
        method="GET",
        path="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in header
    assert "nc=00000001" in header


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic realm=x",
        'Digest realm="x", nonce="y", qop="auth"',
        'Digest realm="x", nonce="y", qop="auth", algorithm=MD5',
        'Digest realm="x", nonce="y", algorithm=SHA-256',
        'Digest realm="x", qop="auth", algorithm=SHA-256',
        'Digest realm="x", nonce="y", qop="auth-int", algorithm=SHA-256',
        "Digest " + "a=b, " * 400,
    ],
)
def test_a_weaker_challenge_is_not_answered(header: str) -> None:
    assert read_challenge(header) is None
