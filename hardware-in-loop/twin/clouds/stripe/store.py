"""The memory of the payment cloud, and the card networks behind it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.kernel.clock import Clock
from twin.clouds.stripe.words import DEFAULT_VERSION, EVENT_KEPT_S, Card
from twin.journal import Journal

_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Json = dict[str, Any]


@dataclass(slots=True)
class Book:
    """Objects of one kind, oldest first."""

    rows: dict[str, Json] = field(default_factory=dict)

    def put(self, row: Json) -> Json:
        """Keep a new object."""
        self.rows[row["id"]] = row
        return row

    def get(self, name: object) -> Json | None:
        """The object of that id."""
        return self.rows.get(str(name))

    def newest_first(self) -> list[Json]:
        """All of them, as lists of the vendor are ordered."""
        return list(reversed(self.rows.values()))


class StripeStore:
    """One account. Amounts are minor units; `created` is seconds since 1970."""

    def __init__(self, clock: Clock, journal: Journal, *, seed: int = 0) -> None:
        self._clock = clock
        self._journal = journal
        self._random = random.Random(seed)
        self.customers = Book()
        self.methods = Book()
        self.intents = Book()
        self.charges = Book()
        self.refunds = Book()
        self.setups = Book()
        self.disputes = Book()
        self.events = Book()
        self.behaviour: dict[str, Card] = {}
        self.withdrawn: set[str] = set()  # intents whose bank took its authorisation back

    def add_customer(
        self, name: str | None = None, email: str | None = None, metadata: Json | None = None
    ) -> Json:
        """A new customer."""
        row: Json = {
            "id": self.new_id("cus"),
            "object": "customer",
            "address": None,
            "balance": 0,
            "created": self.now_s(),
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": None,
            "discount": None,
            "email": email,
            "invoice_prefix": self.new_id("x")[2:10].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": metadata or {},
            "name": name,
            "next_invoice_sequence": 1,
            "phone": None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        }
        self.customers.put(row)
        self.event("customer.created", row)
        return row

    def save_card(self, customer_id: str, card: Card = Card.GOOD) -> str:
        """A card saved at the provider for this customer; returns the payment method's id."""
        name = self.new_id("pm")
        self.behaviour[name] = card
        self.methods.put(
            {
                "id": name,
                "object": "payment_method",
                "allow_redisplay": "unspecified",
                "billing_details": {
                    "address": None,
                    "email": None,
                    "name": None,
                    "phone": None,
                    "tax_id": None,
                },
                "card": card_facts(),
                "created": self.now_s(),
                "customer": customer_id,
                "livemode": False,
                "metadata": {},
                "type": "card",
            }
        )
        return name

    def event(self, kind: str, row: Json, request: Json | None = None) -> None:
        """Something happened; kept for thirty days, rendered as it was then."""
        self.events.put(
            {
                "id": self.new_id("evt"),
                "object": "event",
                "api_version": DEFAULT_VERSION,
                "created": self.now_s(),
                "data": {"object": _copy(row)},
                "livemode": False,
                "pending_webhooks": 0,
                "request": request or {"id": None, "idempotency_key": None},
                "type": kind,
            }
        )

    def recent_events(self) -> list[Json]:
        """The events that can still be read, newest first."""
        oldest_s = self.now_s() - EVENT_KEPT_S
        return [one for one in self.events.newest_first() if one["created"] >= oldest_s]

    def note(self, kind: str, **fields: object) -> None:
        """Write into the twin's journal what money did."""
        self._journal.note(f"payments.{kind}", **fields)

    def now_s(self) -> int:
        """The cloud's time."""
        return self._clock.read().wall_s

    def new_id(self, prefix: str) -> str:
        """The next identifier of the seed."""
        return f"{prefix}_{''.join(self._random.choices(_LETTERS, k=24))}"


def card_facts() -> Json:
    """What a payment method tells of its card."""
    return {
        "brand": "visa",
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": "TwinFingerprint1",
        "funding": "credit",
        "generated_from": None,
        "last4": "4242",
        "networks": {"available": ["visa"], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_copy(one) for one in value]
    return value
