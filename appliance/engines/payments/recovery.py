"""No booking without money or a person's word, and no money without a booking: what is left open.

An item is not kept: it follows from what the tables say, and is gone when its cause is. Told once
as a fact for notices; a person may take it on their word, which is a fact as well. A word on money
without a booking is about the money that was there: what comes later is an item again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.engines.payments.messages import (
    AcceptUnpaid,
    CheckRecovery,
    PaymentSettled,
    RecoveryDue,
    RefundAsked,
    Refusal,
    SettleStray,
    StraySettled,
    UnpaidAccepted,
)
from appliance.engines.payments.rules import TEXT_CHARS_MAX, booker_of, text_refusal
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event
from appliance.kernel.sealed import seal_later
from appliance.kernel.values import derived_id

# A hold is looked at a day and a half before it runs out: one night audit lies in between.
HOLD_LEAD_S: Final = 36 * 3_600
# As many as a page shows; the rest is told by the next check.
ITEMS_MAX: Final = 200
_FAILED: Final = "('declined', 'expired')"
_GUARANTEE: Final = "('deposit', 'hold', 'link')"

# One parameter, ?1: the wall clock's seconds. Columns as in `Item`. The writer asks this beside the
# doors: every part begins at what is open, never at all the stays or intents there ever were.
ITEMS: Final = f"""
SELECT item_id, what, CASE WHEN EXISTS (SELECT 1 FROM payments_stay k WHERE k.stay_id = i.stay_id)
    THEN i.stay_id END, subject_id, amount_minor, currency, by_s, at_ms FROM (
    SELECT 'guarantee:' || i.intent_id AS item_id,
        CASE WHEN i.state = 'requires_action' THEN 'guest_must_act' ELSE 'guarantee_failed' END
            AS what,
        i.stay_id AS stay_id, i.intent_id AS subject_id, i.amount_minor AS amount_minor,
        i.currency AS currency, NULL AS by_s, i.asked_at_ms AS at_ms
    FROM payments_intent i JOIN payments_stay s ON s.stay_id = i.stay_id
    WHERE i.kind IN {_GUARANTEE} AND s.phase IN ('expected', 'in_house')
        AND (i.state IN {_FAILED} OR (i.state = 'requires_action' AND i.kind != 'link'))
        AND NOT EXISTS (SELECT 1 FROM payments_intent o WHERE o.stay_id = i.stay_id
            AND o.kind IN {_GUARANTEE} AND (o.asked_at_ms, o.intent_id) > (i.asked_at_ms, i.intent_id))
        AND NOT EXISTS (SELECT 1 FROM payments_payment p WHERE p.stay_id = i.stay_id
            AND p.at_ms >= i.asked_at_ms)
    UNION ALL
    SELECT 'look:' || intent_id, 'look_up', stay_id, intent_id, amount_minor, currency, NULL,
        asked_at_ms FROM payments_intent WHERE state = 'manual'
    UNION ALL
    SELECT 'refund:' || i.intent_id, 'refund_failed', i.stay_id, i.of_id, i.amount_minor,
        i.currency, NULL, i.asked_at_ms FROM payments_intent i
    WHERE i.kind = 'refund' AND i.state IN {_FAILED}
        AND NOT EXISTS (SELECT 1 FROM payments_intent o WHERE o.kind = 'refund'
            AND o.of_id = i.of_id AND o.asked_at_ms > coalesce((SELECT max(e.at_ms)
                FROM payments_entry e WHERE e.subject = i.intent_id
                AND e.what IN ('refund_refused', 'refund_came_back')), i.asked_at_ms))
    UNION ALL
    SELECT 'capture:' || i.intent_id, 'capture_failed', i.stay_id, i.of_id, i.amount_minor,
        i.currency, NULL, i.asked_at_ms FROM payments_intent i
    WHERE i.kind = 'capture' AND i.state IN {_FAILED}
        AND NOT EXISTS (SELECT 1 FROM payments_intent o WHERE o.kind = 'capture'
            AND o.of_id = i.of_id AND o.asked_at_ms > i.asked_at_ms)
    UNION ALL
    SELECT 'hold:' || intent_id, 'hold_expiring', stay_id, intent_id, amount_minor, currency,
        capture_by_s, asked_at_ms FROM payments_intent
    WHERE kind = 'hold' AND state = 'held' AND releasing = 0
        AND capture_by_s - {HOLD_LEAD_S} <= ?1
    UNION ALL
    SELECT 'second:' || payment_id, 'second_charge', stay_id, intent_id, amount_minor, currency,
        NULL, at_ms FROM payments_second
    UNION ALL
    SELECT 'stray:' || stray_id, 'stray_money', stay_id, stray_id, amount_minor, currency, NULL,
        at_ms FROM payments_stray WHERE settled = 0
    UNION ALL
    SELECT 'dispute:' || dispute_id, 'dispute', stay_id, dispute_id, amount_minor, currency, due_s,
        opened_at_ms FROM payments_dispute WHERE state IN ('open', 'under_review')
    UNION ALL
    SELECT 'owes:' || s.stay_id, 'departed_unpaid', s.stay_id, s.stay_id, sum(a.balance_minor),
        a.currency, NULL, 0
    FROM (SELECT DISTINCT substr(account, 7, instr(substr(account, 7) || '/', '/') - 1) AS stay_id
            FROM payments_account WHERE own_sale = 1 AND balance_minor > 0) x
        CROSS JOIN payments_stay s ON s.stay_id = x.stay_id CROSS JOIN payments_account a
        ON a.account IN ('guest:' || s.stay_id, 'guest:' || s.stay_id || '/company')
    WHERE s.phase = 'departed' AND s.ours = 1
    GROUP BY s.stay_id, a.currency HAVING sum(a.balance_minor) > 0
    UNION ALL
    SELECT 'off:' || s.stay_id, 'money_without_booking', s.stay_id, s.stay_id,
        -sum(a.balance_minor), a.currency, NULL, 0
    FROM (SELECT substr(account, 10) AS stay_id FROM payments_account
            WHERE balance_minor < 0 AND account >= 'deposits:' AND account < 'deposits;'
            UNION SELECT substr(account, 7, instr(substr(account, 7) || '/', '/') - 1)
            FROM payments_account
            WHERE balance_minor < 0 AND account >= 'guest:' AND account < 'guest;') x
        CROSS JOIN payments_stay s ON s.stay_id = x.stay_id CROSS JOIN payments_account a
        ON a.account IN ('deposits:' || s.stay_id, 'guest:' || s.stay_id,
            'guest:' || s.stay_id || '/company')
    WHERE s.phase = 'off' GROUP BY s.stay_id, a.currency HAVING sum(a.balance_minor) < 0
) i WHERE NOT EXISTS (SELECT 1 FROM payments_accepted c WHERE c.item_id = i.item_id
    AND NOT (i.what = 'money_without_booking' AND EXISTS (SELECT 1 FROM payments_payment p
        WHERE p.stay_id = i.stay_id AND p.at_ms > c.at_ms)))
"""  # noqa: S608 - our own names
UNTOLD: Final = (
    f"{ITEMS} AND item_id NOT IN (SELECT item_id FROM payments_told)"  # noqa: S608 - our own names
    f" ORDER BY at_ms, item_id LIMIT {ITEMS_MAX}"
)
ONE: Final = f"{ITEMS} AND item_id = ?2"
LIST: Final = f"{ITEMS} ORDER BY by_s IS NULL, by_s, at_ms, item_id LIMIT {ITEMS_MAX}"

# What a person can do about each; the words of these are the faces'.
ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "guarantee_failed": ("retry", "pay_link", "take_cash", "accept"),
    "guest_must_act": ("pay_link", "take_cash", "accept"),
    "look_up": ("accept",),
    "refund_failed": ("retry", "accept"),
    "capture_failed": ("retry", "take_cash", "accept"),
    "hold_expiring": ("capture", "release", "accept"),
    "second_charge": ("accept",),
    "stray_money": ("settle", "give_back"),
    "dispute": ("accept",),
    "departed_unpaid": ("retry", "pay_link", "take_cash", "bill", "accept"),
    "money_without_booking": ("give_back", "accept"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a person must see to. `by_s` is its end, where it has one."""

    item_id: str
    what: str
    stay_id: str | None
    subject_id: str  # the intent, payment, dispute or stray that it is about
    amount_minor: int
    currency: str
    by_s: int | None
    at_ms: int


def items_from(rows: Sequence[tuple[Any, ...]]) -> list[Item]:
    """Rows of a query above as values."""
    names = tuple(Item.__dataclass_fields__)
    return [Item(**dict(zip(names, row, strict=True))) for row in rows]


def check_recovery(untold: Sequence[Item], _command: CheckRecovery, _context: Context) -> Decision:
    """Each item is told once, for as long as its cause stands."""
    events: list[Event] = [
        RecoveryDue(
            item_id=each.item_id,
            what=each.what,
            stay_id=each.stay_id,
            amount_minor=each.amount_minor,
            currency=each.currency,
            by_s=each.by_s,
        )
        for each in untold
    ]
    return Yes(events=events, result={"told": len(events)})


def accept_unpaid(item: Item | None, command: AcceptUnpaid, _context: Context) -> Decision:
    """A person's word, with who and why; money that lies about is nobody's to accept away."""
    if item is None or "accept" not in ACTIONS[item.what]:
        return Refusal.UNKNOWN_ITEM
    refusal = text_refusal(command.reason, TEXT_CHARS_MAX)
    if refusal is not None:
        return refusal
    subject = booker_of(item.stay_id) if item.stay_id else derived_id("item", item.item_id)
    event = UnpaidAccepted(
        item_id=item.item_id,
        stay_id=item.stay_id,
        reason=seal_later(subject, command.reason.strip()),
    )
    return [event]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """Money that nobody knew (`found` False: no such), and the stay it shall be for."""

    found: bool
    settled: bool = False
    provider_ref: str = ""
    amount_minor: int = 0
    currency: str = ""
    stay_known: bool = False
    same_currency: bool = True  # as the house's: two currencies are never on one folio


def settle_stray(stray: Stray, command: SettleStray, _context: Context) -> Decision:
    """To the stay whose money it is, or back where it came from; once."""
    if not stray.found:
        return Refusal.UNKNOWN_STRAY
    if stray.settled:
        return Refusal.ALREADY_SETTLED
    if command.stay_id is not None and not stray.stay_known:
        return Refusal.UNKNOWN_STAY
    refusal = text_refusal(command.reason, TEXT_CHARS_MAX)
    if command.stay_id is not None and not stray.same_currency:
        refusal = Refusal.BAD_CURRENCY
    if refusal is not None:
        return refusal
    settled = StraySettled(
        stray_id=command.stray_id,
        stay_id=command.stay_id,
        reason=seal_later(booker_of(command.stay_id or command.stray_id), command.reason.strip()),
    )
    if command.stay_id is not None:
        payment = PaymentSettled(
            payment_id=derived_id("payment", command.stray_id),
            stay_id=command.stay_id,
            intent_id=None,
            means="stray",
            amount_minor=stray.amount_minor,
            currency=stray.currency,
            provider_ref=stray.provider_ref,
        )
        stream = f"payments/{command.stay_id}"
        return Yes(events=[payment, settled], stream=stream)
    # It has no stay: what becomes of the refund is kept under the stray's own name.
    refund = RefundAsked(
        refund_id=derived_id("refund", command.stray_id),
        payment_id=command.stray_id,
        stay_id=command.stray_id,
        intent_id=None,
        provider_ref=stray.provider_ref,
        amount_minor=stray.amount_minor,
        currency=stray.currency,
        because="stray",
        means="stray",
    )
    return Yes(events=[refund, settled], stream=f"payments/{command.stray_id}")
