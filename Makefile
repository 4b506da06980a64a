# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MEMBERS := schemas runtime services/agent services/registry-resolver services/ingest sandbox cli
SOURCES := $(addsuffix /src,$(MEMBERS))

.PHONY: help install demo test check format bench clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## make .venv and install every member in it

$(VENV)/.installed: constraints.txt pyproject.toml $(addsuffix /pyproject.toml,$(MEMBERS))
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt --group dev $(addprefix -e ,$(addprefix ./,$(MEMBERS)))
	@touch $@

demo: install ## the whole system on this machine, shown at work
	$(BIN)/imagedrift demo

test: install ## the whole suite
	$(BIN)/pytest $(PYTEST_ARGS)

check: install ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(SOURCES) tests
	$(BIN)/lint-imports
	$(BIN)/python -m imagedrift_schemas.export --check

format: install ## bring the sources into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## every benchmark, small
	$(BIN)/imagedrift bench all

clean: ## remove what these commands made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
