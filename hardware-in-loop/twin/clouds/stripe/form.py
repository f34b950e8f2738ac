"""Form-encoded parameters with nested keys, as Stripe reads them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qsl

from twin.clouds.stripe.words import invalid

_PART: Final = re.compile(r"\[([^\[\]]*)\]")
# Deeper nesting than any parameter of the vendor has.
DEPTH_MAX: Final = 5

Params = dict[str, Any]


def parse(text: str) -> Params:
    """`a[b]=1&c[]=2` as nested dictionaries and lists of strings; raises 400 for nonsense."""
    found: Params = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as error:
        raise invalid("The request body is not form encoded.", code=None) from error
    for name, value in pairs:
        head, bracket, _ = name.partition("[")
        parts = _PART.findall(name[len(head) :]) if bracket else []
        if not head or len(parts) > DEPTH_MAX or head + "".join(f"[{p}]" for p in parts) != name:
            raise invalid(f"Invalid parameter name: {name}", code="parameter_unknown", param=name)
        _put(found, [head, *parts], value, name)
    return found


def _put(into: Params, keys: list[str], value: str, name: str) -> None:
    here: Any = into
    for key, following in pairwise(keys):
        # `a[]=1` and `a[0]=1` are lists, every other nesting is a dictionary.
        empty: Any = [] if following == "" or following.isdigit() else {}
        if not isinstance(here, dict):
            raise invalid(f"Invalid parameter name: {name}", code="parameter_unknown", param=name)
        here = here.setdefault(key, empty)
    if isinstance(here, list):
        here.append(value)
    elif isinstance(here, dict) and not isinstance(here.get(keys[-1]), dict | list):
        here[keys[-1]] = value
    else:
        raise invalid(f"Invalid parameter name: {name}", code="parameter_unknown", param=name)


def flag(params: Params, name: str) -> bool:
    """`true` or `false`, absent is false."""
    value = params.get(name, "false")
    if value not in {"true", "false"}:
        raise invalid(f"Invalid boolean: {value}", code="parameter_invalid_boolean", param=name)
    return bool(value == "true")


def whole(params: Params, name: str) -> int | None:
    """A whole number, absent is None."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def text(params: Params, name: str) -> str | None:
    """A string; empty counts as absent."""
    value = params.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"Invalid string: {name}", code=None, param=name)
    return value or None


def metadata(params: Params) -> dict[str, str]:
    """At most 50 short texts by name."""
    value = params.get("metadata", {})
    if value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise invalid("Invalid hash: metadata", code="parameter_invalid_empty", param="metadata")
    # The vendor's limits: 50 keys, 40 characters a key, 500 a value.
    if len(value) > 50 or any(len(k) > 40 or len(v) > 500 for k, v in value.items()):
        raise invalid("Metadata is too large.", code=None, param="metadata")
    return dict(value)
