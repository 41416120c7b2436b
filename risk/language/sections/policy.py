"""The `policy` section: how hits and the score become one action."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast
from zoneinfo import ZoneInfo

from risk.declared import Control, FieldType, Policy, Window
from risk.language.condition import Fault, literal
from risk.language.problems import did_you_mean, one_of
from risk.language.sections.keys import Keys, as_block, check_name, duration_ms, percent
from risk.language.source import Block, Items, Node, Problems, Scalar, where

POLICY_KEYS = ("actions", "score_bands", "model", "settings", "on_error", "on_late", "groups", "covered_since", "control")
ACTIONS = Policy().actions
PICKS = ("first_by_priority",)
SCORE_MAX = 100
CONTROL_KEYS = ("bands", "cap")
SHARE_MAX = 0.5
WINDOW_FORMS = "write `10m`, `24h`, `30d`, `calendar day in Asia/Shanghai` (or week, month, year), or `lifetime`"


@dataclass(frozen=True, slots=True)
class Settings:
    """The policy's settings as written, for features (`over: $year`) and conditions (`$uplift`)."""

    scalars: Mapping[str, Scalar] = field(default_factory=dict)
    types: Mapping[str, FieldType] = field(default_factory=dict)  # those that conditions may read


def read_policy(blocks: list[tuple[Scalar, Node]], problems: Problems) -> tuple[Policy, Settings]:
    """``blocks`` are the keys of all `policy` sections together, each once."""
    if not blocks:
        return Policy(), Settings()
    first = blocks[0][0]
    block = Block(first.file, {key.text: (key, node) for key, node in blocks}, first.start, first.end)
    keys = Keys(block, "the policy", POLICY_KEYS, problems)
    actions = tuple(scalar.text for scalar in keys.scalars("actions")) or ACTIONS
    if len(set(actions)) < len(actions):
        problems.error("E431", block.key("actions"), "an action stands twice in `actions`")
    settings, values = _settings(keys, problems)
    groups = {}
    for key, node in keys.mapping("groups") or ():
        group = as_block(node, f"group `{key.text}`", problems)
        if group is not None:
            groups[key.text] = Keys(group, f"group `{key.text}`", ("pick",), problems).word("pick", PICKS, PICKS[0])
    policy = Policy(
        actions=actions,
        score_bands=_score_bands(keys, actions, problems),
        model_bands=_model_bands(keys, problems),
        settings=values,
        on_error=_action(keys, "on_error", actions, Policy().on_error, problems),
        on_late=_action(keys, "on_late", actions, Policy().on_late, problems),
        groups=groups,
        covered_since_ms=keys.moment("covered_since"),
        control=_control(keys, problems),
    )
    return policy, settings


def _action(keys: Keys, key: str, actions: tuple[str, ...], default: str, problems: Problems) -> str:
    scalar = keys.scalar(key)
    if scalar is None:
        return default if default in actions else actions[-1]
    return check_action(scalar, actions, problems) or default


def check_action(scalar: Scalar, actions: tuple[str, ...], problems: Problems) -> str | None:
    if scalar.text in actions:
        return scalar.text
    problems.error(
        "E403", scalar, f"`{scalar.text}` is not an action", did_you_mean(scalar.text, actions) or f"actions are {one_of(actions)}"
    )
    return None


def _bands(node: Node | None, names: tuple[str, str], problems: Problems) -> list[tuple[Scalar, Scalar]]:
    """The two scalars of each band, in the order written."""
    if node is None:
        return []
    if not isinstance(node, Items):
        problems.error("E005", node, "bands are a list of " + "{" + f"{names[0]}: ..., {names[1]}: ..." + "}")
        return []
    found = []
    for item in node.items:
        block = as_block(item, "a band", problems)
        if block is None:
            continue
        keys = Keys(block, "a band", names, problems)
        low, high = keys.scalar(names[0]), keys.scalar(names[1])
        if keys.require(*names, at=block) and low is not None and high is not None:
            found.append((low, high))
    return found


def _score_bands(keys: Keys, actions: tuple[str, ...], problems: Problems) -> tuple[tuple[int, str], ...]:
    bands: list[tuple[int, str, Scalar]] = []
    for score, then in _bands(keys.node("score_bands"), ("score", "then"), problems):
        action = check_action(then, actions, problems)
        if not re.fullmatch(r"\d{1,3}", score.text) or int(score.text) > SCORE_MAX:
            problems.error("E009", score, f"a score is a whole number from 0 to {SCORE_MAX}, not `{score.text}`")
        elif action is not None:
            bands.append((int(score.text), action, score))
    bands.sort(key=lambda band: band[0])
    for (low, mild, first), (high, strict, second) in pairwise(bands):
        if low == high:
            problems.error("E432", second, f"two bands start at a score of {high}", f"the other is at {where(first)}")
        elif actions.index(strict) < actions.index(mild):
            message = f"a score of {high} gives `{strict}`, which is milder than `{mild}` from {low} on"
            problems.error("E432", second, message, f"only the highest band reached counts: let {high} give `{mild}` or stricter")
    return tuple((score, action) for score, action, _ in bands)


def _model_bands(keys: Keys, problems: Problems) -> tuple[tuple[float, int], ...]:
    block = keys.mapping("model")
    if block is None:
        return ()
    inner = Keys(block, "`model` of the policy", ("bands",), problems)
    bands: list[tuple[float, int, Scalar]] = []
    for score, points in _bands(inner.node("bands"), ("score", "points"), problems):
        share = percent(score.text)
        if share is None and re.fullmatch(r"0?\.\d{1,9}|[01](\.0{1,9})?|0\.\d{1,9}", score.text):
            share = float(score.text)
        if share is None:
            problems.error("E009", score, f"a model score is a probability such as `2%` or `0.02`, not `{score.text}`")
        elif not re.fullmatch(r"\d{1,3}", points.text) or int(points.text) > SCORE_MAX:
            problems.error("E009", points, f"points are a whole number from 0 to {SCORE_MAX}, not `{points.text}`")
        else:
            bands.append((share, int(points.text), score))
    bands.sort(key=lambda band: band[0])
    for (low, few, first), (high, many, second) in pairwise(bands):
        if low == high or many < few:
            message = "two bands start at the same score" if low == high else f"a higher score gives fewer points: {many} after {few}"
            problems.error("E432", second, message, f"the band before is at {where(first)}")
    return tuple((share, points) for share, points, _ in bands)


def _control(keys: Keys, problems: Problems) -> Control | None:
    """The control group: shares by amount, and what it may cost a day."""
    block = keys.mapping("control")
    if block is None:
        return None
    inner = Keys(block, "`control` of the policy", CONTROL_KEYS, problems)
    if not inner.require(*CONTROL_KEYS, at=keys.block.key("control")):
        return None
    cap = _money(inner.scalar("cap"), problems)
    bands: list[tuple[int, float]] = []
    for amount, said in _bands(inner.node("bands"), ("amount", "share"), problems):
        low, share = _money(amount, problems), percent(said.text)
        if share is None or share > SHARE_MAX:
            problems.error("E009", said, f"a share is a percentage from 0% to {SHARE_MAX:.0%}, not `{said.text}`")
        elif low is not None and cap is not None and low[1] != cap[1]:
            problems.error("E431", amount, f"the bands and the cap of a control group are in one currency, not {low[1]} and {cap[1]}")
        elif low is not None and bands and low[0] <= bands[-1][0]:
            problems.error("E431", amount, "bands go up from one amount to the next")
        elif low is not None:
            bands.append((low[0], share))
    return Control(tuple(bands), cap[0], cap[1]) if cap is not None else None


def _money(scalar: Scalar | None, problems: Problems) -> tuple[int, str] | None:
    """Minor units and currency."""
    if scalar is None:
        return None
    found = literal(scalar.text, None)
    if isinstance(found, Fault) or found[1].kind != "money" or found[1].currency is None:
        problems.error("E009", scalar, f"expected an amount such as `CNY 500.00`, not `{scalar.text}`")
        return None
    return int(found[0]), found[1].currency


def _settings(keys: Keys, problems: Problems) -> tuple[Settings, dict[str, Any]]:
    scalars: dict[str, Scalar] = {}
    types: dict[str, FieldType] = {}
    values: dict[str, Any] = {}
    for key, node in keys.mapping("settings") or ():
        if not check_name(key, "setting", problems):
            continue
        if not isinstance(node, Scalar):
            problems.error("E005", node, f"setting `{key.text}` is one value")
            continue
        scalars[key.text] = node
        if node.text.startswith("calendar ") or node.text == "lifetime":
            values[key.text] = read_window(node, Settings(), problems)
            continue
        found = literal(node.text, None)
        if isinstance(found, Fault):
            problems.inside(found.code, node, found.start, found.end, found.message, found.hint)
        else:
            values[key.text], types[key.text] = found
    return Settings(scalars, types), values


def read_window(scalar: Scalar, settings: Settings, problems: Problems) -> Window | None:
    """`10m`, `calendar month in Asia/Shanghai`, `lifetime`, or `$name` of a setting of the policy."""
    text = scalar.text.strip()
    if text.startswith("$"):
        setting = settings.scalars.get(text[1:])
        if setting is None:
            hint = did_you_mean(text[1:], settings.scalars) or "declare it under `settings:` of the policy"
            problems.error("E305", scalar, f"unknown setting `{text}`", hint)
            return None
        return None if setting.text.startswith("$") else read_window(setting, Settings(), problems)
    if text == "lifetime":
        return Window("lifetime")
    length = duration_ms(text)
    if length:
        return Window("sliding", length)
    match = re.fullmatch(r"calendar\s+(\S+)(?:\s+in\s+(\S+))?", text)
    if not match:
        hint = f"`{text}` lacks a unit: `{text}m`, `{text}h` or `{text}d`" if text.isdigit() else WINDOW_FORMS
        problems.error("E305", scalar, f"`{text}` is not a window of time", hint)
        return None
    if match[1] not in ("day", "week", "month", "year"):
        problems.error(
            "E305",
            scalar,
            f"a calendar window is a day, week, month or year, not `{match[1]}`",
            did_you_mean(match[1], ("day", "week", "month", "year")),
        )
        return None
    if match[2] is None:
        problems.error("E305", scalar, "a calendar window needs a time zone", f"write `{text} in Asia/Shanghai`")
        return None
    if not is_zone(match[2]):
        problems.error("E225", scalar, f"unknown time zone `{match[2]}`", "write it as in `Asia/Shanghai`, or `UTC`")
        return None
    return Window("calendar", 0, cast("Any", match[1]), match[2])


def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


__all__ = ["Settings", "check_action", "is_zone", "read_policy", "read_window"]
