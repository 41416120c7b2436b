"""The tests of a rule as a table that a reviewer reads: what it shows, what happens, what is expected.

Never here: running tests.
"""

from __future__ import annotations

from risk.language.ruleset import Case
from risk.language.source import Block, Items, Node, Scalar
from risk.tools.site.html import code, table, text

CLOCK = ("event", "repeat", "every", "after", "at")


def tests_table(cases: tuple[Case, ...]) -> str:
    return table(("It", "Events", "Expected"), [(_title(case), _happens(case), _expected(case)) for case in cases], "tests")


def _title(case: Case) -> str:
    todo = f' <span class="badge">todo {text(case.todo)}</span>' if case.todo else ""
    return text(case.it) + todo


def _happens(case: Case) -> str:
    steps = [f'<span class="step">{_step(step)}</span>' for step in case.events]
    given = [f"{code(key.text)} {text(_said(value))}" for key, value in case.given or ()]
    return "".join([*([f'<span class="step soft">given {", ".join(given)}</span>'] if given else []), *steps])


def _step(step: Block) -> str:
    """`3 times payment_result, every 10s: outcome declined, device.id dev_9`."""
    clock = {key: _said(node) for key in CLOCK if (node := step.get(key)) is not None}
    head = ([f"{clock['repeat']} times"] if "repeat" in clock else []) + ([clock["event"]] if "event" in clock else [])
    when = [f"{key} {clock[key]}" for key in ("every", "after", "at") if key in clock]
    fields = [f"{code(key.text)} {text(_said(value))}" for key, value in step if key.text not in CLOCK]
    start = ", ".join([part for part in (" ".join(head), *when) if part])
    return f"{text(start)}{': ' if start and fields else ''}{', '.join(fields)}" or "an event like the example"


def _expected(case: Case) -> str:
    if isinstance(case.expect, Scalar):
        return _verdict(case.expect.text, True)
    said = []
    for key, value in case.expect:
        if key.text in ("fires", "silent", "unknown", "silent_all"):
            said.append(_verdict(key.text, _said(value) == "true"))
        elif key.text == "fires_on":
            numbers = _said(value)
            said.append(f'<span class="fires">fires on event {text(numbers)}</span>' if numbers else _verdict("silent_all", True))
        elif key.text == "values" and isinstance(value, Block):
            said += [f"{code(name.text)} {text(_said(each))}" for name, each in value]
        else:
            said.append(f"{text(key.text)} {text(_said(value))}")
    return ", ".join(said)


def _verdict(word: str, yes: bool) -> str:
    if not yes:
        return f"not {text(word)}"
    shown = {"silent_all": "silent throughout"}.get(word, word)
    return f'<span class="{word.removesuffix("_all")}">{text(shown)}</span>'


def _said(node: Node) -> str:
    if isinstance(node, Scalar):
        return node.text.strip()
    if isinstance(node, Items):
        return ", ".join(_said(item) for item in node.items)
    return ", ".join(f"{key.text} {_said(value)}" for key, value in node)
