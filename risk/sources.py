"""The one place where the library reads files: a folder of rule files, or one rule file.

Rule 1: bytes in, bytes out; what they mean is the language's business.
Rule 2: the order is that of the paths, so that the same folder is the same rule set on every machine.
"""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".yaml", ".yml")
FILES_MAX = 10_000


def rule_files(path: Path) -> list[tuple[str, bytes]]:
    """Every rule file under ``path`` as (path inside the rule set, bytes), sorted by path. One file is a rule set of one.

    Hidden files and folders are left out. Raises FileNotFoundError where there is nothing, ValueError for more than
    `FILES_MAX` files.
    """
    if path.is_file():
        return [(path.name, path.read_bytes())]
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder or file {path}")
    found = {}
    for each in path.rglob("*"):
        inside = each.relative_to(path)
        if each.suffix in SUFFIXES and each.is_file() and not any(part.startswith(".") for part in inside.parts):
            found[inside.as_posix()] = each
    if not found:
        raise FileNotFoundError(f"there are no rule files (*.yaml) under {path}")
    if len(found) > FILES_MAX:
        raise ValueError(f"{len(found)} rule files under {path}; at most {FILES_MAX} are read")
    return [(inside, found[inside].read_bytes()) for inside in sorted(found)]
