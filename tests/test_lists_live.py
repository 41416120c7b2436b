"""Lists with `source: topic`: what is on them at the event's own time, which state a receipt names, and records that cannot be used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.declared import FieldType, ListDecl
from risk.engine import InProcess
from risk.language import RuleSet, load
from risk.language.list_records import BadListRecord, change_as_written, entry_of, key_of, record_of
from risk.language.sections.lists import list_version
from risk.lists import CHANGES_MAX, Change, Entry, LiveList
from risk.tools.messages import Numbered
from risk.tools.replaying import Replay

NOW_MS = 1_793_491_200_000
EVENTS = """
events:
  payment:
    decide: true
    fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user}
"""
RULES = """
lists:
  watched: {of: id user, source: topic, values: [usr_file, {value: usr_ends, until: 2026-11-02}]}
  sums: {of: money CNY, source: topic}
features:
  watched_1d: {count: payment, per: payer.id, over: 1d, where: payer.id in @watched}
rules:
  listed: {title: x, owner: o, event: payment, mode: live, then: review, reasons: [A],
           when: payer.id in @watched or amount in @sums or watched_1d > 99,
           tests: [{it: knows the file, events: [{amount: CNY 1.00, payer.id: usr_file}], expect: fires},
                   {it: is silent, events: [{amount: CNY 1.00, payer.id: u}], expect: silent}]}
  unlisted: {title: y, owner: o, event: payment, mode: shadow, when: payer.id not in @watched, score: 1}
"""


def ruleset() -> RuleSet:
    return load([("e.yaml", EVENTS), ("r.yaml", RULES)])


def paid(machine: InProcess, payer: str, at_ms: int = NOW_MS, amount: int = 7) -> Any:
    values = {"payment_id": f"p{payer}{at_ms}{amount}", "occurred_at": at_ms, "amount": amount, "payer.id": payer}
    outcome = machine.feed(machine.engine.schema.build("payment", values))
    assert outcome is not None
    return outcome


def on(at_ms: int, until_ms: int | None = None) -> Change:
    return Change(at_ms, True, until_ms)


def test_a_change_counts_for_events_from_its_time_on() -> None:
    machine = InProcess(ruleset())
    assert paid(machine, "usr_1").fired_names == ["unlisted"]
    machine.engine.change_lists([Entry("watched", "usr_1", (on(NOW_MS), Change(NOW_MS + 10, False), on(NOW_MS + 20, NOW_MS + 30)))])
    for after, listed in ((-1, False), (0, True), (9, True), (10, False), (19, False), (20, True), (29, True), (30, False)):
        assert paid(machine, "usr_1", NOW_MS + after).fired_names == ["listed" if listed else "unlisted"], after
    machine.engine.change_lists([Entry("sums", 700, (on(NOW_MS),))])
    assert paid(machine, "usr_2", amount=700).fired_names == ["listed", "unlisted"]


def test_the_files_entries_hold_until_the_topic_says_otherwise() -> None:
    machine = InProcess(ruleset())
    assert paid(machine, "usr_file").fired_names == paid(machine, "usr_ends").fired_names == ["listed"]
    machine.engine.change_lists([Entry("watched", "usr_file", (Change(NOW_MS, False),))])
    assert paid(machine, "usr_file", NOW_MS + 1).fired_names == ["unlisted"]
    assert paid(machine, "usr_file", NOW_MS - 1).fired_names == ["listed"]
    machine.engine.change_lists([Entry("watched", "usr_file", ())])
    assert paid(machine, "usr_file", NOW_MS + 2).fired_names == ["listed"]
    assert paid(machine, "usr_ends", NOW_MS + 99 * 86_400_000).fired_names == ["unlisted"]


def test_features_count_by_the_list_as_it_was_and_explanations_show_it() -> None:
    machine = InProcess(ruleset())
    paid(machine, "usr_1")
    machine.engine.change_lists([Entry("watched", "usr_1", (on(NOW_MS + 1),))])
    paid(machine, "usr_1", NOW_MS + 2)
    outcome = paid(machine, "usr_1", NOW_MS + 3)
    assert outcome.values == [1]
    judge = machine.engine.plans["payment"].judge
    event = machine.engine.schema.build("payment", {"payment_id": "p", "occurred_at": NOW_MS, "amount": 1, "payer.id": "usr_1"})
    assert judge is not None and judge.terms(1, event, [0], None)[0].result is True
    event = machine.engine.schema.build("payment", {"payment_id": "p", "occurred_at": NOW_MS + 1, "amount": 1, "payer.id": "usr_1"})
    assert judge.terms(1, event, [0], None)[0].result is False


HISTORY = st.lists(
    st.builds(Change, st.integers(0, 9), st.booleans(), st.one_of(st.none(), st.integers(0, 12))), max_size=5, unique_by=lambda c: c.at_ms
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), HISTORY), st.permutations("abcd"))
def test_a_list_is_what_a_loop_over_its_changes_says_whatever_their_order(made: dict[str, list[Change]], order: list[str]) -> None:
    written = frozenset("ab")
    declared = ListDecl("l", FieldType("text"), written, list_version(written), live=True)
    one, other = LiveList(declared), LiveList(declared)
    entries = [Entry("l", value, tuple(sorted(changes, key=lambda c: c.at_ms))) for value, changes in made.items()]
    for value, changes in made.items():
        one.change(value, changes)
        one.change(value, changes)
    for value in [each for each in order if each in made]:
        for count in range(len(made[value]) + 1):  # as they come in, one by one
            other.change(value, sorted(made[value], key=lambda c: c.at_ms)[:count])
    assert one.version == other.version
    for at in range(13):
        for value in "abcd":
            past = [change for change in sorted(made.get(value, []), key=lambda c: c.at_ms) if change.at_ms <= at]
            expected = past[-1].ends > at if past else value in written
            assert one.holds(value, at) is expected and (value in one.at(at)) is expected
    versions = LiveList(declared).versions(entries)
    assert versions[one.version] == sum(len(changes) for changes in made.values())
    for version, number in versions.items():
        other.stand_at(entries, number)
        assert other.version == version


def test_the_receipt_names_the_state_of_the_list_and_replay_asks_for_it() -> None:
    machine = InProcess(ruleset())
    engine = machine.engine
    changes = [Entry("watched", "usr_1", (on(NOW_MS - 5),)), Entry("watched", "usr_2", (on(NOW_MS - 3),))]

    def receipt(payer: str) -> dict[str, Any]:
        event = {"event": "payment", "payment_id": "p", "occurred_at": "2026-11-01T00:00:00.000Z", "payer": {"id": payer}}
        raw = orjson.dumps({**event, "amount": {"currency": "CNY", "value": 7}})
        outcome = paid(machine, payer)
        made = engine.writer.receipt("p", raw, outcome, ("payments", 0, 0), 0, 0, late=False, model_version=None)
        found: dict[str, Any] = json.loads(made)
        return found

    written = receipt("usr_2")
    engine.change_lists(changes[:1])
    first = receipt("usr_2")
    engine.change_lists(changes)
    second = receipt("usr_2")
    assert len({each["lists"]["watched"] for each in (written, first, second)}) == 3
    assert ([each["action"] for each in (written, first, second)]) == ["approve", "approve", "review"]
    replay = Replay(ruleset(), entries=changes)
    assert [replay.one(Numbered(1, each)).verdict for each in (second, written, first, second)] == ["same"] * 4
    assert [Replay(ruleset()).one(Numbered(1, each)).verdict for each in (written, first)] == ["same", "other list"]
    first["action"] = "block"
    assert replay.one(Numbered(1, first)).verdict == "differs"


def test_a_record_says_what_it_was_made_of() -> None:
    declared = ruleset().lists
    changes = [change_as_written(NOW_MS, True, NOW_MS + 5, "seen in RISK-1", "ana"), change_as_written(NOW_MS + 9, False, None, "", "")]
    entry = entry_of(declared, key_of("watched", "usr_1"), record_of("watched", "usr_1", changes))
    assert entry == Entry("watched", "usr_1", (on(NOW_MS, NOW_MS + 5), Change(NOW_MS + 9, False)))
    assert entry_of(declared, key_of("sums", "CNY 7.00"), b"") == Entry("sums", 700, ())
    many = [change_as_written(NOW_MS + n, True, None, "", "") for n in range(CHANGES_MAX + 5)]
    assert len(entry_of(declared, key_of("watched", "u"), record_of("watched", "u", many)).changes) == CHANGES_MAX


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        (None, b"{}"),
        (b"watched", b"{}"),
        (b'["watched"]', b'{"changes": []}'),
        (b'["nobody", "u"]', b'{"changes": []}'),
        (b'["watched", 5]', b'{"changes": []}'),
        (b'["sums", "much"]', b'{"changes": []}'),
        (b'["watched", "4111111111111111"]', b'{"changes": []}'),
        (b'["watched", "u"]', b"not json"),
        (b'["watched", "u"]', b"[]"),
        (b'["watched", "u"]', b'{"changes": 3}'),
        (b'["watched", "u"]', b'{"changes": [3]}'),
        (b'["watched", "u"]', b'{"changes": [{"at": "yesterday", "on": true}]}'),
        (b'["watched", "u"]', b'{"changes": [{"at": "2026-11-01T00:00:00Z", "on": "yes"}]}'),
        (b'["watched", "u"]', b'{"changes": [{"at": 5, "on": true}]}'),
        (b'["watched", "u"]', b'{"changes": [{"at": "2026-11-01T00:00:00Z", "on": true, "until": "soon"}]}'),
        (b"\xff", b"\xff"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(key: bytes | None, raw: bytes) -> None:
    with pytest.raises(BadListRecord):
        entry_of(ruleset().lists, key, raw)


def test_the_record_shown_on_the_page_of_messages_can_be_read() -> None:
    page = (Path(__file__).parent.parent / "docs" / "messages.md").read_text(encoding="utf-8")
    shown = re.search(r'^```json\n(\{"list".*?)^```', page, re.DOTALL | re.MULTILINE)
    assert shown
    entry = entry_of(ruleset().lists, b'["watched","usr_1"]', shown[1].encode())
    assert [change.on for change in entry.changes] == [True, False]
