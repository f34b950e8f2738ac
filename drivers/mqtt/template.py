"""The part of Home Assistant's value templates that is read here: a path, a few filters, one choice.

A template comes from a stranger, so no template engine runs it. What is understood:

- `{{ value }}`, `{{ value_json.a.b }}`, `{{ value_json['a'][0] }}`;
- literals: numbers, 'text', true, false, none;
- `+ - * /` of numbers, comparisons, `A if CONDITION else B`, `is defined`, `is none`, `not`, `and`, `or`, brackets;
- the filters float, int, round, abs, default, lower, upper, trim, is_defined.

Everything else makes the template unreadable, and the entity with it. There are no calls, loops,
attributes of objects, or powers; length, tokens and depth are bounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE_CHARS_MAX: Final = 512
TOKENS_MAX: Final = 128
DEPTH_MAX: Final = 16
TEXT_CHARS_MAX: Final = 1_024

_WHOLE: Final = re.compile(r"\s*\{\{-?(.*?)-?\}\}\s*", re.DOTALL)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'[^'\\]*'|\"[^\"\\]*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>==|!=|<=|>=|[-+*/<>()\[\].|,]))"
)
_CONSTANTS: Final = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "none": None,
    "None": None,
}
_RESERVED: Final = frozenset({"if", "else", "is", "not", "and", "or", "defined", *_CONSTANTS})


class _Undefined:
    """What a path that leads nowhere is; it renders as nothing."""


UNDEFINED: Final = _Undefined()


class _UnreadableError(Exception):
    """Outside of the part that is read, or wrong for the value at hand."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be read."""

    _run: Callable[[str, Any], Any]

    def render(self, text: str, parsed: Any) -> str | None:
        """What it makes of a payload, as Home Assistant would write it; None where it fails."""
        try:
            return _written(self._run(text, parsed))
        except (_UnreadableError, TypeError, ValueError, ArithmeticError, LookupError):
            return None


def parse(source: object) -> Template | None:
    """Read a template; None where it is more than is understood here."""
    if not isinstance(source, str) or len(source) > TEMPLATE_CHARS_MAX:
        return None
    found = _WHOLE.fullmatch(source)
    if found is None or "{{" in found[1] or "}}" in found[1]:
        return None
    try:
        return Template(_Parser(_tokens(found[1])).whole())
    except _UnreadableError:
        return None


Run = Any  # Callable[[str, Any], Any]; a closure per node of the expression


def _tokens(source: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    place, source = 0, source.rstrip()
    while place < len(source):
        found = _TOKEN.match(source, place)
        if found is None or found.lastgroup is None or len(tokens) >= TOKENS_MAX:
            raise _UnreadableError
        tokens.append((found.lastgroup, found[found.lastgroup]))
        place = found.end()
    return tokens


class _Parser:
    """Recursive descent over at most `TOKENS_MAX` tokens, `DEPTH_MAX` deep."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> Run:
        run = self._choice()
        if self._place != len(self._tokens):
            raise _UnreadableError
        return run

    def _choice(self) -> Run:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _UnreadableError
        yes = self._either()
        if self._take("if"):
            condition = self._either()
            # Without an `else` it is nothing, as in Home Assistant.
            no = self._choice() if self._take("else") else lambda _text, _parsed: UNDEFINED
            first = yes

            def yes(text: str, parsed: Any) -> Any:
                return first(text, parsed) if _true(condition(text, parsed)) else no(text, parsed)

        self._depth -= 1
        return yes

    def _either(self) -> Run:
        run = self._both()
        while self._take("or"):
            run = _two(run, self._both(), lambda a, b: a if _true(a) else b)
        return run

    def _both(self) -> Run:
        run = self._negation()
        while self._take("and"):
            run = _two(run, self._negation(), lambda a, b: b if _true(a) else a)
        return run

    def _negation(self) -> Run:
        if self._take("not"):
            inner = self._negation()
            return lambda text, parsed: not _true(inner(text, parsed))
        return self._comparison()

    def _comparison(self) -> Run:
        run = self._sum()
        if self._take("is"):
            wanted = not self._take("not")
            inner = run
            if self._take("none"):
                return lambda text, parsed: (inner(text, parsed) is None) is wanted
            if not self._take("defined"):
                raise _UnreadableError
            return lambda text, parsed: (inner(text, parsed) is not UNDEFINED) is wanted
        sign = self._sign(_COMPARISONS)
        return run if sign is None else _two(run, self._sum(), _COMPARISONS[sign])

    def _sum(self) -> Run:
        run = self._product()
        while (sign := self._sign(_SUMS)) is not None:
            run = _two(run, self._product(), _SUMS[sign])
        return run

    def _product(self) -> Run:
        run = self._filtered()
        while (sign := self._sign(_PRODUCTS)) is not None:
            run = _two(run, self._filtered(), _PRODUCTS[sign])
        return run

    def _filtered(self) -> Run:
        if self._take("-"):
            inner = self._filtered()
            return lambda text, parsed: -_number(inner(text, parsed))
        run = self._path()
        while self._take("|"):
            name = self._name()
            arguments = self._arguments() if self._take("(") else []
            run = _filter(name, run, arguments)
        return run

    def _arguments(self) -> list[Any]:
        """Literals only."""
        found: list[Any] = []
        while not self._take(")"):
            if found and not self._take(","):
                raise _UnreadableError
            minus = self._take("-")
            kind, word = self._next()
            if kind == "number":
                found.append(-_numeral(word) if minus else _numeral(word))
            elif kind == "text" and not minus:
                found.append(word[1:-1])
            elif word in _CONSTANTS and not minus:
                found.append(_CONSTANTS[word])
            else:
                raise _UnreadableError
        return found

    def _path(self) -> Run:
        run = self._atom()
        while True:
            key: str | int
            if self._take("."):
                key = self._name()
            elif self._take("["):
                kind, word = self._next()
                if kind not in {"number", "text"} or not self._take("]"):
                    raise _UnreadableError
                key = int(float(word)) if kind == "number" else word[1:-1]
            else:
                return run
            run = _step(run, key)

    def _atom(self) -> Run:
        if self._take("("):
            run = self._choice()
            if not self._take(")"):
                raise _UnreadableError
            return run
        kind, word = self._next()
        if kind == "number":
            numeral = _numeral(word)
            return lambda _text, _parsed: numeral
        if kind == "text":
            return lambda _text, _parsed: word[1:-1]
        if word in _CONSTANTS:
            return lambda _text, _parsed: _CONSTANTS[word]
        if word == "value":
            return lambda text, _parsed: text
        if word == "value_json":
            return lambda _text, parsed: parsed
        raise _UnreadableError

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise _UnreadableError
        self._place += 1
        return self._tokens[self._place - 1]

    def _name(self) -> str:
        kind, word = self._next()
        if kind != "name" or word in _RESERVED or word.startswith("_"):
            raise _UnreadableError
        return word

    def _take(self, word: str) -> bool:
        if self._place < len(self._tokens):
            kind, found = self._tokens[self._place]
            if kind in {"name", "sign"} and found == word:
                self._place += 1
                return True
        return False

    def _sign(self, among: dict[str, Any]) -> str | None:
        return next((sign for sign in among if self._take(sign)), None)


def _two(left: Run, right: Run, join: Callable[[Any, Any], Any]) -> Run:
    return lambda text, parsed: join(left(text, parsed), right(text, parsed))


def _step(inner: Run, key: str | int) -> Run:
    def run(text: str, parsed: Any) -> Any:
        found = inner(text, parsed)
        if isinstance(found, dict) and isinstance(key, str):
            return found.get(key, UNDEFINED)
        if isinstance(found, list) and isinstance(key, int) and 0 <= key < len(found):
            return found[key]
        return UNDEFINED

    return run


def _filter(name: str, inner: Run, arguments: list[Any]) -> Run:
    apply = _FILTERS.get(name)
    if apply is None or len(arguments) > 1:
        raise _UnreadableError
    return lambda text, parsed: apply(inner(text, parsed), *arguments)


def _float(value: Any, default: Any = UNDEFINED) -> Any:
    try:
        return _number(value)
    except (_UnreadableError, ValueError):
        if default is UNDEFINED:
            raise
        return default


def _int(value: Any, default: Any = UNDEFINED) -> Any:
    found = _float(value, default)
    return int(found) if isinstance(found, float | int) else found


def _round(value: Any, digits: Any = 0) -> Any:
    if not isinstance(digits, int) or not 0 <= digits <= 9:
        raise _UnreadableError
    return round(_number(value), digits)


def _default(value: Any, other: Any = "") -> Any:
    return other if value is UNDEFINED else value


def _defined(value: Any) -> Any:
    if value is UNDEFINED:
        raise _UnreadableError
    return value


_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "float": _float,
    "int": _int,
    "round": _round,
    "abs": lambda value: abs(_number(value)),
    "default": _default,
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "trim": lambda value: _text(value).strip(),
    "is_defined": _defined,
}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda a, b: a is not UNDEFINED and a == b,
    "!=": lambda a, b: a is UNDEFINED or a != b,
    "<=": lambda a, b: _number(a) <= _number(b),
    ">=": lambda a, b: _number(a) >= _number(b),
    "<": lambda a, b: _number(a) < _number(b),
    ">": lambda a, b: _number(a) > _number(b),
}
_SUMS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": lambda a, b: _number(a) + _number(b),
    "-": lambda a, b: _number(a) - _number(b),
}
_PRODUCTS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "*": lambda a, b: _number(a) * _number(b),
    "/": lambda a, b: _number(a) / _number(b),
}


def _number(value: Any) -> float:
    if isinstance(value, str) and len(value) <= 32:
        return _finite(float(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _UnreadableError
    return value if isinstance(value, int) and abs(value) < 1e15 else _finite(float(value))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _UnreadableError
    return value


def _numeral(word: str) -> float:
    return float(word) if "." in word else int(word)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _UnreadableError
    return value


def _true(value: Any) -> bool:
    return value is not UNDEFINED and bool(value)


def _written(value: Any) -> str:
    if value is UNDEFINED:
        raise _UnreadableError
    if isinstance(value, dict | list):
        raise _UnreadableError
    written = str(value)
    if len(written) > TEXT_CHARS_MAX:
        raise _UnreadableError
    return written
