"""What breaks is logged by type and place; what somebody typed is not."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.kernel.discreet import DiscreetFormatter
from appliance.kernel.tasks import Nursery
from support.desk import Desk
from support.toy import TOY, Shelve

TYPED = "Zaphod Beeblebrox 0815-4711"


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    """All that a process of ours would write to its journal, of every level and library."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(DiscreetFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_rule_that_raises_with_a_name_in_its_text_leaves_no_name_in_the_journal(
    tmp_path: Path, journal: io.StringIO
) -> None:
    desk = Desk(tmp_path, [TOY])
    desk.ask(Shelve(shelf="a", owner=TYPED, what="bomb"))
    desk.close()
    assert TYPED not in journal.getvalue()
    assert "ZeroDivisionError in shelve (" in journal.getvalue()


def test_an_exception_of_any_library_and_its_causes_show_type_and_place_only(
    journal: io.StringIO,
) -> None:
    def read(text: str) -> None:
        try:
            int(text)
        except ValueError as error:
            raise KeyError(text) from error

    try:
        read(TYPED)
    except KeyError:
        logging.getLogger("some.library").exception("it broke")
    assert TYPED not in journal.getvalue()
    assert "KeyError in read (" in journal.getvalue()
    assert "because of ValueError in read (" in journal.getvalue()


async def test_a_task_that_dies_of_what_somebody_typed_is_mourned_without_it(
    journal: io.StringIO,
) -> None:
    gone = asyncio.Event()
    nursery = Nursery(lambda _name, _error: gone.set())

    async def work() -> None:
        raise ValueError(TYPED)

    nursery.deadly("work", work())
    await gone.wait()
    await nursery.close()
    assert "task work ended: ValueError in work (" in journal.getvalue()
    assert TYPED not in journal.getvalue()
