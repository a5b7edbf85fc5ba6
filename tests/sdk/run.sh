#!/usr/bin/env bash
# The official openai packages of Python and Node against a running proxy and simulator.
#
#   tests/sdk/run.sh [path of the openrouter-proxy binary]
#
# Starts the simulator and three proxies, one of them with HTTPS, on free loopback ports in a folder of their own, runs both suites,
# stops what it started, and prints the counts of each on a line of its own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
binary=$(realpath "${1:-$target/release/openrouter-proxy}")
venv=$target/sdk/python
work=$(mktemp -d)
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

retry() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    echo "try $try of 3 failed: $*" >&2
    sleep $((try * 5))
  done
  return 1
}

# Installs the packages unless the last install was of the very same list.
install_python() {
  cmp -s "$here/python/requirements.txt" "$venv/installed.txt" && return
  rm -rf "$venv"
  python3 -m venv "$venv"
  retry "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
  cp "$here/python/requirements.txt" "$venv/installed.txt"
}

install_node() {
  cmp -s "$here/node/package-lock.json" "$here/node/node_modules/installed.json" && return
  (cd "$here/node" && retry npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  cp "$here/node/package-lock.json" "$here/node/node_modules/installed.json"
}

# The package needs Node 22; where the machine's is older, the one among the development packages runs.
find_node() {
  if node -e 'process.exit(+process.versions.node.split(".")[0] < 22)' 2>/dev/null; then
    command -v node
  else
    echo "$here/node/node_modules/.bin/node"
  fi
}

free_ports() {
  python3 - "$1" <<'PYTHON'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))
PYTHON
}

# Starts the binary in a folder and an environment of its own: no setting of this machine leaks in.
start() {
  local name=$1
  shift
  mkdir -p "$work/$name"
  (cd "$work/$name" && exec env -i PATH="$PATH" HOME="$work/$name" "$@" >"$work/$name.log" 2>&1) &
  pids+=($!)
}

serve() {
  local name=$1 port=$2 admin=$3 keys=$4
  shift 4
  start "$name" SERVER_HOST=127.0.0.1 SERVER_PORT="$port" ADMIN_PORT="$admin" ACCESS_PASSWORD="$API_KEY" \
    OPENROUTER_API_URL="$SIMULATOR_URL/api/v1" OPENROUTER_API_KEY="$keys" "$binary" serve "$@"
}

# An authority in ca.pem that the SDKs trust, and a certificate of its for this machine.
make_certificates() {
  local ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 "${ec[@]}" -days 2 -subj '/CN=Test CA' -keyout "$work/ca.key" -out "$work/ca.pem" \
    -addext keyUsage=critical,keyCertSign
  openssl req "${ec[@]}" -subj /CN=localhost -keyout "$work/key.pem" -out "$work/request.pem"
  openssl x509 -req -in "$work/request.pem" -days 2 -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial \
    -extfile <(printf 'subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n') -out "$work/cert.pem"
} 2>/dev/null

await() {
  local name=$1 url=$2 try
  for try in $(seq 150); do
    curl -fsS -o /dev/null --max-time 2 --cacert "$work/ca.pem" "$url" 2>/dev/null && return
    sleep 0.2
  done
  echo "$name was not ready after $try tries: $url" >&2
  tail -n 40 "$work/$name.log" >&2
  return 1
}

# Accounts that bought credits may send 20 a minute each: enough of them that no test waits, none of them
# another proxy's too, and two dead keys among them, which no test may notice.
good_keys() {
  local number keys='sk-or-v1-sim-revoked-1,sk-or-v1-sim-keylimit-2'
  for number in $(seq 24); do keys+=",sk-or-v1-sim-good-$number-acctpaid$number"; done
  echo "$keys"
}

result() { printf '%s: %s passed, %s failed\n' "$1" "$2" "$3"; }

run_python() {
  local log=$work/python.log ran bad status=0
  (cd "$here/python" && PYTHONUTF8=1 PYTHONDONTWRITEBYTECODE=1 timeout 300 \
    "$venv/bin/python" -m unittest discover -v) 2>&1 | tee "$log" || status=$?
  ran=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' "$log")
  # A skipped test is one that did not pass. A test with several failing parts is counted by its parts.
  bad=$(grep -oE '(failures|errors|skipped|unexpected successes)=[0-9]+' "$log" | awk -F= '{ n += $2 } END { print n + 0 }' || true)
  tally python "${ran:-0}" "${bad:-0}" "$status"
}

run_node() {
  local log=$work/node.tap ran bad status=0
  (cd "$here/node" && timeout 300 "$(find_node)" --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$log") || status=$?
  ran=$(sed -n 's/^# tests \([0-9]*\)$/\1/p' "$log")
  bad=$(awk '/^# (fail|cancelled|skipped|todo) / { n += $3 } END { print n + 0 }' "$log")
  tally node "${ran:-0}" "${bad:-0}" "$status"
}

# Prints the counts of a suite; one that broke off, or ran nothing, has failed at least once.
tally() {
  local name=$1 ran=$2 bad=$3 status=$4
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$ran" -eq 0 ]; }; then bad=1; fi
  local good=$((ran > bad ? ran - bad : 0))
  results+=("$(result "$name" "$good" "$bad")")
  [ "$bad" -eq 0 ] || failed=true
}

# What the proxy must still do once the suites are done: end in order and have its rows.
run_ending() {
  local good=0 bad=0 status=0 rows
  kill -TERM "${pids[1]}"
  for _ in $(seq 100); do
    kill -0 "${pids[1]}" 2>/dev/null || break
    sleep 0.1
  done
  kill -0 "${pids[1]}" 2>/dev/null && status=still-running || wait "${pids[1]}" || status=$?
  if [ "$status" = 0 ]; then good=$((good + 1)); else
    echo "serve did not end in order after SIGTERM: $status" && bad=$((bad + 1))
  fi
  (cd "$work/main" && env -i PATH="$PATH" "$binary" usage export --format jsonl >"$work/rows.jsonl") || true
  rows=$(python3 - "$work/rows.jsonl" <<'PYTHON'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
assert len({row["request_id"] for row in rows}) == len(rows), "a request has two rows"
assert {"completed", "cancelled", "truncated", "refused"} <= {row["outcome"] for row in rows}, "an outcome is missing"
assert all(row["total_tokens"] for row in rows if row["outcome"] == "completed" and row["endpoint"] == "chat/completions")
assert any(row["attempts"] > 1 for row in rows), "no request met a dead key"
print(len(rows))
PYTHON
  ) || rows=0
  if [ "$rows" -ge 100 ]; then good=$((good + 1)); else
    echo "usage export did not give a good row for each request" && bad=$((bad + 1))
  fi
  results+=("$(result ending "$good" "$bad")")
  [ "$bad" -eq 0 ] || failed=true
}

install_python
install_node
read -r sim_port main_port main_admin spent_port spent_admin secure_port secure_admin < <(free_ports 7)
export API_KEY=a-password-for-tests
export SIMULATOR_URL=http://127.0.0.1:$sim_port
export BASE_URL=http://127.0.0.1:$main_port/v1
export SPENT_URL=http://127.0.0.1:$spent_port/v1
export SECURE_URL=https://127.0.0.1:$secure_port/v1
# Where Python and Node look for the authority.
export SSL_CERT_FILE=$work/ca.pem NODE_EXTRA_CA_CERTS=$work/ca.pem
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

make_certificates
start simulator "$binary" simulate --port "$sim_port"
await simulator "$SIMULATOR_URL/api/v1/models"
serve main "$main_port" "$main_admin" "$(good_keys)"
serve spent "$spent_port" "$spent_admin" sk-or-v1-sim-daily-1
serve secure "$secure_port" "$secure_admin" sk-or-v1-sim-good-25-acctpaid25 \
  --https --cert-path "$work/cert.pem" --key-path "$work/key.pem"
await main "http://127.0.0.1:$main_port/ready"
await spent "http://127.0.0.1:$spent_port/health"
await secure "https://127.0.0.1:$secure_port/ready"

results=()
failed=false
run_python
run_node
run_ending

if $failed; then
  for name in simulator main spent secure; do
    printf '\n--- the last lines of %s\n' "$name"
    tail -n 40 "$work/$name.log"
  done
fi
printf '%s\n' '' "${results[@]}"
! $failed
