# The verbs of this repository; `make` alone lists them. Needs Python 3.11 to 3.13 and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/installed
COMPARED := $(VENV)/installed-bench

unexport PYTHONOPTIMIZE  # asserts are part of the program
unexport PYTHONPATH
unexport PYTHONHOME

.PHONY: help demo test check torture bench bench-model kafka clean
.DEFAULT_GOAL := help

help: ## list the verbs
	@echo "make VERB, where VERB is"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-13s%s\n", $$1, $$2 }'
	@echo "The command itself: $(BIN)/risk --help. Another interpreter: make test PYTHON=python3.13"

demo: $(READY) ## Kafka, a worker and simulated payments, live in this terminal; SECONDS=20 ends it by itself
	@$(BIN)/risk demo $(if $(SECONDS),--seconds $(SECONDS))

# ARGS may leave one of the two halves without a test (exit code 5); without ARGS that is a failure.
OR_NONE = $(if $(ARGS),|| [ $$$$? -eq 5 ])

# Two at once where tests only compute; one after the other where each starts workers and a Kafka of its own.
test: $(READY) ## all tests, those on a real Kafka too; ARGS="-k policy" for some
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not kafka" $(ARGS) $(OR_NONE)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m kafka $(ARGS) $(OR_NONE)

check: $(READY) ## what a machine can see without running it: ruff, mypy, layers and sizes
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict risk streams bench
	@$(BIN)/python -m pytest -q tests/test_tidy.py

torture: $(READY) ## kill, pause and disturb workers and broker under load, then prove that nothing was lost; KILLS=50 SEED=7
	@$(BIN)/python -m bench.torture $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: $(COMPARED) ## CPU and latency of a payment: workload W1 through the real worker
	@$(BIN)/python -m bench.w1 $(ARGS)

bench-model: $(COMPARED) ## the online model against a batch model and a plain one, on one recorded stream and one simulated
	@$(BIN)/python -m bench.model $(ARGS)

kafka: $(READY) ## a Kafka on port 9092, data in data/kafka, until Ctrl-C
	@$(BIN)/risk kafka $(ARGS)

clean: ## remove .venv, caches and data/ (what the local Kafka holds)
	rm -rf $(VENV) build data *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
	find risk streams tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A .venv that works is brought up to date in place, and never emptied: somebody may be using it. Else the first
# interpreter that is new enough and not too new makes one. The stamp is written last, so that an installation that
# broke off is done again; warm, this costs nothing.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

$(READY): requirements.lock pyproject.toml
	@set -e; \
	if ! $(BIN)/python -c '$(FITS)' 2>/dev/null; then \
	  found=; \
	  for candidate in "$(PYTHON)" python3.13 python3.12 python3.11; do \
	    if "$$candidate" -c '$(FITS)' 2>/dev/null; then found="$$candidate"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "riskstream needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$("$(PYTHON)" --version 2>&1 | head -1). Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; \
	  fi; \
	  "$$found" -m venv $(VENV); \
	fi; \
	echo "installing into $(VENV), $$($(BIN)/python --version)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	touch $@

$(COMPARED): $(READY) requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.lock
	@touch $@
