"""The stack's loggers, kept from saying what a guest types.

One `set_pin_code` at DEBUG prints the digits in four loggers (zigbee.md section 3). Those lines are
never made here, whatever level the rest of the process has.
"""

from __future__ import annotations

import logging
from typing import Final

TALKATIVE: Final = ("zigpy", "zigpy_znp", "bellows", "serialx", "aiosqlite")
# These quote whole frames where something broke, at levels that are shown.
QUOTING: Final = ("zigpy_znp.api", "zigpy_znp.uart", "zigpy.device", "zigpy.application")


class NoQuotes(logging.Filter):
    """Lets a line through without what was put into it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the sentence, and of its values the kind."""
        if record.levelno >= logging.WARNING and record.args:
            values = record.args if isinstance(record.args, tuple) else (record.args,)
            kinds = ", ".join(type(value).__name__ for value in values)
            record.msg, record.args = f"{str(record.msg).partition('%')[0].strip()} ({kinds})", ()
        record.exc_info = None
        return True


def quieten() -> None:
    """Hold the stack's loggers at INFO or above, also those that were told otherwise."""
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))
    for name, known in list(logging.Logger.manager.loggerDict.items()):
        below = name.partition(".")[0] in TALKATIVE and name not in TALKATIVE
        if below and isinstance(known, logging.Logger) and 0 < known.level < logging.INFO:
            known.setLevel(logging.NOTSET)
    for name in QUOTING:
        logger = logging.getLogger(name)
        if not any(isinstance(kept, NoQuotes) for kept in logger.filters):
            logger.addFilter(NoQuotes())
