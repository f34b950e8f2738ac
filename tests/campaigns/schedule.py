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
from campaigns.judging import behind_parked, judge
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
# One schedule in fifty: a day of looks and probes costs as much as thirty others.
LONG_PAUSE_CHANCE: Final = 0.002
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
            self._judge()
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
        if self.chance.random() < LONG_PAUSE_CHANCE:
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
            await house.clock.run_until(house.quiet(), limit_s=QUIET_S_MAX)
        except TimeoutError:
            self.ended.broken.append("it never became quiet")
        self.ended.quiet_s = house.clock.monotonic() - healed_s

    async def _wait_for_progress(self, healed_s: float) -> None:
        """Until something of the queue moved, where nothing but the weather was in its way."""
        house, ledger = self.house, self.house.sync.ledger
        name = house.channel.name
        gate = house.sync.gates[name]
        waits = [
            effect
            for effect in ledger.effects(
                "counterparty = ? AND state IN ('queued', 'unknown', 'reconciling')", name
            )
            if not behind_parked(house, effect.lane)
        ]
        asked_to_wait = gate.breaker.standing in {Standing.LIMITED, Standing.REFUSED}
        before = gate.last_confirmed_ms
        if not waits or asked_to_wait:
            return
        waiting = {effect.id for effect in waits}
        while gate.last_confirmed_ms == before and waiting <= self._open():
            await house.clock.advance(0.25)
            if house.clock.monotonic() - healed_s > 60 * PROGRESS_S_MAX:
                break
        self.ended.progress_s = house.clock.monotonic() - healed_s
        if self.ended.progress_s > PROGRESS_S_MAX:
            self.ended.broken.append(f"no progress for {self.ended.progress_s:.1f} s after healing")

    def _open(self) -> set[str]:
        states = "state IN ('queued', 'sending', 'unknown', 'reconciling')"
        return {effect.id for effect in self.house.sync.ledger.effects(states)}

    def _judge(self) -> None:
        self.ended.broken += [*self.house.died, *judge(self.house, self.ended.counts)]
