"""Nothing that Hostaway can answer makes the adapter stumble, and no answer is taken for more."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.hostaway_bench import HostawayBench, code, hostaway_bench, owe_code, pay
from sync.ledger import OPEN, EffectState
from sync.pms.hostaway.rows import READ
from twin.clouds.wire import Reply, Request

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=6),
        st.sampled_from(
            [
                "2026-08-14",
                "9999-12-31",
                "0001-01-01",
                "2026-08-14 16:00:00",
                "0001-01-01 00:00:00",
                "9999-12-31 23:59:59",
                "new",
                "cancelled",
                "nightporter",
                "EUR",
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(READ), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.dictionaries(st.sampled_from(READ), VALUES, min_size=1, max_size=4)


def encodable(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except OverflowError:
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(broken=FIELDS.filter(encodable))
@example(broken={"departureDate": "9999-12-31", "arrivalDate": "0001-01-01"})
@example(broken={"totalPrice": 1e300})
@example(broken={"totalPrice": "NaN"})
@example(broken={"totalPrice": "1e999999999"})
@example(broken={"adults": 2**63, "updatedOn": "9999-12-31 23:59:59"})
@example(broken={"id": True})
@example(broken={"reservationUnit": [{"listingUnitId": {"a": 1}}, 7]})
def test_a_row_of_anything_stops_no_other_and_no_look(broken: dict[str, Any]) -> None:
    async def look(hotel: HostawayBench) -> None:
        spoilt, good = hotel.book_upstream(), hotel.book_upstream()
        answered = hotel.cloud.answer

        async def answer(request: Request) -> Reply:
            reply = await answered(request)
            if not request.path.startswith("/v1/reservations"):
                return reply
            whole = msgspec.json.decode(reply.body)
            for row in whole["result"] if isinstance(whole["result"], list) else []:
                if str(row["id"]) == spoilt:
                    row.update(broken)
            return Reply.json(reply.status, whole)

        hotel.cloud.answer = answer  # type: ignore[method-assign]
        await hotel.turn()
        await hotel.turn()
        assert good in {body["upstream_id"] for body in hotel.learned()}

    on_a_bench(look)


BODIES = st.one_of(
    st.binary(max_size=20),
    VALUES.filter(encodable).map(msgspec.json.encode),
    st.fixed_dictionaries(
        {"status": st.sampled_from(["success", "fail", 1]), "result": VALUES, "count": VALUES}
    )
    .filter(encodable)
    .map(msgspec.json.encode),
)


@settings(max_examples=60, deadline=None)
@given(body=BODIES, status=st.sampled_from([200, 201, 204, 302, 400, 403, 404, 418, 500, 599]))
@example(body=b'{"status":"success","result":[{"id":1}]}', status=200)
@example(body=b'{"status":"success","result":{"id":5}}', status=200)
def test_an_answer_of_anything_is_an_outcome_with_a_sentence(body: bytes, status: int) -> None:
    async def push(hotel: HostawayBench) -> None:
        hotel.sell()
        await hotel.turns(2)
        pay(hotel)
        hotel.sell("stay_2")
        hotel.box.codes["stay_1"] = code("482915")
        owe_code(hotel, "hostaway.door_code:1")

        async def answer(request: Request) -> Reply:
            del request
            return Reply(status=status, body=body)

        hotel.cloud.answer = answer  # type: ignore[method-assign]
        await hotel.turns(2)
        for effect in hotel.running.ledger.effects("natural_key != 'hostaway.book:stay_1'"):
            assert effect.sentence
            assert "Nightporter itself failed" not in effect.sentence
            done = effect.state not in {*OPEN, EffectState.PARKED}
            # Only a whole answer of success with an id may be believed.
            assert not done or (status == 200 and b"success" in body)

    on_a_bench(push)


def on_a_bench(work: Any) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with hostaway_bench(Path(folder)) as hotel:
                await work(hotel)

    asyncio.run(run())


@pytest.mark.parametrize("token", [b"{}", b"[]", b"", b'{"access_token":7,"expires_in":"x"}'])
async def test_a_token_answer_that_is_none_sends_nothing(
    hotel: HostawayBench, token: bytes
) -> None:
    asked = []

    async def answer(request: Request) -> Reply:
        asked.append(request.path)
        return Reply(status=200, body=token)

    hotel.cloud.answer = answer  # type: ignore[method-assign]
    assert not await hotel.clock.run_until(hotel.running.look(), limit_s=60)
    assert set(asked) == {"/v1/accessTokens"}
