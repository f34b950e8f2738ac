"""The PMS cloud: exact paths, tokens in the body, limits, faults, and then the endpoint."""

from __future__ import annotations

from collections import Counter
from typing import Final
from uuid import UUID, uuid5

from appliance.kernel.clock import Clock, sleep
from twin.clouds.faults import BEFORE, Fault, Faults, Planned
from twin.clouds.mews import commands, desk, house, money, reading, selling, tokens
from twin.clouds.mews.body import Body
from twin.clouds.mews.limits import WINDOW_S, Limits
from twin.clouds.mews.listing import Asked, Endpoint
from twin.clouds.mews.store import MewsStore
from twin.clouds.mews.stream import Streams
from twin.clouds.mews.words import ACCESS_TOKEN, CLIENT_TOKEN, MewsError
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

PREFIX: Final = "/api/connector/v1/"

# The vendor answers 413 to what is too large, and does not say where that begins.
REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024

ENDPOINTS: Final[dict[str, Endpoint]] = {
    "configuration/get": house.get_configuration,
    "services/getAll": house.get_services,
    "services/updateAvailability": house.update_availability,
    "services/getAvailability/2024-01-22": house.get_availability,
    "rates/getAll": house.get_rates,
    "ageCategories/getAll": house.get_age_categories,
    "resources/getAll": house.get_resources,
    "resources/update": house.update_resources,
    "resourceCategories/getAll": house.get_categories,
    "resourceCategoryAssignments/getAll": house.get_assignments,
    "resourceBlocks/add": house.add_blocks,
    "resourceBlocks/getAll": house.get_blocks,
    "resourceBlocks/delete": house.delete_blocks,
    "resourceAccessTokens/add": tokens.add_access_tokens,
    "resourceAccessTokens/getAll": tokens.get_access_tokens,
    "resourceAccessTokens/update": tokens.update_access_tokens,
    "resourceAccessTokens/delete": tokens.delete_access_tokens,
    "customers/getAll": house.get_customers,
    "customers/add": house.add_customer,
    "reservations/getAll/2023-06-06": reading.get_all,
    "reservations/add": selling.add,
    "reservations/price": selling.price,
    "reservations/update": selling.update,
    "reservations/updateInterval": selling.update_interval,
    "reservations/confirm": desk.confirm,
    "reservations/start": desk.start,
    "reservations/process": desk.process,
    "reservations/cancel": desk.cancel,
    "orderItems/getAll": reading.get_items,
    "serviceOrderNotes/add": selling.add_notes,
    "serviceOrderNotes/getAll": reading.get_notes,
    "payments/addExternal": money.add_external,
    "payments/getAll": money.get_payments,
    "devices/getAll": commands.get_devices,
    "commands/addKeyCutter": commands.add_key_cutter,
    "commands/getAllActive": commands.get_active,
    "commands/getAllByIds": commands.get_by_ids,
    "commands/update": commands.update,
}

_INSTEAD: Final[dict[Fault, tuple[int, str]]] = {
    Fault.TOO_MANY: (429, "Too many requests."),
    Fault.TOO_MANY_BARE: (429, "Too many requests."),
    Fault.UNAUTHORIZED: (401, "Invalid ClientToken or AccessToken."),
    Fault.CONFLICT: (409, "The data has changed, refresh and submit again."),
    Fault.TOO_HEAVY: (408, "The operation took too long, ask for smaller pages."),
    Fault.SERVER_ERROR: (503, "The service is unavailable."),
}

_REQUEST_SPACE = UUID("5f2d6a0e-91a5-4c61-8f0c-5b0f1b1f0d11")


class MewsCloud:
    """Answers as `api.mews.com` does; no sockets here."""

    def __init__(self, clock: Clock, journal: Journal, store: MewsStore | None = None) -> None:
        self.store = store or MewsStore(clock, journal)
        self.faults = Faults()
        self.streams = Streams(self.store)
        self.limits = Limits(clock)
        self.asked = 0  # requests that arrived, whatever became of them
        self._counts: Counter[str] = Counter()
        self._clock = clock
        self._cursors: dict[str, int] = {}

    def counted(self, endpoint: str) -> int:
        """How many requests to one endpoint arrived."""
        return self._counts[endpoint]

    async def answer(self, request: Request) -> Reply:
        """Answer one request."""
        self.asked += 1
        self._counts[request.path.removeprefix(PREFIX)] += 1
        return dated(await self._answer(request), self.store.now_s())

    async def _answer(self, request: Request) -> Reply:
        endpoint = request.path.removeprefix(PREFIX)
        if not request.path.startswith(PREFIX) or endpoint not in ENDPOINTS:
            return self._error(404, "The resource was not found.")
        if request.method != "POST":
            return self._error(405, "The method is not allowed, use POST.")
        planned = self.faults.take(endpoint)
        if planned is not None and planned.fault in BEFORE:
            return self._instead(planned)
        if planned is not None and planned.fault is Fault.SLOW:
            await sleep(self._clock, planned.delay_s)
        fault = None if planned is None else planned.fault
        return _delivered(self._execute(endpoint, request, fault), fault)

    def _execute(self, endpoint: str, request: Request, fault: Fault | None) -> Reply:
        if len(request.body) > REQUEST_BYTES_MAX:
            return self._error(413, "The request is too large.")
        try:
            body = Body.parse(request.body)
            token = self._admit(body)
            if wait_s := self.limits.wait_s(token):
                return self._error(429, "Too many requests.", Retry_After=str(wait_s))
            asked = Asked(store=self.store, body=body, fault=fault, cursors=self._cursors)
            return Reply.json(200, ENDPOINTS[endpoint](asked))
        except MewsError as error:
            return self._error(error.status, error.message)

    def _admit(self, body: Body) -> str:
        client, access = body.text("ClientToken"), body.text("AccessToken")
        body.text("Client")
        if client != CLIENT_TOKEN or access != ACCESS_TOKEN:
            raise MewsError(401, "Invalid ClientToken or AccessToken.")
        return access

    def _instead(self, planned: Planned) -> Reply:
        if planned.fault is Fault.LOST_REQUEST:
            return Reply(status=0, delivery=Delivery.DROPPED)
        status, message = _INSTEAD[planned.fault]
        headers = {"Retry_After": str(int(WINDOW_S))} if planned.fault is Fault.TOO_MANY else {}
        return self._error(status, message, **headers)

    def _error(self, status: int, message: str, **headers: str) -> Reply:
        request_id = str(uuid5(_REQUEST_SPACE, str(self.asked)))
        body = {"Message": message, "RequestId": request_id, "Details": None}
        return Reply.json(status, body, **headers)


def _delivered(reply: Reply, fault: Fault | None) -> Reply:
    match fault:
        case Fault.LOST_ANSWER:
            delivery = Delivery.DROPPED
        case Fault.NO_ANSWER:
            delivery = Delivery.SILENT
        case Fault.CUT_BODY:
            delivery = Delivery.CUT
        case Fault.BROKEN_STORED:
            message = {"Message": "Internal error.", "RequestId": "", "Details": None}
            return Reply.json(500, message)
        case _:
            return reply
    return Reply(status=reply.status, body=reply.body, headers=reply.headers, delivery=delivery)
