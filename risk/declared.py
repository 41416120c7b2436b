"""What a rule set declares, as plain facts.

Rule 1: the language makes these values from files; profiles, learning, policy and engine read them.
Rule 2: nothing here computes, reads a file or knows a clock. A fact is checked before it is made and frozen after.

Units, everywhere: times are milliseconds since 1970-01-01 UTC, durations are milliseconds, money is whole minor units
(fen), shares are 0..1. A value that is *unknown* is ``None``; a value that is *never* (covered, nothing happened) is
``NEVER``, which is NaN: every comparison with it is false, as the language asks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NEVER = math.nan

Kind = Literal["text", "int", "number", "bool", "time", "duration", "country", "money", "id", "enum", "texts"]
Provenance = Literal["attested", "device", "typed"]
Aggregate = Literal["count", "sum", "avg", "min", "max", "p95", "distinct", "last", "since_last", "since_first"]
Mode = Literal["draft", "shadow", "live", "disabled"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written: a path inside the rule set, line and column from 1."""

    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class FieldType:
    """A type of the language. ``entity`` for ids, ``currency`` for fixed money (None: that of the event), ``values`` for enums."""

    kind: Kind
    entity: str | None = None
    currency: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event type.

    ``name`` as rules write it (``payer.id``); ``attr`` the attribute of the decoded event (``payer_id``);
    ``path`` where the producer's JSON has it, outermost key first; ``unit`` for times and durations sent as numbers
    ("ms" or "s"), None for RFC 3339 text; ``rotates``: every attempt brings another value, so different values tell nothing;
    ``derived``: the canonical text of what it is computed from; such a field is in no message, and its ``path`` is empty.
    """

    name: str
    attr: str
    type: FieldType
    path: tuple[str, ...]
    optional: bool = False
    unit: Literal["ms", "s"] | None = None
    source: Provenance | None = None
    currency_path: tuple[str, ...] | None = None
    place: Place | None = None
    rotates: bool = False
    derived: str | None = None


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type: its fields, whether it wants a decision, and the example that tests start from.

    ``retracts``: an event of it may take back an earlier one (a verdict that another replaced): it then counts -1.
    """

    name: str
    fields: Mapping[str, Field]
    decide: bool
    default: bool = False
    ignore: tuple[str, ...] = ()
    example: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None
    retracts: bool = False

    @property
    def sent(self) -> tuple[Field, ...]:
        """The fields that messages have: all but the derived ones."""
        return tuple(each for each in self.fields.values() if each.derived is None)


@dataclass(frozen=True, slots=True)
class Window:
    """How far back a feature looks: the last ``length_ms``, the calendar period of the event in ``zone``, or everything."""

    kind: Literal["sliding", "calendar", "lifetime"]
    length_ms: int = 0
    unit: Literal["day", "week", "month", "year"] | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """A question that a profile answers.

    ``of``: the event types counted; ``field``: what is aggregated (None for count and since_*); ``per``: the fields of
    the counted event that select the profile; ``read_with``: the fields of the deciding event that do; ``entity``: the
    kind of profile, one word for each key field (an id's entity, else the field's name); ``where``: canonical text of
    the condition on the counted event; ``ending_ms``: the window ends so long before the event; ``accept_from_ms``: from this
    event time on a window that is not covered is taken as it stands.
    """

    name: str
    agg: Aggregate
    of: tuple[str, ...]
    field: str | None
    per: tuple[str, ...]
    read_with: tuple[str, ...]
    entity: tuple[str, ...]
    window: Window
    type: FieldType
    where: str | None = None
    with_current: bool = False
    counts: Literal["attempts", "passed"] = "attempts"
    ending_ms: int = 0
    if_none: Any = None
    has_if_none: bool = False
    place: Place | None = None
    accept_from_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ListDecl:
    """A named list; ``values`` are what a field's decoded value is looked up among; ``version`` is a hash of them.

    ``until``: when (ms, event time) a value ends; one that is not in it stays for good. ``live``: changed by the topic of lists.
    """

    name: str
    type: FieldType
    values: frozenset[Any]
    version: str
    owner: str | None = None
    place: Place | None = None
    until: Mapping[Any, int] = field(default_factory=dict)
    live: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, all its keys checked. ``version`` is the hash of everything that can change its answer."""

    name: str
    title: str
    owner: str
    severity: str
    events: tuple[str, ...]
    mode: Mode
    when: str
    version: str
    params: Mapping[str, Any] = field(default_factory=dict)
    then: str | None = None
    unless_possible: str | None = None
    score: int = 0
    reasons: tuple[str, ...] = ()
    confidential: bool = False
    obligations: tuple[Mapping[str, Any], ...] = ()
    report: str | None = None
    message: str | None = None
    trust: bool = False
    final: bool = False
    rollout: float = 1.0
    rollout_by: str | None = None
    valid_from_ms: int | None = None
    valid_until_ms: int | None = None
    review_by: str | None = None
    priority: int = 0
    group: str | None = None
    on_missing: str = "skip"
    accept_from_ms: int | None = None
    control: str | None = None
    duty: str | None = None
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """What overrides make of a rule for one event. ``notes``: the overrides that hold, as a receipt tells them, strongest first."""

    params: Mapping[str, Any]
    mode: Mode
    notes: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Duty:
    """An obligation that the law, or an agreement, puts on us; rules name it by ``duty:``.

    ``number entity window action`` say it as its source does, as text; ``evidence`` how sure the source is; ``effective``: the
    first day (ISO date); ``elsewhere``: who meets it where no rule can, None where rules are to.
    """

    name: str
    title: str
    kind: str
    source: str
    evidence: tuple[str, ...]
    effective: str | None = None
    number: str | None = None
    entity: str | None = None
    window: str | None = None
    action: str | None = None
    elsewhere: str | None = None
    about: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """The control group. ``bands``: (from which amount on, share), ascending; ``cap``: money a Shanghai day; both in minor units."""

    bands: tuple[tuple[int, float], ...]
    cap: int
    currency: str


@dataclass(frozen=True, slots=True)
class Policy:
    """How hits and the score become one action. ``actions`` mild to strict; bands ascending by threshold."""

    actions: tuple[str, ...] = ("approve", "challenge", "review", "block")
    score_bands: tuple[tuple[int, str], ...] = ()
    model_bands: tuple[tuple[float, int], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    on_error: str = "review"
    on_late: str = "challenge"
    groups: Mapping[str, str] = field(default_factory=dict)
    covered_since_ms: int | None = None
    control: Control | None = None


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input of the model: an event field or a feature, and how it becomes numbers."""

    name: str
    encoding: Literal["number", "log", "category", "hour", "missing", "saturating"]
    half: float | None = None
    buckets: int = 0
    zone: str | None = None
    weight: float | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ModelDecl:
    """The ``model`` section: inputs in order, and a learner, or a formula that is given (fixed).

    ``challengers``: learners that score beside it; ``crosses``: pairs of inputs that matter together, by name; ``reasons``: the public
    reason of an input that raises the score.
    """

    name: str
    inputs: tuple[ModelInput, ...]
    learner: Literal["hybrid", "binned", "logistic", "fixed"]
    settings: Mapping[str, float] = field(default_factory=dict)
    bias: float = 0.0
    trains_on: tuple[str, ...] = ("claim", "police", "issuer", "chargeback", "review")
    decimals: int | None = None
    place: Place | None = None
    challengers: tuple[str, ...] = ()
    crosses: tuple[tuple[str, str], ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
