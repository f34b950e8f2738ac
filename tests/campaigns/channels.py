"""The other side of sync, whichever vendor it is: what channels do there, and what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from appliance.engines.stays.messages import StayState
from appliance.kernel.clock import Clock
from sync.pms.choosing import PmsAccount
from sync.pms.guesty.account import GuestyAccount
from sync.pms.hostaway.token import HostawayAccount
from sync.pms.hostaway.words import PROVIDER
from sync.pms.mews.client import MewsAccount
from sync.pms.mews.words import STATE_OF
from twin.clouds import hostaway
from twin.clouds.guesty import (
    CLIENT_ID,
    CLIENT_SECRET,
    GuestStay,
    GuestyCloud,
    GuestyStore,
    Status,
)
from twin.clouds.hostaway.records import Listing
from twin.clouds.mews import ACCESS_TOKEN, CLIENT_TOKEN, CancellationReason, MewsStore
from twin.clouds.mews.cloud import MewsCloud
from twin.clouds.serve import PMS_IN_PROCESS, in_process_url
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
    keeps_check_ins: bool  # False: whoever is not cancelled there is expected, whatever happened

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
    keeps_check_ins = True
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


class GuestyChannel:
    """Guesty, half of it sold by Booking.com, which its newer search does not show."""

    name = "guesty"
    keeps_check_ins = True
    writes: tuple[str, ...] = (
        "POST /v1/reservations-v3",
        "PUT /v1/reservations-v3/guest-stay",
        "PUT /v1/reservations-v3/{id}/relocate",
        "PUT /v1/reservations-v3/{id}/dates",
        "PUT /v1/reservations-v3/{id}/status",
        "POST /v1/payments/recorded",
    )

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.store = GuestyStore(clock, journal, time_zone=TIME_ZONE)
        self._cloud = GuestyCloud(clock, journal, self.store)
        self.account: PmsAccount = GuestyAccount(
            base_url=in_process_url("guesty"), client_id=CLIENT_ID, client_secret=CLIENT_SECRET
        )
        self._kinds: dict[str, str] = {}
        self._sold = 0

    @property
    def cloud(self) -> Cloud:
        """What answers there."""
        return self._cloud

    def furnish(self, rooms: dict[str, list[str]]) -> None:
        """Unit types by the box's titles, units by the rooms' numbers."""
        for room_type, numbers in rooms.items():
            kind = self.store.add_type(room_type.title())
            self._kinds[room_type] = kind.id
            for number in numbers:
                self.store.add_unit(number, kind)

    def sell(self, room_type: str, arrival: date, departure: date) -> str:
        """By Booking.com and by the house's own site in turn."""
        self._sold += 1
        direct = self._sold % 2 == 0
        guest = self.store.put_guest("Grace", "Hopper")
        return self.store.put_reservation(
            guest_id=guest.id,
            check_in=arrival,
            check_out=departure,
            listing_id=self._kinds[room_type],
            source="Website" if direct else "Booking.com",
            platform="direct" if direct else "bookingCom",
            legacy=not direct,
            fare_minor=9_000 * (departure - arrival).days,
        ).id

    def modify(self, upstream_id: str, departure: date) -> None:
        """Another last day."""
        one = self.store.reservations[upstream_id]
        self.store.move_dates(one, one.check_in, departure, by="channel")

    def cancel(self, upstream_id: str) -> None:
        """By the guest."""
        self.store.set_status(self.store.reservations[upstream_id], Status.CANCELED, by="channel")

    def holds(self) -> list[Held]:
        """Both machines as the box's one."""
        found = []
        for one in self.store.reservations.values():
            unit_id = one.stay[-1].unit_id
            found.append(
                Held(
                    upstream_id=one.id,
                    state=_GUESTY_STATE[one.guest_stay] if one.blocks else StayState.CANCELLED,
                    arrival=one.check_in,
                    departure=one.check_out,
                    our_ref=one.origin_id,
                    room=None if unit_id is None else self.store.listings[unit_id].title,
                )
            )
        return found

    def payments(self) -> list[str]:
        """The note of every payment ends with our reference."""
        return [
            paid.note.split()[-1]
            for one in self.store.reservations.values()
            for paid in one.payments
        ]

    def too_many(self) -> int:
        """Counted by the twin's limiters, that of the tokens among them."""
        return self._cloud.limits.refused + self._cloud.tokens.refused

    def requests(self) -> int:
        """All of them."""
        return self._cloud.asked


class HostawayChannel:
    """Hostaway."""

    name = "hostaway"
    keeps_check_ins = False
    writes: tuple[str, ...] = (
        "POST reservations",
        "PUT reservations/{id}",
        "PUT reservations/{id}/statuses/cancelled",
        "POST guestPayments/charges/{id}",
        "POST accessTokens",
    )

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self.store = hostaway.HostawayStore(clock, journal, time_zone=TIME_ZONE)
        self._cloud = hostaway.HostawayCloud(clock, journal, self.store)
        self.account: PmsAccount = HostawayAccount(
            base_url=in_process_url(self.name),
            client_id=str(hostaway.ACCOUNT_ID),
            client_secret=hostaway.CLIENT_SECRET,
        )
        self._listings: dict[str, Listing] = {}

    @property
    def cloud(self) -> Cloud:
        """What answers there."""
        return self._cloud

    def furnish(self, rooms: dict[str, list[str]]) -> None:
        """Listings by the box's titles, each with its rooms as units."""
        for room_type, numbers in rooms.items():
            listing = self.store.add_listing(room_type.title(), units=tuple(numbers))
            self._listings[room_type] = listing

    def sell(self, room_type: str, arrival: date, departure: date) -> str:
        """As Airbnb through Hostaway's channel manager."""
        nights = (departure - arrival).days
        return str(self.store.sell(self._listings[room_type], arrival, nights).id)

    def modify(self, upstream_id: str, departure: date) -> None:
        """Another last day."""
        one = self.store.reservations[int(upstream_id)]
        total_minor = 9_000 * (departure - one.arrival).days
        self.store.change(int(upstream_id), departure=departure, total_minor=total_minor)

    def cancel(self, upstream_id: str) -> None:
        """By the guest."""
        self.store.cancel(int(upstream_id))

    def holds(self) -> list[Held]:
        """As Hostaway would show them."""
        cancelled = StayState.CANCELLED
        return [
            Held(
                upstream_id=str(one.id),
                state=StayState.CONFIRMED if one.blocks else cancelled,
                arrival=one.arrival,
                departure=one.departure,
                our_ref=one.channel_reservation_id if one.source == PROVIDER else None,
                room=None,
            )
            for one in self.store.reservations.values()
        ]

    def payments(self) -> list[str]:
        """The id in the title of every offline charge."""
        return [one.title.removeprefix("Nightporter ") for one in self.store.charges.values()]

    def too_many(self) -> int:
        """Counted by the twin's limiter; planned faults are not among them."""
        return self._cloud.limits.refused

    def requests(self) -> int:
        """All of them."""
        return self._cloud.asked


_GUESTY_STATE: Final = {
    GuestStay.NOT_SET: StayState.CONFIRMED,
    GuestStay.CHECKED_IN: StayState.IN_HOUSE,
    GuestStay.CHECKED_OUT: StayState.DEPARTED,
    GuestStay.NO_SHOW: StayState.NO_SHOW,
}
CHANNELS: Final[dict[str, Callable[[Clock, Journal], Channel]]] = {
    MewsChannel.name: MewsChannel,
    GuestyChannel.name: GuestyChannel,
    HostawayChannel.name: HostawayChannel,
}
