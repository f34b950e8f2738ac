# Bare `make` explains every target. `make demo` and `make test` prepare what they need themselves.
.DEFAULT_GOAL := help
.PHONY: help demo tour replay test test-slow check format bench chaos chaos-sync chaos-doors docs lock wheel clean run-ready test-ready
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Where the lock is made: the oldest Python we promise, so that nothing newer slips in.
LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m piptools compile --quiet --generate-hashes \
	--allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

help:  ## explain the targets (this text)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run-ready:
	@scripts/prepare run

test-ready:
	@scripts/prepare test

demo: run-ready  ## show a property of 24 rooms at work until you quit (HEADLESS=1: serve without the kiosk)
	@$(BIN)/nightporter demo $(if $(HEADLESS),--headless)

tour: run-ready  ## walk through the Friday 18:00 story, online and with the line cut; fails if a promise does
	@$(BIN)/nightporter tour

replay: run-ready  ## live through real bookings: FILE=bookings.csv.gz FROM=2016-08-01 TO=2016-08-31 [SEED=1]
	@test -n "$(FILE)" || { echo "make replay needs FILE=..., for example FILE=../shared/data/hotel-bookings-city.csv.gz FROM=2016-08-01 TO=2016-08-31" >&2; exit 2; }
	@$(BIN)/nightporter replay "$(FILE)" $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(if $(SEED),--seed $(SEED))

test: test-ready  ## everything that must hold: check, all tests, the wheel in a clean environment
	@check=held; $(MAKE) check || check=failed; \
	echo "$(BIN)/pytest"; $(BIN)/pytest || exit; \
	[ $$check = held ] || { echo "make test: the tests passed, make check did not (above)" >&2; exit 1; }

test-slow: test-ready  ## the tests that take minutes
	$(BIN)/pytest -m "slow and not hardware"

check: test-ready  ## format, lint, types and the walls between the rooms
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: test-ready  ## let ruff put the sources into shape
	$(BIN)/ruff check --fix --exit-zero --quiet
	$(BIN)/ruff format

bench: test-ready  ## measure the numbers of the design side by side: a table and JSON
	@PYTHONPATH=tests $(BIN)/python -m bench

chaos: test-ready  ## kill -9 roles at random instants of the story (KILLS=200)
	CHAOS_KILLS=$(or $(KILLS),200) $(BIN)/pytest -m chaos --timeout 3600

chaos-sync: test-ready  ## cut, stop, kill and lose answers in random order, then compare both sides (SCHEDULES=10000 REAL=200 FIRST=1)
	PYTHONPATH=tests $(BIN)/python -m campaigns --schedules $(or $(SCHEDULES),10000) --real $(or $(REAL),200) --first $(or $(FIRST),1)

chaos-doors: test-ready  ## press doors under random faults over every kind of radio, count at the bolts (COUNT=100000)
	PYTHONPATH=tests $(BIN)/python -m twin.chaos_doors --count $(or $(COUNT),100000) --seed $(or $(SEED),1)

docs: test-ready  ## write docs/events.md and the NPK vectors anew
	$(BIN)/python scripts/write-events
	$(BIN)/python -m drivers.npk.vectors

lock: test-ready  ## resolve requirements/*.txt anew, with hashes (on Python 3.11)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "make lock: the base is Python 3.11; this is $$($(BIN)/python -V)" >&2; exit 2; }
	@$(BIN)/python -c 'import piptools' 2>/dev/null || $(BIN)/python -m pip install --quiet pip-tools
	$(LOCK) --extra test --output-file requirements/test.txt pyproject.toml
	$(LOCK) --constraint requirements/test.txt --output-file requirements/run.txt pyproject.toml
	$(LOCK) --constraint requirements/test.txt --extra zigbee --output-file requirements/zigbee.txt pyproject.toml
	$(LOCK) --constraint requirements/test.txt --only-build-deps --build-deps-for wheel --output-file requirements/build.txt pyproject.toml

wheel: test-ready  ## build dist/nightporter-*.whl
	$(BIN)/python -m build --no-isolation --wheel

clean:  ## remove .venv and everything that was made
	rm -rf .venv .run dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
