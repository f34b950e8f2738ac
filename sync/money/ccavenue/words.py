"""CCAvenue's words: the order's form, its status, and the answer that the browser brings back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from appliance.kernel.money import decimal_of, minor
from sync.money.ccavenue.account import CCAvenueAccount
from sync.money.ccavenue.cipher import UnreadableError, decrypt, encrypt

# An order's id: at most so many of these letters.
ORDER_CHARS_MAX: Final = 30
_ORDER: Final = re.compile(r"[A-Za-z0-9/_-]{1,30}")
# The form has twelve digits before the point.
AMOUNT_MAX: Final = 10**12


class OrderState(StrEnum):
    """What an order's status means for us."""

    NONE = "none"  # CCAvenue has never seen it
    PENDING = "pending"
    PAID = "paid"
    LET_GO = "let_go"  # the guest stopped, or its time ended
    REFUSED = "refused"
    GIVEN_BACK = "given_back"
    STRANGE = "strange"


# cloud.md 2.3: statuses of the tracker and of the redirect; compared without case and spaces.
_STATES: Final = {
    OrderState.PAID: "successful success shipped",
    OrderState.PENDING: "awaited initiated",
    OrderState.LET_GO: "aborted cancelled auto-cancelled",
    OrderState.GIVEN_BACK: "refunded systemrefund",
    OrderState.REFUSED: "unsuccessful failure invalid fraud timeout chargeback auto-reversed",
}
STATE_OF: Final = {word: state for state, words in _STATES.items() for word in words.split()}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """One order as CCAvenue has it; None where it did not say."""

    state: OrderState
    word: str
    order_id: str
    tracking_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt of a guest to pay; `amount_minor` in the currency's minor units."""

    order_id: str
    amount_minor: int
    currency: str


def order_form(order: Order, account: CCAvenueAccount, back_url: str) -> dict[str, str]:
    """The fields that the guest's browser posts to `transaction.do`."""
    assert _ORDER.fullmatch(order.order_id), f"an order id that CCAvenue refuses: {order.order_id}"
    plain = {
        "merchant_id": account.merchant_id,
        "order_id": order.order_id,
        "currency": order.currency,
        "amount": amount_text(order.amount_minor, order.currency),
        "redirect_url": back_url,
        "cancel_url": back_url,
        "language": "EN",
    }
    return {
        "encRequest": encrypt(urlencode(plain, safe=":/"), account.working_key),
        "access_code": account.access_code,
    }


def read_return(enc_resp: str, account: CCAvenueAccount) -> OrderStatus:
    """What the browser brings back. It is a hint: only the tracker's own answer counts.

    Raises UnreadableError.
    """
    fields = dict(parse_qsl(decrypt(enc_resp, account.working_key), keep_blank_values=True))
    return _status(
        order_id=fields.get("order_id", ""),
        word=fields.get("order_status", ""),
        tracking_id=fields.get("tracking_id"),
        amount=fields.get("amount"),
        currency=fields.get("currency"),
    )


def track_form(order_id: str, account: CCAvenueAccount) -> bytes:
    """The form of `orderStatusTracker`."""
    asked = msgspec.json.encode({"order_no": order_id}).decode()
    return urlencode(
        {
            "enc_request": encrypt(asked, account.working_key),
            "access_code": account.access_code,
            "command": "orderStatusTracker",
            "request_type": "JSON",
            "response_type": "JSON",
            "version": "1.2",
        }
    ).encode()


class TrackerSaidNoError(Exception):
    """The tracker refuses us; its text is for a person: keys, or an unregistered address."""


def read_tracked(body: bytes, order_id: str, account: CCAvenueAccount) -> OrderStatus:
    """The tracker's form-encoded answer; `status=1` brings plain text instead of a cipher.

    Raises TrackerSaidNoError, and UnreadableError for what is no answer at all.
    """
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError as error:
        raise UnreadableError("the tracker's answer is no form") from error
    said = form.get("enc_response", "").strip()
    if form.get("status") == "1":
        return _refused(said, order_id)
    if form.get("status") != "0":
        raise UnreadableError("the tracker's answer has no status")
    try:
        found = msgspec.json.decode(decrypt(said, account.working_key), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise UnreadableError("the tracker's answer holds no object") from error
    inner = found.get("Order_Status_Result", found)
    row = {str(key).lower(): value for key, value in inner.items()} if inner else {}
    if str(row.get("status")) == "1" and not row.get("order_status"):
        return _refused(str(row.get("error_desc") or ""), order_id)
    return _status(
        order_id=str(row.get("order_no") or ""),
        word=str(row.get("order_status") or ""),
        tracking_id=_text(row.get("reference_no")),
        amount=_text(row.get("order_amt")),
        currency=_text(row.get("order_currncy") or row.get("order_currency")),
    )


def amount_text(amount_minor: int, currency: str) -> str:
    """As the form wants it: twelve digits before the point and two after it.

    ValueError, a sentence, for an amount with thousandths.
    """
    amount = decimal_of(amount_minor, currency)
    text = f"{amount:.2f}"
    if Decimal(text) != amount:
        raise ValueError(f"CCAvenue takes two decimals, and {amount} {currency} has more")
    return text


def amount_minor_of(text: str, currency: str) -> int | None:
    """A decimal text as minor units; None when it is none, or has a fraction of them."""
    try:
        amount = Decimal(text)
        if not amount.is_finite() or abs(amount) > AMOUNT_MAX:
            return None
        return minor(amount, currency)
    except (ArithmeticError, ValueError):
        return None


def _status(
    *, order_id: str, word: str, tracking_id: str | None, amount: str | None, currency: str | None
) -> OrderStatus:
    state = STATE_OF.get("".join(word.lower().split()), OrderState.STRANGE)
    known = (currency or "").upper()
    return OrderStatus(
        state=state,
        word=word,
        order_id=order_id,
        tracking_id=tracking_id or None,
        amount_minor=amount_minor_of(amount, known) if amount and known else None,
        currency=known or None,
    )


def _refused(said: str, order_id: str) -> OrderStatus:
    # 51419 and "No records found" are its ways to say that there is no such order.
    if "51419" in said or "no record" in said.lower():
        return OrderStatus(state=OrderState.NONE, word=said, order_id=order_id)
    raise TrackerSaidNoError(said[:200] or "no reason was given")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
