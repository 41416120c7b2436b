"""`risk fmt`: one layout, every comment kept, no meaning changed, and formatting again changes nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from risk.cli import app
from risk.language import RuleSet, load
from risk.language.source import Problems, read
from risk.language.versions import plain
from risk.sources import rule_files
from risk.tools.layout import BadRuleFile, CannotFormat, formatted
from tests.tools_given import RULES, SMALL, SPARKOV, small

FOLDERS = (RULES, SPARKOV)


def texts(folder: Path) -> dict[str, str]:
    return {path: raw.decode() for path, raw in rule_files(folder)}


FILES = [(path, text) for folder in FOLDERS for path, text in texts(folder).items()]


def facts(ruleset: RuleSet) -> tuple[object, ...]:
    """What a rule set means: versions of rules hold their features, lists and overrides."""
    features = {name: [getattr(each, slot) for slot in each.__slots__ if slot != "place"] for name, each in ruleset.features.items()}
    versions = {name: (rule.version, rule.when) for name, rule in ruleset.rules.items()}
    lists = {name: each.version for name, each in ruleset.lists.items()}
    return versions, repr(features), lists, repr(ruleset.policy), list(ruleset.schema.types), list(ruleset.macros)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.parent.name)
def test_the_shipped_rules_mean_the_same_in_the_layout(folder: Path) -> None:
    before = texts(folder)
    after = {path: formatted(path, text) for path, text in before.items()}
    assert facts(load(list(after.items()))) == facts(load(list(before.items())))


@pytest.mark.parametrize(("path", "text"), FILES, ids=[path for path, _ in FILES])
def test_formatting_again_changes_nothing(path: str, text: str) -> None:
    once = formatted(path, text)
    assert formatted(path, once) == once


@pytest.mark.parametrize(("path", "text"), FILES, ids=[path for path, _ in FILES])
def test_no_line_is_longer_than_140_but_where_one_word_is(path: str, text: str) -> None:
    for line in formatted(path, text).split("\n"):
        assert len(line) <= 140 or "#" in line or line.strip().startswith(("about:", "title:", "- it:", "message:", "source:")), line


def _scrambled(text: str, seed: int) -> str:
    """The same file with comments and blank lines put between its lines and behind them, where they are comments."""
    chance = random.Random(seed)
    lines = text.split("\n")
    wanted = _meaning(text)
    for n in range(12):
        at = chance.randrange(len(lines))
        indent = len(lines[at]) - len(lines[at].lstrip())
        trial = list(lines)
        kind = chance.randrange(3)
        if kind == 0:
            trial.insert(at, " " * indent + f"# note {n}")
        elif kind == 1 and lines[at].strip():
            trial[at] += f"  # note {n}"
        else:
            trial[at:at] = [""] * chance.randrange(1, 4)
        if _meaning("\n".join(trial)) == wanted:
            lines = trial
    return "\n".join(lines)


def _meaning(text: str) -> object:
    problems = Problems()
    _, root = read("x.yaml", text, problems)
    return None if problems.found or root is None else plain(root)


@settings(max_examples=20, deadline=None)
@given(file=st.sampled_from(range(len(FILES))), seed=st.integers(0, 10_000))
def test_comments_stay_wherever_they_stand(file: int, seed: int) -> None:
    path, text = FILES[file]
    scrambled = _scrambled(text, seed)
    once = formatted(path, scrambled)
    assert sorted(part for part in once.split() if part.startswith("#")) == sorted(p for p in scrambled.split() if p.startswith("#"))
    assert once.count("# note") == scrambled.count("# note")
    assert formatted(path, once) == once


def _dumped(folder: Path, seed: int) -> dict[str, str]:
    """The files as another YAML writer would write them: other quotes, widths, braces, indentation."""
    chance = random.Random(seed)
    found = {}
    for path, text in texts(folder).items():
        _, root = read(path, text, Problems())
        assert root is not None
        style = chance.choice([None, '"', "'"])
        found[path] = yaml.safe_dump(
            plain(root),
            default_flow_style=chance.choice([False, None]),
            default_style=style,
            width=chance.choice([40, 80, 10_000]),
            indent=chance.choice([2, 4]),
            sort_keys=False,
            allow_unicode=chance.random() < 0.5,
        )
    return found


@settings(max_examples=6, deadline=None)
@given(folder=st.sampled_from(FOLDERS), seed=st.integers(0, 10_000))
def test_however_a_file_is_written_the_layout_means_the_same_and_is_stable(folder: Path, seed: int) -> None:
    before = _dumped(folder, seed)
    after = {path: formatted(path, text) for path, text in before.items()}
    assert facts(load(list(after.items()))) == facts(load(list(before.items())))
    assert all(formatted(path, text) == text for path, text in after.items())


MESSY = """\
# head

rules:   # all of them
    b:
        tests: []

        # why it waits
        mode: 'shadow'          # until May
        event: "payment"


        title: "Something: with a colon"
        when: "card.id is known   and (amount<=$small or (a==1 and b==2)) and not  stepup"
        params: {small: "CNY 10.00", level: '1'}
        # the end of b
    # before c
    c: {title: short, event: payment, mode: draft, when: a == "x"}
features:
  long_name_of_a_feature:
    over: 10m
    count: 'payment'
    per: card.id
  short: {sum: amount, of: payment, per: payer.id, over: 24h, where: 'kind == "x"'}  # the sum
"""

NEAT = """\
# head

rules:   # all of them

  b:
    title: "Something: with a colon"
    event: payment
    # why it waits
    mode: shadow                # until May
    params: {small: CNY 10.00, level: "1"}
    when: |
      card.id is known
      and (amount <= $small or (a == 1 and b == 2))
      and not stepup
    tests: []
    # the end of b

  # before c
  c: {title: short, event: payment, mode: draft, when: 'a == "x"'}

features:
  long_name_of_a_feature:  {count: payment, per: card.id, over: 10m}
  short:                   {sum: amount, of: payment, per: payer.id, over: 24h, where: kind == "x"}  # the sum
"""


def test_a_messy_file_becomes_a_neat_one() -> None:
    assert formatted("x.yaml", MESSY) == NEAT.replace("""when: 'a == "x"'}""", """when: a == "x"}""")


def test_long_conditions_open_their_brackets_and_long_braces_are_filled() -> None:
    text = formatted(
        "x.yaml",
        "rules:\n  a:\n"
        "    when: first and (order.virtual or sells_again or instalment_users_30d >= $sharers or model.score >= $risky_score) "
        "and at_least(2, device_users_of_month >= $on_device, address_users_of_week >= $at_address, card.id is known and x > 1)\n"
        "    tests:\n      - {it: x, events: [{amount: CNY 4000.00, instalment.limit: CNY 5000.00, instalment.activated_at: 23h ago, "
        "payer.opened_at: 29d ago, order.category: gold}], expect: fires}\n",
    )
    assert (
        """\
    when: |
      first
      and (order.virtual
           or sells_again
           or instalment_users_30d >= $sharers
           or model.score >= $risky_score)
      and at_least(2,
            device_users_of_month >= $on_device,
            address_users_of_week >= $at_address,
            card.id is known and x > 1)
"""
        in text
    )
    assert max(map(len, text.split("\n"))) <= 175  # an entry in braces that is itself too long stays whole


def test_a_condition_that_cannot_be_read_stays_as_it_is() -> None:
    text = "rules:\n\n  a:\n    when: |\n      amount = 5\n        and   so on\n"
    assert formatted("x.yaml", text) == text


def test_quotes_stay_where_another_yaml_tool_would_see_no_text() -> None:
    text = 'lists:\n  a:\n    of: text\n    values: ["16_17", "5691", "yes", "2027-01-01", plain, "a: b", "#c", "null", \'d\', -97.0]\n'
    assert formatted("x.yaml", text) == text.replace("'d'", "d")


def test_texts_of_several_lines_are_moved_not_changed() -> None:
    text = "rules:\n\n  a:\n    title: >-\n      one\n      two\n    message: |\n      three\n        four\n"
    assert formatted("x.yaml", text.replace("\n      ", "\n          ").replace("            four", "            four")) == text


def test_a_comment_beside_a_condition_stays_there() -> None:
    text = "rules:\n\n  a:\n    when: x == 1   # why\n"
    wanted = "rules:\n\n  a:\n    when: |         # why\n      x == 1\n"
    assert formatted("x.yaml", text).replace(" ", "") == wanted.replace(" ", "")
    assert formatted("x.yaml", wanted) == wanted


def test_a_comment_between_a_key_and_its_value_goes_above() -> None:
    text = "rules:\n\n  a:\n    title:   # one\n      # two\n      text   # three\n    params:\n      # four\n      {a: 1}\n"
    wanted = "rules:\n\n  a:\n    # one\n    # two\n    title: text  # three\n    # four\n    params: {a: 1}\n"
    assert formatted("x.yaml", text) == wanted and formatted("x.yaml", wanted) == wanted


def test_what_cannot_be_read_is_shown_and_what_cannot_be_kept_is_left() -> None:
    with pytest.raises(BadRuleFile) as found:
        formatted("x.yaml", "rules: {a: b: c}\n")
    assert "error[E000]" in found.value.report
    with pytest.raises(CannotFormat, match="braces"):
        formatted("x.yaml", "{rules: {}}\n")
    with pytest.raises(CannotFormat, match="a comment stands where no layout can keep it"):
        formatted("x.yaml", "rules:\n  a:\n    tests:\n      - # here\n        it: x\n")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "rules:\n", "lists: {}\n"])
def test_files_with_next_to_nothing_are_fine(text: str) -> None:
    assert formatted("x.yaml", formatted("x.yaml", text)) == formatted("x.yaml", text)
    assert formatted("x.yaml", text).strip() == text.strip()


def run(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["fmt", *map(str, arguments)], input=stdin)
    return result.exit_code, result.output


def test_the_command_writes_checks_and_shows(tmp_path: Path) -> None:
    (tmp_path / "messy.yaml").write_text(MESSY)
    (tmp_path / "neat.yaml").write_text(formatted("small.yaml", SMALL))
    code, said = run(tmp_path, "--check")
    assert code == 1 and "not in the layout:" in said and said.endswith("2 files: 1 would change, 1 in the layout already\n")
    code, said = run(tmp_path, "--diff")
    assert code == 0 and "+    when: |" in said and (tmp_path / "messy.yaml").read_text() == MESSY
    code, said = run(tmp_path)
    assert code == 0 and "formatted" in said and (tmp_path / "messy.yaml").read_text() == formatted("x.yaml", MESSY)
    assert run(tmp_path, "--check")[0] == 0


def test_the_command_reads_from_a_pipe_and_tells_what_is_wrong(tmp_path: Path) -> None:
    assert run("-", stdin=MESSY) == (0, formatted("x.yaml", MESSY))
    assert run("-", stdin="a: b: c")[0] == 2
    assert run(tmp_path / "nowhere")[0] == 2
    (tmp_path / "bad.yaml").write_text("a: b: c\n")
    code, said = run(tmp_path)
    assert code == 2 and "1 cannot be formatted" in said


def test_the_small_rule_set_is_the_same_after_all_of_it() -> None:
    assert facts(load([("small.yaml", formatted("small.yaml", SMALL))])) == facts(small())


@pytest.mark.parametrize("folder", ["rules", "examples/sparkov/rules"])
def test_what_we_ship_is_in_the_layout(folder: str) -> None:
    files = sorted(Path(folder).rglob("*.yaml"))
    assert files
    assert [str(path) for path in files if formatted(path.name, path.read_bytes()) != path.read_text(encoding="utf-8")] == []
