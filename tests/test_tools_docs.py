"""`risk docs`: a static site that is whole, closed in itself, and the same every time."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner

from risk.cli import app
from risk.language import load
from risk.sources import rule_files
from risk.tools.site import site_of
from risk.tools.site.graph import Picture, svg
from risk.tools.site.overview import opening
from tests.tools_given import RULES, SMALL, SPARKOV, shipped, small

VOID = {"meta", "link", "br"}


class Reader(HTMLParser):
    """Links, ids and text of a page; fails where a tag is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert "onclick" not in found and tag not in ("script", "img", "iframe")
        self.links += [found["href"] or ""] if "href" in found else []
        if found.get("id"):
            assert found["id"] not in self.ids, f"id {found['id']} twice"
            self.ids.add(str(found["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open, reader.open
    return reader


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    return site_of(shipped())


def test_there_is_a_page_for_each_rule_with_its_condition_tests_and_owner(site: dict[str, str]) -> None:
    for name, rule in shipped().rules.items():
        said = " ".join("".join(read(site[f"rules/{name}.html"]).said).split())
        assert rule.title in said and rule.owner in said and (rule.review_by or "") in said
        for case in shipped().cases[name]:
            assert " ".join(case.it.split()) in said
        assert rule.when.split()[0] in said


def test_every_page_is_well_formed_and_every_link_leads_somewhere(site: dict[str, str]) -> None:
    pages = {path: read(text) for path, text in site.items() if path.endswith(".html")}
    for path, page in pages.items():
        for target in page.links:
            assert ":" not in target, f"{path} leads away: {target}"
            file, _, place = target.partition("#")
            found = normpath(join(dirname(path), file)) if file else path
            assert found in site, f"{path}: {target}"
            assert not place or place in pages[found].ids, f"{path}: {target}"


def test_the_same_rule_set_gives_the_same_site(site: dict[str, str]) -> None:
    assert site_of(load(rule_files(RULES))) == site


def test_owners_reasons_features_lists_and_duties_have_their_places(site: dict[str, str]) -> None:
    said = {path: "".join(read(text).said) for path, text in site.items() if path.endswith(".html")}
    for rule in shipped().rules.values():
        assert rule.owner in said["owners.html"] and rule.name in said["owners.html"]
        assert all(reason in said["reasons.html"] for reason in rule.reasons)
    assert all(name in said["features.html"] for name in (*shipped().features, *shipped().macros))
    assert all(f"@{name}" in said["lists.html"] for name in shipped().lists)
    assert all(name in said["duties.html"] for name in shipped().duties)
    assert "What it looks like: one device, many cards" in said["index.html"]


def test_pictures_are_svg_with_a_box_for_every_name_a_rule_reads(site: dict[str, str]) -> None:
    text = site["rules/card_testing_burst.html"]
    root = Xml.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    boxes = {"".join(each.itertext()) for each in root.iter("text")}
    assert {"card_testing_burst", "card_tries_10m", "payment", "account_of_half_a_year", "@many_small_payments"} <= boxes


def test_a_picture_without_edges_is_none() -> None:
    assert svg(Picture(["a", "b"], [["x"], ["y"]], [])) == ""


def test_what_rule_files_say_is_escaped() -> None:
    text = SMALL.replace("A large payment from afar", "'<script>alert(1)</script> & more'")
    page = site_of(load([("small.yaml", text)]))["rules/watched.html"]
    assert "<script" not in page and "&lt;script&gt;" in page


def test_other_rule_sets_without_lists_or_duties_have_a_site_too() -> None:
    for ruleset in (small(), load(rule_files(SPARKOV))):
        site = site_of(ruleset)
        assert "duties.html" not in site and ">Duties<" not in site["index.html"]
        for path, text in site.items():
            if path.endswith(".html"):
                read(text)


def test_the_head_of_a_file_is_read_as_paragraphs() -> None:
    assert opening("# One thing that goes\n# on here.\n# Another.\n\nrules:\n") == "One thing that goes on here.\nAnother."


def test_the_command_replaces_its_own_pages_and_touches_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(SMALL)
    out = tmp_path / "site"
    runner = CliRunner()
    arguments = ["docs", "--rules", str(tmp_path / "rules.yaml"), "--out", str(out)]
    assert runner.invoke(app, arguments).exit_code == 0
    (out / "rules" / "gone.html").write_text("old")
    (out / "CNAME").write_text("kept")
    assert runner.invoke(app, arguments).exit_code == 0
    assert not (out / "rules" / "gone.html").exists() and (out / "CNAME").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("mine")
    result = runner.invoke(app, [*arguments[:-1], str(tmp_path / "other")])
    assert result.exit_code == 2 and (tmp_path / "other" / "index.html").read_text() == "mine"
    assert runner.invoke(app, ["docs", "--rules", "nowhere", "--out", str(out)]).exit_code == 2
