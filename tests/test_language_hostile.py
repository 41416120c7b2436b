"""Rule files that nobody meant well end as located problems: never a crash, a hang, or code that runs."""

from __future__ import annotations

import random
import time

import pytest

from risk.language import examine
from risk.language.source import FILE_CHARACTERS_MAX
from tests.test_language_load import LISTS, RULE, SCHEMA, codes


class TestHostileFiles:
    def test_a_huge_file_is_refused_by_size(self) -> None:
        started = time.perf_counter()
        assert codes("# " + "x" * (FILE_CHARACTERS_MAX + 1)) == ["E002"]
        assert time.perf_counter() - started < 1.0

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
