# One door for every check: `make check` is what CI runs.

LINT = go tool -modfile=tools/go.mod golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: check
check: ## run everything CI runs
	bash .ci/run

.PHONY: test
test: ## run the tests
	go test ./...

.PHONY: race
race: ## run the race subset
	bash .ci/run race

.PHONY: lint
lint: ## run golangci-lint and our own rules
	bash .ci/run lint
	go test ./internal/lint

.PHONY: fmt
fmt: ## format all Go code, imports grouped
	$(LINT) fmt

.PHONY: api
api: ## record the exported API in the folder api
	go test ./internal/lint -run TestExportedAPI -update
