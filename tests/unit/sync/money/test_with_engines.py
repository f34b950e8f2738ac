"""Money between the real payments engine and the bank: one hold, one capture, one refund, told."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from appliance.engines.payments import recovery
from appliance.engines.payments.messages import (
    AskPayLink,
    CaptureHold,
    HoldCard,
    RefundPayment,
    SaveCardReference,
    SettleStray,
    TakeDeposit,
)
from appliance.engines.payments.room import ENGINE
from appliance.kernel import log as kernel_log
from appliance.kernel.deciding import Deciding
from appliance.kernel.log import Log
from appliance.kernel.tasks import Nursery
from support.desk import MANAGER
from support.hotel import ENGINES, Hotel
from support.hotel_home import HotelHome
from sync.money.stripe import StripeAccount
from sync.money.stripe.client import Reply
from sync.running import Running
from sync.settings import SyncSettings
from sync.transport import CallTransport
from twin.clouds.faults import Fault
from twin.clouds.serve import PAYMENTS_IN_PROCESS, build
from twin.clouds.stripe import SECRET_KEY, guest
from twin.clouds.wire import Request
from twin.journal import Journal
from twin.line import Cut, Line

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
        self.settings = SyncSettings(ledger_path=folder / "sync.db", stripe=account)
        self.running = self._run()
        self.stay_id = str(self.hotel.sell(room_id="r101")["stay_id"])
        store = self.clouds.stripe.store
        customer = store.add_customer("Ada", None, {})["id"]
        card = SaveCardReference(
            stay_id=self.stay_id, customer_ref=customer, method_ref=store.save_card(customer)
        )
        self.hotel.done(card)

    def _run(self) -> Running:
        running = Running(
            self.settings,
            clock=self.clock,
            home=HotelHome(self.hotel),
            transport=CallTransport(self.clouds.in_process().send),
            nursery=self.nursery,
        )
        running.start()
        return running

    def back_up(self) -> None:
        """Both files as they are now, beside themselves."""
        for file, db in self._files():
            db.execute("VACUUM INTO ?", (f"{file}.backup",))

    async def restore(self, *, ledger: bool = True) -> None:
        """The box is off, its files are those of the backup, and it starts again."""
        await self.nursery.close()
        log, sync = (file for file, _ in self._files())
        self.running.close()
        self.hotel.db.close()
        _put_back(log)
        if ledger:
            _put_back(sync)
            self.settings.restored_marker.touch()
        self.hotel.db = kernel_log.connect(log)
        engines = [*ENGINES, ENGINE]
        self.hotel.deciding = Deciding(Log(self.hotel.db), self.hotel.vault, self.clock, engines)
        self.nursery = Nursery(lambda name, error: None)
        self.running = self._run()

    def _files(self) -> list[tuple[Path, Any]]:
        path = self.settings.ledger_path
        return [(path.with_name("log.db"), self.hotel.db), (path, self.running.ledger.db)]

    def to_see_to(self) -> list[tuple[str, int]]:
        """What the desk's Money screen shows, with the amount."""
        rows = self.hotel.rows(recovery.LIST, self.clock.read().wall_s)
        return [(each.what, each.amount_minor) for each in recovery.items_from(rows)]

    def states(self) -> dict[str, int]:
        """What the bank did."""
        kinds = ("charged", "authorized", "captured", "refunded")
        return {kind: self.journal.count(f"payments.{kind}") for kind in kinds}

    def payment(self) -> str:
        """The payment that the engine has settled last."""
        rows = self.hotel.rows("SELECT payment_id FROM payments_payment ORDER BY at_ms")
        return str(rows[-1][0])


def _put_back(file: Path) -> None:
    for each in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        each.unlink(missing_ok=True)
    shutil.copy(f"{file}.backup", file)


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


def charged(house: Property, amount_minor: int) -> TakeDeposit:
    """A deposit of so much."""
    return TakeDeposit(stay_id=house.stay_id, amount_minor=amount_minor, currency="EUR")


@pytest.mark.parametrize("ledger", [True, False], ids=["both restored", "the log alone"])
@pytest.mark.parametrize("to_the_stay", [True, False], ids=["to the stay", "back"])
async def test_a_charge_that_a_restore_forgot_is_seen_once_and_settled(
    house: Property, *, ledger: bool, to_the_stay: bool
) -> None:
    house.hotel.done(charged(house, 2_000))
    await house.clock.advance(SETTLE_S)
    house.back_up()
    house.hotel.done(charged(house, 5_000))
    await house.clock.advance(SETTLE_S)
    assert house.states()["charged"] == 2
    await house.restore(ledger=ledger)
    for _ in range(2):
        await house.clock.advance(SETTLE_S)
        assert house.to_see_to() == [("stray_money", 5_000)]
        (looker,) = house.running.lookers
        looker.pull.start_over()
    [(stray_id,)] = house.hotel.rows("SELECT stray_id FROM payments_stray")
    stay_id = house.stay_id if to_the_stay else None
    settle = SettleStray(stray_id=str(stray_id), stay_id=stay_id, reason="after the restore")
    house.hotel.done(settle, MANAGER)
    await house.clock.advance(SETTLE_S)
    [(paid_minor,)] = house.hotel.rows(
        "SELECT coalesce(sum(amount_minor), 0) FROM payments_payment"
    )
    assert paid_minor == (7_000 if to_the_stay else 2_000)
    assert house.states()["refunded"] == (0 if to_the_stay else 1)
    assert house.states()["charged"] == 2
    assert house.to_see_to() == []
    balances = dict(house.hotel.rows("SELECT account, balance_minor FROM payments_account"))
    assert balances["unallocated"] == 0
    assert house.running.report()["parked"] == []


async def test_a_stray_that_went_to_a_stay_can_go_back_from_its_folio(house: Property) -> None:
    house.back_up()
    house.hotel.done(charged(house, 5_000))
    await house.clock.advance(SETTLE_S)
    await house.restore()
    await house.clock.advance(SETTLE_S)
    [(stray_id,)] = house.hotel.rows("SELECT stray_id FROM payments_stray")
    settle = SettleStray(stray_id=str(stray_id), stay_id=house.stay_id, reason="theirs")
    house.hotel.done(settle, MANAGER)
    house.hotel.done(
        RefundPayment(payment_id=house.payment(), amount_minor=2_000, currency="EUR", reason="ill")
    )
    await house.clock.advance(SETTLE_S)
    assert house.states()["refunded"] == 1
    [(refunded,)] = house.hotel.rows(
        "SELECT count(*) FROM event WHERE kind = 'payments.payment_refunded.v1'"
    )
    assert refunded == 1


async def test_a_restored_box_hears_nothing_of_what_it_never_asked_for(house: Property) -> None:
    house.back_up()
    house.clouds.line.cut(Cut.REFUSED)
    house.hotel.done(charged(house, 5_000))
    await house.clock.advance(SETTLE_S)
    await house.restore(ledger=False)
    house.clouds.line.heal()
    await house.clock.advance(SETTLE_S)
    assert house.states()["charged"] == 0
    assert house.to_see_to() == []
    assert house.running.report()["parked"] == []


async def test_a_link_that_the_restored_box_lost_is_a_stray_when_it_is_paid(
    house: Property,
) -> None:
    house.back_up()
    house.hotel.done(AskPayLink(stay_id=house.stay_id, amount_minor=5_000, currency="EUR"))
    await house.clock.advance(SETTLE_S)
    await house.restore(ledger=False)
    await house.clock.advance(SETTLE_S)
    assert house.to_see_to() == []
    (intent_id,) = house.clouds.stripe.store.intents.rows
    guest.comes_back(house.clouds.stripe.store, intent_id)
    await house.clock.advance(SETTLE_S)
    assert house.to_see_to() == [("stray_money", 5_000)]
    assert house.running.report()["parked"] == []


async def test_a_ledger_that_was_lost_alone_finds_no_stray(house: Property) -> None:
    house.hotel.done(charged(house, 5_000))
    await house.clock.advance(SETTLE_S)
    await house.nursery.close()
    house.running.close()
    for each in house.settings.ledger_path.parent.glob("sync.db*"):
        each.unlink()
    house.nursery = Nursery(lambda name, error: None)
    house.running = house._run()
    await house.clock.advance(SETTLE_S)
    assert house.to_see_to() == []
    assert house.states()["charged"] == 1
    # What the box knows already was told it in other words: that is nothing for a person.
    assert house.running.report()["parked"] == []
    assert house.running.deliverer.waiting == 0
