#!/usr/bin/env bash
# The benchmark: what a request costs through this proxy and through nginx, in turns, in one run.
#
#   ./bench.sh           the whole table, about four minutes beside the build; writes target/bench.json too
#   ./bench.sh --quick   a short one, and the instructions of the hot path against benches/instructions.txt
#   ./bench.sh --keep    counts these instructions anew and writes them there
#   ./bench.sh NAME      only the rows whose names contain NAME
#   ./bench.sh --soak [MINUTES]   half load for half an hour, or so many minutes: memory, and cost by stored rows
#
# Installs nginx, valgrind and postgresql by apt-get where they are missing (as root or through sudo), and for the table
# oha by cargo, below the target folder. Fails on wrong answers and on 5 % more instructions, never on time.
# docs/BENCHMARKS.md says what the figures mean.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly OHA_VERSION=1.16.0

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

install_packages() {
  local packages=() root=()
  have nginx || packages+=(nginx-light)
  have valgrind || packages+=(valgrind)
  [ -z "${1:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
  [ "${#packages[@]}" -gt 0 ] || return 0
  echo "installing: ${packages[*]}"
  [ "$(id -u)" -eq 0 ] || root=(sudo -n)
  "${root[@]}" apt-get -qq update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}"
}

# Another tool's view of the same. Without it its row is left out, and the benchmark says so.
install_oha() {
  [ -x target/tools/bin/oha ] || have oha || {
    echo "installing: oha"
    cargo install --quiet --locked --version "$OHA_VERSION" --root target/tools oha || true
  }
}

# A thousand streams need more than the usual thousand open files.
ulimit -n "$(ulimit -Hn)"
case ${1:-} in
  -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" ;;
  --quick)
    install_packages
    cargo bench --locked --bench hot_path -- --instructions
    cargo bench --locked --bench proxying -- --quick
    ;;
  --keep)
    install_packages
    cargo bench --locked --bench hot_path -- --instructions --keep
    ;;
  --soak)
    cargo bench --locked --bench proxying -- "$@"
    ;;
  *)
    install_packages with-postgres
    install_oha
    cargo bench --locked --bench hot_path
    tests/postgres.sh cargo bench --locked --bench proxying -- "$@"
    ;;
esac
