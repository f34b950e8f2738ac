"""The banner and the status line: what is known of the world, with its age (law 7)."""

from __future__ import annotations

import datetime as dt

from kiosk import say
from kiosk.desk import Desk
from kiosk.words import MasterUse, Standing, Vital

WIDTH = 78  # a terminal of 80, one blank at each end
# The most worrying first, since a narrow line is cut at its end.
ORDER = ("quarantined", "down", "late", "unknown", "ok")
# Parts inside the box: of these a clerk needs to hear only when one is in trouble.
INSIDE = ("engine ", "reaction:", "view:", "disk", "forget", "log")
# Before 2001 in milliseconds: smaller numbers are spans, larger ones are moments.
MOMENT_MS_MIN = 1_000_000_000_000
# 24 h: nobody can acknowledge a master key, so every shift of a day reads of it.
MASTER_LOUD_MS = 86_400_000


def banner(desk: Desk) -> str:
    """One line for what is wrong now; empty when nothing is."""
    reach, standing, parts = desk.client.reach, desk.standing, []
    if not reach.reachable and reach.since_ms is not None:
        since = say.moment(desk.at_ms(reach.since_ms), desk.tz)
        parts.append(f"BOX UNREACHABLE since {since} - showing what was last known")
    elif standing is not None and standing.health.line_down_since_ms is not None:
        since = say.moment(standing.health.line_down_since_ms, desk.tz)
        parts.append(f"LINE DOWN since {since} - doors, desk, keys work; cards by slip")
    if standing is not None and not standing.house.clock_sure:
        parts.insert(0, "CLOCK UNSURE")  # short, and first: a long line is cut at its end
    if standing is not None and (master := _master(standing, desk)):
        parts.insert(0, master)
    if standing is not None and (alarm := _alarm(standing)):
        parts.insert(0, alarm)
    return say.clip(" | ".join(parts), WIDTH)


def _alarm(standing: Standing) -> str:
    """The first alarm that nobody has taken on, and how many more there are."""
    waiting = [alarm for alarm in standing.device_alarms if alarm.seen_by is None]
    if not waiting:
        return ""
    first = waiting[0]
    where = f"room {first.room_id}" if first.room_id else first.device_id
    more = f" +{len(waiting) - 1}" if len(waiting) > 1 else ""
    return f"{first.alarm.replace('_', ' ')}: {where}{more} (l)"


def _master(standing: Standing, desk: Desk) -> str:
    """The newest key for every door that was seen in the last day, and how many more uses."""
    now_ms = desk.now_ms()
    seen = [use for use in standing.master_uses if _loud(use, now_ms)]
    if not seen:
        return ""
    at = say.moment(seen[0].at_ms, desk.tz) if seen[0].at_ms >= MOMENT_MS_MIN else "time unknown"
    more = f" +{len(seen) - 1}" if len(seen) > 1 else ""
    return f"MASTER KEY {seen[0].event.replace('_', ' ')}: {seen[0].door_title} {at}{more} (h)"


def _loud(use: MasterUse, now_ms: int) -> bool:
    # A lock that lost its clock cannot say that it was long ago.
    return use.at_ms < MOMENT_MS_MIN or now_ms - use.at_ms < MASTER_LOUD_MS


def status(desk: Desk) -> str:
    """What has stopped, the queue, troubles, and each counterparty's last confirmed exchange.

    Never a dot, and no list of inner parts that are well: those are on the health screen.
    """
    if desk.standing is None:
        return "Nothing was heard from the box yet"
    vitals = sorted(desk.standing.health.vitals, key=_worry)
    now_ms = desk.now_ms()
    stopped = [vital.name for vital in vitals if vital.state == "quarantined"]
    queued = sum(vital.queued for vital in vitals)
    parts = [f"STOPPED: {', '.join(stopped)}"] if stopped else []
    oldest = min((o for v in vitals if (o := _since(v, now_ms)) is not None), default=None)
    parts.append(
        f"queue {queued}, oldest {say.age(now_ms - oldest)}"
        if queued and oldest is not None
        else f"queue {queued}"
    )
    parts += [
        _one(vital, now_ms)
        for vital in vitals
        if vital.state != "quarantined"
        and (vital.state != "ok" or not vital.name.startswith(INSIDE))
    ]
    line = ""
    for number, part in enumerate(parts):
        longer = f"{line} · {part}" if line else part
        room = WIDTH - (0 if number == len(parts) - 1 else len(" · +99 (v)"))
        if len(longer) > room:
            return say.clip(f"{line} · +{len(parts) - number} (v)", WIDTH)
        line = longer
    return line


def one_line(vital: Vital, now_ms: int) -> tuple[str, str, str, str]:
    """A row of the health screen: name, state, last confirmed, waiting."""
    waiting = "-"
    if vital.queued:
        since = _since(vital, now_ms)
        waiting = str(vital.queued)
        waiting += f", oldest {say.age(now_ms - since)}" if since is not None else ""
    return vital.name, vital.state.upper(), _confirmed(vital, now_ms), waiting


def sentence_of(vital: Vital, now_ms: int, tz: dt.tzinfo) -> str:
    """As in: last confirmed 18:02 (3 h ago), 14 waiting, oldest 2 h 51 m."""
    at_ms = vital.last_confirmed_ms
    confirmed = (
        "never confirmed"
        if at_ms is None
        else f"last confirmed {say.moment(at_ms, tz)} ({say.age(now_ms - at_ms)} ago)"
    )
    since = _since(vital, now_ms)
    oldest = "" if since is None else f", oldest {say.age(now_ms - since)}"
    waiting = f"{vital.queued} waiting{oldest}" if vital.queued else "nothing waits"
    state = "" if vital.state == "ok" else f"{vital.state.upper()}: "
    return f"{state}{confirmed}, {waiting}"


def _worry(vital: Vital) -> tuple[int, str]:
    place = ORDER.index(vital.state) if vital.state in ORDER else 0
    return place, vital.name


def _since(vital: Vital, now_ms: int) -> int | None:
    if vital.oldest_ms is None:
        return None
    return vital.oldest_ms if vital.oldest_ms >= MOMENT_MS_MIN else now_ms - vital.oldest_ms


def _confirmed(vital: Vital, now_ms: int) -> str:
    if vital.last_confirmed_ms is None:
        return "never"
    return f"{say.age(now_ms - vital.last_confirmed_ms)} ago"


def _one(vital: Vital, now_ms: int) -> str:
    if vital.state == "unknown" and vital.last_confirmed_ms is None:
        return f"{vital.name} not asked yet"
    word = f" {vital.state.upper()}" if vital.state in {"down", "late", "unknown"} else ""
    return f"{vital.name}{word} {_confirmed(vital, now_ms)}"
