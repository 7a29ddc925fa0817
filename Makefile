# `make run` tries the service out, `make test` tests it; `make` lists the rest.

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
RUNNABLE := $(VENV)/runnable
READY := $(VENV)/ready

# What settings need to load; nothing here is reached.
CHECK_ENV := SECRET_KEY=$$(head -c 60 /dev/urandom | base64 | tr -d '=+/\n') \
	LIVEAGENT_HOST=d.la1-c1-xxx.salesforceliveagent.com \
	LIVEAGENT_ORGANIZATION_ID=00D000000000001 \
	LIVEAGENT_DEPLOYMENT_ID=572000000000001 \
	LIVEAGENT_BUTTON_ID=573000000000001 SSL=True HOST=example.org \
	BRIDGE_TOKEN=$$(head -c 60 /dev/urandom | base64 | tr -d '=+/\n')

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: install
install: $(READY) ## build the environment in .venv

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes

$(RUNNABLE): requirements.txt requirements-simulator.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed"; exit 1; }
	@echo "building the environment in $(VENV), once ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) -r requirements.txt -r requirements-simulator.txt
	@touch $@

$(READY): $(RUNNABLE) requirements-dev.txt
	@echo "adding to it what tests and checks need ..."
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

.PHONY: run
run: $(RUNNABLE) ## start a simulator of Salesforce and the service, and say how to try them
	@exec $(BIN)/python -m simulator.demo

.PHONY: test
test: $(READY) ## run all tests, on SQLite or on the PostgreSQL of DATABASE_URL
	@$(BIN)/python -m pytest -n $${TEST_PROCESSES:-6} --dist worksteal $(TESTS)

.PHONY: lint
lint: $(READY) ## ruff, mypy, Django's checks, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(CHECK_ENV) $(BIN)/mypy
	@$(CHECK_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(CHECK_ENV) $(BIN)/python manage.py makemigrations --check --dry-run

.PHONY: format
format: $(READY) ## put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

CATALOGUE := bridge/locale/ja/LC_MESSAGES/django

.PHONY: messages
messages: $(READY) ## compile the Japanese of the admin
	@$(BIN)/pybabel --quiet compile -l ja -i $(CATALOGUE).po -o $(CATALOGUE).mo

LOCK := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

.PHONY: lock
lock: $(READY) ## pin the newest versions that requirements*.in allow
	@$(LOCK) --upgrade -o requirements.txt requirements.in
	@$(LOCK) --upgrade -o requirements-simulator.txt requirements-simulator.in
	@$(LOCK) --upgrade -o requirements-dev.txt requirements-dev.in
	@$(LOCK) --upgrade -o requirements-bench.txt requirements-bench.in

$(READY)-bench: $(READY) requirements-bench.txt
	@$(INSTALL) -r requirements-bench.txt
	@touch $@

.PHONY: bench
bench: $(READY)-bench ## measure speed and memory, and write docs/benchmarks.md
	@$(BIN)/python -m benchmarks

.PHONY: cost
cost: $(READY) ## measure what a message costs, and how many a second are too many
	@$(BIN)/python -m benchmarks cost

.PHONY: soak
soak: $(READY) ## watch memory for 20 minutes while customers come and go (PostgreSQL)
	@$(BIN)/python -m benchmarks.soak

.PHONY: chaos
chaos: $(READY) ## kill servers, then deploy, under load; count what was lost (PostgreSQL)
	@$(BIN)/python -m benchmarks.chaos
