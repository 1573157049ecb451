# Millrace: set-up, checks and runs. `make` alone lists the targets.

PYTHON ?= python3
# Only pyproject.toml states the range of Python: the first minor version that is supported, and the first that is not.
PYTHON_RANGE := $(shell sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)"/\1 \2/p' pyproject.toml)
PYTHON_FIRST := $(word 1,$(PYTHON_RANGE))
PYTHON_END := $(word 2,$(PYTHON_RANGE))
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Most tests wait for a server, so two test files run in parallel even on one core.
TEST_JOBS ?= 2
CODE := schemas shared workers millrace tests $(wildcard benchmarks)

KAFKA_LIBS := $(CURDIR)/.kafka/libs
KAFKA_FETCHED := $(KAFKA_LIBS)/.fetched
KAFKA_ARCHIVE := $(CURDIR)/.kafka/.archived

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo monitoring test unit check types lint rules format bench kafka generate freeze lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## Run the whole flow on embedded parts; KEEP=1 leaves it running
	$(BIN)/millrace demo $(if $(filter 1,$(KEEP)),--keep)

monitoring: $(INSTALLED) ## Run the demo with Prometheus and the alerts beside it, until Ctrl-C (Debian: prometheus)
	monitoring/run.sh 9400 $(BIN)/millrace demo --keep --port 9400

test: $(INSTALLED) ## Run every test; for those that need Kafka, run `make kafka` first
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder

unit: $(INSTALLED) ## Run the tests that need no server and no model, in under a minute
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile -q tests/unit

format: $(INSTALLED) ## Format the code and fix what the linter can fix
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

check: types lint rules ## Check formatting, lint, types, import contracts and the rules of this repository

types: $(INSTALLED)
	$(BIN)/mypy --strict $(CODE)

lint: $(INSTALLED)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/lint-imports

rules: $(INSTALLED)
	$(BIN)/python -m pytest tests/repo

bench: $(INSTALLED) ## Measure rates and the cost of each stage on this machine; QUICK=1 is shorter
	$(BIN)/python -m benchmarks.run $(if $(filter 1,$(QUICK)),--quick)

kafka: $(KAFKA_ARCHIVE) ## Fetch Kafka's jars for the tests, if they are missing (needs mvn and java)

generate: $(INSTALLED) ## Write the JSON Schemas and the pages that are generated from the code
	$(BIN)/python -m tests.repo.generated

freeze: $(INSTALLED) ## Keep the current schemas as those of a release, such as VERSION=0.2.0
	$(BIN)/python -m tests.repo.compatibility $(VERSION)

lock: $(INSTALLED) ## Resolve the dependencies again into requirements.lock
	$(BIN)/uv pip compile -q --universal --all-extras --generate-hashes --no-emit-index-url pyproject.toml -o requirements.lock

# uv verifies the hash of each package that the constraints file names; tests/repo/test_lock.py finds packages that it
# does not name. Two are not verified: uv itself, which pip fetches by version, and the build backend, which also builds
# openai-whisper from its verified sources.
$(INSTALLED): pyproject.toml requirements.lock
	@found=$$($(PYTHON) --version 2>&1) || found=; \
	minor=$$(echo "$$found" | sed -n 's/^Python 3\.\([0-9]*\).*/\1/p'); \
	[ "$${minor:-0}" -ge $(PYTHON_FIRST) ] && [ "$${minor:-0}" -lt $(PYTHON_END) ] || { \
		echo "Millrace needs Python 3.$(PYTHON_FIRST) to 3.$$(($(PYTHON_END) - 1)); $(PYTHON) is $${found:-missing}." \
			"Choose another Python, such as: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --python $(BIN)/python -c requirements.lock -e '.[text,openvino,quantise,multilingual,train,excel,objects,media,heic,speech,openai,images,reading,onnx,weights,tracing,drift,peers,dev]'
	@touch $@

$(KAFKA_FETCHED): tests/support/kafka/pom.xml
	@command -v java >/dev/null || { echo "make kafka needs java (17 or newer) on the PATH" >&2; exit 1; }
	@command -v mvn >/dev/null || { echo "make kafka needs mvn (Apache Maven) on the PATH" >&2; exit 1; }
	rm -rf $(KAFKA_LIBS)
	mvn -q -B -C -f tests/support/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(KAFKA_LIBS)
	@touch $@

# With the archive of its classes each broker of the tests starts a second sooner.
$(KAFKA_ARCHIVE): $(KAFKA_FETCHED) | $(INSTALLED)
	MILLRACE_TEST_KAFKA_LIBS=$(KAFKA_LIBS) $(BIN)/python -m tests.support.kafka.archive
	@touch $@
