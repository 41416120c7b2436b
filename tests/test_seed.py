"""Opening balances: what a file may say, what limits then read, and that a seed counts once however often it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from risk.decisions import Outcome
from risk.engine import Engine, InProcess
from risk.language import RuleSet, load
from risk.language.values import Ago
from risk.seeding import Seed, SeedReader, current, enter, first_instant
from streams.cli.seed import seed
from streams.observe import apply_touches
from streams.order import Order
from streams.ownership import Ownership
from streams.seeding import ROWS_AN_ENVELOPE, envelopes
from streams.sieve import Sieve
from streams.store import Store
from streams.wire import INPUT_TOPICS, encode, partition_of, source_code

RULES = Path(__file__).parent.parent / "rules"
NOW_MS = 1_799_035_200_000  # 2027-01-04T12:00 in Shanghai
HEADER = "feature,key,period,amount"


@pytest.fixture(scope="module")
def ruleset() -> RuleSet:
    return load([RULES])


@pytest.fixture(scope="module")
def engine(ruleset: RuleSet) -> Engine:
    return Engine(ruleset)


def read(engine: Engine, *lines: str, header: str = HEADER) -> list[Seed]:
    seeds, problems = SeedReader(engine, NOW_MS).read([header, *lines])
    assert problems == []
    return seeds


def refusals(engine: Engine, *lines: str, header: str = HEADER) -> list[str]:
    return [str(problem) for problem in SeedReader(engine, NOW_MS).read([header, *lines])[1]]


def paid(machine: InProcess, yuan: str, number: int = 1, **rest: Any) -> Outcome:
    """An ordinary payment from the balance under all rules."""
    kind = machine.engine.ruleset.schema.types["payment"]
    values = {name: value for name, value in kind.example.items() if not isinstance(value, Ago)}
    values |= {
        "payment_id": f"pay_{number}",
        "occurred_at": NOW_MS,
        "payer.person": "prs_1",
        "payee.opened_at": 0,
        "payee.trading_since": 0,
    }
    values |= {"amount": round(float(yuan) * 100), "payer.opened_at": 0, **{key.replace("__", "."): value for key, value in rest.items()}}
    outcome = machine.feed(machine.engine.schema.build("payment", values))
    assert outcome is not None
    return outcome


@pytest.fixture
def machine(ruleset: RuleSet) -> InProcess:
    return InProcess(ruleset)


# ---------------------------------------------------------------------------------------------------------------- what limits read


def test_a_lifetime_limit_goes_on_where_the_opening_balance_ends(machine: InProcess) -> None:
    enter(read(machine.engine, "class_1_ever,prs_1,lifetime,CNY 900.00"), machine)
    assert paid(machine, "100.00", payer__account_class="I").action == "approve"
    over = paid(machine, "0.01", 2, payer__account_class="I")
    assert over.action == "block" and "CN-ACC-1" in over.fired_names


@pytest.mark.parametrize(("account_class", "yuan", "rule"), [("II", "100000.00", "CN-ACC-2"), ("III", "200000.00", "CN-ACC-3")])
def test_a_year_limit_goes_on_where_the_opening_balance_ends(machine: InProcess, account_class: str, yuan: str, rule: str) -> None:
    enter(read(machine.engine, f"balance_this_year,prs_1,2027,CNY {yuan}"), machine)
    over = paid(machine, "0.01", payer__account_class=account_class)
    assert over.action == "block" and rule in over.fired_names
    assert paid(machine, "0.01", 2, payer__account_class=account_class, payer__person="prs_2").action == "approve"


def test_a_day_limit_goes_on_where_the_opening_balance_ends(machine: InProcess) -> None:
    enter(read(machine.engine, "balance_c_today,prs_1,2027-01-04,CNY 999.99"), machine)
    assert paid(machine, "0.01", auth_level="C").action == "approve"
    assert paid(machine, "0.01", 2, auth_level="C").fired_names == ["CN-AUTH-C"]


def test_a_seed_counts_in_its_own_feature_alone(machine: InProcess) -> None:
    enter(read(machine.engine, "balance_this_year,prs_1,2027,CNY 41200.00"), machine)
    outcome = paid(machine, "1.00", auth_level="B", payer__account_class="II")
    values = dict(zip(outcome.names, outcome.values, strict=True))
    sums = {name: value for name, value in values.items() if name.endswith(("_today", "_ever", "_year")) and value}
    assert sums == {"balance_this_year": 4_120_000}


def test_the_same_file_again_changes_nothing(machine: InProcess) -> None:
    for _ in range(3):
        enter(read(machine.engine, "class_1_ever,prs_1,lifetime,CNY 600.00"), machine)
    assert paid(machine, "400.00", payer__account_class="I").action == "approve"


def test_a_revision_takes_the_place_of_an_earlier_amount(machine: InProcess) -> None:
    header = f"{HEADER},revision"
    enter(read(machine.engine, "class_1_ever,prs_1,lifetime,CNY 999.00,1", header=header), machine)
    enter(read(machine.engine, "class_1_ever,prs_1,lifetime,CNY 100.00,2", header=header), machine)
    enter(read(machine.engine, "class_1_ever,prs_1,lifetime,CNY 100.00,2", header=header), machine)
    assert paid(machine, "900.00", payer__account_class="I").action == "approve"
    assert paid(machine, "0.01", 2, payer__account_class="I").action == "block"


def test_what_is_over_is_left_out(engine: Engine) -> None:
    seeds = read(engine, "balance_this_year,prs_1,2026,CNY 5.00", "balance_c_today,prs_1,2027-01-03,CNY 5.00")
    assert [seed.over for seed in seeds] == [True, True] and current(seeds) == []


# ---------------------------------------------------------------------------------------------------------------- what a file may say


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("balance_this_yeer,prs_1,2027,CNY 5.00", "there is no feature `balance_this_yeer`; did you mean `balance_this_year`?"),
        ("card_tries_10m,card_1,2027,5", "`card_tries_10m` is no sum of what passed"),
        ("instalments_ever,usr_1,lifetime,5", "`instalments_ever` is no sum of what passed"),
        ("in_sum_24h,acc_1,2027-01-04T09:00:00+08:00,CNY 5.00", "`in_sum_24h` cannot be seeded alone"),
        (
            "balance_this_year,prs_1,2027-01,CNY 5.00",
            "is over a calendar year, not over `2027-01`; write it like `2026`",
        ),
        ("balance_c_today,prs_1,2027-02-30,CNY 5.00", "not over `2027-02-30`"),
        ("class_1_ever,prs_1,2027,CNY 5.00", "`class_1_ever` is over a lifetime, not over `2027`; write `lifetime`"),
        ("balance_this_year,prs_1,2028,CNY 5.00", "2028 has not begun"),
        ("balance_c_today,prs_1,2027-01-05,CNY 5.00", "2027-01-05 has not begun"),
        ("balance_this_year,prs_1,2027,5.00", "amount:"),
        ("balance_this_year,prs_1,2027,USD 5.00", "amount:"),
        ("balance_this_year,prs_1,2027,CNY 5.001", "amount:"),
        ("balance_this_year,prs_1,2027,CNY 0.00", "not more than nothing"),
        ("balance_this_year,prs_1,2027,CNY -5.00", "amount:"),
        ("balance_this_year,,2027,CNY 5.00", "a key has 1 to 256 characters"),
        ("balance_this_year,prs_1;prs_2,2027,CNY 5.00", "`prs_1;prs_2` has 2 parts; `balance_this_year` is kept per payer.person"),
        ("balance_this_year,4111111111111111,2027,CNY 5.00", "a card number must not be kept anywhere"),
        ("balance_this_year,prs_1,2027", "there are 3 values for 4 columns"),
        ("balance_this_year,prs_1,2027,CNY 1,000.00", "there are 5 values for 4 columns"),
    ],
)
def test_a_line_that_cannot_be_right_is_refused_with_its_number(engine: Engine, line: str, said: str) -> None:
    [found] = refusals(engine, line)
    assert found.startswith("line 2: ") and said in found


def test_a_line_that_stands_twice_is_refused(engine: Engine) -> None:
    line = "balance_this_year,prs_1,2027,CNY 5.00"
    assert refusals(engine, line, line) == ["line 3: `balance_this_year` of `prs_1` for 2027 stands in line 2 already; add the two up"]


def test_the_first_line_names_the_columns(engine: Engine) -> None:
    reader = SeedReader(engine, NOW_MS)
    assert "names the columns" in str(reader.read(["balance_this_year,prs_1,2027,CNY 5.00"])[1][0])
    assert "the file is empty" in str(reader.read([])[1][0])
    assert reader.read(["# a remark", "", HEADER, " class_1_ever , prs_1 , lifetime , CNY 5.00 # no remark"])[1] != []
    assert refusals(engine, "class_1_ever,prs_1,lifetime,CNY 5.00,0", header=f"{HEADER},revision") == [
        "line 2: revision: a whole number from 1 to 100, not `0`"
    ]


@pytest.mark.parametrize(
    ("period", "unit", "begins"),
    [
        ("2027", "year", "2026-12-31T16:00"),
        ("2027-02", "month", "2027-01-31T16:00"),
        ("2027-W01", "week", "2027-01-03T16:00"),
        ("2028-02-29", "day", "2028-02-28T16:00"),
        ("2027-02-29", "day", None),
        ("27", "year", None),
    ],
)
def test_periods_begin_in_their_own_zone(period: str, unit: str, begins: str | None) -> None:
    expected = None if begins is None else int(datetime.fromisoformat(begins).replace(tzinfo=UTC).timestamp() * 1000)
    assert first_instant(period, unit, "Asia/Shanghai") == expected


SLIDING = """
events:
  transfer:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user, payee.id: id payee}
features:
  sent_24h: {sum: amount, of: transfer, per: [payer.id, payee.id], over: 24h, counts: passed}
rules:
  much:
    title: A lot to one payee
    owner: o
    event: transfer
    mode: shadow
    when: sent_24h + amount > CNY 100.00
    then: block
    reasons: [MUCH]
"""


def test_a_sliding_window_takes_moments_and_pairs() -> None:
    engine = Engine(load([("a.yaml", SLIDING)]))
    [seed] = read(engine, "sent_24h,usr_1;shop_1,2027-01-04T09:00:00+08:00,CNY 60.00")
    assert (seed.key, seed.over, NOW_MS - seed.t) == ("usr_1\x1fshop_1", False, 3 * 3_600_000)
    assert read(engine, "sent_24h,usr_1;shop_1,2027-01-03T12:00:00+08:00,CNY 60.00")[0].over
    assert "slides, so it takes a moment" in refusals(engine, "sent_24h,usr_1;shop_1,2027,CNY 60.00")[0]


def test_a_feature_whose_rows_count_elsewhere_too_is_refused() -> None:
    shared = SLIDING.replace(
        "rules:", "  sent_ever: {count: transfer, per: [payer.id, payee.id], over: lifetime, counts: passed}\nrules:", 1
    )
    engine = Engine(load([("a.yaml", shared)]))
    line = "sent_24h,usr_1;shop_1,2027-01-04T09:00:00+08:00,CNY 60.00"
    assert "the row would also count in `sent_ever`" in refusals(engine, line)[0]


# ---------------------------------------------------------------------------------------------------------------- on the way to profiles


@dataclass
class Owner:
    """As much of a worker as applies touches, for one partition."""

    engine: Engine
    store: Store
    unsafe: list[Any] = field(default_factory=list)

    def apply(self, seeds: list[Seed], offset: int = 0, ruleset: str | None = None) -> None:
        worker: Any = SimpleNamespace(
            engine=self.engine,
            shards={0: SimpleNamespace(store=self.store, received=deque(), ledger=SimpleNamespace(crashes={}, sieve=Sieve()))},
            order=Order(patience=0),
            courier=SimpleNamespace(answer=None, tie_answers=lambda *_: None),
            keeping=SimpleNamespace(unsafe=self.unsafe),
        )
        worker.ownership = Ownership(worker)  # of a partition whose own inputs have got far
        worker.ownership._committed = {source_code(index, 0): 10**6 for index in range(len(INPUT_TOPICS))}
        source: Any = SimpleNamespace(tp=SimpleNamespace(partition=0), begin=lambda *_: None)
        for number, (_, envelope) in enumerate(envelopes(seeds, ruleset or self.engine.ruleset.hash, 1)):
            record: Any = SimpleNamespace(value=encode(envelope), offset=offset + number)
            apply_touches(worker, source, record)

    def total(self, seed: Seed) -> int:
        """What the limit reads now."""
        profile = self.store.kept(seed.touch.kind, seed.key).profile
        plan = self.engine.plans["payment"]
        touch = next(each for each in plan.touches if seed.feature.name in each.features)
        answers = touch.read(profile, NOW_MS, tuple(None for _ in touch.columns), 1)
        return int(answers[touch.features.index(seed.feature.name)])


@pytest.fixture
def owner(engine: Engine) -> Callable[[], Owner]:
    return lambda: Owner(engine, Store(engine, 0, 1))


def test_the_owner_of_a_profile_enters_a_seed_like_any_touch(owner: Callable[[], Owner], engine: Engine) -> None:
    it = owner()
    seeds = read(engine, "balance_this_year,prs_1,2027,CNY 41200.00", "class_1_ever,prs_2,lifetime,CNY 900.00")
    it.apply(seeds)
    assert [it.total(seed) for seed in seeds] == [4_120_000, 90_000]


def test_a_seed_that_comes_again_counts_once(owner: Callable[[], Owner], engine: Engine) -> None:
    it = owner()
    seeds = read(engine, "balance_this_year,prs_1,2027,CNY 41200.00")
    for offset in (0, 0, 7):
        it.apply(seeds, offset)
    assert it.total(seeds[0]) == 4_120_000


def test_a_revision_replaces_on_the_way_too(owner: Callable[[], Owner], engine: Engine) -> None:
    it = owner()
    header = f"{HEADER},revision"
    for offset, (amount, revision) in enumerate((("CNY 10.00", 1), ("CNY 20.00", 2), ("CNY 30.00", 3))):
        seeds = read(engine, f"balance_this_year,prs_1,2027,{amount},{revision}", header=header)
        it.apply(seeds, offset * 10)
    assert it.total(seeds[0]) == 3_000


def test_seeds_survive_a_change_of_owner_and_may_then_come_again(owner: Callable[[], Owner], engine: Engine) -> None:
    it = owner()
    seeds = read(engine, "balance_this_year,prs_1,2027,CNY 41200.00", "class_1_ever,prs_2,lifetime,CNY 900.00")
    it.apply(seeds)
    changelog: dict[bytes, bytes] = {}
    _keep(changelog, it.store.take_changes())
    next_owner = Owner(engine, Store(engine, 0, 2))
    assert next_owner.store.restore(changelog, {}, 0) == 2
    assert [next_owner.total(seed) for seed in seeds] == [4_120_000, 90_000]
    next_owner.apply(seeds)
    assert [next_owner.total(seed) for seed in seeds] == [4_120_000, 90_000]


def _keep(changelog: dict[bytes, bytes], changes: list[tuple[bytes, bytes | None]]) -> None:
    for key, value in changes:
        if value is None:
            changelog.pop(key, None)
        else:
            changelog[key] = value


def test_seeds_are_not_remembered_for_ever_as_rows_that_may_come_again(owner: Callable[[], Owner], engine: Engine) -> None:
    it = owner()
    it.apply(read(engine, *(f"balance_this_year,prs_{n},2027,CNY 1.00" for n in range(50))))
    it.store.forget_applied({}, touches_committed=100)
    it.apply(read(engine, "balance_this_year,prs_last,2027,CNY 1.00"), offset=100)
    assert [key for _, _, key, _ in it.store.applied] == ["prs_last"]


def test_each_seed_goes_to_the_partition_of_its_profile(engine: Engine) -> None:
    seeds = read(engine, *(f"balance_this_year,prs_{n},2027,CNY 1.00" for n in range(ROWS_AN_ENVELOPE * 3)))
    sent: dict[int, int] = {}
    for home, envelope in envelopes(seeds, "sha256:0", 2):
        assert len(envelope.events) <= ROWS_AN_ENVELOPE
        assert {partition_of("person", key, 2) for event in envelope.events for _, key, _ in event.touches} <= {home}
        assert not any(event.want or event.order_ms for event in envelope.events)
        sent[home] = sent.get(home, 0) + len(envelope.events)
    assert sum(sent.values()) == len(seeds) and set(sent) == {0, 1}


# ---------------------------------------------------------------------------------------------------------------- the command


def command(tmp_path: Path, *lines: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(seed)
    file = tmp_path / "seed.csv"
    file.write_text("\n".join((HEADER, *lines)), encoding="utf-8")
    result = CliRunner().invoke(app, [str(file), "--rules", str(RULES), "--dry-run", "--all"])
    return result.exit_code, result.output


def test_a_dry_run_tells_what_entering_would_do(tmp_path: Path) -> None:
    code, text = command(
        tmp_path,
        "class_1_ever,prs_1,lifetime,CNY 900.00",
        "class_1_ever,prs_2,lifetime,CNY 100.50",
        "balance_this_year,prs_1,2020,CNY 1.00",
    )
    assert code == 0
    assert "line 2: class_1_ever of prs_1, lifetime: CNY 900.00" in text
    assert "class_1_ever: 2 keys, CNY 1000.50" in text
    assert "left out: 1 line of a period that is over" in text
    assert "nothing was sent" in text


def test_a_wrong_line_stops_everything(tmp_path: Path) -> None:
    code, text = command(tmp_path, "class_1_ever,prs_1,lifetime,CNY 900.00", "class_1_evr,prs_1,lifetime,CNY 900.00")
    assert code == 2
    assert "line 3: there is no feature `class_1_evr`; did you mean `class_1_ever`?" in text
    assert "nothing is entered" in text
