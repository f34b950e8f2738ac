"""The other side of sync, whichever vendor it is: what channels do there, and what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from appliance.engines.stays.messages import StayState
from appliance.kernel.clock import Clock
from sync.pms.choosing import PmsAccount
from sync.pms.mews.client import MewsAccount
from sync.pms.mews.words import STATE_OF
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, CancellationReason, MewsStore
from twin.clouds.mews.cloud import MewsCloud
from twin.clouds.serve import PMS_IN_PROCESS
from twin.clouds.wire import Cloud
from twin.journal import Journal

TIME_ZONE: Final = "Europe/Vienna"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One booking as the vendor holds it, in the box's words."""

    upstream_id: str
    state: StayState
    arrival: date
    departure: date
    our_ref: str | None
    room: str | None  # the number on the door


class Channel(Protocol):
    """A vendor's cloud, seen from the side of those who sell there."""

    name: str
    account: PmsAccount
    # Requests that change something, as the cloud names them: where a lost answer hurts.
    writes: tuple[str, ...]

    @property
    def cloud(self) -> Cloud:
        """What answers there."""
        ...

    def furnish(self, rooms: dict[str, list[str]]) -> None:
        """Room types by their id at the box, with their rooms' numbers."""
        ...

    def sell(self, room_type: str, arrival: date, departure: date) -> str:
        """A channel sells a night or more; the vendor's id."""
        ...

    def modify(self, upstream_id: str, departure: date) -> None:
        """The guest changes the last day where they booked."""
        ...

    def cancel(self, upstream_id: str) -> None:
        """The guest cancels where they booked."""
        ...

    def holds(self) -> list[Held]:
        """Every booking there."""
        ...

    def payments(self) -> list[str]:
        """Our references of the payments that were told there, one for each time it was."""
        ...

    def too_many(self) -> int:
        """How often a true limit was exceeded."""
        ...

    def requests(self) -> int:
        """How many requests arrived there."""
        ...


class MewsChannel:
    """Mews."""

    name = "mews"
    writes: tuple[str, ...] = (
        "reservations/add",
        "reservations/start",
        "reservations/process",
        "reservations/update",
        "reservations/cancel",
        "customers/add",
        "payments/addExternal",
    )

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.store = MewsStore(clock, journal, time_zone=TIME_ZONE)
        self._cloud = MewsCloud(clock, journal, self.store)
        self.account: PmsAccount = MewsAccount(
            base_url=PMS_IN_PROCESS, client_token=CLIENT_TOKEN, access_token=ACCESS_TOKEN
        )
        self._categories: dict[str, str] = {}

    @property
    def cloud(self) -> Cloud:
        """What answers there."""
        return self._cloud

    def furnish(self, rooms: dict[str, list[str]]) -> None:
        """Categories by the box's titles."""
        for room_type, numbers in rooms.items():
            category = self.store.add_category(room_type.title(), short=room_type[:3].upper())
            self._categories[room_type] = category.id
            for number in numbers:
                self.store.add_room(number, category)

    def sell(self, room_type: str, arrival: date, departure: date) -> str:
        """As Booking.com through Mews' channel manager."""
        guest = self.store.put_customer("Hopper", "Grace")
        return self.store.put_reservation(
            customer_id=guest.id,
            category_id=self._categories[room_type],
            start_s=self.store.arrival_s(arrival),
            end_s=self.store.departure_s(departure),
            nights_minor=[9_000] * (departure - arrival).days,
            adults=2,
            channel="Booking.com",
        ).id

    def modify(self, upstream_id: str, departure: date) -> None:
        """Another last day."""
        one = self.store.reservations[upstream_id]
        arrival = self.store.local_day(one.scheduled_start_s)
        self.store.modify_reservation(
            upstream_id,
            end_s=self.store.departure_s(departure),
            nights_minor=[9_000] * (departure - arrival).days,
        )

    def cancel(self, upstream_id: str) -> None:
        """By the guest."""
        self.store.cancel_reservation(upstream_id)

    def holds(self) -> list[Held]:
        """As Mews would show them."""
        found = []
        for one in self.store.reservations.values():
            state = STATE_OF[str(one.state)]
            if one.cancellation_reason is CancellationReason.NO_SHOW:
                state = StayState.NO_SHOW
            found.append(
                Held(
                    upstream_id=one.id,
                    state=state,
                    arrival=self.store.local_day(one.scheduled_start_s),
                    departure=self.store.local_day(one.end_s),
                    our_ref=one.channel_number,
                    room=self.store.room_name(one.room_id),
                )
            )
        return found

    def payments(self) -> list[str]:
        """`ExternalIdentifier` of every payment."""
        return [one.external_identifier or "" for one in self.store.payments.values()]

    def too_many(self) -> int:
        """Counted by the twin's limiter; planned faults are not among them."""
        return self._cloud.limits.refused

    def requests(self) -> int:
        """All of them."""
        return self._cloud.asked


CHANNELS: Final[dict[str, Callable[[Clock, Journal], Channel]]] = {MewsChannel.name: MewsChannel}
