"""One stay as lines of text: what a clerk must see before touching a key."""

from __future__ import annotations

from rich.text import Text

from kiosk import say
from kiosk.desk import Desk
from kiosk.words import Key, Stay

WIDTH = 78
# What fits one screen without scrolling; the rest is counted, not hidden.
NOTES_MAX = 4


def stay_text(stay: Stay, desk: Desk) -> Text:
    """Guest, room, dates, money, keys, notes, conflicts, in the order of need."""
    text = Text()
    for line in stay.unfinished:
        _row(text, "Unfinished", line, "bold")
    for conflict in (c for c in stay.conflicts if c.open):
        says = f"box: {conflict.box_says} / bookings: {conflict.upstream_says}"
        _row(text, "CONFLICT", f"{conflict.what.replace('_', ' ')} - {says}", "bold")
    if stay.at_risk:
        _row(text, "At risk", "sold beyond what was set aside for the desk", "bold")
    _row(text, "Guests", _guests(stay))
    _row(text, "Room", _room(stay, desk), "bold" if stay.room_ready is False else "")
    _row(text, "Nights", _nights(stay))
    _money(text, stay)
    _keys(text, stay, desk)
    for number, note in enumerate(stay.notes[-NOTES_MAX:]):
        _row(text, "" if number else "Notes", f"{note.text} ({note.by})")
    if stay.channel or stay.source:
        # What the desk sold was not sold via the booking system, also once that knows of it.
        via = stay.source if stay.channel != "walk_in" else None
        _row(text, "Sold by", " via ".join(p for p in (stay.channel, via) if p))
    text.rstrip()
    return text


def key_kind(key: Key) -> str:
    """Why it was cut, and for which further person; the stay's own key names none."""
    return f"{key.reason}, person {key.joiner + 1}" if key.joiner else key.reason


def _row(text: Text, label: str, value: str, style: str = "") -> None:
    text.append(f"{label:<11}", "bold dim" if label and not style else style or None)
    text.append(say.clip(value, WIDTH - 11) + "\n", style or None)


def _guests(stay: Stay) -> str:
    names = ", ".join(f"{guest.given} {guest.family}".strip() for guest in stay.guests)
    people = f"{stay.adults} adult{'s' if stay.adults != 1 else ''}"
    if stay.children:
        people += f", {stay.children} child{'ren' if stay.children != 1 else ''}"
    return f"{names or '(no name)'} - {people}"


def _room(stay: Stay, desk: Desk) -> str:
    title = desk.type_title(stay.room_type_id)
    if stay.room_number is None:
        return f"none yet ({title}) - assign one with a"
    ready = {True: "ready", False: "NOT READY", None: ""}[stay.room_ready]
    shown = ready if stay.state == "CONFIRMED" else ""
    return " - ".join(part for part in (f"{stay.room_number} ({title})", shown) if part)


def _nights(stay: Stay) -> str:
    count = (stay.departure - stay.arrival).days
    dates = f"{say.day(stay.arrival)} to {say.day(stay.departure)}"
    prices = {(night.amount_minor, night.currency) for night in stay.nights}
    if len(prices) == 1:
        minor, currency = prices.pop()
        return f"{dates} - {count} x {say.money(minor, currency)}"
    return f"{dates} - {count} night{'s' if count != 1 else ''}"


def _money(text: Text, stay: Stay) -> None:
    balance = stay.balance
    if balance is None:
        _row(text, "Money", "not known")
        return
    parts = [f"due {say.money(balance.due_minor, balance.currency)}"]
    if balance.pending_minor:
        parts.append(f"pending {say.money(balance.pending_minor, balance.currency)}")
    parts.append(f"received {say.money(balance.paid_minor, balance.currency)}")
    parts.append("card saved" if balance.saved_card else "no saved card")
    _row(text, "Money", ", ".join(parts), "bold" if balance.due_minor else "")
    for intent in balance.intents:
        if intent.state != "succeeded":
            words = intent.sentence or intent.state.replace("_", " ")
            what = say.money(intent.amount_minor, intent.currency) if intent.currency else "Card"
            _row(text, "", f"{what}: {words}")
            if intent.url:
                _row(text, "", "The page waits for the guest: + shows its link.")
    for line in (each for each in balance.lines if each.kind in {"charge", "fee"}):
        _row(text, "", f"{line.text}: {say.money(line.amount_minor, balance.currency)}")


def _keys(text: Text, stay: Stay, desk: Desk) -> None:
    if not stay.keys:
        _row(text, "Keys", "none")
    for number, key in enumerate(stay.keys):
        life = "waits for the guest" if key.prepared else "dead"
        life = f"until {say.when(key.valid_until_s, desk.tz)}" if key.live else life
        pin = {True: ", PIN at the lock", False: ", PIN on its way", None: ""}[key.pin_at_lock]
        unsure = ", clock was unsure" if key.clock_unsure else ""
        shown = pin if key.live or key.prepared else ""
        value = f"{key.door_title}: {key_kind(key)}, {life}{shown}{unsure}"
        _row(text, "" if number else "Keys", value)
