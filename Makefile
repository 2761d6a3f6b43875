# Every task of this repository. A fresh machine needs Python 3.10 or later and make, nothing else:
# the first target that wants Python makes .venv and fills it from requirements/*.txt (pinned, hashed).

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# Airbyte's checks ask for packages in versions that ours exclude.
REGISTRY := $(VENV)/registry
IMAGE ?= source-airtable:dev
BASE_IMAGE ?= docker.io/airbyte/python-connector-base:4.0.0

# Bytecode is worth 0.8 s at every start of the connector.
unexport PYTHONDONTWRITEBYTECODE
# Settings of the caller's own environment must not reach into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

# The first interpreter that runs (version managers leave shims that do not) and has venv.
# PyAirbyte, behind `make sync`, ends at 3.12, so newer ones come last. PYTHON=… chooses another.
CANDIDATES := $(or $(PYTHON),python3.12 python3.11 python3.10 python3 python3.13 python)
FITS := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
# The files below are complete and pinned, so pip has nothing to resolve.
INSTALL_LOCKED = $(PIP_INSTALL) --no-deps --require-hashes -r

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: bench check clean docs fix help image image-test live-test lock pictures registry-check \
  soak sync test

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sync: $(STAMPS)/sync  ## Copy Airtable (AIRTABLE_TOKEN, else a sample base) into airtable.duckdb.
	@$(BIN)/python -m scripts.sync_to_duckdb

test: $(STAMPS)/test  ## Run all tests; ARGS="-k names -x" goes to pytest.
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMPS)/check  ## Check format, lint and types; writes nothing.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

fix: $(STAMPS)/check  ## Format, and repair what ruff can repair.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(STAMPS)/test  ## Write the parts of docs that repeat code, the form's picture too.
	@$(BIN)/python -m scripts.generate_docs

pictures: $(STAMPS)/sync docs  ## Draw docs/images anew, the terminal of a real sync among them.
	@$(BIN)/python -m scripts.draw_sync

bench: $(STAMPS)/test  ## Measure speed and memory; ARGS goes to scripts/bench.py.
	@$(BIN)/python -m scripts.bench $(ARGS)

soak: $(STAMPS)/test  ## Sync for ten minutes amid random faults, and compare; ARGS="--minutes 2".
	@$(BIN)/python -m scripts.soak $(ARGS)

# The image's own time is that of its source, so that a second build gives the same one.
image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
image:  ## Build the container image (IMAGE, BASE_IMAGE).
	docker build --network=host --build-arg BASE_IMAGE=$(BASE_IMAGE) --tag $(IMAGE) .

image-test: $(STAMPS)/test  ## Run the built image's tests, the standard ones too; needs make image.
	@CONNECTOR_IMAGE=$(IMAGE) BASE_IMAGE=$(BASE_IMAGE) \
	  $(BIN)/python -m pytest -m image_tests -s \
	  integration_tests/test_image.py integration_tests/test_acceptance.py $(ARGS)

registry-check: $(STAMPS)/registry  ## Run the checks of Airbyte's registry (CONTRIBUTING.md).
	@$(REGISTRY)/bin/python -W ignore -m scripts.registry_check

live-test: $(STAMPS)/test  ## Ask a real account what Airtable does not document (CONTRIBUTING.md).
	@$(BIN)/python -m pytest -m requires_creds integration_tests/test_live.py $(ARGS)

lock: $(STAMPS)/check  ## Resolve all requirements anew and write requirements/*.txt.
	@sh scripts/lock.sh $(BIN)/uv

clean:  ## Remove .venv and everything that was generated.
	rm -rf $(VENV) .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache .tmp build dist \
	  .coverage airtable.duckdb airtable.duckdb.wal
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c '$(FITS)' >/dev/null 2>&1; then \
	    echo "$$("$$candidate" --version), into $(VENV)"; \
	    "$$candidate" -m venv --clear $(VENV) && mkdir -p $(STAMPS) && touch $@; exit; \
	  fi; \
	done; \
	echo "Python 3.10, 3.11, 3.12 or 3.13 with its venv module is needed; tried: $(CANDIDATES)." >&2; \
	echo "Install one (Debian: python3 and python3-venv) or name it: make PYTHON=/path/to/python3.12 …" >&2; \
	exit 1

# The package itself, editable, with its console script.
$(STAMPS)/package: pyproject.toml requirements/build.txt | $(STAMPS)/venv
	@$(INSTALL_LOCKED) requirements/build.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/test: requirements/test.txt $(STAMPS)/package
	@echo "installing requirements/test.txt (once)"
	@$(INSTALL_LOCKED) requirements/test.txt
	@touch $@

$(STAMPS)/check: requirements/check.txt $(STAMPS)/test
	@echo "installing requirements/check.txt (once)"
	@$(INSTALL_LOCKED) requirements/check.txt
	@touch $@

$(STAMPS)/registry: requirements/registry.in $(STAMPS)/check
	@$(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { \
	  echo "make registry-check needs Python 3.11 or 3.12; $(VENV) has $$($(BIN)/python --version)." >&2; \
	  exit 1; }
	@echo "installing requirements/registry.in (once)"
	@$(BIN)/python -m venv --clear --without-pip $(REGISTRY)
	@$(BIN)/uv pip install --quiet --no-config --python $(REGISTRY)/bin/python -r requirements/registry.in
	@touch $@

$(STAMPS)/sync: requirements/sync.txt $(STAMPS)/package
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || { \
	  echo "make sync needs Python 3.10, 3.11 or 3.12, where PyAirbyte runs; $(VENV) has $$($(BIN)/python --version)." >&2; \
	  echo "Install one of them, then: make clean && make sync (or make PYTHON=/path/to/python3.12 sync)" >&2; \
	  exit 1; }
	@echo "installing requirements/sync.txt (once)"
	@$(INSTALL_LOCKED) requirements/sync.txt
	@touch $@
