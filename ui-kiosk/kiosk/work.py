"""Background work that belongs to a widget or to the whole kiosk, by the name of its group."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from textual.dom import DOMNode

Work = Callable[[], Coroutine[Any, Any, None]]


def start(owner: DOMNode, work: Work, *, group: str, alone: bool = False) -> None:
    """Start it; `alone` ends what the owner's group still does.

    Called, not handed over running: work that is ended before it began leaves no coroutine behind.
    """
    # The cast: Textual's own overloads cannot tell a callable from its result.
    owner.run_worker(cast("Any", work), group=group, exclusive=alone)
