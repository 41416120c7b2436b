"""Which version of the model is in force: the newest, or the one that somebody promoted; whatever else lies on the topic has no effect."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.learning import Learner, Version
from risk.learning.registry import ACT_KEY, Act, Registry
from tests.learning_streams import X, model, offered

MODEL = model()


def versions(n: int) -> list[Version]:
    learner = offered()
    made = []
    for number in range(n):
        learner.offer(f"q{number}", X, 0, True)
        learner.label(f"q{number}", "fraud" if number % 2 else "legitimate", "claim", 1, 5)
        made.append(learner.version())
    return made


A, B, C = versions(3)


def told(*records: Version | Act | tuple[bytes | None, bytes | None], kept: int | None = None) -> Registry:
    registry = Registry(MODEL, kept)
    for at, each in enumerate(records):
        if isinstance(each, Version):
            registry.take(each.hash.encode(), each.to_bytes(), at)
        elif isinstance(each, Act):
            registry.take(ACT_KEY + str(at).encode(), each.to_bytes(), at)
        else:
            registry.take(*each, at)
    return registry


def act(version: Version | None, do: str = "promote", name: str = "fraud") -> Act:
    return Act(do, name, version.hash if version is not None else None, "somebody", "2026-11-24T09:00:00.000Z")


def in_force(registry: Registry) -> Version | None:
    return registry.champion.version if registry.champion is not None else None


def test_without_an_act_the_newest_version_is_in_force() -> None:
    assert in_force(told()) is None
    assert in_force(told(A, B)) == B
    assert in_force(told(A, B, A)) == A, "published again after another one: it is the newest again"


def test_a_promoted_version_stays_until_the_next_act() -> None:
    assert in_force(told(A, B, act(A), C)) == A
    assert in_force(told(A, B, act(A), C, act(B))) == B
    assert in_force(told(A, B, act(A), act(None), C)) == C


def test_rollbacks_go_back_act_by_act() -> None:
    acts = (act(A), act(B))
    assert in_force(told(A, B, C, *acts, act(None, "rollback"))) == A
    assert in_force(told(A, B, C, *acts, act(None, "rollback"), act(None, "rollback"))) == C
    registry = told(A, *[act(None, "rollback")] * 3)
    assert in_force(registry) == A and not registry.can_roll_back


def test_a_promoted_version_that_is_not_remembered_is_asked_for_and_the_newest_decides_meanwhile() -> None:
    registry = told(A, B, C, act(A), kept=2)
    assert (registry.missing, in_force(registry)) == (A.hash, C)
    registry.take(A.hash.encode(), A.to_bytes(), 9)
    assert (registry.missing, in_force(registry)) == (None, A)
    registry.take(B.hash.encode(), B.to_bytes(), 10)
    assert in_force(registry) == A, "what is promoted is never forgotten for newer ones"


OTHER = Learner(dataclasses.replace(MODEL, name="another")).version()
BROKEN = [
    ((b"sha256:00", A.to_bytes()), "foreign"),
    ((A.hash.encode(), A.to_bytes()[:-1]), "corrupt"),
    ((A.hash.encode(), b""), "corrupt"),
    ((None, A.to_bytes()), "foreign"),
    ((b"champion", A.to_bytes()), "foreign"),
    ((OTHER.hash.encode(), OTHER.to_bytes()), "other_model"),
    ((ACT_KEY + b"1", b"{"), "corrupt"),
    ((ACT_KEY + b"1", act(A, name="another").to_bytes()), "other_model"),
]


@pytest.mark.parametrize(("record", "reason"), BROKEN)
def test_a_record_that_nobody_can_use_is_counted_and_without_effect(record: tuple[bytes | None, bytes | None], reason: str) -> None:
    for registry in (told(B, record), told(record, B)):
        assert in_force(registry) == B
        assert dict(registry.refused) == {reason: 1}
    assert told(B, act(B), record).pinned == B.hash


@given(st.lists(st.tuples(st.sampled_from([b"sha256:x", A.hash.encode(), b"act:1"]), st.binary(max_size=40)), max_size=5))
def test_random_bytes_never_come_into_force(records: list[tuple[bytes, bytes]]) -> None:
    assert in_force(told(B, *records)) == B


def test_versions_are_named_by_the_beginning_of_their_hash() -> None:
    registry = told(A, B, act(A))
    assert [each.version for each in registry.named(A.hash[7:19])] == [A] == [each.version for each in registry.named("champion")]
    assert [each.version for each in registry.named(B.hash)] == [B] == [each.version for each in registry.named("newest")]
    assert registry.named("") == registry.named("sha256:") == registry.named("zz") == []
