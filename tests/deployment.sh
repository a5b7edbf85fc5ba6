#!/usr/bin/env bash
# The files that people run the program with: compose file, nginx, systemd unit, secrets. No container is started.
#
#   tests/deployment.sh [path of the openrouter-proxy binary]
#
# Needs docker compose or docker-compose, and nginx, which is run before the demo on free ports; the unit is checked
# where systemd-analyze is at hand. Prints the counts on a line of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=$(realpath "${1:-target/release/openrouter-proxy}")
work=$(mktemp -d)
# shellcheck disable=SC2046 # as many as there are
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# shellcheck source=tests/checks.sh
. tests/checks.sh

# In an environment of its own: what the shell has set is not the file's.
compose() {
  local program=(docker-compose)
  if docker compose version >/dev/null 2>&1; then program=(docker compose); fi
  env -i PATH="$PATH" HOME="$work" "${program[@]}" --project-directory . -f docker-compose.yml "$@"
}

# Every service of the resolved file $1 is hardened; what differs is said.
hardened() {
  python3 - "$1" <<'PYTHON'
import json, sys
services = json.load(open(sys.argv[1]))["services"]
wanted = {"read_only": True, "init": True, "restart": "unless-stopped", "cap_drop": ["ALL"],
          "security_opt": ["no-new-privileges:true"]}
faults = [f"{name}: {key} is {service.get(key)}" for name, service in services.items()
          for key, value in wanted.items() if service.get(key) != value]
profiles = {name: service.get("profiles", []) for name, service in services.items()}
if profiles != {"proxy": [], "replica": ["postgres"], "gateway": ["postgres"], "postgres": ["postgres"]}:
    faults.append(f"SQLite is not what runs by default: {profiles}")
for name in ("proxy", "replica"):
    ulimits = services[name]["ulimits"]
    if ulimits["core"] != 0 or ulimits["nofile"]["hard"] != 65536:
        faults.append(f"{name}: {ulimits}")
for name, service in services.items():
    for port in service.get("ports", []):
        text = port if isinstance(port, str) else f'{port.get("host_ip", "")}:{port["published"]}:{port["target"]}'
        if text.endswith("8001") and not text.startswith("127.0.0.1:"):
            faults.append(f"{name} shows the operator's port: {text}")
    for key, value in (service.get("environment") or {}).items():
        if any(word in key for word in ("PASSWORD", "SECRET", "DATABASE_URL")) and not key.endswith("_FILE"):
            faults.append(f"{name}: the secret {key} is no file")
print("\n".join(faults))
sys.exit(bool(faults))
PYTHON
}

# The resolved file as JSON: the older docker-compose prints YAML alone, which its own Python reads.
resolved() {
  if docker compose version >/dev/null 2>&1; then
    compose "$@" config --format json
  else
    compose "$@" config | /usr/bin/python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)'
  fi
}

check 'the compose file' compose config -q
check 'its profile sqlite' compose --profile sqlite config -q
check 'its profile postgres' compose --profile postgres config -q
resolved --profile postgres >"$work/resolved.json"
check 'every service is hardened' hardened "$work/resolved.json"

check 'the configuration of nginx' nginx -q -t -c "$PWD/deploy/nginx.conf"
if command -v systemd-analyze >/dev/null; then
  # The binary is not installed here, and that is all that may be missing.
  sed 's|^ExecStart=/usr/local/bin/openrouter-proxy|ExecStart=/bin/true|' deploy/openrouter-proxy.service \
    >"$work/openrouter-proxy.service"
  check 'the systemd unit' test -z "$(systemd-analyze verify "$work/openrouter-proxy.service" 2>&1 | grep openrouter-proxy)"
fi

deploy/secrets.sh "$work/secrets" >"$work/said"
before=$(cat "$work"/secrets/*)
check 'five secrets are made' test "$(find "$work/secrets" -type f | wc -l)" -eq 5
check 'for nobody else' test "$(stat -c %a "$work/secrets")" = 700
check 'and not shown' refused grep -qF -f <(cat "$work"/secrets/*) "$work/said"
deploy/secrets.sh "$work/secrets" >/dev/null
check 'a second run changes none' test "$before" = "$(cat "$work"/secrets/*)"
check 'the program takes them' env -i DATABASE_URL_FILE="$work/secrets/database_url" \
  SECRET_KEY_FILE="$work/secrets/secret_key" ADMIN_PASSWORD_FILE="$work/secrets/admin_password" \
  ACCESS_PASSWORD_FILE="$work/secrets/access_password" ADMIN_HOST=0.0.0.0 "$binary" config check

# nginx before the program: what it passes on, and when.
line() {
  local try
  for try in $(seq 150); do
    grep -m 1 -- "$2" "$1" && return 0
    sleep 0.1
  done
  echo "no line with $2 after $try looks" >&2
  return 1
}
(cd "$work" && exec env -i PATH="$PATH" "$binary" demo --port 0 --admin-port 0 >"$work/out" 2>&1) &
line "$work/out" 'Ctrl-C' >/dev/null
data=$(grep -oE '127.0.0.1:[0-9]+/v1' "$work/out" | head -n 1)
admin=$(grep "operator's page" "$work/out" | grep -oE '127.0.0.1:[0-9]+' | head -n 1)
read -r front back < <(python3 -c '
import socket
both = [socket.socket(), socket.socket()]
[one.bind(("127.0.0.1", 0)) for one in both]
print(*[one.getsockname()[1] for one in both])')
sed -e "s|replica:8000|${data%/v1}|; s|replica:8001|$admin|; s|/tmp/|$work/|" \
  -e "s|listen 8000|listen 127.0.0.1:$front|; s|listen 8001|listen 127.0.0.1:$back|" deploy/nginx.conf >"$work/nginx.conf"
# Where it is started by root, its workers are somebody else.
chmod 711 "$work"
nginx -c "$work/nginx.conf" -g 'daemon off;' &
gateway=$!
export no_proxy=127.0.0.1
for _ in $(seq 50); do
  curl -sf -o /dev/null "http://127.0.0.1:$front/health" && break
  sleep 0.1
done
password='Bearer demo'
ask() {
  curl -sN "http://127.0.0.1:$front/v1/chat/completions" -H "Authorization: $password" -H 'Content-Type: application/json' \
    -d "{\"model\": \"z-ai/glm-4.5-air:free\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"$1\"}]}"
}
ask '[[chunks=30 delay_ms=100]]' >"$work/stream" &
asking=$!
line "$work/stream" '^data: {' >/dev/null
check 'a stream passes as it comes' kill -0 "$asking"
wait "$asking" || true
check 'and whole' grep -q '^data: \[DONE\]' "$work/stream"
check 'the operator by the name of this machine' curl -sf -o /dev/null "http://127.0.0.1:$back/health"
head -c 34000000 /dev/zero >"$work/large"
check 'a body that is too large is told by the program' grep -q '"error"' \
  <(curl -s "http://127.0.0.1:$front/v1/chat/completions" -H "Authorization: $password" -H 'Expect:' --data-binary "@$work/large")
kill -QUIT "$gateway"
wait "$gateway" || true
checked deployment
