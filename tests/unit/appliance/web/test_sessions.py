"""Signing in and out over HTTP: neutral, slowed down, and with cookies that scripts cannot read."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from appliance.engines.identity.messages import DeactivateStaff
from appliance.engines.identity.tokens import Tokens
from appliance.kernel.messages import Role, Who
from appliance.web.limits import LOOPBACK
from appliance.web.sessions import TOKENS_MAX, Sessions
from support.desk import Desk
from support.whole_house import PINS, WholeHouse, terminal

ME = "{ me { actor shift terminal } }"


async def sign_in(
    session: aiohttp.ClientSession, house: WholeHouse, person: str, pin: str
) -> tuple[int, dict[str, Any], SimpleCookie]:
    form = {"person": person, "pin": pin, "terminal": "desk-1"}
    async with session.post(house.url + "/sign-in/staff", json=form) as answer:
        return answer.status, await answer.json(), answer.cookies


def jar() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


async def test_staff_sign_in_with_a_pin_and_hold_a_cookie_no_script_can_read(
    house: WholeHouse,
) -> None:
    async with jar() as session:
        status, body, cookies = await sign_in(session, house, "ida", PINS["ida"])
        assert status == 200
        assert (body["person"], body["roles"]) == ("ida", ["front_desk"])
        assert body["expires_s"] - house.box.clock.read().wall_s in range(890, 901)
        cookie = cookies["np_refresh"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/sign-in"
        assert PINS["ida"] not in str(body)


async def test_every_wrong_pin_reads_the_same(house: WholeHouse) -> None:
    async with jar() as session:
        for person, pin in [("ida", "0000"), ("nobody", "4711"), ("", ""), ("max", "x" * 5_000)]:
            status, body, _ = await sign_in(session, house, person, pin)
            assert status == 401, person
            assert body == {"sentence": "Name and PIN do not fit together."}


async def test_guessing_a_pin_is_slowed_down_with_the_seconds_to_wait(house: WholeHouse) -> None:
    async with jar() as session:
        status, body = 0, dict[str, Any]()
        for number in range(20):
            status, body, _ = await sign_in(session, house, "ida", f"{number:04}")
            if status == 429:
                break
        assert status == 429
        assert body["wait_s"] >= 1
        assert "wait" in body["sentence"].lower()
        status, body, _ = await sign_in(session, house, "ida", PINS["ida"])
        assert status == 429, "the right PIN does not tell that it was right"


async def test_a_refresh_gives_the_next_token_and_a_lost_answer_the_same_one(
    house: WholeHouse,
) -> None:
    async with jar() as session:
        _, _, cookies = await sign_in(session, house, "ida", PINS["ida"])
        first = cookies["np_refresh"].value
        seen, access = [], ""
        for _ in range(2):
            async with (
                aiohttp.ClientSession(cookies={"np_refresh": first}) as device,
                device.post(house.url + "/sign-in/refresh") as answer,
            ):
                assert answer.status == 200, await answer.text()
                seen.append(answer.cookies["np_refresh"].value)
                access = (await answer.json())["access"]
        assert seen[0] == seen[1] != first
        headers = {"Authorization": f"Bearer {access}"}
        body = {"query": ME}
        async with session.post(house.url + "/graphql", json=body, headers=headers) as answer:
            assert (await answer.json())["data"]["me"]["actor"] == "staff:ida"


async def test_a_refresh_without_or_with_a_wrong_cookie_is_a_neutral_no(house: WholeHouse) -> None:
    for cookie in ("", "x", "y" * 4_000):
        async with (
            aiohttp.ClientSession(cookies={"np_refresh": cookie}) as session,
            session.post(house.url + "/sign-in/refresh") as answer,
        ):
            assert answer.status == 401
            assert list(await answer.json()) == ["sentence"]


async def test_signing_out_ends_the_access_token_at_once(house: WholeHouse) -> None:
    async with terminal(house) as clerk:
        headers = {"Authorization": f"Bearer {clerk.access}"}
        async with clerk.session.post(house.url + "/sign-out", headers=headers) as answer:
            assert answer.status == 200
        body = {"query": ME}
        async with clerk.session.post(house.url + "/graphql", json=body, headers=headers) as answer:
            assert answer.status == 401
        async with clerk.session.post(house.url + "/sign-in/refresh") as answer:
            assert answer.status == 401


async def test_who_works_here_no_more_is_out_at_once(house: WholeHouse) -> None:
    async with terminal(house) as clerk:
        manager = Who(actor="staff:max", role=Role.MANAGER)
        await house.done(DeactivateStaff(person_id="ida"), manager)
        headers = {"Authorization": f"Bearer {clerk.access}"}
        async with clerk.session.post(
            house.url + "/graphql", json={"query": ME}, headers=headers
        ) as answer:
            assert answer.status == 401


async def test_a_wrong_token_is_no_token(house: WholeHouse) -> None:
    wrong = ["Bearer", "Bearer x", "Bearer a.b.c", "Basic aWRhOjQ3MTE=", "x" * 4_000, "Bearer ü"]
    async with aiohttp.ClientSession() as session:
        for header in wrong:
            headers = {"Authorization": header}
            async with session.post(
                house.url + "/graphql", json={"query": ME}, headers=headers
            ) as answer:
                assert answer.status == 401, header
                assert (await answer.json())["sentence"]


async def test_a_bad_sign_in_is_a_clear_no(house: WholeHouse) -> None:
    bad = [
        ("application/json", "{"),
        ("application/json", '{"person": 1, "pin": 2, "terminal": 3}'),
        ("application/json", '{"person": "ida"}'),
        ("text/plain", '{"person": "ida", "pin": "4711", "terminal": "desk-1"}'),
    ]
    async with aiohttp.ClientSession() as session:
        for kind, body in bad:
            headers = {"Content-Type": kind}
            async with session.post(
                house.url + "/sign-in/staff", data=body, headers=headers
            ) as answer:
                assert answer.status == 400
                assert "JSON" in (await answer.json())["sentence"]


async def test_the_names_of_the_staff_are_for_the_desk(house: WholeHouse) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(house.url + "/staff-names") as answer,
    ):
        people = await answer.json()
        assert {"person": "ida", "name": "Ida"} in people
        assert len(people) == 3


async def test_no_pin_and_no_token_stands_in_the_log(house: WholeHouse) -> None:
    await house.checked_in()
    async with terminal(house) as clerk, house.browser() as browser:
        await browser.sign_in()
        secrets = [cookie.value for cookie in browser.session.cookie_jar]
        secrets += [cookie.value for cookie in clerk.session.cookie_jar]
        secrets += [str(clerk.access), f'"{PINS["ida"]}"']
        rows = await house.box.reader.rows(
            "SELECT body || who || command_id FROM event UNION ALL SELECT answer FROM answered"
        )
        text = str(rows)
        assert not [secret for secret in secrets if secret and secret in text]


class Everybody:
    """Sessions that are all still open."""

    async def of_session(self, session_hash: str) -> str:
        return session_hash


async def test_a_token_read_before_still_ends_at_its_time(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [])
    tokens = Tokens(desk.vault, desk.clock)
    ports: Any = SimpleNamespace(sessions=Everybody(), tokens=tokens, clock=desk.clock)
    sessions = Sessions(ports, LOOPBACK, secure=False)
    token, _ = tokens.access(
        actor="staff:ida", roles=(Role.FRONT_DESK,), terminal=None, shift=None, session_hash="s1"
    )
    assert await sessions.of_bearer(token) == "s1"
    await desk.clock.advance(15 * 60 - 1)
    assert await sessions.of_bearer(token) == "s1"
    await desk.clock.advance(1)
    assert await sessions.of_bearer(token) is None
    for number in range(TOKENS_MAX + 5):
        late, _ = tokens.access(
            actor="staff:ida", roles=(), terminal=None, shift=None, session_hash=str(number)
        )
        assert await sessions.of_bearer(late) == str(number)
    desk.close()
