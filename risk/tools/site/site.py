"""All files of the site: pages, pictures, the style sheet.

Never here: what a page says.
"""

from __future__ import annotations

from collections.abc import Iterable

from risk.declared import Rule
from risk.language import RuleSet
from risk.tools.site import overview
from risk.tools.site.conditions import reads
from risk.tools.site.graph import Picture, svg
from risk.tools.site.html import anchor, section
from risk.tools.site.rule_page import rule_page
from risk.tools.site.shared import Shared
from risk.tools.site.style import STYLE
from risk.tools.uses import Uses
from risk.tools.written import written

HEADS = ("events", "features and lists", "macros", "rules")


def site_of(ruleset: RuleSet) -> dict[str, str]:
    """Every file of the site, path to text."""
    files = written(ruleset)
    shared = Shared(ruleset, files, Uses(ruleset, files))
    found = {
        "style.css": STYLE,
        "index.html": overview.index(shared),
        "owners.html": overview.owners(shared),
        "reasons.html": overview.reasons(shared),
        "features.html": overview.features(shared),
        "lists.html": overview.lists(shared),
        "events.html": overview.events(shared),
        "policy.html": overview.policy(shared),
        "graph.html": _graph(shared),
    }
    if ruleset.duties:
        found["duties.html"] = overview.duties(shared)
    for rule in ruleset.rules.values():
        found[f"rules/{anchor(rule.name)}.html"] = rule_page(shared, rule, svg(picture(shared, [rule], "../")))
    return found


def _graph(shared: Shared) -> str:
    """The graph of names, one picture a file of rules."""
    by_file: dict[str, list[Rule]] = {}
    for rule in shared.ruleset.rules.values():
        by_file.setdefault(rule.place.path if rule.place else "", []).append(rule)
    body = ["<h1>Graph of names</h1>", "<p class=lead>What each rule rests on, file by file. Every box leads to its page.</p>"]
    body += [section(path, f'<div class="wide">{svg(picture(shared, rules, ""))}</div>', path) for path, rules in by_file.items()]
    return shared.page("Graph", "\n".join(body), "graph.html")


def picture(shared: Shared, rules: Iterable[Rule], root: str) -> Picture:
    """Events, features and lists, macros and rules, and who reads whom."""
    ruleset = shared.ruleset
    columns: list[dict[str, None]] = [{}, {}, {}, {}]
    edges: dict[tuple[str, str], None] = {}
    links: dict[str, str] = {}
    classes: dict[str, str] = {}
    shown: dict[str, str] = {}
    for rule in rules:
        features, macros, lists = reads(ruleset, rule.when)
        top = f"rule {rule.name}"
        columns[3][top] = None
        links[top], classes[top], shown[top] = f"{root}rules/{anchor(rule.name)}.html", f"rule {rule.mode}", rule.name
        for user, node in [(("rule", rule.name), top), *((("macro", name), f"macro {name}") for name in macros)]:
            for kind, name in sorted(shared.uses.reads.get(user, ())):
                if kind in ("feature", "list", "macro"):
                    edges[f"{kind} {name}", node] = None
        for name in macros:
            columns[2][f"macro {name}"] = None
            links[f"macro {name}"], shown[f"macro {name}"] = f"{root}features.html#{anchor(name)}", name
        for name in lists:
            columns[1][f"list {name}"] = None
            links[f"list {name}"], shown[f"list {name}"] = f"{root}lists.html#{anchor(name)}", f"@{name}"
        for name in features:
            columns[1][f"feature {name}"] = None
            links[f"feature {name}"], shown[f"feature {name}"] = f"{root}features.html#{anchor(name)}", name
            for event in ruleset.features[name].of:
                columns[0][f"event {event}"] = None
                links[f"event {event}"], shown[f"event {event}"] = f"{root}events.html#{anchor(event)}", event
                edges[f"event {event}", f"feature {name}"] = None
    return Picture(HEADS, [list(column) for column in columns], list(edges), links, classes, shown)
