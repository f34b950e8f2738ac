"""A resident owes three rents, fees and a bounced transfer; their keys open as on the first day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from appliance.engines.doors.messages import HolderKind, OpenDoor, RenewLease
from appliance.engines.doors.room import ENGINE as DOORS
from appliance.engines.payments.messages import NoteBankLine
from appliance.engines.payments.rent_messages import AgreeRent, ChargeRents, EndRent
from appliance.engines.payments.room import ENGINE as PAYMENTS
from appliance.engines.rules.messages import ChangeSetting, Scope
from appliance.engines.rules.room import ENGINE as RULES
from support import news
from support.desk import BOX, CLERK, MANAGER, SYNC, Desk


async def test_whatever_is_owed_the_key_opens(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [news.NEWS, RULES, DOORS, PAYMENTS])
    for event in (news.property_set_up(), news.door_added(204)):
        desk.done(news.Happen(event=event))
    lease = RenewLease(lease_id="flat-1", room_id=news.ROOM(204), until=date(2027, 6, 30))
    desk.done(lease, BOX)
    press = OpenDoor(door_id="door-204", holder_kind=HolderKind.LEASE, holder_id="flat-1")
    desk.done(press, CLERK)
    keys = desk.rows("SELECT * FROM doors_key ORDER BY key_id")
    said = [fact for fact in desk.facts if fact.event.kind.startswith("doors.")]
    late = ChangeSetting(key="payments.rent_late_fee_minor", scope=Scope.PROPERTY, value=5_000)
    desk.done(late, MANAGER)
    agreed = AgreeRent(
        lease_id="flat-1",
        monthly_minor=90_000,
        currency="EUR",
        starts=date(2026, 11, 1),
        due_day=1,
        reference="FLAT-1",
    )
    desk.done(agreed, MANAGER)
    for on in (date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 20)):
        desk.done(ChargeRents(on=on), BOX)
    line = NoteBankLine(
        line_id="l1",
        account_ref="acc",
        amount_minor=90_000,
        currency="EUR",
        booked_on=date(2026, 11, 3),
        reference="FLAT-1",
    )
    desk.done(line, SYNC)
    bounced = NoteBankLine(
        line_id="l1",
        account_ref="acc",
        amount_minor=90_000,
        currency="EUR",
        booked_on=date(2026, 11, 3),
        reference="FLAT-1",
        removed=True,
    )
    desk.done(bounced, SYNC)
    desk.done(EndRent(lease_id="flat-1", ends=date(2027, 1, 31)), MANAGER)
    [(owed,)] = desk.rows(
        "SELECT balance_minor FROM payments_account WHERE account = 'rent:flat-1'"
    )
    assert owed > 3 * 90_000
    assert desk.rows("SELECT * FROM doors_key ORDER BY key_id") == keys
    assert [fact for fact in desk.facts if fact.event.kind.startswith("doors.")] == said
    await desk.clock.advance(600)
    desk.done(press, CLERK)
    desk.close()
