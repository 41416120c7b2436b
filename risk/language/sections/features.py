"""The `features` section: questions that profiles answer, checked against the events.

Conditions (`where`) are kept as scalars here; `risk.language.conditions` checks them once lists and macros are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from risk.declared import Aggregate, EventType, Feature, Field, FieldType, Window
from risk.language.condition import Fault
from risk.language.problems import did_you_mean, one_of
from risk.language.sections.events import common_fields
from risk.language.sections.keys import Keys, as_block, check_name, duration_ms
from risk.language.sections.policy import WINDOW_FORMS, Settings, read_window
from risk.language.source import Node, Problems, Scalar
from risk.language.values import Ago, described, value_of
from risk.money import Money

AGGREGATES = get_args(Aggregate)
FEATURE_KEYS = (*AGGREGATES, "of", "per", "over", "where", "read_with", "with_current", "counts", "ending", "if_none", "about")
OF_EVENTS = frozenset({"count", "since_last", "since_first"})  # their own value names the event; the others name a field
KEY_FIELDS_MAX = 4
KEY_KINDS = frozenset({"id", "text", "enum", "country", "money"})
NUMERIC = frozenset({"int", "number", "money", "duration"})
RETRACTABLE = ("count", "sum")
ORDERED = NUMERIC | {"time"}
AGGREGATED_KINDS: Mapping[str, frozenset[str]] = {
    "sum": NUMERIC,
    "avg": NUMERIC,
    "min": ORDERED,
    "max": ORDERED,
    "p95": NUMERIC,
    "distinct": frozenset({"id", "text", "enum", "country", "int", "money", "bool"}),
    "last": frozenset({"id", "text", "enum", "country", "int", "number", "money", "bool", "time", "duration"}),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A feature whose `where` is not checked yet."""

    feature: Feature
    where: Scalar | None
    key: Scalar


def read_features(
    entries: list[tuple[Scalar, Node]], types: Mapping[str, EventType], settings: Settings, problems: Problems
) -> dict[str, Draft]:
    drafts = {}
    common: dict[tuple[str, ...], dict[str, Field]] = {}
    for key, node in entries:
        if check_name(key, "feature", problems):
            draft = _FeatureText(key, node, types, settings, problems, common).read()
            if draft:
                drafts[key.text] = draft
    return drafts


class _FeatureText:
    """One feature's settings while they are read."""

    def __init__(
        self,
        key: Scalar,
        node: Node,
        types: Mapping[str, EventType],
        settings: Settings,
        problems: Problems,
        common: dict[tuple[str, ...], dict[str, Field]],
    ) -> None:
        self.key, self.node, self.types, self.settings, self.problems = key, node, types, settings, problems
        self.common = common  # fields that events share: the same few events are asked of again and again

    def read(self) -> Draft | None:
        block = as_block(self.node, f"feature `{self.key.text}`", self.problems)
        if block is None:
            return None
        before = self.problems.errors
        self.keys = Keys(block, f"feature `{self.key.text}`", FEATURE_KEYS, self.problems)
        agg = self._aggregate()
        if agg is None:
            return None
        of = self._events(agg)
        if not of:
            return None
        if not self._can_be_taken_back(agg, of):
            return None
        if of not in self.common:
            self.common[of] = common_fields(self.types, of)
        self.fields = self.common[of]
        field = None if agg in OF_EVENTS else self._aggregated(agg, of)
        per, entity = self._per(of)
        window = self._window(agg)
        if self.problems.errors > before or window is None:
            return None
        kind = _type_of(agg, field)
        value, has_value = self._if_none(kind)
        feature = Feature(
            name=self.key.text,
            agg=agg,
            of=of,
            field=field.name if field else None,
            per=per,
            read_with=self._read_with(per, entity),
            entity=entity,
            window=window,
            type=kind,
            with_current=self.keys.flag("with_current"),
            counts=cast('Literal["attempts", "passed"]', self.keys.word("counts", ("attempts", "passed"), "attempts")),
            ending_ms=self._ending(),
            if_none=value,
            has_if_none=has_value,
            place=self.key.place,
        )
        self._reservations(feature)
        return Draft(feature, self.keys.scalar("where"), self.key) if self.problems.errors == before else None

    def _aggregate(self) -> Aggregate | None:
        found = [name for name in AGGREGATES if name in self.keys]
        if len(found) == 1:
            return cast("Aggregate", found[0])
        if found:
            extra = self.keys.block.key(found[1])
            self.problems.error(
                "E301", extra, f"feature `{self.key.text}` asks two questions: `{found[0]}` and `{found[1]}`", "make two features of it"
            )
        else:
            self.problems.error(
                "E301", self.key, f"feature `{self.key.text}` does not say what it asks", f"write one of {one_of(AGGREGATES)}"
            )
        return None

    def _events(self, agg: Aggregate) -> tuple[str, ...]:
        key = "of" if agg not in OF_EVENTS else agg
        if key == agg and "of" in self.keys:
            self.problems.error("E301", self.keys.block.key("of"), f"`{agg}` itself names the event; `of` is for aggregates of a field")
        if key not in self.keys:
            self.keys.require("of", at=self.key, hint="`of:` names the event that is counted")
            return ()
        names = []
        for scalar in self.keys.scalars(key):
            if scalar.text not in self.types:
                self.problems.error("E226", scalar, f"unknown event `{scalar.text}`", did_you_mean(scalar.text, self.types))
            else:
                names.append(scalar.text)
        return tuple(names)

    def _can_be_taken_back(self, agg: Aggregate, of: tuple[str, ...]) -> bool:
        """A verdict that a newer one replaces is subtracted: only counts and sums can do so."""
        retracting = [name for name in of if self.types[name].retracts]
        if not retracting:
            return True
        if agg not in RETRACTABLE:
            hint = f"over `{retracting[0]}` write one of {one_of(RETRACTABLE)}"
            message = f"`{agg}` cannot be taken over `{retracting[0]}`, whose verdicts may be taken back"
            self.problems.error("E314", self.keys.block.key(agg), message, hint)
        elif len(of) > 1:
            message = f"`{retracting[0]}` is counted alone: its verdicts may be taken back, other events not"
            self.problems.error("E314", self.keys.block.key("of" if "of" in self.keys else agg), message, "make two features and add them")
        else:
            return True
        return False

    def _field(self, scalar: Scalar, of: tuple[str, ...]) -> Field | None:
        """A field of the counted event; common to all of them where there are several."""
        field = self.fields.get(scalar.text)
        if field is not None:
            return field
        lacking = [name for name in of if scalar.text not in self.types[name].fields]
        if len(lacking) == len(of):
            events = one_of(f"`{name}`" for name in of)
            self.problems.error("E303", scalar, f"`{scalar.text}` is not a field of {events}", did_you_mean(scalar.text, self.fields))
        elif lacking:
            self.problems.error(
                "E310",
                scalar,
                f"event `{lacking[0]}` has no field `{scalar.text}`",
                "a feature over several events uses what all of them have",
            )
        else:
            self.problems.error("E310", scalar, f"`{scalar.text}` is not of the same type in {one_of(f'`{name}`' for name in of)}")
        return None

    def _aggregated(self, agg: Aggregate, of: tuple[str, ...]) -> Field | None:
        scalar = self.keys.scalar(agg)
        field = self._field(scalar, of) if scalar else None
        if scalar is None or field is None:
            return None
        if field.type.kind not in AGGREGATED_KINDS[agg]:
            self.problems.error(
                "E304", scalar, f"`{agg}` cannot be taken of `{field.name}`, which is {described(field.type)}", _better(field, agg)
            )
        elif field.type.kind == "money" and field.type.currency is None and agg in ("sum", "avg", "min", "max", "p95"):
            what = {"sum": "a sum", "avg": "an average", "min": "a smallest", "max": "a largest", "p95": "a quantile"}[agg]
            message = f"`{field.name}` is in the currency of each payment; {what} over mixed currencies has no meaning"
            fixed = [f for f in self.fields.values() if f.type.kind == "money" and f.type.currency]
            near = [f for f in fixed if f.name.startswith(field.name)] or fixed
            self.problems.error("E309", scalar, message, f"use `{near[0].name}`, the same amount converted" if near else None)
        return field

    def _per(self, of: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if not self.keys.require(
            "per", at=self.key, hint="`per:` is whose profile is asked: `payer.id`, `card.id`, `[payer.id, device.id]`"
        ):
            return (), ()
        return self._key_fields("per", of, self.fields)

    def _key_fields(self, key: str, of: tuple[str, ...], fields: Mapping[str, Field]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        names, entity = [], []
        for scalar in self.keys.scalars(key):
            field = self._field(scalar, of)
            if field is None:
                continue
            if field.type.kind not in KEY_KINDS:
                self.problems.error(
                    "E307", scalar, f"`{field.name}` is {described(field.type)}; a profile is per id, text, enumeration, country or money"
                )
            elif field.name in names:
                self.problems.error("E307", scalar, f"`{field.name}` stands twice in `{key}`")
            names.append(field.name)
            entity.append(entity_word(field))
        if len(names) > KEY_FIELDS_MAX:
            self.problems.error(
                "E307", self.keys.block.key(key), f"a profile has at most {KEY_FIELDS_MAX} key fields, this one {len(names)}"
            )
        return tuple(names), tuple(entity)

    def _read_with(self, per: tuple[str, ...], entity: tuple[str, ...]) -> tuple[str, ...]:
        """The fields of the deciding event; every one must exist, with the entity of `per`, on some event that wants a decision."""
        deciding = [event for event in self.types.values() if event.decide]
        scalars = self.keys.scalars("read_with")
        if not scalars:
            for name, at in zip(per, self.keys.scalars("per"), strict=False):
                if deciding and not any(name in event.fields for event in deciding):
                    message = f"no event that wants a decision has `{name}`, so this feature can never be read"
                    self.problems.error("E308", at, message, "say `read_with:` and the field of the deciding event")
            return per
        if len(scalars) != len(per):
            message = f"`read_with` names {len(scalars)} fields, `per` {len(per)}"
            self.problems.error("E308", self.keys.block.key("read_with"), message, "one field of the deciding event for each key field")
        for scalar, name, word in zip(scalars, per, entity, strict=False):
            found = [event.fields[scalar.text] for event in deciding if scalar.text in event.fields]
            if not found:
                known = {field for event in deciding for field in event.fields}
                self.problems.error(
                    "E308", scalar, f"no event that wants a decision has a field `{scalar.text}`", did_you_mean(scalar.text, sorted(known))
                )
            elif entity_word(found[0]) != word:
                kept = f"{word} ids" if self.fields[name].type.kind == "id" else f"`{word}`"
                self.problems.error(
                    "E308", scalar, f"`{scalar.text}` is {described(found[0].type)}; this profile is kept per `{name}`, by {kept}"
                )
        return tuple(scalar.text for scalar in scalars)

    def _window(self, agg: Aggregate) -> Window | None:
        scalar = self.keys.scalar("over")
        if scalar is not None:
            return read_window(scalar, self.settings, self.problems)
        if agg in ("last", "since_last", "since_first"):
            return Window("lifetime")
        self.problems.error("E306", self.key, f"feature `{self.key.text}` needs `over:`, how far back it looks", WINDOW_FORMS)
        return None

    def _ending(self) -> int:
        scalar = self.keys.scalar("ending")
        if scalar is None:
            return 0
        length = duration_ms(scalar.text.removesuffix(" ago"))
        if length is None or not scalar.text.endswith(" ago"):
            self.problems.error("E305", scalar, f"`ending` is an age such as `1d ago`, not `{scalar.text}`")
        return length or 0

    def _if_none(self, kind: FieldType) -> tuple[Any, bool]:
        scalar = self.keys.scalar("if_none")
        if scalar is None:
            return None, False
        value = value_of(scalar.text, kind)
        if isinstance(value, Fault | Ago | Money):
            hint = value.hint if isinstance(value, Fault) else None
            self.problems.error("E312", scalar, f"`if_none` of this feature is {described(kind)}, not `{scalar.text}`", hint)
            return None, False
        return value, True

    def _reservations(self, feature: Feature) -> None:
        """`counts: passed` is about payments whose decision can release them, and about what they add up to."""
        if feature.counts == "attempts":
            return
        at = self.keys.block.key("counts")
        undecided = [name for name in feature.of if not self.types[name].decide]
        if undecided:
            self.problems.error("E313", at, f"`counts: passed` is for events that are decided; `{undecided[0]}` is not")
        elif feature.agg not in ("count", "sum"):
            self.problems.error("E313", at, f"`counts: passed` goes with count and sum, not with {feature.agg}")
        elif feature.ending_ms:
            self.problems.error("E313", at, "`counts: passed` cannot have `ending`: reservations are read as they stand")


def entity_word(field: Field) -> str:
    return field.type.entity or field.name if field.type.kind == "id" else field.name


def _type_of(agg: Aggregate, field: Field | None) -> FieldType:
    if agg in ("count", "distinct"):
        return FieldType("int")
    if agg in ("since_last", "since_first"):
        return FieldType("duration")
    assert field is not None
    if agg == "avg" and field.type.kind == "int":
        return FieldType("number")
    return replace(field.type)


def _better(field: Field, agg: str) -> str | None:
    return (
        f"count different ones with `distinct: {field.name}`"
        if agg == "sum" and field.type.kind in ("id", "text", "enum", "country")
        else None
    )
