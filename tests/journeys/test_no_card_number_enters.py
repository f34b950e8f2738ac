"""Every text argument of every mutation is tried with a card number; none of them is ever kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull, is_required_argument

from journeys.test_who_may_ask import MUTATIONS, NAMED, _value
from support.whole_house import WholeHouse, copied, open_whole_house, property_folder, terminal

__all__ = ["property_folder"]
CARD: Final = "4111111111111111"


def _with_card(kind: Any) -> str | None:
    """A value of a type with a card number in its texts; None where it has none."""
    match kind:
        case GraphQLNonNull():
            return _with_card(kind.of_type)
        case GraphQLList():
            inner = _with_card(kind.of_type)
            return None if inner is None else f"[{inner}]"
        case GraphQLInputObjectType():
            if all(_with_card(field.type) is None for field in kind.fields.values()):
                return None
            fields = (
                f"{name}: {_with_card(field.type) or _value(field.type)}"
                for name, field in kind.fields.items()
            )
            return f"{{{', '.join(fields)}}}"
        case _:
            return f'"{CARD}"' if getattr(kind, "name", "") in {"String", "ID", "JSON"} else None


def _calls(name: str) -> list[str]:
    field = MUTATIONS[name]
    kind = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    fields = getattr(kind, "fields", None)
    wanted = "" if fields is None else " { done code }" if "done" in fields else " { __typename }"
    calls = []
    for tried, each in field.args.items():
        value = _with_card(each.type)
        if value is None or tried == "id":
            continue
        given = [f'id: "{name}-{tried}-card"'] if "id" in field.args else []
        given += [
            f"{argument}: {value if argument == tried else NAMED.get(argument) or _value(one.type)}"
            for argument, one in field.args.items()
            if argument != "id" and (argument == tried or is_required_argument(one))
        ]
        calls.append(f"mutation {{ said: {name}({', '.join(given)}){wanted} }}")
    return calls


async def _dump(house: WholeHouse) -> str:
    rows = await house.box.reader.rows("SELECT CAST(body AS TEXT) FROM event")
    answers = await house.box.reader.rows("SELECT command_id || answer FROM answered")
    return str(rows) + str(answers)


async def test_no_mutation_keeps_a_card_number(property_folder: Path, tmp_path: Path) -> None:
    async with (
        open_whole_house(copied(property_folder, tmp_path), tmp_path) as house,
        terminal(house, "max") as somebody,
    ):
        for name in MUTATIONS:
            for call in _calls(name):
                said = (await somebody.ask(call)).get("data") or {}
                answer = said.get("said")
                assert not (isinstance(answer, dict) and answer.get("done")), call
        assert CARD not in await _dump(house)
