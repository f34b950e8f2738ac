"""Every GraphQL document the kiosk sends, as constants beside the shape of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kiosk import words

T = TypeVar("T")

# 3 s: a box on the same switch answers in milliseconds; longer means it is not there.
READ_S = 3.0
# 10 s: the box itself waits for a bolt up to 8 s before it says "unknown".
DOOR_S = 10.0


@dataclass(frozen=True, kw_only=True)  # no slots: typing writes on a generic's instances
class Query(Generic[T]):
    """One read: its root field, the document, the shape of the root field's value."""

    name: str
    root: str
    text: str
    shape: Any  # a type expression msgspec understands; T is its instance
    empty: T | None = None  # what a screen shows when nothing was ever heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One command: its mutation, the document, what a clerk calls it, how long to wait."""

    name: str
    text: str
    label: str
    timeout_s: float = READ_S


def _act(name: str, label: str, **arguments: str) -> Act:
    taken = {"id": "String!", **arguments}
    heads = ", ".join(f"${key}: {kind}" for key, kind in taken.items())
    given = ", ".join(f"{key}: ${key}" for key in taken)
    text = f"mutation {name}({heads}) {{ {name}({given}) {{ done engine code sentence result }} }}"
    return Act(name=name, text=text, label=label)


_LINE = """id code state arrival departure roomTypeId roomId roomNumber roomReady adults children
  channel atRisk due unfinished guests { given family }
  balance { dueMinor pendingMinor currency } conflicts { id open }"""
_CONFLICT = """id stayId what boxSays upstreamSays atMs open upstreamVersion decideByMs overdue
  items { field boxSays upstreamSays boxBy boxTerminal boxAtMs upstreamAtMs }"""
_REQUEST = "id stayId roomNumber type status text atMs"
_OPENING = "id stayId doorTitle askedMs outcome refusal evidence sentence"
_ALARM = "deviceId roomId alarm sentence sinceMs daysLeft seenBy"
_MASTER = "holder label doorId doorTitle event atMs"
_WHOSE = "id roomNumber guests { given family }"
_ROOM = "id number roomTypeId floor status occupiedBy dueIn"

STANDING = Query[words.Standing](
    name="Standing",
    root="",
    text=f"""query Standing {{
  house {{ title timeZone currency businessDate nowMs clockSure checkInFrom checkOutUntil }}
  health {{ lineDownSinceMs vitals {{ name state lastConfirmedMs queued oldestMs sentence }} }}
  me {{ actor name roles terminal shift }}
  deviceAlarms {{ {_ALARM} }} masterUses(limit: 5) {{ {_MASTER} }} }}""",
    shape=words.Standing,
)
ROOM_TYPES = Query[list[words.RoomType]](
    name="RoomTypes",
    root="roomTypes",
    text="query RoomTypes { roomTypes { id title sleeps rateMinor offlineAllotment } }",
    shape=list[words.RoomType],
    empty=[],
)


def _stays(name: str, root: str) -> Query[list[words.Stay]]:
    return Query(
        name=name,
        root=root,
        text=f"query {name} {{ {root} {{ {_LINE} }} }}",
        shape=list[words.Stay],
        empty=[],
    )


ARRIVALS = _stays("Arrivals", "arrivals")
DEPARTURES = _stays("Departures", "departures")
IN_HOUSE = _stays("InHouse", "inHouse")
SEARCH = Query[list[words.Stay]](
    name="Search",
    root="searchStays",
    text=f"query Search($text: String!) {{ searchStays(text: $text, limit: 40) {{ {_LINE} }} }}",
    shape=list[words.Stay],
    empty=[],
)
STAY = Query[words.Stay | None](
    name="Stay",
    root="stay",
    text=f"""query Stay($id: ID!) {{ stay(id: $id) {{
  id code state arrival departure roomTypeId roomId roomNumber roomReady adults children
  channel source atRisk due unfinished guestPageUrl guests {{ given family }}
  nights {{ date amountMinor currency priceSource }} notes {{ text atMs by }}
  balance {{ dueMinor pendingMinor chargesMinor paidMinor currency savedCard
    lines {{ text amountMinor kind }} intents {{ id kind amountMinor currency state sentence url }} }}
  keys {{ id doorId doorTitle generation validFromS validUntilS reason live pinAtLock clockUnsure
    prepared joiner }}
  conflicts {{ {_CONFLICT} }} }} }}""",
    shape=words.Stay | None,
)
ROOM_BOARD = Query[list[words.Room]](
    name="RoomBoard",
    root="roomBoard",
    text=f"query RoomBoard {{ roomBoard {{ {_ROOM} lock {{ id online ageMs batteryPct bolt }} }} }}",
    shape=list[words.Room],
    empty=[],
)
FREE = Query[list[words.Free]](
    name="Free",
    root="free",
    text=f"""query Free($arrival: Date!, $departure: Date!, $roomTypeId: ID) {{
  free(arrival: $arrival, departure: $departure, roomTypeId: $roomTypeId) {{
    roomTypeId freeCount allotmentLeft rooms {{ {_ROOM} }} }} }}""",
    shape=list[words.Free],
    empty=[],
)
QUOTE = Query[words.Quote | None](
    name="Quote",
    root="quote",
    text="""query Quote($roomTypeId: ID!, $arrival: Date!, $departure: Date!) {
  quote(roomTypeId: $roomTypeId, arrival: $arrival, departure: $departure) {
    totalMinor currency nights { date amountMinor currency priceSource } } }""",
    shape=words.Quote | None,
)
CONFLICTS = Query[list[words.Conflict]](
    name="Conflicts",
    root="conflicts",
    text=f"query Conflicts {{ conflicts(open: true) {{ {_CONFLICT} }} }}",
    shape=list[words.Conflict],
    empty=[],
)
CROWDED = Query[list[words.CrowdedNight]](
    name="Crowded",
    root="crowdedNights",
    text="""query Crowded { crowdedNights { roomTypeId night rooms held inHouse decideByMs overdue
  candidates { rank nights rateMinor currency ota stay { id roomNumber guests { given family } }
    alternatives { way roomTypeId title free roomId roomNumber } } } }""",
    shape=list[words.CrowdedNight],
    empty=[],
)
DECISIONS = Query[list[words.Decision]](
    name="Decisions",
    root="decisions",
    text="""query Decisions { decisions { id stayId kind atMs by undoable why steps
  changes { what before after } } }""",
    shape=list[words.Decision],
    empty=[],
)
ALLOTMENT = Query[list[words.Allotment]](
    name="Allotment",
    root="allotment",
    text="query Allotment { allotment(nights: 1) { roomTypeId rooms sold left } }",
    shape=list[words.Allotment],
    empty=[],
)
REQUESTS = Query[list[words.Request]](
    name="Requests",
    root="requests",
    text=f"query Requests {{ requests(open: true) {{ {_REQUEST} }} }}",
    shape=list[words.Request],
    empty=[],
)
DEVICE_ALARMS = Query[list[words.DeviceAlarm]](
    name="DeviceAlarms",
    root="deviceAlarms",
    text=f"query DeviceAlarms {{ deviceAlarms {{ {_ALARM} }} }}",
    shape=list[words.DeviceAlarm],
    empty=[],
)
DOORS = Query[words.Doors](
    name="Doors",
    root="",
    text=f"""query Doors($on: Date) {{
  keysAtRisk {{ stayId doorId doorTitle why sinceMs sentence }}
  masterUses(limit: 20) {{ {_MASTER} }}
  arrivals {{ {_WHOSE} }} tomorrow: arrivals(on: $on) {{ {_WHOSE} }} inHouse {{ {_WHOSE} }} }}""",
    shape=words.Doors,
    empty=words.Doors(),
)
ACCESS_LOG = Query[list[words.Access]](
    name="AccessLog",
    root="accessLog",
    text="""query AccessLog($doorId: ID, $holderId: String, $before: Minor) {
  accessLog(doorId: $doorId, holderId: $holderId, before: $before, limit: 50) {
    position atMs uncertaintyMs learnedMs doorId event holder refusal missed } }""",
    shape=list[words.Access],
    empty=[],
)
CLEANING = Query[list[words.CleaningRow]](
    name="Cleaning",
    root="cleaningList",
    text="query Cleaning { cleaningList { roomId roomNumber status why leaving arriving } }",
    shape=list[words.CleaningRow],
    empty=[],
)
MONEY = Query[words.Money](
    name="Money",
    root="",
    text="""query Money {
  recovery { id what stayId amountMinor currency byS atMs sentence }
  pendingIntents { id kind stayId amountMinor currency state sentence }
  drawers(openOnly: true) { id terminal openedAtMs floatMinor currency } }""",
    shape=words.Money,
    empty=words.Money(),
)
HAND_OVER = Query[words.HandOver](
    name="HandOver",
    root="handOver",
    text=f"""query HandOver {{ handOver {{ cashMinor currency
  unknownOpenings {{ {_OPENING} }} pendingIntents {{ id amountMinor currency state sentence }}
  parked {{ id entity sentence sinceMs asked askedMs said editable {{ field value }} }}
  conflicts {{ {_CONFLICT} }}
  openRequests {{ {_REQUEST} }}
  unfinished {{ id code state arrival departure roomTypeId roomNumber unfinished
    guests {{ given family }} }} }} }}""",
    shape=words.HandOver,
    empty=words.HandOver(),
)

# Not a command: derived again each time, never kept, never logged.
REVEAL_PIN = Query[str | None](
    name="RevealPin",
    root="revealPin",
    text="mutation RevealPin($stayId: ID!, $keyId: ID!) { revealPin(stayId: $stayId, keyId: $keyId) }",
    shape=str | None,
)
CHANGES = "subscription Changes { changes { topic id position } }"

_STAY = {"stayId": "ID!"}
_REASON = {"reason": "String!"}
_MONEY = {"stayId": "ID!", "amountMinor": "Minor!"}

CHECK_IN = _act("checkIn", "Check in", **_STAY, roomId="ID", acceptNotReady="Boolean")
ASSIGN_ROOM = _act("assignRoom", "Assign a room", **_STAY, roomId="ID!")
UNDO_CHECK_IN = _act("undoCheckIn", "Undo the check-in", **_STAY, **_REASON)
MOVE_ROOM = _act("moveRoom", "Move", **_STAY, roomId="ID!", **_REASON, acceptNotReady="Boolean")
CHANGE_DEPARTURE = _act("changeDeparture", "Change the departure", **_STAY, departure="Date!")
CHECK_OUT = _act("checkOut", "Check out", **_STAY)
CANCEL_STAY = _act("cancelStay", "Cancel", **_STAY, **_REASON)
MARK_NO_SHOW = _act("markNoShow", "Mark as no-show", **_STAY)
ADD_NOTE = _act("addNote", "Add a note", **_STAY, text="String!")
SETTLE_CONFLICT = _act(
    "settleConflict",
    "Settle a conflict",
    **_STAY,
    conflictId="ID!",
    takeUpstream="Boolean!",
    accept="[ConflictPoint!]",
)
UNDO_DECISION = _act("undoDecision", "Undo a decision", **_STAY, decisionId="ID!")
RETRY_PARKED = _act("retryParked", "Ask sync to try it again", itemId="ID!")
MARK_PARKED_DONE = _act("markParkedDone", "Tell sync that it is done", itemId="ID!")
EDIT_PARKED = _act("editParked", "Ask sync to tell it so", itemId="ID!", changes="[ParkedChange!]!")
REHOUSE = _act("rehouse", "Another room", **_STAY, roomTypeId="ID!", roomId="ID")
WALK_GUEST = _act(
    "walkGuest",
    "Another house",
    **_STAY,
    whereTo="String!",
    costMinor="Minor!",
    approvedBy="String",
    approvedPin="String",
)
CUT_KEY = _act("cutKey", "Cut a key", **_STAY, **_REASON)
REVOKE_KEY = _act("revokeKey", "End one key", doorId="ID!", keyId="ID!", **_REASON)
TAKE_DEPOSIT = _act("takeDeposit", "Deposit from the saved card", **_MONEY)
RECORD_CASH = _act("recordCash", "Cash", **_MONEY)
RECORD_SLIP = _act("recordSlip", "Card terminal slip", **_MONEY, slipNumber="String!")
POST_CHARGE = _act("postCharge", "Charge", **_MONEY, text="String!")
SELL_WALK_IN = _act(
    "sellWalkIn",
    "Sell to a walk-in",
    roomTypeId="ID!",
    arrival="Date!",
    departure="Date!",
    guests="[GuestInput!]!",
    adults="Int!",
    note="String",
    approvedBy="String",
    approvedPin="String",
)
MAKE_REQUEST = _act(
    "makeRequest", "Write down a request", type="String!", text="String!", stayId="ID", roomId="ID"
)
SET_REQUEST_STATUS = _act("setRequestStatus", "Change a request", requestId="ID!", status="String!")
ACKNOWLEDGE_ALARM = _act("acknowledgeAlarm", "Take an alarm on", deviceId="ID!", alarm="AlarmKind!")
MOVE_VALVE = _act("moveValve", "Move a valve", deviceId="ID!", open="Boolean!")
SET_ROOM_STATUS = _act(
    "setRoomStatus", "Set a room's status", roomId="ID!", status="RoomStatus!", reason="String"
)
RUN_NIGHT_AUDIT = _act("runNightAudit", "Night audit", closing="Date!", noShows="[ID!]")
ACCEPT_UNPAID = _act("acceptUnpaid", "Accept on my word", itemId="ID!", **_REASON)
OPEN_DRAWER = _act("openDrawer", "Open the drawer", floatMinor="Minor!")
CLOSE_DRAWER = _act(
    "closeDrawer",
    "Count and close the drawer",
    drawerId="ID!",
    countedMinor="Minor!",
    slipsMinor="Minor!",
)
OPEN_SHIFT = _act("openShift", "Open the shift")
CLOSE_SHIFT = _act("closeShift", "Close the shift", acknowledged="[String!]")
OPEN_DOOR = Act(
    name="openDoor",
    text=(
        "mutation openDoor($id: String!, $stayId: ID) "
        f"{{ openDoor(id: $id, stayId: $stayId) {{ {_OPENING} }} }}"
    ),
    label="Open the door",
    timeout_s=DOOR_S,
)

ACTS: dict[str, Act] = {
    value.name: value for value in list(globals().values()) if isinstance(value, Act)
}
QUERIES: list[Query[Any]] = [
    value for value in list(globals().values()) if isinstance(value, Query)
]
