"""The floor: our engine alone, no Kafka, no safety, in this process. What a worker costs above it is transport and keeping state safe."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.w1.stream import DRAIN, messages
from bench.w1.task import RULES
from risk.decisions import Outcome
from risk.engine import Engine, Plan, payment_tid
from risk.events import Event
from risk.language import load
from risk.learning import fixed_version
from risk.profiles import Profile

BATCH = 500
COLLECTING = (50_000, 20, 100)
"""Thresholds of the garbage collector, as a worker has them: profiles that live long are not walked again and again."""
STEPS = ("decode", "observe", "decide", "write")


@dataclass(slots=True)
class Floor:
    """CPU microseconds of each step a payment; ``actions``: payment id -> action and points."""

    payments: int = 0
    us: dict[str, float] = field(default_factory=dict)
    actions: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def total_us(self) -> float:
        return sum(self.us.values())


class _Bare:
    """An engine, its profiles in a dict, and a clock for each step."""

    def __init__(self) -> None:
        ruleset = load([RULES])
        assert ruleset.model is not None
        self.engine = Engine(ruleset, fixed_version(ruleset.model))
        self.plan: Plan = self.engine.plans["payment"]
        self.profiles: dict[str, dict[str, Profile]] = {touch.kind: {} for touch in self.plan.touches}
        self.spent = dict.fromkeys(STEPS, 0.0)
        self.seen: set[int] = set()

    def batch(self, raw: Sequence[bytes], into: dict[str, tuple[str, int]]) -> None:
        """One batch through all steps, a step at a time: no rule of W1 lets a decision change what the next payment reads."""
        clock, spent, received_ms = time.thread_time, self.spent, int(time.time() * 1000)
        start = clock()
        events = [self.engine.schema.decode(value, received_ms) for value in raw]
        decoded = clock()
        answered = [self._observe(event) for event in events]
        observed = [(event, value, values) for event, value, values in zip(events, raw, answered, strict=True) if values is not None]
        seen = clock()
        outcomes = [self.engine.decide(self.plan, event, values) for event, _, values in observed]
        decided = clock()
        for (event, value, _), outcome in zip(observed, outcomes, strict=True):
            self._write(event, value, outcome)
        written = clock()
        for step, begin, end in zip(STEPS, (start, decoded, seen, decided), (decoded, seen, decided, written), strict=True):
            spent[step] += end - begin
        for (event, _, _), outcome in zip(observed, outcomes, strict=True):
            into[event.payment_id] = (outcome.action, outcome.ruling.score)

    def _observe(self, event: Event) -> list[Any] | None:
        tid = payment_tid(event.payment_id)
        if tid in self.seen:
            return None
        self.seen.add(tid)
        values: list[Any] = []
        for touch in self.plan.touches:
            key = touch.key(event)
            assert key is not None
            held = self.profiles[touch.kind]
            profile = held.get(key)
            if profile is None:
                profile = held[key] = self.engine.layout.profile(touch.kind)
            values.extend(touch.observe(profile, event.occurred_at, touch.row(event), tid))
        return values

    def _write(self, event: Event, raw: bytes, outcome: Outcome) -> None:
        version = self.engine.version
        assert version is not None
        receipt = self.engine.writer.receipt(
            event.payment_id, raw, outcome, ("payments", 0, 0), event.occurred_at, event.occurred_at, late=False, model_version=version.hash
        )
        self.engine.writer.decision(event.payment_id, outcome, receipt, event.occurred_at, late=False)


def run_floor(count: int) -> Floor:
    """The first ``count`` payments of the drain stream of that length."""
    bare, floor = _Bare(), Floor(count)
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTING)
    try:
        _feed(bare, floor, count)
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
    floor.us = {step: seconds / count * 1e6 for step, seconds in bare.spent.items()}
    return floor


def _feed(bare: _Bare, floor: Floor, count: int) -> None:
    batch: list[bytes] = []
    for payment in messages(DRAIN, count):
        batch.append(payment.value)
        if len(batch) == BATCH:
            bare.batch(batch, floor.actions)
            batch.clear()
    bare.batch(batch, floor.actions)
