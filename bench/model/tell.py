"""What the bench says: tables of figures with their intervals, what is wanted of them, and the last line."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from bench.model.batch import LEAVES, TREES
from bench.model.compare import Compared
from bench.model.pattern import NEWEST, Met
from bench.model.rows import Rows
from bench.model.speed import Speed
from risk.learning.evaluation import Figure

MARGIN = 0.02
SKILL_MIN = 0.5
SLOPE = (0.9, 1.1)
FIFTH = (0.7, 1.4)
SCORE_US_MAX, LEARN_US_MAX = 10.0, 30.0
COLUMNS = {
    "average_precision": "AP", "auc": "AUC", "recall_at_fpr": "recall at 1 % FPR", "card_precision": "card precision@100",
    "skill": "skill", "calibration_slope": "slope",
}  # fmt: skip


def stream(rows: Rows, console: Console) -> None:
    """What the stream is."""
    days = (rows.t_ms[-1] - rows.t_ms[0]) / 86_400_000
    scored = rows.fraud[rows.split() :]
    console.print(
        f"{rows.name}: {len(rows.ids):,} payments in {days:.0f} days, {int(rows.fraud.sum()):,} frauds, {len(rows.codings)} inputs; "
        f"scored on the last {len(scored):,} with {int(scored.sum()):,} frauds; every verdict after 7 days"
    )


def compared(found: Compared, title: str, console: Console) -> None:
    """One table, a row a model, and the fifths of the online one."""
    table = Table("model", *COLUMNS.values(), "online - it", title=title)
    words = {"lightgbm": f"lightgbm, {TREES} trees, {LEAVES} leaves, {found.refit}", "logistic": f"logistic, rate {found.rate}"}
    for name, each in found.evidence.items():
        figures = [shown(each.figures[figure]) for figure in COLUMNS]
        table.add_row(words.get(name, name), *figures, shown(found.over[name]) if name in found.over else "")
    console.print(table)
    fifths = ", ".join(shown(fifth.expected_over_observed, 2) for fifth in found.evidence["online"].fifths)
    console.print(f"online, expected / observed in each fifth of the frauds by score, lowest first: {fifths}")
    if found.hidden:
        console.print(f"hidden by blocks: {found.hidden:,} verdicts, {found.hidden_frauds:,} of them fraud")
    if found.unscored:
        console.print(f"online gave no score to {found.unscored:,} of the payments measured; they count as 0")


def missed(found: Compared) -> Iterator[str]:
    """What is wanted of the online model on the recorded stream and not reached, a line each."""
    online, lightgbm, logistic = (found.ap(name) for name in ("online", "lightgbm", "logistic"))
    if online < lightgbm - MARGIN:
        yield f"average precision {online:.3f}, wanted lightgbm's {lightgbm:.3f} - {MARGIN}"
    if online < logistic + MARGIN:
        yield f"average precision {online:.3f}, wanted logistic's {logistic:.3f} + {MARGIN}"
    figures = found.evidence["online"].figures
    skill, slope = figures["skill"].value, figures["calibration_slope"].value
    if skill is None or skill < SKILL_MIN:
        yield f"log-loss skill {number(skill)}, wanted at least {SKILL_MIN}"
    if slope is None or not SLOPE[0] <= slope <= SLOPE[1]:
        yield f"calibration slope {number(slope)}, wanted {SLOPE[0]} to {SLOPE[1]}"
    for n, fifth in enumerate(found.evidence["online"].fifths, start=1):
        share = fifth.expected_over_observed.value
        if share is None or not FIFTH[0] <= share <= FIFTH[1]:
            yield f"expected / observed {number(share)} in fifth {n}, wanted {FIFTH[0]} to {FIFTH[1]}"


def slow(cost: Speed) -> Iterator[str]:
    """What is wanted of the speed and not reached."""
    if cost.score > SCORE_US_MAX:
        yield f"scoring takes {cost.score:.1f} us, wanted at most {SCORE_US_MAX}"
    if cost.learn > LEARN_US_MAX:
        yield f"learning takes {cost.learn:.1f} us, wanted at most {LEARN_US_MAX}"


def pattern(attack: str, online: Met, logistic: Met | None, console: Console) -> None:
    """How soon a new attack is met."""
    for name, each in (("online", online), *((("logistic", logistic),) if logistic else ())):
        reached = (
            f"recall over the newest {NEWEST} reached one half after {each.labelled} labelled frauds, {each.days:.1f} days"
            if each.days is not None
            else "recall never reached one half"
        )
        console.print(f"new attack ({attack}, {each.payments} payments), {name}: {reached}; {each.recall_at_end:.2f} at the end")


def shown(figure: Figure, decimals: int = 3) -> str:
    """`.812 (.790-.830)`."""
    if figure.value is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{decimals}f}"
    return f"{figure.value:.{decimals}f} ({figure.low:.{decimals}f} to {figure.high:.{decimals}f})"


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"
