"""Checks that look at a whole rule set, one a file. Each is `check(...)` and tells what it finds to `Problems`."""
