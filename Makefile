# Every command a developer or CI runs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := $(shell sed -n 's/^uv==//p' requirements/images.in)
VENV := .venv
BIN := $(VENV)/bin
OURS := libs/penstock libs/penstock-client algorithms services/ingest-api services/inference-worker \
	services/results-writer services/training-orchestrator services/console local infra
EDITABLE := $(foreach member,$(OURS),-e ./$(member))
export PENSTOCK_DATA ?= ../shared/data

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(BIN)/uv:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# A stamp per lock: installing again is a no-op until the lock or a member changes.
$(VENV)/.%.stamp: requirements/%.txt $(addsuffix /pyproject.toml,$(OURS)) | $(BIN)/uv
	@echo "installing requirements/$*.txt into $(VENV) ..."
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/$*.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

.PHONY: setup install
setup: $(VENV)/.dev.stamp ## install everything that developing and testing need into .venv
install: $(VENV)/.local.stamp ## install only what running needs into .venv

.PHONY: lock
lock: $(BIN)/uv ## compile requirements/*.txt again
	scripts/lock

.PHONY: env-example
env-example: setup ## write .env.example again from the settings of every command
	@$(BIN)/python -m scripts.env_example

.PHONY: demo up down migrate
demo: install ## start, train, deploy, stream live readings, check every prediction (DATA=<csv> LABEL=<column> for your own)
	@$(BIN)/penstock-local demo $(if $(DATA),--data "$(DATA)") $(if $(LABEL),--label "$(LABEL)") \
		$(if $(TIME),--time-column "$(TIME)") $(if $(EXCLUDE),--exclude "$(EXCLUDE)") $(DEMO_ARGS)
up: install ## start the embedded stack and keep it running until Ctrl-C (OBSERVE=1: with traces and metrics to look at)
	@$(BIN)/penstock-local up $(if $(OBSERVE),--observe)
down: install ## stop a running embedded stack
	@$(BIN)/penstock-local down
migrate: install ## bring the embedded Aurora to the newest schema
	@$(BIN)/penstock-local migrate

.PHONY: format lint types imports check
format: setup ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .
lint: setup ## format and lint rules
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/hadolint Dockerfile
types: setup ## mypy, strict, over code and tests
	@$(BIN)/mypy
imports: setup ## which package may import which
	@$(BIN)/lint-imports --no-cache
check: lint types imports ## the one-minute part of the gate: lint, types, imports, unit, contract
	@HYPOTHESIS_PROFILE=quick $(BIN)/pytest tests/unit tests/contract -q -n 2

.PHONY: test test-unit test-integration test-e2e
test: lint types imports test-unit test-integration test-e2e infra-check ## the whole gate
test-unit: setup ## unit and contract tests, every property with many examples
	@$(BIN)/pytest tests/unit tests/contract -q -n 2
test-integration: setup ## real adapters against the embedded stack
	@$(BIN)/pytest tests/integration -q -n 3
test-e2e: setup ## only public doors: data sets in, scores out, a notebook run, kills and rubbish
	@$(BIN)/pytest tests/e2e -q

.PHONY: infra-check
infra-check: setup ## types, templates, policies and rules of the AWS stacks; no account needed
	@$(BIN)/mypy --config-file infra/mypy.ini
	@$(BIN)/pytest tests/infra -q -n 2

.PHONY: infra-accept
infra-accept: setup ## take the actions of each role, as the templates have them now, for those that were looked at
	@PENSTOCK_ACCEPT_ACTIONS=1 $(BIN)/pytest tests/infra/test_permissions_as_called.py -q

.PHONY: chaos
chaos: setup ## kill processes and double messages under a whole stack, without the rest of the gate
	@$(BIN)/pytest tests/e2e/test_chaos.py -q

.PHONY: record-calls
record-calls: setup ## take the AWS calls that the e2e tests saw each command make into infra/recorded_calls.json
	@PENSTOCK_RECORD_CALLS=1 $(BIN)/pytest tests/e2e -q

.PHONY: bench-sizing
bench-sizing: setup ## CPU and memory of every command under a steady load, for penstock cost --measured
	@$(BIN)/python -m benchmarks.sizing $(BENCH_ARGS)

.PHONY: cost-documents
cost-documents: setup ## what penstock cost knows of the code, and the tables of docs/cost.md
	@$(BIN)/python scripts/cost_documents.py
.PHONY: bench-ingest
bench-ingest: setup ## CPU of the door per request, beside a no-op ASGI server
	@$(BIN)/python -m benchmarks.ingest $(BENCH_ARGS)

.PHONY: bench-worker
bench-worker: setup ## share of a model's own speed that inference-worker passes on, and its p99 beside a bare call
	@$(BIN)/python -m benchmarks.worker $(BENCH_ARGS)

.PHONY: bench-writer
bench-writer: setup ## CPU of a row on its way to Aurora, beside a bare COPY of the same rows
	@$(BIN)/python -m benchmarks.writer $(BENCH_ARGS)

.PHONY: bench-queue
bench-queue: setup ## billed units of SNS and SQS per reading, beside one message each; CPU and units as tags grow
	@$(BIN)/python -m benchmarks.queueing $(BENCH_ARGS)

.PHONY: bench-tracing
bench-tracing: setup ## CPU of the door with traces off, not sampled, sampled
	@$(BIN)/python -m benchmarks.tracing

.PHONY: real-data-plots
real-data-plots: setup ## draw the plots of docs/real-data.md from the last run of tests/e2e
	@$(BIN)/python scripts/plot_real_data.py

WITH_ENGINE := scripts/with-engine
COMPOSE := docker compose --progress quiet

.PHONY: images sbom compose-up compose-demo compose-down compose-test compose-chaos
images: ## build every image and hold their sizes against the limits
	@$(WITH_ENGINE) sh -c '$(COMPOSE) --profile images build && scripts/image_sizes'
sbom: ## write the list of packages of every image to build/sbom
	@$(WITH_ENGINE) scripts/sboms
compose-up: ## start Penstock in containers and wait until all is healthy
	@$(WITH_ENGINE) $(COMPOSE) up --build --detach --wait --wait-timeout 600
compose-demo: ## make demo, on the stack of compose-up
	@$(WITH_ENGINE) $(COMPOSE) --profile demo run --rm demo
compose-down: ## stop the stack of compose-up and forget all that it holds
	@$(WITH_ENGINE) $(COMPOSE) --profile demo down --volumes --remove-orphans
compose-test: setup images ## look into the images, kill, replace and scale containers under load, run every command of the runbook
	@$(WITH_ENGINE) $(BIN)/pytest tests/compose -q -p no:randomly
compose-chaos: setup images ## only the part of compose-test that kills, replaces and scales containers under load
	@$(WITH_ENGINE) $(BIN)/pytest tests/compose -q -p no:randomly -m streams
