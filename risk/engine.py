"""Plan, observe, decide: the one place where rules, profiles, model and policy meet.

Rule 1: three pure calls, used unchanged by the stream, the tests in rule files, the simulator and the replay.
Rule 2: no clock and no I/O: time is the event's own. Who calls owns the profiles and decides where they live.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from risk.decided import DECISION
from risk.decisions import AS_WRITTEN, Outcome, Writer, rule_fragment
from risk.declared import Rule
from risk.events import Event
from risk.labelled import LABEL, Joining, Labelled, Payments
from risk.language import Judge, RuleSet
from risk.learning import Inputs, Version, scorer
from risk.lists import Entry, versions_of
from risk.policy import UNCHANGED, Weighing
from risk.profiles import DOUBTS, Bounded, BoundedNumber, Layout, Profile, Touch, coverage_keys

RELEASING_OUTCOMES = frozenset({"declined", "reversed", "expired"})
NOTHING: Mapping[str, str] = {}
GAVE_UP = "gave_up"
"""Why a value is unknown of a payment that crashed whoever worked on it."""
JOINED_LABEL = "label, joined"
"""Name of the plan of labels with their payments: no event type that a file declares can have it."""
RESTORING_OUTCOMES = frozenset({"approved"})


def payment_tid(payment_id: str) -> int:
    """The 63-bit identity of a payment's rows in every profile."""
    return int.from_bytes(hashlib.blake2b(payment_id.encode(), digest_size=8).digest(), "big") >> 1


def decision_tid(payment_id: str) -> int:
    """The identity of the rows that the decision on a payment leaves: not those of the payment itself."""
    return payment_tid(f"{DECISION}\x1f{payment_id}")


class Plan:
    """What one event type does: the touches it makes, the values these answer, and how they are judged."""

    def __init__(self, ruleset: RuleSet, layout: Layout, event: str) -> None:
        self.event = event
        self.decide = ruleset.event_types[event].decide
        self.touches: tuple[Touch, ...] = layout.touches.get(event, ())
        # (key, row) of every touch, in one generated call; a key is None where the event lacks one of its fields
        self.route = layout.routes[event]
        self.names: tuple[str, ...] = tuple(name for touch in self.touches for name in touch.features)
        self.slots = {name: i for i, name in enumerate(self.names)}
        ends = list(accumulate(len(touch.features) for touch in self.touches))
        # where the answers of each touch stand among the values
        self.slices = tuple(slice(end - len(touch.features), end) for touch, end in zip(self.touches, ends, strict=True))
        self.quotas = tuple(touch for touch in self.touches if touch.passed)
        self.judge: Judge | None = None
        self.rules: tuple[Rule, ...] = ()
        self.weighing: Weighing | None = None
        self.score: Callable[[Event, Sequence[Any]], tuple[float | None, Inputs | None]] | None = None
        if self.decide:
            self.judge = ruleset.judge(event, self.slots)
            self.rules = self.judge.rules
            self.weighing = Weighing(ruleset.policy, self.rules)
        fields = ruleset.event_types[event].fields
        self._rollout = [
            fields[r.rollout_by].attr if r.rollout < 1.0 and r.rollout_by is not None and r.rollout_by in fields else None
            for r in self.rules
        ]
        self.any_rollout = any(self._rollout)
        self.has_stepup = "stepup_available" in fields
        self.says = any(rule.message for rule in self.rules)

    def rollout_keys(self, e: Event) -> list[str | None]:
        return [None if attr is None or getattr(e, attr) is None else str(getattr(e, attr)) for attr in self._rollout]

    def untouching(self) -> Plan:
        """The plan of the same event type without its touches."""
        other = copy.copy(self)
        other.touches, other.names, other.slots, other.slices, other.quotas, other.route = (), (), {}, (), (), lambda _: ()
        return other


class Engine:
    """A rule set made ready to decide. ``since``: for each series the time from which it was kept (0: always).

    The policy's `covered_since` says the same of all of them: whichever is later holds.
    """

    def __init__(self, ruleset: RuleSet, version: Version | None = None, since: Mapping[str, int] | None = None) -> None:
        self.ruleset = ruleset
        self.schema = ruleset.schema
        types = ruleset.event_types
        reads = {name: ruleset.reads(name) if kind.decide else () for name, kind in types.items()}
        kept, since = ruleset.kept(), dict(since or {})
        covered = ruleset.policy.covered_since_ms
        if covered is not None:
            since |= {key: max(covered, since.get(key, 0)) for feature in kept.values() for key in coverage_keys(feature)}
        self._always_covered = not since
        self.layout = Layout(kept, types, reads, ruleset.predicate, since)
        self.plans: dict[str, Plan] = {name: Plan(ruleset, self.layout, name) for name in types}
        self.version: Version | None = None
        self.use(version)
        self.writer = Writer(
            ruleset.hash,
            versions_of(ruleset.lists, ruleset.live_lists),
            {name: rule_fragment(rule) for name, rule in ruleset.rules.items()},
            ruleset.model.reasons if ruleset.model is not None else None,
        )
        self._quota_roles = self._unique_quotas()
        # what a decision does to profiles: None where no feature counts decisions
        counted = self.plans.get(DECISION)
        self.decisions: Plan | None = counted if counted is not None and counted.touches else None
        self.decided: Callable[[Event, str], Any] = ruleset.decided
        # what a label does to profiles, once it is joined to its payment: None where no feature counts labels
        self.labels: Plan | None = None
        self.joining: Joining | None = ruleset.joining
        if self.joining is not None:
            self._part_labels()

    def _part_labels(self) -> None:
        """A label as it is sent touches nothing; what touches is the label with its payment, whose plan has a name of its own."""
        joined = self.plans[LABEL]
        self.plans[LABEL] = joined.untouching()
        if joined.touches:
            self.labels = self.plans[JOINED_LABEL] = joined

    def use(self, version: Version | None) -> None:
        """From now on score with this version of the model (None: no score)."""
        self.version = version
        model = self.ruleset.model
        if model is None:
            return
        for plan in self.plans.values():
            if plan.decide:
                plan.score = scorer(model, self.schema.types[plan.event], plan.slots, version)

    def change_lists(self, entries: Iterable[Entry]) -> None:
        """Between two decisions: lists with `source: topic` are as these entries say from now on; receipts name their new versions."""
        for entry in entries:
            self.ruleset.live_lists[entry.name].change(entry.value, entry.changes)
        self.lists_changed()

    def lists_changed(self) -> None:
        """Receipts name the lists as they are now."""
        self.writer.use_lists(versions_of(self.ruleset.lists, self.ruleset.live_lists))

    def decide(
        self,
        plan: Plan,
        e: Event,
        values: Sequence[Any],
        late_touches: Sequence[int] = (),
        given_score: float | None = None,
        *,
        complete: bool = False,
    ) -> Outcome:
        """Judge a payment by the values its profiles answered; None among them is unknown.

        ``late_touches``: indexes of touches whose answer did not come in time: the decision is then degraded.
        ``complete``: every profile was there to answer, so that only a value not yet covered can be unknown.
        """
        assert plan.judge is not None and plan.weighing is not None
        covered = complete and self._always_covered and not DOUBTS.withheld
        unknown = self._causes(plan, e, values, late_touches) if not covered and None in values else NOTHING
        failed, score, inputs = False, given_score, None
        if given_score is None and plan.score is not None:
            try:
                score, inputs = plan.score(e, values)
            except Exception:  # noqa: BLE001 - ours to answer for: the policy says what an error does
                failed = True
        held = AS_WRITTEN
        try:
            fired, undecided = plan.judge(e, values, score)
            if plan.judge.overridden:
                held = plan.judge.in_force((*fired, *undecided), e, values, score)
        except Exception:  # noqa: BLE001 - as above
            failed = True
            fired, undecided = self._one_by_one(plan, e, values, score)
        ruling = plan.weighing.rule_on(
            fired,
            undecided,
            score,
            rollout_keys=plan.rollout_keys(e) if plan.any_rollout else (),
            stepup_possible=plan.has_stepup and e.stepup_available is True,
            degraded=bool(late_touches),
            failed=failed,
            modes={i: each.mode for i, each in held.items()} if held else UNCHANGED,
        )
        late = bool(late_touches)
        outcome = Outcome(ruling, plan.rules, plan.names, values, unknown, fired, undecided, score, inputs, late, failed, held)
        if DOUBTS.bounded:
            outcome.bounds = {name: v.bound for name, v in zip(plan.names, values, strict=True) if isinstance(v, Bounded | BoundedNumber)}
        if plan.says and (ruling.acting or ruling.would_be):
            outcome.messages = {
                i: plan.judge.message(i, e, values, score, held.get(i)) for i in (*ruling.acting, *ruling.would_be) if plan.rules[i].message
            }
        return outcome

    def give_up(self, plan: Plan, e: Event) -> Outcome:
        """The policy's ``on_error``, for a payment that nothing else may be asked about: no profile, no rule, no model."""
        assert plan.weighing is not None
        ruling = plan.weighing.rule_on((), (), None, stepup_possible=plan.has_stepup and e.stepup_available is True, failed=True)
        nothing: list[Any] = [None] * len(plan.names)
        return Outcome(ruling, plan.rules, plan.names, nothing, dict.fromkeys(plan.names, GAVE_UP), [], [], failed=True)

    def _causes(self, plan: Plan, e: Event, values: Sequence[Any], late_touches: Sequence[int]) -> dict[str, str]:
        causes: dict[str, str] = {}
        i = 0
        for index, touch in enumerate(plan.touches):
            cause = "late" if index in late_touches else "no_key" if touch.key(e) is None else "cold"
            for name in touch.features:
                if values[i] is None:
                    causes[name] = "bounded" if cause == "cold" and name in DOUBTS.withheld else cause
                i += 1
        DOUBTS.withheld.clear()
        return causes

    def _one_by_one(self, plan: Plan, e: Event, values: Sequence[Any], score: float | None) -> tuple[list[int], list[int]]:
        """When a rule raised: the others still count; the one that raised is undecided."""
        assert plan.judge is not None
        fired: list[int] = []
        undecided: list[int] = []
        for i in range(len(plan.rules)):
            try:
                answer = plan.judge.one(i, e, values, score)
            except Exception:  # noqa: BLE001 - ours to answer for: the policy says what an error does
                answer = None
            if answer:
                fired.append(i)
            elif answer is None:
                undecided.append(i)
        return fired, undecided

    def _unique_quotas(self) -> tuple[Touch, ...]:
        """The quota touches of all payment types, one for each role: a result does not say which type it settles."""
        roles: dict[str, Touch] = {}
        for plan in self.plans.values():
            for touch in plan.quotas if plan.decide else ():
                roles.setdefault(touch.role, touch)
        return tuple(roles.values())

    def settlements(self, result: Event) -> Iterator[tuple[str, str, str, bool]]:
        """What a payment's result does to quota: (kind, key, payment id, released?) for each profile that holds some."""
        outcome = getattr(result, "outcome", None)
        released = outcome in RELEASING_OUTCOMES
        if not released and outcome not in RESTORING_OUTCOMES:
            return
        for touch in self._quota_roles:
            parts = [getattr(result, name.replace(".", "_"), None) for name in touch.role.split("+")]
            if all(part is not None for part in parts):
                yield touch.kind, "\x1f".join(str(part) for part in parts), result.payment_id, released


class InProcess:
    """The whole engine in memory, one event at a time, in the order given: for tests in rule files, reports and replay."""

    def __init__(self, ruleset: RuleSet, version: Version | None = None) -> None:
        self.engine = Engine(ruleset, version)
        self.profiles: dict[tuple[str, str], Profile] = {}
        self._events = 0
        self.payments = Payments(self.engine.joining) if self.engine.labels is not None and self.engine.joining is not None else None

    def forget(self) -> None:
        """Begin anew: no profile, no payment."""
        self.profiles = {}
        if self.payments is not None:
            self.payments = Payments(self.payments.joining)

    def profile(self, kind: str, key: str) -> Profile:
        found = self.profiles.get((kind, key))
        if found is None:
            found = self.profiles[kind, key] = self.engine.layout.profile(kind)
        return found

    def feed(self, e: Event, given: Mapping[str, Any] | None = None, score: float | None = None) -> Outcome | None:
        """Observe one event and, if it wants a decision, decide it; a refused payment gives back the quota it reserved.

        ``given`` sets values by name, as tests in rule files do; ``score`` sets the model's score.
        """
        plan = self.engine.plans[e.event_type]
        self._events += 1
        tid = payment_tid(e.payment_id) if plan.decide else self._events
        values: list[Any] = []
        for touch, (key, row) in zip(plan.touches, plan.route(e), strict=True):
            if key is None:
                values.extend([None] * len(touch.features))
            else:
                values.extend(touch.observe(self.profile(touch.kind, key), e.occurred_at, row, tid))
        if e.event_type == "payment_result":
            self._settle(e)
        elif e.event_type == LABEL and self.payments is not None:
            self._enter(self.payments.label(e))
        if not plan.decide:
            return None
        for name, value in (given or {}).items():
            if name in plan.slots:
                values[plan.slots[name]] = value
        outcome = self.engine.decide(plan, e, values, given_score=score)
        if plan.quotas and outcome.action != self.engine.ruleset.policy.actions[0]:
            for touch in plan.quotas:
                key = touch.key(e)
                if key is not None:
                    self.profile(touch.kind, key).release(tid)
        if self.engine.decisions is not None:
            self._remember(self.engine.decisions, e, outcome.action)
        if self.payments is not None:
            self._enter(self.payments.payment(e, outcome.action))
        return outcome

    def _remember(self, decisions: Plan, e: Event, action: str) -> None:
        """Enter a decision into the profiles that count decisions, at the payment's own time."""
        tid = decision_tid(e.payment_id)
        for touch, (key, row) in zip(decisions.touches, decisions.route(self.engine.decided(e, action)), strict=True):
            if key is not None:
                touch.observe(self.profile(touch.kind, key), e.occurred_at, row, tid)

    def _enter(self, labelled: Sequence[Labelled]) -> None:
        """Enter verdicts into the profiles that count labels, at the time at which they became known."""
        plan = self.engine.labels
        if plan is None:
            return
        for each in labelled:
            for touch, (key, row) in zip(plan.touches, plan.route(each), strict=True):
                if key is not None:
                    touch.observe(self.profile(touch.kind, key), each.occurred_at, row, each.tid)

    def _settle(self, result: Event) -> None:
        for kind, key, payment_id, released in self.engine.settlements(result):
            profile = self.profile(kind, key)
            (profile.release if released else profile.restore)(payment_tid(payment_id))
