# Everything a fresh machine needs: `make demo` to see it work, `make test` for the whole gate.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Text generation only: without its multimodal library llama.cpp compiles in two thirds of the time.
export CMAKE_ARGS ?= -DLLAVA_BUILD=OFF
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: demo test check format clean peers
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	@bash examples/demo.sh

# Each worker has cores of its own; the tests of a file stay together, because they share what is slow to make. Files come in
# their own order: sorted by how many tests they have, the longest one, of two tests, would come last and alone.
test: check
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The fake platforms of the tests, used by clients that know nothing of them; needs node and npm.
peers: $(VENV)/.installed-test
	@mkdir -p $(VENV)/peers && cp tests/peers/package.json $(VENV)/peers/
	npm install --silent --prefix $(VENV)/peers
	GROUNDLING_PEERS="$(CURDIR)/$(VENV)/peers" $(BIN)/python -m pytest tests/test_fakes_peers.py

clean:
	rm -rf $(VENV) data

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v cmake >/dev/null && command -v c++ >/dev/null || { echo "cmake and a C++ compiler are needed (Debian: apt-get install cmake g++)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone: its pinned CPU build, before anything asks for a newer one.
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time llama.cpp is compiled, which takes a few minutes ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@$(BIN)/python -m models.engine.trial 2>/dev/null || { \
	    echo "The llama.cpp at hand was compiled for another processor; compiling it here ..."; \
	    $(BIN)/python -m pip install --quiet --constraint constraints.txt --no-cache-dir --no-binary llama-cpp-python --force-reinstall --no-deps llama-cpp-python; \
	    $(BIN)/python -m models.engine.trial; }
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@
