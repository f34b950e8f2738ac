"""A vendor's OpenAPI 3.0 components as JSON Schema, so that answers can be held against it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_NAME = "urn:contract"


class Contract:
    """One file of a vendor: which component answers an operation, and whether a value fits it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        rewritten = _rewritten({"components": spec["components"]})
        resource = Resource.from_contents(rewritten, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_NAME, resource)

    def answer_of(self, path: str, status: str = "200") -> str:
        """The component of an operation's answer."""
        content = self._spec["paths"][path]["post"]["responses"][status]["content"]
        return str(content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1])

    def has(self, path: str) -> bool:
        """Whether the file describes this path."""
        return path in self._spec["paths"]

    def request_of(self, path: str) -> str:
        """The component of an operation's request."""
        content = self._spec["paths"][path]["post"]["requestBody"]["content"]
        return str(content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1])

    def faults(self, component: str, value: object) -> list[str]:
        """Where a value differs from the component, in words; empty when it fits."""
        schema = {"$ref": f"{_NAME}#/components/schemas/{component}"}
        check = jsonschema.Draft202012Validator(
            schema,
            registry=self._registry,
            format_checker=_formats(),
        )
        return [f"{error.json_path}: {error.message[:200]}" for error in check.iter_errors(value)]


@functools.cache
def _formats() -> jsonschema.FormatChecker:
    formats = jsonschema.FormatChecker(["uuid"])

    # The library brings no check of its own for times.
    formats.checks("date-time", raises=ValueError)(_is_time)
    return formats


def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@functools.cache
def contract(path: Path) -> Contract:
    """The contract in a YAML or JSON file; read once for all tests."""
    if path.suffix == ".json":
        return Contract(json.loads(path.read_bytes()))
    return Contract(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))


def _rewritten(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable`, JSON Schema says null is one of the types."""
    if isinstance(node, list):
        return [_rewritten(one) for one in node]
    if not isinstance(node, dict):
        return node
    new = dict(_members(node))
    if node.get("nullable") is True:
        return {"anyOf": [new, {"type": "null"}]}
    return new


def _members(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if name == "$ref" and isinstance(value, str):
            yield name, f"{_NAME}{value}"
        elif name not in {"nullable", "example", "examples", "description"} or isinstance(
            value, dict
        ):
            yield name, _rewritten(value)
