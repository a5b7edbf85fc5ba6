#!/usr/bin/env bash
# The one test command. Installs what is missing, runs everything, ends with one line of totals.
#
#   ./test.sh           everything
#   ./test.sh --quick   formatting, clippy and cargo test only
#   ./test.sh --long    everything, and the long tests
#
# Needs Rust (cargo, rustfmt, clippy). The rest is installed by package name where it is missing: a C
# compiler, perl, make, python3, Postgres, Node, openssl, shellcheck, nginx, valgrind, faketime, docker-compose,
# mmdebstrap and Chromium by apt-get (as root or through sudo), the SDKs into folders that git ignores,
# cargo-deny below the target folder. A failed step never stops the later ones. As root the
# release binary is built as the image's is, in a bare Debian below the target folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec </dev/null

readonly DENY_VERSION=0.20.2
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
readonly TARGET
readonly SCRIPTS=(deploy/*.sh test.sh bench.sh .ci/run tests/postgres.sh tests/demo.sh tests/deployment.sh tests/image.sh tests/sdk/run.sh tests/browser/run.sh tests/browser/pictures.sh tests/admin/schemathesis.sh)
readonly BINARY=$TARGET/release/openrouter-proxy
export PATH="$TARGET/tools/bin:$PATH:$HOME/.cargo/bin"

quick=false
for argument in "$@"; do
  case $argument in
    --quick) quick=true ;;
    --long) export LONG_TESTS=1 ;;
    -h | --help)
      sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      echo "unknown option $argument: use --quick, --long or --help" >&2
      exit 2
      ;;
  esac
done

passed=0
failed=0
failures=()
not_run=()
work=$(mktemp -d)
finished=false
trap 'rm -rf "$work"; $finished || echo "test.sh broke off before its end" >&2' EXIT

heading() { printf '\n=== %s\n' "$*"; }

# Runs a command in a shell of its own where any error ends it; 0 or its status is left in `status`.
attempt() {
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
}

fail() {
  failed=$((failed + 1))
  failures+=("$1")
  echo "FAILED: $1"
}

# One step that counts as one.
step() {
  local name=$1
  shift
  heading "$name"
  attempt "$@"
  if [ "$status" -eq 0 ]; then passed=$((passed + 1)); else fail "$name"; fi
}

# One step whose tests count each; $2 reads "passed failed" from its output.
counted() {
  local name=$1 reader=$2 good bad
  shift 2
  heading "$name"
  attempt logged "$work/log" "$@"
  read -r good bad < <("$reader" <"$work/log")
  passed=$((passed + good))
  if [ "$bad" -gt 0 ]; then
    failed=$((failed + bad))
    failures+=("$name: $bad failed")
  elif [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; then
    fail "$name: exit $status after $good tests"
  fi
}

logged() {
  local log=$1
  shift
  "$@" 2>&1 | tee "$log"
}

# An ignored test is a test that nobody runs: it counts as failed.
cargo_counts() { awk '/^test result:/ { p += $4; f += $6 + $8 } END { print p + 0, f + 0 }'; }

# Everything that stores, and every journey, once more.
on_postgres() {
  # shellcheck disable=SC2016 # the inner shell expands it
  TEST_DATABASE=postgres tests/postgres.sh bash -c '
    cargo test --locked --no-fail-fast --lib store:: || failed=1
    cargo test --locked --no-fail-fast --test suite || failed=1
    exit "${failed:-0}"'
}

suite_counts() {
  awk '/^[a-z]+: [0-9]+ passed, [0-9]+ failed$/ { p += $2; f += $4 } END { print p + 0, f + 0 }'
}

# Registries have bad moments: three tries.
retry() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    echo "try $try of 3 failed: $*" >&2
    sleep $((try * 5))
  done
  return 1
}

have() { command -v "$1" >/dev/null 2>&1; }

install_packages() {
  local packages=()
  have cc || packages+=(gcc libc6-dev)
  perl -MIPC::Cmd -MFindBin -e 1 2>/dev/null || packages+=(perl)
  have make || packages+=(make)
  have python3 || packages+=(python3)
  have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
  if ! $quick; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    have node || packages+=(nodejs)
    have npm || packages+=(npm)
    have curl || packages+=(curl)
    have openssl || packages+=(openssl)
    have shellcheck || packages+=(shellcheck)
    have nginx || packages+=(nginx-light)
    have docker-compose || docker compose version >/dev/null 2>&1 || packages+=(docker-compose)
    have mmdebstrap || [ "$(id -u)" -ne 0 ] || packages+=(mmdebstrap)
    have valgrind || packages+=(valgrind)
    have faketime || packages+=(faketime)
    have chromium || have chromium-browser || have google-chrome || packages+=(chromium)
    [ -n "$(fc-list :lang=zh 2>/dev/null)" ] || packages+=(fontconfig fonts-noto-cjk fonts-inter)
  fi
  if [ "${#packages[@]}" -gt 0 ]; then
    echo "installing: ${packages[*]}"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
      have sudo || { echo "install these first: ${packages[*]}" && return 1; }
      root=(sudo -n)
    fi
    retry "${root[@]}" apt-get -qq update
    retry "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install -y --no-install-recommends "${packages[@]}"
  fi
  retry cargo fetch --locked
}

install_deny() {
  have cargo-deny || retry cargo install --locked --version "$DENY_VERSION" --root "$TARGET/tools" cargo-deny
  cargo deny --version
}

shell_checks() {
  local script
  for script in "${SCRIPTS[@]}"; do
    bash -n "$script"
    [ -x "$script" ] || { echo "$script is not executable" && return 1; }
  done
  shellcheck -x "${SCRIPTS[@]}"
}

# The house documents itself to those who work in it: private rooms too, so links to them are fine.
api_docs() {
  RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' \
    cargo doc --no-deps --document-private-items --locked
}

deny() { cargo deny --locked --log-level error check --hide-inclusion-graph "$@"; }

# The binary brings its own OpenSSL, libpq and SQLite: none may come from the machine.
no_foreign_libraries() {
  ldd "$BINARY"
  if ldd "$BINARY" | grep -E 'lib(ssl|crypto|pq|sqlite3)\b'; then
    echo "the release binary needs a library of the machine" && return 1
  fi
}

advisories() {
  if timeout 180 cargo deny fetch db >"$work/advisories" 2>&1; then
    step 'Advisories' deny advisories
  else
    heading 'Advisories'
    tail -n 3 "$work/advisories"
    echo 'NOT RUN: the advisory database cannot be reached from here.'
    not_run+=('advisories: the database cannot be reached from here')
  fi
}

# The release binary that all later steps run: out of a bare Debian where that can be made, which CI must be able to.
release_build() {
  local why
  if why=$(tests/image.sh possible); then
    step 'Release build, as the image has it' tests/image.sh build
    return
  fi
  if [ "${CI:-}" = true ]; then
    fail "the image's build steps: $why"
  else
    not_run+=("the image's build steps and the program in its root: $why")
  fi
  step 'Release build' cargo build --release --locked
}

step 'What is needed' install_packages
step 'Formatting' cargo fmt --check
step 'Clippy' cargo clippy --all-targets --locked -- -D warnings
counted 'Unit tests, and the suite on SQLite' cargo_counts cargo test --locked --no-fail-fast
counted 'The store and the suite on Postgres' cargo_counts on_postgres
[ -n "${LONG_TESTS:-}" ] || not_run+=('long tests: ask for them with --long')
if $quick; then
  not_run+=('all but formatting, clippy and cargo test: --quick was given')
else
  step 'Shell scripts' shell_checks
  step 'API documentation' api_docs
  step 'cargo-deny' install_deny
  step 'Licences, bans and sources' deny licenses bans sources
  advisories
  release_build
  step 'Libraries of the release binary' no_foreign_libraries
  step 'Benchmark, the quick one' ./bench.sh --quick
  counted 'Compose file, nginx, systemd unit' suite_counts tests/deployment.sh "$BINARY"
  if tests/image.sh possible >/dev/null; then
    counted 'The image without an engine' suite_counts tests/image.sh run "$BINARY"
  fi
  counted 'The demo' suite_counts tests/demo.sh "$BINARY"
  counted 'Official SDKs' suite_counts tests/sdk/run.sh "$BINARY"
  step 'The admin API against its description' tests/admin/schemathesis.sh "$BINARY"
  counted 'Browser' suite_counts tests/browser/run.sh "$BINARY"
fi

heading 'Totals'
for line in ${not_run[@]+"${not_run[@]}"}; do echo "NOT RUN: $line"; done
for line in ${failures[@]+"${failures[@]}"}; do echo "FAILED: $line"; done
finished=true
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
