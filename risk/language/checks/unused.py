"""W302, W303, W312, W307: names that nothing reads: macros, lists, features, parameters, segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from risk.language.source import Problems, Scalar


@dataclass(slots=True)
class Used:
    """What conditions, the model, overrides and messages read."""

    names: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)
    params: dict[str, set[str]] = field(default_factory=dict)


def check(keys: Mapping[str, Iterable[Scalar]], params: Mapping[str, Iterable[Scalar]], used: Used, problems: Problems) -> None:
    """``keys``: where the names of each kind are written; ``params``: those of each rule."""
    for what, code, read in (
        ("macro", "W302", used.names),
        ("list", "W303", used.lists),
        ("feature", "W307", used.names),
        ("segment", "W302", used.segments),
    ):
        for key in keys.get(what, ()):
            if key.text not in read:
                hint = {"feature": "every counted feature costs memory; remove it, or let a rule or the model read it"}.get(
                    what, "remove it"
                )
                problems.warning(code, key, f"{what} `{key.text}` is not used", hint)
    for rule, written in params.items():
        unread = [key for key in written if key.text not in used.params.get(rule, set())]
        for key in unread:
            problems.warning(
                "W312", key, f"parameter `{key.text}` of rule `{rule}` is not used", f"write `${key.text}` in the condition, or remove it"
            )
