"""The text catalogue: every sentence of the pages and of every refusal, in every language."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from appliance.kernel.messages import Answer, Done

# The first one is spoken where nobody asked for another.
LANGUAGES = ("en", "de")
# A browser sends five languages; a header of a hundred is an attack on our patience.
WISHES_MAX = 20
_WISH = re.compile(
    r"\s*([a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*|\*)\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?"
)


class Texts:
    """Sentences by key. A key that is missing is shown as such: a page is better than an error."""

    def __init__(self, catalogues: Mapping[str, Mapping[str, str]]) -> None:
        self.catalogues = catalogues

    def text(self, key: str, language: str, /, **values: object) -> str:
        """The sentence of a key, with its `{names}` filled in."""
        sentence = self.catalogues[language].get(key) or self.catalogues[LANGUAGES[0]].get(key)
        if sentence is None:
            return key
        return sentence.format_map(_Values(values)) if values else sentence

    def has(self, key: str, language: str) -> bool:
        """Whether a sentence is written."""
        return key in self.catalogues[language]

    def answer(self, answer: Answer, language: str) -> str:
        """One sentence for a person on what became of a command."""
        if isinstance(answer, Done):
            return self.text("answer.done", language)
        key = f"refusal.{answer.engine}.{answer.code}"
        if not self.has(key, language):
            key = f"refusal.kernel.{answer.code}"
        if not self.has(key, language):
            return self.text("answer.refused", language, code=answer.code)
        return self.text(key, language, **answer.detail)


class _Values(dict[str, object]):
    """A value that a sentence names and nobody gave is an ellipsis, not an error."""

    def __missing__(self, key: str) -> str:
        return "…"


def load_texts() -> Texts:
    """Read the catalogues that the package carries."""
    return Texts({language: _catalogue(language) for language in LANGUAGES})


def _catalogue(language: str) -> dict[str, str]:
    folder = files("appliance.web") / "locale" / language
    found: dict[str, str] = {}
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            _flatten(tomllib.loads(file.read_text(encoding="utf-8")), "", found)
    return found


def _flatten(table: Mapping[str, Any], prefix: str, into: dict[str, str]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{name}.", into)
        else:
            into[f"{prefix}{name}"] = str(value).strip()


def choose_language(header: str | None) -> str:
    """The language a browser wishes for most (RFC 9110, 12.5.4), with regions falling back.

    A wish that cannot be read is passed over; q=0 forbids.
    """
    wishes: dict[str, float] = {}
    for part in (header or "")[:1_000].split(",")[:WISHES_MAX]:
        wish = _WISH.fullmatch(part)
        if wish is not None:
            wishes.setdefault(wish[1].lower(), float(wish[2] or 1))
    best, best_weight = LANGUAGES[0], 0.0
    for language in LANGUAGES:
        weight = _weight(language, wishes)
        if weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(language: str, wishes: Mapping[str, float]) -> float:
    if language in wishes:
        return wishes[language]
    regions = [weight for tag, weight in wishes.items() if tag.startswith(f"{language}-")]
    return max(regions) if regions else wishes.get("*", 0.0)
