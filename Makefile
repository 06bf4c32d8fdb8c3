# make demo and make test do all of their set-up themselves; Go, Node and a Debian system are all they need.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GOLANGCI_LINT_VERSION := v2.15.0
TOOLS := $(CURDIR)/bin/tools
LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
# The server of S3 that tests run against. Its version is also in zoo/s3/s3test.
VERSITYGW_VERSION := v1.8.0
VERSITYGW := $(TOOLS)/versitygw-$(VERSITYGW_VERSION)
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c
MINIO := $(TOOLS)/minio-$(MINIO_VERSION)
# OCI clients that tests try. Their versions are also in zoo/oci/ocitest.
CRANE_VERSION := v0.22.1
CRANE := $(TOOLS)/crane-$(CRANE_VERSION)
ORAS_VERSION := v1.2.3
ORAS := $(TOOLS)/oras-$(ORAS_VERSION)
# Not in CI: it takes ten minutes to build.
COSIGN_VERSION := v2.6.5
COSIGN := $(TOOLS)/cosign-$(COSIGN_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)

export CGO_ENABLED ?= 0

## The main job and its proof

.PHONY: build demo test
build: ## the command, one static binary, with the site in it if that was built (make web)
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/reprise ./cmd/reprise

demo: web ## dataset, training, publishing, verifying, replaying, and the site to look at
	$(MAKE) build
	bin/reprise demo

test: test-go test-web e2e ## everything that CI runs, but the linters

.PHONY: test-go test-web e2e race
test-go: tools engines
	go test -timeout 25m ./...

race: tools engines
	CGO_ENABLED=1 go test -race -timeout 60m ./closure/... ./zoo/... ./runner/... ./schema/... ./api/... ./trainer/...

test-web: web/node_modules
	cd web && npm test

# Browsers against real closures that the command line has just trained.
e2e: web browsers engines
	$(MAKE) build
	web/e2e/run.sh npm run e2e

.PHONY: screenshots
screenshots: web browsers engines ## the pages, light, dark and on a phone, in bin/screenshots
	$(MAKE) build
	web/e2e/run.sh npm run screenshots

.PHONY: web
web: web/node_modules web/public/compiler/compiler.wasm.gz ## the built site, which the command embeds
	cd web && npm run build

# The compiler for visitors' tabs, fetched on demand, and what Go's WebAssembly needs of a browser.
web/public/compiler/compiler.wasm.gz: $(shell git ls-files 'wasm/*.go' 'schema/*.go' 'schema/json') go.mod
	@mkdir -p $(@D) bin
	GOOS=js GOARCH=wasm go build -trimpath -ldflags "-s -w" -o bin/compiler.wasm ./wasm/tab
	cp "$$(go env GOROOT)/lib/wasm/wasm_exec.js" $(@D)
	gzip -9nc bin/compiler.wasm > $@

# Engines that our compiler did not make, built from source.
.PHONY: engines
engines: bin/engines/built ## those of fixtures/engines, in bin/engines

bin/engines/built: fixtures/engines/node_modules $(shell git ls-files fixtures/engines)
	cd fixtures/engines && node build.mjs $(CURDIR)/bin/engines
	@touch $@

fixtures/engines/node_modules: fixtures/engines/package-lock.json
	cd fixtures/engines && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

## Set-up

.PHONY: tools
tools: $(VERSITYGW) $(CRANE) $(ORAS) docker-registry numpy ## servers that tests start; without them these tests are skipped, and fail where CI is set

$(VERSITYGW):
	GOBIN=$(TOOLS) go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION)
	mv $(TOOLS)/versitygw $@

$(MINIO):
	GOBIN=$(TOOLS) go install github.com/minio/minio@$(MINIO_VERSION)
	mv $(TOOLS)/minio $@

$(CRANE):
	GOBIN=$(TOOLS) go install github.com/google/go-containerregistry/cmd/crane@$(CRANE_VERSION)
	mv $(TOOLS)/crane $@

# Built in a module of its own: go install asks for a list of oras' versions, which not every proxy has.
$(ORAS):
	@mkdir -p $(TOOLS)
	d=$$(mktemp -d) && trap "rm -rf $$d" EXIT && cd $$d && go mod init tools 2>/dev/null && \
	  go get oras.land/oras@$(ORAS_VERSION) && go build -mod=mod -o $@ oras.land/oras/cmd/oras

$(COSIGN):
	GOBIN=$(TOOLS) go install github.com/sigstore/cosign/v2/cmd/cosign@$(COSIGN_VERSION)
	mv $(TOOLS)/cosign $@

.PHONY: browsers
browsers:
	@command -v chromium >/dev/null && command -v firefox-esr >/dev/null || \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium firefox-esr >/dev/null)

.PHONY: numpy
numpy: # README.md's lines of Python
	@/usr/bin/python3 -c 'import numpy' 2>/dev/null || \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-numpy >/dev/null)

.PHONY: docker-registry
docker-registry:
	@command -v docker-registry >/dev/null || \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq docker-registry >/dev/null)

web/node_modules: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(LINT):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

## Quality

.PHONY: lint format generate check size
lint: $(LINT) web/node_modules
	$(LINT) run ./...
	cd web && npm run check

format: $(LINT) web/node_modules
	$(LINT) fmt ./...
	cd web && npm run format

generate: ## what is generated: the vocabulary's schema, TypeScript types
	go generate ./...

check: generate lint test ## all of it, and the tree must be clean afterwards
	go mod tidy -diff
	git diff --exit-code

size: ## lines by part, tests apart
	@for d in schema wasm closure zoo runner trainer api fixtures cmd web/src; do \
	  printf '%-10s %6d  tests %6d\n' $$d \
	    $$(git ls-files "$$d" | grep -E '\.(go|tsx?)$$' | grep -vE '(_test\.go|\.test\.tsx?|/gen/)$$' | xargs -r cat | wc -l) \
	    $$(git ls-files "$$d" | grep -E '(_test\.go|\.test\.tsx?)$$' | xargs -r cat | wc -l); done

## Longer runs, apart from CI

.PHONY: bench accuracy fuzz test-all test-kills test-farlink test-distribution test-webkit test-arm64
bench: build browsers web/node_modules ## speed in wazero and in Chromium, beside the peak of each
	go test -run '^$$' -bench . -benchtime 2s ./runner/... ./wasm/... ./zoo/... ./closure/... ./trainer/...
	rm -rf bin/bench && mkdir -p bin/bench && go run ./cmd/yardstick bin/bench/store > bin/bench/subjects.json
	cd web && REPRISE_BENCH_STORE=$(CURDIR)/bin/bench/store REPRISE_BENCH_SUBJECTS=$(CURDIR)/bin/bench/subjects.json npm run bench -- steps
	$(MAKE) bench-archives bench-front bench-replay bench-sessions

# Other libraries that we compare ourselves with, in a folder of their own: nothing else needs them.
web/bench/peers/node_modules: web/bench/peers/package-lock.json
	cd web/bench/peers && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# With libopenblas0-serial, which comes with python3-torch here, PyTorch's dense layers are many times faster. Where PyTorch is there
# without it, the table says how fast its products of matrices are.
.PHONY: bench-peers
bench-peers: browsers web/node_modules web/bench/peers/node_modules ## training and inference beside TensorFlow.js, ConvNetJS and PyTorch, in bin/bench/peers.md
	@/usr/bin/python3 -c 'import torch' 2>/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-torch libopenblas0-serial >/dev/null) || true
	rm -rf bin/bench/peers && mkdir -p bin/bench/peers && go run ./cmd/yardstick bin/bench/peers/store > bin/bench/peers/subjects.json
	go test -c -o bin/bench/peers/runner.test ./runner
	cd web && REPRISE_BENCH_STORE=$(CURDIR)/bin/bench/peers/store REPRISE_BENCH_SUBJECTS=$(CURDIR)/bin/bench/peers/subjects.json \
	  REPRISE_BENCH_RUNNER=$(CURDIR)/bin/bench/peers/runner.test REPRISE_BENCH_OUT=$(CURDIR)/bin/bench npx vitest run --project bench peers

.PHONY: bench-archives bench-large bench-front bench-replay bench-sessions
bench-archives: build $(ORAS) ## publishing and pulling a gigabyte, beside oras and beside a plain copy with sha256
	REPRISE=$(CURDIR)/bin/reprise ORAS=$(ORAS) fixtures/archives.sh

bench-large: build $(VERSITYGW) ## ten gigabytes to a bucket and to a server, killed on the way: what is sent again, memory; takes 20 GB of disk
	REPRISE=$(CURDIR)/bin/reprise VERSITYGW=$(VERSITYGW) fixtures/large.sh

bench-sessions: ## power and test error against participants, drawn (bin/bench/*.svg), and the speed-up over a shaped link
	mkdir -p bin/bench && go build -o bin/loadtest ./cmd/loadtest
	bin/loadtest power -out bin/bench > bin/bench/power.json
	bin/loadtest error -out bin/bench > bin/bench/error.json
	bin/loadtest link > bin/bench/link.json

bench-front: web browsers ## how soon the front page of a thousand closures can be used, at full speed and at a quarter of it
	$(MAKE) build
	rm -rf bin/bench/zoo && mkdir -p bin/bench && go run ./api/apitest/synthetic bin/bench/zoo 1000
	web/bench/front.sh

bench-replay: web browsers ## a replay on its page beside the bare speed of its engine, and how it leaves the page
	$(MAKE) build
	web/bench/replay.sh

DATA ?=
accuracy: build ## real datasets: make accuracy DATA=folder with mnist/, optdigits/, iris/, wine/, breast-cancer/, trashnet-subset/, cifar10-subset/
	@test -n "$(DATA)" || (echo "make accuracy DATA=DIR: name the folder of the datasets" >&2; exit 2)
	REPRISE=bin/reprise fixtures/accuracy.sh "$(DATA)"

.PHONY: aggregation
aggregation: build ## what the width of gradients and local steps cost in accuracy: make aggregation DATA=folder with mnist/
	@test -n "$(DATA)" || (echo "make aggregation DATA=DIR: name the folder of the datasets" >&2; exit 2)
	REPRISE=bin/reprise fixtures/aggregation.sh "$(DATA)"

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p; done; done

test-kills: $(VERSITYGW) ## 200 kills of whoever publishes to a directory and to a bucket, and of servers, at least half inside a write
	REPRISE_TEST_KILLS=200 go test -v -count 1 -timeout 60m -run '^Test(Killed.*|ServerKilledWhilePublishing)$$' ./zoo/directory ./zoo/s3 ./cmd/reprise

test-farlink: ## a session whose participants are in network namespaces, behind links that are slow and cut; needs root
	go build -o bin/farlink ./trainer/internal/farlink
	REPRISE_FARLINK=$(CURDIR)/bin/farlink go test -count 1 -v -run TestSessionFarAway ./cmd/reprise

test-all: test test-kills test-farlink $(COSIGN) $(MINIO) ## and cosign and MinIO, which take ten minutes each to build, PyTorch's layers, curves and exports
	REPRISE_MINIO=1 go test -count 1 -timeout 60m -run MinIO ./zoo/s3
	REPRISE_COSIGN=$(COSIGN) go test -count 1 -run TestServerWithCosign ./cmd/reprise
	@/usr/bin/python3 -c 'import torch' 2>/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-torch >/dev/null)
	REPRISE_PYTORCH=/usr/bin/python3 go test -count 1 -run PyTorch ./fixtures/golden ./closure/modelfile ./wasm

# The suite is the folder conformance of the specification's repository, opencontainers/distribution-spec: at v1.1.1 "go test -c" makes a
# program of it, later "go build".
SUITE ?=
test-distribution: ## the OCI distribution specification's own suite against the server: make test-distribution SUITE=conformance.test
	@test -n "$(SUITE)" || (echo "make test-distribution SUITE=PROGRAM: name the suite, built from its sources" >&2; exit 2)
	REPRISE_OCI_SUITE="$(abspath $(SUITE))" go test -count 1 -v -run TestDistributionSuite ./cmd/reprise

test-webkit: web engines ## WebKitGTK computes the same digests
	@command -v WebKitWebDriver >/dev/null && command -v Xvfb >/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq webkit2gtk-driver xvfb >/dev/null)
	$(MAKE) build
	REPRISE_E2E_BROWSERS=webkit web/e2e/run.sh npm run e2e

test-arm64: ## arm64 computes the same digests, under qemu-user
	@command -v qemu-aarch64 >/dev/null || (apt-get update -qq && apt-get install -y -qq qemu-user >/dev/null)
	GOARCH=arm64 go test -exec qemu-aarch64 -timeout 60m ./fixtures/golden ./wasm/ref ./wasm/kernel ./closure
