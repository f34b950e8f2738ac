"""Reads the settings' files, one over the other, and answers every mistake with a sentence."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from appliance.kernel.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

ETC = Path("/etc/nightporter")
ENVIRONMENT = "NIGHTPORTER_CONFIG"
DEFAULTS = Path(__file__).with_name("defaults.toml")
# Our own file is 2 KiB; a hundred times that is not a settings file.
FILE_BYTES_MAX = 262_144
# A secret is not written in a settings file: a path is, or this and a systemd credential's name.
CREDENTIAL_PREFIX = "credential:"


class SettingsError(Exception):
    """The settings cannot be used. The text is one sentence per mistake, each with its cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and which file had the last word on each key."""

    settings: Settings
    origins: Mapping[str, Path]  # by dotted key


def load_settings(
    environment: Mapping[str, str], files: Sequence[Path] = (), etc: Path = ETC
) -> Loaded:
    """Read defaults, `etc`, its conf.d, NIGHTPORTER_CONFIG (paths parted by `:`), then `files`.

    Raises SettingsError with every mistake at once.
    """
    given = [*(Path(name) for name in environment.get(ENVIRONMENT, "").split(os.pathsep) if name)]
    given.extend(files)
    found = [DEFAULTS, *_present(etc), *given]
    tree: dict[str, Any] = {}
    for section in sorted(_sections()):
        _section(tree, section)
    origins: dict[str, Path] = {}
    mistakes: list[str] = []
    for path in found:
        for key, value in _leaves(_table(path, mistakes)):
            _lay(tree, origins, mistakes, _Entry(path, key, value, environment))
    if not mistakes:
        try:
            settings = Settings.model_validate_json(json.dumps(tree, default=str))
            return Loaded(settings=settings, origins=origins)
        except ValidationError as error:
            mistakes = [_sentence(each, origins) for each in error.errors()]
    raise SettingsError("\n".join(mistakes))


def describe(loaded: Loaded | None = None) -> str:
    """Write every key with its sentence, as TOML; with its value and origin when loaded."""
    lines: list[str] = []
    section = ""
    for key, entry in known_keys().items():
        here, _, name = key.rpartition(".")
        if here != section:
            section = here
            lines.append(f"\n[{section}]")
        lines.append(f"# {entry.description}")
        lines.append(_value_line(key, name, loaded))
    return "\n".join(lines).strip() + "\n"


@cache
def known_keys() -> dict[str, FieldInfo]:
    """Every key by its dotted name: plain keys before sections, as TOML needs it."""
    return dict(_fields(Settings, ""))


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    key: str
    value: Any
    environment: Mapping[str, str]


def _present(etc: Path) -> list[Path]:
    main = etc / "nightporter.toml"
    return [*([main] if main.exists() else []), *sorted(etc.glob("conf.d/*.toml"))]


def _table(path: Path, mistakes: list[str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            mistakes.append(f"{path}: larger than {FILE_BYTES_MAX} bytes: is it a settings file?")
            return {}
        return tomllib.loads(content.decode())
    except FileNotFoundError:
        mistakes.append(
            f"{path}: there is no such file: write it, or take it out of {ENVIRONMENT}."
        )
    except OSError as error:
        mistakes.append(f"{path}: cannot be read ({error.strerror}): let the box's user read it.")
    except UnicodeDecodeError:
        mistakes.append(f"{path}: is not UTF-8 text: save it as UTF-8.")
    except tomllib.TOMLDecodeError as error:
        mistakes.append(f'{path}: is not TOML: {error}. Texts stand in quotes: key = "value".')
    return {}


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, dict) and key not in known_keys():
            if value or key in _sections():
                yield from _leaves(value, f"{key}.")
            else:
                yield key, value
        else:
            yield key, value


def _lay(
    tree: dict[str, Any], origins: dict[str, Path], mistakes: list[str], entry: _Entry
) -> None:
    known = known_keys().get(entry.key)
    if known is None:
        mistakes.append(_unknown(entry))
        return
    value = entry.value
    if Path in {known.annotation, *get_args(known.annotation)} and isinstance(value, str):
        value = _placed(entry, mistakes)
    section, _, name = entry.key.rpartition(".")
    here = _section(tree, section)
    if get_origin(known.annotation) is dict and isinstance(value, dict):
        # Sections that people name, such as feeds: one file adds to another's.
        value = here.get(name, {}) | _placed_in(entry, mistakes)
    here[name] = value
    origins[entry.key] = entry.path


def _section(tree: dict[str, Any], section: str) -> dict[str, Any]:
    for part in section.split(".") if section else ():
        tree = tree.setdefault(part, {})
    return tree


def _placed(entry: _Entry, mistakes: list[str]) -> str:
    """Resolve a path: from its own file's folder, or from the systemd credentials'."""
    if not entry.value.startswith(CREDENTIAL_PREFIX):
        return str(entry.path.parent.absolute() / Path(entry.value).expanduser())
    folder = entry.environment.get("CREDENTIALS_DIRECTORY")
    name = str(entry.value).removeprefix(CREDENTIAL_PREFIX)
    if folder is None:
        mistakes.append(
            f"{entry.path}: {entry.key} wants the systemd credential {name!r}, but there are none "
            f"here: add LoadCredential={name} to the unit, or give a path to a 0600 file."
        )
        return name
    return str(Path(folder) / Path(name).name)


def _placed_in(entry: _Entry, mistakes: list[str]) -> dict[str, Any]:
    """The same for every path of sections that people name."""
    return {
        title: {
            name: _placed(replace(entry, value=value), mistakes)
            if name.endswith("_file") and isinstance(value, str)
            else value
            for name, value in fields.items()
        }
        if isinstance(fields, dict)
        else fields
        for title, fields in entry.value.items()
    }


def _unknown(entry: _Entry) -> str:
    if entry.key in _sections():
        return f"{entry.path}: {entry.key} is a section: write [{entry.key}] and its keys below it."
    known = [*known_keys(), *_sections()]
    near = difflib.get_close_matches(entry.key, known, n=1, cutoff=0.5)
    last = entry.key.rpartition(".")[2]
    near = near or [key for key in known if key.rpartition(".")[2] == last]
    advice = f"did you mean {near[0]}?" if near else "`nightporter settings` lists them all."
    return f"{entry.path}: there is no key {entry.key}: {advice}"


def _sentence(error: ErrorDetails, origins: Mapping[str, Path]) -> str:
    parts = [str(part) for part in error["loc"]]
    while parts and ".".join(parts) not in known_keys():
        parts.pop()
    key = ".".join(parts)
    known = known_keys().get(key)
    what = error["msg"].removeprefix("Value error, ")
    if known is None:
        # A rule over several keys names them itself; the file is the last that touched them.
        touched = [path for name, path in origins.items() if name in what]
        return f"{touched[-1] if touched else DEFAULTS}: {what}."
    if error["type"] == "missing":
        return f"no file gives {key}: {known.description}"
    what = what[0].lower() + what[1:]
    return f"{origins.get(key, DEFAULTS)}: {key}: {what}. {known.description}"


def _value_line(key: str, name: str, loaded: Loaded | None) -> str:
    value: Any
    if loaded is None:
        value = dict(_leaves(_table(DEFAULTS, []))).get(key)
        origin = ""
    else:
        value = loaded.settings.model_dump(mode="json", by_alias=True)
        for part in key.split("."):
            value = value[part]
        path = loaded.origins.get(key)
        origin = f"  # {path}" if path not in {None, DEFAULTS} else ""
    if value is None:
        return f"# {name} ="
    return f"{name} = {_inline(value)}{origin}"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        fields = (f"{key} = {_inline(each)}" for key, each in value.items() if each is not None)
        return "{" + ", ".join(fields) + "}"
    # JSON's texts, numbers, booleans and lists of texts are TOML's too.
    return json.dumps(value, ensure_ascii=False)


def _fields(model: type[BaseModel], above: str) -> Iterator[tuple[str, FieldInfo]]:
    sections: list[tuple[str, type[BaseModel]]] = []
    for field, entry in model.model_fields.items():
        name = entry.alias or field
        if isinstance(entry.annotation, type) and issubclass(entry.annotation, BaseModel):
            sections.append((name, entry.annotation))
        else:
            yield f"{above}{name}", entry
    for name, section in sections:
        yield from _fields(section, f"{above}{name}.")


@cache
def _sections() -> set[str]:
    return {
        ".".join(parts[:depth])
        for parts in (key.split(".") for key in known_keys())
        for depth in range(1, len(parts))
    }
