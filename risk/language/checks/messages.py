"""E430: what stands in `{...}` in a rule's message is a name or a parameter that the rule can read."""

from __future__ import annotations

from risk.language.condition import Scope
from risk.language.problems import did_you_mean
from risk.language.render import PLACEHOLDER
from risk.language.sections.rules import RuleDraft
from risk.language.source import Problems


def check(draft: RuleDraft, scope: Scope, problems: Problems) -> set[str]:
    """Tell unknown names in the message; the names that it uses."""
    if draft.message is None:
        return set()
    used = set()
    text = draft.message.text
    for found in PLACEHOLDER.finditer(text):
        name = found[1]
        if name in scope.names or name.lstrip("$") in scope.params:
            used.add(name.lstrip("$"))
        else:
            hint = did_you_mean(name, [*scope.names, *scope.params])
            problems.inside(
                "E430", draft.message, found.start(), found.end(), f"`{name}` in the message is not a name that this rule can read", hint
            )
    rest = PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        problems.error("E430", draft.message, "a bracket of the message is not closed", "write `{name}`")
    return used
