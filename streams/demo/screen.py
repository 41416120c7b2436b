"""The picture: one `View` drawn for a terminal of any size from 60 columns and 20 lines on.

Belongs here: layout, words and colours. Never: reading anything, and no number that is not in the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.demo.figures import Notable, View
from streams.demo.page import Page

BARS = " ▁▂▃▄▅▆▇█"
COLOURS = {"approve": "green", "challenge": "cyan", "review": "yellow", "block": "red"}
BORDER = "bright_black"
TALL = 34
TITLE_WIDTH = 60
"""A column for rules that is narrower shows their names: those fit, and half a title says less."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while the demo runs. ``seconds`` None: until Ctrl-C; ``titles``: of rules, by name."""

    seconds: float | None
    kafka: str
    metrics: str
    actions: tuple[str, ...]
    titles: dict[str, str]
    label_day_seconds: float
    learns: bool


def picture(view: View, facts: Facts, width: int, height: int, status: str = "") -> RenderableType:
    """The whole screen. ``status``: what is being waited for, if anything."""
    top = 10 if height >= TALL else 6
    middle = max(6, round(height * 0.26)) if height >= 20 else 0
    bottom = max(3, height - 2 - top - middle)
    left = 30
    screen = Layout()
    rows = [Layout(_header(view, facts), size=1), Layout(name="top", size=top)]
    if middle:
        rows.append(Layout(name="middle", size=middle))
    latest = _panel(_latest(view.latest, bottom - 2), "latest blocked and reviewed")
    rows += [Layout(latest, size=bottom), Layout(_footer(facts, status), size=1)]
    screen.split_column(*rows)
    chart_width = width - left - 4
    screen["top"].split_row(
        Layout(_panel(_pace(view, tall=top > 6), "last 10 seconds"), size=left),
        Layout(_panel(_actions(view, facts, chart_width, tall=top > 6), "actions, a bar a second")),
    )
    if middle:
        model = min(44, max(34, width // 3))
        screen["middle"].split_row(
            Layout(_panel(_rules(view, facts, width - model - 4, middle - 2), "rules that fired")),
            Layout(_panel(_model(view.page, facts), f"model (labels: {facts.label_day_seconds:g} s = 1 day)"), size=model),
        )
    return screen


def _panel(inside: RenderableType, title: str) -> Panel:
    return Panel(inside, title=Text(title, style="bold"), title_align="left", border_style=BORDER, box=box.ROUNDED, padding=(0, 1))


def _header(view: View, facts: Facts) -> Text:
    lasts = f" of {clock(facts.seconds)}" if facts.seconds is not None else ""
    return Text.assemble(
        (" riskstream demo", "bold"), f"   {clock(view.elapsed)}{lasts}   {view.decided:,} of {view.sent:,} payments decided", no_wrap=True
    )


def _footer(facts: Facts, status: str) -> Text:
    rest = status or f"Kafka {facts.kafka}   Ctrl-C ends"
    return Text.assemble((" metrics ", BORDER), facts.metrics, (f"   {rest}", BORDER), no_wrap=True)


def clock(seconds: float) -> str:
    """Minutes and seconds: 01:05."""
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def _pace(view: View, *, tall: bool) -> Table:
    table = Table.grid(expand=True)
    table.add_column(style=BORDER)
    table.add_column(justify="right")
    waiting = max(0, view.sent - view.decided)
    lag = "-" if view.page.lag is None else f"{view.page.lag:,}"
    table.add_row("payments a second", Text(f"{view.rate:,.0f}", style="bold"))
    table.add_row("latency p50", Text(milliseconds(view.p50_ms), style="bold"))
    table.add_row("latency p99", Text(milliseconds(view.p99_ms), style="bold"))
    if not tall:
        table.add_row("waiting / lag", f"{waiting:,} / {lag}")
        return table
    table.add_row("payments waiting", f"{waiting:,}")
    table.add_row("consumer lag", lag)
    table.add_row("dead letters", f"{view.page.dead_letters:,}")
    table.add_row("worker's memory", f"{view.page.resident_bytes / 2**20:,.0f} MB" if view.page.resident_bytes else "-")
    return table


def milliseconds(value: float | None) -> str:
    """A latency for a person: three digits are enough."""
    if value is None:
        return "-"
    return f"{value:,.1f} ms" if value < 100 else f"{value:,.0f} ms"


def _actions(view: View, facts: Facts, width: int, *, tall: bool) -> Table:
    lines = 2 if tall else 1
    words = max(len(action) for action in facts.actions) + 18
    seconds = max(4, width - words)
    shown = view.series[-seconds:]
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(justify="right", width=7)
    table.add_column(justify="right", width=6, style=BORDER)
    table.add_column(width=seconds, no_wrap=True)
    decided = max(1, view.decided)
    for action in facts.actions:
        count = view.actions.get(action, 0)
        bars = sparkline([second.get(action, 0) for second in shown], lines, seconds)
        colour = COLOURS.get(action, "white")
        table.add_row(Text(action, style=colour), f"{count:,}", f"{count / decided:.1%}", Text("\n".join(bars), style=colour))
    return table


def sparkline(values: Sequence[int], lines: int, width: int) -> list[str]:
    """Bars of eighths, newest at the right, scaled to their own highest; ``lines`` rows from top to bottom. Anything above 0 shows."""
    highest = max(values, default=0)
    units = [0 if not value else max(1, round(value / highest * lines * 8)) for value in values]
    rows = [[min(8, max(0, each - 8 * line)) for each in units] for line in reversed(range(lines))]
    return ["".join(BARS[eighths] for eighths in row).rjust(width) for row in rows]


def _rules(view: View, facts: Facts, width: int, lines: int) -> RenderableType:
    if not view.rules:
        return Text("none yet", style=BORDER)
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(justify="right", width=5)
    table.add_column(no_wrap=True, overflow="ellipsis", width=max(10, width - 6))
    for name, mode, count in view.rules[:lines]:
        title = facts.titles.get(name, name) if width >= TITLE_WIDTH else name
        table.add_row(f"{count:,}", Text(title) if mode == "live" else Text(f"({mode}) {title}", style=BORDER))
    return table


def _model(page: Page, facts: Facts) -> RenderableType:
    if not facts.learns:
        return Text("these rules have no model that learns", style=BORDER)
    quality = page.quality
    table = Table.grid(expand=True)
    table.add_column(style=BORDER, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    version = (
        Text("no version yet", style=BORDER) if page.version is None else Text(page.version.removeprefix("sha256:")[:10], style="bold")
    )
    table.add_row("version", version)
    table.add_row("auc / avg prec.", f"{_ratio(quality.get('auc'))} / {_ratio(quality.get('average_precision'))}")
    table.add_row("labels fraud/ok", f"{page.labels.get('fraud', 0):,} / {page.labels.get('legitimate', 0):,}")
    table.add_row("lessons learned", f"{int(quality.get('lessons', 0)):,}")
    table.add_row("presumed ok", f"{int(quality.get('presumed_legitimate', 0)):,}")
    refused = int(quality.get("versions_refused", 0))
    if refused:
        table.add_row("versions held back", f"{refused:,}")
    return table


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _latest(latest: Sequence[Notable], lines: int) -> RenderableType:
    if not latest:
        return Text("none yet", style=BORDER)
    newest_first = list(reversed(latest))[: max(1, lines // 2)]
    return Group(*[line for notable in newest_first for line in _entry(notable)][:lines])


def _entry(notable: Notable) -> tuple[Text, Text]:
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append(f"{notable.at[11:19]} ", style=BORDER)
    head.append(f"{notable.action:<9}", style=COLOURS.get(notable.action, "white"))
    head.append(f"{notable.amount:>12}  ")
    head.append(", ".join(notable.reasons), style="bold")
    if notable.times > 1:
        head.append(f"  {notable.times} alike", style=BORDER)
    said = f"{notable.title}: {notable.message}" if notable.message else notable.title
    return head, Text(f"{'':9}{said}", style=BORDER, no_wrap=True, overflow="ellipsis")
