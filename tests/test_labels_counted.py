"""`of: label`: what earlier payments turned out to be, read by later ones."""

from __future__ import annotations

import random
from typing import Any

import pytest

from risk.cases import run
from risk.engine import Engine, InProcess
from risk.labelled import Joining, Labelled, Payments, Verdict
from risk.language import examine, load
from streams.wire import PARTITIONS_MAX, mark_of
from tests.stored import Owner

DAY_MS = 86_400_000
START_MS = 1_793_491_200_000
EVENTS = """
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: money CNY
      payer.id: id user
      payee.id: id payee
      card.id: optional id card
      ip: optional text
    derive: {ip24: "prefix(ip, 24)"}
  label:
    fields:
      payment_id: id payment
      occurred_at: {type: time, from: known_at}
      known_at: time
      verdict: fraud | legitimate | unsure
      kind: chargeback | review
      version: int
"""
RULES = """
features:
  payee_frauds_90d: {count: label, per: payee.id, over: 90d, where: verdict == "fraud"}
  payee_lost_90d:   {sum: amount, of: label, per: payee.id, over: 90d, where: verdict == "fraud" and amount > CNY 1.00}
  payee_let_through_frauds: {count: label, per: payee.id, over: 90d, where: verdict == "fraud" and action == "approve"}
  payee_matured:    {count: decision, per: payee.id, over: 90d, ending: 7d ago, where: action == "approve"}
  card_frauds:      {count: label, per: card.id, over: lifetime, where: verdict == "fraud"}
  net_frauds:       {count: label, per: ip24, over: 30d, where: verdict == "fraud" and kind == "chargeback"}
  any_verdict:      {count: label, per: payee.id, over: lifetime, if_none: 77}
rules:
  bad_payee:
    title: This payee's payments turn out fraud too often
    owner: payments-risk
    event: payment
    mode: live
    when: |
      (payee_let_through_frauds + 1) / (payee_matured + 20) >= 0.1 or card_frauds >= 1 or net_frauds >= 2
      or payee_lost_90d > CNY 1000.00 or payee_frauds_90d > 50 or any_verdict > 100
    then: review
    reasons: [PAYEE_FRAUDS]
    tests:
      - {it: fires, given: {card_frauds: 1}, events: [{amount: CNY 1.00, payer.id: u, payee.id: s}], expect: fires}
      - {it: is silent, events: [{amount: CNY 1.00, payer.id: u, payee.id: s, card.id: d, ip: 9.9.9.9}], expect: silent}
      - it: counts the verdict on an earlier payment of the card
        events:
          - {payment_id: first, amount: CNY 5.00, payer.id: u, payee.id: s, card.id: c}
          - {event: label, payment_id: first, after: 2d, known_at: 0s ago, verdict: fraud, kind: chargeback, version: 1}
          - {payment_id: second, after: 1d, amount: CNY 5.00, payer.id: v, payee.id: t, card.id: c}
        expect: {fires: true, values: {card_frauds: 1}}
      - it: forgets a verdict that was taken back
        events:
          - {payment_id: first, amount: CNY 5.00, payer.id: u, payee.id: s, card.id: c}
          - {event: label, payment_id: first, after: 2d, known_at: 0s ago, verdict: fraud, kind: chargeback, version: 1}
          - {event: label, payment_id: first, after: 2d, known_at: 0s ago, verdict: legitimate, kind: chargeback, version: 2}
          - {payment_id: second, after: 1d, amount: CNY 5.00, payer.id: v, payee.id: t, card.id: c, ip: 9.9.9.9}
        expect: {silent: true, values: {card_frauds: 0}}
"""
PAID = {"payment_id": "p", "occurred_at": START_MS, "amount": 100, "payer.id": "u", "payee.id": "s"}
RULE_SET = load([("e.yaml", EVENTS), ("r.yaml", RULES)])


class Till:
    def __init__(self) -> None:
        self.machine = InProcess(RULE_SET)

    def pay(self, name: str, day: float, amount: int = 10_000, payee: str = "s", **more: Any) -> dict[str, Any]:
        at_ms = START_MS + int(day * DAY_MS)
        values = {"payment_id": name, "occurred_at": at_ms, "amount": amount, "payer.id": "u", "payee.id": payee, **more}
        outcome = self.machine.feed(self.machine.engine.schema.build("payment", values))
        assert outcome is not None
        return dict(zip(outcome.names, outcome.values, strict=True))

    def label(self, name: str, day: float, verdict: str = "fraud", version: int = 1, kind: str = "chargeback") -> None:
        at_ms = START_MS + int(day * DAY_MS)
        values = {"payment_id": name, "known_at": at_ms, "occurred_at": at_ms, "verdict": verdict, "kind": kind, "version": version}
        assert self.machine.feed(self.machine.engine.schema.build("label", values)) is None


def test_a_verdict_counts_with_the_fields_of_its_payment() -> None:
    till = Till()
    till.pay("p1", 0, **{"card.id": "c", "ip": "1.2.3.4"})
    till.label("p1", 3)
    there = till.pay("p2", 4, payee="s", **{"card.id": "c", "ip": "1.2.3.99"})
    assert (there["payee_frauds_90d"], there["payee_lost_90d"], there["card_frauds"], there["net_frauds"]) == (1, 10_000, 1, 1)
    elsewhere = till.pay("p3", 4, payee="other", **{"card.id": "d", "ip": "9.9.9.9"})
    assert (elsewhere["payee_frauds_90d"], elsewhere["payee_lost_90d"], elsewhere["card_frauds"], elsewhere["net_frauds"]) == (0, 0, 0, 0)


def test_it_enters_when_it_is_known_and_leaves_with_its_window() -> None:
    till = Till()
    till.pay("p1", 0)
    till.label("p1", 60)
    assert till.pay("p2", 59)["payee_frauds_90d"] == 0
    assert till.pay("p3", 60)["payee_frauds_90d"] == 1
    assert till.pay("p4", 149.99)["payee_frauds_90d"] == 1
    assert till.pay("p5", 150)["payee_frauds_90d"] == 0


def test_a_newer_version_replaces_and_an_older_or_equal_one_changes_nothing() -> None:
    till = Till()
    till.pay("p1", 0)
    till.label("p1", 1, "fraud", 2)
    till.label("p1", 2, "legitimate", 1)
    till.label("p1", 2, "legitimate", 2)
    assert till.pay("p2", 3)["payee_frauds_90d"] == 1
    till.label("p1", 4, "legitimate", 3)
    assert till.pay("p3", 5) | {"payee_matured": 0} == {
        "payee_frauds_90d": 0, "payee_lost_90d": 0, "payee_let_through_frauds": 0, "payee_matured": 0,
        "card_frauds": None, "net_frauds": None, "any_verdict": 1,
    }  # fmt: skip
    till.label("p1", 6, "fraud", 4)
    assert (till.pay("p4", 7)["payee_frauds_90d"], till.pay("p5", 7)["any_verdict"]) == (1, 1)


def test_a_reversal_never_makes_a_count_negative_when_the_verdict_has_left_its_window() -> None:
    till = Till()
    till.pay("p1", 0)
    till.label("p1", 1)
    till.label("p1", 95, "legitimate", 2)
    values = till.pay("p2", 96)
    assert (values["payee_frauds_90d"], values["payee_lost_90d"]) == (0, 0)


def test_a_label_waits_for_its_payment() -> None:
    till = Till()
    till.label("p1", 0, "fraud", 1)
    till.label("p1", 1, "legitimate", 2)
    till.label("p2", 1)
    till.pay("p1", 2)
    till.pay("p2", 2)
    assert till.pay("p3", 3)["payee_frauds_90d"] == 1


def test_blocked_payments_are_in_neither_part_of_a_rate() -> None:
    """(frauds let through + a) / (matured and let through + a + b): what we refused says nothing of what we let through."""
    till = Till()
    till.pay("stolen", 0, **{"card.id": "c"})
    till.label("stolen", 1)
    till.pay("held", 2, **{"card.id": "c"})
    till.label("held", 3)
    values = till.pay("p3", 10)
    assert (values["payee_frauds_90d"], values["payee_let_through_frauds"], values["payee_matured"]) == (2, 1, 1)


def history(rng: random.Random) -> list[tuple[str, str, float, Any]]:
    """Payments of three payees over 120 days and their verdicts, some replaced: (what, id, day, payee or (verdict, version))."""
    steps: list[tuple[str, str, float, Any]] = []
    for number in range(60):
        day = rng.uniform(0, 120)
        steps.append(("pay", f"p{number}", day, rng.choice("abc")))
        if rng.random() < 0.7:
            known = day + rng.uniform(0, 40)
            steps.append(("label", f"p{number}", known, ("fraud", 1)))
            if rng.random() < 0.5:
                steps.append(("label", f"p{number}", known + rng.uniform(0, 60), (rng.choice(["legitimate", "unsure", "fraud"]), 2)))
    return sorted(steps, key=lambda step: step[2])


def played(steps: list[tuple[str, str, float, Any]]) -> dict[str, dict[str, Any]]:
    till, rows = Till(), {}
    for what, name, day, more in steps:
        if what == "pay":
            rows[name] = till.pay(name, day, payee=more)
        else:
            till.label(name, day, *more)
    return rows


def test_every_count_equals_a_loop_over_the_verdicts_that_stood() -> None:
    for seed in range(12):
        steps = history(random.Random(seed))
        payee = {name: more for what, name, _, more in steps if what == "pay"}
        verdicts: dict[str, list[tuple[float, str]]] = {}
        for what, name, day, more in steps:
            if what == "label":
                verdicts.setdefault(name, []).append((day, more[0]))
        rows = played(steps)
        for what, name, day, who in steps:
            if what != "pay":
                continue
            expected = 0
            for other, told in verdicts.items():
                known = [each for each in told if each[0] <= day]
                expected += bool(known) and payee[other] == who and known[-1][1] == "fraud" and day - 90 < known[-1][0]
            assert rows[name]["payee_frauds_90d"] == expected


def test_shifting_every_known_at_by_thirty_days_changes_values() -> None:
    steps = history(random.Random(1))
    later = sorted(((w, n, d + 30 if w == "label" else d, m) for w, n, d, m in steps), key=lambda step: step[2])
    before, after = played(steps), played(later)
    assert before.keys() == after.keys() and sum(before[name] != after[name] for name in before) > 20


@pytest.mark.parametrize("seed", range(6))
def test_a_label_known_after_a_payment_never_changes_that_payments_row(seed: int) -> None:
    """Also where the label was read first: a payment that comes late is told what was known at its own time."""
    steps = history(random.Random(seed))
    rows = played(steps)
    payments = [(name, day) for what, name, day, _ in steps if what == "pay"]
    for name, day in payments[::7]:
        assert played([step for step in steps if step[0] == "pay" or step[2] <= day])[name] == rows[name]
    asked = ("payee_frauds_90d", "payee_lost_90d", "payee_let_through_frauds")
    for late, _ in payments[::7]:
        others = [step for step in steps if step[1] != late]  # a payment's own label needs the payment first
        own = next(step for step in steps if step[:2] == ("pay", late))
        on_time = played(sorted([*others, own], key=lambda step: step[2]))[late]
        came_last = played([*others, own])[late]
        assert [came_last[each] for each in asked] == [on_time[each] for each in asked]


@pytest.mark.parametrize(
    ("feature", "code"),
    [
        ('{count: label, per: payee.id, over: 1h, where: verdict == "fraudd"}', "E207"),
        ("{last: verdict, of: label, per: payee.id}", "E314"),
        ("{since_last: label, per: payee.id}", "E314"),
        ("{count: [label, decision], per: payee.id, over: 1d}", "E314"),
        ("{count: label, per: payee.id, over: 1h, counts: passed}", "E313"),
        ("{count: label, per: payee.id, over: 1h, where: counts == 1}", "E202"),
    ],
)
def test_mistakes_about_labels_are_told(feature: str, code: str) -> None:
    assert code in [p.code for p in examine([("e.yaml", EVENTS), ("f.yaml", f"features: {{f: {feature}}}")]).problems]


def test_rows_of_verdicts_survive_in_the_changelog() -> None:
    engine = Engine(RULE_SET)
    owner, plan = Owner(engine), engine.labels
    assert plan is not None and engine.joining is not None
    kept = engine.joining.keep(engine.schema.build("payment", PAID), "approve")
    fraud, cleared = Verdict("fraud", "review", 1, START_MS), Verdict("legitimate", "review", 2, START_MS + 5)

    def enter(owner: Owner, *events: Labelled) -> None:
        for number, each in enumerate(events):
            mark = mark_of(each.occurred_at, each.tid, 2 * PARTITIONS_MAX, number, -1)
            for touch, (key, row) in zip(plan.touches, plan.route(each), strict=True):
                if key is not None:
                    owner.store.observe(touch, key, each.occurred_at, each.tid, row, mark)

    def frauds(owner: Owner) -> Any:
        event = engine.schema.build("payment", {**PAID, "occurred_at": START_MS + 9})
        touch = next(touch for touch in engine.plans["payment"].touches if touch.role == "payee.id")
        profile = owner.store.kept("payee", "s").profile
        return dict(zip(touch.features, touch.read(profile, event.occurred_at, touch.row(event), 1), strict=True))["payee_frauds_90d"]

    enter(owner, *engine.joining.labelled("p", kept, fraud))
    owner.flush()
    heir = owner.successor(2)
    assert (frauds(owner), frauds(heir)) == (1, 1)
    enter(heir, *engine.joining.labelled("p", kept, cleared, fraud))
    heir.flush()
    assert (frauds(heir), frauds(heir.successor(3))) == (0, 0)


def test_what_is_kept_of_a_payment_is_what_features_need() -> None:
    joining = RULE_SET.joining
    assert isinstance(joining, Joining)
    assert joining.attrs == ("amount", "card_id", "ip24", "payee_id", "action")
    assert load([("e.yaml", EVENTS)]).joining is None


def test_what_waits_is_bounded() -> None:
    assert RULE_SET.joining is not None
    payments = Payments(RULE_SET.joining, payments_max=2, waiting_max=2)
    schema = RULE_SET.schema
    told = {"occurred_at": 0, "known_at": 0, "verdict": "fraud", "kind": "review", "version": 1}
    for name in "abc":
        payments.payment(schema.build("payment", {**PAID, "payment_id": name}), "approve")
        payments.label(schema.build("label", {"payment_id": name * 2, **told}))
    assert (list(payments.held), list(payments.waiting), payments.dropped) == (["b", "c"], ["bb", "cc"], 2)


def test_an_event_of_a_label_is_the_same_whenever_it_is_made() -> None:
    assert RULE_SET.joining is not None
    kept = (100, "c", None, "s", "approve")
    fraud, cleared = Verdict("fraud", "review", 1, 5), Verdict("legitimate", "review", 2, 9)
    (first,) = RULE_SET.joining.labelled("p", kept, fraud)
    back, second = RULE_SET.joining.labelled("p", kept, cleared, fraud)
    assert (first.occurred_at, back.occurred_at, back.true_since, second.occurred_at) == (5, 5, 9, 9)
    assert len({first.tid, back.tid, second.tid}) == 3 and first.tid == RULE_SET.joining.labelled("p", kept, fraud)[0].tid
    assert RULE_SET.joining.labelled("p", kept, fraud, cleared) == ()


def test_the_tests_of_the_rule_play_labels_through_the_windows() -> None:
    results = list(run(RULE_SET))
    assert [(each.case.it, each.complaint) for each in results if not each.passed] == [] and len(results) == 4


def test_the_action_follows() -> None:
    till = Till()
    till.pay("p1", 0, **{"card.id": "c"})
    till.label("p1", 1)
    values = {"payment_id": "p2", "occurred_at": START_MS + 2 * DAY_MS, "amount": 5, "payer.id": "u", "payee.id": "t", "card.id": "c"}
    outcome = till.machine.feed(till.machine.engine.schema.build("payment", values))
    assert outcome is not None and (outcome.action, outcome.fired_names) == ("review", ["bad_payee"])
