"""docs/events.md says what the engines' messages say today."""

from __future__ import annotations

import subprocess
import sys

from support.house import ROOT


def test_the_catalogue_of_words_is_current() -> None:
    # A process of its own: what other tests registered must not end up in the document.
    answer = subprocess.run(
        [sys.executable, "scripts/write-events", "--check"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
