# One command for each chore; `make help` lists them. A fresh Debian 12 with python3.11,
# python3-venv, git and make is enough: everything else is installed here, under .venv and .tools.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The interpreter that .venv is made with; anything from 3.11 on.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))

# Every path below is relative, so a checkout in a path with a space works.
VENV := .venv/bin
RUNTIME_READY := .venv/.runtime-ready
DEV_READY := .venv/.dev-ready

PIP_INSTALL := $(VENV)/python -m pip install --disable-pip-version-check --quiet --quiet

.PHONY: help
help: ## list the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

# What the demo and the programs need.
$(RUNTIME_READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (programs)"
	@test -x $(VENV)/python || "$(PYTHON)" -m venv .venv
	@$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# What the tests need on top. The build backend is in the locks too, so the editable
# installation fetches nothing that no hash vouches for.
$(DEV_READY): requirements-dev.lock pyproject.toml
	@echo "Setting up .venv (programs, tests, linters)"
	@test -x $(VENV)/python || "$(PYTHON)" -m venv .venv
	@$(PIP_INSTALL) --require-hashes --requirement requirements-dev.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(RUNTIME_READY) $@

# The lock files: every package with its hashes and without any registry's address.
COMPILE := $(VENV)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet --extra local --group build

.PHONY: lock
lock: $(DEV_READY) ## resolve pyproject.toml into the two lock files anew
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE) --extra dev --constraints requirements.lock pyproject.toml \
		--output-file requirements-dev.lock

.PHONY: setup
setup: $(DEV_READY) ## make .venv from the lock files

.PHONY: generate
generate: $(RUNTIME_READY) ## build complete_schema.sql and the initial migration from sql/schema
	@$(VENV)/python sql/generate.py
