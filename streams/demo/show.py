"""The two ways of showing a run: a picture that lives in the terminal, or plain lines where there is none.

Belongs here: when to draw and when to write a line. Never: what stands in the picture (screen).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live

from streams.demo.figures import Figures
from streams.demo.page import Page
from streams.demo.screen import Facts, milliseconds, picture

FRAME_SECONDS = 0.5
LINE_SECONDS = 3.0
POLL_SECONDS = 0.05
ROWS_BELOW = 4
"""Rows that the last words need below the last picture."""


@dataclass(slots=True)
class Show:
    """``live``: a terminal that can be drawn on; ``started``: when the command was given, on the monotonic clock."""

    console: Console
    started: float
    live: bool
    status: str = ""
    drawn: bool = False

    def say(self, text: str) -> None:
        """What is being waited for: a line, or a word in the picture where there is one."""
        self.status = text
        if not self.drawn:
            self.line(text)

    def line(self, text: str) -> None:
        """A line of plain text, whole however narrow the terminal."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)

    async def run(self, figures: Figures, facts: Facts) -> None:
        """Show the run until cancelled."""
        self.status = ""
        await (self._draw(figures, facts) if self.live else self._write(figures, facts))

    async def _draw(self, figures: Figures, facts: Facts) -> None:
        """The alternate screen, drawn in a thread: the loop that takes the times of decisions must not wait for a picture."""
        with Live(console=self.console, screen=True, auto_refresh=False) as live:
            self.drawn = True
            try:
                while True:
                    width, height = self.console.size
                    frame = picture(figures.view(time.monotonic()), facts, width, height, self.status)
                    await asyncio.to_thread(live.update, frame, refresh=True)
                    await asyncio.sleep(FRAME_SECONDS)
            finally:
                self.drawn = False

    async def _write(self, figures: Figures, facts: Facts) -> None:
        due = 0.0
        while not self.status:
            await asyncio.sleep(POLL_SECONDS)
            now = time.monotonic()
            if figures.first_decision is None or now < due:
                continue
            if due == 0.0:
                self.line(f"first decision {figures.first_decision - self.started:.1f} s after the start; metrics at {facts.metrics}")
            else:
                self.line(progress(figures, facts))
            due = now + LINE_SECONDS

    def last_picture(self, figures: Figures, facts: Facts) -> None:
        """Leave the picture behind, above the last lines: the alternate screen takes its own with it."""
        width, height = self.console.size
        if self.live and figures.sent:
            rows = height - ROWS_BELOW
            self.console.print(picture(figures.view(time.monotonic()), facts, width, rows, "ended"), height=rows)


def progress(figures: Figures, facts: Facts) -> str:
    """One line for a log: `6 s: 702 sent, 702 decided, 117/s, p50 5.1 ms, p99 9.8 ms, 2 blocked, 3 reviewed, no model version yet`."""
    view = figures.view(time.monotonic())
    model = f", {_model(view.page)}" if facts.learns else ""
    return (
        f"{view.elapsed:.0f} s: {view.sent} sent, {view.decided} decided, {view.rate:.0f}/s, "
        f"p50 {milliseconds(view.p50_ms)}, p99 {milliseconds(view.p99_ms)}, "
        f"{view.actions.get('block', 0)} blocked, {view.actions.get('review', 0)} reviewed{model}"
    )


def _model(page: Page) -> str:
    labels = sum(page.labels.values())
    if page.version is None:
        return f"no model version yet ({labels} labels)"
    auc = page.quality.get("auc")
    return f"model {page.version.removeprefix('sha256:')[:10]} ({labels} labels{'' if auc is None else f', auc {auc:.2f}'})"
