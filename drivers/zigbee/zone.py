"""IAS zones: how a sensor of water, a door's contact or motion is taken in so that it really alarms.

A sensor may join, show up everywhere and never alarm, because it never enrolled (z2m #32797). So
the enrolment is read back: zone state 1 and our address, or NOT_ENROLLED is raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from drivers.port import Alarm
from drivers.zigbee.air import NoWordError, pause, reach
from drivers.zigbee.thing import POWER, Report, Thing

if TYPE_CHECKING:
    from collections.abc import Coroutine

IAS_ZONE: Final = 0x0500
STATUS_CHANGED, ENROLL_REQUEST = 0x00, 0x01
ALARM_1, ALARM_2, TAMPER, BATTERY = 0x0001, 0x0002, 0x0004, 0x0008
WATER, CONTACT, MOTION = 0x002A, 0x0015, 0x000D
ENROLLED: Final = 0x01
ZONE_ID: Final = 0
TRIES_MAX: Final = 3
RETRY_S: Final = 1.0


class Zone(Thing):
    """What all zones share: enrolment, and the bits of the zone's status."""

    reports: tuple[Report, ...] = (
        Report(
            cluster=POWER,
            attribute="battery_percentage_remaining",
            min_s=3600,
            max_s=21600,
            change=2,
        ),
    )

    _status: int | None = None
    enrolled: bool | None = None

    async def configured(self) -> None:
        """Enrol, and read it back; what is not shown to be so raises the alarm."""
        if self.cluster(IAS_ZONE) is None:
            return
        self.enrolled = False
        for turn in range(TRIES_MAX):
            try:
                self.enrolled = await self._enrol()
            except NoWordError:
                self.enrolled = False
            if self.enrolled:
                break
            await pause(self._air, RETRY_S * (turn + 1))
        ok, name = self.enrolled, self.name
        self._air.say(lambda house: house.alarm(Alarm.NOT_ENROLLED, device=name, on=not ok))

    async def _enrol(self) -> bool:
        zone, air = self.cluster(IAS_ZONE), self._air
        until_s = air.clock.monotonic() + air.patience.request_s
        ours = air.app.state.node_info.ieee
        await reach(air, zone.bind(), until_s)
        await reach(air, zone.write_attributes({"cie_addr": ours}), until_s)
        # Unasked: some sensors never send the request, others sent it while they were interviewed.
        await reach(air, self._let_in(), until_s)
        read, _ = await reach(
            air,
            zone.read_attributes(["zone_state", "cie_addr", "zone_status"], allow_cache=False),
            until_s,
        )
        if "zone_status" in read:
            self._zone_is(int(read["zone_status"]))
        return int(read.get("zone_state", 0)) == ENROLLED and read.get("cie_addr") == ours

    def commanded(self, cluster: int, tsn: int, command: int, args: Any) -> None:
        """A change of the zone, or the wish to be let in."""
        del tsn
        if cluster != IAS_ZONE:
            return
        if command == ENROLL_REQUEST:
            self._air.nursery.mortal(f"enrol {self.name}", self._welcome())
        elif command == STATUS_CHANGED:
            self._zone_is(int(args.zone_status))

    async def _welcome(self) -> None:
        """Answer a request to enrol; where it is not heard, `configured` asks again."""
        try:
            until_s = self._air.clock.monotonic() + self._air.patience.request_s
            await reach(self._air, self._let_in(), until_s)
        except NoWordError:
            return

    def _let_in(self) -> Coroutine[Any, Any, Any]:
        answer: Coroutine[Any, Any, Any] = self.cluster(IAS_ZONE).enroll_response(
            enroll_response_code=0, zone_id=ZONE_ID, expect_reply=False
        )
        return answer

    def _zone_is(self, status: int) -> None:
        """The zone's bits, from a notification or a reading."""
        before, self._status = self._status, status
        self.zone_changed(before, status)

    def zone_changed(self, before: int | None, status: int) -> None:
        """What the bits mean is the kind's business."""


def rose(before: int | None, now: int, bit: int) -> bool:
    """Whether a bit is set now and was not; what was never heard counts as clear."""
    return bool(now & bit) and not (before or 0) & bit


def fell(before: int | None, now: int, bit: int) -> bool:
    """Whether a bit is clear now and was set."""
    return bool((before or 0) & bit) and not now & bit
