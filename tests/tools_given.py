"""What the tests of tools share: a small rule set, the shipped one, and receipts of a simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from risk.engine import InProcess
from risk.language import RuleSet, load
from risk.learning import Version
from risk.sources import rule_files
from risk.world import World

RULES = Path(__file__).parent.parent / "rules"
SPARKOV = Path(__file__).parent.parent / "examples" / "sparkov" / "rules"
START_MS = 1_795_482_000_000

SMALL = """\
# A small rule set, with a comment at its head.
events:
  payment:
    decide: true
    fields:
      payment_id: id payment
      occurred_at: time
      amount: money CNY
      payer.id: id user
      card.id: optional id card
      country: optional country
    example: {amount: CNY 20.00, payer.id: usr_1, card.id: card_1}

lists:
  good_cards:
    of: id card
    owner: payments-risk
    values:
      - {value: card_good, until: 2027-06-30, why: a terminal of ours, by: sam}

macros:
  large: amount >= CNY 100.00

features:
  tries_10m: {count: payment, per: card.id, over: 10m, with_current: true}
  spent_24h: {sum: amount, of: payment, per: payer.id, over: 24h, where: 'country == "CN"'}

rules:
  burst:
    title: Many tries with one card
    owner: payments-risk
    severity: high
    event: payment
    mode: live
    params: {tries: 3}
    when: |
      tries_10m >= $tries
      and card.id not in @good_cards
    then: block
    score: 60
    reasons: [CARD_TESTING]
    message: "{tries_10m} tries, {spent_24h} spent"
    review_by: 2027-11-30
    tests:
      - it: fires at the third try
        events: [{repeat: 3, every: 10s}]
        expect: {fires_on: [3], action: block}
      - it: stays silent at the second
        events: [{repeat: 2, every: 10s}]
        expect: silent

  watched:
    title: A large payment from afar
    owner: payments-risk
    event: payment
    mode: shadow
    when: large and country != "CN"
    score: 30
    reasons: [FAR]

  being_written:
    title: A draft
    event: payment
    mode: draft
    when: large
"""


@cache
def small() -> RuleSet:
    return load([("small.yaml", SMALL)])


@cache
def shipped() -> RuleSet:
    return load(rule_files(RULES))


@cache
def receipts(payments: int = 400, version: Version | None = None) -> Sequence[bytes]:
    """The receipts of a simulated world under the shipped rules, as a worker writes them."""
    return receipts_of(shipped(), payments, version)


def receipts_of(ruleset: RuleSet, payments: int, version: Version | None = None, seed: int = 7) -> Sequence[bytes]:
    engine = InProcess(ruleset, version)
    writer, found = engine.engine.writer, []
    for record in World(seed, START_MS, rate=5.0, payments=payments, fraud_share=0.3):
        event = ruleset.schema.decode(record.value)
        outcome = engine.feed(event)
        if outcome is None:
            continue
        judged = version is not None and outcome.inputs is not None and outcome.action != ruleset.policy.actions[0]
        top = version.top(outcome.inputs) if judged else ()  # type: ignore[union-attr, arg-type]
        found.append(
            writer.receipt(
                event.payment_id,  # type: ignore[attr-defined]
                record.value,
                outcome,
                ("payments", 0, len(found)),
                record.due_ms,
                record.due_ms + 3,
                late=False,
                model_version=version.hash if version is not None else None,
                top=top,
            )
        )
    return found
