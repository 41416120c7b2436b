"""The world: honest scenes and attacks in one stream, in the order in which the messages arrive.

Belongs here: when things happen and how many. Never: what they look like (stage, honest, attacks). Same arguments, same
bytes, on any machine.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import NamedTuple

import msgspec

from risk.world.attacks import A_ROUND, ATTACKS, STYLES
from risk.world.honest import SCENES, Scene
from risk.world.issuer import results
from risk.world.labels import verdicts
from risk.world.people import Town
from risk.world.shops import Market
from risk.world.stage import Happening, Stage

FOUR_SECONDS_A_DAY = 4 / 86_400
SCENE_PAYMENTS = 400
SCENE_SECONDS = 1_800.0
LATE_SHARE = 0.003
LATE_MS_MAX = 6_000
FIRST_ROUND_PAYMENTS = 240


class Record(NamedTuple):
    """One message: ``due_ms`` is when it reaches Kafka (event time, ms), a little after it happened for a few."""

    due_ms: int
    topic: str
    key: str
    value: bytes


class World:
    """An iterator over the messages of one run; iterating again starts the same run again.

    ``rate``: payments a second of event time. ``payments``: stop after so many (None: never). ``customers``: accounts in
    town; by default enough that nobody pays absurdly often in a run of that length. ``fraud_share``: of all payments.
    ``label_delay``: factor on the delays of labels, 1.0 as in life; the default makes a day four seconds.
    ``tail_ms``: how long after the last payment results and labels still come (None: to the last one).
    ``late_share``: messages that arrive up to six seconds after they happened.

    After or during iteration ``truth[payment_id]`` names the attack behind a payment and ``truth.get`` gives None for an honest
    one; ``episodes[payment_id]`` numbers the attack it was part of.
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        rate: float = 50.0,
        payments: int | None = None,
        customers: int | None = None,
        fraud_share: float = 0.012,
        label_delay: float = FOUR_SECONDS_A_DAY,
        tail_ms: int | None = None,
        late_share: float = LATE_SHARE,
    ) -> None:
        if rate <= 0:
            raise ValueError("rate must be more than 0 payments a second")
        if not 0 <= fraud_share < 1:
            raise ValueError("fraud_share must be between 0 and 1")
        self.seed, self.start_ms, self.rate, self.payments = seed, start_ms, rate, payments
        self.customers = customers or max(3_000, round(payments / 3) if payments else round(rate * 600))
        self.fraud_share, self.label_delay, self.tail_ms, self.late_share = fraud_share, label_delay, tail_ms, late_share
        self.truth: dict[str, str | None] = {}
        self.episodes: dict[str, int] = {}

    def __iter__(self) -> Iterator[Record]:
        self.truth.clear()
        self.episodes.clear()
        return _Run(self).records()


class _Run:
    """One pass over a world: a queue of what is to come, filled scene by scene as time moves on."""

    def __init__(self, world: World) -> None:
        self.world = world
        seed, start_ms = world.seed, world.start_ms
        self.rng = Random(f"{seed}/{start_ms}/run")
        self.squeeze = min(1.0, SCENE_PAYMENTS / world.rate / SCENE_SECONDS)
        market = Market(seed, start_ms, max(40, world.customers // 12))
        self.stage = Stage(seed, start_ms, Town(seed, start_ms, world.customers), market, self.squeeze)
        self.queue: list[tuple[int, int, Happening]] = []
        self.queued = self.paid = self.staged = self.staged_fraud = self.round = self.episode = 0
        self.last_paid_ms = start_ms
        self.plan: list[str] = []
        self.scenes: list[Scene] = [scene for scene, _ in SCENES]
        self.weights = list(accumulate(weight for _, weight in SCENES))
        self.encode = msgspec.json.Encoder().encode

    def records(self) -> Iterator[Record]:
        now = float(self.world.start_ms)
        while not self._done():
            now += self.rng.expovariate(self.world.rate) * 1000
            # Scenes of many payments run ahead of the rate; then nothing new starts until it has caught up.
            if self.staged <= (now - self.world.start_ms) / 1000 * self.world.rate:
                self._play(int(now))
            yield from self._until(now)
        yield from self._until(float("inf"))

    def _done(self) -> bool:
        return self.world.payments is not None and self.paid >= self.world.payments

    def _play(self, now: int) -> None:
        stage = self.stage
        attack = self._next_attack()
        if attack is None:
            stage.attack, stage.episode = None, 0
            self.rng.choices(self.scenes, cum_weights=self.weights)[0](stage, now)
        else:
            self.episode += 1
            stage.attack, stage.episode = attack, self.episode
            # The first of each kind is done without art, so that even a short run shows all of them.
            style = "blatant" if self.round == 1 else self.rng.choices(list(STYLES), list(STYLES.values()))[0]
            ATTACKS[attack](stage, now, style)
        for happening in stage.take():
            if happening.topic == "payments":
                self.staged += 1
                self.staged_fraud += attack is not None
            self._push(happening)

    def _next_attack(self) -> str | None:
        """Attacks start while their share is below the wanted one, each kind once a round, in an order drawn anew.

        The first round is spread over the first payments whatever the share, so that a short run holds every kind.
        """
        if self.episode < len(ATTACKS):
            due = self.world.fraud_share > 0 and self.staged >= (self.episode + 0.5) * FIRST_ROUND_PAYMENTS
        else:
            due = self.staged_fraud < self.staged * self.world.fraud_share
        if not due:
            return None
        if not self.plan:
            self.round += 1
            kinds = list(ATTACKS) if self.round == 1 else A_ROUND
            self.plan = self.rng.sample(kinds, len(kinds))
        return self.plan.pop()

    def _push(self, happening: Happening) -> None:
        due_ms = happening.at_ms
        if self.world.late_share and happening.topic != "labels" and self.rng.random() < self.world.late_share:
            due_ms += self.rng.randrange(200, LATE_MS_MAX)
        self.queued += 1
        heapq.heappush(self.queue, (due_ms, self.queued, happening))

    def _until(self, now: float) -> Iterator[Record]:
        queue = self.queue
        while queue and queue[0][0] <= now:
            due_ms, _, happening = heapq.heappop(queue)
            if happening.topic == "payments":
                if self._done():
                    continue
                self._paid(happening, due_ms)
            elif self._done() and not self._belongs_to_the_end(happening, due_ms):
                continue
            yield Record(due_ms, happening.topic, happening.key, self.encode(happening.body))

    def _belongs_to_the_end(self, happening: Happening, due_ms: int) -> bool:
        """After the last payment only what became of the payments is of interest, and that for ``tail_ms``."""
        if happening.body["event"] not in ("payment_result", "label"):
            return False
        return self.world.tail_ms is None or due_ms <= self.last_paid_ms + self.world.tail_ms

    def _paid(self, happening: Happening, due_ms: int) -> None:
        self.paid += 1
        self.last_paid_ms = due_ms
        if happening.attack is not None:
            payment_id = happening.body["payment_id"]
            self.world.truth[payment_id] = happening.attack
            self.world.episodes[payment_id] = happening.episode
        happening.at_ms = due_ms  # nobody answers, or complains, before it arrived
        for follow_up in (*results(self.rng, happening, self.squeeze), *verdicts(self.rng, happening, self.world.label_delay)):
            self._push(follow_up)
