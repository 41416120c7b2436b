"""A static site of a rule set: `site_of(ruleset)` gives every file of it, path to text.

Rule 1: the same rule set gives the same bytes: no clock, no randomness, everything in the order of the files or of names.
Rule 2: no script, nothing from another server: it opens from a folder, prints, and can be kept as a record.
Never here: writing files.
"""

from __future__ import annotations

from risk.tools.site.site import site_of

__all__ = ["site_of"]
