"""The payment page and the tracker; unverified: from cloud.md 2.3, no sandbox was seen."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from appliance.kernel.clock import Clock, sleep
from twin.clouds.ccavenue.cipher import seal, unseal
from twin.clouds.ccavenue.store import (
    ACCESS_CODE,
    MERCHANT_ID,
    WORKING_KEY,
    CCAvenueStore,
    Order,
    Status,
)
from twin.clouds.faults import BEFORE, Fault, Faults
from twin.clouds.wire import Delivery, Reply, Request, dated
from twin.journal import Journal

PAGE: Final = "/transaction/transaction.do"
TRACKER: Final = "/apis/servlet/DoWebTrans"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}
_DELIVERY: Final = {
    Fault.LOST_ANSWER: Delivery.DROPPED,
    Fault.NO_ANSWER: Delivery.SILENT,
    Fault.CUT_BODY: Delivery.CUT,
}
_STATUS: Final = {
    Fault.SERVER_ERROR: 503,
    Fault.TOO_MANY: 429,
    Fault.TOO_MANY_BARE: 429,
    Fault.TOO_HEAVY: 408,
    Fault.CONFLICT: 409,
}


class CCAvenueCloud:
    """Answers as `secure.ccavenue.com` and `api.ccavenue.com` do, both at one address."""

    def __init__(self, clock: Clock, journal: Journal, store: CCAvenueStore | None = None) -> None:
        self.store = store or CCAvenueStore(clock, journal)
        self.faults = Faults()
        self.asked = 0
        self.registered = True  # whether the caller's address is known to the vendor
        self._clock = clock

    async def answer(self, request: Request) -> Reply:
        """Answer one request; the planned fault decides how much of it is seen."""
        self.asked += 1
        planned = self.faults.take(f"{request.method} {request.path}")
        fault = planned.fault if planned is not None else None
        if fault is Fault.LOST_REQUEST:
            return Reply(status=0, delivery=Delivery.DROPPED)
        if fault is Fault.UNAUTHORIZED:
            return dated(_tracked_no("Access_code: Invalid Parameter"), self.store.now_s())
        if fault in BEFORE:
            return dated(Reply(status=_STATUS.get(fault, 503)), self.store.now_s())
        if planned is not None and fault is Fault.SLOW:
            await sleep(self._clock, planned.delay_s)
        reply = dated(self._answer(request), self.store.now_s())
        if fault is Fault.BROKEN_STORED:
            reply = dated(Reply(status=500, body=b"error", headers=_HTML), self.store.now_s())
        delivery = _DELIVERY.get(fault, Delivery.WHOLE) if fault else Delivery.WHOLE
        return Reply(status=reply.status, body=reply.body, headers=reply.headers, delivery=delivery)

    def _answer(self, request: Request) -> Reply:
        form = _form(request.body)
        if request.method == "POST" and request.path == PAGE:
            return self._page(form)
        if request.method == "POST" and request.path == TRACKER:
            return self._track(form)
        return Reply(status=404, body=b"not found", headers=_HTML)

    # -- the page --------------------------------------------------------------------------------

    def _page(self, form: dict[str, str]) -> Reply:
        if form.get("access_code") != ACCESS_CODE:
            return _html("Error Code: 10001 Merchant Authentication failed.")
        try:
            fields = _form(unseal(form.get("encRequest", ""), WORKING_KEY).encode())
        except ValueError:
            return _html("Error Code: 10002 Merchant Authentication failed.")
        if fields.get("merchant_id") != MERCHANT_ID:
            return _html("Error Code: 10003 Merchant Id is invalid.")
        names = ("order_id", "amount", "currency", "redirect_url")
        if not all(fields.get(name) for name in names) or len(fields["order_id"]) > 30:
            return _html("Error Code: 21001 A required parameter is missing.")
        order = self.store.begin(*(fields[name] for name in names))
        if order is None:
            return _html("Error Code: 21002 This order was processed already.")
        return _html(f"Pay {order.amount} {order.currency}")

    def comes_back(self, order_id: str, status: Status) -> dict[str, str]:
        """The guest has decided; the form that their browser posts to the redirect address."""
        order = self.store.settle(order_id, status)
        word = {
            Status.SUCCESSFUL: "Success",
            Status.SHIPPED: "Success",
            Status.UNSUCCESSFUL: "Failure",
        }.get(status, str(status))
        fields = {
            "order_id": order.order_id,
            "tracking_id": order.tracking_id,
            "bank_ref_no": "null",
            "order_status": word,
            "failure_message": "",
            "payment_mode": "Net Banking",
            "card_name": "AvenuesTest",
            "status_code": "null",
            "status_message": "Y",
            "currency": order.currency,
            "amount": order.amount,
        }
        return {"encResp": seal(urlencode(fields), WORKING_KEY), "orderNo": order.order_id}

    # -- the tracker -----------------------------------------------------------------------------

    def _track(self, form: dict[str, str]) -> Reply:
        if not self.registered:
            return _tracked_no("Invalid IP Address")
        if form.get("access_code") != ACCESS_CODE:
            return _tracked_no("Access_code: Invalid Parameter")
        if form.get("command") != "orderStatusTracker" or form.get("version") != "1.2":
            return _tracked_no("Command: Invalid Parameter")
        try:
            asked = json.loads(unseal(form.get("enc_request", ""), WORKING_KEY))
            order_id = str(asked["order_no"])
        except (ValueError, KeyError, TypeError):
            return _tracked_no("Enc_request: Invalid Parameter")
        order = self.store.find(order_id)
        row = _row(order) if order is not None else _NO_SUCH_ORDER
        # The vendor breaks the line after the cipher.
        sealed = seal(json.dumps(row), WORKING_KEY) + "\r\n"
        body = urlencode({"status": "0", "enc_response": sealed, "enc_error_code": ""}).encode()
        return Reply(status=200, body=body, headers=_FORM)


_NO_SUCH_ORDER: Final = {
    "status": 1,
    "error_desc": "No records found",
    "error_code": "51419",
}


def _row(order: Order) -> dict[str, Any]:
    return {
        "status": 0,
        "reference_no": order.tracking_id,
        "order_no": order.order_id,
        "order_status": str(order.status),
        "order_amt": float(order.amount),
        "order_currncy": order.currency,
        "order_date_time": order.at_s,
    }


def _tracked_no(text: str) -> Reply:
    body = urlencode({"status": "1", "enc_response": text}).encode()
    return Reply(status=200, body=body, headers=_FORM)


def _html(text: str) -> Reply:
    return Reply(status=200, body=f"<html><body>{text}</body></html>".encode(), headers=_HTML)


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except ValueError:
        return {}
