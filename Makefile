PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run demo chatwoot test lint format bench schema docs clean

$(VENV)/.runtime: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the application needs ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "Installing what tests and lint need ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: $(VENV)/.runtime  ## The application on port 8080, on embedded defaults
	@exec $(BIN)/python -m app.cli.run

demo: $(VENV)/.runtime  ## The same with the demo workspace
	@exec $(BIN)/python -m app.cli.run --demo

chatwoot: $(VENV)/.runtime  ## A simulated Chatwoot on port 8091 that tells the demo's story
	@exec $(BIN)/python -m tests.vendors.chatwoot --story demo/story \
		--token demo-chatwoot-token --port $(or $(SIMULATOR_PORT),8091)

test: $(VENV)/.dev  ## The whole suite, in parallel
	@$(BIN)/python -m pytest -n $(or $(TEST_WORKERS),auto) --dist worksteal

lint: $(VENV)/.dev  ## Style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

bench: $(VENV)/.dev  ## Speed, as ratios; asserts nothing
	@$(BIN)/python -m bench

schema: $(VENV)/.runtime  ## Write schema.sql and docs/configuration.md anew
	@$(BIN)/flask --app wsgi db schema --write
	@$(BIN)/flask --app wsgi config docs --write

clean:
	rm -rf $(VENV) var
