"""The twin's remote control: seed, look, and let things go wrong."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from twin.clouds.faults import Fault, Faults
from twin.clouds.mews import CancellationReason, shapes
from twin.clouds.mews.words import MewsError, utc_s
from twin.clouds.serve import Clouds
from twin.clouds.stripe import Card
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
        web.post("/clouds/mews/reservations/{id}/modify", control.modify),
        web.get("/clouds/mews/categories", control.categories),
        web.post("/clouds/mews/house", control.set_up),
        web.post("/clouds/stripe/cards", control.save_card),
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
            clouds = ", ".join(self._named())
            raise _bad(f"cloud is one of {clouds}, fault one of {', '.join(Fault)}") from error
        times, skip = asked.get("times", 1), asked.get("skip", 0)
        delay_s = asked.get("delay_s", 1.0)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise _bad("times is a number from 1, or null for ever")
        if not isinstance(skip, int) or skip < 0:
            raise _bad("skip is a number from 0")
        if isinstance(delay_s, bool) or not isinstance(delay_s, int | float) or delay_s < 0:
            raise _bad("delay_s is a number of seconds")
        where = str(asked.get("where", "*"))
        faults.plan(where, fault, times=times, delay_s=float(delay_s), skip=skip)
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

    async def set_up(self, request: web.Request) -> web.Response:
        """Build the house: TimeZone, Currency, and Categories of Name, Short, Capacity, Rooms."""
        asked, store = await _object(request), self._clouds.mews.store
        kinds = asked.get("Categories")
        if store.rooms or not isinstance(kinds, list) or not kinds:
            raise _bad("Categories is a list, and the house is still empty")
        for kind in kinds:
            rooms = kind.get("Rooms") if isinstance(kind, dict) else None
            if not isinstance(rooms, list) or not _text(kind, "Short"):
                raise _bad("each category has a Short name and a list of Rooms by name")
        try:
            store.configure(
                name=_text(asked, "Name"),
                time_zone=_text(asked, "TimeZone"),
                currency=_text(asked, "Currency"),
            )
        except (ValueError, KeyError, OSError) as error:
            raise _bad("TimeZone is a name such as Europe/Lisbon") from error
        for kind in kinds:
            short = str(kind["Short"])
            category = store.add_category(
                _text(kind, "Name") or short, short=short, capacity=_whole(kind, "Capacity", 2)
            )
            for room in kind["Rooms"]:
                store.add_room(str(room), category, floor=str(room)[:-2] or "0")
        return await self.categories(request)

    async def sell(self, request: web.Request) -> web.Response:
        """Sell a room as a channel would.

        Fields: LastName, FirstName, Email, Category (short name), StartUtc, EndUtc, Adults,
        Children, NightsMinor, Channel, ChannelNumber, CreatedUtc, PaidElsewhere.
        """
        asked, store = await _object(request), self._clouds.mews.store
        category = next(
            (one for one in store.categories.values() if one.short == asked.get("Category")), None
        )
        if category is None:
            raise _bad("Category is the short name of a room type")
        nights = _nights(asked)
        if nights is None:
            raise _bad("NightsMinor is a list of whole numbers, one for each night")
        start_s, end_s = _time(asked, "StartUtc"), _time(asked, "EndUtc")
        last_name = _text(asked, "LastName")
        if start_s is None or end_s is None or end_s <= start_s or last_name is None:
            raise _bad("LastName, StartUtc and EndUtc are needed, and EndUtc after StartUtc")
        adults, children = _whole(asked, "Adults", 1), _whole(asked, "Children", 0)
        created_s = _time(asked, "CreatedUtc")
        customer = store.put_customer(
            last_name, _text(asked, "FirstName"), email=_text(asked, "Email")
        )
        one = store.put_reservation(
            customer_id=customer.id,
            category_id=category.id,
            start_s=start_s,
            end_s=end_s,
            nights_minor=nights,
            adults=adults,
            children=children,
            channel=_text(asked, "Channel"),
            channel_number=_text(asked, "ChannelNumber"),
            created_s=created_s,
            paid_elsewhere=asked.get("PaidElsewhere") is True,
        )
        return web.json_response(shapes.reservation(store, one), status=201)

    async def modify(self, request: web.Request) -> web.Response:
        """Change StartUtc, EndUtc, NightsMinor, Adults or Children as a channel would."""
        store, name = self._clouds.mews.store, request.match_info["id"]
        asked = await _object(request)
        if (one := store.reservations.get(name)) is None:
            raise web.HTTPNotFound(text="there is no such reservation")
        start_s, end_s = _time(asked, "StartUtc"), _time(asked, "EndUtc")
        if (end_s or one.end_s) <= (start_s or one.start_s):
            raise _bad("EndUtc must be after StartUtc")
        store.modify_reservation(
            name,
            start_s=start_s,
            end_s=end_s,
            nights_minor=_nights(asked),
            adults=_whole(asked, "Adults", one.adults),
            children=_whole(asked, "Children", one.children),
        )
        return web.json_response(shapes.reservation(store, one))

    async def save_card(self, request: web.Request) -> web.Response:
        """A customer with a saved card: Name, Card (a test card of the provider)."""
        asked, store = await _object(request), self._clouds.stripe.store
        name = asked.get("Card", str(Card.GOOD))
        if name not in set(Card):
            raise _bad(f"Card is one of {', '.join(Card)}")
        customer = store.add_customer(_text(asked, "Name"))["id"]
        card = store.save_card(customer, Card(name))
        return web.json_response({"customer": customer, "payment_method": card}, status=201)

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
        others = {name: cloud.faults for name, cloud in self._clouds.others.items()}
        return {"mews": self._clouds.mews.faults, "stripe": self._clouds.stripe.faults, **others}


def _bad(sentence: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=sentence)


def _text(asked: Json, name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise _bad(f"{name} is a text")
    return value or None


def _whole(asked: Json, name: str, default: int) -> int:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _bad(f"{name} is a number from 0")
    return value


def _time(asked: Json, name: str) -> int | None:
    if asked.get(name) is None:
        return None
    try:
        return utc_s(asked[name], name)
    except MewsError as error:
        raise _bad(error.message) from error


def _nights(asked: Json) -> list[int] | None:
    nights = asked.get("NightsMinor")
    if nights is None:
        return None
    if not isinstance(nights, list) or not all(type(one) is int for one in nights):
        raise _bad("NightsMinor is a list of whole numbers, one for each night")
    return nights


async def _object(request: web.Request) -> Json:
    try:
        asked = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise _bad("a JSON object is expected") from error
    if not isinstance(asked, dict):
        raise _bad("a JSON object is expected")
    return asked
