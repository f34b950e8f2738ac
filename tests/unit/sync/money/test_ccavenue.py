"""CCAvenue: a cipher that other kits read, a link that is given online only, a tracker believed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engines.payments.messages import RefundAsked
from support.money_bench import AMOUNT_MINOR, DAY_S, MoneyBench
from support.needs import in_ci
from sync.ledger import EffectState
from sync.money.ccavenue.cipher import UnreadableError, decrypt, encrypt
from sync.money.ccavenue.words import amount_minor_of, amount_text
from sync.money.pages import GuestPages, Page, listen
from twin.clouds.ccavenue import WORKING_KEY, CCAvenueCloud, Status
from twin.clouds.ccavenue.cipher import seal, unseal
from twin.clouds.faults import Fault
from twin.clouds.wire import Request
from twin.line import Cut

TRACKER = "POST /apis/servlet/DoWebTrans"
# Made by npm node-ccavenue 1.0.5 from this key and these texts.
VECTORS = {
    "order_id=NP-0001&amount=100.00": (
        "f546789a366d5097f2b3d18177fcbd38a77b48f3ff27050f185678c22f519c97"
    ),
    "billing_name=Zoë ₹": "582a1e645a6fdbf07b4bb32ede8b6aafab070a6da513edac924421c4d81ebeb1",
    "x" * 16: "147808b0bef4f623791c412016df121bb7d657ff80c5b6ba3a56bcf58439ea11",
}
KEY = "A" * 32


# -- the cipher ------------------------------------------------------------------------------------


@given(text=st.text(max_size=200), key=st.text(min_size=1, max_size=40))
def test_two_readings_of_the_contract_agree(text: str, key: str) -> None:
    assert encrypt(text, key) == seal(text, key)
    assert decrypt(seal(text, key), key) == text
    assert unseal(encrypt(text, key), key) == text


@pytest.mark.parametrize("text", VECTORS)
def test_the_kit_for_node_wrote_the_same(text: str) -> None:
    assert encrypt(text, KEY) == VECTORS[text]
    assert decrypt(VECTORS[text], KEY) == text


@pytest.mark.parametrize("broken", ["", "zz", "00", "00" * 16, "0" * 400_002])
def test_what_was_not_encrypted_with_our_key_is_said_so(broken: str) -> None:
    with pytest.raises(UnreadableError):
        decrypt(broken, KEY)


def test_broken_lines_are_read() -> None:
    text = encrypt("order_id=NP-0001", KEY)
    assert decrypt(f"{text[:7]}\r\n{text[7:]}\r\n", KEY) == "order_id=NP-0001"


@pytest.mark.slow
@pytest.mark.parametrize("text", VECTORS)
def test_the_vendors_own_kit_for_node_reads_and_writes_the_same(text: str, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if in_ci():
            pytest.fail("node and npm are needed: apt-get install nodejs npm", pytrace=False)
        pytest.skip("node and npm are not here: apt-get install nodejs npm")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "node-ccavenue@1.0.5"]
    if subprocess.run(command, cwd=tmp_path, check=False, timeout=100).returncode:
        pytest.skip("the registry of npm is not reachable: npm install node-ccavenue@1.0.5")
    code = (
        "const {Configure}=require('node-ccavenue');"
        "const kit=new Configure({merchant_id:'1',working_key:process.argv[1]});"
        "console.log(JSON.stringify([kit.encrypt(process.argv[2]),kit.decrypt(process.argv[3])]))"
    )
    told = subprocess.check_output(
        [node, "-e", code, KEY, text, encrypt(text, KEY)], cwd=tmp_path, timeout=30
    )
    assert json.loads(told) == [encrypt(text, KEY), text]


# -- amounts ---------------------------------------------------------------------------------------


@given(minor=st.integers(1, 10**12), currency=st.sampled_from(["INR", "EUR", "JPY"]))
def test_an_amount_comes_back_as_it_went(minor: int, currency: str) -> None:
    assert amount_minor_of(amount_text(minor, currency), currency) == minor


@pytest.mark.parametrize("text", ["", "1.005", "1e400000", "NaN", "Infinity", "12,50", "x"])
def test_what_is_no_whole_number_of_paise_is_no_amount(text: str) -> None:
    assert amount_minor_of(text, "INR") is None


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(5_000, "UGX", "5000.00"), (5_000, "ISK", "5000.00"), (12_340, "OMR", "12.34")],
)
def test_a_minor_unit_is_what_the_currency_says(minor: int, currency: str, text: str) -> None:
    assert amount_text(minor, currency) == text
    assert amount_minor_of(text, currency) == minor


async def test_thousandths_are_refused_before_a_guest_is_sent_a_link(money: MoneyBench) -> None:
    money.with_ccavenue()
    money.ask_pay_link(amount_minor=12_345, currency="OMR")
    await money.turn()
    noted = money.said("pay_link")[-1]
    assert (noted["state"], noted["code"], noted["url"]) == ("declined", "amount", None)
    assert "two decimals" in money.sync.effect("ccavenue.order").sentence


# -- the link --------------------------------------------------------------------------------------


async def at_once(money: MoneyBench, page: Coroutine[Any, Any, Page]) -> Page:
    """A page, however long its look at the tracker takes."""
    return await money.sync.clock.run_until(page, limit_s=600)


async def opened(money: MoneyBench, cloud: CCAvenueCloud) -> Page:
    """The guest opens the link; a form is posted by their browser."""
    url = next(each["url"] for each in reversed(money.said("pay_link")) if each["url"])
    parts = url.removeprefix("https://box.example/pay/ccavenue/").split("/")
    page = await at_once(money, money.sync.running.money.pages["ccavenue"].open(parts))
    if page.fields is not None:
        body = urlencode(page.fields).encode()
        path = "/transaction/transaction.do"
        reply = await cloud.answer(Request(method="POST", path=path, body=body))
        assert b"Pay 50.00 EUR" in reply.body, reply.body
    return page


async def linked(money: MoneyBench) -> CCAvenueCloud:
    """A link that waits for its guest."""
    cloud = money.with_ccavenue()
    money.ask_pay_link()
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "requires_action"
    return cloud


async def test_a_guest_pays_and_the_desk_hears_it_from_the_tracker(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.SUCCESSFUL)
    await money.sync.clock.advance(61)
    await money.turn()
    noted = money.said("pay_link")[-1]
    assert (noted["state"], noted["amount_minor"], noted["currency"]) == (
        "succeeded",
        AMOUNT_MINOR,
        "EUR",
    )
    assert noted["provider_ref"] == cloud.store.orders["NP-0001"].tracking_id


async def test_no_link_is_given_while_the_line_is_down(money: MoneyBench) -> None:
    money.with_ccavenue()
    money.sync.clouds.line.cut(Cut.REFUSED)
    money.ask_pay_link()
    await money.turns(2)
    effect = money.sync.effect("ccavenue.order")
    assert effect.state is EffectState.QUEUED
    assert "not sent while offline" in effect.sentence or "does not answer" in effect.sentence
    money.sync.clouds.line.heal()
    await money.turns(2)
    assert money.said("pay_link")[-1]["url"].startswith("https://box.example/pay/ccavenue/NP-0001/")


async def test_the_browser_alone_is_never_believed(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    pages = money.sync.running.money.pages["ccavenue"]
    forged = {
        "order_id": "NP-0001",
        "order_status": "Success",
        "amount": "50.00",
        "currency": "EUR",
        "tracking_id": "1",
    }
    await at_once(money, pages.come_back({"encResp": seal(urlencode(forged), WORKING_KEY)}))
    await money.turn(look=False)
    assert money.said("pay_link")[-1]["state"] == "requires_action"
    true = cloud.comes_back("NP-0001", Status.SUCCESSFUL)
    await at_once(money, pages.come_back(true))
    await money.turn(look=False)
    assert money.said("pay_link")[-1]["state"] == "succeeded"


@pytest.mark.parametrize("fields", [{}, {"encResp": "zz"}, {"encResp": "00" * 16}])
async def test_a_return_that_cannot_be_read_is_a_sentence(
    money: MoneyBench, fields: dict[str, str]
) -> None:
    await linked(money)
    pages = money.sync.running.money.pages["ccavenue"]
    page = await at_once(money, pages.come_back(fields))
    assert page.status == 400


async def test_another_amount_than_asked_is_for_a_person(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.SUCCESSFUL).amount = "1.00"
    await money.sync.clock.advance(61)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "manual"


async def test_each_attempt_has_an_order_of_its_own_and_none_is_sent_twice(
    money: MoneyBench,
) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    again = await opened(money, cloud)
    assert again.fields is None
    assert "under way" in again.sentence
    cloud.store.settle("NP-0001", Status.UNSUCCESSFUL)
    await opened(money, cloud)
    assert set(cloud.store.orders) == {"NP-0001", "NP-0001-2"}
    cloud.store.settle("NP-0001-2", Status.SUCCESSFUL)
    await money.sync.clock.advance(61)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "succeeded"
    ended = await opened(money, cloud)
    assert (ended.fields, ended.status) == (None, 404)


async def test_a_bank_that_thinks_for_days_is_waited_for(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.AWAITED)
    await money.sync.clock.advance(10 * DAY_S)  # the link itself ended after seven
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "requires_action"
    cloud.store.settle("NP-0001", Status.SUCCESSFUL)
    await money.sync.clock.advance(3_601)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "succeeded"


async def test_what_nobody_confirms_ends_after_twelve_days(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    await money.sync.clock.advance(12 * DAY_S + 60)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "expired"
    assert cloud.store.orders["NP-0001"].status is Status.AUTO_CANCELLED


async def test_a_link_that_nobody_opened_ends_with_its_time(money: MoneyBench) -> None:
    await linked(money)
    await money.sync.clock.advance(7 * DAY_S + 60)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "expired"


@pytest.mark.parametrize(
    "fault",
    [Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.CUT_BODY, Fault.SERVER_ERROR, Fault.UNAUTHORIZED],
)
async def test_a_tracker_that_does_not_answer_changes_nothing(
    money: MoneyBench, fault: Fault
) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.SUCCESSFUL)
    cloud.faults.plan(TRACKER, fault)
    await money.sync.clock.advance(61)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "requires_action"
    await money.turns(2)
    assert money.said("pay_link")[-1]["state"] == "succeeded"
    assert money.done("charged") == 0


async def test_an_unregistered_address_is_said_in_plain_words(money: MoneyBench) -> None:
    cloud = money.with_ccavenue()
    cloud.registered = False
    money.ask_pay_link()
    await money.turn()
    assert "Invalid IP Address" in money.sync.effect("ccavenue.order").sentence


async def test_a_guest_who_paid_in_two_windows_is_shown_to_a_person(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    await money.sync.clock.advance(31 * 60)
    await opened(money, cloud)
    for order in list(cloud.store.orders):
        cloud.store.settle(order, Status.SUCCESSFUL)
    await money.sync.clock.advance(61)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "succeeded"
    (stray,) = money.said("stray_payment")
    assert (stray["our_ref"], stray["amount_minor"]) == ("NP-0001-2", AMOUNT_MINOR)


async def test_a_first_window_that_is_paid_after_the_second_is_shown_too(
    money: MoneyBench,
) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    await money.sync.clock.advance(31 * 60)
    await opened(money, cloud)
    cloud.store.settle("NP-0001-2", Status.SUCCESSFUL)
    await money.sync.clock.advance(61)
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "succeeded"
    assert money.said("stray_payment") == []
    money.sync.start_again()
    cloud.store.settle("NP-0001", Status.SUCCESSFUL)
    await money.sync.clock.advance(3_601)
    await money.turns(2)
    (stray,) = money.said("stray_payment")
    assert (stray["our_ref"], stray["amount_minor"]) == ("NP-0001", AMOUNT_MINOR)


async def test_a_first_window_that_nobody_pays_is_asked_about_no_more(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    await money.sync.clock.advance(31 * 60)
    await opened(money, cloud)
    cloud.store.settle("NP-0001-2", Status.SUCCESSFUL)
    ccavenue = money.sync.running.money.ccavenue
    assert ccavenue is not None
    await money.turn()
    assert [each.order_id for each in ccavenue.orders.watched()] == ["NP-0001"]
    await money.sync.clock.advance(12 * DAY_S)
    await money.turn()
    assert ccavenue.orders.watched() == []
    assert money.said("stray_payment") == []


async def test_an_order_that_nothing_readable_is_said_of_keeps_no_other_away(
    money: MoneyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    money.ask_pay_link("NP-0002", link_id="link_2")
    await money.turn()
    await opened(money, cloud)
    find = cloud.store.find

    def another(order_id: str) -> Any:
        # About the first, the tracker always answers with the second.
        return find("NP-0002" if order_id == "NP-0001" else order_id)

    monkeypatch.setattr(cloud.store, "find", another)
    cloud.store.settle("NP-0002", Status.SUCCESSFUL)
    money.sync.start_again()
    await money.turn()
    assert money.said("pay_link")[-1]["state"] == "succeeded"
    assert money.said("pay_link")[-1]["link_id"] == "link_2"


async def test_two_windows_at_once_get_one_form(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.UNSUCCESSFUL)
    ccavenue = money.sync.running.money.ccavenue
    assert ccavenue is not None
    effect = money.sync.effect("ccavenue.order")
    looked = ccavenue.orders.look(effect)
    statuses, _ = await money.sync.clock.run_until(looked, limit_s=60)
    # Both have looked before either is given its form.
    first = ccavenue.orders.open_attempt(money.sync.effect("ccavenue.order"), statuses)
    second = ccavenue.orders.open_attempt(money.sync.effect("ccavenue.order"), statuses)
    assert not isinstance(first, str)
    assert isinstance(second, str)
    assert "under way" in second


async def test_a_kill_between_the_form_and_its_payment_forgets_no_order(money: MoneyBench) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.UNSUCCESSFUL)
    await opened(money, cloud)
    money.sync.start_again()
    cloud.store.settle("NP-0001-2", Status.SUCCESSFUL)
    await money.turns(2)
    assert money.said("pay_link")[-1]["state"] == "succeeded"


# -- the pages themselves --------------------------------------------------------------------------


async def test_a_browser_gets_a_form_and_comes_back(money: MoneyBench) -> None:
    cloud = await linked(money)
    pages = GuestPages(money.sync.running.money.pages)
    path = money.said("pay_link")[-1]["url"].removeprefix("https://box.example")
    async with listen(pages, "127.0.0.1", 0) as port, aiohttp.ClientSession() as browser:
        base = f"http://127.0.0.1:{port}"
        async with browser.get(base + path) as answer:
            text = await answer.text()
            assert answer.headers["Cache-Control"] == "no-store"
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', text))
        plain = dict(parse_qsl(unseal(form["encRequest"], WORKING_KEY)))
        assert (plain["order_id"], plain["amount"]) == ("NP-0001", "50.00")
        assert plain["redirect_url"] == "https://box.example/pay/ccavenue/return"
        body = urlencode({"encRequest": form["encRequest"], "access_code": form["access_code"]})
        request = Request(method="POST", path="/transaction/transaction.do", body=body.encode())
        assert b"Pay 50.00" in (await cloud.answer(request)).body
        back = cloud.comes_back("NP-0001", Status.SUCCESSFUL)
        async with browser.post(f"{base}/pay/ccavenue/return", data=back) as answer:
            assert answer.status == 200
        for wrong, status in {
            "/": 404,
            "/pay/ccavenue/NP-0001/guessed": 404,
            "/pay/other/x/y": 404,
        }.items():
            async with browser.get(base + wrong) as answer:
                assert answer.status == status
        async with browser.post(f"{base}/pay/ccavenue/return", data=b"x" * 100_000) as answer:
            assert answer.status == 413
    await money.turn(look=False)
    assert money.said("pay_link")[-1]["state"] == "succeeded"


# -- a refund --------------------------------------------------------------------------------------


async def test_a_refund_that_a_person_makes_there_is_told_when_they_say_so(
    money: MoneyBench,
) -> None:
    cloud = await linked(money)
    await opened(money, cloud)
    cloud.store.settle("NP-0001", Status.SUCCESSFUL)
    await money.sync.clock.advance(61)
    await money.turn()
    paid = money.said("pay_link")[-1]
    money.sync.box.say(
        RefundAsked(
            refund_id="refund_1",
            payment_id="payment_1",
            stay_id="stay_1",
            intent_id="link_1",
            provider_ref=paid["provider_ref"],
            amount_minor=AMOUNT_MINOR,
            currency="INR",
            because="asked",
            means="pay_link",
        )
    )
    await money.turn()
    effect = money.sync.effect("ccavenue.refund")
    carrier = money.sync.running.carrier
    # Tried again it is what it was: a person's work, and no fault of ours.
    carrier.retry(effect.id)
    await money.turns(2)
    assert money.sync.effect("ccavenue.refund").state is EffectState.MANUAL
    assert "CCAvenue's own pages" in money.sync.effect("ccavenue.refund").sentence
    assert carrier.settle_by_hand(effect.id) == "it is marked done"
    await money.turn()
    (told,) = money.said("refund")
    assert (told["refund_id"], told["state"]) == ("refund_1", "succeeded")
