"""What all pages of one site share: the rule set, its files as written, who uses what.

Never here: a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from risk.declared import Rule
from risk.language import RuleSet
from risk.tools.site.html import PAGES, anchor, link, page, text
from risk.tools.uses import Name, Uses
from risk.tools.wording import does_words
from risk.tools.written import Entry, Written


@dataclass(frozen=True, slots=True)
class Shared:
    """``pages``: those that the menu shows."""

    ruleset: RuleSet
    files: Written
    uses: Uses

    @property
    def pages(self) -> tuple[tuple[str, str], ...]:
        return tuple(each for each in PAGES if each[0] != "duties.html" or self.ruleset.duties)

    def page(self, title: str, body: str, here: str, root: str = "") -> str:
        return page(title, body, here, root, f"Rule set {self.ruleset.hash}", self.pages)

    def rule_link(self, name: str, root: str = "") -> str:
        rule = self.ruleset.rules.get(name)
        return link(f"{root}rules/{anchor(name)}.html", text(name), rule.title if rule is not None else "")

    def user_link(self, user: Name, root: str = "") -> str:
        """`rule burst` and the like, linked to its place."""
        kind, name = user
        match kind:
            case "rule":
                return self.rule_link(name, root)
            case "feature" | "macro":
                return link(f"{root}features.html#{anchor(name)}", text(name))
            case "model":
                return link(f"{root}policy.html#model", "the model")
            case "segment":
                return link(f"{root}lists.html#segments", text(f"segment {name}"))
        return text(f"{kind} {name}")

    def used_by(self, name: Name, root: str = "") -> str:
        return ", ".join(self.user_link(user, root) for user in self.uses.users.get(name, ())) or '<span class="soft">not used</span>'

    def entry(self, section: str, name: str) -> Entry | None:
        return self.files.of(section).get(name)


def badges(rule: Rule) -> str:
    said = [(rule.mode, rule.mode), (rule.severity, rule.severity)]
    said += [(word, word) for word in ("final", "confidential", "trust") if getattr(rule, word)]
    if rule.rollout < 1.0:
        said.append(("rollout", f"rollout {rule.rollout:.0%}"))
    return "".join(f'<span class="badge {text(kind)}">{text(word)}</span>' for kind, word in said)


def rule_rows(shared: Shared, rules: Iterable[Rule], root: str = "") -> list[list[str]]:
    """Rows of a table of rules: name and title, how it runs, what it does, owner, review."""
    return [
        [
            f'{shared.rule_link(rule.name, root)}<br><span class="small">{text(rule.title)}</span>',
            badges(rule),
            text(does_words(rule)),
            link(f"{root}owners.html#{anchor(rule.owner)}", text(rule.owner)) if rule.owner else "",
            f'<span class="small">{text(rule.review_by or "")}</span>',
        ]
        for rule in rules
    ]


RULE_HEADS = ("Rule", "Runs", "Does", "Owner", "Review by")
