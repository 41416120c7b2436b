"""Do the tests in rule files hold a rule in place? Rules are changed a little, and every change must make a test fail.

`mutants` makes the changes, `judged` runs the tests that they concern; `decisive_terms` says which terms a test ever hung on.

Rule 1: a rule set is changed in memory and only by `edits`; the files are read for places alone.
Rule 2: what no test can notice is left out by a principle that is written where it is applied, never by a list of cases.
"""

from __future__ import annotations

from risk.mutation.decisive import Decisive, decisive_terms
from risk.mutation.judging import Verdict, judged
from risk.mutation.mutants import Mutant, mutants

__all__ = ["Decisive", "Mutant", "Verdict", "decisive_terms", "judged", "mutants"]
