"""The text of an additive logit's two functions: straight-line code, because a loop over forty inputs costs twice as much.

Rule 1: both say the margin in the same operations and the same order.
Never here: anything that is learned; the names are those of ``Additive``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from risk.learning.additive import Additive


def margin_lines(of: Additive) -> list[str]:
    """Body of ``margin(x)``."""
    return [*_sum_lines(of), "return z"]


def learn_lines(of: Additive) -> list[str]:
    """Body of ``learn(x, y, weight)``: y is 1.0 for a fraud. Returns the margin before the step."""
    lines = [
        *_sum_lines(of),
        "m = MARGIN_MAX if z > MARGIN_MAX else -MARGIN_MAX if z < -MARGIN_MAX else z",
        "g = weight * (1.0 / (1.0 + exp(-m)) - y)",
        "gg = g * g; r = STEP * g; s = LINE_STEP * g",
        "h = BIAS[1] + gg; BIAS[1] = h; BIAS[0] -= r / sqrt(h)",
    ]
    for i, part in enumerate(of.parts):
        lines += [f"if x{i} is not None:", f"    h = G{i}[k{i}] + gg; G{i}[k{i}] = h; W{i}[k{i}] -= r / sqrt(h)"]
        if part.kind == "curve" and of.tuning.linear:
            lines.append(f"    h = LINE_GATHERED[{i}] + gg * u{i} * u{i}; LINE_GATHERED[{i}] = h; LINE[{i}] -= s * u{i} / sqrt(h)")
    for c, (a, b) in enumerate(of.crosses):
        lines += [f"if x{a} is not None and x{b} is not None:"]
        lines += [f"    h = CG{c}[c{c}] + gg; CG{c}[c{c}] = h; C{c}[c{c}] -= r / sqrt(h)"]
    return [*lines, "return z"]


def _sum_lines(of: Additive) -> list[str]:
    lines = ["(" + "".join(f"x{i}, " for i in range(len(of.parts))) + ") = x", "z = BIAS[0]"]
    for i, part in enumerate(of.parts):
        lines.append(f"if x{i} is not None:")
        if part.kind == "table":
            lines.append(f"    k{i} = int(x{i}); z += W{i}[k{i}]")
            continue
        lines.append(f"    k{i} = bisect(E{i}, x{i}); z += W{i}[k{i}]")
        if part.kind == "curve" and of.tuning.linear:
            cut = f"(LOW[{i}] if x{i} < LOW[{i}] else HIGH[{i}] if x{i} > HIGH[{i}] else x{i})"
            lines.append(f"    u{i} = ({cut} - MEAN[{i}]) * SCALE[{i}]; z += LINE[{i}] * u{i}")
    for c, (a, b) in enumerate(of.crosses):
        lines += [f"if x{a} is not None and x{b} is not None:", f"    c{c} = PA{c}[k{a}] + PB{c}[k{b}]; z += C{c}[c{c}]"]
    return lines
