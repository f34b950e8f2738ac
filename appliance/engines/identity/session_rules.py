"""A session from opened to ended, and refresh tokens that betray a thief."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from appliance.engines.identity.messages import (
    EndSession,
    OpenSession,
    RefreshRotated,
    Refusal,
    RotateRefresh,
    SessionEnded,
    SessionKind,
    SessionOpened,
)
from appliance.engines.identity.rules import Staff
from appliance.kernel.engine import Context, Decision, Yes
from appliance.kernel.messages import Event

# DESIGN section 10: an answer that was lost is asked for again within this.
REPEAT_S = 30
REUSED = "reused_refresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session; tokens as hashes. The first refresh token is the session's own."""

    kind: SessionKind
    person_id: str | None
    expires_at_s: int
    current: str
    used_last: str | None = None
    rotated_at_s: int = 0
    spent: frozenset[str] = frozenset()
    ended: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionScene:
    """A session (None: never opened) and the staff."""

    session: Session | None
    staff: Staff


def fold_session(state: Session | None, events: Iterable[Event]) -> Session | None:
    """One session after more facts."""
    now = state
    for event in events:
        match event:
            case SessionOpened():
                now = Session(
                    kind=event.session_kind,
                    person_id=event.person_id,
                    expires_at_s=event.expires_at_s,
                    current=event.session_hash,
                )
            case RefreshRotated() if now is not None:
                now = replace(
                    now,
                    current=event.next_hash,
                    used_last=event.used_hash,
                    rotated_at_s=event.at_s,
                    spent=now.spent | {event.used_hash},
                )
            case SessionEnded() if now is not None:
                now = replace(now, ended=event.reason)
    return now


def open_session(scene: SessionScene, command: OpenSession, _context: Context) -> Decision:
    """The box let somebody in; a deactivated person is not let in by a race."""
    if scene.session is not None:
        return Refusal.EXISTS
    if command.kind is SessionKind.STAFF:
        member = scene.staff.members.get(command.person_id or "")
        if member is None:
            return Refusal.UNKNOWN_PERSON
        if not member.active:
            return Refusal.INACTIVE
    event = SessionOpened(
        session_hash=command.session_hash,
        session_kind=command.kind,
        person_id=command.person_id,
        stay_id=command.stay_id,
        surface=command.surface,
        terminal=command.terminal,
        expires_at_s=command.expires_at_s,
        trust=command.trust,
    )
    return [event]


def end_session(scene: SessionScene, command: EndSession, _context: Context) -> Decision:
    """Ending twice is ending once."""
    if scene.session is None:
        return Refusal.UNKNOWN_SESSION
    if scene.session.ended is not None:
        return []
    return [SessionEnded(session_hash=command.session_hash, reason=command.reason)]


def rotate_refresh(scene: SessionScene, command: RotateRefresh, context: Context) -> Decision:
    """The current token gets a successor; a spent one that comes back ends the session.

    Ending it is a fact, so that answer is a yes with `ended` in it; REUSED_REFRESH is what every
    later try hears.
    """
    session = scene.session
    if session is not None and session.ended == REUSED:
        return Refusal.REUSED_REFRESH
    if session is None or session.ended is not None or context.now.wall_s >= session.expires_at_s:
        return Refusal.UNKNOWN_SESSION
    if command.used_hash == session.current:
        event = RefreshRotated(
            session_hash=command.session_hash,
            used_hash=command.used_hash,
            next_hash=command.next_hash,
            at_s=command.at_s,
        )
        return Yes(events=[event], result={"next_hash": command.next_hash})
    if command.used_hash not in session.spent:
        return Refusal.UNKNOWN_SESSION
    fresh = 0 <= command.at_s - session.rotated_at_s <= REPEAT_S
    if command.used_hash == session.used_last and fresh:
        return Yes(events=[], result={"next_hash": session.current})
    ended = SessionEnded(session_hash=command.session_hash, reason=REUSED)
    return Yes(events=[ended], result={"ended": REUSED})
