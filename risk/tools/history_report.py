"""What a history says of the model: evidence by contender, by the age of labels, of analysts, by week; and the same as one HTML file.

Rule 1: figures come from `risk.learning.evaluation`, each with its interval; none is left out because it is bad.
Rule 2: the file needs nothing else: plots are drawings inside it, there is no script, and what comes from outside is escaped.
Never here: printing, writing files.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from risk.learning.evaluation import FIGURES, Evidence, Examples, Figure, by_maturity, difference, evidence
from risk.learning.evaluation_measures import Ranked, fifths_of_frauds
from risk.tools.history import History

WEEK_MS = 7 * 86_400_000
RESAMPLES = 300
WORDS = {
    "auc": "AUC", "average_precision": "average precision", "recall_at_fpr": "recall at 1 % FPR", "card_precision": "card precision@100",
    "log_loss": "log loss", "skill": "log-loss skill", "calibration_slope": "calibration slope", "calibration_error": "calibration error",
}  # fmt: skip
STYLE = """body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}
td,th{border-bottom:1px solid #ddd;padding:.25em .7em;text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}
svg{max-width:100%;height:auto}.i{color:#777;font-size:85%}"""


@dataclass(frozen=True)
class Report:
    """All that is told. ``contenders``: evidence by whose scores they are, `in force` first; ``weeks``: (start ms, evidence)."""

    facts: Mapping[str, str]
    contenders: Mapping[str, Evidence]
    over_baseline: Figure | None
    maturities: Mapping[float, Evidence]
    analysts: Evidence | None
    weeks: Sequence[tuple[int, Evidence]]
    examples: Examples


def report(history: History, seed: int = 0, resamples: int = RESAMPLES) -> Report:
    """Measure a history. ``seed`` chooses the resamples that intervals come from."""
    examples = history.examples()
    life, analysts = examples.apart()
    if not life.fraud.any():  # where analysts are the only ones who judge, their verdicts are all there is
        life = examples
    # a contender that has learned nothing yet says the same of everybody: measured are the payments that a version scored, if any
    scored = ~np.isnan(examples.score) if not np.isnan(examples.score).all() else np.ones(len(examples.score), dtype=np.bool_)
    contenders = {name: evidence(history.examples(name).where(scored), seed, resamples) for name in history.names}
    over = None
    if "logistic" in history.names[1:] and examples.fraud.any():
        found = difference(examples, history.examples("logistic").score, seed, resamples)
        over = found if found.value is not None else None
    return Report(
        _facts(history),
        contenders,
        over,
        by_maturity(life, history.now_ms, seed=seed, resamples=resamples),
        evidence(analysts, seed, resamples) if len(analysts.scored().score) else None,
        [(start, evidence(each, seed, 0)) for start, each in _weeks(examples)],
        examples.scored(),
    )


def _facts(history: History) -> dict[str, str]:
    learner, counts = history.learner, history.learner.ledger.counts
    facts = {
        "payments": f"{len(history.payments):,}",
        "labels": f"{counts['labels_fraud']:,} fraud, {counts['labels_legitimate']:,} legitimate, {counts['labels_unsure']:,} unsure",
        "presumed legitimate": f"{counts['presumed_legitimate']:,}",
        "lessons": f"{learner.lessons:,}, {counts['corrections']:,} of them corrections",
        "versions": f"{history.versions:,} in force one after the other, {learner.refused:,} refused by their checks",
        "model": history.version.hash if history.version is not None else "none was fit to score",
    }
    if learner.unfit is not None:
        facts["newest refusal"] = learner.unfit
    if history.counts["unreadable"]:
        facts["unreadable"] = f"{history.counts['unreadable']:,} messages"
    return facts


def _weeks(examples: Examples) -> list[tuple[int, Examples]]:
    starts = examples.t_ms // WEEK_MS
    return [(int(start) * WEEK_MS, examples.where(starts == start)) for start in np.unique(starts)]


def shown(figure: Figure) -> tuple[str, str]:
    """The figure, and its interval, as text."""
    if figure.value is None:
        return "-", ""
    return f"{figure.value:.3f}", "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"


# ---- HTML


def page(made: Report, title: str) -> str:
    """The report as one HTML file."""
    facts = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in made.facts.items())
    parts = [f"<h1>{html.escape(title)}</h1><table>{facts}</table>"]
    parts.append("<h2>Scored before learned</h2><p>In brackets 95 % of the resamples of whole cards.</p>")
    parts.append(_table("scores of", made.contenders))
    if made.over_baseline is not None:
        value, around = shown(made.over_baseline)
        parts.append(f"<p>Average precision in force minus logistic, paired: {value} <span class=i>({around})</span></p>")
    if made.maturities:
        parts.append("<h2>By the age that labels are given</h2>")
        parts.append(_table("days", {f"{days:g}": each for days, each in made.maturities.items()}))
    if made.analysts is not None:
        parts.append("<h2>Verdicts of analysts, apart</h2>" + _table("scores of", {"in force": made.analysts}))
    parts.append("<h2>Plots</h2>" + "".join(_plots(made)) if made.examples.fraud.any() else "<p>No fraud was scored: nothing to draw.</p>")
    parts.append("<p>" + "; ".join(f"{WORDS[name]}: {html.escape(meaning)}" for name, meaning in FIGURES.items()) + ".</p>")
    body = "\n".join(parts)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>{body}</html>\n'


def _table(first: str, rows: Mapping[str, Evidence]) -> str:
    heads = "".join(f"<th>{html.escape(each)}</th>" for each in (first, "payments", "frauds", *WORDS.values()))
    lines = []
    for name, each in rows.items():
        cells = []
        for figure in WORDS:
            value, around = shown(each.figures[figure])
            cells.append(f"<td>{value}<br><span class=i>{around}</span></td>")
        lines.append(f"<tr><td>{html.escape(name)}</td><td>{each.examples:,}</td><td>{each.frauds:,}</td>{''.join(cells)}</tr>")
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>"


def _plots(made: Report) -> list[str]:
    return [_drawing(_precision_recall, made), _drawing(_calibration, made), _drawing(_over_time, made)]


def _drawing(draw: Any, made: Report) -> str:
    """One plot as SVG; nothing in it depends on the day or on chance, so that the same history gives the same file."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context({"svg.hashsalt": "risk", "svg.fonttype": "path"}):
        canvas = Canvas(figsize=(7, 4.2), layout="constrained")
        draw(canvas.add_subplot(), made)
        file = io.StringIO()
        canvas.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def _precision_recall(axes: Any, made: Report) -> None:
    examples = made.examples
    ranked = Ranked(examples.score, examples.fraud)
    curve = ranked.curve(examples.weight[ranked.order])
    axes.step(curve.frauds / curve.frauds[-1], curve.frauds / (curve.frauds + curve.others), where="post")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="Precision and recall, in force")
    axes.grid(alpha=0.3)


def _calibration(axes: Any, made: Report) -> None:
    examples = made.examples
    fifth = fifths_of_frauds(examples.score, examples.fraud, examples.weight)
    points = []
    for k in range(5):
        weight = examples.weight * (fifth == k)
        if weight.sum() > 0 and (weight * examples.fraud).sum() > 0:
            points.append(((weight * examples.score).sum() / weight.sum(), (weight * examples.fraud).sum() / weight.sum()))
    if points:
        expected, observed = zip(*points, strict=True)
        low = max(min(*expected, *observed) / 2, 1e-6)
        axes.plot([low, 1], [low, 1], color="#999", linewidth=1)
        axes.plot(expected, observed, "o-")
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel="mean score", ylabel="share of fraud", title="Calibration, in fifths of the frauds by score")
    axes.grid(alpha=0.3)


def _over_time(axes: Any, made: Report) -> None:
    first = made.weeks[0][0]
    for name in ("average_precision", "recall_at_fpr", "skill"):
        points = [((start - first) / WEEK_MS, each.figures[name].value) for start, each in made.weeks]
        there = [(week, value) for week, value in points if value is not None]
        if there:
            axes.plot(*zip(*there, strict=True), "o-", markersize=3, label=WORDS[name])
    axes.set(xlabel="week of the history", ylim=(-0.05, 1.02), title="Quality over time, in force")
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
