"""The browser's NPK 1 is the same protocol: by the published vectors, and with the lock itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel.edicts import sign_time
from drivers.npk.vectors import PLACE
from support.house import ROOT
from support.needs import needs
from support.npk_bench import DOOR, ISSUER, NpkBench

CORE = ROOT / "appliance" / "web" / "static" / "npk.js"
SCRIPT = ROOT / "tests" / "support" / "npk_phone.mjs"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Node with the module under a name that says what it is."""
    node = needs("nodejs")
    module = tmp_path / "npk.mjs"
    shutil.copy(CORE, module)
    return [str(node), str(SCRIPT), str(module)]


def test_the_browsers_core_agrees_with_every_published_vector(command: list[str]) -> None:
    done = subprocess.run(
        [*command, "vectors", str(PLACE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("true", "")


class Browser:
    """A node process that presses doors over its own stdin and stdout."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.point = bytes.fromhex(self.heard()["point"])

    def heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        found: dict[str, Any] = json.loads(line)
        return found

    def say(self, **word: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(word) + "\n")
        self.process.stdin.flush()

    def press(self, bench: NpkBench, papers: dict[str, Any]) -> dict[str, Any]:
        """Carry one session's frames to a new link of the lock; what the page was told."""
        link = bench.lock.core.connect(20)
        assert link is not None
        while True:
            word = self.heard()
            if "frame" in word:
                out = link.feed(bytes.fromhex(word["frame"]))
                self.say(frames=[frame.hex() for frame in out.frames], hung_up=out.hang_up)
            elif "wants" in word:
                self.say(paper=papers[word["wants"]](word).hex())
            else:
                return word


@contextmanager
def browser(command: list[str]) -> Iterator[Browser]:
    with subprocess.Popen(
        [*command, "press"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Browser(process)
        finally:
            process.kill()


def facts(page: Browser, bench: NpkBench, *ids: bytes, **more: Any) -> dict[str, Any]:
    """What the page has been given at check-in."""
    credential = bench.key(phone=None, cnf=page.point)
    return {
        "credential": credential.hex(),
        "lock_id": DOOR,
        "lock_point": bench.lock.point.hex(),
        "value_bytes": 20,
        "ids": [one.hex() for one in ids],
    } | more


def test_a_page_opens_the_door_and_its_retry_does_not_open_it_again(command: list[str]) -> None:
    bench = NpkBench()
    with browser(command) as page:
        page.say(**facts(page, bench, b"press--1", b"press--1", b"press--2"))
        told = [page.press(bench, {}) for _ in range(3)]
    assert [(word["verdict"], word["repeated"]) for word in told] == [
        ("done", False),
        ("done", True),
        ("done", False),
    ]
    assert bench.journal.count("bolt") + bench.journal.count("held") == 2


def test_a_page_brings_the_time_to_a_lock_that_has_lost_it(command: list[str]) -> None:
    bench = NpkBench()
    bench.lock.lose_clock()
    papers = {
        "time": lambda word: sign_time(bytes.fromhex(word["nonce"]), bench.now_s, ISSUER),
        "denylist": lambda word: bench.denylist(1),
    }
    with browser(command) as page:
        page.say(**facts(page, bench, b"press--1", time=True, denylist=True))
        told = page.press(bench, papers)
    assert told["verdict"] == "done"
    assert bench.lock.core.judge.denylist_seq == 1


def test_a_page_is_told_of_a_false_lock_and_says_nothing_to_it(command: list[str]) -> None:
    bench = NpkBench()
    with browser(command) as page:
        page.say(**facts(page, bench, b"press--1", lock_id=DOOR + 1))
        assert page.press(bench, {}) == {"error": "not_this_lock"}
    assert bench.opened == 0
