"""The two shapes of a personal text: sealed for one person, and not sealed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A text only this person's key opens. Safe in the log, in a blob, an index or a backup.

    `box` is a 12-byte nonce followed by AES-256-GCM ciphertext and tag.
    """

    subject: str  # the person's id: `forget(subject)` makes every box of theirs unreadable
    box: bytes

    def __repr__(self) -> str:
        """Name the person, never the content."""
        return f"{type(self).__name__}(subject={self.subject!r})"


class _Bare:
    """Holds a text out of sight where the box will be.

    It stands in the `box` field itself, and not beside it, because msgspec leaves out an unset
    slot without a word: a missing box would be written as a fact; this stops the encoder.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "<not sealed yet>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bare) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __deepcopy__(self, memo: object) -> _Bare:
        return self

    def __reduce__(self) -> NoReturn:
        msg = "a text that is not sealed yet cannot be pickled: seal it first"
        raise TypeError(msg)


class Unsealed(Sealed):
    """A personal text on its way from a rule to the log; the kernel seals it before writing.

    Encoding one raises TypeError, and its repr shows the person only.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Name the person, never the content."""
        return f"Unsealed(subject={self.subject!r})"


def seal_later(subject: str, text: str) -> Unsealed:
    """Mark a text as this person's. For rules, which are pure and hold no keys."""
    return Unsealed(subject=subject, box=cast("bytes", _Bare(text)))


def text_of(unsealed: Unsealed) -> str:
    """Take the text out. For the kernel's sealing step and for tests of rules."""
    bare = cast("object", unsealed.box)
    assert isinstance(bare, _Bare), "an Unsealed is made by seal_later only"
    return bare._text  # noqa: SLF001 - the one reader of the one holder
