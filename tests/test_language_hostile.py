"""Rule files that nobody meant well end as located problems: never a crash, a hang, or code that runs."""

from __future__ import annotations

import random
import time

import pytest

from risk.language import examine, render_problems
from risk.language.source import FILE_CHARACTERS_MAX
from tests.test_language_load import LISTS, RULE, SCHEMA, codes

SECONDS_MAX = 10.0
"""Generous: a machine that runs tests may be busy. What these files were meant to take is minutes, or all memory."""


def rule(when: str) -> str:
    quoted = when.replace("'", "''")
    return f"rules:\n  a: {{title: x, event: payment, mode: draft, then: block, when: '{quoted}'}}\n"


NASTY = {
    "aliases that multiply": "a: &a [x, x, x]\nb: &b [*a, *a]\nmacros: {c: [*b, *b]}\n",
    "an alias alone": "macros: *a\n",
    "an alias as a key": "macros:\n  *a : x\n",
    "an anchor inside itself": "macros: &a {b: *a}\n",
    "a merge key": "macros: {<<: {a: remote}}\n",
    "a Python tag": "macros: !!python/object/apply:os.system ['echo x']\n",
    "a local tag": "macros: !x {a: b}\n",
    "a binary tag": "macros: {a: !!binary aGVsbG8=}\n",
    "a tag by directive": "%TAG ! tag:x,2000:\n---\nmacros: {a: !foo remote}\n",
    "a thousand documents": "---\n" * 1000,
    "600 levels": "".join(" " * i + "a:\n" for i in range(600)),
    "3,000 brackets that close": rule("(" * 3000 + "remote" + ")" * 3000),
    "900 functions": rule("abs(" * 900 + "1" + ")" * 900 + " > 0"),
    "1,900 minus signs": rule("- " * 1900 + "1 > 0"),
    "3,000 nots": rule("not " * 3000 + "remote"),
    "5,000 digits": rule("logins_1h > " + "9" * 5000),
    "3,990 digits": rule("1" * 3990 + " > 1"),
    "5,000 digits of a parameter": "rules: {a: {title: x, event: payment, mode: draft, params: {n: " + "9" * 5000 + "}, when: remote}}\n",
    "macros that double": "macros:\n  m0: ok\n" + "".join(f"  m{i}: m{i - 1} and m{i - 1}\n" for i in range(1, 200)) + rule("m199"),
    "a chain of 3,000 macros": "macros:\n  m0: remote\n" + "".join(f"  m{i}: m{i - 1} or ok\n" for i in range(1, 3000)) + rule("m2999"),
    "a circle of 3,000 macros": "macros:\n" + "".join(f"  m{i}: m{(i + 1) % 3000}\n" for i in range(3000)) + rule("m0"),
    "a name of 1,900 parts": rule("a." * 1900 + "a"),
    "a line of 100,000 characters": "macros: {a: '" + "x" * 100_000 + "'}\n",
    "a key 20,000 times": "macros:\n" + "  a: remote\n" * 20_000,
    "5,000 key fields": "features: {a: {count: payment, per: [" + ",".join(["payer.id"] * 5000) + "], over: 1h}}\n",
    "5,000 overrides of nothing": "overrides:\n" + "  - {rule: a, for: payee.id x, set: {n: 1}, until: 2027-01-01}\n" * 5000,
    "dunders as derived fields": "events: {e: {fields: {occurred_at: time, n: int}, derive: {__class__: n, a: __import__}}}\n",
    "a derived field of 3,000 brackets": "events: {e: {fields: {occurred_at: time}, derive: {a: '" + "(" * 3000 + "'}}}\n",
    "a right-to-left mark": rule("remote\u202e and x"),
    "an escaped NUL": 'macros: {a: "\\u0000"}\n',
    "an escaped surrogate": 'macros: {a: "\\ud800"}\n',
    "a date that no calendar has": "lists: {a: {of: text, values: [{value: a, until: 9999-99-99}]}}",
}  # fmt: skip


class TestHostileFiles:
    def test_a_huge_file_is_refused_by_size(self) -> None:
        started = time.perf_counter()
        assert codes("# " + "x" * (FILE_CHARACTERS_MAX + 1)) == ["E002"]
        assert time.perf_counter() - started < SECONDS_MAX

    @pytest.mark.parametrize("text", ["macros: " + "[" * 3_000, "macros: " + "{a: " * 3_000, "- " * 3_000, "? " * 3_000])
    def test_endless_nesting_is_refused(self, text: str) -> None:
        assert codes(text)[0] in ("E000", "E006")

    def test_aliases_that_would_explode_are_refused(self) -> None:
        text = "macros:\n  a: &a [x, x]\n  b: &b [*a, *a]\n  c: [*b, *b]\n"
        assert codes(text) == ["E006"]

    @pytest.mark.parametrize(
        "condition",
        [
            "__import__('os').system('x')",
            "payer.__class__",
            "lambda: 1",
            "(" * 3_000,
            "1" * 5_000,
            "remote if remote else remote",
            "f'{remote}'",
            "a := 1",
            "remote; remote",
            "\\",
        ],
    )
    def test_no_condition_reaches_python(self, condition: str) -> None:
        quoted = condition.replace("'", "''")
        found = codes(f"rules:\n  a: {{title: x, event: payment, mode: draft, then: block, when: '{quoted}'}}\n")
        assert found
        assert all(code[0] in "EW" for code in found)

    @pytest.mark.parametrize("name", list(NASTY))
    def test_a_hostile_file_ends_soon_as_problems_with_places(self, name: str) -> None:
        started = time.perf_counter()
        found = examine([("events.yaml", SCHEMA), ("a.yaml", NASTY[name])])
        report = render_problems(found.problems, found.sources, found.summary)
        assert time.perf_counter() - started < SECONDS_MAX
        assert found.errors, name
        lines = [*found.sources["a.yaml"].split("\n"), ""]
        for problem in found.problems:
            assert problem.path == "a.yaml"
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert problem.length >= 1
        assert max(map(len, report.split("\n"))) < 4_000

    @pytest.mark.parametrize(
        ("raw", "line"),
        [
            ("macros: {a: remote}\n".encode("utf-16"), 1),
            ("macros: {a: remote}\n".encode("utf-16-le"), 1),
            ("macros: {}\n# \u00e9\n".encode("latin-1"), 2),
            (b"macros:\n  a: \xed\xa0\x80\n", 2),
            (b"macros:\n\n  a: \0\n", 3),
            (b"# " + b"x" * 10_000_000, 1),
            (b"lists: {a: {of: text, values: [" + b"a," * 5_000_000 + b"]}}", 1),
        ],
        ids=["UTF-16", "UTF-16 without a mark", "Latin-1", "half a surrogate pair", "NUL", "10 MB of a comment", "10 MB of a list"],
    )
    def test_bytes_that_are_no_text_are_refused_with_their_line(self, raw: bytes, line: int) -> None:
        started = time.perf_counter()
        found = examine([("a.yaml", raw)])
        assert [(problem.code, problem.line) for problem in found.problems] == [("E002", line)]
        assert time.perf_counter() - started < SECONDS_MAX

    def test_mixed_line_ends_are_read_as_lines(self) -> None:
        found = examine([("events.yaml", SCHEMA.encode()), ("a.yaml", b"\xef\xbb\xbfmacros:\r  a: remote\r\n  b: remote and\n")])
        assert [(problem.code, problem.line, problem.column) for problem in found.problems] == [("E101", 3, 13)]

    def test_nothing_of_a_file_runs(self) -> None:
        text = "rules:\n  a: {title: x, event: payment, mode: draft, then: block, when: 'payee.mcc == \"\\\\\" or __import__(os)\"'}\n"
        assert examine([("events.yaml", SCHEMA), ("a.yaml", text)]).errors == 1

    def test_thousands_of_names_and_problems_are_told_in_good_time(self) -> None:
        started = time.perf_counter()
        found = examine([("events.yaml", SCHEMA), ("a.yaml", "macros:\n" + "".join(f"  m{i}: remote\n" for i in range(20_000)))])
        assert len(found.problems) == 20_000
        assert render_problems(found.problems, found.sources, found.summary)
        assert time.perf_counter() - started < SECONDS_MAX

    def test_random_and_mutated_files_give_a_rule_set_or_located_problems(self) -> None:
        rng = random.Random(17)
        base = SCHEMA + LISTS + RULE
        deadline = time.perf_counter() + 4.0
        signs = "{}[]:,'\"|>&*!#%@$-\n\t \\\0é中0aA"
        while time.perf_counter() < deadline:
            text = list(base)
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(text))
                match rng.randrange(4):
                    case 0:
                        text[at] = rng.choice(signs)
                    case 1:
                        del text[at : at + rng.randrange(1, 12)]
                    case 2:
                        text.insert(at, rng.choice(signs))
                    case 3:
                        start = rng.randrange(len(text))
                        text[at:at] = text[start : start + rng.randrange(60)]
            found = examine([("a.yaml", "".join(text))])
            assert found.ruleset is not None or found.errors
            for problem in found.problems:
                assert problem.path == "a.yaml"
                assert problem.line >= 1
                assert problem.column >= 1
