"""The port that the web fills in, over a house of doors: for tests of resolvers alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from appliance.asked import NeedsSignInError, NotForYouError
from appliance.kernel.deciding import Asking
from appliance.kernel.messages import Answer, Command, Role, Who
from support.doors_house import DoorsHouse


@dataclass
class FakeAsked:
    """The port that the web fills in, over a house of doors."""

    house: DoorsHouse
    who: Who | None
    language: str = "en"
    asked: list[str] = field(default_factory=list)

    @property
    def reader(self) -> Any:
        return self.house.reader

    @property
    def clock(self) -> Any:
        return self.house.clock

    @property
    def ports(self) -> Any:
        gateway = self.house.gateway
        return SimpleNamespace(outcomes=gateway, locksmith=gateway.locksmith)

    async def ask(
        self, command: Command, command_id: str, approved_by: str | None = None
    ) -> Answer:
        del approved_by
        self.asked.append(command.name)
        asking = Asking(command=command, command_id=command_id, who=self.signed_in())
        return await self.house.asker.ask(asking)

    def say(self, answer: Answer) -> str:
        return str(getattr(answer, "code", "done"))

    def text(self, key: str, **values: object) -> str:
        return f"{key} {values}" if values else key

    def signed_in(self) -> Who:
        if self.who is None:
            raise NeedsSignInError
        return self.who

    def staff(self) -> Who:
        if self.signed_in().role is Role.GUEST:
            raise NotForYouError
        return self.signed_in()
