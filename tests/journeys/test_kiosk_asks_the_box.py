"""The kiosk and the box agree on every question and every act: names, limits and shapes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from appliance.web.documents import Documents
from appliance.web.schema import build_schema
from kiosk import queries
from kiosk.queries import Act, Query
from support.whole_house import WholeHouse, copied, open_whole_house, property_folder, terminal

__all__ = ["property_folder"]

QUESTIONS = {name: each for name, each in vars(queries).items() if isinstance(each, Query | Act)}
DOCUMENTS = Documents(build_schema()._schema)
VALUES: dict[str, Any] = {
    "text": "web",
    "arrival": "2026-11-21",
    "departure": "2026-11-23",
    "roomTypeId": "double",
    "id": "",
    "on": None,
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_document_of_the_kiosk_is_understood_and_within_the_limits(name: str) -> None:
    document = DOCUMENTS.read(QUESTIONS[name].text)
    assert document.operation(QUESTIONS[name].name) is not None


async def test_every_answer_has_the_shape_the_kiosk_expects(
    property_folder: Any,
    tmp_path: Any,
) -> None:
    async with open_whole_house(copied(property_folder, tmp_path), tmp_path) as house:
        stay_id = await house.checked_in()
        await check_shapes(house, stay_id)


async def check_shapes(house: WholeHouse, stay_id: str) -> None:
    async with terminal(house, "max") as manager:
        for name, question in QUESTIONS.items():
            if not isinstance(question, Query) or question.text.startswith("mutation"):
                continue
            wanted = {
                variable: stay_id if variable == "id" else VALUES.get(variable)
                for variable in VALUES
                if f"${variable}:" in question.text
            }
            data = await manager.data(question.text, **wanted)
            found = data[question.root] if question.root else data
            msgspec.convert(found, question.shape)
            assert found is not None or question.empty is None, name
