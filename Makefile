# The first target lists the others. Everything is installed into .venv/, nothing outside of it.

PYTHON ?= python3
BIN := .venv/bin
LOCAL := .venv/.local
READY := .venv/.dev

# The tests start hundreds of Pythons: each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(LOCAL) ## See the samples secured by real Envoys, request by request
	@$(BIN)/python -m authz.local.demo

.PHONY: up
up: $(LOCAL) ## Run the samples here until Ctrl-C; FILES=... for others, IDP=keycloak, KUBERNETES=1 for kubectl
	@$(BIN)/authz up $(FILES) $(if $(IDP),--idp $(IDP)) $(if $(KUBERNETES),--kubernetes)

.PHONY: check
check: $(READY) ## Format, lint, types, architecture and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -m "not slow" --numprocesses 2 --dist worksteal $(COVERED)

.PHONY: test
test: COVERED = --cov=authz.core --cov=authz.istio --cov-report=term-missing:skip-covered --cov-fail-under=100
test: check ## Everything: check, the coverage of core and istio by it, and real servers
	$(BIN)/pytest -q -m slow

.PHONY: fix
fix: $(READY) ## Format, mend what the linter can, make the generated files anew
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python -m scripts.generate

.PHONY: protos
protos: $(READY) ## Compile protos/ for authz/server/
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=authz/server --pyi_out=authz/server ext_authz.proto

.PHONY: lock
lock: $(READY) ## Write the versions and hashes of what the image is made of anew
	$(LOCK) --extra tracing pyproject.toml --output-file image/authz.txt
	$(LOCK) image/tools.in --output-file image/tools.txt

.PHONY: golden
golden: $(READY) ## Write the expected translations anew; review their diff
	GOLDEN=write $(BIN)/pytest -q tests/istio/test_golden.py tests/charts/test_golden.py

.PHONY: bench
bench: $(READY) ## Measure everything against its neighbours, write docs/benchmarks.md (10 minutes)
	@$(BIN)/python -m benchmarks

.PHONY: soak
soak: $(READY) ## 20 million Checks, and what memory does meanwhile (half an hour)
	@$(BIN)/python -m benchmarks.soak

.PHONY: bench-quick
bench-quick: $(READY) ## The essential ratios (1 minute)
	@$(BIN)/python -m benchmarks --quick

.PHONY: bench-controller
bench-controller: $(READY) ## Measure the controller on a real API server (10 minutes)
	@for stage in from_nothing steady enforced proof; do $(BIN)/python -m benchmarks.controller $$stage || exit 1; done
	@$(BIN)/python -m benchmarks.controller many --count 10000
	@$(BIN)/python -m benchmarks.render

LOCK = $(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --universal --python-version 3.11 --constraint constraints.txt

PIP = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

$(LOCAL): pyproject.toml constraints.txt
	@echo "Setting up .venv (once, half a minute)"
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; try make PYTHON=python3.12")'
	@$(PYTHON) -m venv .venv
	@$(PIP) '.[local]'
	@touch $@

$(READY): $(LOCAL)
	@echo "Adding the development tools to .venv (once, a minute)"
	@$(PIP) '.[local,tracing,dev]'
	@touch $@
