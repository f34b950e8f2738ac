"""Endpoints about payments that the desk took."""

from __future__ import annotations

from twin.clouds.mews import shapes
from twin.clouds.mews.listing import Asked, Json, listed
from twin.clouds.mews.records import Payment
from twin.clouds.mews.selling import find
from twin.clouds.mews.selling import money as minor_of
from twin.clouds.mews.words import forbidden, invalid


def add_external(asked: Asked) -> Json:
    """`payments/addExternal`: no idempotency; the caller's identifier is kept and can be read."""
    store, body = asked.store, asked.body
    account = body.id("AccountId")
    if account not in store.customers:
        raise invalid("Invalid AccountId: the account does not exist.")
    reservation_id = body.maybe_id("ReservationId")
    if reservation_id is not None:
        find(store, reservation_id)
    minor = minor_of(store, body.part("Amount"))
    if minor == 0:
        raise forbidden("The amount of a payment cannot be zero.")
    one = Payment(
        id=store.new_id(),
        account_id=account,
        reservation_id=reservation_id,
        bill_id=body.maybe_id("BillId"),
        amount_minor=minor,
        currency=store.enterprise.currency,
        type=body.maybe_text("Type") or "Unspecified",
        external_identifier=body.maybe_text("ExternalIdentifier"),
        notes=body.maybe_text("Notes"),
        at_s=store.now_s(),
    )
    store.payments[one.id] = one
    store.journal(
        "pms.payment.added",
        id=one.id,
        reservation=one.reservation_id,
        amount_minor=one.amount_minor,
        currency=one.currency,
        type=one.type,
        external_identifier=one.external_identifier,
    )
    return {"ExternalPaymentId": one.id}


def get_payments(asked: Asked) -> Json:
    """`payments/getAll`: the way to find a payment again after an answer that never came."""
    body = asked.body
    ids, accounts = body.ids("PaymentIds"), body.ids("AccountIds")
    reservations = body.ids("ReservationIds")
    created, updated = body.interval("CreatedUtc"), body.interval("UpdatedUtc")
    rows = [
        one
        for one in reversed(asked.store.payments.values())
        if (ids is None or one.id in ids)
        and (accounts is None or one.account_id in accounts)
        and (reservations is None or one.reservation_id in reservations)
        and (created is None or created.holds(one.at_s))
        and (updated is None or updated.holds(one.at_s))
    ]
    return listed(asked, "Payments", rows, shapes.payment, lambda one: one.id)
