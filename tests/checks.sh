# shellcheck shell=bash
# Counts checks, for scripts that source it: `check WHAT COMMAND...` as often as need be, then `checked NAME`, which
# prints the counts on a line of their own and fails when one check did.

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

checked() {
  printf '\n%s: %s passed, %s failed\n' "$1" "$good" "$bad"
  [ "$bad" -eq 0 ]
}
