"""The `duties` section: obligations that rules serve, each with its source and how sure that source is.

Belongs here: reading the table. Never: which rule serves what (`risk.duties`), and whether a rule's `duty:` is known (`checks/duties`).
"""

from __future__ import annotations

import re

from risk.declared import Duty
from risk.language.problems import did_you_mean, one_of
from risk.language.sections.keys import RULE_NAME, Keys, as_block, check_name, moment_ms
from risk.language.source import Node, Problems, Scalar

DUTY_KEYS = (
    "title", "kind", "source", "evidence", "effective", "number", "entity", "window", "action", "elsewhere", "about",
)  # fmt: skip
KINDS = ("limit", "report", "list", "merchant", "account", "credit")
EVIDENCE = ("P", "S2", "S1", "S?", "KH", "KM", "KL")
"""Primary text; two or more, one, or one poor secondary source; general knowledge with high, medium, low confidence."""


def read_duties(entries: list[tuple[Scalar, Node]], problems: Problems) -> dict[str, Duty]:
    duties = {}
    for key, node in entries:
        if check_name(key, "duty", problems, RULE_NAME):
            block = as_block(node, f"duty `{key.text}`", problems)
            if block is not None:
                duties[key.text] = _duty(key, Keys(block, f"duty `{key.text}`", DUTY_KEYS, problems), problems)
    return duties


def _duty(key: Scalar, keys: Keys, problems: Problems) -> Duty:
    keys.require("title", "kind", "source", "evidence", at=key)
    effective = keys.scalar("effective")
    if effective is not None and not (re.fullmatch(r"\d{4}-\d{2}-\d{2}", effective.text) and moment_ms(effective.text) is not None):
        problems.error("E009", effective, f"`effective` is a date such as `2018-04-01`, not `{effective.text}`")
    return Duty(
        name=key.text,
        title=keys.text("title") or "",
        kind=keys.word("kind", KINDS, KINDS[0]),
        source=keys.text("source") or "",
        evidence=_evidence(keys, problems),
        effective=effective.text if effective is not None else None,
        number=keys.text("number"),
        entity=keys.text("entity"),
        window=keys.text("window"),
        action=keys.text("action"),
        elsewhere=keys.text("elsewhere"),
        about=keys.text("about"),
        place=key.place,
    )


def _evidence(keys: Keys, problems: Problems) -> tuple[str, ...]:
    tags = []
    for scalar in keys.scalars("evidence"):
        if scalar.text in EVIDENCE:
            tags.append(scalar.text)
        else:
            hint = did_you_mean(scalar.text, EVIDENCE) or "`P` is primary text, `S` secondary sources, `K` general knowledge"
            problems.error("E009", scalar, f"evidence is {one_of(EVIDENCE)}, not `{scalar.text}`", hint)
    return tuple(tags)
