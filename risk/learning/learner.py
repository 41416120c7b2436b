"""The one learner of a group: payments and labels in, lessons learned, versions out.

Rule 1: all that it is follows from the sequence of ``offer``, ``settle`` and ``label`` calls. The same sequence gives the same
versions, with the same hashes, in any process: so the learn log, in its order, is the learner's state, and nothing else is saved.
Rule 2: scored before learned. The score that quality is measured by is made before the example is learned.
Rule 3: a version that fails its checks is not published, and ``unfit`` says why.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from risk.declared import ModelDecl
from risk.learning.inputs import Coding, ModelError, codings_of, compiled, signature_of
from risk.learning.labels import HORIZONS, Label, Ledger, Lesson
from risk.learning.logistic import OnlineLogistic
from risk.learning.quality import Window
from risk.learning.terms import TURN
from risk.learning.version import Version, VersionError

DAY_MS = 86_400_000
NEWEST = 200
"""Payments that a new version is tried on before it is published."""
TRIGONOMETRY: Mapping[str, Any] = {"sin": math.sin, "cos": math.cos, "TURN": TURN}


class Setting(NamedTuple):
    """Default, bounds and meaning of one of the model's ``settings``."""

    default: float
    low: float
    high: float
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    "rate": Setting(0.01, 0.0, 10.0, "learning rate of the weights"),
    "intercept_rate": Setting(0.01, 0.0, 10.0, "learning rate of the intercept"),
    "l2": Setting(0.0, 0.0, 1.0, "pull of the weights towards 0"),
    "clip": Setting(5.0, 1.0, 1_000.0, "deviations at which a standardised input is cut"),
    "publish_every": Setting(500, 1, 10_000_000, "lessons from one version to the next"),
    "presume_after_days": Setting(7.0, 0.0, 400.0, "days after which a payment let through is presumed legitimate; 0: never"),
    "balance_horizon_days": Setting(45.0, 0.001, 400.0, "so long a verdict on a payment from balance is waited for"),
    "card_horizon_days": Setting(120.0, 0.001, 400.0, "so long a verdict on a payment by card is waited for"),
    "default_horizon_days": Setting(60.0, 0.001, 400.0, "so long a verdict on a credit-funded order is waited for"),
    "review_weight": Setting(1.0, 1.0, 20.0, "payments that an analyst's verdict stands for: 1/P(reviewed)"),
    "pending": Setting(200_000, 1, 10_000_000, "payments kept for their labels"),
    "waiting": Setting(20_000, 1, 10_000_000, "labels kept for their payments"),
    "mean_score_max": Setting(0.1, 0.0, 1.0, "a version that scores the newest payments higher than this on average is not published"),
    "window": Setting(10_000, 10, 1_000_000, "newest lessons that quality is measured over"),
}


def settings_of(model: ModelDecl) -> dict[str, float]:
    """All settings, defaults filled in. Raises ModelError for an unknown name or a value out of bounds."""
    for name, value in model.settings.items():
        if name not in SETTINGS:
            raise ModelError(f"model.settings: unknown setting {name!r}; known are {', '.join(sorted(SETTINGS))}")
        if not SETTINGS[name].low <= value <= SETTINGS[name].high:
            raise ModelError(f"model.settings: {name} is {value}; from {SETTINGS[name].low} to {SETTINGS[name].high} expected")
    return {name: float(model.settings.get(name, setting.default)) for name, setting in SETTINGS.items()}


class Learner:
    """Learns a ``logistic`` model from labels. Raises ModelError for a model that does not learn."""

    def __init__(self, model: ModelDecl) -> None:
        if model.learner != "logistic":
            raise ModelError(f"model {model.name}: a `{model.learner}` model does not learn")
        settings = settings_of(model)
        self.model = model
        self.signature = signature_of(model)
        self.codings = codings_of(model)
        self.columns = tuple(column for coding in self.codings for column in coding.columns)
        self.logistic = OnlineLogistic(settings["rate"], settings["intercept_rate"], settings["l2"], settings["clip"])
        presume = round(settings["presume_after_days"] * DAY_MS)
        horizons = [round(settings[f"{name}_horizon_days"] * DAY_MS) for name in HORIZONS]
        self.ledger = Ledger(
            model.trains_on, int(settings["pending"]), int(settings["waiting"]), presume or None, horizons, settings["review_weight"]
        )
        self.window = Window(int(settings["window"]))
        self.mean_score_max = settings["mean_score_max"]
        self.publish_every = int(settings["publish_every"])
        self.lessons = 0
        self.published = 0
        self.refused = 0
        self.unfit: str | None = None
        """Why the newest candidate was not published; None when it was."""
        self._ready: Version | None = None
        self._expand = expansion_of(self.codings)

    def offer(
        self, payment_id: str, x: Sequence[float | None], decided_ms: int, let_through: bool, propensity: float = 1.0, horizon: int = 0
    ) -> None:
        """A decided payment, with what its decision read. ``let_through``: approved, so that it may be presumed legitimate.

        ``decided_ms`` is the time of the stream that presumption is reckoned in; ``propensity`` the chance with which it was let through;
        ``horizon`` a place in ``HORIZONS``. Raises ValueError for an ``x`` of another length.
        """
        if len(x) != len(self.codings):
            raise ValueError(f"{len(x)} inputs offered, {len(self.codings)} expected")
        self._learn(self.ledger.offer(payment_id, x, decided_ms, let_through, propensity, horizon))

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

    def _learn(self, lessons: Sequence[Lesson]) -> None:
        for lesson in lessons:
            held = lesson.payment
            columns = self._expand(held.inputs())
            if lesson.correction:
                self.logistic.correct_one(columns, lesson.fraud, lesson.weight)
                held.example.fraud = lesson.fraud
            else:
                held.example = self.window.add(self.logistic.predict_proba_one(columns)[True], lesson.fraud)
                self.logistic.learn_one(columns, lesson.fraud, w=lesson.weight)
            self.lessons += 1
            if self.lessons % self.publish_every == 0:
                self._make_ready()

    def _make_ready(self) -> None:
        try:
            version = self.version()
        except VersionError as error:
            self.unfit = str(error)
        else:
            self.unfit = self._misfit(version)
        if self.unfit is None:
            self._ready = version
        else:
            self.refused += 1

    def _misfit(self, version: Version) -> str | None:
        """Why a version must not score, or None. Labels come for frauds first: until payments are presumed legitimate, a model that
        learns from nothing else takes most payments for fraud."""
        newest = itertools.islice(reversed(self.ledger.held.values()), NEWEST)
        scores = [s for s in (version.score(held.inputs()) for held in newest) if s is not None]
        mean = math.fsum(scores) / len(scores) if scores else 0.0
        if mean > self.mean_score_max:
            return f"the newest {len(scores)} payments score {mean:.3f} on average; at most {self.mean_score_max:g} expected"
        return None

    def due(self) -> bool:
        """Whether a version waits to be published: one is made at every ``publish_every``-th lesson, exactly."""
        return self._ready is not None

    def publish(self) -> Version | None:
        """The version that waits, once; None when none does. Versions in between that nobody took are skipped."""
        ready, self._ready = self._ready, None
        self.published += ready is not None
        return ready

    def version(self) -> Version:
        """The model as it is now. Raises VersionError where it is not fit to score."""
        return Version("logistic", self.model.name, self.codings, self.logistic.arrays(self.columns), self.model.decimals)

    def quality(self) -> dict[str, float | int | None]:
        """Prequential measures over the newest lessons, what was learned and what was left out, by name."""
        return {
            **self.window.measures(),
            "lessons": self.lessons,
            "pending": len(self.ledger.held),
            "waiting": len(self.ledger.waiting),
            "versions_refused": self.refused,
            **{name: self.ledger.counts[name] for name in COUNTED},
        }


COUNTED = (
    "offers", "offers_repeated", "labels_fraud", "labels_legitimate", "labels_unsure", "presumed_legitimate", "corrections",
    "labels_confirmed", "labels_repeated", "labels_contradicting", "labels_outdated", "labels_other_kind", "labels_malformed",
    "labels_unknown", "labels_late", "horizons_reached",
    "offers_of_another_model", "settlements_unknown", "pending_dropped", "taught_dropped", "waiting_dropped",
)  # fmt: skip
"""What the ledger counts; all are in ``quality``."""


def expansion_of(codings: Sequence[Coding]) -> Callable[[Sequence[float | None]], dict[str, float]]:
    """The function x -> {column: number} that River learns from; columns of a missing input are left out."""
    lines = ["c = {}"]
    for i, coding in enumerate(codings):
        names = coding.columns
        lines += [f"a = x[{i}]", "if a is not None:"]
        if coding.encoding == "hour":
            lines += [f"    c[{names[0]!r}] = sin(a * TURN)", f"    c[{names[1]!r}] = cos(a * TURN)"]
        elif coding.encoding == "category":
            lines += [f"    c.update(ZEROS_{i})", f"    c[NAMES_{i}[int(a)]] = 1.0"]
        else:
            lines += [f"    c[{names[0]!r}] = a"]
    tables: dict[str, Any] = {f"ZEROS_{i}": dict.fromkeys(c.columns, 0.0) for i, c in enumerate(codings)}
    tables |= {f"NAMES_{i}": c.columns for i, c in enumerate(codings)}
    return compiled("expand", [*lines, "return c"], "x", {**tables, **TRIGONOMETRY})
