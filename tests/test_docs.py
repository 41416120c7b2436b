"""The documentation, held against the code: nothing undocumented, nothing documented that is not there, examples that work.

A page is checked by its tables. `<!-- table: NAME -->` holds one that `python -m streams.tables docs` writes; `<!-- keys: NAME -->`
stands before one that people write, whose first column must name exactly what the code knows.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from risk.cases import run
from risk.decisions import Writer
from risk.declared import Rule
from risk.engine import InProcess
from risk.gateway import DecisionReader
from risk.language import RuleSet, load
from risk.language.cases import script_of
from risk.language.functions import CONDITION_FUNCTIONS, VALUE_FUNCTIONS
from risk.language.loading import SECTIONS
from risk.language.sections import cases, duties, events, features, lists, model, overrides, policy, rules
from risk.refusals import REASONS
from risk.sources import rule_files
from streams import settings, tables, topics
from streams.metrics import CATALOGUE

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *DOCS, *sorted((ROOT / "examples").rglob("*.md"))]

KEYS: dict[str, Iterable[str]] = {
    "sections": SECTIONS,
    "event": events.EVENT_KEYS,
    "field": events.FIELD_KEYS,
    "feature": features.FEATURE_KEYS,
    "types": events.KINDS,
    "functions": (*VALUE_FUNCTIONS, *CONDITION_FUNCTIONS),
    "list": lists.LIST_KEYS,
    "entry": lists.ENTRY_KEYS,
    "rule": rules.RULE_KEYS,
    "obligations": rules.OBLIGATIONS,
    "case": cases.CASE_KEYS,
    "step": cases.STEP_KEYS,
    "expect": cases.EXPECT_KEYS,
    "duty": duties.DUTY_KEYS,
    "override": overrides.OVERRIDE_KEYS,
    "policy": policy.POLICY_KEYS,
    "model": model.MODEL_KEYS,
    "input": model.INPUT_KEYS,
    "encodings": model.ENCODINGS,
}
"""What each hand-written table of docs/rules.md must name, from the tables by which the language itself reads files."""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def first_column(page: str, name: str) -> list[str]:
    """Words of the first column of the table after `<!-- keys: NAME -->`; `f(a, b)` is `f`."""
    found = re.search(rf"<!-- keys: {name} -->\n((?:\|.*\n)+)", page)
    assert found, f"docs/rules.md has no table <!-- keys: {name} -->"
    return [cell[1] for row in found[1].splitlines()[2:] if (cell := re.match(r"\| `(\w+)", row))]


# ---------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_tables_made_from_the_code_are_up_to_date(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert tables.renewed(page) == page, f"{path.name} is old: run python -m streams.tables docs"


def test_every_table_of_the_code_is_on_some_page() -> None:
    placed = {name for path in DOCS for name in re.findall(r"<!-- table: ([a-z-]+) -->", path.read_text(encoding="utf-8"))}
    assert placed == tables.TABLES.keys()
    everything = "".join(path.read_text(encoding="utf-8") for path in DOCS)
    for name in [row.variable for row in settings.TABLE] + [entry.name for entry in CATALOGUE] + list(REASONS):
        assert f"`{name}`" in everything, f"{name} is not documented"
    assert len(topics.TOPICS) == len(re.findall(r"^\| `", text("docs/topics.md"), re.MULTILINE))


@pytest.mark.parametrize("name", KEYS)
def test_every_key_of_a_rule_file_is_in_the_reference_and_no_other(name: str) -> None:
    documented = first_column(text("docs/rules.md"), name)
    assert len(set(documented)) == len(documented)
    assert set(documented) == set(KEYS[name])


def test_every_hand_written_table_is_checked() -> None:
    assert sorted(re.findall(r"<!-- keys: ([a-z]+) -->", text("docs/rules.md"))) == sorted(KEYS)


def test_every_command_and_option_is_documented() -> None:
    page = text("docs/commands.md")
    for name, command in tables.command_line().items():
        assert f"### `risk {name}" in page, name
        for parameter in command.params:
            for way in getattr(parameter, "opts", ()):
                assert way == "--help" or not way.startswith("-") or f"`{way}`" in page, f"risk {name} {way}"


# ---------------------------------------------------------------------------------------------------- nothing that is not there


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_name_no_setting_metric_or_command_that_is_not_there(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    known = {row.variable for row in settings.TABLE}
    assert not set(re.findall(r"\bRISK_[A-Z][A-Z_]+\b", page)) - known - {"RISK_CHECK"}
    metrics = {entry.name for entry in CATALOGUE}
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\brisk_[a-z_]+\b", page)}
    assert not named - metrics
    commands = set(tables.command_line())
    for block in re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        for word in re.findall(r"^(?:[A-Z_]+=\S+ )*risk ([a-z]+)", block, re.MULTILINE):
            assert word in commands, f"risk {word}"
    for word in re.findall(r"`risk ([a-z]+)[^`]*`", page):
        assert word in commands, f"risk {word}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{path.name}: {target}"
        if anchor and there.suffix == ".md":
            heads = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}, f"{path.name}: {target}"


def test_files_and_tests_that_pages_name_exist() -> None:
    for path in [page for page in PAGES if page.parent in (ROOT, ROOT / "docs")]:
        page = path.read_text(encoding="utf-8")
        for file in re.findall(r"`((?:tests|risk|streams|rules|deploy|examples|docs|bench)/[\w/.-]+\.\w+)(?:::\w+)?`", page):
            assert (ROOT / file).exists(), f"{path.name}: {file}"
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page):
            assert f"def {name}(" in text(file), f"{path.name}: {file}::{name}"


def test_make_verbs_that_pages_name_exist() -> None:
    verbs = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    for path in PAGES:
        assert set(re.findall(r"`make ([a-z]+)", path.read_text(encoding="utf-8"))) <= verbs, path.name


def test_no_page_holds_a_machine_path_or_a_card_number() -> None:
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(home|work|root|Users|tmp)/", page), path.name


# ---------------------------------------------------------------------------------------------------- examples

EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", text("docs/rules.md"), re.DOTALL | re.MULTILINE)
FRAGMENTS = re.findall(r"^```yaml fragment\n(.*?)^```", text("docs/rules.md"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=[str(i) for i in range(1, len(EXAMPLES) + 1)])
def test_an_example_of_a_rule_file_loads_and_passes_its_tests(example: str) -> None:
    ruleset = load([("events.yaml", text("rules/events.yaml")), ("policy.yaml", text("rules/policy.yaml")), ("example.yaml", example)])
    assert ruleset.rules
    results = list(run(ruleset))
    assert len(results) >= len(ruleset.rules)
    assert not [f"{result.case.it}: {result.complaint}" for result in results if not result.passed]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=[str(i) for i in range(1, len(FRAGMENTS) + 1)])
def test_a_fragment_of_a_rule_file_loads_beside_the_shipped_rules_and_the_examples(fragment: str) -> None:
    """One with events of its own stands alone."""
    others = [*rule_files(ROOT / "rules"), *((f"example_{i}.yaml", example) for i, example in enumerate(EXAMPLES))]
    load([("fragment.yaml", fragment), *([] if fragment.startswith("events:") else others)])


def test_what_other_pages_show_of_rule_files_loads_beside_the_shipped_ones() -> None:
    for path in DOCS:
        for shown in re.findall(r"^```yaml\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            if path.name != "rules.md":
                assert load([*rule_files(ROOT / "rules"), (path.name, shown)]).rules


def test_conditions_shown_in_the_reference_are_conditions() -> None:
    shown = re.search(r"### Conditions\n\n```\n(.*?)```", text("docs/rules.md"), re.DOTALL)
    assert shown
    head = "lists: {watched: {of: id user, values: [usr_1]}}\nmacros: {small: amount <= CNY 20.00}\nfeatures:\n"
    head += "  since_password: {since_last: profile_change, per: payer.id}\n  since_login: {since_last: login, per: payer.id}\n"
    head += "  out_sum_24h: {sum: amount, of: transfer, per: payer.id, over: 24h}\n"
    head += "  in_sum_24h: {sum: amount, of: transfer, per: payer.id, over: 7d}\n"
    for i, condition in enumerate(shown[1].strip().splitlines()):
        rule = f"rules:\n  r{i}: {{title: t, event: payment, mode: draft, when: {json.dumps(condition)}}}\n"
        load([("events.yaml", text("rules/events.yaml")), ("policy.yaml", text("rules/policy.yaml")), ("x.yaml", head + rule)])


def test_messages_shown_are_events_of_the_schema() -> None:
    schema = load(["rules"]).schema
    shown = re.findall(r'^```json\n(\{"event".*?)^```', text("docs/messages.md"), re.DOTALL | re.MULTILINE)
    assert [schema.decode(each.encode()).event_type for each in shown] == ["payment", "label"]
    assert schema.extra_fields == 0


def test_every_event_type_and_what_it_requires_is_on_the_page_of_messages() -> None:
    page = text("docs/messages.md")
    for name, kind in load(["rules"]).schema.types.items():
        assert f"`{name}`" in page or f'"event": "{name}"' in page, name
        row = re.search(rf"^\| `{name}` \|(.*)$", page, re.MULTILINE)
        if row:
            needed = [field.name for field in kind.fields.values() if not field.optional and field.name != "occurred_at"]
            assert not [each for each in needed if f"`{each}`" not in row[1]], name


def decided() -> tuple[dict[str, object], dict[str, object]]:
    """A decision and a receipt as a worker writes them, of a payment that a shipped rule blocks."""
    ruleset = load(["rules"])
    rule = ruleset.rules["CN-MER-2"]
    machine = InProcess(ruleset)
    outcome = machine.feed(_first_event(ruleset, rule))
    assert outcome is not None
    written = machine.engine.writer
    assert isinstance(written, Writer)
    receipt = written.receipt("p", b"{}", outcome, ("payments", 0, 0), 0, 0, late=False, model_version=None)
    return json.loads(written.decision("p", outcome, receipt, 0, late=False)), json.loads(receipt)


def _first_event(ruleset: RuleSet, rule: Rule) -> object:
    step = script_of(ruleset, rule, ruleset.cases[rule.name][0], 1).steps[0]
    return ruleset.schema.build(step.event, step.values)


def test_every_field_of_decisions_and_receipts_is_on_the_page_of_messages() -> None:
    decision, receipt = decided()
    page = text("docs/messages.md")
    of_decisions = page[page.index("### `decisions`") : page.index("### `risk.receipts`")]
    of_receipts = page[page.index("### `risk.receipts`") : page.index("### `risk.dead-letters`")]
    shown = json.loads(re.search(r"```json\n(.*?)```", of_decisions, re.DOTALL)[1])  # type: ignore[index]
    assert list(shown) == list(decision)
    documented = {
        word for row in re.findall(r"^\| (`.*?`) \|", of_receipts, re.MULTILINE) for word in re.findall(r"`(\w+)`", row) if word != "field"
    }
    assert documented == set(receipt)
    rule = receipt["rules"][0]  # type: ignore[index]
    assert not [key for key in rule if key != "rule" and f"`{key}`" not in of_receipts]


def test_the_reader_of_decisions_that_is_shown_gives_what_counts() -> None:
    page = text("docs/messages.md")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code
    space: dict[str, Any] = {}
    exec(code[1], space)
    rows = records_of_the_reader(page)
    counting = [json.loads(record.value) for record, counts in rows if counts]
    assert space["answers"]([record for record, _ in rows]) == [(each["payment_id"], each["action"]) for each in counting]
    for (record, counts), each in zip(rows, fed_one_by_one(rows), strict=True):
        assert (each is not None) == counts, record


def records_of_the_reader(page: str) -> list[tuple[Any, bool]]:
    """The partition that the page offers for trying one's own reader: record and whether it counts."""
    table = page[page.index("<!-- records of the reader -->") :].split("\n\n")[0].splitlines()[3:]
    rows = []
    for line in table:
        offset, epoch, marker, value, counts = (cell.strip().strip("`") for cell in line.strip("|").split("|"))
        headers = [("marker", b"takeover")] * (marker == "yes") + [("epoch", epoch.encode())] * bool(epoch)
        rows.append((SimpleNamespace(partition=0, offset=int(offset), headers=headers, value=value.encode()), counts == "yes"))
    return rows


def fed_one_by_one(rows: list[tuple[Any, bool]]) -> list[Any]:
    reader = DecisionReader()
    return [reader.feed(record.partition, record.offset, record.value, record.headers) for record, _ in rows]


def test_the_commands_of_the_readme_end_as_it_says() -> None:
    said = re.findall(r"^risk (check|test) rules(?: --rule (\w+))? +# ends with: (.*)$", text("README.md"), re.MULTILINE)
    assert len(said) == 2
    for command, rule, end in said:
        typed = [sys.executable, "-c", "from streams.cli import main; main()", command, "rules", *(["--rule", rule] if rule else [])]
        done = subprocess.run(typed, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.rstrip().endswith(end), done.stdout[-300:]


def test_the_first_change_of_the_readme_breaks_the_promise_that_it_shows() -> None:
    readme = text("README.md")
    file, old, new = re.findall(r"Open `(.*?)` and change `(.*?)` to `(.*?)`", readme)[0]
    changed = [
        (path, raw.replace(old.encode(), new.encode(), 1) if f"rules/{path}" == file else raw) for path, raw in rule_files(ROOT / "rules")
    ]
    name, promise = re.findall(r"^(\w+)  \(.*?\)\n   FAIL (.*)$", readme, re.MULTILINE)[0]
    failed = {result.case.it: result for result in run(load(changed), name) if result.failed}
    assert promise in failed
    shown = [line.split(maxsplit=1)[1] for line in re.findall(r"^        (?:yes|no) .*$", readme, re.MULTILINE)]
    terms = [f"{term:<44}  {values}" for _, term, values in failed[promise].terms]
    assert shown == terms[: len(shown)]


def test_rule_files_are_read_from_the_whole_folder_as_the_reference_says() -> None:
    assert {Path(path).parent.name for path, _ in rule_files(ROOT / "rules")} >= {"", "patterns", "lists"}


def test_every_code_of_the_language_is_on_the_page_of_its_messages() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "risk" / "language").rglob("*.py")]
    codes = {code for source in sources for code in re.findall(r'"([EW]\d{3})"', source)}
    assert codes == set(re.findall(r"^\| `([EW]\d{3})` \|", text("docs/rule-messages.md"), re.MULTILINE))
