#!/usr/bin/env bash
# Measures the front page of a zoo of a thousand synthetic closures (bin/bench/zoo), served by the built command.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
"$root/bin/reprise" --store "$root/bin/bench/zoo" --json serve --addr 127.0.0.1:0 >"$root/bin/bench/serve.json" &
server=$!
trap 'kill "$server"; wait "$server" || true' EXIT
until [ -s "$root/bin/bench/serve.json" ]; do
  kill -0 "$server" # else it has given up, and said why
  sleep 0.1
done
cd "$root/web"
REPRISE_BENCH_SITE=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).url' "$root/bin/bench/serve.json") npm run bench -- front
