"""A device's flash whose power goes at a chosen commit, just before it is written or just after."""

from __future__ import annotations

from pathlib import Path

from support.powercut import PowerCutError
from twin.flash import Flash


class CutFlash(Flash):
    """Dies at commit number `cut_at` (from 1; 0 never); `written` says whether that one still is."""

    def __init__(self, path: Path, *, cut_at: int = 0, written: bool = False) -> None:
        self.commits = 0
        self.cut_at = cut_at
        self.written = written
        super().__init__(path)

    def commit(self) -> None:
        self.commits += 1
        if self.cut_at and self.commits >= self.cut_at:
            if self.written and self.commits == self.cut_at:
                super().commit()
            raise PowerCutError
        super().commit()
