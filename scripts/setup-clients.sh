#!/bin/sh
# Installs what the whole-system tests send with: the official CloudEvents
# clients for JavaScript and Python, and GitHub's example webhook bodies.
#
# Versions are pinned in tests/clients. Running it again changes nothing
# until a pin changes. Goes into $RINGFENCE_CLIENTS_DIR, by default
# target/clients.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
pins=$root/tests/clients
dir=${RINGFENCE_CLIENTS_DIR:-$root/target/clients}

for tool in node npm python3; do
    command -v "$tool" >/dev/null || {
        echo "setup-clients: \`$tool\` is needed and not installed" >&2
        exit 1
    }
done

stamp=$(cat "$pins/package.json" "$pins/package-lock.json" "$pins/requirements.txt" | cksum)
if [ -f "$dir/.stamp" ] && [ "$(cat "$dir/.stamp")" = "$stamp" ]; then
    exit 0
fi

mkdir -p "$dir"
rm -f "$dir/.stamp"
echo "setup-clients: installing test clients into $dir" >&2
cp "$pins/package.json" "$pins/package-lock.json" "$dir/"
(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
python3 -m venv --clear "$dir/python"
"$dir/python/bin/pip" install --quiet --no-deps -r "$pins/requirements.txt" >&2
# Last, so that an installation that was interrupted is begun again.
printf '%s\n' "$stamp" >"$dir/.stamp"
