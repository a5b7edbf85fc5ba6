#!/usr/bin/env bash
# What a newcomer does first: start the demo and paste the curl lines it prints.
#
#   tests/demo.sh [path of the openrouter-proxy binary]
#
# Takes free ports instead of the usual ones. Prints the counts on a line of their own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
binary=$(realpath "${1:-$target/release/openrouter-proxy}")
work=$(mktemp -d)
trap 'kill -KILL "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT

# shellcheck source=tests/checks.sh
. "$root/tests/checks.sh"

(cd "$work" && exec env -i PATH="$PATH" "$binary" demo --port 0 --admin-port 0 >"$work/out" 2>"$work/err") &
pid=$!
for _ in $(seq 150); do
  grep -q 'Ctrl-C' "$work/out" && break
  sleep 0.2
done

# The commands as they are printed: from "curl" to the line that does not go on.
awk '/^curl/ { on = 1 } on { print; if (!/\\$/) on = 0 }' "$work/out" >"$work/commands"
cat "$work/out" "$work/err"
sed -n '1,3p' "$work/commands" >"$work/plain"
sed -n '4,6p' "$work/commands" >"$work/streamed"
export no_proxy=127.0.0.1

# Six times, so that each of the six keys, the bad ones among them, has its turn.
for turn in $(seq 6); do
  bash "$work/plain" >"$work/answer" 2>/dev/null || true
  check "the printed curl, turn $turn" grep -q '"chat.completion"' "$work/answer"
done
bash "$work/streamed" >"$work/answer" 2>/dev/null || true
check 'the printed streaming curl' grep -q '^data: \[DONE\]' "$work/answer"
check 'tokens come one by one' test "$(grep -c '^data: {' "$work/answer")" -gt 30

kill -INT "$pid"
status=0
wait "$pid" || status=$?
check 'Ctrl-C ends the demo in order' test "$status" -eq 0
checked demo
