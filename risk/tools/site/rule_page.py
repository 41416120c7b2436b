"""The page of one rule: what it finds, what it does, its condition, what it reads, its tests.

Never here: pages about more than one rule.
"""

from __future__ import annotations

from risk.decisions import rfc3339
from risk.declared import Rule
from risk.language.source import Block, Scalar
from risk.tools.site.conditions import Conditions, reads
from risk.tools.site.html import anchor, code, facts, link, section, table, text, words_with_code
from risk.tools.site.shared import Shared, badges
from risk.tools.site.tests import tests_table
from risk.tools.wording import does_words, feature_words, joined, type_words, value_words

ROOT = "../"


def rule_page(shared: Shared, rule: Rule, graph: str) -> str:
    """``graph``: the picture of what the rule reads."""
    conditions = Conditions(shared.ruleset, ROOT)
    body = "\n".join(
        [
            f"<p class=small>{link(f'{ROOT}index.html#{anchor(rule.place.path)}', text(rule.place.path)) if rule.place else ''}</p>",
            f"<h1>{text(rule.title or rule.name)}</h1>",
            f"<p>{code(rule.name)} &nbsp; {badges(rule)}</p>",
            facts(_facts(shared, rule)),
            section("Condition", conditions.block(rule.when, _shown_params(shared, rule))),
            section("Parameters", _params(shared, rule)),
            section("Reads", _reads(shared, rule, conditions) + graph),
            section("Overrides", _overrides(shared, rule)),
            section("Tests", tests_table(shared.ruleset.cases.get(rule.name, ()))),
        ]
    )
    return shared.page(f"{rule.name}: {rule.title}", body, "", ROOT)


def _facts(shared: Shared, rule: Rule) -> dict[str, str]:
    policy = shared.ruleset.policy
    reasons = [link(f"{ROOT}reasons.html#{anchor(each)}", code(each)) for each in rule.reasons]
    hidden = " <span class=soft>(confidential: the decision says RISK_CHECK)</span>" if rule.confidential and reasons else ""
    dates = [f"from {rfc3339(rule.valid_from_ms)[:10]}" if rule.valid_from_ms is not None else ""]
    dates.append(f"until {rfc3339(rule.valid_until_ms)[:10]}" if rule.valid_until_ms is not None else "")
    missing = {"skip": "", "fire": "acts as if it fired"}.get(rule.on_missing, rule.on_missing)
    group = f"{rule.group} ({policy.groups.get(rule.group, '')}), priority {rule.priority}" if rule.group else ""
    return {
        "Looks at": joined([link(f"{ROOT}events.html#{anchor(each)}", code(each)) for each in rule.events], "and"),
        "Does": text(does_words(rule)),
        "If a value is missing": text(missing),
        "Reasons": ", ".join(reasons) + hidden,
        "Message": code(rule.message) if rule.message else "",
        "Rollout": text(f"{rule.rollout:.0%} by {rule.rollout_by}") if rule.rollout < 1.0 else "",
        "Valid": text(" ".join(each for each in dates if each)),
        "Group": text(group),
        "Duty": _duty(shared, rule),
        "Owner": link(f"{ROOT}owners.html#{anchor(rule.owner)}", text(rule.owner)) if rule.owner else "",
        "Review by": text(rule.review_by or ""),
        "Control": text(rule.control or ""),
        "References": text("; ".join(rule.references)),
        "Tags": text(", ".join(rule.tags)),
        "Written": code(f"{rule.place.path}:{rule.place.line}") if rule.place else "",
        "Version": f'<span class="small">{code(rule.version)}</span>',
    }


def _duty(shared: Shared, rule: Rule) -> str:
    if rule.duty is None:
        return ""
    duty = shared.ruleset.duties.get(rule.duty)
    return f"{link(f'{ROOT}duties.html#{anchor(duty.name)}', code(duty.name))} {text(duty.title)}" if duty is not None else code(rule.duty)


def _shown_params(shared: Shared, rule: Rule) -> dict[str, str]:
    checked = shared.ruleset.checked[rule.name]
    return {
        name: value_words(value, checked.scope.params[name].type) for name, value in checked.params.items() if name in checked.scope.params
    }


def _params(shared: Shared, rule: Rule) -> str:
    scope, shown = shared.ruleset.checked[rule.name].scope, _shown_params(shared, rule)
    rows = []
    for name, value in shown.items():
        whose = "" if name in rule.params else link(f"{ROOT}policy.html#settings", "setting of the policy")
        rows.append((f'<span class="p"><code>${text(name)}</code></span>', text(value), text(type_words(scope.params[name].type)), whose))
    return table(("Name", "Value", "Type", ""), rows)


def _reads(shared: Shared, rule: Rule, conditions: Conditions) -> str:
    features, macros, lists = reads(shared.ruleset, rule.when)
    rows = [(conditions.name(name), words_with_code(feature_words(shared.ruleset.features[name]))) for name in features]
    rows += [(conditions.name(name), f"<code>{conditions.inline(' '.join(shared.ruleset.macros[name].split()))}</code>") for name in macros]
    for name in lists:
        entry = shared.entry("lists", name)
        about = entry.text("about") if entry is not None else None
        rows.append(
            (link(f"{ROOT}lists.html#{anchor(name)}", text(f"@{name}")), text(about or f"{len(shared.ruleset.lists[name].values)} values"))
        )
    return table(("Name", "What it is"), rows)


def _overrides(shared: Shared, rule: Rule) -> str:
    rows = []
    for node in shared.files.overrides:
        said = {key.text: value.text for key, value in node if isinstance(value, Scalar)}
        if said.get("rule") != rule.name:
            continue
        changes = node.get("set")
        change = [f"{key.text} {getattr(value, 'text', '')}" for key, value in changes] if isinstance(changes, Block) else []
        change += [f"mode {said['mode']}"] if "mode" in said else []
        cells = (said.get("for", ""), ", ".join(change), said.get("until", ""), said.get("owner", ""), said.get("why", ""))
        rows.append([text(cell) for cell in cells])
    return table(("For", "Changes", "Until", "Owner", "Why"), rows)
