#!/bin/sh
# Builds the rule `with-std` for wasm32-wasip2, as cargo does it by itself,
# into $RINGFENCE_GUESTS, by default target/guests. Installs the target where
# it is missing, for which there is only rustup.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
examples=$root/guest-examples
guests=${RINGFENCE_GUESTS:-$root/target/guests}
built=${RINGFENCE_GUEST_TARGET_DIR:-$examples/target}
target=wasm32-wasip2
# rustup waits for long where it cannot reach its server.
rustup_seconds=60

say() { echo "build-wasip2-guest: $*" >&2; }

has_target() { [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; }

cd "$examples"
if ! has_target; then
    say "trying: rustup target add $target"
    timeout "$rustup_seconds" rustup target add "$target" >&2 || true
fi
if ! has_target; then
    rm -f "$guests/with-std.wasm"
    # Not the end: everything else can be tested.
    say "there is no standard library for $target, so the tests with a rule built" \
        "for it will fail. Run \`rustup target add $target\` where its server can be reached"
    exit 0
fi

say "building with-std for $target"
CARGO_TARGET_DIR=$built cargo build --quiet --locked --release --package with-std --target "$target"
mkdir -p "$guests"
cp "$built/$target/release/with_std.wasm" "$guests/with-std.tmp"
mv "$guests/with-std.tmp" "$guests/with-std.wasm"
