"""Reading the settings of one thing (a rule, a feature, an event) from its YAML mapping.

Rule 1: a key that is not in the table is an error with the nearest one that is.
Rule 2: every reader tells what was expected and gives its default back, so that reading goes on and one run tells everything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from risk.language.problems import did_you_mean, one_of
from risk.language.source import Block, Items, Node, Problems, Scalar

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
RULE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
NAME_CHARACTERS_MAX = 80
RESERVED = frozenset({"and", "or", "not", "in", "between", "is", "missing", "known", "true", "false"})
DURATION_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
DURATION = re.compile(r"(\d{1,9})([smhdw])\Z")


class Keys:
    """The settings in one mapping. ``owner`` names it in messages: "rule `m`"."""

    def __init__(self, block: Block, owner: str, allowed: Iterable[str], problems: Problems) -> None:
        self.block = block
        self.owner = owner
        self.problems = problems
        known = tuple(allowed)
        for key, _ in block:
            if key.text not in known:
                problems.error("E003", key, f"`{key.text}` is not a setting of {owner}", did_you_mean(key.text, known) or _list_of(known))

    def __contains__(self, key: str) -> bool:
        return key in self.block.entries

    def node(self, key: str) -> Node | None:
        return self.block.get(key)

    def require(self, *keys: str, at: Node, hint: str | None = None) -> bool:
        """Tell which of ``keys`` is missing; ``at`` is where the owner's name is written."""
        missing = [key for key in keys if key not in self.block.entries]
        for key in missing:
            self.problems.error("E007", at, f"{self.owner} needs `{key}:`", hint)
        return not missing

    def scalar(self, key: str) -> Scalar | None:
        node = self.block.get(key)
        if node is None or isinstance(node, Scalar):
            return node
        self.problems.error("E005", node, f"`{key}` is one value, not a {shape(node)}")
        return None

    def text(self, key: str, default: str | None = None) -> str | None:
        scalar = self.scalar(key)
        return scalar.text.strip() if scalar else default

    def scalars(self, key: str) -> list[Scalar]:
        """A list of values; one value alone is a list of one."""
        node = self.block.get(key)
        return one_or_more(node, key, self.problems) if node is not None else []

    def mapping(self, key: str) -> Block | None:
        node = self.block.get(key)
        return as_block(node, f"`{key}`", self.problems) if node is not None else None

    def flag(self, key: str, default: bool = False) -> bool:
        scalar = self.scalar(key)
        if scalar is None:
            return default
        if scalar.text not in ("true", "false"):
            self.problems.error("E009", scalar, f"`{key}` is true or false, not `{scalar.text}`")
            return default
        return scalar.text == "true"

    def whole(self, key: str, low: int, high: int, default: int = 0) -> int:
        scalar = self.scalar(key)
        if scalar is None:
            return default
        if not re.fullmatch(r"-?\d{1,18}", scalar.text) or not low <= int(scalar.text) <= high:
            self.problems.error("E009", scalar, f"`{key}` is a whole number from {low} to {high}, not `{scalar.text}`")
            return default
        return int(scalar.text)

    def number(self, key: str, default: float | None = None) -> float | None:
        scalar = self.scalar(key)
        return default if scalar is None else number(scalar, f"`{key}`", self.problems)

    def share(self, key: str, default: float) -> float:
        scalar = self.scalar(key)
        if scalar is None:
            return default
        found = percent(scalar.text)
        if found is None:
            self.problems.error("E009", scalar, f"`{key}` is a share such as `25%`, not `{scalar.text}`")
        return default if found is None else found

    def moment(self, key: str) -> int | None:
        """A date (midnight UTC) or a full RFC 3339 time, as milliseconds."""
        scalar = self.scalar(key)
        if scalar is None:
            return None
        found = moment_ms(scalar.text)
        if found is None:
            self.problems.error("E009", scalar, f"`{key}` is a date such as `2027-05-01`, not `{scalar.text}`")
        return found

    def duration(self, key: str, default: int = 0) -> int:
        scalar = self.scalar(key)
        if scalar is None:
            return default
        found = duration_ms(scalar.text)
        if found is None:
            self.problems.error("E009", scalar, f"`{key}` is a duration such as `24h`, not `{scalar.text}`")
        return found or default

    def word(self, key: str, choices: Sequence[str], default: str, code: str = "E009") -> str:
        scalar = self.scalar(key)
        if scalar is None:
            return default
        if scalar.text not in choices:
            self.problems.error(code, scalar, f"{key} is {one_of(choices)}, not `{scalar.text}`", did_you_mean(scalar.text, choices))
            return default
        return scalar.text


def _list_of(known: Sequence[str]) -> str | None:
    return f"it can have `{'`, `'.join(known)}`" if 0 < len(known) <= 8 else None


def shape(node: Node) -> str:
    return "list" if isinstance(node, Items) else "mapping" if isinstance(node, Block) else "single value"


def as_block(node: Node, what: str, problems: Problems) -> Block | None:
    if isinstance(node, Block):
        return node
    if isinstance(node, Scalar) and not node.text and not node.style:
        return Block(node.file, {}, node.start, node.end)
    problems.error("E005", node, f"{what} is a mapping of `key: value`, not a {shape(node)}")
    return None


def one_or_more(node: Node, what: str, problems: Problems) -> list[Scalar]:
    if isinstance(node, Scalar):
        return [node]
    if isinstance(node, Block):
        problems.error("E005", node, f"`{what}` is one value or a list of values, not a mapping")
        return []
    found = []
    for item in node.items:
        if isinstance(item, Scalar):
            found.append(item)
        else:
            problems.error("E005", item, f"an entry of `{what}` is one value, not a {shape(item)}")
    return found


def number(scalar: Scalar, what: str, problems: Problems) -> float | None:
    share = percent(scalar.text)
    if share is not None:
        return share
    if not re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?(e-?\d{1,3})?", scalar.text):
        problems.error("E009", scalar, f"{what} is a number, not `{scalar.text}`")
        return None
    found = float(scalar.text)
    if not math.isfinite(found):
        problems.error("E009", scalar, f"{what} is larger than any number that can be counted with: `{scalar.text}`")
        return None
    return found


def percent(text: str) -> float | None:
    """`25%` as 0.25; None where it is not a share from 0 to 100 percent."""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", text.strip())
    share = float(match[1]) / 100 if match else None
    return share if share is not None and share <= 1 else None


def duration_ms(text: str) -> int | None:
    match = DURATION.match(text.strip())
    return int(match[1]) * DURATION_MS[match[2]] if match else None


def moment_ms(text: str) -> int | None:
    """A date is its midnight in UTC; a time needs its offset. None where it is neither."""
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def check_name(key: Scalar, what: str, problems: Problems, pattern: re.Pattern[str] = NAME) -> bool:
    """A name that rules can write: letters, digits and `_`, no word of the language."""
    if not pattern.match(key.text) or len(key.text) > NAME_CHARACTERS_MAX:
        signs = "letters, digits and `_`" if pattern is NAME else "letters, digits, `_` and `-`"
        problems.error(
            "E008",
            key,
            f"`{key.text}` cannot be the name of a {what}",
            f"a name starts with a letter and has {signs}, at most {NAME_CHARACTERS_MAX}",
        )
        return False
    if key.text in RESERVED:
        problems.error("E008", key, f"`{key.text}` is a word of the condition language, so it cannot name a {what}")
        return False
    return True
