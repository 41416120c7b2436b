"""Touches on their way to profiles of other workers, and answers on their way back: one envelope a partition and slice of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from risk.profiles import Touch
from streams.line import Line
from streams.outbox import NO_HEADERS, Outbox
from streams.source import Source, settle_all
from streams.wire import RELEASE, RESTORE, Answer, AnswerEnvelope, RemoteEvent, Routed, TouchEnvelope, TouchShape, encode

SentTouch = tuple[int, str, tuple[Any, ...]]


class Courier:
    """Collects what a slice of work sends elsewhere.

    A touch counts as safe when its envelope is acknowledged: only then its source settles.
    """

    def __init__(self, outbox: Outbox, topics: dict[str, str], ruleset: str, on_error: Callable[[BaseException], None]) -> None:
        self._outbox = outbox
        self._topics = topics
        self._ruleset = ruleset
        self._on_error = on_error
        self.slices = 0
        self._events: dict[int, list[RemoteEvent]] = {}
        self._shapes: dict[int, dict[TouchShape, int]] = {}
        self._shape_of: dict[Touch, TouchShape] = {}
        self._tied: dict[int, list[tuple[Source, int]]] = {}
        self._answers: dict[int, list[Answer]] = {}
        self._tied_answers: dict[int, list[tuple[Source, int]]] = {}
        self._lines: dict[tuple[str, int], Line] = {}

    def event(self, home: int, order_ms: int, t: int, tid: int, source: int, offset: int, want: bool) -> list[SentTouch]:
        """Begin what one event sends to the owner of partition ``home``; its touches go into the list."""
        touches: list[SentTouch] = []
        self._events.setdefault(home, []).append(RemoteEvent(order_ms, t, tid, source, offset, want, touches))
        return touches

    def shape(self, home: int, touch: Touch) -> int:
        """The number of a touch's shape in the envelope for ``home``."""
        shape = self._shape_of.get(touch)
        if shape is None:
            shape = self._shape_of[touch] = TouchShape(touch.event, touch.role, tuple(touch.columns))
        shapes = self._shapes.setdefault(home, {})
        return shapes.setdefault(shape, len(shapes))

    def quota(self, home: int, kind: str, key: str, tid: int, released: bool, source: int, offset: int, order_ms: int = 0) -> None:
        """Send the release or restore of a quota."""
        self.event(home, order_ms, 0, tid, source, offset, False).append((RELEASE if released else RESTORE, key, (kind,)))

    def tie(self, homes: Iterable[int], source: Source, offset: int) -> None:
        """The source settles once for each of these partitions, when its touches there are acknowledged."""
        for home in homes:
            self._tied.setdefault(home, []).append((source, offset))

    def answer(self, partition: int, answer: Answer) -> None:
        """Send what profiles answered to the payment's own partition."""
        self._answers.setdefault(partition, []).append(answer)

    def tie_answers(self, partitions: Iterable[int], source: Source, offset: int) -> None:
        """An envelope of touches settles once for each partition that its answers went to: an answer must not die with us."""
        for partition in partitions:
            self._tied_answers.setdefault(partition, []).append((source, offset))

    def send(
        self,
        epoch_of: Callable[[int], int],
        committed: Callable[[], dict[int, int]],
        routed: Routed | None = None,
        listeners: Iterable[int] = (),
    ) -> list[int]:
        """End of a slice: everything collected goes out, and ``routed`` with it; ``listeners`` are told even where nothing else goes.

        Returns the partitions of profiles that something went to.
        """
        self.slices += 1
        for home in listeners:
            self._events.setdefault(home, [])
        homes = list(self._events)
        if self._events:
            known = committed()
            for home, events in self._events.items():
                envelope = TouchEnvelope(self._ruleset, epoch_of(home), known, list(self._shapes.get(home, ())), events, routed)
                self._send(self._topics["touches"], home, encode(envelope), self._tied.get(home, []))
            self._events, self._shapes, self._tied = {}, {}, {}
        if self._answers:
            for partition, answers in self._answers.items():
                value = encode(AnswerEnvelope(answers))
                self._send(self._topics["values"], partition, value, self._tied_answers.get(partition, []))
            self._answers, self._tied_answers = {}, {}
        return homes

    @property
    def idle(self) -> bool:
        return all(line.idle for line in self._lines.values())

    def _send(self, topic: str, partition: int, value: bytes, tied: list[tuple[Source, int]]) -> None:
        line = self._lines.get((topic, partition))
        if line is None:
            line = self._lines[(topic, partition)] = Line(self._outbox, topic, partition, self._on_error)
        line.put([(None, value, NO_HEADERS)], partial(settle_all, tied))
