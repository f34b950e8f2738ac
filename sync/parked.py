"""What people at the desk decided about parked items: read from the log, carried out once.

The wish is on disk with the cursor that read it, so a crash repeats it; a repeat changes nothing.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from appliance.engines.stays.parked_messages import ParkedAct, ParkedField
from appliance.kernel.discreet import where
from sync.home import Fact
from sync.ledger import Ledger

logger = logging.getLogger(__name__)

WISHES: Final = "parked.wishes"
ANSWERS: Final = "parked.answers"
# As many answers as a screen shows items (standing.PARKED_MAX); the oldest are forgotten first.
ANSWERS_MAX: Final = 200
# Five pages of the log (follow.PAGE) with nothing else in them; they are carried out between pages.
WISHES_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One decision that was read and not carried out yet."""

    item_id: str
    act: ParkedAct
    asked_ms: int  # by the box's clock, as the fact says
    changes: dict[str, str] = field(default_factory=dict)  # of EDIT: what is told instead


Act = Callable[[ParkedAct, str, Mapping[str, str]], Awaitable[str]]
"""(what is wished, the item, its changes) -> a sentence that says what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What became of the last decision about an item."""

    sentence: str
    asked_ms: int  # of the decision that it answers


def note_wish(ledger: Ledger, fact: Fact, *, old: bool) -> None:
    """Take a decision in; call inside the transaction that moves the cursor.

    `old`: the log is read again. A wish about an effect is judged by its age then; a number of a
    webhook or a booking may mean another one in a new file, and everything is looked at anew anyway.
    """
    wish = Wish(
        item_id=fact.body["item_id"],
        act=ParkedAct(fact.body["act"]),
        asked_ms=fact.at_wall_ms,
        changes={
            ParkedField(each["field"]).value: each["value"] for each in fact.body.get("changes", ())
        },
    )
    if old and ledger.effect(wish.item_id) is None:
        return
    ledger.keep(WISHES, [*wishes(ledger), wish][-WISHES_MAX:])


def wishes(ledger: Ledger) -> list[Wish]:
    """What waits to be carried out, in the order it was asked."""
    found: list[Wish] = ledger.kept(WISHES, list[Wish], [])
    return found


def answers(ledger: Ledger) -> dict[str, Said]:
    """The last answer about each item."""
    found: dict[str, Said] = ledger.kept(ANSWERS, dict[str, Said], {})
    return found


async def carry_out(ledger: Ledger, act: Act, now_ms: Callable[[], int]) -> int:
    """Do what was asked, one after the other; how many there were."""
    count = 0
    while waiting := wishes(ledger):
        wish = waiting[0]
        effect = ledger.effect(wish.item_id)
        if effect is not None and effect.changed_ms > wish.asked_ms:
            sentence = f"it is {effect.state.value} since, so what was asked before is left out"
        else:
            sentence = await _done(act, wish)
        with ledger.transaction():
            _answer(ledger, wish, sentence, now_ms())
            ledger.keep(WISHES, wishes(ledger)[1:])
        count += 1
    return count


async def _done(act: Act, wish: Wish) -> str:
    try:
        return await act(wish.act, wish.item_id, wish.changes)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - one item is no reason to stop at all others (law 5)
        logger.error("parked %s: %s", wish.item_id, where(error))  # noqa: TRY400 - see `where`
        return f"Nightporter itself failed on it ({type(error).__name__}); look, then ask again"


def _answer(ledger: Ledger, wish: Wish, sentence: str, now_ms: int) -> None:
    effect = ledger.effect(wish.item_id)
    if effect is not None:
        ledger.tell(effect.id, now_ms, effect.state, f"asked at the desk ({wish.act}): {sentence}")
    known = answers(ledger)
    known.pop(wish.item_id, None)
    known[wish.item_id] = Said(sentence=sentence, asked_ms=wish.asked_ms)
    ledger.keep(ANSWERS, dict(list(known.items())[-ANSWERS_MAX:]))


def with_answers(ledger: Ledger, parked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parked items of a report, each with what was last said to the desk about it."""
    known = {name: asdict(said) for name, said in answers(ledger).items()}
    return [
        {**item, "said": said["sentence"], "said_of_ms": said["asked_ms"]}
        if (said := known.get(item["id"]))
        else item
        for item in parked
    ]
