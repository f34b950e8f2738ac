"""A command socket that gives one prepared answer, for tests of verbs."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def speaking(path: Path, answer: Any) -> Generator[list[dict[str, Any]], None, None]:
    """Answer every question with `answer`; None hangs up. Gives the questions that came."""
    path.parent.mkdir(exist_ok=True)
    asked: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=_serve, args=(server, answer, asked))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink()


def _serve(server: socket.socket, answer: Any, asked: list[dict[str, Any]]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:
            line = stream.readline()
            if line and answer is not None:
                asked.append(json.loads(line))
                stream.write(json.dumps({"n": asked[-1]["n"], **answer}).encode() + b"\n")
