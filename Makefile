# Thin wrappers: each target is one plain command.
GO ?= go
# The race detector needs a C compiler. CI has one and insists on it.
RACE := $(if $(CI),-race,$(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race))
# How long each fuzz target runs.
FUZZTIME ?= 60s

.PHONY: demo test test-real test-exports fuzz build

demo:
	$(GO) run ./cmd/beampipe demo

test:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@unformatted=$$($(GO) tool gofumpt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted with gofumpt:"; echo "$$unformatted"; exit 1; fi
	$(GO) test $(RACE) -timeout 20m ./...

# Against real servers and other readers: docs/testing.md.
test-real:
	test/rigs/tap/install stilts
	test/rigs/tap/with $(GO) test $(RACE) -p 1 -count=1 -timeout 20m ./test/real/... ./vo/tap
	$(GO) test $(RACE) -count=1 -run Stilts ./vo/votable

# What is exported, against the public validators: test/validators/README.md.
test-exports: export BEAMPIPE_VALIDATORS ?= $(or $(TMPDIR),/tmp)/beampipe-validators
test-exports:
	test/validators/install
	$(GO) test -count=1 ./test/validators

fuzz:
	$(GO) test ./vo/votable -run '^$$' -fuzz '^FuzzReader$$' -fuzztime $(FUZZTIME)
	$(GO) test ./configs -run '^$$' -fuzz '^FuzzADQL$$' -fuzztime $(FUZZTIME)
	$(GO) test ./provenance -run '^$$' -fuzz '^FuzzRedact$$' -fuzztime $(FUZZTIME)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o beampipe ./cmd/beampipe
