# `make help` lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Where the host's build goes; set it to share one between checkouts.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# Where the guests' build goes: another target and another toolchain.
export RINGFENCE_GUEST_TARGET_DIR ?= $(CURDIR)/guest-examples/target
# Where the built components are.
export RINGFENCE_GUESTS := $(CURDIR)/target/guests
# The official clients and real payloads that the tests use.
export RINGFENCE_CLIENTS_DIR ?= $(CURDIR)/target/clients
export RINGFENCE_BIN := $(CARGO_TARGET_DIR)/debug/ringfence

# Cargo unifies features over the packages that it builds; always building the
# whole workspace keeps it from building wasmtime twice.
CARGO_BUILD := cargo build --locked --workspace --bins

.PHONY: help setup build guests clients demo test lint format bench

help: ## Lists the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: ## Installs what is missing to build rules.
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs" >&2; exit 2; }
	@command -v cc >/dev/null || { echo "A C compiler is missing (it builds SQLite): install gcc or clang" >&2; exit 2; }
	@scripts/setup-guests.sh

build: ## Builds the command.
	@command -v cargo >/dev/null || { echo "Rust is missing: install it from https://rustup.rs" >&2; exit 2; }
	@$(CARGO_BUILD)
	@echo "built $(RINGFENCE_BIN)" >&2

guests: setup build ## Builds the example rules into target/guests.
	@$(RINGFENCE_BIN) build --out-dir $(RINGFENCE_GUESTS) $(dir $(wildcard guest-examples/*/rule.toml))

clients: ## Installs the clients and payloads that the tests use.
	@scripts/setup-clients.sh

demo: guests ## Shows a storm in three of eight tenants, and what the others notice.
	@$(RINGFENCE_BIN) demo

test: guests clients ## Runs all tests, native and WebAssembly.
	@cargo test --locked --workspace
	@$(RINGFENCE_BIN) test guest-examples

lint: ## Checks format and lints.
	@cargo fmt --all --check
	@cargo fmt --manifest-path guest-examples/Cargo.toml --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

format: ## Formats the code.
	@cargo fmt --all
	@cargo fmt --manifest-path guest-examples/Cargo.toml --all

bench: guests ## Measures; builds with optimization, which takes a while.
	@cargo build --locked --release --workspace --bins
	@$(CARGO_TARGET_DIR)/release/execute
	@$(CARGO_TARGET_DIR)/release/ingest
