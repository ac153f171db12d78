#!/bin/sh
# Builds the example rules in JavaScript and Python into $RINGFENCE_GUESTS, by
# default target/guests, with componentize-qjs and componentize-py. Their
# versions are pinned in guest-examples/toolchains; they are installed into
# $RINGFENCE_TOOLCHAINS_DIR, by default target/toolchains.
#
# Nothing is stubbed out: these components import WASI. Running it again does
# nothing until a source, the WIT package or a pin changes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
examples=$root/guest-examples
pins=$examples/toolchains
tools=${RINGFENCE_TOOLCHAINS_DIR:-$root/target/toolchains}
guests=${RINGFENCE_GUESTS:-$root/target/guests}

say() { echo "build-scripted-guests: $*" >&2; }

for tool in node npm python3; do
    command -v "$tool" >/dev/null || {
        say "\`$tool\` is needed and not installed"
        exit 1
    }
done

# is_done STAMP-FILE STAMP
is_done() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

stamp=$(cat "$pins/package.json" "$pins/package-lock.json" "$pins/requirements.txt" | cksum)
if ! is_done "$tools/.stamp" "$stamp"; then
    say "installing the toolchains into $tools"
    mkdir -p "$tools"
    rm -f "$tools/.stamp"
    cp "$pins/package.json" "$pins/package-lock.json" "$tools/"
    (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    python3 -m venv --clear "$tools/python"
    "$tools/python/bin/pip" install --quiet --no-deps -r "$pins/requirements.txt" >&2
    # Last, so that an installation that was interrupted is begun again.
    printf '%s\n' "$stamp" >"$tools/.stamp"
fi

# build NAME SOURCE COMMAND...: the command gets the component's path last.
build() {
    name=$1 source=$2
    shift 2
    built="$stamp $(cat "$source" "$root"/wit/*.wit "$0" | cksum)"
    if [ -f "$guests/$name.wasm" ] && is_done "$tools/$name.stamp" "$built"; then
        return
    fi
    say "building $name"
    mkdir -p "$guests"
    # Under another name first, so that nobody finds half.
    "$@" "$guests/$name.tmp" >"$tools/$name.log" 2>&1 || {
        cat "$tools/$name.log" >&2
        exit 1
    }
    mv "$guests/$name.tmp" "$guests/$name.wasm"
    printf '%s\n' "$built" >"$tools/$name.stamp"
}

js() {
    "$tools/node_modules/.bin/componentize-qjs" --sync --wit "$root/wit" --world rule --js "$1" --output "$2"
}

# Bindings are made along with the component.
python() {
    "$tools/python/bin/componentize-py" --wit-path "$root/wit" --world rule \
        componentize --python-path "$(dirname "$1")" "$(basename "$1" .py)" --output "$2"
}

source=$examples/js-survey/survey.js
build js-survey "$source" js "$source"
source=$examples/js-attacks/attacks.js
build js-attacks "$source" js "$source"
source=$examples/python-office-hours/office_hours.py
build python-office-hours "$source" python "$source"
