"""What the reader promises: all the rows or a clear no, and only what is committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel.reader import ROWS_MAX, TooManyRowsError
from support.kernel_house import open_house

COUNTING = (
    "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?) SELECT x FROM n"
)


async def test_a_list_is_whole_or_it_is_refused(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        assert len(await house.reader.rows(COUNTING, (ROWS_MAX,))) == ROWS_MAX
        with pytest.raises(TooManyRowsError):
            await house.reader.rows(COUNTING, (ROWS_MAX + 1,))
        assert not house.reader.busy
