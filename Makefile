# Every command of the project. `make` alone lists them; each one sets the environment up first.
SHELL := bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
FAST := -m "not slow and not drill" -n 2 -q -p no:nbval

# Where setup puts a libgomp.so.1 for LightGBM when the system has none.
export LD_LIBRARY_PATH := $(CURDIR)/.venv/lib/investlab$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

# Bytecode is kept even where the environment says otherwise: every process would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo lab check test bench drills lock format clean distclean

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | \
		while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: ## make .venv from requirements.lock (PYTHON=... chooses the interpreter); instant when up to date
	@deploy/setup.sh

demo: setup ## show the platform at work on sample data (ONCE=1 ends when everything has run once)
	@$(BIN)/investlab demo $(if $(ONCE),--once)

lab: setup ## open JupyterLab in notebooks/ (ARGS=... passes options on)
	@INVESTLAB_HOME="$${INVESTLAB_HOME:-$(CURDIR)/var}" PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab \
		--ServerApp.root_dir="$(CURDIR)/notebooks" --LabApp.news_url= \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
		$$([ "$$(id -u)" != 0 ] || echo --allow-root) $(ARGS)

check: setup ## format, lint, types, import contracts and the fast tests, in under a minute
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@mkdir -p var; { $(BIN)/lint-imports --no-logo && $(BIN)/mypy; } > var/static.log 2>&1 & static=$$!; \
	$(BIN)/python -m investlab.backtest.warm weights & weights=$$!; \
	$(BIN)/python -m investlab.backtest.warm signals; wait $$weights; \
	$(BIN)/python -m pytest tests/unit tests/architecture $(FAST); tests=$$?; \
	wait $$static; static=$$?; cat var/static.log; exit $$((tests || static))

test: setup ## everything: all tests with coverage, then every notebook (SEED=n repeats an order)
	@$(BIN)/python tests/run.py $(if $(SEED),--seed $(SEED))

bench: setup ## measure speed
	@if [ -f benchmarks/__main__.py ]; then $(BIN)/python -m benchmarks; \
	else for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done; fi

drills: setup ## the long repetitions (hours); resumes where it stopped, evidence in var/drills/
	@$(BIN)/python tests/drills.py

format: setup ## format the code and apply the safe lint fixes
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

lock: setup ## resolve pyproject.toml into requirements.lock, keeping the pins that still fit (UPGRADE=1 lifts all)
	@$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.12 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --quiet $(if $(UPGRADE),--upgrade) -o requirements.lock
	@deploy/setup.sh

clean: ## remove what runs and checks left behind (var/ and caches)
	@rm -rf var build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	@find . -path ./.venv -prune -o -path ./.git -prune -o \
		\( -name __pycache__ -o -name .ipynb_checkpoints -o -name '*.egg-info' \) -type d -exec rm -rf {} +

distclean: clean ## clean, and remove the environment too
	@rm -rf .venv .python
