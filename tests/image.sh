#!/usr/bin/env bash
# The image without a container engine: the scripts that the Dockerfile calls, run in a bare Debian of their own.
#
#   tests/image.sh possible        whether it can be done here: needs root, mount namespaces and mmdebstrap
#   tests/image.sh build           first stage; the binary is left in target/release, as cargo outside would leave it
#   tests/image.sh run [BINARY]    second stage, and the program in it: another user, nothing writable but /data
#
# The machine's Rust toolchain and crates stand in for the Rust image, read-only. What is compiled lies in the target
# folder, so that it is compiled once for all; Debian's base is kept below target/image between runs. `run` prints the
# counts on a line of their own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly DEBIAN=bookworm
readonly SOURCE=$PWD
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
readonly TARGET
readonly IMAGE=$TARGET/image

possible() {
  [ "$(id -u)" -eq 0 ] || { echo 'needs root' && return 1; }
  unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt && mount -t proc proc /mnt' 2>/dev/null ||
    { echo 'needs mounts in a namespace of its own' && return 1; }
  command -v mmdebstrap >/dev/null || { echo 'needs mmdebstrap' && return 1; }
  # What is built in there is run out here too.
  printf '%s\n' 2.36 "$(getconf GNU_LIBC_VERSION | awk '{ print $2 }')" | sort -CV ||
    { echo 'needs the C library of Debian 12, or a newer one' && return 1; }
}

is_recent() { [ -n "$(find "$1" -maxdepth 0 -mtime -7 2>/dev/null)" ]; }

# A bare Debian in the folder $1.
fresh_root() {
  mkdir -p "$IMAGE"
  if ! is_recent "$IMAGE/base.tar"; then
    mmdebstrap --quiet --variant=minbase --format=tar "$DEBIAN" "$IMAGE/base.tar.new"
    mv "$IMAGE/base.tar.new" "$IMAGE/base.tar"
  fi
  rm -rf "$1"
  mkdir -p "$1"
  tar -xpf "$IMAGE/base.tar" -C "$1" --exclude=./dev
  mkdir -p "$1/dev" "$1/proc"
  cp -L /etc/resolv.conf "$1/etc/resolv.conf"
}

# What a root needs of the machine; in a mount namespace, which takes it along when it ends.
machine() {
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
}

# Runs a command in the root $1, as root, with the network of the machine.
chrooted() {
  local root=$1
  shift
  exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" no_proxy="${no_proxy:-}" "$@"
}

build_inside() {
  local root=$IMAGE/build toolchain cargo_home
  toolchain=$(rustc --print sysroot)
  cargo_home=${CARGO_HOME:-$HOME/.cargo}
  machine "$root"
  # Toolchain and crates where they are outside, so that what was compiled stays good.
  mkdir -p "$root$toolchain" "$root$cargo_home/registry" "$root$SOURCE"
  mount --bind "$toolchain" "$root$toolchain"
  mount -o remount,bind,ro "$root$toolchain"
  mount --bind "$cargo_home/registry" "$root$cargo_home/registry"
  mount -o remount,bind,ro "$root$cargo_home/registry"
  [ ! -e "$cargo_home/config.toml" ] || cp "$cargo_home/config.toml" "$root$cargo_home/config.toml"
  mount --bind "$IMAGE/source" "$root$SOURCE"
  mount -o remount,bind,ro "$root$SOURCE"
  mkdir -p "$root$TARGET"
  mount --bind "$TARGET" "$root$TARGET"
  chrooted "$root" CARGO_HOME="$cargo_home" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$TARGET" \
    PATH="$toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin" sh -c "cd '$SOURCE' && exec sh deploy/build.sh"
}

build() {
  possible
  cargo fetch --locked
  # With its compiler in place it is as it was left by the last build.
  { [ -e "$IMAGE/build/usr/bin/cc" ] && is_recent "$IMAGE/base.tar"; } || fresh_root "$IMAGE/build"
  # What .dockerignore lets through, and nothing else.
  rm -rf "$IMAGE/source"
  mkdir -p "$IMAGE/source"
  sed -n 's/^!//p' .dockerignore | xargs -I{} cp -a --parents {} "$IMAGE/source"
  # The target folder lies below the source, where nothing can be made while that is read-only.
  case $TARGET in "$SOURCE"/*) mkdir -p "$IMAGE/source/${TARGET#"$SOURCE"/}" ;; esac
  unshare --mount bash "$0" build-inside
  ls -l "$TARGET/release/openrouter-proxy"
}

install_inside() {
  machine "$IMAGE/run"
  chrooted "$IMAGE/run" sh /tmp/install.sh /tmp/out
}

# What the Dockerfile sets for whoever runs it.
image_environment() { sed -n '/^ENV /,/[^\\]$/p' Dockerfile | grep -oE '[A-Z_]+=[^ \\]+'; }

# Runs the program as the image does: read-only root, its user, no capability, /data and /tmp alone writable.
program_inside() {
  local root=$IMAGE/run
  mount --bind "$root" "$root"
  mount --bind "$IMAGE/data" "$root/data"
  mount -t tmpfs -o size=16m,mode=1777 tmpfs "$root/tmp"
  machine "$root"
  mount -o remount,bind,ro "$root"
  cd "$root"
  exec chroot "$root" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --inh-caps=-all \
    --bounding-set=-all env -i -C /data PATH=/usr/bin:/bin "$@"
}

inside() {
  local environment
  mapfile -t environment < <(image_environment)
  exec unshare --mount bash "$SOURCE/tests/image.sh" program-inside "${environment[@]}" SERVER_HOST=127.0.0.1 \
    ADMIN_PORT=0 PORT=0 "$@"
}

# shellcheck source=tests/checks.sh
. "$SOURCE/tests/checks.sh"

# Waits for a line with $2 in the file $1; prints it.
line() {
  local try
  for try in $(seq 150); do
    grep -m 1 -- "$2" "$1" && return 0
    sleep 0.2
  done
  echo "no line with $2 after $try looks" >&2
  return 1
}

smoke() {
  local binary work simulator server simulated data admin password
  binary=$(realpath "${1:-$TARGET/release/openrouter-proxy}")
  possible
  fresh_root "$IMAGE/run"
  mkdir -p "$IMAGE/run/tmp/out"
  cp "$binary" "$IMAGE/run/tmp/out/openrouter-proxy"
  cp -R static "$IMAGE/run/tmp/out/static"
  cp deploy/install.sh "$IMAGE/run/tmp/install.sh"
  (unshare --mount bash "$0" install-inside)
  rm -rf "$IMAGE/run/tmp/out" "$IMAGE/run/tmp/install.sh" "$IMAGE/data"
  check '/data belongs to the user' test "$(stat -c %u:%g:%a "$IMAGE/run/data")" = 10001:10001:700
  cp -a "$IMAGE/run/data" "$IMAGE/data"
  mkdir -p "$IMAGE/run/proc"

  work=$(mktemp -d)
  # shellcheck disable=SC2064 # expanded now: it is a local
  trap "kill -KILL \$(jobs -p) 2>/dev/null || true; rm -rf '$work'" EXIT
  (inside /usr/local/bin/openrouter-proxy simulate --port 0 >"$work/simulator" 2>&1) &
  simulator=$!
  simulated=$(line "$work/simulator" 'http://' | grep -oE 'http://[^ /]+/api/v1' | head -1)
  (inside OPENROUTER_API_URL="$simulated" /usr/local/bin/openrouter-proxy serve >"$work/out" 2>&1) &
  server=$!
  data=$(line "$work/out" 'clients connect to' | grep -oE 'http://[^ /]+')
  admin=$(line "$work/out" 'operator connects to' | grep -oE ':[0-9]+' | head -1)
  password=$(line "$work/out" 'admin password' | awk '{ print $NF }')
  export no_proxy=127.0.0.1

  check 'the healthcheck' inside_run PORT="${data##*:}" /usr/local/bin/openrouter-proxy healthcheck
  check 'the healthcheck of nobody' refused inside_run PORT=1 /usr/local/bin/openrouter-proxy healthcheck
  check 'a key is added' inside_run /usr/local/bin/openrouter-proxy keys add sk-or-v1-sim-good-0001
  for _ in $(seq 50); do
    curl -sf "$data/ready" >/dev/null && break
    sleep 0.2
  done
  check 'it is ready' curl -sf -o /dev/null "$data/ready"
  ask "$data" "$password" false hello >"$work/answer" || true
  check 'an answer' grep -q '"chat.completion"' "$work/answer"
  ask "$data" "$password" true hello >"$work/answer" || true
  check 'a stream' grep -q '^data: \[DONE\]' "$work/answer"
  curl -s "http://127.0.0.1$admin/" >"$work/page" || true
  check 'the pages' grep -q '<script type="module"' "$work/page"
  check 'the admin API' curl -sf -o "$work/status" -H "Authorization: Bearer $password" "http://127.0.0.1$admin/api/status"
  check 'not under a foreign name' test 421 = \
    "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: evil.example' "http://127.0.0.1$admin/")"
  check 'the root is read-only' refused inside_run sh -c 'echo x >/usr/local/bin/x' 2>/dev/null
  check 'it runs as its user' test "$(awk '/^Uid:/ { print $2 }' "/proc/$server/status")" = 10001
  check 'it has no capability' test "$(awk '/^CapEff:/ { print $2 }' "/proc/$server/status")" = 0000000000000000
  check 'its memory is nobody else'"'"'s' test "$(stat -c %u "/proc/$server/environ")" = 0
  check 'it leaves no core' grep -qE '^Max core file size +0 +0' "/proc/$server/limits"
  check 'the secret key is its own' test "$(stat -c %u:%a "$IMAGE/data/secret.key")" = 10001:600
  check 'the database is its own' test "$(stat -c %u:%a "$IMAGE/data/openrouter_proxy.db")" = 10001:600

  ask "$data" "$password" true '[[chunks=20 delay_ms=100]]' >"$work/last" &
  local stream=$! began status=0
  for _ in $(seq 50); do
    grep -q '^data: {' "$work/last" && break
    sleep 0.1
  done
  began=$(date +%s)
  kill -TERM "$server"
  wait "$server" || status=$?
  wait "$stream" || true
  check 'it ends in order' test "$status" -eq 0
  check 'it ends in time' test $(($(date +%s) - began)) -lt 30
  check 'the open stream ends whole' grep -q '^data: \[DONE\]' "$work/last"
  kill -TERM "$simulator"
  wait "$simulator" || true
  [ "$bad" -eq 0 ] || cat "$work/simulator" "$work/out"
  checked image
}

inside_run() { (inside "$@"); }

ask() {
  curl -sN "$1/v1/chat/completions" -H "Authorization: Bearer $2" -H 'Content-Type: application/json' \
    -d "{\"model\": \"z-ai/glm-4.5-air:free\", \"stream\": $3, \"messages\": [{\"role\": \"user\", \"content\": \"$4\"}]}"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
  possible) possible ;;
  build) build ;;
  run) smoke "$@" ;;
  build-inside) build_inside ;;
  install-inside) install_inside ;;
  program-inside) program_inside "$@" ;;
  *)
    sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac
