"""A whole story between the box and Mews, so that every request the adapter can make is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec

from appliance.engines.doors.messages import HolderKind, KeyCut, KeyReason, KeyRevoked
from appliance.engines.housekeeping.messages import RoomStatus, RoomStatusSet
from appliance.engines.payments.messages import PaymentSettled
from appliance.engines.stays.messages import (
    CheckedIn,
    CheckedOut,
    DepartureChanged,
    Night,
    NoShowMarked,
    RoomMoved,
    StayCancelled,
)
from appliance.kernel.sealed import Sealed
from support.sync_bench import ARRIVAL, DEPARTURE, FRIDAY_MS, SyncBench
from sync.home import DoorCode
from sync.pms.mews.client import MewsAccount
from sync.pms.mews.commands import DeviceQueue
from sync.transport import Answer, NoAnswer, Request, Transport
from twin.clouds.faults import Fault
from twin.clouds.mews import PREFIX, State

WHY = Sealed(subject="stay_1", box=b"")
CODE = DoorCode(
    stay_id="stay_1",
    room_id="r102",
    generation=1,
    valid_from_s=FRIDAY_MS // 1000,
    valid_until_s=FRIDAY_MS // 1000 + 86_400,
    digits="480316",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request to Mews as it left."""

    endpoint: str
    body: dict[str, Any]


class Recording:
    """A transport that writes down what it carries to Mews."""

    def __init__(self, transport: Transport, sent: list[Sent]) -> None:
        self._transport = transport
        self._sent = sent

    async def send(self, request: Request) -> Answer | NoAnswer:
        """Write down and carry."""
        _, prefix, endpoint = request.url.partition(PREFIX)
        if prefix:
            self._sent.append(Sent(endpoint, msgspec.json.decode(request.body)))
        return await self._transport.send(request)


async def tell_story(bench: SyncBench) -> list[Sent]:
    """A walk-in's whole stay and what else a week brings; every request that Mews got."""
    assert isinstance(bench.settings.pms, MewsAccount), "the story is one of Mews"
    # The contract has no reason of a cancellation; environments that take one are asked for it.
    account = replace(bench.settings.pms, send_cancellation_reason=False)
    bench.settings = replace(bench.settings, door_codes=True, room_states=True, pms=account)
    sent: list[Sent] = []
    bench.wrap = lambda transport: Recording(transport, sent)
    bench.start_again()
    store = bench.clouds.mews.store
    optional = bench.book_upstream()
    store.reservations[optional].state = State.OPTIONAL
    await bench.turn()
    store.put_customer("Lovelace", "Ada", email="stay_1@example.com")
    bench.clouds.mews.faults.plan("reservations/add", Fault.LOST_REQUEST)
    bench.clouds.mews.faults.plan("payments/addExternal", Fault.LOST_ANSWER)
    bench.sell("stay_1")
    bench.sell("stay_2", None)
    bench.sell("stay_3", None)
    await bench.heal(2)
    _live(bench)
    await bench.heal(3)
    await _hand_out_keys(bench)
    store.ask_for_keys(optional, store.add_device().id)
    await bench.heal(1)
    queue = DeviceQueue(
        client=bench.running.pushers["mews"]._client,  # type: ignore[attr-defined]
        ledger=bench.running.ledger,
        clock=bench.own_clock,
    )
    await bench.clock.run_until(queue.look(), limit_s=60)
    bench.box.say_booked(optional, "stay_9")
    bench.box.say_checked_in("stay_9", "r101")
    await bench.heal(3)
    return sent


def _live(bench: SyncBench) -> None:
    say = bench.box.say
    say(RoomStatusSet(room_id="r101", status=RoomStatus.INSPECTED, reason=""))
    say(
        CheckedIn(
            stay_id="stay_1",
            room_id="r101",
            arrival=ARRIVAL,
            departure=DEPARTURE,
            business_date=ARRIVAL,
        )
    )
    say(
        RoomMoved(
            stay_id="stay_1",
            from_room_id="r101",
            to_room_id="r102",
            to_room_type_id="double",
            from_date=ARRIVAL,
            departure=DEPARTURE,
            reason=WHY,
        ),
        reason="noise",
    )
    nights = tuple(
        Night(date=day, amount_minor=12_000, currency="EUR", price_source="rate:double")
        for day in (ARRIVAL, date(2026, 8, 15), date(2026, 8, 16))
    )
    say(
        DepartureChanged(
            stay_id="stay_1",
            room_id="r102",
            previous=DEPARTURE,
            departure=date(2026, 8, 17),
            nights=nights,
        )
    )
    say(
        PaymentSettled(
            payment_id="pay_1",
            stay_id="stay_1",
            intent_id=None,
            amount_minor=24_000,
            currency="EUR",
            means="cash",
            provider_ref=None,
        )
    )
    say(
        CheckedOut(
            stay_id="stay_1", room_id="r102", business_date=ARRIVAL, departure=DEPARTURE, early=True
        )
    )
    say(StayCancelled(stay_id="stay_2", by_upstream=False, reason=WHY), reason="flight")
    say(NoShowMarked(stay_id="stay_3", by_upstream=False, business_date=ARRIVAL))


async def _hand_out_keys(bench: SyncBench) -> None:
    for key_id, code in (
        ("key_1", CODE),
        ("key_2", replace(CODE, valid_until_s=CODE.valid_until_s + 86_400)),
        ("key_3", replace(CODE, digits="559911", generation=2)),
    ):
        bench.box.codes["stay_1"] = code
        bench.box.say(
            KeyCut(
                key_id=key_id,
                holder_kind=HolderKind.STAY,
                holder_id="stay_1",
                door_id="door-102",
                generation=code.generation,
                valid_from_s=code.valid_from_s,
                valid_until_s=code.valid_until_s,
                reason=KeyReason.FIRST,
                cti="00",
                slot=1,
            )
        )
        await bench.heal(1)
    bench.box.codes.clear()
    bench.box.say(
        KeyRevoked(
            key_id="key_3",
            holder_kind=HolderKind.STAY,
            holder_id="stay_1",
            door_id="door-102",
            generation=2,
            cti="00",
            slot=1,
            reason="checked_out",
        )
    )
    await bench.heal(1)
