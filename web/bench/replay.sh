#!/usr/bin/env bash
# Measures a replay on a closure's page, served by the built command: its speed beside the bare speed of the same engine, and
# how it leaves the page.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
reprise=$root/bin/reprise
work=$root/bin/bench/replay
rm -rf "$work"
mkdir -p "$work"
"$reprise" --store "$work/store" -q demo --no-serve --data "$work/data"
# Long enough to be measured, and evaluated at the end alone: between the two moments that are compared there are only steps, as in the
# bare speed.
steps=${REPRISE_BENCH_STEPS:-4000}
sed -e "s/^name: .*/name: long-replay/" -e "s/^  epochs: .*/  steps: $steps\n  evaluate: {every: $steps}/" "$root/fixtures/specs/mnist-cnn.yaml" >"$work/long.yaml"
"$reprise" --store "$work/store" -q train "$work/long.yaml" -o "$work/long"
"$reprise" --store "$work/store" -q publish "$work/long"
"$reprise" --store "$work/store" --json serve --addr 127.0.0.1:0 >"$work/serve.json" &
server=$!
trap 'kill "$server"; wait "$server" || true' EXIT
until [ -s "$work/serve.json" ]; do
  kill -0 "$server" # else it has given up, and said why
  sleep 0.1
done
cd "$root/web"
REPRISE_BENCH_SITE=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).url' "$work/serve.json") \
  REPRISE_BENCH_CLOSURE=long-replay npm run bench -- replay
