# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
# Files share a process, so that each process starts its servers once. Two processes for each of two
# cores: most of a test is a wait for a server.
PYTEST_ARGS ?= -n 4 --dist loadfile
BIN    := $(VENV)/bin
MEMBERS := schemas runtime services/agent services/registry-resolver services/ingest services/dashboard services/notifier sandbox cli bench
MIGRATIONS := $(wildcard services/ingest/src/imagedrift_ingest/sql/migrations/*.sql)
BENCHMARKS := dedup lookup budget "ingest --hosts 5000" "flip --hosts 5000" "queries --hosts 5000" agent end-to-end
SOURCES := $(addsuffix /src,$(MEMBERS))

.PHONY: help install foreign demo test check format bench clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## make .venv and install every member in it

$(VENV)/.installed: constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt --group dev $(addprefix -e ,$(addprefix ./,$(MEMBERS)))
	@touch $@

foreign: ## install the packages of the suite's programs in JavaScript (needs Node and npm)
	npm install --prefix tests/e2e/foreign --no-audit --no-fund --no-package-lock --silent

demo: install ## the whole system on this machine, shown at work
	$(BIN)/imagedrift demo

test: install ## the whole suite
	$(BIN)/pytest $(PYTEST_ARGS)

check: install ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES) tests tools
	$(BIN)/lint-imports
	$(BIN)/python tools/check_sources.py
	$(BIN)/squawk $(MIGRATIONS)
	$(BIN)/python -m imagedrift_schemas.export --check
	$(BIN)/python -m imagedrift_cli.reference --check

format: install ## bring the sources into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## every benchmark, small
	set -e; for each in $(BENCHMARKS); do sh -c "$(BIN)/imagedrift bench $$each"; done

clean: ## remove what these commands made
	rm -rf $(VENV) .venv313 .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(MEMBERS) tests tools -name __pycache__ -prune -exec rm -rf {} +
