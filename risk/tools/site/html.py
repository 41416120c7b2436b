"""Pieces of HTML: escaped text, links, tables, the frame of a page.

Rule 1: whatever comes from a rule file passes `text` on its way into a page.
Never here: what a page says.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence

PAGES = (
    ("index.html", "Rules"),
    ("owners.html", "Owners"),
    ("reasons.html", "Reason codes"),
    ("features.html", "Features"),
    ("lists.html", "Lists"),
    ("events.html", "Events"),
    ("policy.html", "Policy"),
    ("duties.html", "Duties"),
    ("graph.html", "Graph"),
)


def text(said: object) -> str:
    return html.escape(str(said), quote=True)


def code(said: object) -> str:
    return f"<code>{text(said)}</code>"


def link(target: str, said: str, title: str = "") -> str:
    """``said`` is HTML already."""
    hint = f' title="{text(title)}"' if title else ""
    return f'<a href="{text(target)}"{hint}>{said}</a>'


def anchor(name: str) -> str:
    """An id that a link can name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Cells are HTML; no table where there are no rows. ``kind``: its class in the style sheet."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    if not body:
        return ""
    named = f' class="{kind}"' if kind else ""
    head = "".join(f"<th>{text(each)}</th>" for each in heads)
    return f'<div class="wide"><table{named}><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n'


def facts(pairs: Mapping[str, str]) -> str:
    """A list of names and what they are; what is empty is left out."""
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{said}</dd>" for name, said in pairs.items() if said) + "</dl>\n"


def section(title: str, body: str, name: str = "") -> str:
    """A heading and what stands under it; nothing where nothing does."""
    return f'<h2 id="{text(anchor(name or title.lower()))}">{text(title)}</h2>\n{body}' if body else ""


def words_with_code(said: str) -> str:
    """Text with `names` as the tools write it."""
    return re.sub(r"`([^`]*)`", lambda found: f"<code>{found[1]}</code>", text(said))


def page(title: str, body: str, here: str, root: str, foot: str, pages: Sequence[tuple[str, str]] = PAGES) -> str:
    """A whole page. ``here``: its path in the menu; ``root``: the way back to the start, empty or `../`."""
    links = "".join(
        f'<a href="{root}{path}"{chr(32) + "class=" + chr(34) + "here" + chr(34) if path == here else ""}>{text(name)}</a>'
        for path, name in pages
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f'<title>{text(title)}</title>\n<link rel="stylesheet" href="{root}style.css">\n</head>\n<body>\n<nav>{links}</nav>\n'
        f"<main>\n{body}\n<footer>{text(foot)}</footer>\n</main>\n</body>\n</html>\n"
    )
