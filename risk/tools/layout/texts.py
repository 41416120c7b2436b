"""How one value is written: plain where YAML and a reader take it for a text, else in quotes.

Never here: lines, indentation, comments.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from risk.language.source import Scalar

_PLAIN_START = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:][^\s,\[\]{}]")
_RESOLVERS: Any = yaml.SafeLoader.yaml_implicit_resolvers


def written(scalar: Scalar, flow: bool, text: str | None = None) -> str:
    """A scalar on one line. ``flow``: inside braces or brackets; ``text``: instead of the scalar's own."""
    said = scalar.text if text is None else text
    if not said and not scalar.style:
        return ""
    if not scalar.style and plain_ok(said, flow):
        return said
    if scalar.style and plain_ok(said, flow=True) and is_text(said):
        return said
    return quoted(said)


def plain_ok(text: str, flow: bool) -> bool:
    """Whether YAML reads these characters without quotes as themselves."""
    if not text or text != text.strip() or not _PLAIN_START.match(text):
        return False
    if re.search(r"[\n\t\x85\u2028\u2029\ufeff]|: | #|:\Z", text):
        return False
    return not (flow and re.search(r"[,\[\]{}]", text))


def is_text(text: str) -> bool:
    """Whether every YAML tool takes it for a text without quotes: no number, date, yes or no, or nothing, of any version of YAML."""
    for tag, pattern in _RESOLVERS.get(text[:1], []) + _RESOLVERS.get(None, []):
        if tag != "tag:yaml.org,2002:str" and pattern.match(text):
            return False
    return text.lower() not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "~")


def quoted(text: str) -> str:
    """In double quotes; in single ones where the text itself holds double quotes or a backslash."""
    plain = text.isprintable()
    if plain and '"' not in text and "\\" not in text:
        return f'"{text}"'
    if plain:
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=True)
