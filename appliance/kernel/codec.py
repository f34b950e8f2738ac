"""Words to JSON and back: strict on the way in, upcast from older forms, sealed on the way out."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from appliance.kernel.messages import Command, Event, command_of, event_of
from appliance.kernel.sealed import Sealed, Unsealed, text_of
from appliance.kernel.vault import Vault

Upcaster = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]
"""(body of the old form) -> (kind of the next form, its body)."""

_upcasters: dict[str, Upcaster] = {}
_encoder = msgspec.json.Encoder()

# A chain of upcasters longer than this is a loop: no kind has had twenty forms.
UPCASTS_MAX = 20


class UnreadableEventError(Exception):
    """The log holds a fact this release cannot read: install the release that wrote it, or newer."""


class MalformedCommandError(Exception):
    """What came in is not the command it names; the text says which field and why."""


def upcast(old_kind: str) -> Callable[[Upcaster], Upcaster]:
    """Decorator: read facts of a kind that nothing writes any more."""

    def keep(upcaster: Upcaster) -> Upcaster:
        assert old_kind not in _upcasters, f"two upcasters for {old_kind!r}"
        _upcasters[old_kind] = upcaster
        return upcaster

    return keep


def encode(word: Any) -> bytes:
    """Compact JSON, fields in the order of the class."""
    return _encoder.encode(word)


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(form: type[Any]) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(form)
    if decoder is None:
        decoder = _decoders[form] = msgspec.json.Decoder(form, strict=True)
    return decoder


def decode_event(kind: str, body: str | bytes) -> Event:
    """One fact of any release up to this one."""
    form = event_of.get(kind)
    if form is None:
        return _decode_old(kind, body)
    try:
        return typing.cast(Event, _decoder(form).decode(body))
    except msgspec.DecodeError as error:
        raise UnreadableEventError(f"a fact of kind {kind} has another shape: {error}") from error


def _decode_old(kind: str, body: str | bytes) -> Event:
    written = kind
    try:
        fields: dict[str, Any] = msgspec.json.decode(body)
        for _ in range(UPCASTS_MAX):
            if kind not in _upcasters:
                break
            kind, fields = _upcasters[kind](fields)
            if kind in event_of:
                return decode_event(kind, encode(fields))
    except UnreadableEventError:
        raise
    except Exception as error:
        sentence = f"a fact of kind {written} cannot be upcast: {type(error).__name__}"
        raise UnreadableEventError(sentence) from error
    raise UnreadableEventError(f"no class and no upcaster reads facts of kind {kind!r}")


def decode_command(name: str, body: bytes) -> Command:
    """A command from outside; raises MalformedCommandError with a sentence for its sender."""
    form = command_of.get(name)
    if form is None:
        raise MalformedCommandError(f"there is no command {name!r}")
    try:
        return typing.cast(Command, _decoder(form).decode(body))
    except msgspec.ValidationError as error:
        raise MalformedCommandError(f"{name}: {error}") from error
    except msgspec.DecodeError as error:
        raise MalformedCommandError(f"{name}: not JSON: {error}") from error


_sealed: dict[type[Event], tuple[str, ...]] = {}


def sealed_fields(form: type[Event]) -> tuple[str, ...]:
    """Names of the fields that hold `Sealed`, `Sealed | None` or `tuple[Sealed, ...]`."""
    names = _sealed.get(form)
    if names is None:
        hints = typing.get_type_hints(form)
        names = _sealed[form] = tuple(
            entry.name
            for entry in dataclasses.fields(form)
            if hints[entry.name] is Sealed or Sealed in typing.get_args(hints[entry.name])
        )
    return names


def seal(event: Event, vault: Vault) -> Event:
    """The same fact with every personal field encrypted under its person's key.

    The fact's kind and the field's name are authenticated, so a box cannot be moved elsewhere.
    """
    names = sealed_fields(type(event))
    if not names:
        return event
    changes: dict[str, Any] = {}
    for name in names:
        value, aad = getattr(event, name), _place(event, name)
        if isinstance(value, tuple):
            changes[name] = tuple(_boxed(entry, aad, vault) for entry in value)
        elif value is not None:
            changes[name] = _boxed(value, aad, vault)
    return dataclasses.replace(event, **changes)


def _place(event: Event, field: str) -> bytes:
    return f"{event.kind}:{field}".encode()


def _boxed(value: Sealed, aad: bytes, vault: Vault) -> Sealed:
    if isinstance(value, Unsealed):
        return vault.seal(value.subject, text_of(value), aad)
    return value


def opened(event: Event, vault: Vault) -> dict[str, Any]:
    """The fact as plain fields with personal text readable; None where it was forgotten."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    for name in sealed_fields(type(event)):
        value, aad = getattr(event, name), _place(event, name)
        if isinstance(value, tuple):
            fields[name] = [vault.open(entry, aad) for entry in value]
        elif value is not None:
            fields[name] = vault.open(value, aad)
    return fields
