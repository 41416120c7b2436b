"""The learners by name: what each is made of, for one declared model.

Rule 1: every learner answers to ``Estimator`` over the flat ``x`` of the decision; none knows payments, labels or versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from risk.declared import ModelDecl
from risk.learning.additive import HOURS, Additive, Part, Tuning
from risk.learning.additive_terms import CELLS_MAX, CROSSES_MAX, Arrays
from risk.learning.inputs import Coding, ModelError, codings_of, expansion_of
from risk.learning.logistic import OnlineLogistic
from risk.learning.settings import settings_of

BASELINE = "logistic"
VERSIONED = ("hybrid", "binned", "logistic")
UNVERSIONED = ("forest", "bagging")


class Estimator(Protocol):
    """Learns over ``x``: one float for each input, None where it is missing."""

    def margin(self, x: Sequence[float | None]) -> float:
        """Log-odds of fraud, as learned: neither calibrated nor corrected for sampling."""

    def learn(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """One payment. ``weight``: how many it stands for."""

    def correct(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """A step on a payment that was learned before with the other verdict. It does not undo the first step exactly."""

    def arrays(self) -> Arrays | None:
        """The named arrays of a version; None for a learner that has no such form."""


def estimator_of(kind: str, model: ModelDecl) -> Estimator:
    """A learner that knows nothing yet. Raises ModelError for an unknown one, or crosses that cannot be."""
    codings = codings_of(model)
    settings = settings_of(model)
    if kind in ("hybrid", "binned"):
        crosses = crosses_of(model, codings, int(settings["cross_bins"]))
        return Additive([_part(coding) for coding in codings], crosses, _tuning(settings, linear=kind == "hybrid"))
    if kind == "logistic":
        return Logistic(codings, settings)
    if kind in UNVERSIONED:
        from risk.learning.challengers import Trees, bagging_of, forest_of

        return Trees((forest_of if kind == "forest" else bagging_of)(int(settings["seed"])), codings)
    raise ModelError(f"a `{kind}` model does not learn; one of {', '.join((*VERSIONED, *UNVERSIONED))} does")


def _tuning(settings: Mapping[str, float], *, linear: bool) -> Tuning:
    return Tuning(
        settings["step"], settings["line_step"], int(settings["bins"]), int(settings["cross_bins"]),
        int(settings["refit_every"]), settings["clip"], linear,
    )  # fmt: skip


def _part(coding: Coding) -> Part:
    if coding.encoding == "category":
        return Part("table", buckets=coding.buckets)
    if coding.encoding == "hour":
        return Part("steps", HOURS)
    return Part("steps", (0.5,)) if coding.encoding == "missing" else Part("curve")


def crosses_of(model: ModelDecl, codings: Sequence[Coding], cross_bins: int) -> tuple[tuple[int, int], ...]:
    """The declared pairs as indexes of inputs. Raises ModelError for unknown names, too many pairs or too many cells."""
    if len(model.crosses) > CROSSES_MAX:
        raise ModelError(f"{len(model.crosses)} crosses; at most {CROSSES_MAX}")
    found: list[tuple[int, int]] = []
    for a, b in model.crosses:
        pair = (crossed(codings, a), crossed(codings, b))
        cells = places_max(codings[pair[0]], cross_bins) * places_max(codings[pair[1]], cross_bins)
        if pair[0] == pair[1] or cells > CELLS_MAX:
            raise ModelError(f"cross of {a} and {b}: {cells} cells; two inputs and at most {CELLS_MAX} cells expected")
        found.append(pair)
    return tuple(found)


def crossed(codings: Sequence[Coding], name: str) -> int:
    """The input that a cross means by a name: where it is read twice, not its absence."""
    places = [i for i, coding in enumerate(codings) if coding.name == name]
    if not places:
        raise ModelError(f"cross of {name}: it is no input")
    return next((i for i in places if codings[i].encoding != "missing"), places[0])


def places_max(coding: Coding, cross_bins: int) -> int:
    """How many places an input has within a cross, at most."""
    if coding.encoding == "category":
        return coding.buckets
    fixed = {"hour": len(HOURS) + 1, "missing": 2}.get(coding.encoding)
    return min(fixed, 2 * cross_bins) if fixed is not None else cross_bins


class Logistic:
    """River's scaler and logistic regression over ``x``: the baseline."""

    def __init__(self, codings: Sequence[Coding], settings: Mapping[str, float]) -> None:
        self.river = OnlineLogistic(settings["rate"], settings["intercept_rate"], settings["l2"], settings["clip"])
        self.codings = tuple(codings)
        self.expand: Callable[[Sequence[float | None]], dict[str, float]] = expansion_of(codings)
        self._columns = tuple(column for coding in codings for column in coding.columns)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "expand": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.expand = expansion_of(self.codings)  # generated code is made anew, not kept

    def margin(self, x: Sequence[float | None]) -> float:
        """Log-odds, as learned."""
        return self.river.margin_one(self.expand(x))

    def learn(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """One step of gradient descent."""
        self.river.learn_one(self.expand(x), fraud, w=weight)

    def correct(self, x: Sequence[float | None], fraud: bool, weight: float = 1.0) -> None:
        """A step towards the other verdict; the scaler has seen the payment already."""
        self.river.correct_one(self.expand(x), fraud, w=weight)

    def arrays(self) -> Arrays:
        """Weights and scales."""
        return self.river.arrays(self._columns)
