"""The same client over real sockets: what is put into a query arrives as it was put there."""

from __future__ import annotations

from pathlib import Path

from appliance.kernel.tasks import Nursery
from support.guesty import DEPARTURE, Account
from sync.gate import Gate
from sync.ledger import Ledger
from sync.manners import GUESTY_RULES
from sync.mirror import Mirror
from sync.pms.guesty.account import GuestyAccount
from sync.pms.guesty.client import Fine, GuestyClient
from sync.pms.guesty.source import GuestySource
from sync.transport import HttpTransport
from twin.clouds.faults import Fault
from twin.clouds.guesty import CLIENT_ID, CLIENT_SECRET
from twin.clouds.serve import serve
from twin.line import Line


async def test_lists_records_and_writes_cross_a_real_line(tmp_path: Path) -> None:
    account = Account()
    clock, nursery = account.clock, Nursery(lambda _name, _error: None)
    line = Line(account.journal, clock, nursery)
    clouds = await serve(account.journal, clock, line, nursery, others={"guesty": account.cloud})
    ledger, transport = Ledger(tmp_path / "sync.db"), HttpTransport()
    try:
        gate = Gate(
            name="guesty", rules=GUESTY_RULES, ledger=ledger, clock=clock, transport=transport
        )
        told = GuestyAccount(
            base_url=clouds.urls["guesty"], client_id=CLIENT_ID, client_secret=CLIENT_SECRET
        )
        client = GuestyClient(told, gate=gate, ledger=ledger, clock=clock)
        source = GuestySource(client=client, ledger=ledger, mirror=Mirror(ledger), clock=clock)
        ids = {account.sell().id, account.sell(platform="direct").id}
        assert await source.prepare()
        now_s = clock.read().wall_s
        found = [seen async for page in source.everything(now_s) for seen in page]
        assert {seen.upstream_id for seen in found} == ids
        assert {seen.known.extra["check_out"] for seen in found} == {DEPARTURE.isoformat()}
        changed = [seen async for page in source.changed(now_s - 300) for seen in page]
        assert {seen.upstream_id for seen in changed} <= ids
        assert len(await source.fetch(sorted(ids))) == 2
        await clock.advance(2)
        reply = await client.ask(
            "POST", "/reservations-v3", fields=account.booking(ignoreCalendar=True)
        )
        assert isinstance(reply, Fine)
        account.cloud.faults.plan("GET /v1/accounts/me", Fault.CUT_BODY)
        assert not isinstance(await client.ask("GET", "/accounts/me"), Fine)
        assert isinstance(await client.ask("GET", "/accounts/me"), Fine)
        assert 400 not in account.cloud.answers
    finally:
        await transport.close()
        await clouds.close()
        await nursery.close()
        ledger.close()
