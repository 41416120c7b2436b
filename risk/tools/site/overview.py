"""The pages about all rules: by file, owner and reason code; features, lists, events, policy, duties.

Never here: the page of one rule, the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from risk.declared import Rule, Window
from risk.language.source import Block, Scalar
from risk.tools.site.conditions import Conditions
from risk.tools.site.html import anchor, code, facts, section, table, text, words_with_code
from risk.tools.site.shared import RULE_HEADS, Shared, rule_rows
from risk.tools.wording import counted, feature_words, type_words, window_words


def index(shared: Shared) -> str:
    """Rules by file, with what the file says of itself."""
    rules = list(shared.ruleset.rules.values())
    modes = [
        f"{counted(n, mode + ' rule')}" for mode in ("live", "shadow", "draft", "disabled") if (n := sum(r.mode == mode for r in rules))
    ]
    tests = sum(map(len, shared.ruleset.cases.values()))
    rest = [counted(tests, "test"), counted(len(shared.ruleset.features), "feature"), counted(len(shared.ruleset.lists), "list")]
    lead = f"{', '.join([*modes, *rest])}."
    body = [f"<h1>Rules</h1>\n<p class=lead>{text(lead)}</p>"]
    for path, of_file in _grouped(rules, lambda rule: [rule.place.path if rule.place else ""]):
        said = f'<p class="lead">{text(opening(shared.ruleset.sources.get(path, "")))}</p>'
        body.append(section(path, said + table(RULE_HEADS, rule_rows(shared, of_file), "rules"), path))
    return shared.page("Rules", "\n".join(body), "index.html")


def opening(source: str) -> str:
    """The comment at the head of a file, without its signs; a line that goes on in the next is joined with it."""
    lines: list[str] = []
    for line in source.split("\n"):
        if not line.startswith("#"):
            break
        said = line.lstrip("#").strip()
        if lines and lines[-1] and not lines[-1].endswith((".", ":", ";")) and said and not said.startswith("-"):
            lines[-1] += f" {said}"
        else:
            lines.append(said)
    return "\n".join(lines).strip()


def owners(shared: Shared) -> str:
    groups = _grouped(shared.ruleset.rules.values(), lambda rule: [rule.owner or "nobody"])
    body = [section(owner, table(RULE_HEADS, rule_rows(shared, rules), "rules"), owner) for owner, rules in sorted(groups)]
    return shared.page("Owners", "<h1>Owners</h1>\n" + "\n".join(body), "owners.html")


def reasons(shared: Shared) -> str:
    groups = _grouped(shared.ruleset.rules.values(), lambda rule: rule.reasons)
    rows = []
    for reason, rules in sorted(groups):
        hidden = all(rule.confidential for rule in rules)
        public = '<span class="soft">RISK_CHECK</span>' if hidden else code(reason)
        rows.append((f'<span id="{anchor(reason)}">{code(reason)}</span>', public, "<br>".join(shared.rule_link(r.name) for r in rules)))
    lead = "<p class=lead>Confidential reasons stay on the receipt; the decision that a gateway sees says RISK_CHECK.</p>"
    return shared.page("Reason codes", f"<h1>Reason codes</h1>\n{lead}" + table(("Code", "Decision says", "Rules"), rows), "reasons.html")


def features(shared: Shared) -> str:
    conditions = Conditions(shared.ruleset, "")
    rows = [
        (
            f'<span id="{anchor(name)}">{code(name)}</span><br><span class="small">{text(type_words(each.type))}</span>',
            words_with_code(feature_words(each)),
            shared.used_by(("feature", name)),
        )
        for name, each in shared.ruleset.features.items()
    ]
    macros = [
        (
            f'<span id="{anchor(name)}">{code(name)}</span>',
            f"<code>{conditions.inline(' '.join(said.split()))}</code>",
            shared.used_by(("macro", name)),
        )
        for name, said in shared.ruleset.macros.items()
    ]
    body = "<h1>Features</h1>\n<p class=lead>What profiles are asked when an event is decided.</p>"
    body += table(("Feature", "What it answers", "Used by"), rows) + section("Macros", table(("Macro", "Condition", "Used by"), macros))
    return shared.page("Features", body, "features.html")


def lists(shared: Shared) -> str:
    body = ["<h1>Lists</h1>"]
    for name, decl in shared.ruleset.lists.items():
        entry = shared.entry("lists", name)
        said = {
            "Holds": text(type_words(decl.type) + "s"),
            "Owner": text((entry.text("owner") if entry else "") or ""),
            "Review by": text((entry.text("review_by") if entry else "") or ""),
            "Source": text((entry.text("source") if entry else "") or ""),
            "Used by": shared.used_by(("list", name)),
        }
        about = f"<p class=lead>{text(entry.text('about') or '')}</p>" if entry is not None else ""
        rows = []
        for item in entry.items("values") if entry is not None else ():
            parts = {key.text: getattr(value, "text", "") for key, value in item} if isinstance(item, Block) else {}
            value = item.text if isinstance(item, Scalar) else parts.get("value", "")
            rows.append((code(value), *(text(parts.get(key, "")) for key in ("until", "why", "by"))))
        detailed = any(any(row[1:]) for row in rows)
        values = table(("Value", "Until", "Why", "By"), rows) if detailed else f"<p>{', '.join(row[0] for row in rows)}</p>"
        body.append(section(f"@{name}", about + facts(said) + values, name))
    conditions = Conditions(shared.ruleset, "")
    segments = [(code(name), f"<code>{conditions.inline(each.when)}</code>") for name, each in shared.ruleset.segments.items()]
    body.append(section("Segments", table(("Segment", "Condition"), segments)))
    return shared.page("Lists", "\n".join(body), "lists.html")


def events(shared: Shared) -> str:
    body = ["<h1>Events</h1>"]
    for name, event in shared.ruleset.schema.types.items():
        rows = [
            (code(each.name), text(type_words(each.type)), "optional" if each.optional else "", text(each.source or ""))
            for each in event.fields.values()
        ]
        lead = "<p class=lead>Wants a decision.</p>" if event.decide else "<p class=lead>Informs.</p>"
        body.append(section(name, lead + table(("Field", "Type", "", "From"), rows), name))
    return shared.page("Events", "\n".join(body), "events.html")


def policy(shared: Shared) -> str:
    said = shared.ruleset.policy
    pairs = {
        "Actions": text(" < ".join(said.actions)),
        "If a rule breaks": text(f"at least {said.on_error}"),
        "If values come too late": text(f"at least {said.on_late}"),
    }
    settings = [
        (code(name), text(window_words(value) if isinstance(value, Window) else value), shared.used_by(("setting", name)))
        for name, value in said.settings.items()
    ]
    bands = [(f"{score} points", text(action)) for score, action in reversed(said.score_bands)]
    model_bands = [(f"{share:.3g}", f"{points} points") for share, points in reversed(said.model_bands)]
    body = "<h1>Policy</h1>\n<p class=lead>How the rules that fired, and the model, become one action: the strictest wins.</p>" + facts(
        pairs
    )
    body += section("Bands of the score", table(("From", "Gives"), bands)) + section(
        "Bands of the model", table(("From a score of", "Gives"), model_bands)
    )
    body += section("Settings", table(("Setting", "Value", "Used by"), settings)) + section("Model", _model(shared))
    return shared.page("Policy", body, "policy.html")


def _model(shared: Shared) -> str:
    model = shared.ruleset.model
    if model is None:
        return ""
    conditions = Conditions(shared.ruleset, "")
    rows = [
        (f"<code>{conditions.name(each.name)}</code>", text(each.encoding), text(each.weight if each.weight is not None else ""))
        for each in model.inputs
    ]
    heads = ("Reads", "As", "Weight") if any(each.weight is not None for each in model.inputs) else ("Reads", "As", "")
    return facts({"Name": text(model.name), "Learner": text(model.learner), "Learns from": text(", ".join(model.trains_on))}) + table(
        heads, rows
    )


def duties(shared: Shared) -> str:
    serving = dict(_grouped(shared.ruleset.rules.values(), lambda rule: [rule.duty] if rule.duty else []))
    rows = []
    for name, duty in shared.ruleset.duties.items():
        rules = serving.get(name, [])
        by = "<br>".join(f"{shared.rule_link(rule.name)} <span class='badge {rule.mode}'>{rule.mode}</span>" for rule in rules)
        by = by or (
            f'<span class="soft">{words_with_code(duty.elsewhere)}</span>' if duty.elsewhere else '<span class="fires">no rule</span>'
        )
        asks = f"{text(duty.title)}<br><span class=small>{text(duty.source)}; {text(', '.join(duty.evidence))}</span>"
        rows.append((f'<span id="{anchor(name)}">{code(name)}</span>', asks, text(duty.number or ""), text(duty.action or ""), by))
    return shared.page("Duties", "<h1>Duties</h1>\n" + table(("Duty", "What it asks", "Number", "Action", "Met by"), rows), "duties.html")


def _grouped(rules: Iterable[Rule], keys: Callable[[Rule], Iterable[str]]) -> list[tuple[str, list[Rule]]]:
    """Rules by each of their keys, in the order in which keys are met."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        for key in keys(rule):
            found.setdefault(key, []).append(rule)
    return list(found.items())
