#!/usr/bin/env bash
# Runs a command beside a Postgres server made for it, and ends the server whatever comes of the command.
# A server that is ended meanwhile is started anew.
#
#   tests/postgres.sh COMMAND [ARGUMENT...]
#
# The server lies in a temporary folder and listens on a free port of 127.0.0.1; TEST_POSTGRES_URL says where.
# Needs initdb and postgres: on the path, or where Debian's package postgresql puts them. Postgres does not run as
# root; root lends it to the user nobody.
set -euo pipefail

if [ $# -eq 0 ]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
fi

initdb=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
[ -n "$initdb" ] || initdb=$(command -v initdb || true)
programs=$(dirname "$(realpath "${initdb:-/}")")
if [ ! -x "$programs/postgres" ]; then
  echo "no Postgres server was found: install the package postgresql" >&2
  exit 1
fi

folder=$(mktemp -d)
serving=
# shellcheck disable=SC2317 # the trap calls it
end() {
  local status=$?
  trap - EXIT
  if [ -n "$serving" ]; then
    touch "$folder/over"
    # SIGINT: open connections are not waited for. It may be about to start anew just now.
    while kill -0 "$serving" 2>/dev/null; do
      if read -r server 2>/dev/null <"$folder/data/postmaster.pid"; then
        kill -INT "$server" 2>/dev/null || true
      fi
      sleep 0.1
    done
  fi
  rm -rf "$folder"
  exit "$status"
}
trap end EXIT
trap 'exit 130' INT TERM

as_server=()
if [ "$(id -u)" -eq 0 ]; then
  as_server=(setpriv --reuid=nobody --regid=nogroup --clear-groups --)
  chown nobody:nogroup "$folder"
fi
chmod 711 "$folder"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && printf '%s' "$password" >"$folder/password")
[ ${#as_server[@]} -eq 0 ] || chown nobody:nogroup "$folder/password"

cd "$folder"
"${as_server[@]}" "$programs/initdb" -D "$folder/data" -U tester -A scram-sha-256 --pwfile="$folder/password" \
  -E UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1 || {
  cat "$folder/initdb.log" >&2
  exit 1
}
# Every test brings connections of its own. Nothing has to survive a power loss, but what was committed
# survives the server's end: one that a test ends is started anew, unless it cannot start (status 1).
serve() {
  local status=0
  while [ ! -e "$folder/over" ] && [ "$status" -ne 1 ]; do
    status=0
    "${as_server[@]}" "$programs/postgres" -D "$folder/data" -p "$port" -k "$folder" \
      -c listen_addresses=127.0.0.1 -c max_connections=400 -c fsync=off \
      -c full_page_writes=off -c shared_buffers=128MB >>"$folder/server.log" 2>&1 || status=$?
  done
}
serve &
serving=$!
cd "$OLDPWD"

export TEST_POSTGRES_URL="postgres://tester:$password@127.0.0.1:$port/postgres"
ready=false
for _ in $(seq 100); do
  if grep -q 'ready to accept connections' "$folder/server.log" 2>/dev/null; then
    ready=true
    break
  fi
  kill -0 "$serving" 2>/dev/null || break
  sleep 0.1
done
if ! $ready; then
  echo "the Postgres server did not start:" >&2
  cat "$folder/server.log" >&2
  exit 1
fi

# Not exec: the server must be ended afterwards.
"$@"
