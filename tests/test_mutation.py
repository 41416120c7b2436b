"""Mutants of rules: what is changed, what a weak test lets pass, and which test would have noticed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from risk.cases import run
from risk.cli import app
from risk.language import RuleSet, load
from risk.mutation import Verdict, judged, mutants
from tests.test_cases import EVENTS, POLICY


class Weak(NamedTuple):
    """A rule whose tests let one mutant of a kind pass; ``noticing`` is the test that they lack."""

    kind: str
    said: str
    when: str
    tests: str
    noticing: str
    settings: str = "then: review, reasons: [R]"
    rest: str = ""


FIRES = "{it: a, events: [{}], expect: fires}"
WEAK = [
    Weak(
        "threshold", "`$small` becomes CNY 5.01", "amount <= $small", "{it: a, events: [{amount: CNY 5.00}], expect: fires}",
        "{it: b, events: [{amount: CNY 5.01}], expect: silent}", "params: {small: CNY 5.00}, then: review, reasons: [R]",
    ),
    Weak(
        "threshold", "`CNY 5.00` becomes `CNY 4.99`", "amount <= CNY 5.00", "{it: a, events: [{amount: CNY 5.01}], expect: silent}",
        "{it: b, events: [{amount: CNY 5.00}], expect: fires}",
    ),
    Weak(
        "threshold", "`3` becomes `4`", "tries_10m >= 3", "{it: a, given: {tries_10m: 2}, events: [{}], expect: silent}",
        "{it: b, given: {tries_10m: 3}, events: [{}], expect: fires}",
    ),
    Weak(
        "threshold", "`$fresh` becomes 3601s", "since_login < $fresh", "{it: a, given: {since_login: 59m}, events: [{}], expect: fires}",
        "{it: b, given: {since_login: 1h}, events: [{}], expect: silent}", "params: {fresh: 1h}, then: review, reasons: [R]",
    ),
    Weak(
        "threshold", "`$risky` becomes 70.1%", "model.score >= $risky", "{it: a, events: [{model.score: 0.71}], expect: fires}",
        "{it: b, events: [{model.score: 0.7}], expect: fires}", "params: {risky: 70%}, then: review, reasons: [R]",
    ),
    Weak(
        "threshold", "`$many` of the policy becomes 4", "tries_10m >= $many", "{it: a, given: {tries_10m: 9}, events: [{}], expect: fires}",
        "{it: b, given: {tries_10m: 3}, events: [{}], expect: fires}", rest="policy: {settings: {many: 3}}",
    ),
    Weak(
        "comparison", "`amount < CNY 5.00` becomes `amount <= CNY 5.00`", "amount < CNY 5.00",
        "{it: a, events: [{amount: CNY 4.99}], expect: fires}", "{it: b, events: [{amount: CNY 5.00}], expect: silent}",
    ),
    Weak(
        "comparison", '`channel == "app"` becomes `channel != "app"`', 'channel == "app" or amount > CNY 5.00',
        "{it: a, events: [{amount: CNY 9.00}], expect: fires}", "{it: b, events: [{channel: app}], expect: fires}",
    ),
    Weak(
        "term", '`channel == "app"` is left out', 'channel == "app" and amount > CNY 5.00',
        "{it: a, events: [{amount: CNY 9.00, channel: app}], expect: fires}",
        "{it: b, events: [{amount: CNY 9.00, channel: qr}], expect: silent}",
    ),
    Weak(
        "term", '`channel == "app"` is left out', 'channel == "app" or amount > CNY 5.00',
        "{it: a, events: [{amount: CNY 9.00}], expect: fires}", "{it: b, events: [{channel: app}], expect: fires}",
    ),
    Weak(
        "term", '`"qr"` is left out', 'channel in ["app", "qr"]', "{it: a, events: [{channel: app}], expect: fires}",
        "{it: b, events: [{channel: qr}], expect: fires}",
    ),
    Weak(
        "term", "`users_1h >= 2` is left out", "at_least(1, tries_10m >= 3, users_1h >= 2)",
        "{it: a, given: {tries_10m: 3, users_1h: 1}, events: [{}], expect: fires}",
        "{it: b, given: {tries_10m: 1, users_1h: 2}, events: [{}], expect: fires}",
    ),
    Weak(
        "at_least", "`1` becomes `2`", "at_least(1, tries_10m >= 3, users_1h >= 2)",
        "{it: a, given: {tries_10m: 3, users_1h: 2}, events: [{}], expect: fires}",
        "{it: b, given: {tries_10m: 3, users_1h: 1}, events: [{}], expect: fires}",
    ),
    Weak(
        "negation", "`payer.id in @friends` becomes `payer.id not in @friends`", "payer.id in @friends or amount > CNY 5.00",
        "{it: a, events: [{payer.id: usr_9, amount: CNY 9.00}], expect: fires}",
        "{it: b, events: [{payer.id: usr_a}], expect: fires}",
    ),
    Weak(
        "negation", "`channel is missing` becomes `channel is known`", "channel is missing or amount > CNY 5.00",
        "{it: a, events: [{amount: CNY 9.00}], expect: fires}", "{it: b, events: [{channel: missing}], expect: fires}",
    ),
    Weak(
        "window", "the window of `tries_10m` becomes 601s", "tries_10m >= 2", "{it: a, events: [{}, {after: 599s}], expect: fires}",
        "{it: b, events: [{}, {after: 10m}], expect: silent}",
    ),
    Weak(
        "window", "the window of `tries_10m` becomes 599s", "tries_10m >= 2", "{it: a, events: [{}, {after: 10m}], expect: silent}",
        "{it: b, events: [{}, {after: 599s}], expect: fires}",
    ),
    Weak(
        "window", "`ending` of `earlier_1h` becomes 3601s ago", "earlier_1h >= 1", "{it: a, events: [{}, {after: 90m}], expect: fires}",
        "{it: b, events: [{}, {after: 1h}], expect: fires}",
    ),
    Weak(
        "with_current", "`with_current` of `tries_10m` becomes false", "tries_10m >= 3",
        "{it: a, given: {tries_10m: 3}, events: [{}], expect: fires}", "{it: b, events: [{repeat: 3}], expect: fires}",
    ),
    Weak(
        "counts", "`counts` of `spent_1h` becomes attempts", "spent_1h + amount > CNY 50.00",
        "{it: a, events: [{amount: CNY 50.00}, {amount: CNY 0.01}], expect: {fires_on: [2]}}",
        "{it: b, events: [{amount: CNY 60.00}, {amount: CNY 50.00}], expect: {fires_on: [1]}}",
    ),
    Weak(
        "where", "`where` of `since_login` is left out", "since_login < 1h", "{it: a, events: [{event: login}, {}], expect: fires}",
        "{it: b, events: [{event: login, ok: false}, {}], expect: silent}",
    ),
    Weak(
        "comparison", 'in `where` of `refused_1h`, `outcome == "declined"` becomes `outcome != "declined"`', "refused_1h >= 1",
        "{it: a, given: {refused_1h: 1}, events: [{}], expect: fires}",
        "{it: b, events: [{event: payment_result, outcome: declined}, {}], expect: fires}",
    ),
    Weak(
        "if_none", "`if_none` of `largest_1h` is left out", "largest_1h < CNY 5.00",
        "{it: a, events: [{amount: CNY 1.00}, {}], expect: fires}", "{it: b, events: [{}], expect: fires}",
    ),
    Weak(
        "event", "`users_1h` does not count `transfer`", "users_1h >= 2", "{it: a, given: {users_1h: 2}, events: [{}], expect: fires}",
        "{it: b, events: [{event: transfer, payer.id: usr_7}, {}], expect: fires}",
    ),
    Weak(
        "event", "`r` does not look at `transfer`", "amount > CNY 1.00", FIRES, "{it: b, events: [{event: transfer}], expect: fires}",
        "then: review, reasons: [R], event: [payment, transfer]",
    ),
    Weak(
        "final", "`final` of `r` is left out", "amount > CNY 1.00", "{it: a, events: [{}], expect: {fires: true, action: block}}",
        "{it: b, trusted: true, events: [{}], expect: {fires: true, action: block}}", "then: block, final: true, reasons: [R]",
    ),
    Weak(
        "on_missing", "`on_missing` of `r` becomes skip", 'channel == "app"', "{it: a, events: [{channel: app}], expect: fires}",
        "{it: b, events: [{channel: missing}], expect: {unknown: true, action: block}}", "then: block, on_missing: fire, reasons: [R]",
    ),
    Weak(
        "on_missing", "`on_missing` of `r` becomes fire", 'channel == "app"', "{it: a, events: [{channel: app}], expect: fires}",
        "{it: b, events: [{channel: missing}], expect: {unknown: true, action: approve}}", "then: block, reasons: [R]",
    ),
    Weak(
        "unless_possible", "`unless_possible` of `r` is left out", "amount > CNY 1.00", FIRES,
        "{it: b, events: [{stepup_available: false}], expect: {fires: true, action: block}}",
        "then: challenge, unless_possible: block, reasons: [R]",
    ),
    Weak(
        "score", "`score` of `r` becomes 41", "amount > CNY 1.00", FIRES, FIRES.replace("fires", "{score: 40}"), "score: 40, reasons: [R]",
    ),
    Weak("then", "`then` of `r` is left out", "amount > CNY 1.00", FIRES, FIRES.replace("fires", "{action: review}")),
    Weak(
        "obligation", "`NOTIFY` of `r` is left out", "amount > CNY 1.00", FIRES, FIRES.replace("fires", "{obligations: [NOTIFY]}"),
        "obligations: [{do: NOTIFY}], reasons: [R]",
    ),
    Weak(
        "report", "`report` of `r` is left out", "amount > CNY 1.00", FIRES, FIRES.replace("fires", "{report: STR}"),
        "report: STR, reasons: [R]",
    ),
    Weak(
        "entry", "`usr_b` is not in `@friends`", "payer.id in @friends", "{it: a, events: [{payer.id: usr_a}], expect: fires}",
        "{it: b, events: [{payer.id: usr_b}], expect: fires}",
    ),
    Weak(
        "term", "in macro `cheap`, `channel is known` is left out", "cheap", "{it: a, events: [{channel: app}], expect: fires}",
        "{it: b, events: [{channel: missing}], expect: silent}",
    ),
]  # fmt: skip

PLACED = EVENTS.replace("      channel:", "      lat: optional number\n      lon: optional number\n      channel:")
TRANSFER = PLACED[PLACED.index("  payment:") : PLACED.index("  login:")].replace("  payment:", "  transfer:")
PARTS = """
lists:
  friends: {of: id user, values: [usr_a, usr_b]}
macros:
  near: km_between(lat, lon, 31.2, 121.5) > 5
  cheap: channel is known and amount <= CNY 10.00
features:
  tries_10m: {count: payment, per: device.id, over: 10m, with_current: true}
  users_1h: {distinct: payer.id, of: [payment, transfer], per: device.id, over: 1h, with_current: true}
  spent_1h: {sum: amount, of: payment, per: payer.id, over: 1h, counts: passed}
  earlier_1h: {count: payment, per: device.id, over: 1h, ending: 1h ago}
  since_login: {since_last: login, per: payer.id, where: ok}
  refused_1h: {count: payment_result, per: payer.id, over: 1h, where: outcome == "declined"}
  at_home_1h: {count: payment, per: payer.id, over: 1h, where: 'channel is known and channel == "app"'}
  largest_1h: {max: amount, of: payment, per: payer.id, over: 1h, if_none: CNY 0.00}
"""


def tiny(when: str, tests: str, settings: str = "then: review, reasons: [R]", rest: str = "") -> RuleSet:
    """A rule set with one rule, `r`."""
    event = "" if "event:" in settings else "event: payment, "
    rule = f"rules:\n  r: {{title: x, owner: t, {event}mode: shadow, {settings}, when: '{when}', tests: [{tests}]}}"
    policy = POLICY if not rest else POLICY + rest.replace("policy: {", "  ").removesuffix("}")
    return load([("events.yaml", PLACED + TRANSFER), ("policy.yaml", policy), ("parts.yaml", PARTS), ("rules.yaml", rule)])


def verdicts(ruleset: RuleSet) -> list[Verdict]:
    assert [result.complaint for result in run(ruleset) if result.failed] == []
    return list(judged(ruleset, mutants(ruleset)))


def answer(found: list[Verdict], said: str) -> tuple[str, str]:
    (verdict,) = [each for each in found if each.mutant.said == said]
    return verdict.mutant.kind, verdict.answer


@pytest.mark.parametrize("weak", WEAK, ids=lambda weak: f"{weak.kind}: {weak.said}")
def test_a_weak_test_lets_a_mutant_pass_and_the_test_it_lacks_notices_it(weak: Weak) -> None:
    kept = tiny(weak.when, weak.tests, weak.settings, weak.rest)
    assert answer(verdicts(kept), weak.said) == (weak.kind, "unnoticed")
    whole = tiny(weak.when, f"{weak.tests}, {weak.noticing}", weak.settings, weak.rest)
    assert answer(verdicts(whole), weak.said) == (weak.kind, "noticed")


@pytest.mark.parametrize(
    ("when", "settings", "said", "why"),
    [
        ("since_login < 1h", "", "`with_current` of `since_login` becomes true", "the payment that is decided is not among those"),
        ("earlier_1h >= 1", "", "`with_current` of `earlier_1h` becomes true", "the payment that is decided is not among those"),
        ("users_1h >= 2", "", "`counts` of `users_1h` becomes passed", "the language refuses `counts: passed` there"),
        ("amount > CNY 1.00", "", "`on_missing` of `r` becomes fire", "the condition is never unknown"),
        ('channel is known and channel == "app"', "", "`on_missing` of `r` becomes fire", "the condition is never unknown"),
        ("amount > CNY 1.00", "score: 50, ", "`then` of `r` is left out", "the points reach the action by themselves"),
        ("amount > CNY 1.00", "unless_possible: block, ", "`unless_possible` of `r` is left out", "in place of a challenge only"),
        ("at_least(1, amount > CNY 1.00, users_1h > 2)", "", "`1` becomes `0`", "`risk check` refuses the change"),
        ('channel == "app" and channel == "app"', "", '`channel == "app"` is left out', "the change means the same"),
        ("at_home_1h >= 1", "", "in `where` of `at_home_1h`, `channel is known` is left out", "one that is unknown to `where` is not"),
        (
            "near",
            "",
            "in macro `near`, `km_between(lat, lon, 31.2, 121.5) > 5` becomes `km_between(lat, lon, 31.2, 121.5) >= 5`",
            "limit of a distance exactly",
        ),
        ("amount > CNY 1.00", "params: {said: 3}, message: 'x {$said}', ", "`$said` becomes 4", "stands in the message only"),
    ],
)
def test_what_no_test_can_notice_is_not_asked_for(when: str, settings: str, said: str, why: str) -> None:
    ruleset = tiny(when, FIRES, settings + "then: review, reasons: [R]")
    (verdict, *_) = [each for each in judged(ruleset, mutants(ruleset)) if each.mutant.said == said]
    assert verdict.answer == "not judged"
    assert why in (verdict.reason or "")


# ---------------------------------------------------------------------------------------------------------------- which tests speak


def test_a_known_gap_notices_nothing() -> None:
    weak = "{it: a, events: [{amount: CNY 5.00}], expect: fires}"
    gap = "{it: b, todo: T-1, events: [{amount: CNY 5.01}], expect: silent}"
    assert answer(verdicts(tiny("amount <= CNY 5.00", f"{weak}, {gap}")), "`CNY 5.00` becomes `CNY 5.01`") == ("threshold", "unnoticed")


def test_a_test_that_fails_anyway_notices_nothing() -> None:
    ruleset = tiny("amount <= CNY 5.00", "{it: a, events: [{amount: CNY 5.01}], expect: fires}")
    assert {verdict.answer for verdict in judged(ruleset, mutants(ruleset))} == {"unnoticed", "not judged"}


def test_a_term_that_is_gone_leaves_what_tests_give_and_expect() -> None:
    test = "{it: a, given: {users_1h: 9}, events: [{amount: CNY 9.00}], expect: {fires: true, values: {users_1h: 9}}}"
    found = verdicts(tiny("amount > CNY 5.00 and users_1h >= 2", test))
    assert answer(found, "`users_1h >= 2` is left out") == ("term", "unnoticed"), "the test must not fail because the feature is gone"


def test_a_mutant_meets_the_events_that_the_rule_meets() -> None:
    settings = "then: review, reasons: [R], event: [payment, transfer]"
    found = verdicts(tiny("amount > CNY 1.00", "{it: a, events: [{}], expect: fires}", settings))
    assert answer(found, "`r` does not look at `payment`") == ("event", "noticed"), "the test is about a payment, not about what is left"


def test_a_macro_is_held_by_the_tests_of_any_rule_that_uses_it() -> None:
    holding = "{it: b, events: [{channel: app, amount: CNY 10.01}], expect: silent}"
    other = (
        f"  other: {{title: y, owner: t, event: payment, mode: shadow, score: 9, reasons: [R], when: not not cheap, tests: [{holding}]}}"
    )
    weak = tiny("cheap", "{it: a, events: [{channel: app}], expect: fires}")
    both = load([*weak.sources.items(), ("z.yaml", "rules:\n" + other)])
    said = "in macro `cheap`, `CNY 10.00` becomes `CNY 10.01`"
    assert answer(verdicts(weak), said)[1] == "unnoticed"
    assert answer(verdicts(both), said)[1] == "noticed"
    only = [mutant.said for mutant in mutants(both, "other")]
    assert said in only and "`then` of `r` is left out" not in only, "mutants of one rule are those that concern it"


def test_a_disabled_rule_has_no_mutants() -> None:
    ruleset = tiny("amount > CNY 5.00", FIRES.replace("{}", "{amount: CNY 9.00}"))
    text = ruleset.sources["rules.yaml"].replace("mode: shadow", "mode: disabled")
    assert mutants(load([*(each for each in ruleset.sources.items() if each[0] != "rules.yaml"), ("rules.yaml", text)])) == []


# ---------------------------------------------------------------------------------------------------------------- the command


def command(tmp_path: Path, rules: str, *options: str) -> tuple[int, str]:
    for name, text in (("events.yaml", PLACED), ("policy.yaml", POLICY), ("rules.yaml", rules)):
        (tmp_path / name).write_text(text)
    outcome = CliRunner().invoke(app, ["test", str(tmp_path), *options])
    return outcome.exit_code, outcome.output.replace(str(tmp_path), "RULES")


PLANTED = """
rules:
  small_payment:
    title: x
    owner: t
    event: payment
    mode: shadow
    params:
      small: CNY 5.00
    when: |
      amount <= $small
    score: 40
    reasons: [R]
    tests:
      - {it: fires at five yuan, events: [{amount: CNY 5.00}], expect: {fires: true, score: 40}}
"""


def test_the_command_tells_each_mutant_that_no_test_noticed_at_its_place(tmp_path: Path) -> None:
    assert command(tmp_path, PLANTED, "--mutate") == (
        1,
        """\
small_payment  1 passed
1 rule, 1 test: 1 passed, 0 failed, 0 todo

RULES/rules.yaml:9:14: warning[M101]: no test notices that `$small` becomes CNY 5.01
  |
9 |       small: CNY 5.00
  |              ^^^^^^^^
  = a test on each side of the limit would: one exactly at it, one a step beside it

5 mutants: 4 noticed, 1 unnoticed, 0 not judged
""",
    )


def test_the_command_is_content_when_every_mutant_is_noticed(tmp_path: Path) -> None:
    whole = PLANTED + "      - {it: is silent a fen above, events: [{amount: CNY 5.01}], expect: silent}\n"
    code, text = command(tmp_path, whole, "--mutate")
    assert (code, text.splitlines()[-1]) == (0, "5 mutants: 5 noticed, 0 unnoticed, 0 not judged")


def test_a_rule_without_a_test_is_told_once(tmp_path: Path) -> None:
    code, text = command(tmp_path, PLANTED[: PLANTED.index("    tests:")], "--mutate")
    assert code == 1
    assert "\nsmall_payment has no test, so nothing notices any of its mutants\n" in text
    assert "warning[" not in text


def test_mutants_wait_until_all_tests_hold(tmp_path: Path) -> None:
    code, text = command(tmp_path, PLANTED.replace("score: 40}}", "score: 41}}"), "--mutate")
    assert code == 1
    assert text.endswith("1 rule, 1 test: 0 passed, 1 failed, 0 todo\nmutants and coverage are told once all tests hold\n")


def test_why_mutants_are_not_judged_is_told_below_their_number(tmp_path: Path) -> None:
    code, text = command(tmp_path, PLANTED.replace("score: 40\n", "score: 40\n    then: challenge\n"), "--mutate")
    assert text.splitlines()[-3:] == [
        "7 mutants: 4 noticed, 1 unnoticed, 2 not judged",
        "   1 not judged: the condition is never unknown",
        "   1 not judged: the points reach the action by themselves",
    ]
    assert code == 1
