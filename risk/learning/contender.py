"""One learner in the race: it scores every payment when it is offered, learns from every lesson, and may be made a version.

Rule 1: scored before learned: the score that counts was made when the payment was decided, by what was known then.
Rule 2: the sampling of negatives is corrected once, by a shift of the margin; the calibration comes after it.
"""

from __future__ import annotations

from typing import NamedTuple

from risk.declared import ModelDecl
from risk.learning.calibration import Calibrator
from risk.learning.estimators import BASELINE, UNVERSIONED, estimator_of
from risk.learning.inputs import Inputs, codings_of
from risk.learning.quality import Example, Window
from risk.learning.sampling import kept, shift_of
from risk.learning.settings import settings_of
from risk.learning.version import Version


class Scored(NamedTuple):
    """What a contender said of a payment: log-odds before calibration, and the probability that would have left."""

    margin: float
    score: float


class Contender:
    """A learner by name, with what it has shown so far. Raises ModelError for a name that is none."""

    def __init__(self, name: str, model: ModelDecl) -> None:
        settings = settings_of(model)
        self.name = name
        self.model = model
        self.estimator = estimator_of(name, model)
        self.has_version_form = name not in UNVERSIONED
        # the baseline is what it always was: everything is learned
        self.keep = 1.0 if name == BASELINE else settings["keep"] if self.has_version_form else settings["challenger_keep"]
        self.seed = int(settings["seed"])
        self.shift = shift_of(self.keep)
        self.calibrator = Calibrator(int(settings["calibration_memory"]))
        self.window = Window(int(settings["window"]))

    def score(self, x: Inputs) -> Scored:
        """What it says of a payment now."""
        margin = self.estimator.margin(x) + self.shift
        return Scored(margin, self.calibrator.apply(margin))

    def learn(self, payment_id: str, x: Inputs, said: Scored, fraud: bool, weight: float, *, let_through: bool) -> Example:
        """A first verdict. ``said``: what it said when the payment was decided; ``let_through``: the verdict may calibrate."""
        if let_through:
            self.calibrator.add(said.margin, fraud, weight)
        if fraud or kept(self.seed, payment_id, self.keep):
            self.estimator.learn(x, fraud, weight)
        return self.window.add(said.score, fraud)

    def correct(self, x: Inputs, said: Scored, fraud: bool, weight: float, *, let_through: bool) -> None:
        """Another verdict. Learned whether the hash keeps the payment or not: what it corrects may have been learned."""
        if let_through:
            self.calibrator.correct(said.margin, fraud, weight)
        self.estimator.correct(x, fraud, weight)

    def version(self) -> Version | None:
        """As it is now; None for a learner without such a form. Raises VersionError where it is not fit to score."""
        arrays = self.estimator.arrays()
        if arrays is None:
            return None
        calibration = (self.shift, self.calibrator.slope, self.calibrator.offset)
        return Version(self.name, self.model.name, codings_of(self.model), {**arrays, "calibration": calibration}, self.model.decimals)

    def measures(self) -> dict[str, float | int | None]:
        """Prequential measures over the newest lessons, by name."""
        return self.window.measures()
