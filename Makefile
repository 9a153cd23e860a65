# Two commands do all of the set-up: `make demo` and `make test`.
# Everything they need they provide: pass, gnupg and git through the system's
# package manager, the pinned Pulumi CLI through this program itself.

GO      ?= go
SANDBOX ?= .sandbox
PKGS    ?= ./...

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-clients test-s3 test-kill test-kill-load test-projects test-drift test-page test-guards lint setup build packages fuzz clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: setup ## Rotate a Stripe secret from end to end in a sandbox
	$(GO) run . rotate --secret stripe --sandbox=$(SANDBOX) --yes

test: setup ## Prove the program right: vet, all tests
	@./scripts/install-packages systemd
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) test -timeout 20m $(PKGS)

test-guards: setup ## Take away one protection after the other (GUARDS="PART..." picks) and see a unit test fail
	@GO="$(GO)" $(GO) run ./internal/guards $(GUARDS)

test-long: setup ## Prove at length, in sandboxes of their own, what takes minutes
	$(GO) test -tags slow -timeout 30m -run TestLong ./internal/e2e

test-clients: setup ## Try npm's wrangler against a sandbox and the Worker module in workerd (downloads both)
	@./scripts/install-packages node
	$(GO) test -tags slow -timeout 20m -run 'Wrangler|Workerd' ./internal/e2e

test-s3: setup ## Prove what needs the state on a real S3 server (builds one)
	$(GO) test -tags slow -timeout 20m -run S3 ./internal/sandbox ./internal/e2e

test-kill: setup ## Kill the program at every event of its journal, again and again, and check what must hold
	$(GO) test -tags slow -timeout 30m -run 'TestKill[A-Z]|History|Invariant|LeakedKey' ./internal/e2e

KILLS ?= 60
SEED  ?= 0

test-kill-load: setup ## Kill it KILLS times at random instants (SEED) on a busy machine, each time run again at once
	$(GO) test -tags slow -timeout 120m -v -run '^TestRandomKills$$' ./internal/e2e -args -kills=$(KILLS) -seed=$(SEED)

test-projects: setup ## Try existing projects of every kind, all forms of config files, many rotations at once
	$(GO) test -tags slow -timeout 20m -run Corpus ./automation/engine
	$(GO) test -tags slow -timeout 20m -run TestProject ./internal/e2e

test-drift: setup ## Change everything behind the program's back and see that `drift` finds it, writes nothing, and mends it
	$(GO) test -tags slow -timeout 20m -run TestDrift ./internal/e2e

test-page: setup ## Look at the drift check's page in headless Chromium (SHOTS=DIR keeps pictures)
	@./scripts/install-packages chromium
	$(GO) test -tags slow -timeout 10m -run Chromium ./internal/report

lint: ## Run golangci-lint with this repository's rules
	@command -v golangci-lint >/dev/null || { echo "golangci-lint is not installed: https://golangci-lint.run/docs/welcome/install/"; exit 1; }
	golangci-lint run

setup: packages ## Provide everything that is missing
	@echo "compiling this program and its dependencies (the first time takes minutes)"
	@GO="$(GO)" ./scripts/compile
	@echo "linking it"
	@$(GO) run . setup

build: ## Build bin/secret-rotation, whose exit codes a script can use
	$(GO) build -o bin/secret-rotation .

packages:
	@./scripts/install-packages

fuzz: ## Fuzz the parsers for half a minute each
	@./scripts/fuzz

clean: ## Remove the sandbox and what was built
	rm -rf $(SANDBOX) bin
