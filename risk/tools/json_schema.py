"""The JSON Schema of rule files, for editors: completion, descriptions and errors while one types.

Rule 1: keys and words come from the language's own tables, so that a new key is known here at once.
Rule 2: with a rule set, names come from it: features in `given`, events, fields, rules, duties. What it cannot say `risk check` says.

Draft-07 is what editors understand best. Their YAML reader makes numbers and booleans of values, so a value is of any of these types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from risk.declared import Field
from risk.language import RuleSet
from risk.language.loading import SECTIONS
from risk.language.sections.cases import CASE_KEYS, EXPECT_KEYS, EXPECT_WORDS, NO_VALUE, STEP_KEYS
from risk.language.sections.duties import DUTY_KEYS, EVIDENCE
from risk.language.sections.duties import KINDS as DUTY_KINDS
from risk.language.sections.events import EVENT_KEYS, FIELD_KEYS
from risk.language.sections.features import AGGREGATES, FEATURE_KEYS, OF_EVENTS
from risk.language.sections.lists import ENTRY_KEYS, LIST_KEYS
from risk.language.sections.model import ENCODINGS, INPUT_KEYS, MODEL_KEYS
from risk.language.sections.model_learner import CHALLENGERS, LEARNERS
from risk.language.sections.overrides import OVERRIDE_KEYS, OVERRIDE_MODES
from risk.language.sections.policy import PICKS, POLICY_KEYS
from risk.language.sections.rules import MODES, OBLIGATIONS, REPORTS, RULE_KEYS, SEVERITIES
from risk.tools import schema_words

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "number", "boolean"]}
CONDITION: Schema = {"type": ["string", "boolean"]}
FLAG: Schema = {"type": "boolean"}
DATE: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([T ].+)?$"}
DURATION: Schema = {"type": "string", "pattern": r"^-?\d+[smhdw]$"}
SHARE: Schema = {"type": "string", "pattern": r"^\d{1,3}(\.\d+)?\s*%$"}
WHOLE: Schema = {"type": "integer"}
NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
RULE_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"


def schema_of(ruleset: RuleSet | None = None) -> Schema:
    """The schema of one rule file. With a rule set, its names are offered and required."""
    return _Made(ruleset).whole()


def one_of(words: Iterable[str]) -> Schema:
    return {"enum": list(dict.fromkeys(words))}


def offered(words: Iterable[str], other: Schema) -> Schema:
    """Words that an editor offers; anything else of the kind is right too."""
    known = list(dict.fromkeys(words))
    return {"anyOf": [{"enum": known}, other]} if known else other


def one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item}]}


def mapping(
    keys: Iterable[str], known: Mapping[str, Schema], words: Mapping[str, str] | None = None, required: Sequence[str] = ()
) -> Schema:
    """A mapping with these keys and no others."""
    properties = {}
    for key in keys:
        properties[key] = dict(known.get(key, TEXT))
        if words and key in words:
            properties[key]["description"] = words[key]
    made: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**made, "required": list(required)} if required else made


def named(item: Schema, pattern: str = NAME) -> Schema:
    """A mapping of names to things; an empty section is fine."""
    return {"type": ["object", "null"], "propertyNames": {"pattern": pattern}, "additionalProperties": item}


class _Made:
    """The definitions, made of the language's tables and of the names of a rule set."""

    def __init__(self, ruleset: RuleSet | None) -> None:
        self.ruleset = ruleset
        types = dict(ruleset.schema.types) if ruleset is not None else {}
        self.events = list(types)
        self.decided = [name for name, event in types.items() if event.decide]
        self.fields: dict[str, list[Field]] = {}
        for event in types.values():
            for field in event.fields.values():
                self.fields.setdefault(field.name, []).append(field)
        self.actions = list(ruleset.policy.actions) if ruleset is not None else []

    def whole(self) -> Schema:
        sections = {
            "events": named({"$ref": "#/definitions/event"}),
            "lists": named({"$ref": "#/definitions/list"}),
            "macros": named(CONDITION),
            "features": named({"$ref": "#/definitions/feature"}),
            "rules": named({"$ref": "#/definitions/rule"}, RULE_NAME),
            "segments": named(CONDITION),
            "overrides": {"type": ["array", "null"], "items": {"$ref": "#/definitions/override"}},
            "policy": {"$ref": "#/definitions/policy"},
            "model": {"$ref": "#/definitions/model"},
            "duties": named({"$ref": "#/definitions/duty"}, RULE_NAME),
        }
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Rule file of riskstream",
            **mapping(SECTIONS, sections, schema_words.SECTIONS),
            "definitions": {
                "rule": self.rule(),
                "test": self.case(),
                "step": self.step(),
                "feature": self.feature(),
                "list": self.list(),
                "event": self.event(),
                "override": self.override(),
                "policy": self.policy(),
                "model": self.model(),
                "duty": self.duty(),
            },
        }

    def _names(self, names: Iterable[str]) -> Schema:
        """Names of the rule set; without one, any text."""
        return one_of(names) if self.ruleset is not None else {"type": "string"}

    def _offered_of_rules(self, key: str) -> Schema:
        rules = self.ruleset.rules.values() if self.ruleset is not None else ()
        return offered(sorted({str(getattr(rule, key)) for rule in rules if getattr(rule, key)}), {"type": "string"})

    def rule(self) -> Schema:
        reasons = {code for rule in (self.ruleset.rules.values() if self.ruleset is not None else ()) for code in rule.reasons}
        known: dict[str, Schema] = {
            "owner": self._offered_of_rules("owner"),
            "severity": one_of(SEVERITIES),
            "event": one_or_more(self._names(self.decided)),
            "mode": one_of(MODES),
            "params": named(TEXT),
            "when": CONDITION,
            "then": self._names(self.actions),
            "unless_possible": self._names(self.actions),
            "score": {**WHOLE, "minimum": 0, "maximum": 100},
            "reasons": one_or_more(offered(sorted(reasons), {"type": "string"})),
            "obligations": {"type": "array", "items": self.obligation()},
            "report": one_of(REPORTS),
            "message": {"type": "string"},
            "rollout": SHARE,
            "rollout_by": self._names(self.fields),
            "priority": WHOLE,
            "group": self._names(self.ruleset.policy.groups) if self.ruleset is not None and self.ruleset.policy.groups else TEXT,
            "on_missing": one_of(("skip", "fire", *self.actions)) if self.actions else TEXT,
            "duty": self._names(self.ruleset.duties) if self.ruleset is not None and self.ruleset.duties else TEXT,
            "references": one_or_more(TEXT),
            "tags": one_or_more(TEXT),
            "tests": {"type": "array", "items": {"$ref": "#/definitions/test"}},
        }
        known |= dict.fromkeys(("confidential", "trust", "final"), FLAG)
        known |= dict.fromkeys(("valid_from", "valid_until", "review_by", "accept_from"), DATE)
        made = mapping(RULE_KEYS, known, schema_words.RULE, required=("title", "event", "mode", "when"))
        owned = {"if": {"properties": {"mode": {"enum": ["live", "shadow"]}}}, "then": {"required": ["owner"]}}
        return {**made, **owned}

    def obligation(self) -> Schema:
        keys = ("do", *dict.fromkeys(key for each in OBLIGATIONS.values() for key in each))
        return mapping(keys, {"do": one_of(OBLIGATIONS)}, required=("do",))

    def case(self) -> Schema:
        value = {"type": ["string", "number", "boolean"]}
        features = list(self.ruleset.features) if self.ruleset is not None else []
        given = mapping((*features, "model.score"), dict.fromkeys(features, value)) if features else {"type": "object"}
        known: dict[str, Schema] = {
            "events": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}},
            "given": given,
            "expect": {"anyOf": [one_of(EXPECT_WORDS), self.expect(given)]},
            "at": DATE,
            "trusted": FLAG,
            "overridden": FLAG,
        }
        return mapping(CASE_KEYS, known, schema_words.CASE, required=("it", "events", "expect"))

    def expect(self, values: Schema) -> Schema:
        known: dict[str, Schema] = {
            **dict.fromkeys(EXPECT_WORDS, FLAG),
            "fires_on": one_or_more({**WHOLE, "minimum": 1}),
            "action": self._names(self.actions),
            "score": {**WHOLE, "minimum": 0, "maximum": 100},
            "reasons": one_or_more(TEXT),
            "values": values,
            "obligations": one_or_more(one_of(OBLIGATIONS)),
            "report": one_or_more(one_of(REPORTS)),
        }
        return mapping(EXPECT_KEYS, known, schema_words.EXPECT)

    def step(self) -> Schema:
        """An event of a test: any field of any event; which event has which, `risk check` says."""
        if self.ruleset is None:
            return {"type": "object"}
        known: dict[str, Schema] = {
            "event": one_of(self.events),
            "repeat": {**WHOLE, "minimum": 1},
            "every": DURATION,
            "after": DURATION,
            "at": DATE,
            "model.score": {"type": ["number", "string"]},
        }
        for name, fields in self.fields.items():
            known[name] = _field_value(fields)
        return mapping((*STEP_KEYS, "model.score", *self.fields), known, schema_words.STEP)

    def feature(self) -> Schema:
        fields = one_or_more(self._names(self.fields))
        events = one_or_more(self._names((*self.events, "decision")))
        known: dict[str, Schema] = {
            **{name: events if name in OF_EVENTS else self._names(self.fields) for name in AGGREGATES},
            "of": events,
            "per": fields,
            "read_with": fields,
            "where": CONDITION,
            "with_current": FLAG,
            "counts": one_of(("attempts", "passed")),
            "ending": {"type": "string", "pattern": r"^\d+[smhdw] ago$"},
        }
        made = mapping(FEATURE_KEYS, known, schema_words.FEATURE, required=("per",))
        if self.ruleset is not None:
            for name in ("per", "read_with", *(each for each in AGGREGATES if each not in OF_EVENTS)):
                # a feature over decisions reads the decision's own fields too
                made["properties"][name] = {**_loosened(made["properties"][name]), "description": schema_words.FEATURE[name]}
        return {**made, "oneOf": [{"required": [name]} for name in AGGREGATES]}

    def list(self) -> Schema:
        known: dict[str, Schema] = {
            "values": {"type": "array", "items": {"anyOf": [TEXT, mapping(ENTRY_KEYS, {"until": DATE}, required=("value",))]}},
            "source": one_of(("file", "topic")),
            "owner": self._offered_of_rules("owner"),
            "review_by": DATE,
            "confidential": FLAG,
        }
        return mapping(LIST_KEYS, known, schema_words.LIST, required=("of",))

    def event(self) -> Schema:
        long = {
            "from": one_or_more(TEXT),
            "currency": one_or_more(TEXT),
            "minor": FLAG,
            "rotates": FLAG,
            "unit": one_of(("ms", "s")),
            "source": one_of(("attested", "device", "typed")),
        }
        field: Schema = {"anyOf": [{"type": "string"}, mapping(FIELD_KEYS, long, required=("type",))]}
        known: dict[str, Schema] = {
            "decide": FLAG,
            "default": FLAG,
            "like": self._names(self.events),
            "ignore": one_or_more(TEXT),
            "fields": {"type": "object", "additionalProperties": field},
            "example": {"type": "object"},
            "derive": {"type": "object"},
        }
        return mapping(EVENT_KEYS, known)

    def override(self) -> Schema:
        rules = list(self.ruleset.rules) if self.ruleset is not None else []
        segments = [f"segment {name}" for name in (self.ruleset.segments if self.ruleset is not None else ())]
        known: dict[str, Schema] = {
            "rule": one_of(rules) if rules else TEXT,
            "for": offered(segments, {"type": "string"}),
            "set": named(TEXT),
            "mode": one_of(OVERRIDE_MODES),
            "until": DATE,
        }
        return mapping(OVERRIDE_KEYS, known, required=("rule", "for", "until"))

    def policy(self) -> Schema:
        bands = {"type": "array", "items": mapping(("score", "then"), {"score": WHOLE, "then": self._names(self.actions)})}
        model = mapping(("score", "points"), {"score": {"type": ["string", "number"]}, "points": WHOLE})
        known: dict[str, Schema] = {
            "actions": {"type": "array", "items": {"type": "string"}},
            "score_bands": bands,
            "model": mapping(("bands",), {"bands": {"type": "array", "items": model}}),
            "settings": named(TEXT),
            "on_error": self._names(self.actions),
            "on_late": self._names(self.actions),
            "groups": named(mapping(("pick",), {"pick": one_of(PICKS)})),
            "covered_since": DATE,
        }
        return mapping(POLICY_KEYS, known)

    def model(self) -> Schema:
        readable = [*self.fields, *(self.ruleset.features if self.ruleset is not None else ())]
        known = {"read": self._names(readable), "as": one_of(ENCODINGS), "buckets": WHOLE, "half": {"type": ["number", "string"]}}
        inputs: Schema = {"type": "array", "items": mapping(INPUT_KEYS, known, required=("read", "as"))}
        keys: dict[str, Schema] = {
            "learner": one_of(LEARNERS),
            "challengers": one_or_more(one_of(CHALLENGERS)),
            "settings": {"type": "object"},
            "trains_on": one_or_more(TEXT),
            "inputs": inputs,
            "crosses": {"type": "array", "items": {"type": "array", "items": TEXT}},
            "reasons": {"type": "object", "additionalProperties": TEXT},
        }
        return mapping(MODEL_KEYS, keys)

    def duty(self) -> Schema:
        known: dict[str, Schema] = {"kind": one_of(DUTY_KINDS), "evidence": one_or_more(one_of(EVIDENCE)), "effective": DATE}
        return mapping(DUTY_KEYS, known, required=("title", "kind", "source", "evidence"))


def _loosened(schema: Schema) -> Schema:
    """Names offered, others allowed."""
    return {"anyOf": [{key: value for key, value in schema.items() if key != "description"}, *one_or_more({"type": "string"})["anyOf"]]}


def _field_value(fields: Sequence[Field]) -> Schema:
    """What a test may write for a field: words where it has them; `missing`; texts with `{n}`."""
    words = {"type": "string", "pattern": r"\{n\}"}
    if all(field.type.kind == "enum" for field in fields):
        values = dict.fromkeys(value for field in fields for value in field.type.values)
        return {"anyOf": [one_of((*values, *NO_VALUE)), words]}
    if all(field.type.kind == "bool" for field in fields):
        return {"anyOf": [FLAG, one_of(NO_VALUE)]}
    if any(field.type.kind == "texts" for field in fields):
        return one_or_more(TEXT)
    return TEXT
