"""How hits and a score become one action: the combining rules of the language, one by one and against a plain reading of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.declared import Policy, Rule
from risk.policy import Weighing, in_rollout

ACTIONS = ("approve", "challenge", "review", "block")
BANDS = ((30, "challenge"), (50, "review"), (80, "block"))
POLICY = Policy(score_bands=BANDS, model_bands=((0.02, 20), (0.1, 40)), groups={"limits": "first_by_priority"})


def rule(name: str = "r", **keys: Any) -> Rule:
    facts = {"title": name, "owner": "o", "severity": "low", "events": ("payment",), "mode": "live", "when": "x", "version": "v"}
    return Rule(name=name, **(facts | keys))


def ruled(
    rules: list[Rule], fired: list[int] | None = None, unknown: list[int] | None = None, score: float | None = None, **more: Any
) -> Any:
    wanted = list(range(len(rules))) if fired is None else fired
    return Weighing(POLICY, rules).rule_on(wanted, unknown or [], score, **more)


# ---------------------------------------------------------------------- actions and bands


def test_the_strictest_action_wins_whatever_the_order() -> None:
    rules = [rule("a", then="review"), rule("b", then="block"), rule("c", then="challenge")]
    assert ruled(rules).action == "block"
    assert ruled(rules[::-1]).action == "block"
    assert ruled(rules, fired=[0, 2]).action == "review"


def test_nothing_fired_approves_without_reasons() -> None:
    ruling = ruled([rule(then="block", reasons=("R",))], fired=[])
    assert (ruling.action, ruling.score, ruling.reasons, ruling.acting) == ("approve", 0, [], [])


@pytest.mark.parametrize(
    ("points", "action"),
    [(29, "approve"), (30, "challenge"), (49, "challenge"), (50, "review"), (79, "review"), (80, "block"), (300, "block")],
)
def test_only_the_highest_band_that_is_reached_counts(points: int, action: str) -> None:
    ruling = ruled([rule(score=points, reasons=("R",))])
    assert (ruling.action, ruling.score) == (action, min(points, 100))


def test_points_add_up_over_rules_and_the_model_and_stop_at_100() -> None:
    rules = [rule("a", score=15), rule("b", score=14)]
    assert (ruled(rules).score, ruled(rules).action) == (29, "approve")
    assert (ruled(rules, score=0.02).score, ruled(rules, score=0.02).action) == (49, "challenge")
    assert (ruled(rules, score=0.1).score, ruled(rules, score=0.1).action) == (69, "review")
    assert ruled([rule("a", score=90), rule("b", score=90)]).score == 100


def test_an_unknown_score_of_the_model_is_worth_nothing() -> None:
    assert ruled([rule(score=10)], score=None).score == 10
    assert ruled([rule(score=10)], score=0.0199).score == 10


def test_band_and_rules_are_compared_and_the_stricter_wins() -> None:
    assert ruled([rule("a", score=50), rule("b", then="challenge")]).action == "review"
    assert ruled([rule("a", score=50), rule("b", then="block")]).action == "block"


# ---------------------------------------------------------------------- reasons and what accompanies


def test_every_decision_but_approve_has_a_reason() -> None:
    assert ruled([rule(score=50)]).reasons == ["RISK_CHECK"]
    assert ruled([rule(then="block")]).reasons == ["RISK_CHECK"]
    assert ruled([], score=0.5, degraded=True).reasons == ["RISK_CHECK"]
    assert ruled([], failed=True).reasons == ["RISK_CHECK"]


def test_reasons_are_told_once_each_and_none_with_an_approval() -> None:
    rules = [rule("a", then="review", reasons=("A", "B")), rule("b", then="block", reasons=("B", "C"))]
    assert ruled(rules).reasons == ["A", "B", "C"]
    assert ruled([rule(score=5, reasons=("A",))]).reasons == []


def test_a_confidential_reason_is_told_as_a_risk_check() -> None:
    rules = [rule("a", then="block", reasons=("MULE",), confidential=True), rule("b", then="review", reasons=("OPEN",))]
    assert ruled(rules).reasons == ["RISK_CHECK", "OPEN"]
    assert "MULE" not in ruled([rule(then="block", reasons=("MULE",), confidential=True, report="STR")]).reasons


def test_obligations_and_reports_come_from_rules_that_act_only() -> None:
    duty = rule("a", obligations=({"do": "DELAY_SETTLEMENT", "hours": 24},), report="STR")
    ruling = ruled([duty])
    assert ruling.obligations == [{"do": "DELAY_SETTLEMENT", "hours": 24}]
    assert ruling.reports == [{"kind": "STR", "rule": "a"}]
    assert ruling.action == "approve", "an obligation alone refuses nothing"
    shadow = ruled([rule("a", mode="shadow", obligations=({"do": "STEP_UP"},), report="STR", then="block", score=90)])
    assert (shadow.obligations, shadow.reports, shadow.action, shadow.score, shadow.would_be) == ([], [], "approve", 0, [0])


# ---------------------------------------------------------------------- trust and final


def test_trust_clears_bands_and_rules_that_are_not_final() -> None:
    rules = [rule("t", trust=True), rule("a", then="block", reasons=("A",)), rule("b", score=90)]
    ruling = ruled(rules)
    assert (ruling.action, ruling.reasons, ruling.overridden_by, ruling.score) == ("approve", [], ["t"], 90)
    assert ruling.acting == [0, 1, 2], "what was cleared stays on the receipt"


def test_trust_does_not_clear_a_final_rule() -> None:
    rules = [rule("t", trust=True), rule("a", then="block"), rule("f", then="review", final=True, reasons=("LAW",))]
    ruling = ruled(rules)
    assert (ruling.action, ruling.reasons, ruling.overridden_by) == ("review", ["LAW"], ["t"])


def test_trust_clears_neither_lateness_nor_errors() -> None:
    rules = [rule("t", trust=True), rule("a", then="block")]
    assert ruled(rules, degraded=True).action == "challenge"
    assert ruled(rules, failed=True).action == "review"
    assert ruled(rules, degraded=True, failed=True).action == "review"


def test_trust_in_shadow_clears_nothing() -> None:
    ruling = ruled([rule("t", trust=True, mode="shadow"), rule("a", then="block")])
    assert (ruling.action, ruling.overridden_by, ruling.would_be) == ("block", [], [0])


def test_a_cleared_rule_gives_no_obligation_and_no_report() -> None:
    ruling = ruled([rule("t", trust=True), rule("a", then="block", obligations=({"do": "STEP_UP"},), report="STR")])
    assert (ruling.obligations, ruling.reports) == ([], [])


# ---------------------------------------------------------------------- late, error, missing


def test_late_and_error_are_floors_not_answers() -> None:
    assert ruled([], degraded=True).action == "challenge"
    assert ruled([], failed=True).action == "review"
    assert ruled([rule(then="block")], degraded=True, failed=True).action == "block"


def test_a_rule_that_cannot_be_decided_is_skipped_fires_or_takes_an_action() -> None:
    assert ruled([rule(then="block")], [], [0]).action == "approve"
    fires = ruled([rule(then="block", on_missing="fire", reasons=("LAW",), score=7)], [], [0])
    assert (fires.action, fires.reasons, fires.acting, fires.score) == ("block", ["LAW"], [0], 7)
    assert ruled([rule(then="block", on_missing="review")], [], [0]).action == "review"


def test_an_undecided_rule_in_shadow_only_would_be() -> None:
    ruling = ruled([rule(then="block", on_missing="fire", mode="shadow")], [], [0])
    assert (ruling.action, ruling.acting, ruling.would_be) == ("approve", [], [0])


def test_a_challenge_where_no_step_up_is_possible_takes_the_other_action() -> None:
    rules = [rule(then="challenge", unless_possible="block")]
    assert ruled(rules, stepup_possible=True).action == "challenge"
    assert ruled(rules, stepup_possible=False).action == "block"
    assert ruled([rule(then="challenge")], stepup_possible=False).action == "challenge"
    assert ruled([rule(then="block", on_missing="challenge", unless_possible="review")], [], [0], stepup_possible=False).action == "review"


# ---------------------------------------------------------------------- groups


def test_a_group_picks_its_first_by_priority_and_ties_go_to_the_rule_written_first() -> None:
    rules = [
        rule("a", then="block", group="limits", priority=2, score=10),
        rule("b", then="challenge", group="limits", priority=1, score=1),
        rule("c", then="block", group="limits", priority=1),
        rule("d", then="review"),
    ]
    ruling = ruled(rules)
    assert (ruling.acting, ruling.action, ruling.score) == ([1, 3], "review", 1)


def test_a_group_that_picks_nothing_and_rules_in_shadow_leave_a_group_alone() -> None:
    both = [rule("a", then="block", group="other"), rule("b", then="review", group="other")]
    assert ruled(both).acting == [0, 1]
    rules = [rule("a", then="block", group="limits", mode="shadow", priority=0), rule("b", then="review", group="limits", priority=9)]
    assert (ruled(rules).acting, ruled(rules).action) == ([1], "review")


# ---------------------------------------------------------------------- rollout and overridden modes


@given(st.text(min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 1))
def test_raising_the_share_only_adds_keys(key: str, a: float, b: float) -> None:
    low, high = sorted((a, b))
    if in_rollout(rule(rollout=low), key):
        assert in_rollout(rule(rollout=high), key)
    assert in_rollout(rule(rollout=1.0), key) and not in_rollout(rule(rollout=0.0), key)


def test_a_share_is_about_its_size_and_differs_between_rules() -> None:
    keys = [f"usr_{number}" for number in range(4_000)]
    one = {key for key in keys if in_rollout(rule("one", rollout=0.25), key)}
    two = {key for key in keys if in_rollout(rule("two", rollout=0.25), key)}
    assert 0.22 < len(one) / len(keys) < 0.28
    assert len(one & two) < 0.6 * len(one)


def test_outside_its_share_or_without_a_key_a_rule_runs_as_shadow() -> None:
    shared = rule(then="block", rollout=0.5, rollout_by="payer.id", report="STR")
    inside = next(f"u{n}" for n in range(100) if in_rollout(shared, f"u{n}"))
    outside = next(f"u{n}" for n in range(100) if not in_rollout(shared, f"u{n}"))
    assert ruled([shared], rollout_keys=[inside]).action == "block"
    for key in (outside, None):
        ruling = ruled([shared], rollout_keys=[key])
        assert (ruling.action, ruling.would_be, ruling.reports) == ("approve", [0], [])


def test_outside_its_share_a_rule_that_cannot_be_decided_does_not_act_either() -> None:
    shared = rule(then="block", rollout=0.5, rollout_by="payer.id", on_missing="fire")
    inside = next(f"u{n}" for n in range(100) if in_rollout(shared, f"u{n}"))
    outside = next(f"u{n}" for n in range(100) if not in_rollout(shared, f"u{n}"))
    assert ruled([shared], fired=[], unknown=[0], rollout_keys=[inside]).action == "block"
    ruling = ruled([shared], fired=[], unknown=[0], rollout_keys=[outside])
    assert (ruling.action, ruling.would_be) == ("approve", [0])


def test_an_override_turns_a_rule_to_shadow_or_live() -> None:
    assert ruled([rule(then="block")], modes={0: "shadow"}).would_be == [0]
    assert ruled([rule(then="block")], modes={0: "shadow"}).action == "approve"
    assert ruled([rule(then="block", mode="shadow")], modes={0: "live"}).action == "block"


# ---------------------------------------------------------------------- all of it, against a plain reading

RULES = st.builds(
    rule,
    name=st.just("x"),
    then=st.sampled_from([None, "challenge", "review", "block"]),
    score=st.integers(0, 60),
    reasons=st.lists(st.sampled_from(["A", "B", "C"]), max_size=2, unique=True).map(tuple),
    confidential=st.booleans(),
    mode=st.sampled_from(["live", "live", "live", "shadow"]),
    trust=st.sampled_from([False] * 5 + [True]),
    final=st.booleans(),
    on_missing=st.sampled_from(["skip", "skip", "fire", "review"]),
    group=st.sampled_from([None, None, "limits"]),
    priority=st.integers(0, 2),
    report=st.sampled_from([None, None, "STR"]),
    unless_possible=st.sampled_from([None, "block"]),
).filter(lambda each: each.then is not None or each.on_missing != "fire")  # the loader refuses that
PLAIN = st.builds(
    rule,
    then=st.sampled_from([None, "challenge", "review", "block"]),
    score=st.integers(0, 60),
    reasons=st.lists(st.sampled_from(["A", "B", "C"]), max_size=2, unique=True).map(tuple),
    confidential=st.booleans(),
)
HITS = st.sampled_from(["no", "no", "fired", "unknown"])


def by_the_book(rules: list[Rule], hits: list[str], score: float | None, stepup: bool, degraded: bool, failed: bool) -> dict[str, Any]:
    """Section 3 of the language, read aloud."""
    acts = [i for i, hit in enumerate(hits) if hit == "fired"]
    acts += [i for i, hit in enumerate(hits) if hit == "unknown" and rules[i].on_missing != "skip"]
    live = [i for i in acts if rules[i].mode == "live"]
    limits = [i for i in live if rules[i].group == "limits"]
    pick = min(limits, key=lambda i: (rules[i].priority, i), default=None)
    live = [i for i in live if i not in limits or i == pick]
    points = min(100, sum(rules[i].score for i in live) + (0 if score is None else 40 if score >= 0.1 else 20 if score >= 0.02 else 0))
    trusted = any(rules[i].trust for i in live)
    actions, reasons, reports = ["approve"], [], []
    if not trusted:
        actions += [action for threshold, action in BANDS if points >= threshold][-1:]
    for i in live:
        each = rules[i]
        if each.trust or (trusted and not each.final):
            continue
        then = each.then
        if hits[i] == "unknown" and each.on_missing != "fire":
            then = each.on_missing
        if then == "challenge" and each.unless_possible and not stepup:
            then = each.unless_possible
        actions += [then] if then else []
        reasons += [r for r in (("RISK_CHECK",) if each.confidential and each.reasons else each.reasons) if r not in reasons]
        reports += [each.report] if each.report else []
    refused = max(actions, key=ACTIONS.index) != "approve"
    actions += (["challenge"] if degraded else []) + (["review"] if failed else [])
    action = max(actions, key=ACTIONS.index)
    reasons = reasons if refused else []
    return {
        "action": action,
        "score": points,
        "acting": live,
        "reasons": reasons or (["RISK_CHECK"] if action != "approve" else []),
        "reports": reports,
    }


@settings(max_examples=300)
@given(
    st.data(),
    st.one_of(st.none(), st.floats(0, 1)),
    st.booleans(),
    st.sampled_from([False, False, True]),
    st.sampled_from([False, False, True]),
)
def test_every_combination_is_weighed_by_the_book(data: Any, score: float | None, stepup: bool, degraded: bool, failed: bool) -> None:
    rules = data.draw(st.lists(RULES, max_size=6))
    hits = data.draw(st.lists(HITS, min_size=len(rules), max_size=len(rules)))
    fired = [i for i, hit in enumerate(hits) if hit == "fired"]
    unknown = [i for i, hit in enumerate(hits) if hit == "unknown"]
    ruling = ruled(rules, fired, unknown, score, stepup_possible=stepup, degraded=degraded, failed=failed)
    expected = by_the_book(rules, hits, score, stepup, degraded, failed)
    found = {name: getattr(ruling, name) for name in ("action", "score", "acting", "reasons")}
    assert found | {"reports": [each["kind"] for each in ruling.reports]} == expected
    assert not set(ruling.would_be) & set(ruling.acting)


@settings(max_examples=200)
@given(st.data(), st.one_of(st.none(), st.floats(0, 1)))
def test_the_plain_path_says_what_the_general_path_says(data: Any, score: float | None) -> None:
    rules = data.draw(st.lists(PLAIN, min_size=1, max_size=6))
    fired = data.draw(st.lists(st.integers(0, len(rules) - 1), unique=True).map(sorted))
    plain = ruled(rules, fired, [], score)
    # an override that changes nothing takes the general path
    general = ruled(rules, fired, [], score, modes={0: "live"})
    assert plain == general
