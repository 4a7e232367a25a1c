PYTHON ?= python3
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
CLIENT = $(COMPOSE) run --rm --no-deps -T client
# Shows what it runs, as make does, but not what comes of a failure.
define ASK
@echo "$(CLIENT) $(1)"
@$(CLIENT) $(1) || { $(COMPOSE) logs --tail 3; exit 1; }
endef
# Runs the second command even if the first fails, and fails if one of them does.
BOTH = $(1); status=$$?; $(2) && exit $$status
SERVICES := daytime echo web
BIN := .venv/bin
FUZZ_SECONDS ?= 20
SCRIPTS := $(filter-out %.py %__pycache__,$(wildcard scripts/* .ci/*))

# All of docker-compose.yml: what is built and started here is also logged and taken down.
export COMPOSE_PROFILES := tools
# It hides the current directory, from which `python -m` imports scripts, services and tests.
unexport PYTHONSAFEPATH
# For a label of the images.
export REVISION := $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)

define BY_HAND

Now by hand:
  telnet localhost 1200   the time; daytime closes the connection
  telnet localhost 1201   each line comes back; to leave press Ctrl-], then type: quit
  nc localhost 1201       the same; to leave press Ctrl-C
  make logs, make down
endef
export BY_HAND

.PHONY: help up down logs run demo-blocking test test-integration test-faults test-kubernetes fuzz soak \
    bench bench-quick mutants conformance k8s-up k8s-down k8s-check check fix clean images engine \
    python

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

up: images ## build and start all, wait until all answer, show it at work
	$(COMPOSE) up -d $(SERVICES)
	$(call ASK,probe daytime daytime:1200 --wait 30)
	$(call ASK,probe echo echo:1201 --wait 30)
	$(call ASK,headinfo web:8080 --wait 30)
	@echo "$$BY_HAND"

down: engine ## stop and remove all that runs
	$(COMPOSE) down --remove-orphans

logs: engine ## follow the logs until Ctrl-C
	@$(COMPOSE) logs --follow || [ $$? = 130 ]

run: python ## run both services on 127.0.0.1 without Docker, until Ctrl-C
	@exec $(PYTHON) -m scripts.run $$PPID

demo-blocking: python ## show who waits for whom under each model, in six seconds
	@$(PYTHON) -m scripts.demo_blocking

test: .venv/ready ## run all tests; those over Docker too, where an engine answers
	@! docker info >/dev/null 2>&1 || $(MAKE) --no-print-directory images
	@# Most tests wait for something, so more of them run at a time than there are cores.
	$(call BOTH,$(BIN)/pytest --numprocesses 4 --ignore tests/integration --ignore tests/kubernetes,\
	    $(BIN)/pytest tests/integration)

test-integration: images .venv/ready ## run the tests over Docker
	REQUIRE_DOCKER=1 $(BIN)/pytest tests/integration

test-faults: images .venv/ready ## run the tests of faults alone
	$(call BOTH,$(BIN)/pytest --numprocesses 4 -m fault --ignore tests/integration --ignore tests/kubernetes,\
	    REQUIRE_DOCKER=1 $(BIN)/pytest -m fault tests/integration)

test-kubernetes: .venv/ready ## bring all up on a demo cluster, test it there, take it down
	@$(PYTHON) scripts/kubernetes.py test

soak: python ## good and hostile callers on all models for ten minutes (or SECONDS=...)
	@PYTHONPATH=tests:tests/support $(PYTHON) -m soak $(SECONDS:%=--seconds %) $(SEED:%=--seed %)

conformance: .venv/ready ## check ours, others and broken servers; write docs/conformance.md; needs Linux
	@PYTHONPATH=tests:tests/support $(BIN)/python -m conformance

k8s-up: python ## bring all up on the demo cluster that kubectl points at (or CONTEXT=...)
	@$(PYTHON) scripts/kubernetes.py up

k8s-down: python ## delete from the cluster all that k8s-up made
	@$(PYTHON) scripts/kubernetes.py down

k8s-check: .venv/ready ## render the Kubernetes manifests and check them; needs kubectl, no cluster
	REQUIRE_KUBECTL=1 $(BIN)/pytest --numprocesses 2 tests/policy/test_manifests*.py

fuzz: .venv/fuzz ## fuzz the readers of the client tools, FUZZ_SECONDS each (20)
	@PYTHONPATH=tests:tests/support $(BIN)/python -m fuzz $(FUZZ_SECONDS)

bench: .venv/bench ## measure the servers beside others and write docs/benchmarks.md; ten minutes
	@! docker info >/dev/null 2>&1 || $(MAKE) --no-print-directory images
	@$(BIN)/python -m bench run

bench-quick: .venv/ready ## measure some of it, and show it; one minute
	@! docker info >/dev/null 2>&1 || $(MAKE) --no-print-directory images
	@$(BIN)/python -m bench quick

mutants: .venv/ready ## remove each protection in a copy and see its test fail (or TESTS="test_x test_y")
	@REQUIRE_DOCKER=1 PYTHONPATH=tests/support $(BIN)/python tests/mutants.py $(TESTS)

check: .venv/ready ## check format, style, types, Dockerfiles and scripts; change nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/hadolint $(wildcard */Dockerfile */*/Dockerfile)
	$(BIN)/shellcheck $(SCRIPTS)

fix: .venv/ready ## format, and mend what can be mended without a person
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove all that these targets made: environment, caches, containers, images
	@! docker info >/dev/null 2>&1 || { $(COMPOSE) down --remove-orphans --rmi all; scripts/base-image --remove; }
	rm -rf .venv bench/build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -r {} +

images: engine
	@base=$$(scripts/base-image) && PYTHON_IMAGE=$$base $(COMPOSE) build

engine:
	@docker info >/dev/null 2>&1 || { echo "No Docker Engine answers; 'docker info' says why." \
	    "Without one: make run" >&2; exit 1; }
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "There is neither 'docker compose' nor" \
	    "docker-compose, which Debian has as a package. Without them: make run" >&2; exit 1; }

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1 || :)." \
	    "Another one: make PYTHON=..." >&2; exit 1; }

.venv/ready: requirements-dev.txt clients/pyproject.toml | python
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt -e ./clients
	@touch $@

.venv/fuzz: tests/fuzz/requirements.txt .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -r tests/fuzz/requirements.txt
	@touch $@

.venv/bench: bench/requirements.txt .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@
