"""The one learner of a group: payments and labels in, lessons learned, versions out. In it champion, baseline and challengers.

Rule 1: all that it is follows from the sequence of ``offer``, ``settle``, ``label`` and ``advance`` calls. The same sequence gives the
same versions, with the same hashes, in any process: so the learn log, in its order, is the learner's state, and nothing else is saved.
Rule 2: scored before learned. Every contender scores a payment when it is offered, before anything that it brings due is learned.
Rule 3: a version that fails its checks is not published, and ``checked`` says why.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

from risk.declared import ModelDecl
from risk.learning.checks import Check, Trial, checked
from risk.learning.contender import Contender, Scored
from risk.learning.estimators import BASELINE
from risk.learning.inputs import ModelError, codings_of, signature_of
from risk.learning.labels import HORIZONS, Held, Label, Ledger, Lesson
from risk.learning.quality import Example, Window
from risk.learning.settings import SETTINGS, settings_of
from risk.learning.version import Version, VersionError

__all__ = ["SETTINGS", "Learner", "settings_of"]

DAY_MS = 86_400_000


class Shown:
    """What the contenders said of one payment when it was offered, and the examples that became of it."""

    __slots__ = ("examples", "said")

    def __init__(self, said: Sequence[Scored]) -> None:
        self.said = array("d", [number for scored in said for number in scored])
        self.examples: tuple[Example, ...] = ()

    def of(self, place: int) -> Scored:
        """Of the contender that stands at this place."""
        return Scored(self.said[2 * place], self.said[2 * place + 1])


class Learner:
    """Learns a declared model from labels. Raises ModelError for a model that does not learn."""

    def __init__(self, model: ModelDecl) -> None:
        if model.learner == "fixed":
            raise ModelError(f"model {model.name}: a `{model.learner}` model does not learn")
        settings = settings_of(model)
        self.model = model
        self.signature = signature_of(model)
        self.codings = codings_of(model)
        names = dict.fromkeys((model.learner, BASELINE, *model.challengers))
        self.contenders = {name: Contender(name, model) for name in names}
        """By name: the declared learner, the baseline, and the declared challengers."""
        self.champion: str = model.learner
        presume = round(settings["presume_after_days"] * DAY_MS)
        horizons = [round(settings[f"{name}_horizon_days"] * DAY_MS) for name in HORIZONS]
        self.ledger = Ledger(
            model.trains_on, int(settings["pending"]), int(settings["waiting"]), presume or None, horizons, settings["review_weight"]
        )
        self.trial = Trial(int(settings["window"]))
        self.mean_score_max = settings["mean_score_max"]
        self.baseline_margin = settings["baseline_margin"]
        self.publish_every = int(settings["publish_every"])
        self.lessons = 0
        self.published = 0
        self.refusals: Counter[str] = Counter()
        """Versions that failed their checks, by reason."""
        self.checked: Check | None = None
        """What became of the newest candidate."""
        self._ready: Version | None = None
        self._beside: list[Version] = []

    # -------------------------------------------------------------------------------------------------------------------- what it is told

    def offer(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, propensity: float = 1.0, horizon: int = 0
    ) -> None:
        """A decided payment, with what its decision read. ``let_through``: approved, so that it may be presumed legitimate.

        ``decided_ms`` is the time of the stream that presumption is reckoned in; ``propensity`` the chance with which it was let through;
        ``horizon`` a place in ``HORIZONS``. Raises ValueError for an ``x`` of another length.
        """
        if len(x) != len(self.codings):
            raise ValueError(f"{len(x)} inputs offered, {len(self.codings)} expected")
        lessons = self.ledger.offer(payment_id, x, decided_ms, let_through, propensity, horizon)
        held = self.ledger.held.get(payment_id)
        if held is not None and (held.example is None or held.taught is None):
            self._score_offer(held)
        self._learn(lessons)

    def advance(self, now_ms: int, at_most: int | None = None) -> bool:
        """It is so late in the stream: what is presumed by now, and what is no longer waited for. Whether there is more, at a time."""
        self._learn(self.ledger.advance(now_ms, at_most))
        return self.ledger.behind

    def settle(self, payment_id: str, let_through: bool) -> None:
        """What became of a payment: one that was declined, reversed or expired must not be presumed legitimate."""
        self.ledger.settle(payment_id, let_through)

    def label(self, payment_id: str, verdict: str, kind: str, version: int, known_ms: int) -> None:
        """What became known of a payment. Learned at once; before its payment, it waits."""
        self._learn(self.ledger.label(Label(payment_id, verdict, kind, version, known_ms)))

    # -------------------------------------------------------------------------------------------------------------------------- learning

    def _score_offer(self, held: Held) -> None:
        x = held.inputs()
        held.example = Shown([contender.score(x) for contender in self.contenders.values()])

    def _learn(self, lessons: Sequence[Lesson]) -> None:
        for lesson in lessons:
            held, fraud = lesson.payment, lesson.fraud
            x, shown = held.inputs(), held.example
            if lesson.correction:
                for i, contender in enumerate(self.contenders.values()):
                    contender.correct(x, shown.of(i), fraud, lesson.weight, let_through=held.let_through)
                    shown.examples[i].fraud = fraud
            else:
                shown.examples = tuple(
                    contender.learn(held.payment_id, x, shown.of(i), fraud, lesson.weight, let_through=held.let_through)
                    for i, contender in enumerate(self.contenders.values())
                )
                self.trial.add(held)
            self.lessons += 1
            if self.lessons % self.publish_every == 0:
                self._make_ready()

    def scores(self, payment_id: str) -> dict[str, Scored] | None:
        """What each contender said of a payment when it was offered; None for one that is not held."""
        held = self.ledger.held.get(payment_id)
        return None if held is None else {name: held.example.of(i) for i, name in enumerate(self.contenders)}

    # ------------------------------------------------------------------------------------------------------------------------- publishing

    def _make_ready(self) -> None:
        for contender in self.contenders.values():
            contender.calibrator.fit()
        candidate: Version | VersionError
        try:
            candidate = self.version()
        except VersionError as error:
            candidate = error
        precisions = None
        if self.champion != BASELINE:
            precisions = self.trial.precisions(list(self.contenders), self.champion, BASELINE)
        newest = reversed(self.ledger.held.values())
        self.checked = checked(candidate, newest, self.mean_score_max, precisions, self.baseline_margin)
        if self.checked.reason is None and isinstance(candidate, Version):
            self._ready = candidate
        else:
            self.refusals[self.checked.reason or ""] += 1
        self._beside = [version for name in self.model.challengers if (version := self._fit_or_none(name)) is not None]

    def _fit_or_none(self, name: str) -> Version | None:
        """A challenger as it is now, where it has such a form and is fit to score. It is in force only if somebody promotes it."""
        try:
            return self.contenders[name].version() if name != self.champion else None
        except VersionError:
            return None

    @property
    def unfit(self) -> str | None:
        """Why the newest candidate was not published; None when it was."""
        return None if self.checked is None or self.checked.reason is None else self.checked.detail

    @property
    def refused(self) -> int:
        """Versions that failed their checks."""
        return self.refusals.total()

    def due(self) -> bool:
        """Whether a version waits to be published: one is made at every ``publish_every``-th lesson, exactly."""
        return self._ready is not None

    def publish(self) -> Version | None:
        """The version that waits, once; None when none does. Versions in between that nobody took are skipped."""
        ready, self._ready = self._ready, None
        self.published += ready is not None
        return ready

    def publish_beside(self) -> list[Version]:
        """The versions of the challengers that were made with the newest candidate, once: in force only when somebody promotes them."""
        beside, self._beside = self._beside, []
        return beside

    def version(self) -> Version:
        """The champion as it is now. Raises VersionError where it is not fit to score."""
        version = self.contenders[self.champion].version()
        assert version is not None  # a champion has such a form
        return version

    # ---------------------------------------------------------------------------------------------------------------------------- quality

    @property
    def window(self) -> Window:
        """The champion's newest scores and verdicts."""
        return self.contenders[self.champion].window

    def quality(self) -> dict[str, float | int | None]:
        """Prequential measures of the champion over the newest lessons, what was learned and what was left out, by name."""
        return {
            **self.contenders[self.champion].measures(),
            "lessons": self.lessons,
            "pending": len(self.ledger.held),
            "waiting": len(self.ledger.waiting),
            "versions_refused": self.refused,
            **{name: self.ledger.counts[name] for name in COUNTED},
        }

    def evidence(self) -> dict[str, dict[str, float | int | None]]:
        """Prequential measures of every contender, over the same payments."""
        return {name: contender.measures() for name, contender in self.contenders.items()}


COUNTED = (
    "offers", "offers_repeated", "labels_fraud", "labels_legitimate", "labels_unsure", "presumed_legitimate", "corrections",
    "labels_confirmed", "labels_repeated", "labels_contradicting", "labels_outdated", "labels_other_kind", "labels_malformed",
    "labels_unknown", "labels_late", "horizons_reached",
    "offers_of_another_model", "settlements_unknown", "pending_dropped", "taught_dropped", "waiting_dropped",
)  # fmt: skip
"""What the ledger counts; all are in ``quality``."""
