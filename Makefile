# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Everything a developer types. The work is done by tests/tools/*.py; docs/development.md explains it.
# Python packages come from the lock files in tests/requirements, into ~/.cache/gpuops-inference (or XDG_CACHE_HOME).

PYTHON ?= $(firstword $(shell command -v python3.11) $(shell command -v python3))
ifeq ($(PYTHON),)
$(error Python is missing. On Debian: apt-get install python3 python3-venv. Elsewhere: make PYTHON=/path/to/python3.11)
endif

ENVIRONMENT := $(PYTHON) tests/tools/environments.py
IN_SANDBOX := $(ENVIRONMENT) sandbox --
IN_DEV := $(ENVIRONMENT) dev --
PYTEST := $(IN_DEV) python -m pytest

# Folders of tests that are there; a whole run is one pytest, so that its summary closes the output. The longest come first.
ALL_TESTS := $(wildcard tests/e2e tests/integration tests/unit)

# How many processes share a whole run. Each has a sandbox and a cluster of its own; the real engine's tests stay in one.
WORKERS ?= 2

# What to add to a command: make unit ARGUMENTS="-k render -x", make lint ARGUMENTS="ruff mypy".
ARGUMENTS ?=

.DEFAULT_GOAL := help
.PHONY: help demo sandbox test lint format unit integration e2e bench test-real engine cluster-programs cluster cluster-api \
        build install locks system-packages clean clean-cache

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: ## serve a real distributed vLLM, chat, tear it down (PLATFORM=kubernetes: in a real cluster; KEEP=1: leave it)
	@PLATFORM=$(PLATFORM) $(PYTHON) tests/tools/demo.py $(ARGUMENTS)

sandbox: ## start the sandbox alone, to rehearse against
	@$(PYTHON) tests/tools/sandbox.py $(ARGUMENTS)

test: lint system-packages install engine cluster-programs ## the whole suite: lint, unit, integration, e2e
	@$(PYTEST) --numprocesses $(WORKERS) --no-loadscope-reorder $(ALL_TESTS)

lint: ## all gates of style, types, documentation and packaging
	@$(IN_DEV) python tests/tools/lint.py $(ARGUMENTS)

format: ## rewrite the Python files as the gate ruff wants them
	@$(IN_DEV) ruff check --quiet --fix --exit-zero
	@$(IN_DEV) ruff format

unit: ## fast tests without processes of their own
	@$(PYTEST) tests/unit $(ARGUMENTS)

integration: system-packages install cluster-programs ## tests of modules, roles and playbooks, on both platforms
	@$(PYTEST) tests/integration $(ARGUMENTS)

e2e: system-packages install engine cluster-programs ## tests with real vLLM, in the sandbox and in the whole cluster
	@$(PYTEST) tests/e2e $(ARGUMENTS)

test-real: system-packages install engine cluster-programs ## the longer set with real vLLM
	@$(PYTEST) -m real tests/e2e $(ARGUMENTS)

bench: system-packages install engine cluster-programs ## the figures of the documentation, measured on this machine
	@$(IN_DEV) python tests/bench $(ARGUMENTS)

engine: ## make the environment of the sandbox's real vLLM (once; some gigabytes)
	@$(IN_DEV) env PYTHONPATH=tests/sandbox python -m gpuops_sandbox.engine.environment

cluster-programs: ## build the programs of the test cluster from Go modules (once; some minutes)
	@$(IN_DEV) env PYTHONPATH=tests/cluster:tests/sandbox:tests/tools python -m gpuops_cluster build

cluster: system-packages ## start a whole Kubernetes on this machine, with real containers, to rehearse against (root)
	@$(IN_DEV) python tests/tools/cluster.py --whole $(ARGUMENTS)

cluster-api: ## start a Kubernetes API server with its controllers and fake GPU machines, to rehearse against
	@$(IN_DEV) python tests/tools/cluster.py $(ARGUMENTS)

build: ## build the collection into .build/
	@$(IN_SANDBOX) python tests/tools/collection.py build

install: ## build the collection and install it into .build/collections
	@$(IN_SANDBOX) python tests/tools/collection.py install

locks: ## rewrite the lock files from their .in files (ARGUMENTS=--upgrade: with newer versions)
	@$(ENVIRONMENT) base -- $(PYTHON) tests/tools/locks.py $(ARGUMENTS)

system-packages: ## install the system programs that the sandbox calls, or say which are missing
	@$(PYTHON) tests/tools/system_packages.py

clean: ## remove what was built in this checkout
	rm -rf .ansible .build .hypothesis .mypy_cache .pytest_cache .ruff_cache

clean-cache: ## remove the environments and downloads shared by all checkouts
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/gpuops-inference"
