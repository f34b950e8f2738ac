"""The sync role put together: built once from its parts, everything passed by name."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final

from appliance.engines.stays.parked_messages import ParkedAct
from appliance.kernel.clock import Clock, sleep
from appliance.kernel.discreet import where
from appliance.kernel.tasks import Nursery
from sync.carrier import LOOK_S_MAX, Carrier, Pusher
from sync.deliver import Deliverer
from sync.feeds.feed import FEED_RULES, Feed, FeedAccount
from sync.feeds.feeds import Feeds
from sync.follow import Follower
from sync.gate import Gate
from sync.home import Home, HomeAwayError, HomeSaidNoError
from sync.inbox.hints import Hints
from sync.inbox.reception import Reception
from sync.inbox.words import Listener
from sync.ledger import Ledger
from sync.looking import Looks
from sync.manners import Rule, Standing
from sync.mirror import Mirror
from sync.money.choosing import Looker, add_pulls, serve_pages
from sync.money.choosing import choose as choose_money
from sync.parked import carry_out, with_answers
from sync.plan import Planner
from sync.pms.choosing import Parts, choose, name_of
from sync.pms.mews.stream import Dial
from sync.pms.port import Hooks, Listening
from sync.pms.puller import Puller
from sync.settings import SyncSettings
from sync.standing import standing
from sync.transport import Transport

logger = logging.getLogger(__name__)

# The first look comes at once, and so does the look after the line came back.
FIRST_LOOK_S: Final = 0.0
# A look that failed although the way is free (a broken answer) is repeated after this.
FAILED_LOOK_S: Final = 2.0
# What the box makes of news is a fact, and read, within this; a busy box takes a fraction of it.
HEARD_S: Final = 2.0
# How often somebody who waits for quiet looks.
QUIET_LOOK_S: Final = 0.2
# How an act towards a vendor is called (Ledger.owe); everything else that waits is a thing to bring
# home, or to look at.
EFFECT: Final = "eff_"
# How a parked webhook is called, and what its number can be in SQLite.
WEBHOOK: Final = "inbox:"
SEQ_DIGITS_MAX: Final = 18
# What a screen can show of a storm of changes.
REPORT_GAP_S: Final = 1.0


class Running:
    """One sync role at work. Tests may take single turns of its parts instead of `start`."""

    def __init__(  # noqa: PLR0913 - the parts of one role, all by name
        self,
        settings: SyncSettings,
        *,
        clock: Clock,
        home: Home,
        transport: Transport,
        nursery: Nursery,
        chance: random.Random | None = None,
        dial: Dial | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.home = home
        self._nursery = nursery
        self._transport = transport
        self._chance = chance
        self.ledger = Ledger(settings.ledger_path)
        self.mirror = Mirror(self.ledger)
        self.gates: dict[str, Gate] = {}
        self.pushers: dict[str, Pusher] = {}
        self.pms_name = name_of(settings.pms)
        self.pull: Puller | None = None
        self._listening: Listening | None = None
        self._probes: dict[str, Any] = {}
        if settings.pms is not None:
            parts = Parts(ledger=self.ledger, mirror=self.mirror, clock=clock, home=home, dial=dial)
            pms = choose(settings.pms, self._gate, parts)
            self._listening = pms.listening
            self.pull = Puller(
                source=pms.source,
                ledger=self.ledger,
                mirror=self.mirror,
                clock=clock,
                overlap_s=settings.overlap_s,
            )
            self.pushers[pms.source.name] = pms.pusher
            self._probes[pms.source.name] = pms.probe
        self.money = choose_money(settings.money, self._gate, self.ledger, self.mirror, clock)
        self.pushers |= self.money.pushers
        self._probes |= self.money.probes
        self.feeds = Feeds([self._feed(account) for account in settings.feeds], clock=clock)
        self.carrier = Carrier(
            ledger=self.ledger,
            pushers=self.pushers,
            clock=clock,
            nursery=nursery,
            chance=chance,
        )
        self.deliverer = Deliverer(
            home=home, ledger=self.ledger, mirror=self.mirror, clock=clock, chance=chance
        )
        self.carrier.posts_to(self.deliverer.news)
        self.follower = Follower(
            home=home,
            ledger=self.ledger,
            planner=Planner(
                self.ledger,
                self.mirror,
                pms=self.pms_name,
                payments=self.money.provider,
                door_codes=settings.door_codes,
                room_states=settings.room_states,
            ),
            pushers=self.pushers,
            clock=clock,
            on_effects=self._follow_up,
            on_mismatch=self._reconcile_first,
        )
        add_pulls(self.money, self.carrier, self.ledger, clock)
        self._looks = Looks(clock)
        self.lookers = [
            Looker(
                pull,
                clock=clock,
                interval_s=settings.money_interval_s,
                on_news=self._wake_all,
                looks=self._looks,
            )
            for pull in self.money.pulls
        ]
        self.look_now = asyncio.Event()
        self._hinted, self._wished = asyncio.Event(), asyncio.Event()
        self._changed = asyncio.Event()
        self.carrier.on_change(self._changed.set)
        self.feeds.on_news(self._news_of_a_feed)
        self._wire_gates()
        self.reception = self._receive(settings)
        self._take_up()

    def start(self) -> None:
        """Start every task; each is the role's death if it ends."""
        self._sales_first()
        self._nursery.deadly("sync: feed", self.follower.run())
        self._nursery.deadly("sync: effects", self.carrier.run())
        self._nursery.deadly("sync: home", self.deliverer.run())
        self._nursery.deadly("sync: parked", self._decide_for_ever())
        self._nursery.deadly("sync: report", self._report_for_ever())
        if self.pull is not None:
            self._nursery.deadly("sync: pull", self._pull_for_ever(self.pull))
            self._nursery.deadly("sync: hints", self._follow_hints(self.pull))
        for looker in self.lookers:
            self._nursery.deadly(f"sync: {looker.pull.name} look", looker.run())
        if self.money.pages and self.settings.pages_port:
            host, port = self.settings.pages_host, self.settings.pages_port
            pages = serve_pages(self.money, host, port, self.clock)
            self._nursery.deadly("sync: pages", pages)
        if self.reception is not None:
            self._nursery.deadly("sync: inbox", self.reception.run())
        if self._listening is not None:
            hooks = Hooks(look=self.look_now.set, hint=self.hint, wake=self._wake_all)
            for name, listen in self._listening.tasks(hooks):
                self._nursery.deadly(f"sync: {name}", listen())
        self.feeds.start(self._nursery, self.follower.caught_up)
        for name, probe in self._probes.items():
            work = self.gates[name].probe_for_ever(probe)
            self._nursery.deadly(f"sync: {name} probe", work)

    async def quiet(self, *, despite_outage: bool = False) -> None:
        """Until the log is followed to its head, nothing is owed and everything is told home.

        What waits for a person counts as quiet; with `despite_outage` also what waits for a
        counterparty that is down or refuses us. A last look at the PMS is part of it.
        """
        while True:
            if self._is_quiet(despite_outage=despite_outage):
                looked = self.pull is None or await self.look()
                if not looked and despite_outage and self._is_out(self.pms_name or ""):
                    return
                if looked and self._is_quiet(despite_outage=despite_outage):
                    return
            await sleep(self.clock, QUIET_LOOK_S)

    async def look(self) -> bool:
        """One look at the PMS; what it brought is put on its way."""
        assert self.pull is not None, "no PMS is configured"
        done = await self.pull.look()
        name = self.pull.source.name
        if done and self.carrier.is_held_back(name):
            self._nursery.mortal(f"sync: {name} first", self._let_the_rest_go(name))
        if done and name in self.carrier.paused:
            with self.ledger.transaction():
                self.ledger.keep(f"{name}.reconcile_first", value=False)
            self.carrier.paused.discard(name)
        self._wake_all()
        return done

    def hint(self, upstream_ids: Iterable[str]) -> None:
        """The PMS says that these bookings changed: they are fetched by id, at once."""
        assert self.pull is not None, "no PMS is configured"
        self.pull.hint(upstream_ids)
        self._hinted.set()

    def report(self) -> Mapping[str, Any]:
        """How sync stands."""
        parked = [] if self.reception is None else [*self.reception.parked]
        elsewhere = [*parked, *self.feeds.parked(), *self._looks.parked()]
        found = standing(self.ledger, self.mirror, self.gates.values(), elsewhere)
        calendars = self.feeds.counterparty()
        found["counterparties"] += [] if calendars is None else [calendars]
        found["parked"] = with_answers(self.ledger, found["parked"])
        return found

    def retry(self, name: str) -> str:
        """What a person asks to be tried again; says what was done."""
        if (said := self.feeds.retry(name)) is not None:
            return said
        source, _, upstream_id = name.partition(":")
        if source == self.pms_name and upstream_id:
            with self.ledger.transaction():
                self.mirror.hold(
                    source,
                    upstream_id,
                    "a person asked to fetch it again",
                    person=False,
                    now_ms=self.clock.read().wall_ms,
                )
                self.ledger.db.execute(
                    "UPDATE booking SET version = '', hash = x''"
                    " WHERE source = ? AND upstream_id = ?",
                    (source, upstream_id),
                )
            self.look_now.set()
            return "it is fetched again with the next look"
        return self.carrier.retry(name)

    def edit(self, name: str, changes: Mapping[str, str]) -> str:
        """What a vendor is to be told otherwise; says what was done."""
        if not name.startswith(EFFECT):
            return f"{name} cannot be edited: only an act that a vendor is to be told can be"
        return self.carrier.edit(name, changes, self.mirror.room_numbered)

    async def act(self, act: ParkedAct, name: str, changes: Mapping[str, str]) -> str:
        """What a person decided about a parked item of any sort; says what was done."""
        if act is ParkedAct.EDIT:
            return self.edit(name, changes)
        if name.startswith(WEBHOOK):
            number = name.removeprefix(WEBHOOK)
            if self.reception is None or not number.isdecimal() or len(number) > SEQ_DIGITS_MAX:
                return f"there is no webhook {number}"
            inbox = self.reception.inbox
            work = inbox.retry if act is ParkedAct.RETRY else inbox.settle_by_hand
            return await work(int(number))
        if act is ParkedAct.RETRY:
            return self.retry(name)
        return self.carrier.settle_by_hand(name)

    def close(self) -> None:
        """Let go of sync.db; the nursery ends the tasks first."""
        if self.reception is not None:
            self.reception.close()
        self.ledger.close()

    # -- inside ----------------------------------------------------------------------------------

    def _gate(self, name: str, rules: tuple[Rule, ...], *, forbidden_is_ours: bool = True) -> Gate:
        gate = Gate(
            name=name,
            rules=rules,
            ledger=self.ledger,
            clock=self.clock,
            transport=self._transport,
            chance=self._chance,
            forbidden_is_ours=forbidden_is_ours,
        )
        self.gates[name] = gate
        return gate

    def _receive(self, settings: SyncSettings) -> Reception | None:
        if settings.webhooks is None:
            return None
        reception = Reception(
            settings.webhooks,
            path=settings.ledger_path,
            pen=self.ledger.pen,
            clock=self.clock,
            vendor_now_ms=self._vendor_now_ms,
            keys=self.money.plaid_keys,
            send=self._transport.send,
        )
        if self.pms_name is not None:
            reception.inbox.listen(self.pms_name, Hints(self.hint, self._wake_all))
        for looker in self.lookers:
            if isinstance(looker.pull, Listener):
                reception.inbox.listen(looker.pull.name, looker.pull)
        return reception

    def _vendor_now_ms(self) -> int | None:
        heard = (gate.vendor_now_ms() for gate in self.gates.values())
        return next((at_ms for at_ms in heard if at_ms is not None), None)

    def _feed(self, account: FeedAccount) -> Feed:
        # Not among the gates of the report: all feeds together are one counterparty there.
        gate = Gate(
            name=account.source,
            rules=FEED_RULES,
            ledger=self.ledger,
            clock=self.clock,
            transport=self._transport,
            chance=self._chance,
        )
        return Feed(account, gate=gate, ledger=self.ledger, mirror=self.mirror, clock=self.clock)

    def _news_of_a_feed(self) -> None:
        self.deliverer.news.set()
        self._changed.set()

    async def _let_the_rest_go(self, name: str) -> None:
        """Once the box has heard what changed there: where two masters differ, a person decides.

        What the box finds disputed is taken out of the queue before it overwrites anything.
        """
        while self.deliverer.waiting and self.carrier.is_held_back(name):
            await sleep(self.clock, QUIET_LOOK_S)
        self.follower.moved.clear()
        await self._pause(self.follower.moved, HEARD_S)
        self.carrier.all_may_go(name)

    def _wire_gates(self) -> None:
        if self.pull is not None:
            # Before the carrier is woken by the same opening.
            self.pull.source.gate.on_open(self._sales_first, first=True)
        for gate in self.gates.values():
            gate.on_open(self.look_now.set)
            gate.on_change(self._changed.set)

    def _sales_first(self) -> None:
        if self.pull is not None:
            self.carrier.sales_first(self.pull.source.name)

    def _take_up(self) -> None:
        found = self.carrier.recover()
        if found:
            logger.info("%d effects were being sent when we stopped: looked up first", found)
        marker = self.settings.restored_marker
        if marker.exists():
            self.follower.start_over("sync.db was restored from a backup")
            marker.unlink()
        if self.pull is None:
            return
        name = self.pull.source.name
        if self.ledger.kept(f"{name}.reconcile_first", bool, default=False):
            self.carrier.paused.add(name)

    def _wake_all(self) -> None:
        self.carrier.wake()
        self.deliverer.news.set()

    def _follow_up(self) -> None:
        self._wished.set()
        self._wake_all()

    async def _decide_for_ever(self) -> None:
        while True:
            self._wished.clear()
            try:
                # Not inside the follower's transaction: the inbox has a pen of its own to wait for.
                if await carry_out(self.ledger, self.act, lambda: self.clock.read().wall_ms):
                    self._changed.set()
            except sqlite3.Error as error:
                logger.warning("parked: the disk takes nothing: %s", where(error))
            await self._pause(self._wished, LOOK_S_MAX)

    def _reconcile_first(self) -> None:
        for looker in self.lookers:
            looker.pull.start_over()
            looker.now.set()
        self.feeds.start_over()
        if self.pull is not None:
            name = self.pull.source.name
            self.pull.start_over()
            self.ledger.keep(f"{name}.reconcile_first", value=True)
            self.carrier.paused.add(name)
            self.look_now.set()

    def _is_out(self, name: str) -> bool:
        gate = self.gates.get(name)
        return gate is None or gate.breaker.standing in {Standing.DOWN, Standing.REFUSED}

    def _is_quiet(self, *, despite_outage: bool) -> bool:
        due = self.ledger.db.execute(
            "SELECT counterparty FROM effect"
            " WHERE state IN ('queued', 'sending', 'unknown', 'reconciling')"
        )
        held_back = [despite_outage and self._is_out(row[0]) for row in due]
        # A lane behind a parked sale waits for a person.
        owed = len(held_back) - sum(held_back) - self._behind_parked()
        return (
            self.follower.at_head and self.carrier.idle and owed <= 0 and not self.deliverer.waiting
        )

    def _behind_parked(self) -> int:
        row = self.ledger.db.execute(
            "SELECT count(*) FROM effect e WHERE state IN ('queued', 'unknown', 'reconciling')"
            " AND EXISTS (SELECT 1 FROM effect b WHERE b.lane = e.lane AND b.seq < e.seq"
            " AND b.kind = 'pms.book' AND b.state IN ('parked', 'manual'))"
        ).fetchone()
        return int(row[0])

    async def _pull_for_ever(self, pull: Puller) -> None:
        gate = pull.source.gate
        # A booking whose room or type the log has not told us yet would be learned without it.
        await self.follower.caught_up()
        wait_s = FIRST_LOOK_S
        while True:
            await self._pause(self.look_now, wait_s)
            self.look_now.clear()
            if gate.closed_ms():
                wait_s = self.settings.pull_interval_s
                continue
            done = await self._looks.safely(pull.source.name, self.look)
            wait_s = FAILED_LOOK_S if done is False else self.settings.pull_interval_s

    async def _follow_hints(self, pull: Puller) -> None:
        await self.follower.caught_up()
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            # With the way closed they stay held, and the next look fetches them.
            if pull.source.gate.closed_ms():
                continue
            if await self._looks.safely(f"{pull.source.name} hints", pull.look_at_hinted):
                self._wake_all()

    async def _report_for_ever(self) -> None:
        while True:
            self._changed.clear()
            if self.reception is not None:
                await self.reception.look()
            try:
                await self.home.report(self.report())
            except (HomeAwayError, HomeSaidNoError) as error:
                logger.debug("report: %s", error)
            # A change is told at once, a storm of them once a second.
            await sleep(self.clock, REPORT_GAP_S)
            await self._pause(self._changed, self.settings.report_interval_s - REPORT_GAP_S)

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        alarm = asyncio.ensure_future(sleep(self.clock, seconds))
        woken = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({alarm, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            woken.cancel()
