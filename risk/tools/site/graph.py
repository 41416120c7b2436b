"""The graph of names as SVG: events on the left, what is counted of them, then macros, then rules.

Drawn by hand: a column a kind, each name near the names that it is tied to, curves between. One picture a file of rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from risk.tools.site.html import text

BOX_HEIGHT, GAP, COLUMN_GAP, MARGIN, HEAD = 22, 7, 90, 8, 26
LETTER = 7.4
PASSES = 6


@dataclass(slots=True)
class Picture:
    """``columns``: names from left to right; ``edges``: from a name to one in a column further right; ``links``, ``classes`` by name."""

    heads: Sequence[str]
    columns: list[list[str]]
    edges: list[tuple[str, str]]
    links: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)


def svg(picture: Picture) -> str:
    """The picture; nothing where it has no edges."""
    kept = [(head, column) for head, column in zip(picture.heads, picture.columns, strict=True) if column]
    if not picture.edges or len(kept) < 2:
        return ""
    columns = _ordered([column for _, column in kept], picture.edges)
    widths = [max(len(picture.shown.get(name, name)) for name in column) * LETTER + 18 for column in columns]
    height = max(len(column) for column in columns) * (BOX_HEIGHT + GAP) + HEAD + MARGIN
    places: dict[str, tuple[float, float, float]] = {}
    x: float = MARGIN
    parts: list[str] = []
    for (head, _), column, width in zip(kept, columns, widths, strict=True):
        parts.append(f'<text class="head" x="{x:.0f}" y="14">{text(head)}</text>')
        top = HEAD + (height - HEAD - MARGIN - len(column) * (BOX_HEIGHT + GAP)) / 2
        for i, name in enumerate(column):
            places[name] = (x, top + i * (BOX_HEIGHT + GAP), width)
        x += width + COLUMN_GAP
    total = x - COLUMN_GAP + MARGIN
    edges = [_edge(places[a], places[b]) for a, b in picture.edges if a in places and b in places]
    boxes = [_box(name, places[name], picture) for column in columns for name in column]
    return (
        f'<svg viewBox="0 0 {total:.0f} {height:.0f}" width="{total:.0f}" height="{height:.0f}" role="img">\n'
        + "\n".join([*parts, *edges, *boxes])
        + "\n</svg>\n"
    )


def _ordered(columns: list[list[str]], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Each name moved towards the middle of the names that it is tied to, a few times in both directions."""
    tied: dict[str, list[str]] = {}
    for a, b in edges:
        tied.setdefault(a, []).append(b)
        tied.setdefault(b, []).append(a)
    found = [list(column) for column in columns]
    for turn in range(PASSES):
        height = {name: (i + 0.5) / len(column) for column in found for i, name in enumerate(column)}
        for k in range(len(found)) if turn % 2 == 0 else reversed(range(len(found))):
            middles = [_middle([height[each] for each in tied.get(name, ()) if each in height], height[name]) for name in found[k]]
            placed = sorted(range(len(found[k])), key=[round(middle, 6) for middle in middles].__getitem__)
            found[k] = [found[k][i] for i in placed]
            height |= {name: (i + 0.5) / len(found[k]) for i, name in enumerate(found[k])}
    return found


def _middle(heights: Sequence[float], own: float) -> float:
    total = 0.0
    for height in heights:
        total += height
    return total / len(heights) if heights else own


def _edge(a: tuple[float, float, float], b: tuple[float, float, float]) -> str:
    x1, y1, x2, y2 = a[0] + a[2], a[1] + BOX_HEIGHT / 2, b[0], b[1] + BOX_HEIGHT / 2
    bend = max(30.0, (x2 - x1) / 2)
    return f'<path class="edge" d="M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"/>'


def _box(name: str, place: tuple[float, float, float], picture: Picture) -> str:
    x, y, width = place
    shown = text(picture.shown.get(name, name))
    box = f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX_HEIGHT}" rx="4"/>'
    inside = f'<g class="{text(picture.classes.get(name, ""))}">{box}<text x="{x + 9:.0f}" y="{y + 15:.0f}">{shown}</text></g>'
    target = picture.links.get(name)
    return f'<a href="{text(target)}">{inside}</a>' if target else inside
