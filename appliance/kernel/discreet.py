"""Log lines that say what broke and where, and never quote what a person typed."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import Final

# Enough to find the line; the rest is the framework's.
FRAMES_SHOWN: Final = 6
# Causes of causes: an exception of ours around one of a library around one of the system.
CAUSES_SHOWN: Final = 4

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def where(error: BaseException) -> str:
    """What was raised and where, without its text, which may quote what a person typed."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_SHOWN:]
    if not frames:
        return type(error).__name__
    places = " < ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames[::-1])
    return f"{type(error).__name__} in {places}"


class DiscreetFormatter(logging.Formatter):
    """Shows of an exception its type and place, whichever library logs it."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """As ever, but without what another handler's formatter left on the record."""
        kept, record.exc_text = record.exc_text, None
        try:
            return super().format(record)
        finally:
            record.exc_text = kept

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - the name is the standard library's
        """One line for the exception, and one for each of its causes."""
        error = ei[1]
        lines: list[str] = []
        while error is not None and len(lines) < CAUSES_SHOWN:
            lines.append(where(error))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n  because of ".join(lines)


def start_logging(level: int | str) -> None:
    """Let this process log to its standard error, discreetly."""
    handler = logging.StreamHandler()
    handler.setFormatter(DiscreetFormatter())
    logging.basicConfig(level=level, handlers=[handler])
