"""Identity as the composition root hands it to the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from appliance.engines.identity import rules, session_rules
from appliance.engines.identity.messages import (
    AddStaff,
    ChangePin,
    CloseShift,
    DeactivateStaff,
    EndSession,
    ForgetPerson,
    OpenSession,
    OpenShift,
    RotateRefresh,
)
from appliance.engines.identity.projection import PROJECTION
from appliance.engines.identity.reactions import INLINE
from appliance.kernel.engine import Context, Decision, Engine, Facts, Handling
from appliance.kernel.messages import Command

STAFF = "identity/staff"


def _staff_scene(facts: Facts, command: Any, _context: Context) -> rules.StaffScene:
    return rules.StaffScene(
        staff=facts.fold(STAFF), forgotten=facts.fold(f"people/{command.person_id}")
    )


def _shift_scene(facts: Facts, command: Any, _context: Context) -> rules.ShiftScene:
    unknowns = facts.rows("SELECT id FROM identity_unknown ORDER BY id")
    return rules.ShiftScene(
        shift=facts.fold(f"shifts/{command.terminal}"),
        staff=facts.fold(STAFF),
        unknowns=tuple(row[0] for row in unknowns),
    )


def _session_scene(facts: Facts, command: Any, _context: Context) -> session_rules.SessionScene:
    return session_rules.SessionScene(
        session=facts.fold(f"sessions/{command.session_hash}"), staff=facts.fold(STAFF)
    )


def _of_staff(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(command=command, stream=lambda *_: STAFF, load=_staff_scene, decide=decide)


def _of_shift(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(
        command=command,
        stream=lambda command, _: f"shifts/{command.terminal}",
        load=_shift_scene,
        decide=decide,
    )


def _of_session(command: type[Command], decide: Callable[..., Decision]) -> Handling:
    return Handling(
        command=command,
        stream=lambda command, _: f"sessions/{command.session_hash}",
        load=_session_scene,
        decide=decide,
    )


ENGINE: Final = Engine(
    name="identity",
    handlings=[
        _of_staff(AddStaff, rules.add_staff),
        _of_staff(ChangePin, rules.change_pin),
        _of_staff(DeactivateStaff, rules.deactivate_staff),
        Handling(
            command=ForgetPerson,
            stream=lambda command, _: f"people/{command.person_id}",
            load=_staff_scene,
            decide=rules.forget_person,
        ),
        _of_shift(OpenShift, rules.open_shift),
        _of_shift(CloseShift, rules.close_shift),
        _of_session(OpenSession, session_rules.open_session),
        _of_session(EndSession, session_rules.end_session),
        _of_session(RotateRefresh, session_rules.rotate_refresh),
    ],
    folds={
        "identity": rules.fold_staff,
        "people": rules.fold_person,
        "shifts": rules.fold_shift,
        "sessions": session_rules.fold_session,
    },
    projection=PROJECTION,
    inline=INLINE,
)
