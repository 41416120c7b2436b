"""W1: one payment in, one decision out, the same work that other stream processors were given. `python -m bench.w1` runs it."""
