"""Of the `model` section: who learns, who competes, which inputs matter together, and what a customer may be told.

Never here: inputs and settings (`risk.language.sections.model`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from risk.declared import ModelInput
from risk.language.problems import did_you_mean, one_of
from risk.language.sections.keys import Keys
from risk.language.source import Items, Problems, Scalar

LEARNERS = ("hybrid", "binned", "logistic", "fixed")
CHALLENGERS = ("hybrid", "binned", "logistic", "forest", "bagging")
NEVER_SPLIT = ("hoeffding_tree", "hoeffding_adaptive_tree", "extremely_fast_decision_tree")
"""Single trees of River: where frauds are rare they never split, and raise no error."""
CROSSES_MAX = 16
CELLS_MAX = 4_096
CROSS_BINS = 16
"""Bins of one input within a cross, where `cross_bins` is not set."""
HOURS = 24
REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def learner_of(keys: Keys, problems: Problems) -> tuple[str, bool]:
    """The learner, and whether what is written names one."""
    scalar = keys.scalar("learner")
    if scalar is None:
        return LEARNERS[0], True
    known = _known(scalar, LEARNERS, "learner", problems)
    return (scalar.text if known else LEARNERS[0]), known


def challengers_of(keys: Keys, learner: str, problems: Problems) -> tuple[str, ...]:
    """Who scores beside the learner."""
    found: list[str] = []
    for scalar in keys.scalars("challengers"):
        if learner == "fixed":
            problems.error("E440", scalar, "a fixed model learns nothing, so nobody can compete with it", "let it be `learner: hybrid`")
        elif scalar.text == learner or scalar.text in found:
            problems.error("E440", scalar, f"`{scalar.text}` is there already")
        elif _known(scalar, CHALLENGERS, "a challenger", problems):
            found.append(scalar.text)
    return tuple(found)


def _known(scalar: Scalar, choices: Sequence[str], what: str, problems: Problems) -> bool:
    plain = scalar.text.replace("_", "").lower().removesuffix("classifier")
    if plain in (name.replace("_", "") for name in NEVER_SPLIT):
        problems.error(
            "E440",
            scalar,
            f"`{scalar.text}` alone never splits where frauds are rare, and raises no error: it scores every payment the same",
            "trees compete as `challengers: [forest, bagging]`, which learn a sample of the legitimate payments",
        )
    elif scalar.text not in choices:
        problems.error("E440", scalar, f"{what} is {one_of(choices)}, not `{scalar.text}`", did_you_mean(scalar.text, choices))
    return scalar.text in choices


def crosses_of(keys: Keys, learner: str, inputs: Sequence[ModelInput], cross_bins: int, problems: Problems) -> tuple[tuple[str, str], ...]:
    """Pairs of inputs, by name."""
    node = keys.node("crosses")
    if node is None:
        return ()
    if not isinstance(node, Items):
        problems.error("E005", node, "`crosses` is a list of pairs", "write `- [amount, order.category]`")
        return ()
    if learner in ("fixed", "logistic"):
        problems.error("E440", keys.block.key("crosses"), f"a {learner} model has no crosses", "`learner: hybrid` and `binned` have")
    if len(node.items) > CROSSES_MAX:
        problems.error("E440", keys.block.key("crosses"), f"{len(node.items)} crosses; a model has at most {CROSSES_MAX}")
    found: list[tuple[str, str]] = []
    for item in node.items:
        names = [each for each in item.items if isinstance(each, Scalar)] if isinstance(item, Items) else []
        if len(names) != 2 or not isinstance(item, Items) or len(item.items) != 2:
            problems.error("E440", item, "a cross is two inputs", "write `- [amount, order.category]`")
            continue
        pair = (names[0].text, names[1].text)
        if _fits(names, inputs, cross_bins, problems):
            if pair in found or pair[::-1] in found:
                problems.error("E440", item, f"`{pair[0]}` and `{pair[1]}` are a cross already")
            found.append(pair)
    return tuple(found)


def _fits(names: Sequence[Scalar], inputs: Sequence[ModelInput], cross_bins: int, problems: Problems) -> bool:
    cells = 1
    for name in names:
        read = [each for each in inputs if each.name == name.text]
        if not read:
            known = [each.name for each in inputs]
            problems.error(
                "E440", name, f"`{name.text}` is no input of the model", did_you_mean(name.text, known) or "list it under `inputs`"
            )
            return False
        meant = next((each for each in read if each.encoding != "missing"), read[0])
        fixed = {"category": meant.buckets, "hour": min(HOURS, 2 * cross_bins), "missing": 2}
        cells *= fixed.get(meant.encoding, cross_bins)
    if names[0].text == names[1].text:
        problems.error("E440", names[1], f"`{names[1].text}` is crossed with itself")
        return False
    if cells > CELLS_MAX:
        problems.error(
            "E440", names[0], f"`{names[0].text}` and `{names[1].text}` make {cells:,} cells; at most {CELLS_MAX:,}", "use fewer `buckets`"
        )
        return False
    return True


def reasons_of(keys: Keys, inputs: Sequence[ModelInput], problems: Problems) -> dict[str, str]:
    """The public reason of an input that raises the score."""
    found: dict[str, str] = {}
    known = [each.name for each in inputs]
    for key, node in keys.mapping("reasons") or ():
        if key.text not in known:
            problems.error("E440", key, f"`{key.text}` is no input of the model", did_you_mean(key.text, known))
        elif not isinstance(node, Scalar) or not REASON.fullmatch(node.text):
            told = "a reason is a stable code in capitals" + (f", not `{node.text}`" if isinstance(node, Scalar) else "")
            problems.error("E440", node, told, "write it like `UNUSUAL_AMOUNT`")
        else:
            found[key.text] = node.text
    return found
