# make demo    train in the twin, evaluate in reality, write the report
# make benchmark  every policy on every task of a protocol: PROTOCOL=quick, some 40 minutes of one core
# make test    all tests
# make check   style, types, layers and documentation
# make docs    the documentation in build/docs, warnings as errors
# make setup   only the virtual environment in .venv
# PYTHON chooses the interpreter of the virtual environment (3.11 or newer), PYTEST_FLAGS adds options to pytest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PROTOCOL ?= quick

# glibc gives every large tensor fresh memory from the kernel unless told to keep what it has.
export MALLOC_MMAP_THRESHOLD_ := 4294967296
export MALLOC_TRIM_THRESHOLD_ := 4294967296

# What is compiled is kept: tests begin many processes, each of which would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo benchmark test check style types layers docs clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[build,agents,docs,dev]'
	@touch $@

demo: setup
	$(BIN)/python -m benchmarks.demo

benchmark: setup
	$(BIN)/python -m benchmarks.suite --protocol $(PROTOCOL)

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_FLAGS)  # processes, not threads: operations are small

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

check: style layers types docs

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
