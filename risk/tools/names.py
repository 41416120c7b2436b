"""Every name of a rule set: what it is, of which type, where it is defined, who uses it.

Never here: printing, files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from risk.decided import DECISION
from risk.declared import FieldType, Place
from risk.language import RuleSet
from risk.language.suggest import closest
from risk.tools.uses import SCORE, Name, Uses, said
from risk.tools.wording import does_words, feature_words, joined, type_words, value_words, window_words
from risk.tools.written import Entry, Written, written

KINDS = ("event", "field", "feature", "list", "macro", "segment", "setting", "rule", "param")
NAME_WIDTH_MAX = 34
TYPE_WIDTH_MAX = 30


@dataclass(frozen=True, slots=True)
class Known:
    """One name. ``about``: its meaning in words; ``used_by``: `rule burst`, `feature tries_10m`, `the model`."""

    kind: str
    name: str
    type: str
    place: Place | None
    about: str
    used_by: tuple[str, ...]


def names_of(ruleset: RuleSet) -> list[Known]:
    """All names, by kind in the order of `KINDS`, then in the order of the files (fields: by name)."""
    files = written(ruleset)
    uses = Uses(ruleset, files)
    return [
        *_events(ruleset, uses),
        *_fields(ruleset, uses),
        *_features(ruleset, uses),
        *_lists(ruleset, files, uses),
        *_conditions("macro", files.of("macros"), uses),
        *_conditions("segment", files.of("segments"), uses),
        *_settings(ruleset, files, uses),
        *_rules(ruleset),
        *_params(ruleset, files),
    ]


def _users(uses: Uses, name: Name) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said(user) for user in uses.users.get(name, ())))


def _events(ruleset: RuleSet, uses: Uses) -> Iterable[Known]:
    for name, event in ruleset.schema.types.items():
        about = f"{len(event.fields)} fields, {'wants a decision' if event.decide else 'informs'}"
        counted = ruleset.event_types.get(name)
        if counted is not None and counted.retracts:
            about += f"; features see its payment's fields too, and our action: {len(counted.fields)}"
        yield Known("event", name, "event", event.place, about, _users(uses, ("event", name)))
    if DECISION in ruleset.event_types:
        fields = len(ruleset.event_types[DECISION].fields)
        about = f"our answers, for features to count: {fields} fields, the payment's own and `action`"
        yield Known("event", DECISION, "event", None, about, _users(uses, ("event", DECISION)))


def _fields(ruleset: RuleSet, uses: Uses) -> Iterable[Known]:
    """Fields of one name and type are one, whichever events have them."""
    found: dict[tuple[str, str, str], list[str]] = {}
    places: dict[tuple[str, str, str], Place | None] = {}
    for event in ruleset.schema.types.values():
        for field in event.fields.values():
            kind = ("optional " if field.optional else "") + type_words(field.type)
            key = (field.name, kind, field.source or "")
            found.setdefault(key, []).append(event.name)
            places.setdefault(key, field.place)
    for (name, kind, source), events in sorted(found.items()):
        about = f"of {joined(events, 'and')}" + (f"; {source}" if source else "")
        yield Known("field", name, kind, places[name, kind, source], about, _users(uses, ("field", name)))
    if ruleset.model is not None:
        users = _users(uses, ("model", ruleset.model.name))
        yield Known("field", SCORE, "number", ruleset.model.place, "what the model says: probability of fraud", users)


def _features(ruleset: RuleSet, uses: Uses) -> Iterable[Known]:
    for name, feature in ruleset.features.items():
        yield Known("feature", name, type_words(feature.type), feature.place, feature_words(feature), _users(uses, ("feature", name)))


def _lists(ruleset: RuleSet, files: Written, uses: Uses) -> Iterable[Known]:
    for name, decl in ruleset.lists.items():
        entry = files.of("lists").get(name)
        about = (entry.text("about") if entry is not None else None) or ""
        kind = f"list of {type_words(decl.type)}s"
        live = " in the files, changed while workers run" if decl.live else ""
        yield Known("list", name, kind, decl.place, f"{len(decl.values)} entries{live}. {about}".strip(), _users(uses, ("list", name)))


def _conditions(kind: str, entries: dict[str, Entry], uses: Uses) -> Iterable[Known]:
    for name, entry in entries.items():
        text = " ".join(getattr(entry.node, "text", "").split())
        yield Known(kind, name, "condition", entry.place, text, _users(uses, (kind, name)))


def _settings(ruleset: RuleSet, files: Written, uses: Uses) -> Iterable[Known]:
    policy = files.of("policy").get("settings")
    for name, value in ruleset.policy.settings.items():
        place = policy.place if policy is not None else None
        window = hasattr(value, "kind")
        kind = "window" if window else type_words(_kind_of(value))
        about = window_words(value) if window else value_words(value, _kind_of(value))
        yield Known("setting", name, kind, place, about, _users(uses, ("setting", name)))


def _kind_of(value: Any) -> FieldType:
    kinds: dict[type, Any] = {bool: "bool", int: "int", float: "number"}
    return FieldType(kinds.get(type(value), "text"))


def _rules(ruleset: RuleSet) -> Iterable[Known]:
    for name, rule in ruleset.rules.items():
        overridden = tuple("override" for override in ruleset.overrides if override.rule == name)
        yield Known("rule", name, f"{rule.mode} rule", rule.place, f"{rule.title} ({does_words(rule)})", overridden)


def _params(ruleset: RuleSet, files: Written) -> Iterable[Known]:
    for name, rule in ruleset.rules.items():
        scope = ruleset.checked[name].scope
        entry = files.of("rules").get(name)
        block = entry.node.get("params") if entry is not None and hasattr(entry.node, "get") else None
        for param, value in rule.params.items():
            kind = scope.params[param].type
            place = block.key(param).place if block is not None and hasattr(block, "key") else rule.place
            yield Known("param", f"${param}", type_words(kind), place, value_words(value, kind), (f"rule {name}",))


def matching(names: Sequence[Known], word: str | None, kind: str | None) -> list[Known]:
    """The names that hold ``word`` (capitals do not count; `@` and `$` in front are left out), of one kind."""
    wanted = word.lower().lstrip("@$") if word is not None else ""
    return [each for each in names if (kind is None or each.kind == kind) and wanted in each.name.lower()]


def suggestion(names: Sequence[Known], word: str) -> str | None:
    return closest(word.lstrip("@$"), dict.fromkeys(each.name for each in names))


def table(names: Sequence[Known], root: str = "") -> str:
    """One line a name under the title of its kind: name, type, place, how many use it."""
    lines: list[str] = []
    for kind in KINDS:
        of_kind = [each for each in names if each.kind == kind]
        if not of_kind:
            continue
        name_width = min(max(len(each.name) for each in of_kind), NAME_WIDTH_MAX)
        type_width = min(max(len(each.type) for each in of_kind), TYPE_WIDTH_MAX)
        lines += [*([""] if lines else []), f"{kind}s"]
        for each in of_kind:
            used = "" if kind in ("rule", "param") else f"  used by {len(each.used_by)}" if each.used_by else "  not used"
            used = f"  {each.used_by[0]}" if kind == "param" else used
            lines.append(f"  {each.name:<{name_width}}  {_cut(each.type, type_width):<{type_width}}  {_where(each, root)}{used}")
    return "\n".join(lines) + "\n"


def details(names: Sequence[Known], root: str = "") -> str:
    """All that is known of each name."""
    blocks = []
    for each in names:
        lines = [f"{each.kind} {each.name}  ({each.type})  {_where(each, root)}".rstrip()]
        lines += [f"    {each.about}"] if each.about else []
        if each.kind not in ("rule", "param"):
            lines.append(f"    used by {', '.join(each.used_by)}" if each.used_by else "    not used")
        elif each.used_by:
            lines.append(f"    {'of' if each.kind == 'param' else 'has'} {', '.join(each.used_by)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _where(each: Known, root: str) -> str:
    if each.place is None:
        return ""
    return f"{root}/{each.place.path}:{each.place.line}" if root else f"{each.place.path}:{each.place.line}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def as_data(names: Sequence[Known]) -> list[dict[str, Any]]:
    return [asdict(each) for each in names]
