#!/usr/bin/env bash
# The dashboard in Chromium: an operator's first day, texts that would like to be scripts, every page in
# every look.
#
#   tests/browser/run.sh [path of the openrouter-proxy binary]
#
# Starts what it needs on free loopback ports in a folder of its own, keeps screenshots of every page in
# the target folder, stops what it started, and prints the counts on a line of their own.
set -euo pipefail
# shellcheck source=tests/browser/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
binary=$(realpath "${1:-$target/release/openrouter-proxy}")
export SHOTS=$target/screenshots
export PYTHON=$target/sdk/python/bin/python
passed=0
failed=0

# One file of tests against the server of that name; one that broke off, or ran nothing, has failed.
suite() {
  local file=$1 name=$2 data=$3 admin=$4 status=0 ran bad
  printf '\n--- %s\n' "$file"
  (cd "$here" && ADMIN_URL=http://127.0.0.1:$admin BASE_URL=http://127.0.0.1:$data/v1 ADMIN_PASSWORD=$(password_of "$name") \
    timeout 600 node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$work/tap" "$file") || status=$?
  ran=$(sed -n 's/^# tests \([0-9]*\)$/\1/p' "$work/tap")
  bad=$(awk '/^# (fail|cancelled|skipped|todo) / { n += $3 } END { print n + 0 }' "$work/tap")
  ran=${ran:-0}
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$ran" -eq 0 ]; }; then bad=1; fi
  passed=$((passed + (ran > bad ? ran - bad : 0)))
  failed=$((failed + bad))
  [ "$bad" -eq 0 ] || tail -n 20 "$work/$name.log"
}

install_packages
rm -rf "$SHOTS"
read -r sim first first_admin odd odd_admin demo demo_admin < <(free_ports 7)
start simulator "$binary" simulate --port "$sim"
await simulator "http://127.0.0.1:$sim/api/v1/models"
for server in "first $first $first_admin" "odd $odd $odd_admin"; do
  read -r name data admin <<<"$server"
  start "$name" SERVER_HOST=127.0.0.1 SERVER_PORT="$data" ADMIN_PORT="$admin" \
    OPENROUTER_API_URL="http://127.0.0.1:$sim/api/v1" "$binary" serve
done
start demo "$binary" demo --traffic 4 --port "$demo" --admin-port "$demo_admin"
await first "http://127.0.0.1:$first_admin/health"
await odd "http://127.0.0.1:$odd_admin/health"
await demo "http://127.0.0.1:$demo_admin/health"

suite words.test.js first "$first" "$first_admin"
suite journey.test.js first "$first" "$first_admin"
suite injection.test.js odd "$odd" "$odd_admin"
suite looks.test.js demo "$demo" "$demo_admin"
echo "screenshots of every page are in $SHOTS"
printf '\nbrowser: %s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
