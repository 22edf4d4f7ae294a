# Two commands do everything: `make chat` and `make test`. The rest is for people who work on the tutor.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TUTOR ?= $(BIN)/tutor
# Needs nothing installed; one line for each step, all of pip's output when it fails.
INSTALL := $(BIN)/python -m api.cli.install
LOCKED := -c requirements.lock

.PHONY: chat test test-slow check bench baselines setup docs new-tool clean

chat: setup            ## set everything up (once) and open the terminal chat
	@$(BIN)/tutor chat

test: $(VENV)/.test    ## the test suite: no network, no key
	$(BIN)/python -m pytest -n 2 -m "not slow"
	$(BIN)/lint-imports --no-logo

test-slow: $(VENV)/.test  ## the slow tests: real processes, kills, local models
	$(BIN)/python -m pytest -m slow

check: $(VENV)/.test   ## types, style, arrows
	$(BIN)/ruff check .
	$(BIN)/mypy agent tools memory prompts eval api
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.bench  ## figures beside the peer's, in one run; DATA=folder adds external sets, NOTES=file is ingested
	$(BIN)/python -m eval.bench $(if $(DATA),--data $(DATA)) $(if $(NOTES),--notes $(NOTES))

baselines: setup       ## measure every suite and store what it scores as the baseline that the project ships; SUITES="a b" for some
	@for suite in $(or $(SUITES),$$($(TUTOR) eval suites | cut -f1)); do \
	  $(TUTOR) eval run $$suite --model offline --store-shipped || exit 1; done

docs: setup            ## regenerate docs/tools.md
	$(BIN)/python -m tools.docs

new-tool: setup        ## make new-tool NAME=my-tool
	$(BIN)/python -m tools.new $(NAME)

setup: $(VENV)/.ready

$(VENV)/bin/python:
	@echo "Making a virtual environment in $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: $(VENV)/bin/python requirements.lock pyproject.toml
	@$(INSTALL) "Installing torch (the largest package)" $(LOCKED) torch==2.13.0
	@$(INSTALL) "Installing the other packages" $(LOCKED) -e .
	@$(BIN)/python -m api.cli.setup
	@touch $@

$(VENV)/.test: $(VENV)/.ready
	@$(INSTALL) "Installing what the tests need" $(LOCKED) -e ".[test]"
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	@$(INSTALL) "Installing what the benchmark needs" $(LOCKED) -e ".[bench]"
	@touch $@

clean:                 ## remove the virtual environment
	rm -rf $(VENV)
