"""Bank logins, their accounts and the journal of every change to their lines."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from appliance.kernel.clock import Clock
from twin.journal import Journal

CLIENT_ID: Final = "twinclient"
SECRET: Final = "twin-plaid-secret"  # noqa: S105 - opens nothing but the twin
_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Item:
    """One bank login. `changes` is what its cursor counts: (added | modified | removed, line)."""

    item_id: str
    access_token: str
    account_id: str
    currency: str
    rows: dict[str, Json] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None  # an error code that every question is answered with
    turning: int | None = None  # where the journal ended when the pages under way began


class PlaidStore:
    """One client of the vendor."""

    def __init__(self, clock: Clock, journal: Journal, *, seed: int = 0) -> None:
        self._clock = clock
        self._journal = journal
        self._random = random.Random(seed)
        self.items: dict[str, Item] = {}

    def add_item(self, currency: str = "USD") -> Item:
        """Somebody linked a bank account."""
        item = Item(
            item_id=self.new_id(),
            access_token=f"access-sandbox-{self.new_id()}",
            account_id=self.new_id(),
            currency=currency,
        )
        self.items[item.access_token] = item
        return item

    def book(
        self,
        item: Item,
        amount: float,
        name: str,
        *,
        pending: bool = False,
        replaces: str | None = None,
        unofficial: str | None = None,
    ) -> str:
        """A line; `amount` above zero is money that leaves. Returns its id."""
        row = transaction(
            self.new_id(),
            item,
            amount,
            name,
            datetime.fromtimestamp(self.now_s(), UTC).date().isoformat(),
        )
        row |= {"pending": pending, "pending_transaction_id": replaces}
        if unofficial is not None:
            row |= {"iso_currency_code": None, "unofficial_currency_code": unofficial}
        item.rows[row["transaction_id"]] = row
        item.changes.append(("added", row["transaction_id"]))
        if replaces is not None:
            self.remove(item, replaces)
        self._journal.note("bank.booked", line=row["transaction_id"], amount=amount)
        return str(row["transaction_id"])

    def modify(self, item: Item, line_id: str, **fields: Any) -> None:
        """The bank changes a line."""
        item.rows[line_id] |= fields
        item.changes.append(("modified", line_id))

    def remove(self, item: Item, line_id: str) -> None:
        """The bank takes a line back."""
        del item.rows[line_id]
        item.changes.append(("removed", line_id))

    def now_s(self) -> int:
        """The cloud's time."""
        return self._clock.read().wall_s

    def new_id(self) -> str:
        """The next identifier of the seed."""
        return "".join(self._random.choices(_LETTERS, k=37))


def transaction(line_id: str, item: Item, amount: float, name: str, day: str) -> Json:
    """A line with every field the vendor's own file demands."""
    return {
        "transaction_id": line_id,
        "account_id": item.account_id,
        "account_owner": None,
        "amount": amount,
        "iso_currency_code": item.currency,
        "unofficial_currency_code": None,
        "category": None,
        "category_id": None,
        "check_number": None,
        "counterparties": [],
        "date": day,
        "datetime": None,
        "authorized_date": day,
        "authorized_datetime": None,
        "location": dict.fromkeys(
            (
                "address",
                "city",
                "region",
                "postal_code",
                "country",
                "lat",
                "lon",
                "store_number",
            )
        ),
        "name": name,
        "merchant_name": None,
        "merchant_entity_id": None,
        "original_description": name,
        "payment_channel": "other",
        "payment_meta": dict.fromkeys(
            (
                "reference_number",
                "ppd_id",
                "payee",
                "by_order_of",
                "payer",
                "payment_method",
                "payment_processor",
                "reason",
            )
        ),
        "pending": False,
        "pending_transaction_id": None,
        "personal_finance_category": None,
        "transaction_code": None,
        "transaction_type": "special",
    }
