"""Serves calendar files as channels do: secret names, ETag, and files that are wrong for a while."""

from __future__ import annotations

from typing import Final

from appliance.kernel.clock import Clock, sleep
from twin.clouds.faults import BEFORE, Fault, Faults, Planned
from twin.clouds.ical.store import ICalStore
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

SUFFIX: Final = ".ics"
TYPE: Final = {"Content-Type": "text/calendar; charset=utf-8"}
EXCUSE: Final = b"<html><body>We are sorry, something went wrong.</body></html>"

_INSTEAD: Final[dict[Fault, int]] = {
    Fault.TOO_MANY: 429,
    Fault.TOO_MANY_BARE: 429,
    Fault.UNAUTHORIZED: 401,
    Fault.CONFLICT: 409,
    Fault.TOO_HEAVY: 408,
    Fault.SERVER_ERROR: 503,
}


class ICalCloud:
    """Answers `GET /NAME.ics`; an endpoint of the faults is NAME."""

    def __init__(self, clock: Clock, journal: Journal, store: ICalStore | None = None) -> None:
        self.store = store or ICalStore(clock)
        self.faults = Faults()
        self.asked = 0  # requests that arrived, whatever became of them
        self._clock = clock
        self._journal = journal

    async def answer(self, request: Request) -> Reply:
        """Answer one request."""
        self.asked += 1
        return dated(await self._answer(request), self._clock.read().wall_s)

    async def _answer(self, request: Request) -> Reply:
        name = request.path.removeprefix("/").removesuffix(SUFFIX)
        if not request.path.endswith(SUFFIX) or name not in self.store.calendars:
            return Reply(status=404, body=EXCUSE)
        if request.method not in {"GET", "HEAD"}:
            return Reply(status=405, body=EXCUSE)
        planned = self.faults.take(name)
        if planned is None:
            return self._served(name, request)
        self._journal.note("calendar", name=name, fault=planned.fault.value)
        if planned.fault in BEFORE:
            return _instead(planned)
        if planned.fault is Fault.SLOW:
            await sleep(self._clock, planned.delay_s)
        return self._broken(name, request, planned.fault)

    def _served(self, name: str, request: Request) -> Reply:
        etag = self.store.etag(name)
        if request.headers.get("if-none-match") == etag:
            return Reply(status=304, headers={"ETag": etag})
        return Reply(status=200, body=self.store.file(name), headers={**TYPE, "ETag": etag})

    def _broken(self, name: str, request: Request, fault: Fault) -> Reply:
        content = self.store.file(name)
        style = self.store.calendars[name].style
        instead = {
            Fault.EMPTY: Reply(status=200, body=self.store.render(style, ()), headers=TYPE),
            Fault.NO_CALENDAR: Reply(status=200, body=EXCUSE),
            Fault.HALF_FILE: Reply(status=200, body=content[: len(content) // 2], headers=TYPE),
            Fault.GONE: Reply(status=404, body=EXCUSE),
            Fault.NOTHING_NEW: Reply(status=304),
            Fault.BROKEN_STORED: Reply(status=500, body=EXCUSE),
        }
        return instead.get(fault) or _delivered(self._served(name, request), fault)


def _delivered(reply: Reply, fault: Fault) -> Reply:
    delivery = {
        Fault.LOST_ANSWER: Delivery.DROPPED,
        Fault.NO_ANSWER: Delivery.SILENT,
        Fault.CUT_BODY: Delivery.CUT,
    }.get(fault, Delivery.WHOLE)
    return Reply(status=reply.status, body=reply.body, headers=reply.headers, delivery=delivery)


def _instead(planned: Planned) -> Reply:
    if planned.fault is Fault.LOST_REQUEST:
        return Reply(status=0, delivery=Delivery.DROPPED)
    headers = {"Retry-After": "30"} if planned.fault is Fault.TOO_MANY else {}
    return Reply(status=_INSTEAD[planned.fault], body=EXCUSE, headers=headers)
