"""Hits and a score become one action: the only place where rules are weighed against each other.

Rule 1: the strictest action wins; order of rules never matters, except inside a group that says so.
Rule 2: trust clears bands and rules that are not final, and neither lateness nor errors.
Rule 3: nothing here evaluates a condition, and nothing here knows where a payment came from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from risk.decisions import Ruling
from risk.declared import Policy, Rule

SCORE_MAX = 100
ROLLOUT_BUCKETS = 10_000
HIDDEN_REASON = "RISK_CHECK"
UNCHANGED: Mapping[int, str] = MappingProxyType({})


def in_rollout(rule: Rule, key: str) -> bool:
    """Whether ``key`` is inside the rule's share: a stable hash, so that raising the share only adds keys."""
    digest = hashlib.blake2b(f"{rule.name}\x1f{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % ROLLOUT_BUCKETS < round(rule.rollout * ROLLOUT_BUCKETS)


class Weighing:
    """The policy made ready for the rules of one event type."""

    def __init__(self, policy: Policy, rules: Sequence[Rule]) -> None:
        self.policy = policy
        self.rules = tuple(rules)
        self.strictness = {action: rank for rank, action in enumerate(policy.actions)}
        self.mildest = policy.actions[0]
        self._live = tuple(r.mode == "live" for r in rules)
        self._rollout = tuple(r.rollout < 1.0 for r in rules)
        self._on_missing = tuple(None if r.on_missing == "skip" else r.then if r.on_missing == "fire" else r.on_missing for r in rules)
        self._points = tuple(r.score for r in rules)
        self._any_group = any(r.group for r in rules)
        self._any_trust = any(r.trust for r in rules)
        self._can_act_unknown = any(action is not None for action in self._on_missing)
        self._plain = tuple(self._plain_of(r) for r in rules)

    def points_of(self, model_score: float | None) -> int:
        """Points that the model's score is worth; unknown is worth none."""
        points = 0
        if model_score is not None:
            for threshold, worth in self.policy.model_bands:
                if model_score >= threshold:
                    points = worth
        return points

    def band_of(self, score: int) -> str | None:
        """The action of the highest band that the score reaches."""
        action = None
        for threshold, then in self.policy.score_bands:
            if score >= threshold:
                action = then
        return action

    def rule_on(
        self,
        fired: Sequence[int],
        unknown: Sequence[int],
        model_score: float | None,
        *,
        rollout_keys: Sequence[str | None] = (),
        stepup_possible: bool = True,
        degraded: bool = False,
        failed: bool = False,
        modes: Mapping[int, str] = UNCHANGED,
    ) -> Ruling:
        """Weigh the rules that fired and those that could not be decided.

        ``rollout_keys``: for each rule the value of its ``rollout_by`` field (only read for rules with a share).
        ``degraded``: decided without all its values; ``failed``: a rule or the model raised; ``modes``: of rules that are overridden.
        """
        if not ((unknown and self._can_act_unknown) or degraded or failed or modes):
            plain = self._plain_ruling(fired, model_score)
            if plain is not None:
                return plain
        acting: list[int] = []
        would_be: list[int] = []
        forced: dict[int, str | None] = {}
        live, on_missing = self._live if not modes else self._live_with(modes), self._on_missing
        for i in fired:
            if live[i] and (not self._rollout[i] or self._inside(i, rollout_keys)):
                acting.append(i)
            else:
                would_be.append(i)
        for i in unknown:
            if on_missing[i] is not None:
                forced[i] = on_missing[i]
                (acting if live[i] and (not self._rollout[i] or self._inside(i, rollout_keys)) else would_be).append(i)
        if self._any_group and len(acting) > 1:
            acting = self._pick_in_groups(acting)
        score = self.points_of(model_score)
        for i in acting:
            score += self._points[i]
        if score > SCORE_MAX:
            score = SCORE_MAX
        ruling = Ruling(self.mildest, score, acting, would_be)
        self._choose(ruling, forced, stepup_possible)
        if degraded:
            ruling.action = self._stricter(ruling.action, self.policy.on_late)
        if failed:
            ruling.action = self._stricter(ruling.action, self.policy.on_error)
        if ruling.action != self.mildest and not ruling.reasons:
            ruling.reasons.append(HIDDEN_REASON)
        return ruling

    def _plain_of(self, rule: Rule) -> tuple[int, int, tuple[str, ...]] | None:
        """Points, strictness and public reasons of a rule that asks for nothing else: most rules, on most payments."""
        special = rule.mode != "live" or rule.rollout < 1.0 or rule.group or rule.trust or rule.unless_possible
        if special or rule.obligations or rule.report or self._any_trust:
            return None
        reasons = (HIDDEN_REASON,) if rule.confidential and rule.reasons else rule.reasons
        return rule.score, 0 if rule.then is None else self.strictness[rule.then], reasons

    def _plain_ruling(self, fired: Sequence[int], model_score: float | None) -> Ruling | None:
        """What ``rule_on`` says where only plain rules fired, without its detours; None where one is not plain."""
        score, rank = self.points_of(model_score), 0
        reasons: list[str] = []
        plain = self._plain
        for i in fired:
            found = plain[i]
            if found is None:
                return None
            points, strictness, public = found
            score += points
            if strictness > rank:
                rank = strictness
            for reason in public:
                if reason not in reasons:
                    reasons.append(reason)
        if score > SCORE_MAX:
            score = SCORE_MAX
        band = self.band_of(score)
        if band is not None and self.strictness[band] > rank:
            rank = self.strictness[band]
        if rank == 0:
            reasons = []
        elif not reasons:
            reasons = [HIDDEN_REASON]
        return Ruling(self.policy.actions[rank], score, list(fired), reasons=reasons)

    def _live_with(self, modes: Mapping[int, str]) -> tuple[bool, ...]:
        return tuple(modes[i] == "live" if i in modes else live for i, live in enumerate(self._live))

    def _inside(self, i: int, rollout_keys: Sequence[str | None]) -> bool:
        key = rollout_keys[i] if rollout_keys else None
        return key is not None and in_rollout(self.rules[i], key)

    def _stricter(self, a: str, b: str) -> str:
        return a if self.strictness[a] >= self.strictness[b] else b

    def _pick_in_groups(self, acting: list[int]) -> list[int]:
        """Drop all but the first by priority where a group picks one; ties go to the rule written first."""
        best: dict[str, int] = {}
        for i in acting:
            group = self.rules[i].group
            if group and self.policy.groups.get(group) == "first_by_priority":
                held = best.get(group)
                if held is None or (self.rules[i].priority, i) < (self.rules[held].priority, held):
                    best[group] = i
        return [i for i in acting if best.get(self.rules[i].group or "", i) == i]

    def _choose(self, ruling: Ruling, forced: dict[int, str | None], stepup_possible: bool) -> None:
        """Strictest of band and rules; a trust rule takes the say from the band and from rules that are not final."""
        rules = self.rules
        trusted = [rules[i].name for i in ruling.acting if rules[i].trust] if self._any_trust else []
        ruling.overridden_by = trusted
        action = self.mildest
        if not trusted:
            band = self.band_of(ruling.score)
            if band is not None:
                action = band
        for i in ruling.acting:
            rule = rules[i]
            if rule.trust or (trusted and not rule.final):
                continue
            then = forced.get(i, rule.then)
            if then == "challenge" and rule.unless_possible and not stepup_possible:
                then = rule.unless_possible
            if then is not None:
                action = self._stricter(action, then)
            self._attach(ruling, rule)
        ruling.action = action
        if action == self.mildest:
            ruling.reasons.clear()

    def _attach(self, ruling: Ruling, rule: Rule) -> None:
        """What accompanies the action: public reasons, obligations, reports."""
        for reason in (HIDDEN_REASON,) if rule.confidential and rule.reasons else rule.reasons:
            if reason not in ruling.reasons:
                ruling.reasons.append(reason)
        if rule.obligations:
            ruling.obligations.extend(dict(o) for o in rule.obligations)
        if rule.report:
            ruling.reports.append({"kind": rule.report, "rule": rule.name})
