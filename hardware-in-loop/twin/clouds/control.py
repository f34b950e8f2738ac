"""The twin's remote control: seed, look, and let things go wrong."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from twin.clouds.faults import Fault, Faults
from twin.clouds.mews import CancellationReason, shapes
from twin.clouds.mews.words import MewsError, utc_s
from twin.clouds.serve import Clouds
from twin.line import Cut

Json = dict[str, Any]


def control_routes(clouds: Clouds) -> list[web.RouteDef]:
    """Routes for `Application.add_routes`; only ever on the twin's own loopback address.

    A wrong field is answered with 400 and a sentence, and nothing is changed.
    """
    control = _Control(clouds)
    return [
        web.get("/clouds/faults", control.faults),
        web.post("/clouds/faults", control.plan),
        web.delete("/clouds/faults", control.clear),
        web.get("/clouds/mews/reservations", control.reservations),
        web.post("/clouds/mews/reservations", control.sell),
        web.post("/clouds/mews/reservations/{id}/cancel", control.cancel),
        web.get("/clouds/mews/categories", control.categories),
        web.get("/clouds/stripe/charges", control.charges),
        web.get("/line", control.line),
        web.post("/line", control.set_line),
    ]


class _Control:
    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    async def faults(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                name: [
                    {"where": one.where, "fault": str(one.fault), "left": one.left}
                    for one in faults.waiting()
                ]
                for name, faults in self._named().items()
            }
        )

    async def plan(self, request: web.Request) -> web.Response:
        asked = await _object(request)
        try:
            faults = self._named()[str(asked["cloud"])]
            fault = Fault(str(asked["fault"]))
        except (KeyError, ValueError) as error:
            raise _bad(f"cloud is mews or stripe, fault is one of {', '.join(Fault)}") from error
        times = asked.get("times", 1)
        delay_s = asked.get("delay_s", 1.0)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise _bad("times is a number from 1, or null for ever")
        if isinstance(delay_s, bool) or not isinstance(delay_s, int | float) or delay_s < 0:
            raise _bad("delay_s is a number of seconds")
        faults.plan(str(asked.get("where", "*")), fault, times=times, delay_s=float(delay_s))
        return await self.faults(request)

    async def clear(self, request: web.Request) -> web.Response:
        for faults in self._named().values():
            faults.clear()
        return await self.faults(request)

    async def reservations(self, _request: web.Request) -> web.Response:
        store = self._clouds.mews.store
        rows = [shapes.reservation(store, one) for one in store.newest_first()]
        return web.json_response({"Reservations": rows})

    async def categories(self, _request: web.Request) -> web.Response:
        store = self._clouds.mews.store
        rows = [shapes.category(store, one) for one in store.categories.values()]
        return web.json_response({"ResourceCategories": rows})

    async def sell(self, request: web.Request) -> web.Response:
        """Sell a room as a channel would.

        Fields: LastName, FirstName, Category (short name), StartUtc, EndUtc, Adults, Children,
        NightsMinor, Channel, ChannelNumber.
        """
        asked, store = await _object(request), self._clouds.mews.store
        category = next(
            (one for one in store.categories.values() if one.short == asked.get("Category")), None
        )
        nights = asked.get("NightsMinor")
        if category is None:
            raise _bad("Category is the short name of a room type")
        if not isinstance(nights, list) or not all(isinstance(one, int) for one in nights):
            raise _bad("NightsMinor is a list of whole numbers, one for each night")
        try:
            start_s, end_s = (
                utc_s(asked.get("StartUtc"), "StartUtc"),
                utc_s(asked.get("EndUtc"), "EndUtc"),
            )
        except MewsError as error:
            raise _bad(error.message) from error
        if end_s <= start_s or not asked.get("LastName"):
            raise _bad("LastName is needed, and EndUtc after StartUtc")
        customer = store.put_customer(str(asked["LastName"]), asked.get("FirstName"))
        one = store.put_reservation(
            customer_id=customer.id,
            category_id=category.id,
            start_s=start_s,
            end_s=end_s,
            nights_minor=nights,
            adults=int(asked.get("Adults", 1)),
            children=int(asked.get("Children", 0)),
            channel=asked.get("Channel"),
            channel_number=asked.get("ChannelNumber"),
        )
        return web.json_response(shapes.reservation(store, one), status=201)

    async def cancel(self, request: web.Request) -> web.Response:
        store, name = self._clouds.mews.store, request.match_info["id"]
        asked = await _object(request)
        try:
            reason = CancellationReason(asked.get("CancellationReason", "RequestedByGuest"))
            one = store.cancel_reservation(name, reason)
        except KeyError as error:
            raise web.HTTPNotFound(text="there is no such reservation") from error
        except (ValueError, MewsError) as error:
            raise _bad(str(error)) from error
        return web.json_response(shapes.reservation(store, one))

    async def charges(self, _request: web.Request) -> web.Response:
        store = self._clouds.stripe.store
        return web.json_response({"data": store.charges.newest_first()})

    async def line(self, _request: web.Request) -> web.Response:
        line = self._clouds.line
        return web.json_response({"state": str(line.state), "up": line.up})

    async def set_line(self, request: web.Request) -> web.Response:
        asked, line = await _object(request), self._clouds.line
        state = asked.get("state")
        if state == "cut":
            how = asked.get("how", "silent")
            if how not in set(Cut):
                raise _bad("how is silent or refused")
            line.cut(Cut(how))
        elif state == "heal":
            line.heal()
        elif state == "slow":
            delay_s, rate = asked.get("delay_s", 0.5), asked.get("rate_bytes_s")
            if not isinstance(delay_s, int | float) or not isinstance(rate, int | float | None):
                raise _bad("delay_s and rate_bytes_s are numbers")
            line.slow(float(delay_s), rate)
        else:
            raise _bad("state is cut, heal or slow")
        return await self.line(request)

    def _named(self) -> dict[str, Faults]:
        return {"mews": self._clouds.mews.faults, "stripe": self._clouds.stripe.faults}


def _bad(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=sentence)


async def _object(request: web.Request) -> Json:
    try:
        asked = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise _bad("a JSON object is expected") from error
    if not isinstance(asked, dict):
        raise _bad("a JSON object is expected")
    return asked
