"""Touches on their way to profiles of other workers, and answers on their way back: one envelope a partition and slice of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from risk.profiles import Touch
from streams.line import Line
from streams.outbox import NO_HEADERS, Outbox
from streams.source import Source, settle_all
from streams.wire import RELEASE, RESTORE, Answer, AnswerEnvelope, RemoteTouch, TouchEnvelope, TouchShape, encode


class Courier:
    """Collects what a slice of work sends elsewhere.

    A touch counts as safe when its envelope is acknowledged: only then its source settles.
    """

    def __init__(self, outbox: Outbox, topics: dict[str, str], ruleset: str, on_error: Callable[[BaseException], None]) -> None:
        self._outbox = outbox
        self._topics = topics
        self._ruleset = ruleset
        self._on_error = on_error
        self._touches: dict[int, list[RemoteTouch]] = {}
        self._shapes: dict[int, dict[TouchShape, int]] = {}
        self._shape_of: dict[Touch, TouchShape] = {}
        self._tied: dict[int, list[tuple[Source, int]]] = {}
        self._answers: dict[int, list[Answer]] = {}
        self._tied_answers: dict[int, list[tuple[Source, int]]] = {}
        self._lines: dict[tuple[str, int], Line] = {}

    def touch(
        self, home: int, touch: Touch, key: str, t: int, tid: int, source: int, offset: int, number: int, want: bool, row: tuple[Any, ...]
    ) -> None:
        """Send one touch to the owner of partition ``home``."""
        shape = self._shape_of.get(touch)
        if shape is None:
            shape = self._shape_of[touch] = TouchShape(touch.event, touch.role, tuple(touch.columns))
        shapes = self._shapes.setdefault(home, {})
        index = shapes.setdefault(shape, len(shapes))
        self._touches.setdefault(home, []).append(RemoteTouch(index, touch.kind, key, t, tid, source, offset, number, want, row))

    def quota(self, home: int, kind: str, key: str, tid: int, released: bool, source: int, offset: int) -> None:
        """Send the release or restore of a quota."""
        shape = RELEASE if released else RESTORE
        self._touches.setdefault(home, []).append(RemoteTouch(shape, kind, key, 0, tid, source, offset, 0, False, ()))

    def tie(self, homes: Iterable[int], source: Source, offset: int) -> None:
        """The source settles once for each of these partitions, when its touches there are acknowledged."""
        for home in homes:
            self._tied.setdefault(home, []).append((source, offset))

    def answer(self, partition: int, answer: Answer) -> None:
        """Send a profile's answer to the payment's own partition."""
        self._answers.setdefault(partition, []).append(answer)

    def tie_answers(self, partitions: Iterable[int], source: Source, offset: int) -> None:
        """An envelope of touches settles once for each partition that its answers went to: an answer must not die with us."""
        for partition in partitions:
            self._tied_answers.setdefault(partition, []).append((source, offset))

    def send(self, epoch_of: Callable[[int], int], committed: Callable[[], dict[int, int]]) -> None:
        """End of a slice: everything collected goes out."""
        if self._touches:
            known = committed()
            for home, touches in self._touches.items():
                envelope = TouchEnvelope(self._ruleset, epoch_of(home), known, list(self._shapes.get(home, ())), touches)
                self._send(self._topics["touches"], home, encode(envelope), self._tied.get(home, []))
            self._touches, self._shapes, self._tied = {}, {}, {}
        if self._answers:
            for partition, answers in self._answers.items():
                value = encode(AnswerEnvelope(answers))
                self._send(self._topics["values"], partition, value, self._tied_answers.get(partition, []))
            self._answers, self._tied_answers = {}, {}

    @property
    def idle(self) -> bool:
        return all(line.idle for line in self._lines.values())

    def _send(self, topic: str, partition: int, value: bytes, tied: list[tuple[Source, int]]) -> None:
        line = self._lines.get((topic, partition))
        if line is None:
            line = self._lines[(topic, partition)] = Line(self._outbox, topic, partition, self._on_error)
        line.put([(None, value, NO_HEADERS)], partial(settle_all, tied))
