"""The version of a rule: a hash of everything that can change its answer.

That is its own keys (all but its tests), its condition with macros written out, its parameters and the policy's settings that it uses,
the features it reads with their conditions, the versions of lists, the fields, and the overrides that act on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from risk.declared import Feature, Field, Rule
from risk.language.ruleset import Override
from risk.language.source import Block, Items, Node, Scalar

NOT_ANSWERS = frozenset({"tests", "when", "params"})  # `when` and `params` are in it as what they mean


@dataclass(frozen=True, slots=True)
class Reads:
    """What a rule reads besides its own keys. ``condition``: macros written out; ``fields``: by `event/field`."""

    condition: str
    params: Mapping[str, Any]
    features: Mapping[str, Feature]
    lists: Mapping[str, str]
    fields: Mapping[str, Field]
    overrides: Sequence[Override]
    segments: Mapping[str, str]


def rule_version(rule: Rule, block: Block, reads: Reads) -> str:
    """``sha256:...`` over canonical JSON; places and the order of keys are not in it."""
    said = {
        "rule": rule.name,
        "keys": {key.text: plain(node) for key, node in block if key.text not in NOT_ANSWERS},
        "when": reads.condition,
        "params": dict(reads.params),
        "features": {name: _facts(feature) for name, feature in reads.features.items()},
        "lists": dict(reads.lists),
        "fields": {name: _facts(each) for name, each in reads.fields.items()},
        "overrides": [_facts(override) for override in reads.overrides],
        "segments": dict(reads.segments),
    }
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_facts)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _facts(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        facts = asdict(value)
        facts.pop("place", None)
        return facts
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def plain(node: Node) -> Any:
    """A node as nested lists and mappings of text."""
    if isinstance(node, Scalar):
        return node.text.strip()
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {key.text: plain(value) for key, value in node}
