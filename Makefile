# Every target is one line that a person could type; all of them first make .venv from the locked requirements.
# The lock is renewed by pip-compile (pip-tools) under the oldest supported Python, first without, then with
# `--extra dev -c requirements.txt`: --generate-hashes --strip-extras --allow-unsafe --no-header
# --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements[-dev].txt pyproject.toml

PYTHON ?= python3
SIZE ?= small
ARGS ?=

.PHONY: setup up test test-pgbouncer check soak bench schema

setup: .venv/installed

up: setup
	@.venv/bin/mandate up $(ARGS)

test: setup
	.venv/bin/pytest -n 2 $(ARGS)

test-pgbouncer: setup
	TEST_PGBOUNCER=1 .venv/bin/pytest -n 2 tests/api tests/jobs $(ARGS)

check: setup
	.venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports

soak: setup
	.venv/bin/pytest -m soak $(ARGS)

bench: setup
	.venv/bin/python -m bench --size $(SIZE) $(ARGS)

schema: setup
	.venv/bin/mandate schema > .schema && mv .schema schema.graphql

# Not done again until a requirement changes. The development requirements contain the others, and the build backend:
# the project itself is then installed without fetching anything; `compat` lets packages be added later.
.venv/installed: requirements.txt requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch .venv/installed
