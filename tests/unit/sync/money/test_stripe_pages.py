"""A guest's page at Stripe: shown to whoever holds the link, while there is something to do."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from support.money_bench import DAY_S, MoneyBench
from sync.money.pages import GuestPages, Page, listen
from twin.clouds.stripe import guest
from twin.clouds.stripe.words import Card
from twin.line import Cut


@pytest.fixture
def shown(money: MoneyBench) -> MoneyBench:
    """The property shows pages."""
    account = money.sync.settings.stripe
    assert account is not None
    account = replace(account, publishable_key="pk_test_1", guest_url="https://box.example")
    money.sync.settings = replace(money.sync.settings, stripe=account)
    money.sync.start_again()
    return money


async def opened(money: MoneyBench, url: str) -> Page:
    rest = url.removeprefix("https://box.example/pay/stripe/").split("/")
    page = money.sync.running.money.pages["stripe"].open(rest)
    return await money.sync.clock.run_until(page, limit_s=600)


async def test_a_pay_link_shows_stripes_own_fields_until_it_is_paid(shown: MoneyBench) -> None:
    shown.ask_pay_link()
    await shown.turn()
    url = shown.said("pay_link")[-1]["url"]
    (intent,) = shown.store.intents.rows.values()
    page = await opened(shown, url)
    assert intent["client_secret"] in page.inner
    assert "confirmPayment" in page.inner
    guest.comes_back(shown.store, intent["id"])
    assert (await opened(shown, url)).inner == ""
    await shown.turns(2)
    assert shown.said("pay_link")[-1]["state"] == "succeeded"
    assert "ended" in (await opened(shown, url)).sentence


async def test_a_card_is_left_at_a_page_of_its_own(shown: MoneyBench) -> None:
    shown.ask_card_set_up()
    await shown.turn()
    page = await opened(shown, shown.said("card_set_up")[-1]["url"])
    assert "confirmSetup" in page.inner


async def test_a_guest_whose_bank_wants_them_has_a_page(shown: MoneyBench) -> None:
    shown.sync.ask_deposit(card=Card.AUTHENTICATION_REQUIRED)
    await shown.turn()
    (ref,) = shown.store.intents.rows
    url = shown.sync.running.pushers["stripe"].link(ref)  # type: ignore[attr-defined]
    assert "confirmPayment" in (await opened(shown, url)).inner
    noted = shown.said("intent")[-1]
    assert (noted["state"], noted["url"]) == ("requires_action", url)


async def test_a_page_that_nobody_may_be_sent_to_is_not_told(shown: MoneyBench) -> None:
    account = shown.sync.settings.stripe
    assert account is not None
    account = replace(account, guest_url="http://box.example")
    shown.sync.settings = replace(shown.sync.settings, stripe=account)
    shown.sync.start_again()
    shown.sync.ask_deposit(card=Card.AUTHENTICATION_REQUIRED)
    await shown.turn()
    noted = shown.said("intent")[-1]
    assert (noted["state"], noted.get("url")) == ("requires_action", None)


async def test_a_guessed_or_ended_link_shows_nothing(shown: MoneyBench) -> None:
    shown.ask_pay_link()
    await shown.turn()
    url = shown.said("pay_link")[-1]["url"]
    (ref,) = shown.store.intents.rows
    assert (await opened(shown, f"https://box.example/pay/stripe/{ref}/{'0' * 24}")).status == 404
    assert (await opened(shown, "https://box.example/pay/stripe/x")).status == 404
    shown.sync.clouds.line.cut(Cut.REFUSED)
    assert "cannot be reached" in (await opened(shown, url)).sentence
    shown.sync.clouds.line.heal()
    await shown.sync.clock.advance(8 * DAY_S)
    assert (await opened(shown, url)).inner == ""


async def test_no_secret_of_ours_is_in_the_page(shown: MoneyBench) -> None:
    shown.ask_pay_link()
    await shown.turn()
    account = shown.sync.settings.stripe
    assert account is not None
    path = shown.said("pay_link")[-1]["url"].removeprefix("https://box.example")
    pages = GuestPages(shown.sync.running.money.pages)
    async with (
        listen(pages, "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as browser,
        browser.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        text = await answer.text()
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert account.secret_key not in text
    assert "js.stripe.com" in text


async def test_without_a_public_key_there_is_no_link(money: MoneyBench) -> None:
    money.ask_pay_link()
    await money.turn()
    assert money.said("pay_link")[-1]["url"] is None
