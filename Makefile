# Everything a newcomer needs. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
GUEST_TARGET_DIR := $(abspath $(or $(RINGFENCE_GUEST_TARGET_DIR),guest-examples/target))

# What the tests and the demonstration find their programs and rules by.
export RINGFENCE_BIN := $(TARGET_DIR)/debug/ringfence
export RINGFENCE_GUESTS := $(abspath target/guests)
export RINGFENCE_GUEST_TARGET_DIR := $(GUEST_TARGET_DIR)

RULES := $(patsubst %/rule.toml,%,$(wildcard guest-examples/*/rule.toml))

# The whole workspace is always selected: Cargo unifies features over what is
# selected, so any other choice would build wasmtime a second time.
CARGO_TEST = $(if $(shell cargo nextest --version 2>/dev/null),nextest run --no-fail-fast,test --no-fail-fast --lib --bins --tests)

.PHONY: help demo demo-feedback-loop test build guests setup setup-tests lint audit bench bench-neighbours

help: ## Says what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do \
	    printf 'make %-18s %s\n' "$$name" "$$what"; \
	done

demo: guests ## A server, eight tenants, a storm in three of them: a table of what happened
	@"$(RINGFENCE_BIN)" demo $(DEMO)

demo-feedback-loop: guests ## A feedback loop in one of 50 tenants, without protection and with it
	@"$(RINGFENCE_BIN)" demo --scenario feedback-loop $(DEMO)

test: guests setup-tests ## All tests: native, WebAssembly, whole system
	cargo $(CARGO_TEST) --workspace
	cargo test --workspace --doc
	CARGO_TARGET_DIR="$(GUEST_TARGET_DIR)" cargo test --manifest-path guest-examples/Cargo.toml
	"$(RINGFENCE_BIN)" test guest-examples --component "$(RINGFENCE_GUESTS)"

build: ## The command, and prints where it is
	@scripts/setup-host.sh
	cargo build --workspace
	@echo "$(RINGFENCE_BIN)"

guests: setup ## The example rules, into target/guests
	cargo build --workspace
	@"$(RINGFENCE_BIN)" build --out-dir "$(RINGFENCE_GUESTS)" $(RULES) >/dev/null

setup: ## What building needs and this machine lacks
	@scripts/setup-host.sh
	@scripts/setup-guests.sh

setup-tests:
	@scripts/setup-clients.sh
	@scripts/build-scripted-guests.sh
	@scripts/build-wasip2-guest.sh

lint: ## Format and lints, as they are checked before a change is taken
	cargo fmt --check
	cd guest-examples && cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings

audit: ## Licences, duplicates, sources and known vulnerabilities of the dependencies
	@scripts/audit.sh

bench: guests setup-tests ## Ringfence beside its peers, built with optimization
	cargo build --release --workspace --bins
	@"$(TARGET_DIR)/release/execute"
	@"$(TARGET_DIR)/release/growth"
	@"$(TARGET_DIR)/release/graph"
	@"$(TARGET_DIR)/release/pulse"
	@"$(TARGET_DIR)/release/schedule"
	@"$(TARGET_DIR)/release/cascades"
	@"$(TARGET_DIR)/release/progress"
	@"$(TARGET_DIR)/release/calibrate"
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/hostile"
	@TMPDIR=/dev/shm RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/small"
	@"$(TARGET_DIR)/release/languages"
	@"$(TARGET_DIR)/release/copies"
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/workers"
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/ingest"
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/backlog"
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/rules"
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/compile"

bench-neighbours: guests ## What calm tenants notice of hostile ones, beside the same with FIFO; ten minutes
	cargo build --release --workspace --bins
	@RINGFENCE_BIN="$(TARGET_DIR)/release/ringfence" "$(TARGET_DIR)/release/neighbours" \
	    --json "$(TARGET_DIR)/neighbours.json" $(NEIGHBOURS)
