"""One question to the running box over its command socket, for verbs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from appliance.where import say_and_stop

# The socket's own limit (kernel/socket.py), which a verb need not import.
LINE_BYTES_MAX = 1_048_576
ANSWER_S_MAX = 5.0


class NoAnswerError(Exception):
    """Nobody answered, or not in our language; the text says what to look at."""


async def ask_box(
    socket: Path, word: str, fields: Any, answer_s_max: float = ANSWER_S_MAX
) -> dict[str, Any]:
    """The box's answer to one word; raises NoAnswerError with a sentence."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket, limit=LINE_BYTES_MAX)
    except OSError as error:
        raise NoAnswerError(
            f"nobody answers at {socket} ({error.strerror}): is the box running?"
            " `nightporter up` starts it, `nightporter doctor` looks without it."
        ) from error
    try:
        writer.write(json.dumps({"n": 1, word: fields}).encode() + b"\n")
        async with asyncio.timeout(answer_s_max):
            line = await reader.readline()
        told = json.loads(line)
    except TimeoutError as error:
        raise NoAnswerError(
            f"the box did not answer within {answer_s_max:.0f} s: it runs, and hangs."
        ) from error
    except (OSError, ValueError) as error:
        raise NoAnswerError("the box ended while it was asked: look at its journal.") from error
    finally:
        writer.close()
    if "error" in told:
        raise NoAnswerError(str(told["error"]))
    answer: dict[str, Any] = told[word]
    return answer


def ask_or_stop(
    socket: Path, word: str, fields: Any, answer_s_max: float = ANSWER_S_MAX
) -> dict[str, Any]:
    """The same for a command line: no answer ends the verb with the sentence."""
    try:
        return asyncio.run(ask_box(socket, word, fields, answer_s_max))
    except NoAnswerError as error:
        say_and_stop(str(error))
