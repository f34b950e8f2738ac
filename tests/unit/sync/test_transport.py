"""Promises of the way out: sent or surely not sent, over real sockets and the twin's line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from appliance.kernel.clock import ClockTrust, SystemClock
from appliance.kernel.tasks import Nursery
from sync.transport import Answer, HttpTransport, NoAnswer, Request
from twin.clouds.faults import Fault
from twin.clouds.serve import Clouds, serve
from twin.journal import Journal
from twin.line import Cut, Line

PATH = "/api/connector/v1/configuration/get"


class Way(NamedTuple):
    clouds: Clouds
    transport: HttpTransport

    def request(self, timeout_s: float = 5.0) -> Request:
        return Request(
            method="POST", url=self.clouds.pms_url + PATH, body=b"{}", timeout_s=timeout_s
        )


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    clock = SystemClock(floor_path=None, trust=ClockTrust.SYSTEM)
    nursery = Nursery(lambda name, error: None)
    journal = Journal(clock=clock)
    clouds = await serve(journal, clock, Line(journal, clock, nursery), nursery)
    transport = HttpTransport()
    yield Way(clouds, transport)
    await transport.close()
    await clouds.close()
    await nursery.close()


async def test_an_answer_of_any_status_is_an_answer(way: Way) -> None:
    reply = await way.transport.send(way.request())
    assert isinstance(reply, Answer)
    assert reply.status == 400
    assert reply.headers["content-type"].startswith("application/json")


async def test_a_refused_connection_surely_carried_nothing(way: Way) -> None:
    way.clouds.line.cut(Cut.REFUSED)
    reply = await way.transport.send(way.request())
    assert isinstance(reply, NoAnswer)
    assert way.clouds.mews.asked == 0


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.CUT_BODY, Fault.NO_ANSWER])
async def test_half_an_answer_is_no_answer_and_may_have_arrived(way: Way, fault: Fault) -> None:
    way.clouds.mews.faults.plan("*", fault)
    reply = await way.transport.send(way.request(timeout_s=0.5))
    assert isinstance(reply, NoAnswer)
    assert reply.sent


async def test_a_name_that_does_not_resolve_carried_nothing(way: Way) -> None:
    reply = await way.transport.send(
        Request(method="GET", url="http://nowhere.invalid/", timeout_s=5.0)
    )
    assert isinstance(reply, NoAnswer)
    assert not reply.sent


def test_a_request_never_shows_its_body_or_headers() -> None:
    request = Request(
        method="POST", url="https://x", headers={"Authorization": "Bearer s3cr3t"}, body=b"t0ken"
    )
    assert "s3cr3t" not in repr(request)
    assert "t0ken" not in repr(request)
