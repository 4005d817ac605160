# Thin wrappers: each target is one plain command.
GO ?= go
# The race detector needs a C compiler. CI has one and insists on it.
RACE := $(if $(CI),-race,$(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race))

.PHONY: demo test build

demo:
	$(GO) run ./cmd/beampipe demo

test:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@unformatted=$$($(GO) tool gofumpt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not formatted with gofumpt:"; echo "$$unformatted"; exit 1; fi
	$(GO) test $(RACE) ./...

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o beampipe ./cmd/beampipe
