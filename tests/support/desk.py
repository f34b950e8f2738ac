"""A whole deciding kernel in a folder, asked synchronously: for tests of engines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.kernel import log as kernel_log
from appliance.kernel import rebuild
from appliance.kernel.deciding import Asking, Decided, Deciding
from appliance.kernel.engine import Engine, Recorded
from appliance.kernel.log import Log
from appliance.kernel.messages import Answer, Command, Done, Origin, Refused, Role, Who
from appliance.kernel.vault import MasterKeys, open_vault
from appliance.kernel.virtual_clock import VirtualClock

FRIDAY_18_MS = 1_793_383_200_000  # 2026-10-30 18:00 UTC, a Friday
CLERK = Who(actor="staff:clerk", role=Role.FRONT_DESK, terminal="desk-1", shift="shift-1")
MANAGER = Who(actor="staff:manager", role=Role.MANAGER, terminal="desk-1", shift="shift-1")
BOX = Who(actor="box", role=Role.SERVICE)
SYNC = Who(actor="sync", role=Role.SERVICE)


class Desk:
    """Asks engines one command at a time; every answer is on disk."""

    def __init__(self, folder: Path, engines: Sequence[Engine]) -> None:
        self.clock = VirtualClock(FRIDAY_18_MS)
        self.vault = open_vault(folder / "keys.db", MasterKeys(current=bytes(32)))
        self.db = kernel_log.connect(folder / "log.db")
        rebuild.settle_forms(self.db, engines)
        self.deciding = Deciding(Log(self.db), self.vault, self.clock, engines)
        self.facts: list[Recorded] = []
        self._ids = itertools.count(1)

    def ask(
        self,
        command: Command,
        who: Who = CLERK,
        command_id: str | None = None,
        origin: Origin | None = None,
    ) -> Answer:
        """The answer of one command; facts it caused are appended to `facts`."""
        return self.decide(command, who, command_id, origin).answer

    def decide(
        self,
        command: Command,
        who: Who = CLERK,
        command_id: str | None = None,
        origin: Origin | None = None,
    ) -> Decided:
        """The answer and its facts."""
        asking = Asking(
            command=command,
            command_id=command_id or f"test-{next(self._ids)}",
            who=who,
            origin=origin,
        )
        [decided] = self.deciding.carry_out([asking])
        self.facts.extend(decided.facts)
        return decided

    def done(self, command: Command, who: Who = CLERK, **more: Any) -> dict[str, Any]:
        """Ask and insist on yes; gives the result."""
        answer = self.ask(command, who, **more)
        assert isinstance(answer, Done), answer
        return answer.result

    def refused(self, command: Command, who: Who = CLERK, **more: Any) -> str:
        """Ask and insist on no; gives the code."""
        answer = self.ask(command, who, **more)
        assert isinstance(answer, Refused), answer
        return answer.code

    def events(self) -> list[str]:
        """Kinds of all facts caused so far, in order."""
        return [fact.event.kind for fact in self.facts]

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a read model."""
        found: list[tuple[Any, ...]] = self.db.execute(sql, parameters).fetchall()
        return found

    def close(self) -> None:
        """Let go of the files."""
        self.db.close()
        self.vault.close()
