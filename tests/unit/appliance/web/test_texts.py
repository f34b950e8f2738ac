"""Every sentence exists in every language, and the browser's wish is understood."""

from __future__ import annotations

import importlib
import re
from enum import StrEnum

import pytest

from appliance.kernel.messages import Done, KernelRefusal, Refused
from appliance.web.texts import LANGUAGES, choose_language, load_texts
from support.house import ENGINES, ROOT

TEXTS = load_texts()
FIRST, *OTHERS = LANGUAGES


@pytest.mark.parametrize("language", OTHERS)
def test_every_key_of_one_language_is_in_the_other(language: str) -> None:
    assert TEXTS.catalogues[language].keys() == TEXTS.catalogues[FIRST].keys()


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_fills_in_the_same_values(language: str) -> None:
    for key, sentence in TEXTS.catalogues[FIRST].items():
        names = set(re.findall(r"\{(\w+)\}", sentence))
        assert set(re.findall(r"\{(\w+)\}", TEXTS.catalogues[language][key])) == names, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_of_every_engine_has_a_sentence(language: str) -> None:
    missing = [f"kernel.{code}" for code in KernelRefusal if not said("kernel", code, language)]
    for room in ENGINES:
        if not (room / "messages.py").exists():
            continue
        module = importlib.import_module(f"appliance.engines.{room.name}.messages")
        refusals: type[StrEnum] | None = getattr(module, "Refusal", None)
        if refusals is not None:
            missing += [f"{room.name}.{c}" for c in refusals if not said(room.name, c, language)]
    assert not missing


def said(engine: str, code: str, language: str) -> bool:
    return TEXTS.has(f"refusal.{engine}.{code}", language)


def test_every_key_that_pages_use_is_written() -> None:
    folder = ROOT / "appliance" / "web"
    sources = [*folder.glob("*.py"), *(folder / "templates").glob("*.html")]
    used = set()
    for source in sources:
        used |= set(
            re.findall(
                r"\b(?:t|text|_say)\(\s*(?:request, )?[\"']([a-z_.]+)[\"']", source.read_text()
            )
        )
    assert len(used) > 60
    assert not {
        key for key in used if not key.endswith(".") and "." in key and not TEXTS.has(key, FIRST)
    }


def test_a_refusal_without_its_own_sentence_still_says_something() -> None:
    strange = Refused(engine="none", code="odd", detail={})
    assert TEXTS.answer(strange, "en") == "This cannot be done (odd)."
    assert TEXTS.answer(Refused(engine="stays", code="wrong_role", detail={}), "en").startswith(
        "Your role"
    )
    assert TEXTS.answer(Done(position=1, result={}), "de") == "Erledigt."


def test_a_missing_value_leaves_a_gap_and_no_error() -> None:
    assert "…" in TEXTS.text("page.door.open", "en", other=1)
    assert TEXTS.text("no.such.key", "en") == "no.such.key"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("DE-ch, en;q=0.9", "de"),
        ("en;q=0.3, de;q=0.8", "de"),
        ("fr, de;q=0.5, en;q=0.5", "en"),
        ("fr-FR, es", "en"),
        ("de;q=0, *", "en"),
        ("*", "en"),
        ("en;q=0, *;q=0.1", "de"),
        ("de;q=1.0001", "en"),
        (";;;,,,q=", "en"),
        ("x" * 9_999, "en"),
        ("," * 9_999 + "de", "en"),
    ],
)
def test_the_browsers_wish_is_understood(header: str | None, language: str) -> None:
    assert choose_language(header) == language
