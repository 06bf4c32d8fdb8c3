# make demo and make test do all of their set-up themselves; Go, Node and a Debian system are all they need.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

GOLANGCI_LINT_VERSION := v2.15.0
TOOLS := $(CURDIR)/bin/tools
LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
GO_SOURCES := $(shell git ls-files -co --exclude-standard '*.go' '*.json' '*.yaml' go.mod go.sum)

export CGO_ENABLED ?= 0

## The main job and its proof

.PHONY: build demo test
build: bin/reprise ## the command, one static binary

bin/reprise: $(GO_SOURCES)
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/reprise

demo: build ## dataset, training, publishing, verifying, replaying
	bin/reprise demo

test: test-go test-web e2e ## everything that CI runs, but the linters

.PHONY: test-go test-web e2e race
test-go:
	go test ./...

race:
	CGO_ENABLED=1 go test -race ./closure/... ./zoo/... ./runner/... ./schema/...

test-web: web/node_modules
	cd web && npm test

# Browsers against real closures that the command line has just trained.
e2e: build browsers web/node_modules
	$(archive)
	cd web && $(archived) $(golden) npm run e2e

# A store with freshly trained closures, and what tells the browser tests of it.
archive = rm -rf bin/e2e && bin/reprise --store bin/e2e/store -q demo --data bin/e2e/data && \
  go test ./fixtures/golden -count 1 -run TestExport -export $(CURDIR)/bin/e2e/golden
golden = REPRISE_E2E_GOLDEN=$(CURDIR)/bin/e2e/golden
archived = REPRISE_E2E_STORE=$(CURDIR)/bin/e2e/store \
  REPRISE_E2E_CLOSURES=$$(cd .. && bin/reprise --store bin/e2e/store --json list | node -e ' \
    const list = JSON.parse(require("fs").readFileSync(0)); \
    console.log(list.filter((x) => x.kind === "closure").map((x) => x.digest).join(","))')

.PHONY: web
web: web/node_modules ## the built site, which the command embeds
	cd web && npm run build

## Set-up

.PHONY: browsers
browsers:
	@command -v chromium >/dev/null && command -v firefox-esr >/dev/null || \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium firefox-esr >/dev/null)

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
	@for d in schema wasm closure zoo runner fixtures cmd web/src; do \
	  printf '%-10s %6d  tests %6d\n' $$d \
	    $$(git ls-files "$$d" | grep -E '\.(go|ts)$$' | grep -vE '(_test\.go|\.test\.ts|/gen/)$$' | xargs -r cat | wc -l) \
	    $$(git ls-files "$$d" | grep -E '(_test\.go|\.test\.ts)$$' | xargs -r cat | wc -l); done

## Longer runs, apart from CI

.PHONY: bench accuracy fuzz test-webkit test-arm64
bench: build browsers web/node_modules ## speed in wazero and in Chromium, beside the peak of each
	go test -run '^$$' -bench . -benchtime 2s ./runner/... ./wasm/... ./zoo/... ./closure/...
	rm -rf bin/bench && mkdir -p bin/bench && go run ./cmd/yardstick bin/bench/store > bin/bench/subjects.json
	cd web && REPRISE_BENCH_STORE=$(CURDIR)/bin/bench/store REPRISE_BENCH_SUBJECTS=$(CURDIR)/bin/bench/subjects.json npm run bench

DATA ?=
accuracy: build ## real datasets: make accuracy DATA=folder with mnist/, optdigits/, iris/, wine/, breast-cancer/, trashnet-subset/, cifar10-subset/
	@test -n "$(DATA)" || (echo "make accuracy DATA=DIR: name the folder of the datasets" >&2; exit 2)
	REPRISE=bin/reprise fixtures/accuracy.sh "$(DATA)"

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p; done; done

test-webkit: build web/node_modules ## WebKitGTK computes the same digests
	@command -v WebKitWebDriver >/dev/null && command -v Xvfb >/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq webkit2gtk-driver xvfb >/dev/null)
	$(archive)
	cd web && $(archived) $(golden) REPRISE_E2E_BROWSERS=webkit npm run e2e

test-arm64: ## arm64 computes the same digests, under qemu-user
	@command -v qemu-aarch64 >/dev/null || (apt-get update -qq && apt-get install -y -qq qemu-user >/dev/null)
	GOARCH=arm64 go test -exec qemu-aarch64 -timeout 60m ./fixtures/golden ./wasm/ref ./wasm/kernel ./closure
