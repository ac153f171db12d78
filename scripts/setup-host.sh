#!/usr/bin/env bash
# Checks that this machine can build the host: Cargo, and a C compiler and
# linker for the bundled SQLite. Installs the latter where that is possible
# without asking.
set -euo pipefail

say() { printf '%s\n' "setup: $*" >&2; }

if ! command -v cargo >/dev/null; then
    say "cargo is not installed, or not on the PATH."
    say "Install Rust from https://rustup.rs, open a new shell, and run this again."
    exit 2
fi

required=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml")
found=$(rustc --version | sed 's/^rustc \([0-9.]*\).*/\1/')
if [[ $(printf '%s\n' "$required" "$found" | sort -V | head -n 1) != "$required" ]]; then
    say "Rust $required or newer is needed; $found is installed. Run \`rustup update stable\`."
    exit 2
fi

if command -v cc >/dev/null; then
    exit 0
fi

as_root=()
if [[ $(id -u) -ne 0 ]]; then
    as_root=(sudo -n)
fi
if command -v apt-get >/dev/null && { [[ ${#as_root[@]} -eq 0 ]] || sudo -n true 2>/dev/null; }; then
    say "installing a C compiler"
    "${as_root[@]}" apt-get update -qq >&2
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends gcc libc6-dev >&2
else
    say "a C compiler (\`cc\`) is needed to build SQLite and to link."
    say "Install one: on Debian and Ubuntu \`apt-get install gcc libc6-dev\`."
    exit 2
fi
