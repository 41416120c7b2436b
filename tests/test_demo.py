"""`risk demo`: its pieces, and one short run of the command on a real Kafka."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from rich.console import Console

from risk.language import load
from streams.audit import Audit
from streams.cli.demo import last_line
from streams.demo.figures import Figures, Notable, View, percentile
from streams.demo.page import Page, read_page
from streams.demo.reasons import Fired, Receipt, Teller
from streams.demo.screen import Facts, picture, sparkline
from streams.demo.settings import FASTER, environment_of, faster_rules, own_settings
from streams.settings import Settings, read_settings

ROOT = Path(__file__).parent.parent
LAST = re.compile(
    r"demo: (\d+) payments, (\d+) decided, (\d+) blocked, (\d+) reviewed, p50 (\d+\.\d|-) ms, p99 (\d+\.\d|-) ms, (\d+) lost"
)
ACTIONS = ("approve", "challenge", "review", "block")
SECONDS = 6
START_SECONDS = 90  # a cold machine under load
FACTS = Facts(60.0, "127.0.0.1:9092", "http://127.0.0.1:9464/metrics", ACTIONS, {"card_testing_burst": "Many small tries"}, 1.0, True)


def notable(payer: str = "usr_1", action: str = "block") -> Notable:
    return Notable("2026-11-24T09:00:00.123Z", action, "CNY 19.90", ("CARD_TESTING",), "Many small tries", "6 tries", (payer, "rule"))


# ---- numbers


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.99, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), ([*map(float, range(1, 101))], 0.99, 99.0), ([1.0, 2.0], 0, 1.0)],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected


def test_latency_leaves_the_first_two_seconds_out() -> None:
    figures = Figures()
    for number, (sent_at, took) in enumerate([(100.0, 0.9), (101.9, 0.8), (102.0, 0.010), (103.0, 0.020)]):
        figures.published(f"pay_{number}", sent_at)
        figures.answered(f"pay_{number}", "approve", sent_at + took)
    p50_ms, p99_ms, decisions, warm = figures.latency_ms()
    assert (round(p50_ms or 0), round(p99_ms or 0), decisions, warm) == (10, 20, 2, True)


def test_a_run_shorter_than_the_warm_up_tells_all_it_has() -> None:
    figures = Figures()
    figures.published("pay_1", 5.0)
    figures.answered("pay_1", "block", 5.5)
    assert figures.latency_ms() == (500.0, 500.0, 1, False)


def test_the_running_second_is_not_drawn_as_a_drop() -> None:
    figures = Figures()
    for number in range(25):
        figures.published(f"pay_{number}", 10 + number / 10)
        figures.answered(f"pay_{number}", "approve", 10 + number / 10)
    assert figures.view(12.45).series == [{"approve": 10}, {"approve": 10}]


def test_a_second_without_decisions_is_drawn_as_none() -> None:
    figures = Figures()
    figures.published("pay_1", 10.0)
    figures.answered("pay_1", "approve", 10.1)
    assert figures.view(13.5).series == [{"approve": 1}, {}, {}]


def test_after_the_end_the_clock_stands_still() -> None:
    figures = Figures()
    figures.published("pay_1", 10.0)
    figures.answered("pay_1", "approve", 10.1)
    figures.ended = 12.0
    assert (figures.view(11.5).elapsed, figures.view(60.0).elapsed, figures.view(60.0).decided) == (1.5, 2.0, 1)


def test_payments_of_one_attack_are_one_line_with_their_number() -> None:
    figures = Figures()
    for payer in ("usr_1", "usr_2", "usr_1", "usr_1"):
        figures.noted(notable(payer))
    assert [(each.like[0], each.times) for each in figures.view(0.0).latest] == [("usr_2", 1), ("usr_1", 3)]


def test_a_view_does_not_change_afterwards() -> None:
    figures = Figures()
    figures.published("pay_1", 1.0)
    figures.answered("pay_1", "block", 1.1)
    before = figures.view(2.0)
    figures.answered("pay_2", "block", 1.2)
    assert before.actions == {"block": 1}


# ---- what is read


def test_of_the_metrics_page_the_shown_numbers_are_read() -> None:
    page = read_page(
        '# TYPE risk_consumer_lag gauge\nrisk_consumer_lag{partition="0",topic="payments"} 3.0\n'
        'risk_consumer_lag{partition="1",topic="payments"} 4.0\n# TYPE risk_decisions counter\nrisk_decisions_total{action="block"} 9\n'
        'risk_model_info{version="sha256:ab"} 1.0\nrisk_model_quality{measure="auc"} 0.75\nrisk_model_quality{measure="log_loss"} NaN\n'
        'risk_labels_total{verdict="fraud"} 5.0\nrisk_dead_letters_total{reason="no_json"} 2.0\n'
    )
    assert page == Page("sha256:ab", {"auc": 0.75}, {"fraud": 5}, 7, 2, 0)


def test_an_empty_metrics_page_has_no_version_and_no_lag() -> None:
    assert read_page("") == Page()


def receipt(**changes: object) -> Receipt:
    event = {"payer": {"id": "usr_1"}, "amount": {"currency": "CNY", "value": 190}}
    values = {"card_tries_10m": 6, "device_cards_1h": 4, "device_declines_1h": None}
    milder = Fired("CN-ACC-1", "live", "challenge", reasons=["LIMIT"])
    fired = [milder, Fired("card_testing_burst", "live", "block", reasons=["CARD_TESTING"])]
    parts = {"payment_id": "pay_1", "action": "block", "decided_at": "2026-11-24T09:00:00.123Z", "event": event, "values": values}
    return Receipt(**{**parts, "unknown": {"device_declines_1h": "cold"}, "rules": fired, "would_be": [], **changes})  # type: ignore[arg-type]


def test_a_receipt_is_told_by_its_strictest_rule_with_its_figures() -> None:
    told = Teller(load([ROOT / "rules"])).notable(receipt())
    assert told.title == "Many small tries, or many cards, from one device, most of them refused"
    assert told.message == "6 tries with this card and 4 cards on one device, unknown refused"
    assert (told.amount, told.reasons) == ("CNY 1.90", ("CARD_TESTING", "LIMIT"))


def test_a_receipt_without_rules_is_told_too() -> None:
    told = Teller(load([ROOT / "rules"])).notable(receipt(rules=[], reasons=["RISK_CHECK"]))
    assert told.reasons == ("RISK_CHECK",) and told.message == ""


def test_a_rule_that_nobody_knows_keeps_its_name() -> None:
    told = Teller(load([ROOT / "rules"])).notable(receipt(rules=[Fired("of_yesterday", "live", "block")]))
    assert told.title == "of_yesterday"


# ---- what is drawn


def sample(quality: Page) -> View:
    titles = [("card_testing_burst", "live", 12), ("payee_under_card_testing", "shadow", 3)]
    series = [{"approve": 100 + n % 7, "block": n % 3, "review": n % 2} for n in range(90)]
    latest = [notable(f"usr_{n}", "review" if n % 2 else "block") for n in range(20)]
    return View(93.0, 9_300, 9_298, 101.3, 5.25, 123.4, {"approve": 9_000, "block": 90, "review": 45}, series, titles, latest, quality)


EMPTY = View(0.0, 0, 0, 0.0, None, None, {}, [], [], [], Page())
LEARNED = Page("sha256:0123456789abcdef", {"auc": 0.9, "versions_refused": 1, "lessons": 1_234}, {"fraud": 5}, 0, 0, 150 * 2**20)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 20), (40, 12), (20, 5), (250, 80)])
@pytest.mark.parametrize("view", [EMPTY, sample(Page()), sample(LEARNED)], ids=["empty", "no version", "learned"])
def test_the_picture_fills_a_terminal_of_any_size(width: int, height: int, view: View) -> None:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    lines = console.render_lines(picture(view, FACTS, width, height), console.options.update(height=height))
    assert len(lines) == height
    assert all(sum(segment.cell_length for segment in line) == width for line in lines)


def drawn(view: View, width: int, height: int, facts: Facts = FACTS, status: str = "") -> str:
    console = Console(file=io.StringIO(), width=width, height=height, record=True)
    console.print(picture(view, facts, width, height, status), height=height)
    return console.export_text()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_the_picture_says_what_is_wanted(width: int, height: int) -> None:
    text = drawn(sample(LEARNED), width, height)
    wanted = ("9,298 of 9,300 payments", "5.2 ms", "123 ms", "0123456789", "0.90", "CARD_TESTING", "Many small tries", "CNY 19.90")
    for each in (*wanted, *ACTIONS, "http://127.0.0.1:9464/metrics", "1 s = 1 day", "01:33 of 01:00", "Ctrl-C"):
        assert each in text, each


def test_without_a_version_the_picture_says_so() -> None:
    assert "no version yet" in drawn(sample(Page()), 80, 24)


def test_what_is_waited_for_stands_at_the_bottom() -> None:
    assert "comparing topics" in drawn(sample(Page()), 80, 24, status="comparing topics").splitlines()[-1]


def test_a_sparkline_scales_to_its_highest_and_shows_every_one() -> None:
    assert sparkline([0, 1, 100, 50], 1, 6) == ["   ▁█▄"]
    assert sparkline([0, 100, 50], 2, 3) == [" █ ", " ██"]
    assert sparkline([], 1, 3) == ["   "]


def test_the_last_line_has_its_form_with_and_without_decisions() -> None:
    assert last_line(Audit(), None, None) == "demo: 0 payments, 0 decided, 0 blocked, 0 reviewed, p50 - ms, p99 - ms, 0 lost"
    counted = Audit(payments=12_000, decided=11_999, lost=["pay_1"])
    counted.actions["block"] = 3
    assert last_line(counted, 5.04, 31.96) == "demo: 12000 payments, 11999 decided, 3 blocked, 0 reviewed, p50 5.0 ms, p99 32.0 ms, 1 lost"


# ---- settings of its own


def test_the_copy_of_the_rules_learns_faster_and_decides_the_same(tmp_path: Path) -> None:
    copy = load([faster_rules(ROOT / "rules", tmp_path)])
    shipped = load([ROOT / "rules"])
    assert copy.model is not None and {name: copy.model.settings[name] for name in FASTER} == FASTER
    assert {name: rule.version for name, rule in copy.rules.items()} == {name: rule.version for name, rule in shipped.rules.items()}


def test_rules_whose_model_does_not_learn_are_used_as_they_are(tmp_path: Path) -> None:
    folder = ROOT / "bench" / "w1" / "rules"
    assert faster_rules(folder, tmp_path) == folder


def test_on_somebodys_kafka_topics_and_group_are_the_runs_own(tmp_path: Path) -> None:
    theirs = read_settings({"RISK_BROKERS": "kafka:9092", "RISK_TOPIC_PREFIX": "test.", "RISK_ID": "risk"})
    own = own_settings(theirs, tmp_path, "ab12", 2)
    assert (own.topic_prefix, own.id, own.partitions, own.metrics_port) == ("test.demo-ab12.", "demo-ab12", 2, 0)


def test_the_worker_reads_back_the_settings_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISK_IN_FLIGHT", "77")
    own = own_settings(Settings(), tmp_path, "ab12", None)
    read = read_settings(environment_of(own))
    assert all(getattr(read, name) == getattr(own, name) for name in Settings.__slots__ if name != "given")


# ---- the command


def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`risk demo` without a terminal."""
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("RISK_") or name == "RISK_CACHE"}
    command = [sys.executable, "-c", "from streams.cli import main; main()", "demo", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=cleared | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )


async def topics_at(broker: str) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        return list(await admin.list_topics())
    finally:
        await admin.close()


def leftovers(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@pytest.mark.kafka
def test_a_short_demo_starts_a_kafka_of_its_own_and_loses_nothing(tmp_path: Path) -> None:
    demo = run("--seconds", str(SECONDS), TMPDIR=str(tmp_path))
    out, err = demo.communicate(timeout=START_SECONDS + SECONDS)
    assert demo.returncode == 0, err + out
    found = LAST.fullmatch(out.splitlines()[-1])
    assert found, out
    payments, decided, *_, lost = found.groups()
    assert int(payments) > 100 and decided == payments and lost == "0"
    assert "first decision" in out and err == "" and leftovers(tmp_path) == []


@pytest.mark.kafka
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_demo_that_is_stopped_counts_what_it_had_and_leaves_nothing(broker: str, tmp_path: Path, number: signal.Signals) -> None:
    demo = run("--seconds", "300", "--partitions", "2", RISK_BROKERS=broker, TMPDIR=str(tmp_path))
    assert demo.stdout is not None and demo.stderr is not None
    began = time.monotonic()
    while "first decision" not in demo.stdout.readline():
        assert demo.poll() is None and time.monotonic() - began < START_SECONDS
    demo.send_signal(number)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0, err + out
    found = LAST.fullmatch(out.splitlines()[-1])
    assert found and found[1] == found[2] and found[7] == "0", out
    assert err == "" and leftovers(tmp_path) == []
    assert not [name for name in asyncio.run(topics_at(broker)) if "demo-" in name], "its topics are taken off a Kafka that stays"


@pytest.mark.kafka
def test_a_worker_that_cannot_start_is_told_with_its_message_and_code(broker: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        demo = run("--seconds", "5", RISK_BROKERS=broker, RISK_METRICS_PORT=str(taken.getsockname()[1]), TMPDIR=str(tmp_path))
        _, err = demo.communicate(timeout=START_SECONDS)
    assert demo.returncode in (1, 2), err
    assert "address already in use" in err and "worker.log" in err
    assert [each.name for each in tmp_path.glob("*/worker.log")] == ["worker.log"], "the log that was named is still there"


def test_wrong_rules_are_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: {a: {when: nonsense}}\n")
    demo = run("--seconds", "5", RISK_RULES=str(tmp_path))
    out, err = demo.communicate(timeout=START_SECONDS)
    assert demo.returncode == 2 and "rules.yaml:1" in err and "Traceback" not in err + out


def test_no_kafka_is_a_sentence_and_exit_code_3() -> None:
    demo = run("--seconds", "5", RISK_BROKERS="127.0.0.1:1")
    _, err = demo.communicate(timeout=START_SECONDS)
    assert demo.returncode == 3 and "no Kafka answers at 127.0.0.1:1" in err and "Traceback" not in err
