"""One random schedule: acts on both sides, weather between them, healing, and the judgement."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from appliance.engines.payments.messages import RecordCash, SaveCardReference, TakeDeposit
from appliance.engines.stays.messages import (
    CancelStay,
    ChangeDeparture,
    CheckIn,
    CheckOut,
    MarkNoShow,
    MoveRoom,
    StayState,
)
from appliance.kernel.messages import Command
from campaigns.channels import Held
from campaigns.house import House
from support.desk import MANAGER
from support.hotel import priced, walk_in
from sync.manners import Standing
from twin.clouds.faults import Fault
from twin.clouds.stripe.words import Card
from twin.line import Cut

PMS_FAULTS: Final = (
    Fault.LOST_REQUEST,
    Fault.LOST_ANSWER,
    Fault.NO_ANSWER,
    Fault.CUT_BODY,
    Fault.SLOW,
    Fault.SERVER_ERROR,
    Fault.BROKEN_STORED,
    Fault.TOO_MANY,
    Fault.TOO_MANY_BARE,
    Fault.UNAUTHORIZED,
    Fault.CONFLICT,
    Fault.MOVING_ROWS,
    Fault.SPARSE,
)
MONEY_FAULTS: Final = PMS_FAULTS[:-2]
ROUNDS: Final = 10
# Between two acts: within one exchange, a probe, a back-off, a look; and, rarely, past the
# payment provider's memory of a key.
PAUSES_S: Final = (0.05, 0.2, 0.7, 3, 7, 31, 61, 600)
LONG_PAUSE_S: Final = 26 * 3_600
# "Progress <= 10 s after healing" is the word; the last look takes as long as it takes.
PROGRESS_S_MAX: Final = 10.0
QUIET_S_MAX: Final = 7_200.0


@dataclass(slots=True)
class Ended:
    """What one schedule came to."""

    seed: int
    vendor: str
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    progress_s: float | None = None  # None: nothing waited, or the vendor had asked us to wait
    quiet_s: float = 0.0


class Schedule:
    """Plays one seed."""

    def __init__(self, folder: Path, vendor: str, seed: int) -> None:
        self.chance = random.Random(seed)
        self.house = House(folder, vendor, self.chance)
        self.ended = Ended(seed=seed, vendor=vendor)
        self.money: list[str] = []  # payments the box took at the desk
        self.intents: list[str] = []
        self._sold_there: list[str] = []

    async def play(self) -> Ended:
        """From an empty hotel to the judgement."""
        try:
            self.house.start()
            await self.house.clock.advance(self.chance.choice([0.0, 5.0]))
            for _ in range(ROUNDS):
                self._something_happens()
                await self._weather()
            await self._heal()
            await self._judge()
        finally:
            await self.house.close()
        return self.ended

    # -- acts ------------------------------------------------------------------------------------

    def _something_happens(self) -> None:
        for _ in range(self.chance.randint(0, 2)):
            self.chance.choice(
                [
                    self._walk_in,
                    self._walk_in,
                    self._channel_sells,
                    self._channel_sells,
                    self._channel_changes,
                    self._channel_cancels,
                    self._check_in,
                    self._check_in,
                    self._in_house,
                    self._ends_early,
                    self._cash,
                    self._deposit,
                ]
            )()

    def _ask(self, name: str, command: Command) -> dict[str, Any] | None:
        answer = self.house.hotel.ask(command, MANAGER)
        done = getattr(answer, "result", None)
        self.ended.counts[f"box: {name}" if done is not None else "box: refused"] += 1
        return done

    def _walk_in(self) -> None:
        today = self.house.today
        until = today + timedelta(days=self.chance.randint(1, 3))
        self._ask("sold", walk_in(arrival=today, departure=until, nights=priced(today, until)))

    def _channel_sells(self) -> None:
        arrival = self.house.today + timedelta(days=self.chance.randint(0, 1))
        until = arrival + timedelta(days=self.chance.randint(1, 3))
        kind = self.chance.choice(["double", "double", "double", "suite"])
        self._sold_there.append(self.house.channel.sell(kind, arrival, until))
        self.ended.counts["channel: sold"] += 1

    def _channel_changes(self) -> None:
        found = self._still_expected()
        if found is not None:
            until = found.arrival + timedelta(days=self.chance.randint(1, 4))
            self.house.channel.modify(found.upstream_id, until)
            self.ended.counts["channel: changed"] += 1

    def _channel_cancels(self) -> None:
        found = self._still_expected()
        if found is not None:
            self.house.channel.cancel(found.upstream_id)
            self.ended.counts["channel: cancelled"] += 1

    def _still_expected(self) -> Held | None:
        rows = [
            each
            for each in self.house.channel.holds()
            if each.upstream_id in self._sold_there and each.state is StayState.CONFIRMED
        ]
        return self.chance.choice(rows) if rows else None

    def _stay(self, state: StayState) -> str | None:
        rows = self.house.hotel.rows(
            "SELECT stay_id FROM stays_stay WHERE state = ? ORDER BY stay_id", state.value
        )
        return str(self.chance.choice(rows)[0]) if rows else None

    def _check_in(self) -> None:
        if (stay_id := self._stay(StayState.CONFIRMED)) is not None:
            room_id = f"r{101 + self.chance.randrange(8)}"
            command = CheckIn(stay_id=stay_id, room_id=room_id, accept_not_ready=True)
            self._ask("checked in", command)

    def _in_house(self) -> None:
        stay_id = self._stay(StayState.IN_HOUSE)
        if stay_id is None:
            return
        [(departure,)] = self.house.hotel.rows(
            "SELECT departure FROM stays_stay WHERE stay_id = ?", stay_id
        )
        until = date.fromisoformat(str(departure))
        longer = until + timedelta(days=1)
        commands: dict[str, Command] = {
            "moved": MoveRoom(
                stay_id=stay_id,
                room_id=f"r{101 + self.chance.randrange(8)}",
                reason="noise",
                accept_not_ready=True,
            ),
            "extended": ChangeDeparture(
                stay_id=stay_id, departure=longer, added_nights=priced(until, longer)
            ),
            "checked out": CheckOut(stay_id=stay_id),
        }
        name = self.chance.choice(list(commands))
        self._ask(name, commands[name])

    def _ends_early(self) -> None:
        if (stay_id := self._stay(StayState.CONFIRMED)) is not None:
            if self.chance.random() < 0.5:
                self._ask("cancelled", CancelStay(stay_id=stay_id, reason="flight"))
            else:
                self._ask("no-show", MarkNoShow(stay_id=stay_id))

    def _cash(self) -> None:
        stay_id = self._stay(StayState.IN_HOUSE) or self._stay(StayState.CONFIRMED)
        if stay_id is not None:
            command = RecordCash(stay_id=stay_id, amount_minor=2_000, currency="EUR")
            if (done := self._ask("cash", command)) is not None:
                self.money.append(str(done["payment_id"]))

    def _deposit(self) -> None:
        stay_id = self._stay(StayState.CONFIRMED) or self._stay(StayState.IN_HOUSE)
        if stay_id is None:
            return
        store = self.house.stripe.store
        customer = store.add_customer("Ada", None, {})["id"]
        card = self.chance.choice([Card.GOOD, Card.GOOD, Card.GOOD, Card.DECLINED])
        saved = SaveCardReference(
            stay_id=stay_id, customer_ref=customer, method_ref=store.save_card(customer, card)
        )
        self.house.hotel.ask(saved, MANAGER)
        done = self._ask(
            "deposit",
            TakeDeposit(
                stay_id=stay_id,
                amount_minor=1_000,
                currency="EUR",
                not_after_s=self.house.clock.read().wall_s + 90 * 86_400,
            ),
        )
        if done is not None:
            self.intents.append(str(done["intent_id"]))

    # -- weather ---------------------------------------------------------------------------------

    async def _weather(self) -> None:
        kinds: list[Callable[[], Any]] = [
            self._cut,
            self._line_heals,
            self._pms_fault,
            self._pms_fault,
            self._money_fault,
            self._stop,
            self._away,
            self._nothing,
        ]
        if self.chance.random() < 0.25:
            await self.house.kill()
            self.ended.counts["weather: killed"] += 1
            await self.house.clock.advance(self.chance.choice([0.0, 2.0, 120.0]))
            self.house.home.away = False
            self.house.start()
        else:
            self.chance.choice(kinds)()
        pause_s = self.chance.choice(PAUSES_S)
        if self.chance.random() < 0.01:
            pause_s = LONG_PAUSE_S
        await self.house.clock.advance(pause_s)

    def _cut(self) -> None:
        self.house.line.cut(self.chance.choice(list(Cut)))
        self.ended.counts["weather: cut"] += 1

    def _line_heals(self) -> None:
        self.house.line.heal()

    def _pms_fault(self) -> None:
        where = self.chance.choice(["*", *self.house.channel.writes])
        fault = self.chance.choice(PMS_FAULTS)
        self.house.channel.cloud.faults.plan(
            where, fault, times=self.chance.randint(1, 3), delay_s=25.0
        )
        self.ended.counts["weather: fault"] += 1

    def _money_fault(self) -> None:
        where = self.chance.choice(["*", "POST /v1/payment_intents"])
        self.house.stripe.faults.plan(
            where, self.chance.choice(MONEY_FAULTS), times=self.chance.randint(1, 3), delay_s=70.0
        )
        self.ended.counts["weather: fault"] += 1

    def _stop(self) -> None:
        self.house.weather.stop()
        self.ended.counts["weather: stopped"] += 1

    def _away(self) -> None:
        self.house.home.away = True
        self.ended.counts["weather: box away"] += 1

    def _nothing(self) -> None:
        self.house.weather.go_on()
        self.house.home.away = False

    # -- the end ---------------------------------------------------------------------------------

    async def _heal(self) -> None:
        house = self.house
        house.channel.cloud.faults.clear()
        house.stripe.faults.clear()
        house.home.away = False
        house.weather.go_on()
        house.start()
        house.line.heal()
        healed_s = house.clock.monotonic()
        await self._wait_for_progress(healed_s)
        try:
            await house.clock.run_until(house.sync.quiet(), limit_s=QUIET_S_MAX)
        except TimeoutError:
            self.ended.broken.append("it never became quiet")
        self.ended.quiet_s = house.clock.monotonic() - healed_s

    async def _wait_for_progress(self, healed_s: float) -> None:
        """Until something of the queue moved, where nothing but the weather was in its way."""
        house, ledger = self.house, self.house.sync.ledger
        name = house.channel.name
        gate = house.sync.gates[name]
        waits = ledger.db.execute(
            "SELECT count(*) FROM effect WHERE counterparty = ?"
            " AND state IN ('queued', 'unknown', 'reconciling')",
            (name,),
        ).fetchone()[0]
        asked_to_wait = gate.breaker.standing in {Standing.LIMITED, Standing.REFUSED}
        before = gate.last_confirmed_ms
        if not waits or asked_to_wait:
            return
        while gate.last_confirmed_ms == before:
            await house.clock.advance(0.25)
            if house.clock.monotonic() - healed_s > 60 * PROGRESS_S_MAX:
                break
        self.ended.progress_s = house.clock.monotonic() - healed_s
        if self.ended.progress_s > PROGRESS_S_MAX:
            self.ended.broken.append(f"no progress for {self.ended.progress_s:.1f} s after healing")

    async def _judge(self) -> None:
        broken = self.ended.broken
        broken += self.house.died
        broken += self._queue()
        broken += self._bookings()
        broken += self._money()
        for effect in self.house.sync.ledger.effects("true"):
            self.ended.counts[f"effect: {effect.state.value}"] += 1
        if self.house.channel.too_many():
            self.ended.counts["true 429"] += self.house.channel.too_many()

    def _queue(self) -> list[str]:
        ledger = self.house.sync.ledger
        broken = [
            f"{effect.kind} is still {effect.state.value}: {effect.sentence}"
            for effect in ledger.effects("state IN ('queued', 'sending', 'unknown', 'reconciling')")
            if not self._behind_parked(effect.lane)
        ]
        letters = ledger.letters("refused IS NULL")
        broken += [f"{letter.name} is still on its way home" for letter in letters]
        broken += [
            f"{source}:{name} is still held: {why}"
            for source, name, why, _ in [
                (self.house.channel.name, *each)
                for each in self.house.sync.mirror.held(self.house.channel.name, person=False)
            ]
        ]
        return broken

    def _behind_parked(self, lane: str) -> bool:
        return bool(
            self.house.sync.ledger.effects(
                "lane = ? AND kind = 'pms.book' AND state IN ('parked', 'manual')", lane
            )
        )

    def _shown(self, stay_id: str) -> bool:
        """Whether a person has been told that the two sides differ about a stay."""
        effects = self.house.sync.ledger.effects(
            "lane = ? AND state IN ('parked', 'manual')", f"stay:{stay_id}"
        )
        return bool(effects) or bool(self.house.hotel.conflicts(stay_id))

    def _bookings(self) -> list[str]:
        rows = self.house.hotel.rows(
            "SELECT stay_id, source, upstream_id, state, arrival, departure FROM stays_stay"
        )
        held = {each.upstream_id: each for each in self.house.channel.holds()}
        by_us = Counter(each.our_ref for each in held.values() if each.our_ref)
        broken = [f"{ref} is {n} bookings at the PMS" for ref, n in by_us.items() if n > 1]
        known = Counter(str(row[2]) for row in rows if row[2] is not None)
        broken += [f"{name} is {n} stays here" for name, n in known.items() if n > 1]
        broken += [f"{name} was sold there and is unknown here" for name in held.keys() - known]
        for stay_id, _, upstream_id, state, arrival, departure in rows:
            shown = self._shown(str(stay_id))
            self.ended.counts["stays: shown to a person" if shown else "stays: equal"] += 1
            if shown:
                continue
            one = held.get(str(upstream_id))
            if one is None:
                broken.append(f"{stay_id} ({state}) is not at the PMS, and nobody is told")
                continue
            ours = (state, str(arrival), str(departure))
            theirs = (one.state.value, str(one.arrival), str(one.departure))
            if ours != theirs and not _over_alike(ours, theirs):
                broken.append(f"{stay_id} is {ours} here and {theirs} there, and nobody is told")
        return broken

    def _money(self) -> list[str]:
        charged = Counter(
            str(row["metadata"].get("outbox_id"))
            for row in self.house.journal.read("payments.charged")
        )
        broken = [f"{ref} was charged {n} times" for ref, n in charged.items() if n > 1]
        states = dict(self.house.hotel.rows("SELECT intent_id, state FROM payments_intent"))
        broken += [
            f"{ref} was charged and is {states.get(ref)} here"
            for ref in charged
            if states.get(ref) != "succeeded"
        ]
        broken += [
            f"{ref} is succeeded here and was never charged"
            for ref, state in states.items()
            if state == "succeeded" and ref not in charged
        ]
        told = Counter(self.house.channel.payments())
        broken += [f"{ref} was told {n} times" for ref, n in told.items() if ref and n > 1]
        owed = self.house.sync.ledger.effects("kind = 'pms.payment' AND state = 'succeeded'")
        broken += [
            f"{effect.natural_key} is done and not at the PMS"
            for effect in owed
            if effect.natural_key.partition(":")[2] not in told
        ]
        self.ended.counts["charges"] += sum(charged.values())
        return broken


def _over_alike(ours: tuple[str, str, str], theirs: tuple[str, str, str]) -> bool:
    """What is over is over: a cancelled stay's dates bind nobody.

    A departed one's last day may be the day on which the guest really left.
    """
    over = {StayState.CANCELLED.value, StayState.NO_SHOW.value}
    if ours[0] in over and theirs[0] in over:
        return True
    return ours[0] == theirs[0] == StayState.DEPARTED.value
