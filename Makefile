# Everything a developer does, by name. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# uv comes from the PATH, else from a small environment of its own that is made here.
UV_VERSION := 0.13.8
UV_HOME := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kubeprobe/uv-$(UV_VERSION)
UV := $(or $(shell command -v uv 2>/dev/null),$(UV_HOME)/bin/uv)
RUN := $(UV) run --no-sync

.PHONY: help setup lint types layers check test test-unit test-api test-e2e bench chaos demo generate image clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(UV_HOME)/bin/uv:
	@echo "uv is not on the PATH: installing uv $(UV_VERSION) from PyPI into $(UV_HOME)"
	@python3 -m venv $(UV_HOME)
	@$(UV_HOME)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

setup: $(if $(shell command -v uv 2>/dev/null),,$(UV_HOME)/bin/uv) ## the locked Python environment in .venv
	@$(UV) sync --quiet --frozen --all-packages

check: lint types layers ## everything that is read, not run

lint: setup ## ruff, both of it
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: setup ## mypy, strict
	$(RUN) mypy operator/src probe_sdk/src testbed/src probes tests

layers: setup ## the rooms' import contracts
	$(RUN) lint-imports

test: check test-unit test-api test-e2e ## all checks and tests: unit, API (real apiserver and etcd), end to end (testbed)

test-unit: setup ## pure tests, with the coverage that plan/ and api/ are held to
	$(RUN) pytest tests/unit -n 2 --dist loadfile --cov=kubeprobe.plan --cov=kubeprobe.api --cov-report= -q
	$(RUN) coverage report --include='*/kubeprobe/plan/*,*/kubeprobe/api/*' --fail-under=100 --show-missing --skip-covered

test-api: setup ## against a real apiserver and etcd, no kubelet; and release tools' own clients against the HTTP gate
	$(RUN) pytest tests/api tests/glue -n 2 --dist loadfile -q

test-e2e: setup ## on the testbed, with real faults
	$(RUN) pytest tests/e2e -q

chaos: setup ## faults by the dozen while probes run, invariants checked from outside (ARGS="--faults 32 --seed 7")
	@$(RUN) python -m tests.chaos $(ARGS)

bench: setup ## one figure: make bench NAME=runs (ARGS=...)
	@test -n "$(NAME)" || { echo "name a bench: $$(cd tests/bench && grep -l __main__ *.py | sed 's/\.py//' | tr '\n' ' ')" >&2; exit 2; }
	@$(RUN) python -m tests.bench.$(subst -,_,$(NAME)) $(ARGS)

demo: setup ## builds or finds the testbed, installs, probes, breaks and heals it in front of you
	@$(RUN) python -m tests.lab.demo $(ARGS)

generate: setup ## CRDs from the models, and the images' requirements from the lock
	$(RUN) kubeprobe crds --output crds
	$(UV) export --quiet --frozen --package kubeprobe --no-emit-workspace --no-dev --output-file requirements/operator.txt
	$(UV) export --quiet --frozen --package kubeprobe-probes --no-emit-workspace --no-dev --output-file requirements/probes.txt

clean: ## what the tools left in the tree
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
