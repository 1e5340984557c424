# Everything runs in .venv, with the exact versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
# Two processes share the tests, a file at a time: each starts Ray once.
AT_ONCE := -n 2 --dist loadfile

.PHONY: install tune test test-slow lint clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

tune: install
	$(BIN)/reeltune tune

test: install
	$(BIN)/pytest $(AT_ONCE)

test-slow: install
	$(BIN)/pytest $(AT_ONCE) -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
