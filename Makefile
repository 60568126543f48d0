# Common tasks. Needs Python 3.11+ and nothing else; installs into .venv and .witiop.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help install servers dev test test-cluster test-containers test-upgrade check format contract words pictures bench mutants kills fuzz test-security lock

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; choose one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || { echo "creating .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing the locked packages into .venv (about 400 MB, a few minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	@touch $@

servers: $(STAMP)
	@$(BIN)/witiop install

install: servers ## install packages, servers and a browser for the tests, where missing
	@$(BIN)/python -m tests.support.chromium
	@$(BIN)/python -m infra.local.secured.database

dev: servers ## run the whole system on this machine
	@exec $(BIN)/witiop dev

test: install ## run all tests (with real Kafka and PostgreSQL)
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder # they mostly wait; the slow ones begin

test-cluster: install ## kill, freeze, cut off and restart each part of a cluster under load, many times (one to two hours; less: ARGS='--tries 2')
	@$(BIN)/python -m tests.cluster $(ARGS)

test-containers: servers ## build the image and run docker-compose.yml on a Docker engine, or say why not (about 15 minutes)
	@$(BIN)/python -m pytest -q -rs tests/containers

check: $(STAMP) ## check format, lint, types, imports and dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tests.dependencies.bill --check
	@$(BIN)/python -m tests.dependencies.audit # skipped without network

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

contract: $(STAMP) ## generate docs/events from the code; refuses breaking changes
	@$(BIN)/python -m witiop.contract.generate

words: $(STAMP) ## update the console's translation catalogues; new texts are left empty
	@$(BIN)/pybabel -q extract -F .babel.cfg -k gettext_noop -k translated -k pgettext_noop:1c,2 --no-location --omit-header -o .witiop/console.pot .
	@$(BIN)/pybabel -q update -D console -i .witiop/console.pot -d console/locale --no-fuzzy-matching --omit-header --ignore-obsolete -w 120

pictures: install ## take the screenshots in docs/pictures again (needs Chromium)
	@$(BIN)/python -m tests.browser.pictures

bench: install ## run the benchmarks; results are in docs/performance.md
	@$(BIN)/python -m benchmarks

mutants: $(STAMP) ## change the rules a little, 400 times, and see whether a unit test notices; every change: ARGS=--all
	@$(BIN)/python -m tests.mutants $(ARGS)

kills: install ## kill senders twenty times in 100,000 messages, and everything around a campaign: nothing may be sent twice (about 15 minutes)
	@$(BIN)/python -m tests.kills
	@$(BIN)/python -m tests.kills.campaigns

test-upgrade: install ## upgrade an installation of an earlier version under load, process by process (about four minutes)
	@$(BIN)/python -m tests.upgrade

fuzz: install ## try what nobody would send, for about four minutes: ARGS="whatsapp --seconds 600" one reader for longer
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes --only-binary :all: -r requirements/fuzz.txt
	@$(BIN)/python -m tests.fuzz $(ARGS)

test-security: install ## run everything on servers with TLS and a user for each process (about two minutes)
	@$(BIN)/python -m pytest tests/security/whole_system.py $(ARGS)

lock: ## update the lock files (versions and hashes, no registry URLs)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra fuzz -c requirements/dev.txt pyproject.toml -o requirements/fuzz.txt
	$(BIN)/python -m tests.dependencies.bill
	@# only what is needed to build the wheel for the image
	echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements/dev.txt - -o requirements/build.txt
