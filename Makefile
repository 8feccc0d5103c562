# One set of flags for everything, so that it is compiled once.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -trimpath

LINTER   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME := 5s

# What the tests need besides Go, as Debian names it: a C compiler for the race detector, a browser for the page, node
# (20 or newer) for its modules, tc to lay slow lines, and a PostgreSQL server, whose programs are not in the path. Without
# all but the first, the tests that want them are skipped.
COMMANDS := gcc chromium node ip tc /usr/lib/postgresql/*/bin/initdb
PACKAGES := gcc libc6-dev chromium nodejs iproute2 postgresql

.PHONY: build test test-cluster packages lint vet-linux vet-darwin vet-windows fuzz bench clean

# A static binary: bin/tickerd.
build:
	go build -ldflags='-s -w' -o bin/tickerd ./cmd/tickerd

# Every test, with the race detector, and anew: what tests the binary depends on more than Go sees. Those of connections a
# second time, with the driver that other systems have. Without a C compiler:
# make test RACE=
# The clusters of processes come last and alone, as they are used and in a short form: three nodes on two cores have no time
# for anything beside.
RACE := -race
test: packages
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -count=1 $$(go list ./... | grep -v /e2e/cluster$$)
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -count=1 -tags=portable ./gateway ./gateway/loop
	go test -count=1 -parallel=5 ./e2e/cluster -args -faults=15s -takeovers=1

# Clusters of processes, on the loopback and in network namespaces: faults at random for FAULTS, of which docs/reliability.md
# has the figures. SEED has the same ones made again.
FAULTS := 5m
SEED := 0
test-cluster: packages
	go test -count=1 -parallel=1 -v -timeout=60m ./e2e/cluster -args -faults=$(FAULTS) -seed=$(SEED) -takeovers=20

# Installs what the tests need, where root may do so with apt-get.
packages:
	@for c in $(COMMANDS); do command -v $$c >/dev/null || missing="$$missing $$c"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; echo "missing:$$missing"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(PACKAGES); fi

# Everything that is read and not run.
lint: vet-linux vet-darwin vet-windows
	@echo gofmt -l .; gofmt -l . | (! grep .)
	go mod tidy -diff
	go run $(LINTER) run

vet-linux vet-darwin vet-windows: vet-%:
	GOOS=$* go build ./... && GOOS=$* go vet ./...

# Each fuzz test for FUZZTIME.
fuzz:
	@grep -rHo '^func Fuzz[A-Za-z]*' --include='*_test.go' . | sed 's|/[^/]*:func | |' | while read -r dir name; do \
		echo "$$dir $$name"; go test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) "$$dir" || exit; done

# What the code costs, and the figures of the README.
bench:
	go test -run='^$$' -bench=. -benchmem $$(go list ./... | grep -v /e2e)
	go test -run='^$$' -bench=. -benchtime=1x ./e2e

clean:
	rm -rf bin
