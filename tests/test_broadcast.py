"""Since when profiles have kept what rules read: over the history of published rule sets."""

from __future__ import annotations

from risk.language import load
from streams.broadcast import Published, covered_since, kept_by

NOW_MS = 900


def ran(name: str, at_ms: int, keeps: str) -> Published:
    return Published(name, frozenset(keeps.split()), at_ms)


def test_a_new_installation_is_covered_from_the_beginning() -> None:
    assert covered_since([], ["a", "b"], NOW_MS) == {}


def test_what_the_first_rule_set_kept_is_covered_from_the_beginning() -> None:
    assert covered_since([ran("1", 100, "a")], ["a"], NOW_MS) == {}
    assert covered_since([ran("1", 100, "a"), ran("2", 200, "a b")], ["a"], NOW_MS) == {}


def test_what_a_later_one_added_is_covered_from_its_publication() -> None:
    history = [ran("1", 100, "a"), ran("2", 200, "a b"), ran("3", 300, "a b c")]
    assert covered_since(history, ["a", "b", "c"], NOW_MS) == {"b": 200, "c": 300}


def test_what_none_kept_is_covered_from_now_on() -> None:
    assert covered_since([ran("1", 100, "a")], ["a", "b"], NOW_MS) == {"b": NOW_MS}


def test_a_gap_ends_the_coverage() -> None:
    history = [ran("1", 100, "a b"), ran("2", 200, "a"), ran("3", 300, "a b")]
    assert covered_since(history, ["a", "b"], NOW_MS) == {"b": 300}


def test_what_the_newest_one_dropped_begins_anew() -> None:
    assert covered_since([ran("1", 100, "a b"), ran("2", 200, "a")], ["b"], NOW_MS) == {"b": NOW_MS}


EVENTS = """
events:
  payment: {decide: true, fields: {payment_id: id payment, occurred_at: time, amount: money CNY, payer.id: id user}}
features:
  a: {count: payment, per: payer.id, over: 1h}
  b: {sum: amount, of: payment, per: payer.id, over: 1h}
"""


def test_a_column_has_a_coverage_of_its_own() -> None:
    """A sum added to rows that are kept already is younger than the rows."""
    both = kept_by(load([("e.yaml", EVENTS)]))
    only = kept_by(load([("e.yaml", EVENTS.replace("  b: {sum: amount, of: payment, per: payer.id, over: 1h}\n", ""))]))
    assert only < both
    assert covered_since([Published("1", only, 100), Published("2", both, 200)], both, NOW_MS) == dict.fromkeys(both - only, 200)
    assert kept_by(load([("e.yaml", EVENTS.replace("over: 1h", "over: 30d"))])) == both, "another window needs nothing new"
