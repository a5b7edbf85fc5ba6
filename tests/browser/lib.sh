# shellcheck shell=bash
# What the scripts of this folder share: packages, free ports, servers that end with the script.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
work=$(mktemp -d)
pids=()
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
export target CHROMIUM NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

stop_all() {
  local pid
  for pid in ${pids[@]+"${pids[@]}"}; do
    kill -KILL "$pid" 2>/dev/null || continue
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap stop_all EXIT

# Installs the packages unless the last install was of the very same list.
install_packages() {
  [ -n "$CHROMIUM" ] || { echo "install chromium first: apt-get install chromium" >&2 && return 1; }
  cmp -s "$here/package-lock.json" "$here/node_modules/installed.json" && return
  local try
  for try in 1 2 3; do
    (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && break
    [ "$try" -lt 3 ] || return 1
    sleep $((try * 5))
  done
  cp "$here/package-lock.json" "$here/node_modules/installed.json"
}

free_ports() {
  node -e '
    const net = require("net");
    const servers = Array.from({ length: +process.argv[1] }, () => net.createServer().listen(0, "127.0.0.1"));
    Promise.all(servers.map((server) => new Promise((done) => server.on("listening", done)))).then(() => {
      console.log(servers.map((server) => server.address().port).join(" "));
      servers.forEach((server) => server.close());
    });' "$1"
}

# Starts the binary in a folder and an environment of its own: no setting of this machine leaks in.
start() {
  local name=$1
  shift
  mkdir -p "$work/$name"
  ln -sfn "$root/static" "$work/$name/static"
  (cd "$work/$name" && exec env -i PATH="$PATH" HOME="$work/$name" "$@" >"$work/$name.log" 2>&1) &
  pids+=($!)
}

await() {
  local name=$1 url=$2 try
  for try in $(seq 150); do
    curl -fsS -o /dev/null --max-time 2 "$url" 2>/dev/null && return
    sleep 0.2
  done
  echo "$name was not ready after $try tries: $url" >&2
  tail -n 40 "$work/$name.log" >&2
  return 1
}

# The password that a first start prints.
password_of() { sed -n 's/^admin password.*: //p' "$work/$1.log"; }
