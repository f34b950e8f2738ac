"""What the sync role is told when it starts; nothing else is read from the outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from appliance.kernel.secrets import read_secret
from appliance.kernel.settings import (
    BankKind,
    BankSettings,
    PaymentKind,
    PaymentSettings,
    PmsKind,
    PmsSettings,
    Settings,
)
from appliance.kernel.settings import WebhookSettings as HookKeys
from sync.feeds.feed import FeedAccount
from sync.inbox.reception import VENDORS, WebhookSettings
from sync.inbox.relayed import RelayAccount
from sync.inbox.words import GUESTY, HOSTAWAY, MEWS, STRIPE
from sync.money.ccavenue import CCAvenueAccount
from sync.money.choosing import MoneyAccounts
from sync.money.plaid import PlaidAccount
from sync.money.stripe import StripeAccount
from sync.pms.choosing import PmsAccount
from sync.pms.guesty.account import GuestyAccount, GuestyApi
from sync.pms.hostaway.token import HostawayAccount
from sync.pms.mews.client import MewsAccount
from sync.pms.puller import OVERLAP_S
from sync.relay.wire import PairingError, read_pairing


class SyncUnsetError(Exception):
    """A token's file is not named: set it in nightporter.toml, or set the kind to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """Paths, accounts and intervals of one sync process; None: that counterparty is not used."""

    ledger_path: Path
    pms: PmsAccount | None = None
    stripe: StripeAccount | None = None
    feeds: tuple[FeedAccount, ...] = ()
    ccavenue: CCAvenueAccount | None = None
    plaid: PlaidAccount | None = None
    # Where guests' browsers find our own pages; port 0: nowhere.
    pages_host: str = "127.0.0.1"
    pages_port: int = 0
    # R5 of anchors.md asks for new bookings within 30 s of the line's return.
    pull_interval_s: float = 10.0
    # A guest who pays at a link waits for the desk to see it; Stripe allows 100 reads a second.
    money_interval_s: float = 15.0
    overlap_s: int = OVERLAP_S
    report_interval_s: float = 5.0
    # What the PMS is told beyond bookings and bills.
    door_codes: bool = False
    room_states: bool = False
    # None: nothing listens for webhooks, everything is found by looking.
    webhooks: WebhookSettings | None = None

    @property
    def money(self) -> MoneyAccounts:
        """The accounts of every money service."""
        return MoneyAccounts(stripe=self.stripe, ccavenue=self.ccavenue, plaid=self.plaid)

    @property
    def restored_marker(self) -> Path:
        """A restore leaves this file: what the ledger says was not sent may have been."""
        return self.ledger_path.with_name("sync.restored")


def from_box(settings: Settings, environment: Mapping[str, str]) -> SyncSettings:
    """What the box's own settings say."""
    payments = settings.sync.payments
    return SyncSettings(
        ledger_path=settings.sync_file,
        pms=_pms_account(settings.sync.pms, environment),
        feeds=tuple(
            FeedAccount(
                name=name,
                url=_address(feed.url_file, f"sync.feeds.{name}.url_file", environment),
                channel=feed.channel,
                room_type=feed.room_type,
                room=feed.room,
                interval_s=feed.interval_s,
            )
            for name, feed in settings.sync.feeds.items()
            if feed.url_file is not None
        ),
        stripe=_stripe_account(payments, environment),
        ccavenue=_ccavenue_account(payments, environment),
        plaid=_plaid_account(settings.sync.bank, environment),
        pages_host=payments.pages_host,
        pages_port=payments.pages_port,
        pull_interval_s=settings.sync.pms.pull_interval_s,
        overlap_s=int(settings.sync.pms.overlap_s),
        door_codes=settings.sync.pms.door_codes,
        room_states=settings.sync.pms.room_states,
        webhooks=_webhooks(settings, environment),
    )


def _stripe_account(
    payments: PaymentSettings, environment: Mapping[str, str]
) -> StripeAccount | None:
    if payments.kind is not PaymentKind.STRIPE:
        return None
    return StripeAccount(
        base_url=payments.base_url.rstrip("/"),
        secret_key=_secret(payments.key_file, "sync.payments.key_file", environment),
        publishable_key=payments.publishable_key,
        guest_url=payments.guest_url.rstrip("/"),
    )


def _ccavenue_account(
    payments: PaymentSettings, environment: Mapping[str, str]
) -> CCAvenueAccount | None:
    if payments.kind is not PaymentKind.CCAVENUE:
        return None
    for name in ("api_url", "merchant_id", "access_code", "guest_url", "pages_port"):
        if not getattr(payments, name):
            raise SyncUnsetError(f"set sync.payments.{name}: CCAvenue cannot work without it")
    return CCAvenueAccount(
        page_url=payments.base_url.rstrip("/"),
        api_url=payments.api_url.rstrip("/"),
        merchant_id=payments.merchant_id,
        access_code=payments.access_code,
        working_key=_secret(payments.key_file, "sync.payments.key_file", environment),
        guest_url=payments.guest_url.rstrip("/"),
    )


def _plaid_account(bank: BankSettings, environment: Mapping[str, str]) -> PlaidAccount | None:
    if bank.kind is not BankKind.PLAID:
        return None
    tokens = _secret(bank.access_tokens_file, "sync.bank.access_tokens_file", environment)
    return PlaidAccount(
        base_url=bank.base_url.rstrip("/"),
        client_id=bank.client_id,
        secret=_secret(bank.secret_file, "sync.bank.secret_file", environment),
        access_tokens=tuple(tokens.split()),
    )


def _webhooks(settings: Settings, environment: Mapping[str, str]) -> WebhookSettings | None:
    sync = settings.sync
    if not sync.webhook_port and not sync.webhooks.relay_url:
        return None
    files = {
        GUESTY: sync.webhooks.guesty_file,
        HOSTAWAY: sync.webhooks.hostaway_file,
        MEWS: sync.webhooks.mews_file,
        STRIPE: sync.webhooks.stripe_file,
    }
    secrets = {
        source: tuple(read_secret(file, environment).decode().splitlines())
        for source, file in files.items()
        if file is not None
    }
    for source, lines in secrets.items():
        try:
            VENDORS[source](lines)
        except ValueError as error:
            raise SyncUnsetError(f"sync.webhooks.{source}_file: {error}") from None
    return WebhookSettings(
        host=sync.webhook_host,
        port=sync.webhook_port,
        secrets=secrets,
        relay=_relay(sync.webhooks, environment),
    )


def _relay(webhooks: HookKeys, environment: Mapping[str, str]) -> RelayAccount | None:
    if webhooks.relay_pairing_file is None:
        return None
    line = read_secret(webhooks.relay_pairing_file, environment).decode()
    try:
        return RelayAccount(url=webhooks.relay_url.rstrip("/"), pairing=read_pairing(line))
    except PairingError as error:
        raise SyncUnsetError(f"sync.webhooks.relay_pairing_file: {error}") from None


def _pms_account(pms: PmsSettings, environment: Mapping[str, str]) -> PmsAccount | None:
    match pms.kind:
        case PmsKind.NONE:
            return None
        case PmsKind.MEWS:
            return MewsAccount(
                base_url=pms.base_url.rstrip("/"),
                client_token=_secret(
                    pms.client_token_file, "sync.pms.client_token_file", environment
                ),
                access_token=_secret(
                    pms.access_token_file, "sync.pms.access_token_file", environment
                ),
                stream_url=pms.stream_url,
            )
        case PmsKind.HOSTAWAY:
            return HostawayAccount(
                base_url=pms.base_url.rstrip("/"),
                client_id=_text(pms.client_id, "sync.pms.client_id"),
                client_secret=_secret(
                    pms.client_secret_file, "sync.pms.client_secret_file", environment
                ),
            )
        case PmsKind.GUESTY:
            return GuestyAccount(
                base_url=pms.base_url.rstrip("/"),
                client_id=_text(pms.client_id, "sync.pms.client_id"),
                client_secret=_secret(
                    pms.client_secret_file, "sync.pms.client_secret_file", environment
                ),
                api=GuestyApi(pms.api or GuestyApi.V3),
            )
        case _:
            assert_never(pms.kind)


def _address(path: Path, key: str, environment: Mapping[str, str]) -> str:
    address = _secret(path, key, environment)
    if not address.startswith(("https://", "http://")) or len(address.split()) != 1:
        raise SyncUnsetError(f"{key}: the file holds no address: it begins with https://")
    return address


def _secret(path: Path | None, key: str, environment: Mapping[str, str]) -> str:
    if path is None:
        raise SyncUnsetError(f"set {key} to the file that holds it")
    return read_secret(path, environment).decode()


def _text(text: str, key: str) -> str:
    if not text:
        raise SyncUnsetError(f"set {key}")
    return text
