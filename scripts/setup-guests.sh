#!/bin/sh
# Makes sure that this machine can compile Rust rules for WebAssembly, and
# says by which way. Quick when there is nothing to do. The ways, in the order
# in which `ringfence build` looks for them:
#   1. the target is installed (rustup target add wasm32-unknown-unknown);
#   2. only the standard library's source is, and it is compiled along.
# Debian's packages bring a complete toolchain of the second kind, for
# machines that rustup cannot download to.
set -eu

target=wasm32-unknown-unknown
packages="rustc-web cargo-web rust-web-src rust-web-llvm lld-22"
# rustup waits for long where it cannot reach its server.
rustup_seconds=60

say() { echo "setup-guests: $*"; }

# has_target RUSTC
has_target() {
    sysroot=$("$1" --print sysroot 2>/dev/null) || return 1
    [ -d "$sysroot/lib/rustlib/$target/lib" ]
}

# has_source RUSTC CARGO
has_source() {
    "$2" --version >/dev/null 2>&1 || return 1
    sysroot=$("$1" --print sysroot 2>/dev/null) || return 1
    library=$sysroot/lib/rustlib/src/rust/library
    [ -f "$library/Cargo.lock" ] && [ -f "$library/std/Cargo.toml" ] || return 1
    # The linker is a package of its own on Debian.
    for linker in "$sysroot"/lib/rustlib/*/bin/rust-lld "$sysroot/bin/rust-lld"; do
        [ -x "$linker" ] && return 0
    done
    return 1
}

# report RUSTC HOW
report() {
    say "$(command -v "$1") $2"
}

# Succeeds, and says so, if there is a toolchain.
ready() {
    for rustc in rustc /usr/bin/rustc; do
        if has_target "$rustc"; then
            report "$rustc" "has the target $target"
            return 0
        fi
    done
    if has_source rustc cargo; then
        report rustc "compiles the standard library for $target from source"
    elif has_source /usr/bin/rustc /usr/bin/cargo; then
        report /usr/bin/rustc "compiles the standard library for $target from source"
    else
        return 1
    fi
}

# install_packages PACKAGE...: needs root, directly or through sudo.
install_packages() {
    command -v apt-get >/dev/null || return 1
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return 1
        sudo=sudo
    fi
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

if ready; then
    exit 0
fi

if command -v rustup >/dev/null; then
    say "trying: rustup target add $target"
    if timeout "$rustup_seconds" rustup target add "$target" >&2 && ready; then
        exit 0
    fi
    say "rustup cannot install it"
fi

say "trying: apt-get install $packages"
# shellcheck disable=SC2086 # the packages are several words
if install_packages $packages >&2 && ready; then
    exit 0
fi

say "there is no toolchain for $target. Run \`rustup target add $target\`, or as root" \
    "\`apt-get install $packages\`" >&2
exit 1
