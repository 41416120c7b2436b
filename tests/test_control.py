"""The control group: who is let through follows from a secret, by amount, within the day's money, and never past a rule that forbids it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from risk.control import DAY_MS, again, draw, shanghai_day, share_of
from risk.decisions import Outcome
from risk.engine import InProcess
from risk.language import RuleSet, examine, load
from streams.control import Group, Spent, read_secret
from streams.settings import SettingsProblem

FOLDER = Path(__file__).parent / "streams" / "rules" / "control"
RULESET: RuleSet = load([FOLDER])
CONTROL = RULESET.policy.control
SECRET = b"a secret of the tests"
NOW_MS = 1_793_491_200_000


def group(partitions: int = 1, secret: bytes = SECRET) -> Group:
    assert CONTROL is not None
    return Group(CONTROL, secret, partitions, "approve")


def decided(number: int, yuan: int = 60, payee: str = "shop", at_ms: int = NOW_MS) -> tuple[object, Outcome]:
    body = {"event": "payment", "payment_id": f"p{number}", "occurred_at": at_ms, "amount": {"currency": "CNY", "value": yuan * 100}}
    raw = orjson.dumps(body | {"occurred_at": "2026-11-01T00:00:00.000Z", "payer": {"id": "u"}, "payee": {"id": payee}})
    event = RULESET.schema.decode(raw)
    outcome = InProcess(RULESET).feed(event)
    assert outcome is not None
    return event, outcome


def passed(by: Group, spent: Spent, numbers: range, partition: int = 0, yuan: int = 60) -> list[int]:
    found = []
    for number in numbers:
        event, outcome = decided(number, yuan)
        if by.consider(spent, partition, event, number, outcome) == "let_through":
            found.append(number)
    return found


def test_the_draw_is_the_same_for_everybody_who_knows_the_secret_and_for_nobody_else() -> None:
    first = [draw(SECRET, f"p{number}") for number in range(2_000)]
    assert first == [draw(SECRET, f"p{number}") for number in range(2_000)]
    assert all(0 <= each < 1 for each in first) and 0.45 < sum(first) / len(first) < 0.55
    assert draw(SECRET, "p1") == 0.23530773844748865, "it must never change while receipts name propensities"
    assert draw(b"another secret !", "p1") != draw(SECRET, "p1")


def test_shares_go_by_amount_and_by_currency() -> None:
    assert CONTROL is not None and CONTROL.cap == 60_000 and CONTROL.currency == "CNY"
    assert [share_of(CONTROL, decided(0, yuan)[0]) for yuan in (1, 999, 1000, 5000)] == [0.5, 0.5, 0.0, 0.0]


def test_a_payment_let_through_is_approved_and_its_receipt_says_how_likely_that_was() -> None:
    spent = Spent(1)
    number = passed(group(), spent, range(20))[0]
    event, outcome = decided(number)
    assert group().consider(spent, 0, event, number, outcome) == "let_through", "delivered again, it is let through again"
    assert (outcome.action, outcome.ruling.reasons, outcome.ruling.obligations) == ("approve", [], [])
    assert outcome.control == {"propensity": 0.5, "let_through": True, "instead_of": "review"}
    assert spent.of(shanghai_day(event.occurred_at)) <= 60_000  # type: ignore[attr-defined]


def test_nothing_is_let_through_once_the_days_money_is_spent_and_the_chance_is_then_0() -> None:
    spent, by = Spent(1), group()
    assert len(passed(by, spent, range(200))) == 10, "600 yuan of payments of 60"
    event, outcome = decided(5_000)
    assert by.consider(spent, 0, event, 5_000, outcome) == "spent"
    assert (outcome.action, outcome.control) == ("review", {"propensity": 0.0, "let_through": False, "instead_of": None})


def test_a_day_begins_in_shanghai() -> None:
    sixteen = NOW_MS - NOW_MS % DAY_MS + 16 * 3_600_000
    assert shanghai_day(sixteen) == shanghai_day(sixteen - 1) + 1


@pytest.mark.parametrize("partitions", [2, 4, 64])
def test_one_partition_counts_a_day_and_the_share_holds_over_all_of_them(partitions: int) -> None:
    by = group(partitions)
    owners = {by.partition_of(day) for day in range(400)}
    assert len(owners) > min(partitions, 32) * 0.9 and owners <= set(range(partitions))
    event, outcome = decided(1)
    owner = by.partition_of(shanghai_day(event.occurred_at))  # type: ignore[attr-defined]
    assert by.propensity(event) == pytest.approx(min(0.5, 1 / partitions))
    for partition in range(partitions):
        if partition != owner:
            assert by.consider(Spent(1), partition, *(event, 1, decided(1)[1])) == "stopped"
    assert by.consider(Spent(1), owner, event, 1, outcome) == "let_through", "half of all, so everything of one of two"


def test_what_must_not_be_turned_is_not() -> None:
    spent, by = Spent(1), group()
    for number in range(40):
        for outcome_of in (
            decided(number, 60, "stopped"),
            decided(number, 10),
            decided(number, 2_000),
        ):
            event, outcome = outcome_of
            action = outcome.action
            assert by.consider(spent, 0, event, number, outcome) is None
            assert (outcome.action, outcome.control) == (action, None)
        event, outcome = decided(number)
        outcome.degraded = True
        assert by.consider(spent, 0, event, number, outcome) is None
    assert spent.days == {}


def test_what_was_spent_survives_and_days_long_past_are_taken_away() -> None:
    spent, log = Spent(1), dict[bytes, bytes]()
    for day in (10, 11, 12, 13, 14):
        spent.add(day, 7, 100)
        for key, value in spent.take_changes():
            log.pop(key, None) if value is None else log.update({key: value})
    after = Spent(2)
    after.restore(log)
    assert (after.of(14), after.of(13), after.of(10), after.has(14, 7)) == (100, 100, 0, True)
    assert len(log) == 3


def test_a_receipt_is_enough_to_turn_the_decision_again() -> None:
    number = passed(group(), Spent(1), range(20))[0]
    event, outcome = decided(number)
    group().consider(Spent(1), 0, event, number, outcome)
    repeated = decided(number)[1]
    again(repeated, "approve", outcome.control)
    assert (repeated.action, repeated.control) == (outcome.action, outcome.control)


def test_a_secret_is_read_from_a_file_and_refused_when_it_is_short(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef\n")
    assert read_secret(path) == b"0123456789abcdef" and read_secret(None) is None
    path.write_text("short")
    for missing in (path, tmp_path / "none"):
        with pytest.raises(SettingsProblem):
            read_secret(missing)


TEXT = (FOLDER / "rules.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("share: 50%", "share: 60%", "a share is a percentage from 0% to 50%"),
        ("share: 50%", "share: half", "a share is a percentage"),
        ("cap: CNY 600.00", "cap: USD 600.00", "are in one currency"),
        ("cap: CNY 600.00", "cap: 600", "expected an amount such as `CNY 500.00`"),
        ("amount: CNY 1000.00, share", "amount: CNY 0.00, share", "bands go up"),
        ("    cap: CNY 600.00\n", "", "needs `cap:`"),
    ],
)
def test_mistakes_are_told(old: str, new: str, said: str) -> None:
    found = examine([("rules.yaml", TEXT.replace(old, new, 1))])
    assert any(said in problem.message for problem in found.problems), [problem.message for problem in found.problems]


def test_a_rule_that_stops_by_a_list_of_ids_is_asked_to_say_never() -> None:
    listed = TEXT.replace('payee.id == "stopped"', "payee.id in @bad") + "\nlists:\n  bad: {of: id payee, values: [stopped]}\n"
    for text, codes in ((listed, []), (listed.replace("    control: never\n", ""), ["W316"])):
        assert [problem.code for problem in examine([("rules.yaml", text)]).problems if problem.code == "W316"] == codes
    without = listed.replace("    control: never\n", "").replace(TEXT[TEXT.index("policy:") : TEXT.index("model:")], "")
    assert not [problem for problem in examine([("rules.yaml", without)]).problems if problem.code == "W316"]
