"""The orders of one merchant, and the guests who pay them or do not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from appliance.kernel.clock import Clock
from twin.journal import Journal

MERCHANT_ID: Final = "2193"
ACCESS_CODE: Final = "AVTWIN00NIGHTPORTER"
WORKING_KEY: Final = "0123456789ABCDEF0123456789ABCDEF"
# What nobody confirmed is cancelled by the vendor after twelve days (cloud.md 2.3).
UNCONFIRMED_S: Final = 12 * 86_400


class Status(StrEnum):
    """Statuses as the tracker spells them."""

    INITIATED = "Initiated"
    AWAITED = "Awaited"
    SUCCESSFUL = "Successful"
    SHIPPED = "Shipped"
    UNSUCCESSFUL = "Unsuccessful"
    ABORTED = "Aborted"
    INVALID = "Invalid"
    REFUNDED = "Refunded"
    AUTO_CANCELLED = "Auto-Cancelled"


@dataclass(slots=True, kw_only=True)
class Order:
    """One order; `amount` as it was written in the form."""

    order_id: str
    tracking_id: str
    amount: str
    currency: str
    back_url: str
    at_s: int
    status: Status = Status.INITIATED


class CCAvenueStore:
    """One merchant. An order id that comes twice is refused, as the vendor's page does."""

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self.orders: dict[str, Order] = {}

    def begin(self, order_id: str, amount: str, currency: str, back_url: str) -> Order | None:
        """A guest's browser posted the form; None: this order was begun before."""
        if order_id in self.orders:
            return None
        order = Order(
            order_id=order_id,
            tracking_id=f"{3_110_000_000_00 + len(self.orders) + 1}",
            amount=amount,
            currency=currency,
            back_url=back_url,
            at_s=self.now_s(),
        )
        self.orders[order_id] = order
        return order

    def settle(self, order_id: str, status: Status) -> Order:
        """The guest, or their bank, has decided."""
        order = self.orders[order_id]
        order.status = status
        if status in {Status.SUCCESSFUL, Status.SHIPPED}:
            self._journal.note("ccavenue.paid", order=order_id, amount=order.amount)
        return order

    def find(self, order_id: str) -> Order | None:
        """An order as it is now; what nobody confirmed in time is cancelled."""
        order = self.orders.get(order_id)
        unsettled = order is not None and order.status in {Status.INITIATED, Status.AWAITED}
        if order is not None and unsettled and self.now_s() - order.at_s >= UNCONFIRMED_S:
            order.status = Status.AUTO_CANCELLED
        return order

    def now_s(self) -> int:
        """The cloud's time."""
        return self._clock.read().wall_s
