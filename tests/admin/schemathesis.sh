#!/usr/bin/env bash
# schemathesis against the running program's own OpenAPI document: every check, 0 failures.
#
#   tests/admin/schemathesis.sh [path of the openrouter-proxy binary] [options of schemathesis run]
#
# Starts the simulator and a proxy on free loopback ports in a folder of their own, and stops what it
# started. MAX_EXAMPLES (50) bounds the examples for each operation.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
binary=$(realpath "${1:-$target/release/openrouter-proxy}")
shift || true
venv=$target/admin/python
work=$(mktemp -d)
password=0123456789abcdefghijklmn
access="access-password-of-clients"
pids=()

stop_all() {
  local pid
  for pid in ${pids[@]+"${pids[@]}"}; do
    kill -KILL "$pid" 2>/dev/null || continue
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop_all EXIT

# Installs the package unless the last install was of the very same list.
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi

# Waits for a line with these words in a file, and prints the address in it.
address() {
  local line
  for _ in $(seq 300); do
    if line=$(grep -m1 -F "$2" "$1"); then
      sed -E 's,.*://([^/ ]+).*,\1,' <<<"$line"
      return 0
    fi
    sleep 0.1
  done
  echo "no line with \"$2\" in:" >&2
  cat "$1" >&2
  return 1
}

# A folder and an environment of their own: no setting of this machine leaks in.
cd "$work"
clean=(env -i PATH="$PATH" HOME="$work")
"${clean[@]}" "$binary" simulate --port 0 >simulator.log 2>&1 &
pids+=($!)
upstream=$(address simulator.log "http://")
"${clean[@]}" OPENROUTER_API_URL="http://$upstream/api/v1" OPENROUTER_API_KEY=sk-or-v1-sim-good-0001 \
  ADMIN_PASSWORD=$password ACCESS_PASSWORD=$access LOG_LEVEL=error \
  "$binary" --host 127.0.0.1 --port 0 --admin-port 0 --database-url "$work/proxy.db" >proxy.log 2>&1 &
pids+=($!)
admin=$(address proxy.log "the operator connects to")
data=$(address proxy.log "clients connect to")
for number in $(seq 20); do
  curl -sS -o "$work/answer" "http://$data/v1/chat/completions" -H "Authorization: Bearer $access" \
    -H 'Content-Type: application/json' \
    -d "{\"model\":\"openrouter/free\",\"messages\":[{\"role\":\"user\",\"content\":\"$number\"}]}"
done

# The operations that end the session, or never end, are for the tests of the suite.
"$venv/bin/schemathesis" run "http://$admin/api/openapi.json" \
  --url "http://$admin" \
  --header "Authorization: Bearer $password" \
  --exclude-path /api/events \
  --max-examples "${MAX_EXAMPLES:-50}" \
  --request-timeout 20 \
  --seed 1 \
  --workers 1 \
  --generation-database none \
  --no-color \
  "$@"
