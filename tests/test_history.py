"""`risk learn`: what a history teaches is what the stream would have learned, scored before it was learned."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from risk.language import RuleSet, load
from risk.learning import Known, Learner, Offer, Ordered, Settled, Version, entries_of
from risk.tools.history import LOG_HEAD, BadLog, History, records, written
from risk.tools.history_report import page, report
from risk.world.clock import stamp
from streams.cli import whole

DAY = 86_400_000
START = 1_780_272_000_000
RULES = """
events:
  payment:
    decide: true
    default: true
    fields: {payment_id: id payment, occurred_at: time, amount: int, card.id: id card}
  payment_result:
    fields: {payment_id: id payment, occurred_at: time, outcome: approved | declined | reversed | expired}
  label:
    fields: {payment_id: id payment, occurred_at: {type: time, from: known_at}, known_at: time, verdict: fraud | legitimate | unsure,
             kind: chargeback | review | merchant, version: int}
features:
  count_1d: {count: payment, per: card.id, over: 24h}
rules:
  HUGE:
    title: Far too much
    owner: us
    event: payment
    mode: live
    params: {much: 5000}
    when: amount > $much
    then: block
    tests:
      - {it: fires, events: [{amount: 5001}], expect: fires}
      - {it: is silent, events: [{amount: 5000}], expect: silent}
policy: {actions: [approve, challenge, review, block]}
model:
  name: small
  learner: logistic
  trains_on: [chargeback, review]
  settings: {publish_every: 50, presume_after_days: 5, mean_score_max: 1.0}
  inputs:
    - {read: amount, as: log}
    - {read: count_1d, as: log}
"""


def ruleset() -> RuleSet:
    return load([("small.yaml", RULES)])


def horizon_of(event: Any) -> int:
    return 1


def stream(payments: int = 600) -> list[tuple[int, bytes]]:
    """Frauds pay much; each verdict on a fraud comes after two days, on some others after three; the rest are presumed."""
    rng = random.Random(4)
    found: list[tuple[int, int, dict[str, Any]]] = []
    for n in range(payments):
        at = START + n * DAY // 20
        fraud = rng.random() < 0.2
        amount = rng.randrange(500, 900) if fraud else rng.randrange(10, 600)
        found.append((at, 0, {"payment_id": f"p{n}", "occurred_at": stamp(at), "amount": amount, "card": {"id": f"c{n % 30}"}}))
        if fraud or rng.random() < 0.1:
            known = at + (2 if fraud else 3) * DAY
            verdict, kind = ("fraud", "chargeback") if fraud else ("legitimate", "review")
            label = {"event": "label", "payment_id": f"p{n}", "known_at": stamp(known), "verdict": verdict, "kind": kind, "version": 1}
            found.append((known, 1, label))
    return [(at, msgspec.json.encode(said)) for at, _, said in sorted(found, key=lambda each: each[:2])]


def told(messages: list[tuple[int, bytes]], **more: Any) -> History:
    history = History(ruleset(), horizon_of, **more)
    for at, raw in messages:
        history.message(raw, at)
    return history


def test_the_log_that_a_history_keeps_makes_the_same_model_again() -> None:
    log: list[bytes] = []
    first = told(stream(), keep=log.append)
    again = History(ruleset(), horizon_of)
    for raw in log:
        again.record(raw)
    model = ruleset().model
    assert model is not None
    plain = Ordered(Learner(model))
    for raw in log:
        for _ in plain.take(raw):
            pass
    assert first.version is not None and first.versions > 5
    assert first.version == again.version
    assert first.learner.version().hash == again.learner.version().hash == plain.learner.version().hash
    assert [paid.scores for paid in first.payments.values()] == [paid.scores for paid in again.payments.values()] or (
        repr([paid.scores for paid in first.payments.values()]) == repr([paid.scores for paid in again.payments.values()])
    )


def test_a_payment_is_scored_by_the_version_before_it_and_learned_when_its_label_is_known() -> None:
    history = History(ruleset(), horizon_of)
    scored = 0
    for at, raw in stream():
        before, lessons = history.version, history.learner.lessons
        history.message(raw, at)
        said = msgspec.json.decode(raw)
        if "event" in said:
            continue
        paid = history.payments[said["payment_id"]]
        held = history.learner.ledger.held[said["payment_id"]]
        assert held.taught is None
        if before is not None:
            assert paid.scores[0] == before.score(held.inputs())
            scored += 1
        assert history.learner.lessons - lessons < 10
    assert scored > 300


def test_what_was_let_through_and_not_heard_of_is_legitimate_and_what_was_blocked_is_nothing() -> None:
    at = START
    paid = [{"payment_id": f"p{n}", "occurred_at": stamp(at + n), "amount": 6_000 if n == 1 else 10, "card": {"id": "c"}} for n in range(7)]
    history = told([(at + n, msgspec.json.encode(each)) for n, each in enumerate(paid)])
    label = {"event": "label", "known_at": stamp(at + DAY), "version": 1}
    said = [
        {**label, "payment_id": "p2", "verdict": "fraud", "kind": "chargeback"},
        {**label, "payment_id": "p3", "verdict": "unsure", "kind": "review"},
        {**label, "payment_id": "p4", "verdict": "fraud", "kind": "merchant"},  # a kind that says nothing of fraud
        {**label, "payment_id": "p5", "verdict": "fraud", "kind": "review"},
        {**label, "payment_id": "p5", "verdict": "legitimate", "kind": "review", "version": 2},
    ]
    for n, each in enumerate(said):
        history.message(msgspec.json.encode(each), at + DAY + n)
    assert sorted(zip(history.examples().fraud.tolist(), history.examples().reviewed.tolist(), strict=True)) == [
        (False, True),
        (True, False),
    ]
    history.message(msgspec.json.encode({**paid[0], "payment_id": "late", "occurred_at": stamp(at + 6 * DAY)}), at + 6 * DAY)
    found = history.examples()
    assert len(found.fraud) == 5  # p0, p4 and p6 are presumed legitimate now; p1 was blocked, p3 nobody knows
    assert found.fraud.sum() == 1


def test_results_and_horizons_reach_the_log_as_the_stream_writes_them() -> None:
    log: list[bytes] = []
    pay = {"payment_id": "p", "occurred_at": stamp(START), "amount": 10, "card": {"id": "c"}}
    result = {"event": "payment_result", "payment_id": "p", "occurred_at": stamp(START + 1), "outcome": "declined"}
    history = told([(START, msgspec.json.encode(pay)), (START + 1, msgspec.json.encode(result)), (START + 2, b"{")], keep=log.append)
    entries = [entry for raw in log for entry in entries_of(raw)[1]]
    assert [entry for entry in entries if isinstance(entry, Settled)] == [Settled("p", False)]
    (offer,) = [entry for entry in entries if isinstance(entry, Offer)]
    assert (offer.let_through, offer.horizon, offer.decided_ms) == (True, 1, START)
    assert not [entry for entry in entries if isinstance(entry, Known)]
    assert history.counts["unreadable"] == 1


def test_a_log_in_a_file_is_read_back_and_a_broken_one_is_refused() -> None:
    whole_file = LOG_HEAD + written(b"one") + written(b"") + written(b"three")
    assert list(records(io.BytesIO(whole_file))) == [b"one", b"", b"three"]
    for broken in (b"", b"{}\n" * 9, whole_file[:-1], whole_file + b"\0", LOG_HEAD + b"\xff\xff\xff\xff"):
        with pytest.raises(BadLog):
            list(records(io.BytesIO(broken)))


def test_the_page_holds_every_figure_and_three_plots_and_no_script() -> None:
    history = told(stream())
    made = report(history, resamples=50)
    text = page(made, "<b>x</b> & y")
    assert "&lt;b&gt;x&lt;/b&gt; &amp; y" in text and "<b>" not in text
    assert text.count("<svg") == 3 and "<script" not in text
    assert f"{made.contenders['in force'].figures['average_precision'].value:.3f}" in text
    assert page(report(history, resamples=50), "t") == page(report(history, resamples=50), "t")
    assert made.contenders["in force"].examples == made.contenders["logistic"].examples
    assert made.weeks and made.analysts is not None


def test_the_page_of_a_history_without_a_version_says_so() -> None:
    text = page(report(told(stream(20)), resamples=20), "t")
    assert "none was fit to score" in text and "nothing to draw" in text


def run(*arguments: str) -> Any:
    return CliRunner().invoke(whole(("learn",)), ["learn", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    payments = [msgspec.json.decode(raw) for _, raw in stream() if b"payment_id" in raw and b"verdict" not in raw]
    rows = [{"id": p["payment_id"], "at": START + n * DAY // 20, "a": p["amount"], "c": p["card"]["id"], "bad": int(p["amount"] > 600)}
            for n, p in enumerate(payments)]  # fmt: skip
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    (tmp_path / "map.yaml").write_text(
        "key: card.id\nfields:\n  payment_id: {column: id}\n  occurred_at: {column: at, unit: ms}\n"
        "  amount: {column: a}\n  card.id: {column: c}\nlabels: {fraud: bad, kind: chargeback}\n"
    )
    return tmp_path


def test_the_command_learns_a_file_and_its_log_gives_the_same_version(folder: Path) -> None:
    names = {name: str(folder / name) for name in ("rules.yaml", "rows.jsonl", "map.yaml", "v1", "v2", "log", "page.html")}
    given = ["--rules", names["rules.yaml"], "--from"]
    first = run(*given, names["rows.jsonl"], "--map", names["map.yaml"], "--delay", "2d", "--save", names["v1"], "--log", names["log"],
                "--html", names["page.html"])  # fmt: skip
    assert first.exit_code == 0, first.output
    assert "600" in first.output and "average precision" in first.output
    again = run(*given, names["log"], "--save", names["v2"])
    assert again.exit_code == 0, again.output
    one, two = (Version.from_bytes((folder / name).read_bytes()) for name in ("v1", "v2"))
    assert one == two and one.hash in first.output.replace("\n", "")
    assert "<svg" in (folder / "page.html").read_text()


def test_the_command_tells_what_is_wrong(folder: Path) -> None:
    rules, rows = str(folder / "rules.yaml"), str(folder / "rows.jsonl")
    assert run("--rules", rules).exit_code == 2
    assert run("--rules", rules, "--from", rows).exit_code == 2  # rows need a map
    assert run("--rules", rules, "--from", rows, "--map", str(folder / "map.yaml"), "--delay", "soon").exit_code == 2
    broken = folder / "broken"
    broken.write_bytes(LOG_HEAD + b"\0\0\0\x09one")
    found = run("--rules", rules, "--from", str(broken))
    assert found.exit_code == 2 and "breaks off" in found.output
    none = run("--rules", rules, "--from", rows, "--map", str(folder / "map.yaml"), "--limit", "5", "--save", str(folder / "v"))
    assert none.exit_code == 2 and not (folder / "v").exists()
