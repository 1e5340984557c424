# Everything runs in .venv, with the exact versions of constraints.txt. After `make clean`,
#   make test CONSTRAINTS=              takes the newest versions that pyproject.toml allows,
#   make test CONSTRAINTS=lowest.txt    the lowest ones (needs uv).
PYTHON ?= python3
BIN := .venv/bin
CONSTRAINTS ?= constraints.txt
PROCESSES ?= 2
# PROCESSES share the tests, a file at a time and in the order of tests/conftest.py: each starts Ray once.
AT_ONCE := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: install tune test test-slow lint docs clean

install: .venv/installed

.venv/installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable '.[dev]'
	@touch $@

# The lowest versions of what pyproject.toml names, and the newest of what those depend on.
lowest.txt: pyproject.toml
	uv pip compile --quiet --upgrade --python $(PYTHON) --resolution lowest-direct --extra dev --output-file $@ $<

tune: install
	$(BIN)/reeltune tune

# Each process would compile the tests anew, and their asserts once more, where Python is told to keep nothing compiled.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: install
	$(BIN)/pytest $(AT_ONCE)

test-slow: install
	$(BIN)/pytest $(AT_ONCE) -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint

# Into docs/_build/html.
docs: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable '.[docs]'
	$(BIN)/sphinx-build --fail-on-warning --quiet docs docs/_build/html

clean:
	rm -rf .venv lowest.txt build docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
