"""A small validator of JSON Schema, for the parts of draft-07 that `risk schema` uses, and YAML as editors read it.

Any other key of a schema is refused, so that nothing is passed over unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

KNOWN = frozenset(
    [
        "$schema",
        "title",
        "description",
        "definitions",
        "$ref",
        "type",
        "enum",
        "properties",
        "additionalProperties",
        "required",
        "propertyNames",
        "items",
        "minItems",
        "minimum",
        "maximum",
        "pattern",
        "anyOf",
        "oneOf",
        "if",
        "then",
    ]
)
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "null": (type(None),),
}  # fmt: skip


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2 as editors read it: numbers, true and false, null; no dates, no yes and no."""


CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def as_editors_read(text: str) -> Any:
    return yaml.load(text, CoreLoader)


def faults(schema: Any, value: Any, root: Any = None, path: str = "") -> Iterator[str]:
    """What is wrong with a value, as texts that begin with its path."""
    root = schema if root is None else root
    if schema is False or schema is True:
        if schema is False:
            yield f"{path}: nothing may stand here"
        return
    unknown = schema.keys() - KNOWN
    assert not unknown, f"the validator does not know {unknown}"
    if "$ref" in schema:
        assert schema["$ref"].startswith("#/definitions/")
        yield from faults(root["definitions"][schema["$ref"].rpartition("/")[2]], value, root, path)
        return
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{path}: {value!r} is not of type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum'][:8]}"
    yield from _of_scalar(schema, value, path)
    yield from _of_parts(schema, value, root, path)
    if "anyOf" in schema and not any(not list(faults(each, value, root, path)) for each in schema["anyOf"]):
        yield f"{path}: {value!r} fits none of: {[next(faults(each, value, root, path)) for each in schema['anyOf']]}"
    if "oneOf" in schema and sum(not list(faults(each, value, root, path)) for each in schema["oneOf"]) != 1:
        yield f"{path}: not exactly one of the alternatives"
    if "if" in schema and not list(faults(schema["if"], value, root, path)):
        yield from faults(schema["then"], value, root, path)


def _is(value: Any, kinds: str | list[str]) -> bool:
    wanted = [kinds] if isinstance(kinds, str) else kinds
    return any(isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind in ("integer", "number")) for kind in wanted)


def _of_scalar(schema: Any, value: Any, path: str) -> Iterator[str]:
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value} is out of range"


def _of_parts(schema: Any, value: Any, root: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{path}: too few items"
        for i, item in enumerate(value):
            yield from faults(schema.get("items", True), item, root, f"{path}[{i}]")
    if isinstance(value, dict):
        for key in schema.get("required", ()):
            if key not in value:
                yield f"{path}: `{key}` is missing"
        for key, item in value.items():
            yield from faults(schema.get("propertyNames", True), key, root, f"{path}.{key}")
            rest = schema.get("additionalProperties", True)
            yield from faults(schema.get("properties", {}).get(key, rest), item, root, f"{path}.{key}")
