"""Money between the real payments engine and the bank: one hold, one capture, one refund, told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.engines.payments.messages import (
    CaptureHold,
    HoldCard,
    RefundPayment,
    SaveCardReference,
    TakeDeposit,
)
from appliance.engines.payments.room import ENGINE
from appliance.kernel.tasks import Nursery
from support.hotel import Hotel
from support.hotel_home import HotelHome
from sync.money.stripe import StripeAccount
from sync.money.stripe.client import Reply
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport
from twin.clouds.faults import Fault
from twin.clouds.serve import PAYMENTS_IN_PROCESS, build
from twin.clouds.stripe import SECRET_KEY
from twin.clouds.wire import Request
from twin.journal import Journal
from twin.line import Line

SETTLE_S = 180


class Property:
    """A hotel whose guests' cards are kept at the payment cloud, and sync between them."""

    def __init__(self, folder: Path) -> None:
        self.hotel = Hotel(folder, more=[ENGINE])
        self.clock = self.hotel.clock
        self.nursery = Nursery(lambda name, error: None)
        self.journal = Journal(clock=self.clock)
        self.clouds = build(self.journal, self.clock, Line(self.journal, self.clock, self.nursery))
        account = StripeAccount(base_url=PAYMENTS_IN_PROCESS, secret_key=SECRET_KEY)
        self.running = Running(
            SyncSettings(ledger_path=folder / "sync.db", stripe=account),
            clock=self.clock,
            home=HotelHome(self.hotel),
            transport=CallTransport(self.clouds.in_process().send),
            nursery=self.nursery,
        )
        self.running.start()
        self.stay_id = str(self.hotel.sell(room_id="r101")["stay_id"])
        store = self.clouds.stripe.store
        customer = store.add_customer("Ada", None, {})["id"]
        card = SaveCardReference(
            stay_id=self.stay_id, customer_ref=customer, method_ref=store.save_card(customer)
        )
        self.hotel.done(card)

    def states(self) -> dict[str, int]:
        """What the bank did."""
        kinds = ("charged", "authorized", "captured", "refunded")
        return {kind: self.journal.count(f"payments.{kind}") for kind in kinds}

    def payment(self) -> str:
        """The payment that the engine has settled last."""
        rows = self.hotel.rows("SELECT payment_id FROM payments_payment ORDER BY at_ms")
        return str(rows[-1][0])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Property]:
    found = Property(tmp_path)
    yield found
    await found.nursery.close()
    found.running.close()
    found.hotel.close()


async def test_a_hold_is_taken_and_given_back_with_every_answer_lost(house: Property) -> None:
    faults = house.clouds.stripe.faults
    faults.plan("POST *", Fault.LOST_ANSWER)
    asked = house.hotel.done(HoldCard(stay_id=house.stay_id, amount_minor=5_000, currency="EUR"))
    await house.clock.advance(SETTLE_S)
    faults.plan("POST *", Fault.CUT_BODY)
    taken = CaptureHold(intent_id=asked["intent_id"], amount_minor=3_000, currency="EUR")
    house.hotel.done(taken)
    await house.clock.advance(SETTLE_S)
    faults.plan("POST *", Fault.LOST_ANSWER)
    house.hotel.done(
        RefundPayment(
            payment_id=house.payment(), amount_minor=1_000, currency="EUR", reason="a late key"
        )
    )
    await house.clock.advance(SETTLE_S)
    assert house.states() == {"charged": 0, "authorized": 1, "captured": 1, "refunded": 1}
    kinds = [kind for (kind,) in house.hotel.rows("SELECT kind FROM event ORDER BY position")]
    assert kinds.count("payments.payment_settled.v1") == 1
    assert kinds.count("payments.payment_refunded.v1") == 1
    assert house.running.report()["parked"] == []


async def test_a_second_charge_goes_back_by_itself(house: Property) -> None:
    frozen: list[tuple[str, bytes]] = []
    post = house.running.money.stripe
    assert post is not None
    send = post.client.post

    async def seen(path: str, form: bytes, key: str) -> Reply:
        frozen.append((path, form))
        return await send(path, form, key)

    post.client.post = seen  # type: ignore[method-assign]
    house.hotel.done(TakeDeposit(stay_id=house.stay_id, amount_minor=5_000, currency="EUR"))
    await house.clock.advance(SETTLE_S)
    path, form = frozen[0]
    headers = {"authorization": f"Bearer {SECRET_KEY}", "idempotency-key": "another"}
    request = Request(method="POST", path=path, headers=headers, body=form)
    await house.clouds.stripe.answer(request)
    await house.clock.advance(SETTLE_S)
    assert house.states() == {"charged": 2, "authorized": 0, "captured": 0, "refunded": 1}
    kinds = [kind for (kind,) in house.hotel.rows("SELECT kind FROM event ORDER BY position")]
    assert kinds.count("payments.payment_settled.v1") == 1
    assert kinds.count("payments.second_charge_found.v1") == 1
