"""One layout of rule files: `formatted(path, text)`.

Rule 1: only the layout changes: the nodes of the file stay the same (quotes apart, and conditions in the form of `canonical`), and every
comment stays where it belongs. Both are checked on every file before it is given back.
Rule 2: the layout of a formatted file is that file: formatting it again changes nothing.
Never here: whether the file is right (`risk check` says that); files on a disk.
"""

from __future__ import annotations

from risk.tools.layout.printing import BadRuleFile, CannotFormat, formatted

__all__ = ["BadRuleFile", "CannotFormat", "formatted"]
