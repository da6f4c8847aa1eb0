# aztec-spartan: plain `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell packaging/scripts/version.sh)
# `sudo make install` finds no Go, mostly.
ARCH    ?= $(or $(shell go env GOARCH 2>/dev/null),$(patsubst x86_64,amd64,$(patsubst aarch64,arm64,$(shell uname -m))))
export CGO_ENABLED := 0
export SOURCE_DATE_EPOCH ?= $(shell git show -s --format=%ct HEAD 2>/dev/null || echo 0)

NFPM        := env -u GOARCH go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := go run mvdan.cc/gofumpt@v0.12.0
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Targets beside each other: each one's output comes when it is through. LAST is for what computes beside what waits: it gives way,
# but not so far that a network's patience ends.
BESIDE := $(MAKE) --jobs=2 --output-sync=target
LAST   := nice
WITH_DEB = AZTEC_SPARTAN_DEB=$(CURDIR)/dist/aztec-spartan_$(ARCH).deb

TAGS := booted,packages,oracle,strace,real,inhost,soak,profile,vm

# Where `make install` puts the files: /usr or /usr/local. The program knows its own path, so build with the same PREFIX.
PREFIX  ?= /usr
DESTDIR ?=

.PHONY: help build test test-unit test-hard test-booted test-real image test-node test-image test-vm test-docker demo bench lint vuln soak package packages install uninstall repo release test-packages deps clean golden

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the static binary with its man pages and completions, in dist/
	GOARCH=$(ARCH) go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.program=$(PREFIX)/bin/aztec-spartan' -o dist/aztec-spartan-$(ARCH) ./cmd/aztec-spartan
	packaging/scripts/docs.sh $(VERSION) dist

deps: # what tests and demo need from the distribution; needs root
	packaging/scripts/deps.sh

test: deps ## unit, golden and CLI tests, and booted hosts with the stub node (root)
	$(MAKE) test-unit
	$(BESIDE) test-booted test-hard

test-unit:
	CGO_ENABLED=1 go test -race -timeout 30m ./...
	promtool check rules packaging/metrics/alerts.yml && promtool test rules packaging/metrics/alerts_test.yml
	promtool check metrics <cmd/aztec-spartan/testdata/metrics.prom

# Oracles, deaths at system calls, fuzzing: work for processors. Booted hosts mostly wait, so both are done at a time, and what
# asks for time comes first.
test-hard: # root
	$(LAST) go test -tags oracle,strace -run 'Oracle|Strace' -timeout 40m ./extract/... ./units/data
	$(LAST) packaging/scripts/fuzz.sh 30s ./extract:FuzzDocument ./extract/internal/layer:FuzzScan ./extract/internal/rootfs:FuzzApply
	$(LAST) packaging/scripts/fuzz.sh 5s ./extract:FuzzConfig ./extract:FuzzReference ./extract/internal/layer:FuzzList ./extract/internal/archive ./extract/internal/inflate ./extract/internal/registry

# Four hosts at a time, of one package.
test-booted: package
	$(WITH_DEB) go test -tags booted -run $(call named,booted) -p 1 -parallel 4 -count=1 -timeout 60m $(call tagged,booted)

test-real: image package ## the real Aztec node on a booted host, with a local L1 (root; first run builds the image)
	$(BESIDE) test-node test-image

image: deps # the real node's, where it is not in the cache yet; minutes, many of them for the network
	go run ./packaging/realimage/build >/dev/null

test-node:
	$(WITH_DEB) go test -tags real -run 'Real|Contract' -p 1 -count=1 -timeout 40m -v $(filter-out ./extract/,$(call tagged,real))

test-image:
	$(LAST) go test -tags real -run Real -count=1 -timeout 40m -v ./extract

test-packages: deps package ## all tests of packages, also a release, SELinux, unattended upgrades (root, and the Debian archive)
	$(WITH_DEB) go test -tags packages -parallel 4 -count=1 -timeout 30m -v ./packaging/packages

test-vm: deps package ## cgroups, BPF, reboots, a TPM, power cuts and the clock in a virtual machine (root; an hour; VM_CUTS=20: that many more cuts)
	packaging/scripts/deps.sh qemu-system-x86 nbdkit swtpm
	$(WITH_DEB) go test -tags vm -run TestVM -count=1 -timeout 3h -v ./cmd/aztec-spartan

# The files of tests with a build tag, their packages, and the tests in them, for -run: those of no tag are in test-unit.
files  = $(shell git grep -lE '^//go:build .*\b$(1)\b' -- '*_test.go')
tagged = $(addprefix ./,$(sort $(dir $(call files,$(1)))))
named  = '^($(shell grep -ohE '^func Test[A-Za-z0-9_]+' $(call files,$(1)) | cut -c 6- | sort -u | paste -sd'|'))$$'

demo: ## the main job on a throwaway host, from nothing (root)
	packaging/scripts/deps.sh --demo
	$(MAKE) package
	go run ./packaging/demo -deb dist/aztec-spartan_$(ARCH).deb

bench: deps build ## pulls and updates with this and with other tools, compared in dist/bench (root)
	go run ./packaging/bench -binary dist/aztec-spartan-$(ARCH) -out dist/bench

soak: deps package ## long runs: the real node for half an hour, an hour for each fuzz target
	$(WITH_DEB) packaging/scripts/soak.sh

test-docker: deps package ## adopt, with real docker on booted hosts (root; not part of make test: the first run builds larger hosts)
	$(WITH_DEB) go test -tags soak -run SoakAdopt -p 1 -count=1 -timeout 15m -v ./cmd/aztec-spartan ./packaging/handbook

golden: ## rewrite golden files after an intended change
	go test $(sort $(dir $(addprefix ./,$(shell grep -rl --include='*_test.go' '"update", false' cmd extract profiles units)))) -update

lint: ## gofumpt, vet, staticcheck
	@out=$$($(GOFUMPT) -l .) && { [ -z "$$out" ] || { echo "gofumpt: $$out"; exit 1; }; }
	go vet -tags $(TAGS) ./...
	$(STATICCHECK) -tags $(TAGS) ./...

vuln: ## govulncheck; needs the vulnerability database on the web
	$(GOVULNCHECK) ./...

package: build ## the deb and the rpm of this machine's architecture, in dist/
	NFPM='$(NFPM)' packaging/scripts/package.sh $(VERSION) $(ARCH) dist

packages: ## the packages of both architectures, in dist/
	$(MAKE) package ARCH=amd64 VERSION=$(VERSION)
	$(MAKE) package ARCH=arm64 VERSION=$(VERSION)

install: ## what the package holds, without one: DESTDIR=, PREFIX=/usr or /usr/local; after `make build` for the same
	DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) packaging/scripts/install.sh install dist $(ARCH)

uninstall: ## the way back; settings, images, data and nodes stay
	DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) packaging/scripts/install.sh uninstall dist $(ARCH)

repo: ## signed repositories for apt and dnf, in dist/repo, of the packages in dist/: KEY=you@example.com URL=http://...
	packaging/scripts/repo.sh '$(KEY)' '$(URL)' dist dist/repo

release: ## packages, checksums, SBOM and provenance of VERSION=1.2.3, in dist/release; refuses a dirty tree
	NFPM='$(NFPM)' packaging/scripts/release.sh '$(if $(filter command line,$(origin VERSION)),$(VERSION))' dist

clean: ## remove what was built here; caches stay
	rm -rf dist
