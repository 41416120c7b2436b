"""The house rules that a machine can check. Each message says what to do instead.

The layers: `streams`, `risk/cli` and what feeds the engine (`world`, `cases`, `tools`) over `engine` over `language`, `profiles`,
`learning`, `policy` (siblings that never import one another) over the facts (`events`, `declared`, `decisions` and what
those need). Arrows point down only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RISK = sorted((ROOT / "risk").rglob("*.py"))
STREAMS = sorted((ROOT / "streams").rglob("*.py"))
OTHERS = sorted((ROOT / "tests").rglob("*.py")) + sorted((ROOT / "bench").rglob("*.py"))

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

SIBLINGS = {"language", "profiles", "learning", "policy"}
FEEDERS = {"world", "cases", "mutation", "tools", "seeding"}
"""What feeds the whole engine, or asks it: a simulated world, the tests that rule files carry and their mutants, the tools of analysts,
opening balances."""
ABOVE = FEEDERS | {"engine", "cli"}
"""Rooms of `risk/` that the siblings and the facts must not know; every room that is none of all these is a fact."""
IO_ROOMS = {"cli", "sources"}
"""Where the library may open files, print, and know the time."""

BANNED_IMPORTS = {
    "faust": "only streams/ knows Faust",
    "mode": "only streams/ knows Faust",
    "aiokafka": "only streams/ knows Kafka",
    "asyncio": "the engine is called and answers; waiting belongs in streams/",
    "threading": "the engine is called and answers; threads belong in streams/",
    "time": "time comes from the event; take `now_ms` as an argument",
    "socket": "I/O belongs in risk/sources.py and risk/cli/",
    "subprocess": "I/O belongs in risk/sources.py and risk/cli/",
    "logging": "return what happened; streams/ logs and counts",
    "secrets": "randomness comes from a seed that is an argument",
    "uuid": "ids come with the event or from a hash of it",
}
BANNED_CALLS = {
    "datetime.now": "time comes from the event; take `now_ms` as an argument",
    "datetime.utcnow": "time comes from the event; take `now_ms` as an argument",
    "datetime.today": "time comes from the event; take `now_ms` as an argument",
    "date.today": "time comes from the event; take `now_ms` as an argument",
    "os.urandom": "randomness comes from a seed that is an argument",
    "os.getenv": "settings are read in streams/settings.py",
    "print": "return text; risk/cli/ prints it",
    "input": "ask in risk/cli/",
    "open": "read and write files in risk/sources.py",
    "breakpoint": "remove it",
}
LEFTOVER = re.compile(r"#.*\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b|^\s*breakpoint\(\)|pdb\.set_trace")


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def room(path: Path) -> str:
    """`risk/language/parse.py` and `risk/policy.py` are in the rooms `language` and `policy`."""
    inside = path.relative_to(ROOT / "risk").parts
    return inside[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every import as an absolute dotted name; `from risk import engine` is `risk.engine`."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += node.module.split(".") if node.module else []
            if base in (["risk"], ["streams"]):
                for alias in node.names:
                    yield node, ".".join([*base, alias.name])
            else:
                yield node, ".".join(base)


def called(node: ast.Call) -> str:
    """The last two parts of what is called: `datetime.datetime.now()` is `datetime.now`."""
    parts: list[str] = []
    target: ast.expr = node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    if isinstance(target, ast.Name):
        parts.append(target.id)
    return ".".join(reversed(parts[:2]))


def allowed(here: str, there: str) -> bool:
    """Whether room `here` of the library may import room `there`."""
    if here == there or here == "cli":
        return True
    if here in FEEDERS or here == "__init__":
        return there != "cli"
    if here == "engine":
        return there not in ABOVE
    return there not in SIBLINGS | ABOVE


def test_arrows_between_the_rooms_of_the_library_point_down() -> None:
    wrong = []
    for path in RISK:
        for node, name in imports(path):
            parts = name.split(".")
            if parts[0] == "streams":
                wrong.append(f"{place(path, node)} imports {name}: risk/ never knows streams/; pass what is needed as an argument")
            elif parts[0] == "risk" and len(parts) > 1 and not allowed(room(path), parts[1]):
                wrong.append(
                    f"{place(path, node)} imports {name}: {room(path)} may not know {parts[1]}; "
                    "put the shared fact in risk/declared.py or let risk/engine.py join the two"
                )
    assert not wrong, "\n".join(wrong)


def test_the_library_knows_no_kafka_no_clock_and_no_files() -> None:
    wrong = []
    for path in RISK:
        here = room(path)
        if here in IO_ROOMS:
            continue
        for node, name in imports(path):
            reason = BANNED_IMPORTS.get(name.split(".")[0])
            if reason:
                wrong.append(f"{place(path, node)} imports {name}: {reason}")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                reason = BANNED_CALLS.get(called(node))
                if reason:
                    wrong.append(f"{place(path, node)} calls {called(node)}(): {reason}")
    assert not wrong, "\n".join(wrong)


def test_randomness_in_the_library_comes_from_a_seed() -> None:
    wrong = []
    for path in RISK:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                name = called(node)
                seeded = name in {"random.Random", "random.default_rng"} and (node.args or node.keywords)
                if name.startswith("random.") and not seeded and _is_module_random(node):
                    wrong.append(f"{place(path, node)} calls {name}(): use random.Random(seed), with the seed an argument")
            elif isinstance(node, ast.ImportFrom) and node.module == "random" and any(each.name != "Random" for each in node.names):
                wrong.append(f"{place(path, node)} imports functions of random: they share a hidden state; use random.Random(seed)")
    assert not wrong, "\n".join(wrong)


def _is_module_random(node: ast.Call) -> bool:
    """`random.choice()` and `np.random.x()`, but not `self.random.choice()`, which is somebody's seeded generator."""
    target = node.func
    assert isinstance(target, ast.Attribute)
    owner = target.value
    if isinstance(owner, ast.Attribute):
        return isinstance(owner.value, ast.Name) and owner.value.id in {"np", "numpy"}
    return isinstance(owner, ast.Name)


@pytest.mark.parametrize("path", RISK + STREAMS + OTHERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_fits_in_a_head_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= MODULE_LINES_MAX, f"{path.relative_to(ROOT)} has {lines} lines: split it by meaning, at most {MODULE_LINES_MAX}"
    module = parsed(path)
    if module.body:
        documented = ast.get_docstring(module)
        assert documented, f"{path.relative_to(ROOT)} has no docstring: say what belongs in it and what never does"
    for number, line in enumerate(text.splitlines(), 1):
        assert not LEFTOVER.search(line), f"{path.relative_to(ROOT)}:{number} is a leftover: do it, or open an issue and remove the line"
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            long = (node.end_lineno or node.lineno) - node.lineno + 1
            assert long <= FUNCTION_LINES_MAX, (
                f"{place(path, node)} {node.name}() has {long} lines, at most {FUNCTION_LINES_MAX}: name its parts and make them functions"
            )


def test_only_streams_imports_faust() -> None:
    wrong = [
        f"{place(path, node)} imports {name}: only streams/ (and its tests) know Faust"
        for path in RISK + sorted((ROOT / "bench").rglob("*.py"))
        for node, name in imports(path)
        if name.split(".")[0] in {"faust", "mode"}
    ]
    assert not wrong, "\n".join(wrong)


def test_streams_prints_only_in_its_commands() -> None:
    wrong = [
        f"{place(path, node)} prints: count it in streams/metrics.py, log it, or print in streams/cli/"
        for path in STREAMS
        if path.relative_to(ROOT).parts[1] != "cli"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and called(node) in {"print", "breakpoint"}
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_of_the_repository_names_a_machine_of_its_makers() -> None:
    telltale = re.compile("|".join(("/ro" + "ot/", "/ho" + "me/[a-z]", "/wo" + "rk/", "py" + "pi.org", "mav" + "en.org")))
    not_ours = re.compile(r"\.(?!ci).*|data|build|__pycache__|.*\.egg-info")
    named = []
    for path in sorted(ROOT.rglob("*")):
        foreign = any(not_ours.fullmatch(part) for part in path.relative_to(ROOT).parts)
        if foreign or not path.is_file() or path.suffix in {".png", ".parquet"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if telltale.search(line):
                named.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not named, "paths and hosts of one machine; use settings or relative paths:\n" + "\n".join(named)


@pytest.mark.parametrize(
    ("here", "there", "may"),
    [
        ("language", "declared", True),
        ("language", "profiles", False),
        ("learning", "policy", False),
        ("profiles", "engine", False),
        ("events", "language", False),
        ("declared", "engine", False),
        ("engine", "learning", True),
        ("engine", "cli", False),
        ("world", "engine", True),
        ("cli", "engine", True),
    ],
)
def test_the_layer_rule_is_the_one_of_the_architecture(here: str, there: str, may: bool) -> None:
    assert allowed(here, there) is may
