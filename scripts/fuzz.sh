#!/usr/bin/env bash
# Fuzzes what reads bytes of tenants, for as long as wanted:
#
#   scripts/fuzz.sh TARGET [SECONDS]
#
# TARGET is `upload` (any bytes), `module` (modules made of any bytes, as rules),
# `handle` (what a rule returns) or `lineage` (lineage tokens). What the session learns is kept in
# fuzz/corpus, and what it finds in fuzz/artifacts.
#
# The tests run the same functions on fixed inputs each time, so this is for
# long sessions, and not a part of what every change has to pass. It needs a
# nightly toolchain and cargo-fuzz, and builds wasmtime instrumented, which
# takes some minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?"say what to fuzz: upload, module, handle or lineage"}
seconds=${2:-60}

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "there is no nightly toolchain: rustup toolchain install nightly" >&2
    exit 2
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "there is no cargo-fuzz: cargo install cargo-fuzz" >&2
    exit 2
fi

# Made by the workspace: what is instrumented can only be fuzzed.
seeds=fuzz/seeds
mkdir -p "fuzz/corpus/$target"
cargo build --workspace --example seeds
"${CARGO_TARGET_DIR:-target}/debug/examples/seeds" "$seeds"
export CARGO_TARGET_DIR=${RINGFENCE_FUZZ_TARGET_DIR:-$PWD/fuzz/target}
# No sanitizer: what is fuzzed is safe Rust around an engine that catches
# signals itself. Two threads' worth of stack, as uploads have in the server.
build=(--fuzz-dir fuzz --sanitizer none)
cargo +nightly fuzz build "${build[@]}" "$target"
ulimit -s 2048
cargo +nightly fuzz run "${build[@]}" "$target" "fuzz/corpus/$target" "$seeds/$target" -- \
    -max_total_time="$seconds" -max_len=32768 -timeout=60 -rss_limit_mb=4096
