#!/usr/bin/env bash
# The files that people run the program with: compose file, nginx, systemd unit, secrets. Nothing is started.
#
#   tests/deployment.sh
#
# Needs docker compose or docker-compose, and nginx; the unit is checked where systemd-analyze is at hand. Prints the
# counts on a line of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

good=0
bad=0
check() {
  local what=$1
  shift
  if "$@"; then good=$((good + 1)); else
    echo "FAILED: $what"
    bad=$((bad + 1))
  fi
}
refused() { ! "$@"; }

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
  ACCESS_PASSWORD_FILE="$work/secrets/access_password" ADMIN_HOST=0.0.0.0 "${1:-target/release/openrouter-proxy}" config check

printf '\ndeployment: %s passed, %s failed\n' "$good" "$bad"
[ "$bad" -eq 0 ]
