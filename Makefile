# `make demo` and `make test` on a fresh clone do all their set-up; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo voip test set-up lock lint format lab unit unit-plain unit-compiled thorough coverage compiled build screenshots bench conformance conformance-mutations overload bench-voip voip-kills held-kills fuzz bench-replay messages map-load clean unit-pure unit-rest unit-alone coverage-all

BIN := .venv/bin
WORKERS ?= 2
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal
COVERED := codecs/ss7/*,scp/domain/*,scp/stack/*
COVERAGE_FLOOR := 95
SUB := $(MAKE) --no-print-directory
# Suites that also run on what mypyc made of the code; $(wildcard): a suite that is not there yet is not an error.
COMPILED_SUITES := $(wildcard tests/ss7 tests/domain tests/stack tests/services tests/engine tests/conformance)
# Whole nodes with held and charged calls, which run on compiled code too, and are too slow to be traced.
COMPILED_NODES := $(wildcard $(addprefix tests/node/test_,charged_calls.py charged_elsewhere.py switch_profiles.py rescued_calls.py \
  captured_calls.py announcements.py held_calls.py money_model.py) tests/failover/test_held_calls_survive.py)
TRACED_SUITES := $(COMPILED_SUITES) tests/capture
SOURCES := $(shell find codecs scp -name '*.py')
COMPILED := PYTHONPATH=$(CURDIR)/build/compiled CAMEL_SCP_TESTED=compiled

# Tests' examples are the same in every run, whatever hashing orders.
export PYTHONHASHSEED ?= 0
# The versions in deploy/python/*.lock are installed, or with NEWEST=1 the newest that pyproject.toml allows.
export NEWEST ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## a node, its API and an MSC simulator in one process: calls with their answers; ARGS=--keep leaves its pages up
	@deploy/setup.sh run
	@$(BIN)/camel-scp demo $(ARGS)

voip: ## the VoIP service with two accounts for softphones, until Ctrl-C
	@deploy/setup.sh test
	@$(BIN)/camel-scp demo --voip

# The tests of plain Python often wait for processes; compiler and compiled tests work meanwhile, where a core is free.
test: set-up ## everything that must hold before a commit
	@nice $(SUB) unit-compiled >build/compiled.log 2>&1 & beside=$$!; trap 'kill $$beside 2>/dev/null || true' EXIT; \
	  $(SUB) lint unit-pure coverage unit-rest; \
	  wait $$beside || { cat build/compiled.log; exit 1; }
	@$(SUB) unit-alone
	@printf '\non compiled code: '; tail -n 1 build/test-compiled.log
	@printf 'on plain Python, the whole suite:\n'; tail -qn 1 build/test-pure.log build/test-rest.log build/test-alone.log

set-up: ## .venv, Python packages and, as root on Debian, the tools that tests use
	@deploy/setup.sh test
	@mkdir -p build

COMPILE := build/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --custom-compile-command 'make lock'
lock: ## deploy/python/*.lock anew: the newest versions that pyproject.toml allows, with their hashes
	@[ -x build/lock/bin/uv ] || { python3 -m venv build/lock && build/lock/bin/pip install --quiet uv; }
	@$(COMPILE) --extra dev --extra sctp --output-file deploy/python/test.lock pyproject.toml
	@echo 'setuptools>=77' | $(COMPILE) --constraint deploy/python/test.lock --output-file deploy/python/run.lock pyproject.toml -

lint: set-up ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: set-up ## lay out the code, mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lab: set-up ## nodes, an STP and an MSC over kernel SCTP; here or in a guest kernel
	$(BIN)/pytest --timeout=0 -rs -s tests/lab

unit: unit-plain unit-compiled ## the tests, on plain and on compiled code

unit-plain: unit-pure unit-rest unit-alone

# Tracing for coverage takes as much time as the code, so what has a floor is traced, in the suites that are about it.
unit-pure: set-up
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run $(PYTEST) --durations 10 -m 'not alone' $(TRACED_SUITES) 2>&1 | tee build/test-pure.log
	@$(BIN)/coverage combine --quiet

unit-rest: set-up
	$(PYTEST) --durations 10 -m 'not alone' $(TRACED_SUITES:%=--ignore=%) 2>&1 | tee build/test-rest.log

unit-alone: set-up
	$(BIN)/pytest -m alone 2>&1 | tee build/test-alone.log

unit-compiled: compiled
	$(COMPILED) $(PYTEST) -o pythonpath=build/compiled $(COMPILED_SUITES) $(COMPILED_NODES) 2>&1 | tee build/test-compiled.log

# Slices: make thorough SUITES="tests/ss7 tests/stack"; a finding again: with the SEED that was printed.
SUITES ?= tests
SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
TIMES ?= 50
COMPILED_SLICES = $(if $(filter tests,$(SUITES)),$(COMPILED_SUITES) $(COMPILED_NODES),$(filter $(COMPILED_SUITES) $(COMPILED_SUITES:%=%/%) $(COMPILED_NODES),$(SUITES)))
thorough: SEED := $(SEED)
thorough: export PYTHONHASHSEED = $(SEED)
thorough: export CAMEL_SCP_THOROUGH = $(TIMES)
thorough: set-up $(if $(COMPILED_SLICES),compiled) ## every property and state machine with TIMES=50 times the examples, from a new SEED; SUITES="tests/ss7 …"
	$(PYTEST) --timeout=0 -m hypothesis --hypothesis-seed=$(SEED) --durations 10 $(SUITES) 2>&1 | tee build/thorough-plain.log
	$(if $(COMPILED_SLICES),$(COMPILED) $(PYTEST) -o pythonpath=build/compiled --timeout=0 -m hypothesis --hypothesis-seed=$(SEED) \
	  --durations 10 $(COMPILED_SLICES) 2>&1 | tee build/thorough-compiled.log)

coverage: ## report on the last traced run; the pure packages have a floor
	@printf 'coverage (lines and branches) of ss7, domain and stack: %s %%\n' \
	  "$$($(BIN)/coverage report --format=total --include='$(COVERED)')"
	@$(BIN)/coverage report --format=total --include='$(COVERED)' --fail-under=$(COVERAGE_FLOOR) >/dev/null || \
	  { $(BIN)/coverage report --include='$(COVERED)'; echo 'coverage is below its floor of $(COVERAGE_FLOOR) %'; exit 1; }

coverage-all: set-up ## the whole suite traced, and what it covers of all packages
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run $(PYTEST) --timeout=0
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

compiled: set-up build/compiled/.made ## build/compiled: the packages with the hot packages compiled by mypyc

build/compiled/.made: $(SOURCES) setup.py pyproject.toml
	@rm -rf build/compiled
	@CAMEL_SCP_PURE=0 $(BIN)/python setup.py --quiet build --build-lib build/compiled --build-temp build/temp
	@touch $@

build: set-up ## the wheel, in dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

screenshots: set-up ## deploy/console/*.png: the console's pages, as their tests see them
	CAMEL_SCP_SCREENSHOTS=deploy/console $(BIN)/pytest --timeout=0 tests/console/test_console_under_load.py tests/voip/test_call_ladder.py

bench: compiled ## the benchmark scenarios, on compiled code; ARGS="--quick --json steer" for instance
	@$(COMPILED) $(BIN)/camel-scp bench $(ARGS)

conformance-mutations: set-up ## alter what each conformance case sees, and list what it does not notice
	@$(BIN)/python tests/conformance --mutate $(ARGS)

conformance: set-up ## the conformance cases as a table; deploy/conformance.md lists them
	@$(BIN)/python tests/conformance

overload: set-up ## a minute at twice the capacity: what is served, what is let by, memory
	@CAMEL_SCP_OVERLOAD_SECONDS=60 $(BIN)/pytest --timeout=0 -s tests/node/test_overload.py

RATE ?= 100
SECONDS ?= 10
bench-voip: set-up ## marked calls through Kamailio and the brain, RATE=100 a second for SECONDS=10, beside a static route
	@PYTHONPATH=codecs:.:tests:tests/voip $(BIN)/python tests/voip/bench_run.py $(RATE) $(SECONDS)

ROUNDS ?= 4
voip-kills: set-up ## two Kamailios, two brains, a Redis under 50 calls/s, each killed ROUNDS=4 times: no call is cut or refused
	@CAMEL_SCP_KILLS=$(ROUNDS) CAMEL_SCP_KILLS_RATE=25 $(BIN)/pytest -n 0 --timeout=0 -s tests/voip/test_several.py

CALLS ?= 10000
held-kills: set-up ## CALLS=10000 charged calls, and a quarter as many suspended ones, whose node is killed at every step, then 5,000 whose node is drained: the sums are right
	@CAMEL_SCP_KILLED_CALLS=$(CALLS) CAMEL_SCP_UPGRADED_CALLS=5000 \
	  $(BIN)/pytest -n 0 --timeout=0 -s tests/failover/test_held_calls_survive.py -k 'test_10 or test_11'

MESSAGES ?= 10000
KILLS ?= 100
messages: set-up ## MESSAGES=10000 text messages through an SMSC, with KILLS=100 of either side: each delivered once or reported
	@PYTHONPATH=codecs:.:tests $(BIN)/python tests/messages/kill_run.py $(MESSAGES) $(KILLS)

EACH ?= 1000
SECONDS_OF_LOAD ?= 60
map-load: compiled ## what a node makes of EACH=1000 O-CSI calls/s whose places are asked, and of as many noteMM-Events/s
	@for what in calls events; do \
	  PYTHONPATH=$(CURDIR)/build/compiled:.:tests $(BIN)/python tests/node/map_load.py $$what $(EACH) $(SECONDS_OF_LOAD); done

bench-replay: compiled ## how fast a capture is replayed, beside how fast tshark decodes it
	@$(COMPILED) $(BIN)/camel-scp bench replay

FUZZ_SECONDS ?= 300
fuzz: set-up ## every decoder and the capture reader under atheris, FUZZ_SECONDS each
	@deploy/setup.sh fuzz
	@export PYTHONPATH=codecs:.:tests/fuzz; \
	for target in $$($(BIN)/python -c 'import targets; print(*targets.TARGETS)'); do \
	  echo "fuzzing $$target"; $(BIN)/python tests/fuzz/fuzz.py $$target \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 -verbosity=0 || exit 1; \
	done

clean: ## remove all that these commands made, .venv included
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache
	find codecs scp tests -name __pycache__ -prune -exec rm -rf {} +
