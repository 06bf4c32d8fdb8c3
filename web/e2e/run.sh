#!/usr/bin/env bash
# Everything that the browser tests look at: freshly trained closures in a store, the golden trainings, and a running
# server over a zoo with honest and dishonest closures. Then it runs what it is given, with their places in the
# environment. The command line must have been built, the site with it.
#
#   web/e2e/run.sh npm run e2e
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
reprise=$root/bin/reprise
work=$root/bin/e2e
rm -rf "$work"
mkdir -p "$work"
export XDG_CACHE_HOME=$work/caches # for the index of the store

"$reprise" --store "$work/store" -q demo --no-serve --data "$work/data"
(cd "$root" && go test ./fixtures/golden -count 1 -run TestExport -export "$work/golden")
(cd "$root" && go run ./web/e2e/prepare "$reprise" "$work/site" "$work/closures" bin/engines)

"$reprise" --store "$work/site" --json serve --addr 127.0.0.1:0 >"$work/serve.json" 2>"$work/serve.log" &
server=$!
trap 'kill "$server"; wait "$server" || true' EXIT
until [ -s "$work/serve.json" ]; do
  kill -0 "$server" || { cat "$work/serve.log" >&2; exit 1; }
  sleep 0.1
done
field() { node -e 'const [file, look] = process.argv.slice(1); console.log(eval(`(x) => ${look}`)(JSON.parse(require("fs").readFileSync(file))))' "$1" "$2"; }

"$reprise" --store "$work/store" --json list >"$work/list.json"
export REPRISE_E2E_STORE=$work/store REPRISE_E2E_GOLDEN=$work/golden REPRISE_E2E_LOG=$work/serve.log
REPRISE_E2E_CLOSURES=$(field "$work/list.json" 'x.filter((e) => e.kind === "closure").map((e) => e.digest).join(",")')
REPRISE_E2E_SITE=$(field "$work/serve.json" 'x.url')
export REPRISE_E2E_CLOSURES REPRISE_E2E_SITE
cd "$root/web"
"$@"
